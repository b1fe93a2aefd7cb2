//! Lanes, their changes and their change sets.

use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{FailedAlone, LaneState, OpenChange, Quarantined};
use pmp_sync_domain::ports::{
    Claims, Close, Closing, Lanes, Products, Quarantining, ReadSets, Result,
};
use pmp_sync_domain::records::{LastChange, SetRecord};
use pmp_sync_domain::wire::ChangeMessage;

use super::ItemState;
use crate::limits::check_item;
use crate::world::World;

impl Products for World {
    async fn products(&self, lane: &LaneId) -> Result<Vec<LastChange>> {
        let effect = self.call("Products", &lane.to_string()).await?;
        effect.answer(self.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
            items.map(|(_, item)| item.last_change()).collect()
        }))
    }
}

impl Lanes for World {
    async fn state(&self, lane: &LaneId) -> Result<LaneState> {
        let effect = self.call("GetItem", &lane.to_string()).await?;
        effect.answer(self.ledger(|ledger| ledger.lanes.get(lane).cloned().unwrap_or_default()))
    }

    async fn open(&self, lane: &LaneId) -> Result<Vec<OpenChange>> {
        let effect = self.call("Query", &lane.to_string()).await?;
        effect.answer(self.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
            items
                .filter(|(_, item)| item.is_open())
                .map(|(_, item)| item.change.clone())
                .collect()
        }))
    }

    async fn quarantined(&self, lane: &LaneId) -> Result<Vec<Quarantined>> {
        let effect = self.call("Query", &lane.to_string()).await?;
        effect.answer(self.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
            items
                .filter_map(|(_, item)| item.quarantined.clone())
                .collect()
        }))
    }

    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        let effect = self.call("UpdateItem", &lane.to_string()).await?;
        check_item("UpdateItem", &lane.to_string(), next)?;
        self.ledger(|ledger| {
            if ledger.lanes.get(lane).map_or(0, |state| state.rev) != rev {
                return Err(ServiceError::new(
                    "UpdateItem",
                    lane.to_string(),
                    Kind::Conflict,
                    "the condition does not hold",
                ));
            }
            let next = LaneState {
                rev: rev + 1,
                ..next.clone()
            };
            ledger.put_lane(lane, next);
            Ok(())
        })?;
        effect.answer(())
    }
}

impl Claims for World {
    async fn claim(&self, change: &ChangeMessage, now: Timestamp) -> Result<bool> {
        let effect = self.call("Claim", change.product.as_str()).await?;
        let key = (change.lane(), change.product.clone());
        let claimed = self.ledger(|ledger| {
            let newer = |item: &ItemState| item.change.run >= change.run;
            if ledger.items.get(&key).is_some_and(newer) {
                return false;
            }
            let claimed = OpenChange {
                product: change.product.clone(),
                action: change.action,
                run: change.run,
                ordinal: change.ordinal,
                claimed_at: now,
            };
            let item = ItemState {
                change: claimed,
                closed: None,
                closed_at: None,
                quarantined: None,
                change_set: None,
            };
            ledger.items.insert(key, item);
            true
        });
        effect.answer(claimed)
    }

    async fn quarantine(
        &self,
        lane: &LaneId,
        failed: &FailedAlone,
        now: Timestamp,
    ) -> Result<Quarantining> {
        let change = &failed.change;
        let effect = self.call("Quarantine", change.product.as_str()).await?;
        let quarantined = self.ledger(|ledger| {
            let key = (lane.clone(), change.product.clone());
            let item = ledger.items.get_mut(&key);
            let Some(item) =
                item.filter(|item| item.change.run == change.run && item.closed.is_none())
            else {
                return Quarantining::Gone;
            };
            if let Some(quarantined) = &item.quarantined {
                return Quarantining::Before(quarantined.quarantined_at);
            }
            item.quarantined = Some(Quarantined {
                product: change.product.clone(),
                action: change.action,
                run: change.run,
                error_code: failed.code.clone(),
                error_message: failed.message.clone(),
                change_set: failed.change_set.clone(),
                quarantined_at: now,
            });
            Quarantining::Now
        });
        effect.answer(quarantined)
    }

    async fn keep_set(&self, lane: &LaneId, record: &SetRecord) -> Result<()> {
        let thing = format!("{lane} {}", record.seq);
        let effect = self.call("KeepSet", &thing).await?;
        check_item("UpdateItem", &thing, record)?;
        self.ledger(|ledger| {
            let key = (lane.clone(), record.seq);
            let known = ledger.sets.get(&key);
            // As in the table, the time when the end was first found is kept.
            let ended_at = known.map_or(record.ended_at, |known| known.ended_at);
            let record = SetRecord {
                ended_at,
                ..record.clone()
            };
            ledger.sets.insert(key, record);
        });
        effect.answer(())
    }
}

impl ReadSets for World {
    async fn sets(&self, lane: &LaneId, run: Option<RunId>) -> Result<Vec<SetRecord>> {
        let effect = self.call("Query", &lane.to_string()).await?;
        effect.answer(self.ledger(|ledger| {
            let of_lane = ledger.sets.iter().filter(|((of, _), _)| of == lane);
            of_lane
                .map(|(_, record)| record)
                .filter(|record| run.is_none_or(|run| record.run == run))
                .cloned()
                .collect()
        }))
    }
}

impl Close for World {
    async fn close(
        &self,
        lane: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        now: Timestamp,
    ) -> Result<()> {
        for (product, run) in changes {
            let effect = self.call("Close", product.as_str()).await?;
            self.ledger(|ledger| {
                let item = ledger.items.get_mut(&(lane.clone(), product.clone()));
                if let Some(item) = item.filter(|item| item.change.run == *run && item.is_open()) {
                    item.closed = Some(closing);
                    item.closed_at = Some(now);
                    item.change_set = change_set.cloned();
                }
            });
            effect.answer(())?;
        }
        Ok(())
    }
}
