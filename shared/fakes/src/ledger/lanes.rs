//! Lanes, their changes and their change sets.

use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{FailedAlone, LaneState, OpenChange, Quarantined};
use pmp_sync_domain::ports::{
    Claims, Close, Closing, Lanes, Products, Quarantining, ReadSets, Result,
};
use pmp_sync_domain::records::{Found, LastChange, SeenList, SetRecord};
use pmp_sync_domain::wire::ChangeMessage;

use super::{ItemKey, ItemState};
use crate::limits::check_item;
use crate::world::World;

impl World {
    /// The items of a lane's products that `wanted` selects.
    fn items<T>(&self, lane: &LaneId, wanted: impl Fn(&ItemState) -> Option<T>) -> Found<T> {
        self.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
            let wanted = items.filter_map(|((_, product), item)| {
                let key = ItemKey::Product(lane.clone(), product.clone());
                Some(ledger.read(&key, wanted(item)?))
            });
            wanted.collect()
        })
    }
}

impl Products for World {
    async fn products(&self, lane: &LaneId) -> Result<Found<LastChange>> {
        let effect = self.call("Products", &lane.to_string()).await?;
        effect.answer(self.items(lane, |item| Some(item.last_change())))
    }

    async fn seen_list(&self, lane: &LaneId) -> Result<Option<SeenList>> {
        let effect = self.call("GetItem", "seen list").await?;
        let list = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::SeenList(lane.clone()))?;
            Ok(ledger.seen_lists.get(lane).cloned())
        })?;
        effect.answer(list)
    }
}

impl Lanes for World {
    async fn state(&self, lane: &LaneId) -> Result<LaneState> {
        let effect = self.call("GetItem", &lane.to_string()).await?;
        let state = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::LaneState(lane.clone()))?;
            Ok(ledger.lanes.get(lane).cloned().unwrap_or_default())
        })?;
        effect.answer(state)
    }

    async fn open(&self, lane: &LaneId) -> Result<Found<OpenChange>> {
        let effect = self.call("Query", &lane.to_string()).await?;
        effect.answer(self.items(lane, |item| item.is_open().then(|| item.change.clone())))
    }

    async fn quarantined(&self, lane: &LaneId) -> Result<Found<Quarantined>> {
        let effect = self.call("Query", &lane.to_string()).await?;
        effect.answer(self.items(lane, |item| item.quarantined.clone()))
    }

    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        let effect = self.call("UpdateItem", &lane.to_string()).await?;
        check_item("UpdateItem", &lane.to_string(), next)?;
        self.ledger(|ledger| {
            // A newer release has written another revision.
            let newer = ledger.newer.contains(&ItemKey::LaneState(lane.clone()));
            if newer || ledger.lanes.get(lane).map_or(0, |state| state.rev) != rev {
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
            ledger.check(
                "UpdateItem",
                &ItemKey::Product(key.0.clone(), key.1.clone()),
            )?;
            let newer = |item: &ItemState| item.change.run >= change.run;
            if ledger.items.get(&key).is_some_and(newer) {
                return Ok(false);
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
            Ok(true)
        })?;
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
            if ledger.is_newer(&key) {
                return Quarantining::Gone;
            }
            let item = ledger.items.get_mut(&key);
            let Some(item) =
                item.filter(|item| item.change.run == change.run && item.closed.is_none())
            else {
                return Quarantining::Gone;
            };
            if let Some(quarantined) = &item.quarantined {
                return Quarantining::Before(quarantined.quarantined_at);
            }
            item.quarantined = Some(failed.quarantined(now));
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
            if ledger.newer.contains(&ItemKey::Set(key.0.clone(), key.1)) {
                return;
            }
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
    async fn sets(&self, lane: &LaneId, run: Option<RunId>) -> Result<Found<SetRecord>> {
        let effect = self.call("Query", &lane.to_string()).await?;
        effect.answer(self.ledger(|ledger| {
            let of_lane = ledger.sets.iter().filter(|((of, _), _)| of == lane);
            of_lane
                .filter(|(_, record)| run.is_none_or(|run| record.run == run))
                .map(|((_, seq), record)| {
                    ledger.read(&ItemKey::Set(lane.clone(), *seq), record.clone())
                })
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
                let key = (lane.clone(), product.clone());
                if ledger.is_newer(&key) {
                    return;
                }
                let item = ledger.items.get_mut(&key);
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
