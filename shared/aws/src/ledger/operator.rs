//! What only the operator's command does with the ledger: applying configurations, listing runs and
//! lanes.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ExperienceId, LaneId, MemberName, RunId};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::ports::{Answer, ReadRuns as _, StoredConfig};
use pmp_sync_domain::run::RunRecord;
use serde::{Deserialize, Serialize};

use super::runs::{ConfigItem, Current};
use super::{Ledger, from_item, text, to_item};
use crate::keys::{self, CONFIG, CURRENT, LANES, PK, RUN, SK};
use crate::service_error;

/// A lane that was ever planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The lane.
    pub lane: LaneId,
    /// The member's name at that time.
    pub member: MemberName,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// The last run that committed a plan to it or failed on it.
    pub run: RunId,
}

impl Ledger {
    /// Stores a configuration as the next version and makes it the current one. Refused with
    /// [`Kind::Conflict`] if somebody else has applied one since `seen` was read.
    pub async fn put_config(&self, config: &str, seen: Option<u64>, now: Timestamp) -> Answer<u64> {
        let version = seen.unwrap_or_default() + 1;
        let refused = |error: &dyn std::fmt::Display| {
            ServiceError::new(
                "TransactWriteItems",
                "the configuration",
                Kind::Refused,
                error.to_string(),
            )
        };
        let sk = keys::config_version(version);
        let item = ConfigItem {
            schema: SCHEMA,
            version,
            text: config.to_owned(),
            applied_at: now,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item("TransactWriteItems", CONFIG, &sk, &item)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| refused(&error))?;
        let current = to_item(
            "TransactWriteItems",
            CONFIG,
            CURRENT,
            &Current {
                schema: SCHEMA,
                version,
            },
        )?;
        let mut mark = Put::builder()
            .table_name(&self.table)
            .set_item(Some(current));
        mark = match seen {
            Some(seen) => mark
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":seen", AttributeValue::N(seen.to_string())),
            None => mark.condition_expression("attribute_not_exists(pk)"),
        };
        let mark = mark.build().map_err(|error| refused(&error))?;
        self.client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().put(mark).build())
            .send()
            .await
            .map_err(|error| service_error("TransactWriteItems", "the configuration", &error))?;
        Ok(version)
    }

    /// The newest configuration, if there is one.
    pub async fn current_config(&self) -> Answer<Option<StoredConfig>> {
        self.config().await
    }

    /// The newest runs, the newest first.
    pub async fn runs(&self, most: u16) -> Answer<Vec<RunRecord>> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk > :first")
            .expression_attribute_values(":pk", text(RUN))
            // Above #last, below every run id.
            .expression_attribute_values(":first", text("$"))
            .scan_index_forward(false)
            .limit(i32::from(most))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| service_error("Query", "the runs", &error))?;
        page.items
            .unwrap_or_default()
            .into_iter()
            .map(|item| from_item("Query", item))
            .collect()
    }

    /// The newest of the last `most` runs that serves a request.
    pub async fn run_of_request(&self, request: &str, most: u16) -> Answer<Option<RunRecord>> {
        let runs = self.runs(most).await?;
        let serves = |run: &RunRecord| {
            run.requests
                .iter()
                .any(|served| served.id.as_deref() == Some(request))
        };
        Ok(runs.into_iter().find(serves))
    }

    /// Every lane that was ever planned for.
    pub async fn lanes(&self) -> Answer<Vec<LaneEntry>> {
        let items = self.between(LANES, "0", "~").await?;
        items
            .into_iter()
            .map(|item| from_item("Query", item))
            .collect()
    }

    /// True when the table can be reached with these credentials.
    pub async fn probe(&self) -> Answer<()> {
        self.client
            .get_item()
            .table_name(&self.table)
            .key(PK, text(CONFIG))
            .key(SK, text(CURRENT))
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("GetItem", self.table.as_str(), &error))
    }
}
