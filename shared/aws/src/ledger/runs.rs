//! Runs and configurations, as the producer reads and writes them.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::{Answer, ReadRuns, StoredConfig, WriteRuns};
use pmp_sync_domain::run::{LinkRecord, RunRecord};
use serde::{Deserialize, Serialize};

use super::operator::LaneEntry;
use super::{Ledger, from_item, text};
use crate::keys::{self, CONFIG, CURRENT, LANES, LAST_RUN, PK, RUN, SK};
use crate::service_error;

/// Run ids are given out by one producer at a time; a few conflicts are more than can happen.
const MOST_CONFLICTS: usize = 5;

#[derive(Serialize, Deserialize)]
pub(super) struct Current {
    pub(super) schema: u32,
    pub(super) version: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ConfigItem {
    pub(super) schema: u32,
    pub(super) version: u64,
    pub(super) text: String,
    pub(super) applied_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct LastRun {
    schema: u32,
    run: RunId,
}

impl ReadRuns for Ledger {
    async fn config(&self) -> Answer<Option<StoredConfig>> {
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

    async fn config_version(&self, version: u64) -> Answer<Option<StoredConfig>> {
        let Some(item) = self.get(CONFIG, &keys::config_version(version)).await? else {
            return Ok(None);
        };
        let item: ConfigItem = from_item("GetItem", item)?;
        Ok(Some(StoredConfig {
            version: item.version,
            text: item.text,
        }))
    }

    async fn run(&self, run: RunId) -> Answer<Option<RunRecord>> {
        self.get(RUN, &run.to_string())
            .await?
            .map(|item| from_item("GetItem", item))
            .transpose()
    }

    async fn link(&self, run: RunId, lane: &LaneId) -> Answer<Option<LinkRecord>> {
        self.link_of(run, lane).await
    }
}

impl WriteRuns for Ledger {
    async fn next_run(&self, now: Timestamp, chance: u128) -> Answer<RunId> {
        for _ in 0..MOST_CONFLICTS {
            let last: Option<LastRun> = self
                .get(RUN, LAST_RUN)
                .await?
                .map(|item| from_item("GetItem", item))
                .transpose()?;
            let last = last.map(|last| last.run);
            let run = RunId::next(last, now.as_millisecond(), chance);
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
            "others took the id each time",
        ))
    }

    async fn put_run(&self, run: &RunRecord) -> Answer<()> {
        self.put(
            RUN,
            &run.run.to_string(),
            run,
            Some(self.expiry(run.started_at)),
        )
        .await
    }

    async fn put_link(&self, link: &LinkRecord) -> Answer<()> {
        self.put_link_parts(link, link.at).await
    }

    async fn register(&self, lane: &LaneId, link: &LinkRecord) -> Answer<()> {
        let entry = LaneEntry {
            schema: SCHEMA,
            lane: lane.clone(),
            member: link.member.clone(),
            management_experience: link.management_experience.clone(),
            mode: link.mode,
            run: link.run,
        };
        self.put(LANES, &keys::lane_entry(lane), &entry, None).await
    }
}
