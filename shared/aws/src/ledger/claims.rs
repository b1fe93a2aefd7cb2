//! The items of single products on a lane: claim and close.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure as OnCheckFailure,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{FailedAlone, IntentChange, Quarantined};
use pmp_sync_domain::ports::{Claims, Close, Closing, Quarantining, Result};
use pmp_sync_domain::records::SetRecord;
use pmp_sync_domain::wire::ChangeMessage;

use super::{
    Ledger, NOT_NEWER, SCHEMA_FIELD, WRITES_AT_ONCE, check_schema, from_item, schema, text,
};
use crate::keys::{self, PK, SK};
use crate::service_error;

impl Ledger {
    async fn close_one(
        &self,
        lane: &LaneId,
        product: &ProductId,
        run: RunId,
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        now: Timestamp,
    ) -> Result<()> {
        let set = if change_set.is_some() {
            ", #change_set = :change_set"
        } else {
            ""
        };
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::lane(lane)))
            .key(SK, text(keys::product(product)))
            .update_expression(format!(
                "SET #state = :state, #closed_at = :now{set} REMOVE #open_rank"
            ))
            .condition_expression(format!(
                "#run = :run AND begins_with(#open_rank, :open) AND ({NOT_NEWER})"
            ))
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#closed_at", "closed_at")
            .expression_attribute_names("#open_rank", keys::OPEN_RANK)
            .expression_attribute_names("#run", "run")
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .expression_attribute_values(":state", text(closing.as_str()))
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":open", text(keys::OPEN_PREFIX))
            .expression_attribute_values(":run", text(run.to_string()));
        if let Some(id) = change_set {
            call = call
                .expression_attribute_names("#change_set", "change_set")
                .expression_attribute_values(":change_set", text(id.as_str()));
        }
        match call
            .send()
            .await
            .map_err(|error| service_error("UpdateItem", product.as_str(), &error))
        {
            // It was closed before, or claimed again under a later run. In both cases this run must
            // not close it.
            Err(error) if error.kind == Kind::Conflict => Ok(()),
            answer => answer.map(drop),
        }
    }
}

impl Ledger {
    /// What became of a change whose item does not have its run any more, or is not open.
    async fn quarantining(
        &self,
        lane: &LaneId,
        change: &IntentChange,
        now: Timestamp,
    ) -> Result<Quarantining> {
        let (pk, sk) = (keys::lane(lane), keys::product(&change.product));
        let Some(item) = self.get(&pk, &sk).await? else {
            return Ok(Quarantining::Gone);
        };
        let is_quarantined = item.get(keys::OPEN_RANK).is_some_and(|rank| {
            let rank = rank.as_s().map_or("", String::as_str);
            rank.starts_with(keys::QUARANTINE_PREFIX)
        });
        // One that a newer release wrote is left as it is.
        if !is_quarantined || check_schema("GetItem", &item).is_err() {
            return Ok(Quarantining::Gone);
        }
        let quarantined: Quarantined = from_item("GetItem", item)?;
        if quarantined.run != change.run {
            return Ok(Quarantining::Gone);
        }
        // A repetition by the SDK whose first answer was lost.
        if quarantined.quarantined_at == now {
            return Ok(Quarantining::Now);
        }
        Ok(Quarantining::Before(quarantined.quarantined_at))
    }
}

impl Claims for Ledger {
    async fn claim(&self, change: &ChangeMessage, now: Timestamp) -> Result<bool> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::lane(&change.lane())))
            .key(SK, text(keys::product(&change.product)))
            .update_expression(
                "SET #schema = :schema, #product = :product, #run = :run, #action = :action, #ordinal = :ordinal, \
                 #state = :open, #claimed_at = :now, #open_rank = :rank REMOVE #closed_at, #change_set, #error_code, #error_message, #quarantined_at",
            )
            .condition_expression(format!(
                "(attribute_not_exists(#run) OR #run < :run) AND ({NOT_NEWER})"
            ))
            .return_values_on_condition_check_failure(OnCheckFailure::AllOld)
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_names("#product", "product")
            .expression_attribute_names("#run", "run")
            .expression_attribute_names("#action", "action")
            .expression_attribute_names("#ordinal", "ordinal")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#claimed_at", "claimed_at")
            .expression_attribute_names("#open_rank", keys::OPEN_RANK)
            .expression_attribute_names("#closed_at", "closed_at")
            .expression_attribute_names("#change_set", "change_set")
            .expression_attribute_names("#error_code", "error_code")
            .expression_attribute_names("#error_message", "error_message")
            .expression_attribute_names("#quarantined_at", "quarantined_at")
            .expression_attribute_values(":schema", schema())
            .expression_attribute_values(":product", text(change.product.as_str()))
            .expression_attribute_values(":run", text(change.run.to_string()))
            .expression_attribute_values(":action", text(change.action.as_str()))
            .expression_attribute_values(":ordinal", AttributeValue::N(change.ordinal.to_string()))
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":rank", text(keys::open_rank(change.run, change.ordinal)))
            .send()
            .await;
        let Err(error) = sent else { return Ok(true) };
        // The item that the claim did not replace, if it cannot be read.
        let old = match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed.item(),
            _ => None,
        };
        if let Some(item) = old {
            check_schema("UpdateItem", item)?;
        }
        let error = service_error("UpdateItem", change.product.as_str(), &error);
        match error.kind {
            Kind::Conflict => Ok(false),
            _ => Err(error),
        }
    }

    async fn quarantine(
        &self,
        lane: &LaneId,
        failed: &FailedAlone,
        now: Timestamp,
    ) -> Result<Quarantining> {
        let change = &failed.change;
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::lane(lane)))
            .key(SK, text(keys::product(&change.product)))
            .update_expression(
                "SET #state = :state, #open_rank = :rank, #change_set = :change_set, \
                 #error_code = :error_code, #error_message = :error_message, #quarantined_at = :now",
            )
            .condition_expression(format!(
                "#run = :run AND begins_with(#open_rank, :open) AND ({NOT_NEWER})"
            ))
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#open_rank", keys::OPEN_RANK)
            .expression_attribute_names("#change_set", "change_set")
            .expression_attribute_names("#error_code", "error_code")
            .expression_attribute_names("#error_message", "error_message")
            .expression_attribute_names("#quarantined_at", "quarantined_at")
            .expression_attribute_names("#run", "run")
            .expression_attribute_values(":state", text("quarantined"))
            .expression_attribute_values(":rank", text(keys::quarantine_rank(&change.product)))
            .expression_attribute_values(":change_set", text(failed.change_set.as_str()))
            .expression_attribute_values(":error_code", text(&failed.code))
            .expression_attribute_values(":error_message", text(&failed.message))
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":open", text(keys::OPEN_PREFIX))
            .expression_attribute_values(":run", text(change.run.to_string()))
            .send()
            .await
            .map_err(|error| service_error("UpdateItem", change.product.as_str(), &error));
        match sent {
            Ok(_) => Ok(Quarantining::Now),
            Err(error) if error.kind == Kind::Conflict => {
                self.quarantining(lane, change, now).await
            }
            Err(error) => Err(error),
        }
    }

    async fn keep_set(&self, lane: &LaneId, record: &SetRecord) -> Result<()> {
        self.put_set(lane, record).await
    }
}

impl Close for Ledger {
    async fn close(
        &self,
        lane: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        now: Timestamp,
    ) -> Result<()> {
        let writes: Vec<_> = changes
            .iter()
            .map(|(product, run)| self.close_one(lane, product, *run, closing, change_set, now))
            .collect();
        stream::iter(writes)
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await
    }
}
