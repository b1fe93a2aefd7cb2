//! Runs, links and what is kept of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::Quarantined;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Closing, ReadRuns, Receipts, Result, StoredConfig, WriteRuns};
use pmp_sync_domain::records::{
    DeadLetterRecord, Found, LaneEntry, LinkRecord, LinkState, LiveRecord, Receipt, RunRecord,
    SeenList, SetRecord, Suspensions,
};

use super::{ItemKey, ItemState, Kept, MemoryLedger};
use crate::limits::check_item;
use crate::world::World;

fn link_key(record: &LinkRecord) -> String {
    record
        .lane
        .as_ref()
        .map_or_else(|| format!("{}/*", record.account), LaneId::to_string)
}

/// Runs as a query reads them.
fn read_runs<'a>(
    ledger: &MemoryLedger,
    runs: impl Iterator<Item = &'a RunRecord>,
) -> Found<RunRecord> {
    runs.map(|run| ledger.read(&ItemKey::Run(run.run), run.clone()))
        .collect()
}

impl ReadRuns for World {
    async fn config(&self) -> Result<Option<StoredConfig>> {
        let effect = self.call("GetItem", "config").await?;
        let stored = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::Config)?;
            let version = ledger.configs.len() as u64;
            ledger.check("GetItem", &ItemKey::ConfigVersion(version))?;
            let text = ledger.configs.last().cloned();
            Ok(text.map(|text| StoredConfig { version, text }))
        })?;
        effect.answer(stored)
    }

    async fn config_version(&self, version: u64) -> Result<Option<StoredConfig>> {
        let effect = self.call("GetItem", "config version").await?;
        let place = usize::try_from(version)
            .ok()
            .and_then(|version| version.checked_sub(1));
        let stored = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::ConfigVersion(version))?;
            let text = place.and_then(|place| ledger.configs.get(place).cloned());
            Ok(text.map(|text| StoredConfig { version, text }))
        })?;
        effect.answer(stored)
    }

    async fn suspensions(&self) -> Result<Suspensions> {
        let effect = self.call("GetItem", "suspensions").await?;
        let suspensions = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::Suspensions)?;
            Ok(ledger.suspensions.clone())
        })?;
        effect.answer(suspensions)
    }

    async fn lanes(&self) -> Result<Found<LaneEntry>> {
        let effect = self.call("Query", "lanes").await?;
        effect.answer(self.ledger(|ledger| {
            let entries = ledger.entries.iter();
            entries
                .map(|(lane, entry)| ledger.read(&ItemKey::LaneEntry(lane.clone()), entry.clone()))
                .collect()
        }))
    }

    async fn unfinished_runs(&self, most: u16) -> Result<Found<RunRecord>> {
        let effect = self.call("Query", "runs").await?;
        effect.answer(self.ledger(|ledger| {
            let all = ledger.runs.values();
            let unfinished = all.filter(|run| run.is_unfinished());
            read_runs(ledger, unfinished.take(usize::from(most)))
        }))
    }

    async fn newest_runs(&self, most: u16) -> Result<Found<RunRecord>> {
        let effect = self.call("Query", "runs").await?;
        effect.answer(self.ledger(|ledger| {
            let newest = ledger.runs.values().rev();
            read_runs(ledger, newest.take(usize::from(most)))
        }))
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>> {
        let effect = self.call("GetItem", "run").await?;
        let record = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::Run(run))?;
            Ok(ledger.runs.get(&run).cloned())
        })?;
        effect.answer(record)
    }

    async fn link(&self, run: RunId, lane: &LaneId) -> Result<Option<LinkRecord>> {
        let effect = self.call("Query", "link").await?;
        let record = self.ledger(|ledger| {
            ledger.check("Query", &ItemKey::Link(run, lane.clone()))?;
            Ok(ledger.links.get(&(run, lane.to_string())).cloned())
        })?;
        effect.answer(record)
    }

    async fn link_state(&self, lane: &LaneId) -> Result<LinkState> {
        let effect = self.call("GetItem", "link_state").await?;
        let state = self.ledger(|ledger| {
            ledger.check("GetItem", &ItemKey::LinkState(lane.clone()))?;
            Ok(ledger.link_states.get(lane).cloned().unwrap_or_default())
        })?;
        effect.answer(state)
    }

    async fn lists(&self, run: RunId, lane: &LaneId) -> Result<Option<PolicySnapshot>> {
        let effect = self.call("Query", "lists").await?;
        let lists = self.ledger(|ledger| {
            ledger.check("Query", &ItemKey::Lists(run, lane.clone()))?;
            Ok(ledger.lists.get(&(run, lane.clone())).cloned())
        })?;
        effect.answer(lists)
    }

    async fn sets_since(&self, lane: &LaneId, run: RunId, most: usize) -> Result<Found<SetRecord>> {
        let effect = self.call("Query", "sets").await?;
        effect.answer(self.ledger(|ledger| {
            let of_lane = ledger.sets.iter().filter(|((of, _), _)| of == lane);
            let mut newest = of_lane.rev();
            let mut read = Vec::new();
            let mut is_older = false;
            while !is_older && read.len() < most {
                let Some(((_, seq), record)) = newest.next() else {
                    break;
                };
                is_older = record.run < run;
                read.push(ledger.read(&ItemKey::Set(lane.clone(), *seq), record.clone()));
            }
            read.into_iter().collect()
        }))
    }

    async fn live(&self, products: &BTreeSet<ProductId>) -> Result<Found<LiveRecord>> {
        let effect = self.call("BatchGetItem", "live").await?;
        effect.answer(self.ledger(|ledger| {
            let known = ledger.live.iter();
            let wanted = known.filter(|(product, _)| products.contains(product));
            wanted
                .map(|(product, record)| {
                    ledger.read(&ItemKey::Live(product.clone()), record.clone())
                })
                .collect()
        }))
    }
}

impl WriteRuns for World {
    async fn next_run(&self, now: Timestamp, random: u128) -> Result<RunId> {
        let effect = self.call("UpdateItem", "last run").await?;
        effect.answer(self.ledger(|ledger| {
            // As in the table: the item is left as it is, and the newest run on record counts.
            if ledger.newer.contains(&ItemKey::LastRun) {
                let newest = ledger.runs.keys().next_back().copied();
                return RunId::next(newest, now.as_millisecond(), random);
            }
            let next = RunId::next(ledger.last_run, now.as_millisecond(), random);
            ledger.last_run = Some(next);
            next
        }))
    }

    async fn put_run(&self, run: &RunRecord) -> Result<()> {
        let effect = self.call("PutItem", "run").await?;
        check_item("PutItem", "run", run)?;
        self.ledger(|ledger| {
            ledger.check("PutItem", &ItemKey::Run(run.run))?;
            ledger.runs.insert(run.run, run.clone());
            Ok(())
        })?;
        effect.answer(())
    }

    async fn put_link(&self, link: &LinkRecord) -> Result<()> {
        let effect = self.call("PutItem", "link").await?;
        let key = (link.run, link_key(link));
        self.ledger(|ledger| {
            if let Some(lane) = &link.lane {
                ledger.check("PutItem", &ItemKey::Link(link.run, lane.clone()))?;
            }
            ledger.links.insert(key, link.clone());
            Ok(())
        })?;
        effect.answer(())
    }

    async fn void_failure(&self, run: RunId, account: &AccountId) -> Result<()> {
        let effect = self.call("UpdateItem", "link").await?;
        self.ledger(|ledger| {
            ledger.links.retain(|(of, _), link| {
                *of != run || link.lane.is_some() || link.account != *account
            });
        });
        effect.answer(())
    }

    async fn put_link_state(&self, lane: &LaneId, link_state: &LinkState) -> Result<()> {
        let effect = self.call("PutItem", "link_state").await?;
        check_item("PutItem", "link_state", link_state)?;
        self.ledger(|ledger| {
            // A newer release has written another revision.
            let newer = ledger.newer.contains(&ItemKey::LinkState(lane.clone()));
            if newer
                || ledger
                    .link_states
                    .get(lane)
                    .map_or(0, |link_state| link_state.rev)
                    != link_state.rev
            {
                let words = "the condition does not hold";
                let thing = lane.to_string();
                return Err(ServiceError::new("PutItem", thing, Kind::Conflict, words));
            }
            let next = LinkState {
                rev: link_state.rev + 1,
                ..link_state.clone()
            };
            if let Some(watched) = &mut ledger.watched_link_states {
                watched.push(Kept::LinkState(lane.clone(), Box::new(next.clone())));
            }
            ledger.link_states.insert(lane.clone(), next);
            Ok(())
        })?;
        effect.answer(())
    }

    async fn put_lists(
        &self,
        run: RunId,
        lane: &LaneId,
        lists: &PolicySnapshot,
        _now: Timestamp,
    ) -> Result<()> {
        let effect = self.call("PutItem", "lists").await?;
        let key = (run, lane.clone());
        self.ledger(|ledger| {
            ledger.check("PutItem", &ItemKey::Lists(run, lane.clone()))?;
            if let Some(watched) = &mut ledger.watched_link_states {
                watched.push(Kept::Lists(run, lane.clone()));
            }
            ledger.lists.entry(key).or_insert_with(|| lists.clone());
            Ok(())
        })?;
        effect.answer(())
    }

    async fn put_seen_list(&self, lane: &LaneId, list: &SeenList) -> Result<()> {
        let effect = self.call("PutItem", "seen list").await?;
        check_item("PutItem", "seen list", list)?;
        self.ledger(|ledger| {
            ledger.check("PutItem", &ItemKey::SeenList(lane.clone()))?;
            ledger.seen_lists.insert(lane.clone(), list.clone());
            Ok(())
        })?;
        effect.answer(())
    }

    async fn put_live(&self, record: &LiveRecord) -> Result<()> {
        let effect = self.call("PutItem", "live").await?;
        check_item("PutItem", "live", record)?;
        let key = record.product.clone();
        self.ledger(|ledger| {
            ledger.check("PutItem", &ItemKey::Live(key.clone()))?;
            let before = ledger.live.insert(key, record.clone());
            if let Some(watched) = &mut ledger.watched_listings {
                watched.push((before, record.clone()));
            }
            Ok(())
        })?;
        effect.answer(())
    }

    async fn release(
        &self,
        lane: &LaneId,
        quarantined: &Quarantined,
        now: Timestamp,
    ) -> Result<()> {
        let effect = self.call("Release", quarantined.product.as_str()).await?;
        self.ledger(|ledger| {
            let key = (lane.clone(), quarantined.product.clone());
            if ledger.is_newer(&key) {
                return;
            }
            let item = ledger.items.get_mut(&key);
            let is_it = |item: &&mut ItemState| {
                item.quarantined
                    .as_ref()
                    .is_some_and(|q| q.run == quarantined.run)
            };
            if let Some(item) = item.filter(is_it) {
                item.quarantined = None;
                item.closed = Some(Closing::Superseded);
                item.closed_at = Some(now);
            }
        });
        effect.answer(())
    }

    async fn put_dead_letter(&self, run: RunId, record: &DeadLetterRecord) -> Result<()> {
        let effect = self.call("PutItem", "dead letter").await?;
        check_item("PutItem", "dead letter", record)?;
        self.ledger(|ledger| {
            let same = |(of, kept): &(RunId, DeadLetterRecord)| *of == run && kept.id == record.id;
            ledger.dead_letters.retain(|kept| !same(kept));
            ledger.dead_letters.push((run, record.clone()));
        });
        effect.answer(())
    }

    async fn register(&self, lane: &LaneId, link: &LinkRecord) -> Result<()> {
        let effect = self.call("PutItem", "lane").await?;
        let entry = LaneEntry {
            schema: link.schema,
            lane: lane.clone(),
            member: link.member.clone(),
            sources: link.sources.clone(),
            mode: link.mode,
            run: link.run,
        };
        self.ledger(|ledger| {
            ledger.check("PutItem", &ItemKey::LaneEntry(lane.clone()))?;
            ledger.entries.insert(lane.clone(), entry);
            Ok(())
        })?;
        effect.answer(())
    }
}

impl Receipts for World {
    async fn receipts(&self, requests: &BTreeSet<String>) -> Result<Found<Receipt>> {
        let effect = self.call("Receipts", "receipts").await?;
        effect.answer(self.ledger(|ledger| {
            let known = requests.iter();
            let known = known.filter_map(|request| ledger.receipts.get_key_value(request));
            known
                .map(|(request, receipt)| {
                    ledger.read(&ItemKey::Receipt(request.clone()), receipt.clone())
                })
                .collect()
        }))
    }

    async fn put_receipt(&self, receipt: &Receipt, before: Option<RunId>) -> Result<()> {
        let effect = self.call("PutItem", "receipt").await?;
        check_item("PutItem", "receipt", receipt)?;
        self.ledger(|ledger| {
            let known = ledger.receipts.get(&receipt.request);
            let newer = ItemKey::Receipt(receipt.request.clone());
            if ledger.newer.contains(&newer) || known.map(|known| known.run) != before {
                let (words, thing) = ("the condition does not hold", receipt.request.clone());
                return Err(ServiceError::new("PutItem", thing, Kind::Conflict, words));
            }
            let receipts = &mut ledger.receipts;
            receipts.insert(receipt.request.clone(), receipt.clone());
            Ok(())
        })?;
        effect.answer(())
    }
}
