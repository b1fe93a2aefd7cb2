//! Runs and configurations, as the producer reads and writes them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::Quarantined;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Closing, ReadRuns, Result, StoredConfig, WriteRuns};
use pmp_sync_domain::records::{
    DeadLetterRecord, Found, LaneEntry, LinkRecord, LinkState, LiveRecord, RunRecord, SeenList,
    SetRecord, Suspensions,
};
use serde::{Deserialize, Serialize};

use super::{
    Ledger, MOST_PAGES, NOT_NEWER, SCHEMA_FIELD, from_item, from_items, schema, text, to_item,
};
use crate::keys::{
    self, CONFIG, CURRENT, LANES, LAST_RUN, OPEN_INDEX, OPEN_RANK, PK, RUN, SEEN_LISTS, SK,
    SUSPENSIONS,
};
use crate::service_error;

/// One producer at a time assigns run ids, so even a few conflicts cannot happen.
const MOST_CONFLICTS: usize = 5;

#[derive(Serialize, Deserialize)]
pub(super) struct Current {
    pub(super) schema: u32,
    pub(super) version: u64,
}

/// What is read of a version for its text.
#[derive(Deserialize)]
struct ConfigItem {
    version: u64,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct LastRun {
    schema: u32,
    run: RunId,
}

/// The run id that was assigned last.
enum LastAssigned {
    /// The item says so.
    Stored(Option<RunId>),
    /// The item cannot be read.
    OnRecord(Option<RunId>),
}

/// Sorts after [`LAST_RUN`] and before every run id.
pub(super) const BEFORE_RUNS: &str = "$";

impl Ledger {
    /// Reads up to `most` runs, selected by `narrow`, with strong consistency. A page has up to 1 MB,
    /// which may be fewer.
    pub(super) async fn runs(
        &self,
        most: u16,
        narrow: impl Fn(QueryFluentBuilder) -> QueryFluentBuilder,
    ) -> Result<Found<RunRecord>> {
        let most = usize::from(most);
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..MOST_PAGES {
            let left = i32::try_from(most.saturating_sub(items.len())).unwrap_or(i32::MAX);
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .expression_attribute_values(":pk", text(RUN))
                .limit(left)
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = narrow(query)
                .send()
                .await
                .map_err(|error| service_error("Query", "the runs", &error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= most {
                return Ok(from_items("Query", items));
            }
        }
        let words = "the runs have too many pages";
        Err(ServiceError::new("Query", "the runs", Kind::Refused, words))
    }

    /// The run id that was assigned last. If that item cannot be read, the newest run on record,
    /// which is written as soon as its id is assigned; the item is then left as it is.
    async fn last_run(&self) -> Result<LastAssigned> {
        let Some(item) = self.get(RUN, LAST_RUN).await? else {
            return Ok(LastAssigned::Stored(None));
        };
        match from_item::<LastRun>("GetItem", item) {
            Ok(last) => Ok(LastAssigned::Stored(Some(last.run))),
            Err(error) => {
                tracing::error!(code = "PMS-4004", %error, "the last run id cannot be read; the newest run on record counts");
                self.newest_key().await.map(LastAssigned::OnRecord)
            }
        }
    }

    /// The id of the newest run on record, by its key, whether or not its item can be read.
    async fn newest_key(&self) -> Result<Option<RunId>> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk > :first")
            .expression_attribute_values(":pk", text(RUN))
            .expression_attribute_values(":first", text(BEFORE_RUNS))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| service_error("Query", "the runs", &error))?;
        let item = page.items.unwrap_or_default().into_iter().next();
        let sk = item.and_then(|mut item| item.remove(SK));
        Ok(sk.and_then(|sk| sk.as_s().ok()?.parse().ok()))
    }
}

impl ReadRuns for Ledger {
    async fn config(&self) -> Result<Option<StoredConfig>> {
        let Some(item) = self.get(CONFIG, CURRENT).await? else {
            return Ok(None);
        };
        let current: Current = from_item("GetItem", item)?;
        let stored = self.config_version(current.version).await?;
        stored.map(Some).ok_or_else(|| {
            let message = "the configuration that is marked as current is missing";
            ServiceError::new(
                "GetItem",
                keys::config_version(current.version),
                Kind::Refused,
                message,
            )
        })
    }

    async fn config_version(&self, version: u64) -> Result<Option<StoredConfig>> {
        let Some(item) = self.get(CONFIG, &keys::config_version(version)).await? else {
            return Ok(None);
        };
        let item: ConfigItem = from_item("GetItem", item)?;
        Ok(Some(StoredConfig {
            version: item.version,
            text: item.text,
        }))
    }

    async fn suspensions(&self) -> Result<Suspensions> {
        match self.get(CONFIG, SUSPENSIONS).await? {
            Some(item) => from_item("GetItem", item),
            None => Ok(Suspensions::default()),
        }
    }

    async fn lanes(&self) -> Result<Found<LaneEntry>> {
        let items = self.between(LANES, "0", "~").await?;
        Ok(from_items("Query", items))
    }

    async fn newest_runs(&self, most: u16) -> Result<Found<RunRecord>> {
        let newest = |query: QueryFluentBuilder| {
            query
                .key_condition_expression("pk = :pk AND sk > :first")
                .expression_attribute_values(":first", text(BEFORE_RUNS))
                .scan_index_forward(false)
        };
        self.runs(most, newest).await
    }

    async fn unfinished_runs(&self, most: u16) -> Result<Found<RunRecord>> {
        let unfinished = |query: QueryFluentBuilder| {
            query
                .index_name(OPEN_INDEX)
                .key_condition_expression("pk = :pk")
        };
        self.runs(most, unfinished).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>> {
        self.get(RUN, &run.to_string())
            .await?
            .map(|item| from_item("GetItem", item))
            .transpose()
    }

    async fn link(&self, run: RunId, lane: &LaneId) -> Result<Option<LinkRecord>> {
        self.link_of(run, lane).await
    }

    async fn link_state(&self, lane: &LaneId) -> Result<LinkState> {
        self.link_state_of(lane).await
    }

    async fn lists(&self, run: RunId, lane: &LaneId) -> Result<Option<PolicySnapshot>> {
        self.lists_of(run, lane).await
    }

    async fn sets_since(&self, lane: &LaneId, run: RunId, most: usize) -> Result<Found<SetRecord>> {
        self.read_sets_since(lane, run, most).await
    }

    async fn live(&self, products: &BTreeSet<ProductId>) -> Result<Found<LiveRecord>> {
        self.live_of(products).await
    }
}

impl WriteRuns for Ledger {
    async fn next_run(&self, now: Timestamp, random: u128) -> Result<RunId> {
        for _ in 0..MOST_CONFLICTS {
            let assigned = self.last_run().await?;
            let last = match assigned {
                LastAssigned::Stored(last) | LastAssigned::OnRecord(last) => last,
            };
            let run = RunId::next(last, now.as_millisecond(), random);
            if matches!(assigned, LastAssigned::OnRecord(_)) {
                return Ok(run);
            }
            let mut call = self
                .client
                .put_item()
                .table_name(&self.table)
                .item(PK, text(RUN))
                .item(SK, text(LAST_RUN))
                .item("schema", AttributeValue::N(SCHEMA.to_string()))
                .item("run", text(run.to_string()))
                .expression_attribute_names("#run", "run");
            call = match last {
                Some(last) => call
                    .condition_expression("#run = :last")
                    .expression_attribute_values(":last", text(last.to_string())),
                None => call.condition_expression("attribute_not_exists(#run)"),
            };
            match call
                .send()
                .await
                .map_err(|error| service_error("PutItem", "the last run", &error))
            {
                Ok(_) => return Ok(run),
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(ServiceError::new(
            "PutItem",
            "the last run",
            Kind::Conflict,
            "other writers took the id at each attempt",
        ))
    }

    async fn put_run(&self, run: &RunRecord) -> Result<()> {
        let sk = run.run.to_string();
        let mut item = to_item("PutItem", RUN, &sk, run)?;
        if run.is_unfinished() {
            // The index finds it, however many runs come after it.
            item.insert(OPEN_RANK.to_owned(), text(sk.clone()));
        }
        let expires_at = Some(self.expiry(run.started_at));
        self.put_item(RUN, &sk, item, expires_at).await
    }

    async fn put_link(&self, link: &LinkRecord) -> Result<()> {
        self.put_link_parts(link, link.at).await
    }

    async fn void_failure(&self, run: RunId, account: &AccountId) -> Result<()> {
        self.void_record(run, account).await
    }

    async fn put_link_state(&self, lane: &LaneId, link_state: &LinkState) -> Result<()> {
        self.store_link_state(lane, link_state).await
    }

    async fn put_lists(
        &self,
        run: RunId,
        lane: &LaneId,
        lists: &PolicySnapshot,
        now: Timestamp,
    ) -> Result<()> {
        self.store_lists(run, lane, lists, now).await
    }

    async fn put_seen_list(&self, lane: &LaneId, list: &SeenList) -> Result<()> {
        self.put(SEEN_LISTS, &keys::lane_entry(lane), list, None)
            .await
    }

    async fn put_live(&self, record: &LiveRecord) -> Result<()> {
        self.store_live(record).await
    }

    async fn release(
        &self,
        lane: &LaneId,
        quarantined: &Quarantined,
        now: Timestamp,
    ) -> Result<()> {
        let product = &quarantined.product;
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::lane(lane)))
            .key(SK, text(keys::product(product)))
            .update_expression("SET #state = :state, #closed_at = :now REMOVE #open_rank")
            .condition_expression(format!(
                "#run = :run AND #open_rank = :rank AND ({NOT_NEWER})"
            ))
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#closed_at", "closed_at")
            .expression_attribute_names("#open_rank", OPEN_RANK)
            .expression_attribute_names("#run", "run")
            .expression_attribute_values(":state", text(Closing::Superseded.as_str()))
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":run", text(quarantined.run.to_string()))
            .expression_attribute_values(":rank", text(keys::quarantine_rank(product)))
            .send()
            .await
            .map_err(|error| service_error("UpdateItem", product.as_str(), &error));
        match sent {
            // It was released before, or claimed again.
            Err(error) if error.kind == Kind::Conflict => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn put_dead_letter(&self, run: RunId, record: &DeadLetterRecord) -> Result<()> {
        let (pk, sk) = (keys::run_links(run), keys::dead_letter(&record.id));
        self.put(&pk, &sk, record, Some(self.expiry(record.at)))
            .await
    }

    async fn register(&self, lane: &LaneId, link: &LinkRecord) -> Result<()> {
        let entry = LaneEntry {
            schema: SCHEMA,
            lane: lane.clone(),
            member: link.member.clone(),
            sources: link.sources.clone(),
            mode: link.mode,
            run: link.run,
        };
        self.put(LANES, &keys::lane_entry(lane), &entry, None).await
    }
}
