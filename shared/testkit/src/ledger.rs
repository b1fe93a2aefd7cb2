//! The ledger in memory, with the conditions that the real one's writes have.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, OpenChange};
use pmp_sync_domain::message::ChangeMessage;
use pmp_sync_domain::ports::{Answer, Claims, Closing, Lanes, ReadRuns, StoredConfig, WriteRuns};
use pmp_sync_domain::run::{LinkRecord, RunRecord};

use crate::world::World;

/// The item of one product on one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemState {
    /// The change as it was claimed last.
    pub change: OpenChange,
    /// How it was closed; open without.
    pub closed: Option<Closing>,
    /// The change set that applied it.
    pub change_set: Option<ChangeSetId>,
}

/// The ledger in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger {
    /// The states of the lanes.
    pub lanes: BTreeMap<LaneId, LaneState>,
    /// The items of the products.
    pub items: BTreeMap<(LaneId, ProductId), ItemState>,
    /// The configuration's versions.
    pub configs: Vec<String>,
    /// The runs.
    pub runs: BTreeMap<RunId, RunRecord>,
    /// What the runs planned.
    pub links: BTreeMap<(RunId, String), LinkRecord>,
    /// The last run id that was given out.
    pub last_run: Option<RunId>,
}

impl Lanes for World {
    async fn state(&self, lane: &LaneId) -> Answer<LaneState> {
        self.call("GetItem", &lane.to_string())?;
        Ok(self.ledger(|ledger| ledger.lanes.get(lane).cloned().unwrap_or_default()))
    }

    async fn open(&self, lane: &LaneId) -> Answer<Vec<OpenChange>> {
        self.call("Query", &lane.to_string())?;
        Ok(self.ledger(|ledger| {
            let of_lane = ledger
                .items
                .iter()
                .filter(|((of, _), item)| of == lane && item.closed.is_none());
            of_lane.map(|(_, item)| item.change.clone()).collect()
        }))
    }

    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Answer<()> {
        self.call("UpdateItem", &lane.to_string())?;
        self.ledger(|ledger| {
            if ledger.lanes.get(lane).map_or(0, |state| state.rev) != rev {
                return Err(ServiceError::new(
                    "UpdateItem",
                    lane.to_string(),
                    Kind::Conflict,
                    "the condition does not hold",
                ));
            }
            ledger.lanes.insert(
                lane.clone(),
                LaneState {
                    rev: rev + 1,
                    ..next.clone()
                },
            );
            Ok(())
        })
    }
}

impl Claims for World {
    async fn claim(&self, change: &ChangeMessage, now: Timestamp) -> Answer<bool> {
        self.call("Claim", change.product.as_str())?;
        let key = (change.lane(), change.product.clone());
        Ok(self.ledger(|ledger| {
            if ledger
                .items
                .get(&key)
                .is_some_and(|item| item.change.run >= change.run)
            {
                return false;
            }
            let claimed = OpenChange {
                product: change.product.clone(),
                action: change.action,
                run: change.run,
                ordinal: change.ordinal,
                claimed_at: now,
            };
            ledger.items.insert(
                key,
                ItemState {
                    change: claimed,
                    closed: None,
                    change_set: None,
                },
            );
            true
        }))
    }

    async fn close(
        &self,
        lane: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        _now: Timestamp,
    ) -> Answer<()> {
        for (product, run) in changes {
            self.call("Close", product.as_str())?;
            self.ledger(|ledger| {
                let item = ledger.items.get_mut(&(lane.clone(), product.clone()));
                if let Some(item) =
                    item.filter(|item| item.change.run == *run && item.closed.is_none())
                {
                    item.closed = Some(closing);
                    item.change_set = change_set.cloned();
                }
            });
        }
        Ok(())
    }
}

fn link_key(record: &LinkRecord) -> String {
    record
        .lane
        .as_ref()
        .map_or_else(|| format!("{}/*", record.account), LaneId::to_string)
}

impl ReadRuns for World {
    async fn config(&self) -> Answer<Option<StoredConfig>> {
        self.call("GetItem", "config")?;
        Ok(self.ledger(|ledger| {
            let text = ledger.configs.last().cloned()?;
            Some(StoredConfig {
                version: ledger.configs.len() as u64,
                text,
            })
        }))
    }

    async fn config_version(&self, version: u64) -> Answer<Option<StoredConfig>> {
        self.call("GetItem", "config version")?;
        let place = usize::try_from(version)
            .ok()
            .and_then(|version| version.checked_sub(1));
        Ok(self.ledger(|ledger| {
            Some(StoredConfig {
                version,
                text: ledger.configs.get(place?)?.clone(),
            })
        }))
    }

    async fn run(&self, run: RunId) -> Answer<Option<RunRecord>> {
        self.call("GetItem", "run")?;
        Ok(self.ledger(|ledger| ledger.runs.get(&run).cloned()))
    }

    async fn link(&self, run: RunId, lane: &LaneId) -> Answer<Option<LinkRecord>> {
        self.call("Query", "link")?;
        Ok(self.ledger(|ledger| ledger.links.get(&(run, lane.to_string())).cloned()))
    }
}

impl WriteRuns for World {
    async fn next_run(&self, now: Timestamp, chance: u128) -> Answer<RunId> {
        self.call("UpdateItem", "last run")?;
        Ok(self.ledger(|ledger| {
            let next = RunId::next(ledger.last_run, now.as_millisecond(), chance);
            ledger.last_run = Some(next);
            next
        }))
    }

    async fn put_run(&self, run: &RunRecord) -> Answer<()> {
        self.call("PutItem", "run")?;
        self.ledger(|ledger| ledger.runs.insert(run.run, run.clone()));
        Ok(())
    }

    async fn put_link(&self, link: &LinkRecord) -> Answer<()> {
        self.call("PutItem", "link")?;
        self.ledger(|ledger| {
            ledger
                .links
                .insert((link.run, link_key(link)), link.clone())
        });
        Ok(())
    }

    async fn register(&self, _lane: &LaneId, _link: &LinkRecord) -> Answer<()> {
        self.call("PutItem", "lane")
    }
}
