//! The last part of a world: a newer release has written one item of one member, and the management lists get another
//! product. Everything that does not depend on the item must go on, the item must be reported and stay as it is, and
//! nothing may be lost by the time that it can be read.

use std::fmt::Debug;

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{MemberRules, Phase};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::records::{ProductRequest, Receipt, RequestState, RunRecord};
use pmp_sync_domain::wire::{SCHEDULE_SOURCE, TickMessage, WorkerMessage};
use pmp_sync_fakes::{ItemKey, MemoryLedger, Observed};
use serde_json::json;

use super::guards::link_of;
use super::invariants::{Violation, broken};
use super::scene::{MINUTE, at};
use super::state::Simulator;
use crate::reference;

/// A run and its change sets are over after this time, in milliseconds.
const LONGEST: i64 = 40 * MINUTE;
/// The code of an item that cannot be read.
const UNREADABLE: &str = "PMS-4004";

/// What depends on an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dependent {
    /// The lane: its link fails, and the run says so.
    Lane,
    /// One product or nothing, and the run says so.
    Little,
    /// Nothing, and a run need not read the item.
    Nothing,
}

/// The kinds of items, each with a word for the statistics.
const KINDS: [(Kind, &str); 9] = [
    (Kind::LaneState, "unreadable: state of a lane"),
    (Kind::LinkState, "unreadable: link state"),
    (Kind::LaneEntry, "unreadable: entry of a lane"),
    (Kind::Product, "unreadable: change of a product"),
    (Kind::Link, "unreadable: link in a run"),
    (Kind::Run, "unreadable: run"),
    (Kind::Set, "unreadable: record of a change set"),
    (Kind::Receipt, "unreadable: receipt of a request"),
    (Kind::ProductRequest, "unreadable: procurement request"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LaneState,
    LinkState,
    LaneEntry,
    Product,
    Link,
    Run,
    Set,
    Receipt,
    ProductRequest,
}

impl Kind {
    fn dependent(self) -> Dependent {
        match self {
            Self::LaneState | Self::LinkState => Dependent::Lane,
            Self::LaneEntry | Self::Product | Self::ProductRequest => Dependent::Little,
            Self::Link | Self::Run | Self::Set | Self::Receipt => Dependent::Nothing,
        }
    }
}

/// The key of the receipt of a request.
fn receipt_key(request: &str) -> String {
    format!("event:{request}")
}

/// The receipt that a newer release has written of a request, which comes once more.
fn receipt(request: &str, run: RunId, now: i64) -> Receipt {
    Receipt {
        schema: 999,
        request: receipt_key(request),
        run,
        attempts: 1,
        at: at(now),
    }
}

/// The item of a kind, on a lane. None if there is none yet.
fn key_of(ledger: &MemoryLedger, kind: Kind, lane: &LaneId, request: &str) -> Option<ItemKey> {
    let of_lane = |run: &RunId| ledger.links.contains_key(&(*run, lane.to_string()));
    let key = match kind {
        Kind::LaneState => ItemKey::LaneState(lane.clone()),
        Kind::LinkState => ItemKey::LinkState(lane.clone()),
        Kind::LaneEntry => ItemKey::LaneEntry(lane.clone()),
        Kind::Product => {
            let mut items = ledger.items.keys().filter(|(of, _)| of == lane);
            ItemKey::Product(lane.clone(), items.next()?.1.clone())
        }
        Kind::Link => {
            let run = ledger.runs.keys().rev().find(|run| of_lane(run))?;
            ItemKey::Link(*run, lane.clone())
        }
        Kind::Run => ItemKey::Run(*ledger.runs.keys().next_back()?),
        Kind::Set => {
            let mut sets = ledger.sets.keys().filter(|(of, _)| of == lane);
            ItemKey::Set(lane.clone(), sets.next_back()?.1)
        }
        Kind::Receipt => ItemKey::Receipt(receipt_key(request)),
        // A run reads those that wait for an answer.
        Kind::ProductRequest => {
            let mut all = ledger.product_requests.values();
            let is_it = |one: &&ProductRequest| {
                one.account == lane.account && one.state == RequestState::Open
            };
            let one = all.find(is_it)?;
            ItemKey::ProductRequest(one.account.clone(), one.request.clone())
        }
    };
    content(ledger, &key).map(|_| key)
}

/// What the ledger has under a key.
fn content(ledger: &MemoryLedger, key: &ItemKey) -> Option<String> {
    fn text(item: Option<&impl Debug>) -> Option<String> {
        item.map(|item| format!("{item:?}"))
    }
    match key {
        ItemKey::LaneState(lane) => text(ledger.lanes.get(lane)),
        ItemKey::Product(lane, product) => text(ledger.items.get(&(lane.clone(), product.clone()))),
        ItemKey::Set(lane, seq) => text(ledger.sets.get(&(lane.clone(), *seq))),
        ItemKey::LinkState(lane) => text(ledger.link_states.get(lane)),
        ItemKey::LaneEntry(lane) => text(ledger.entries.get(lane)),
        ItemKey::Run(run) => text(ledger.runs.get(run)),
        ItemKey::Link(run, lane) => text(ledger.links.get(&(*run, lane.to_string()))),
        ItemKey::Lists(run, lane) => text(ledger.lists.get(&(*run, lane.clone()))),
        ItemKey::SeenList(lane) => text(ledger.seen_lists.get(lane)),
        ItemKey::Live(product) => text(ledger.live.get(product)),
        ItemKey::Receipt(request) => text(ledger.receipts.get(request)),
        ItemKey::ProductRequest(account, request) => {
            let key = (account.clone(), request.clone());
            text(ledger.product_requests.get(&key))
        }
        ItemKey::Config | ItemKey::ConfigVersion(_) => text(ledger.configs.last()),
        ItemKey::Suspensions => text(Some(&ledger.suspensions)),
        ItemKey::LastRun => text(ledger.last_run.as_ref()),
    }
}

/// True if the run reports an item that cannot be read, of this member if one is named.
fn reports(run: &RunRecord, member: Option<&str>) -> bool {
    run.warnings.iter().any(|warning| {
        let of = warning.member.as_ref().map(ToString::to_string);
        warning.fault.code == UNREADABLE && (member.is_none() || of.as_deref() == member)
    })
}

impl Simulator {
    /// A newer release has written one item of one member: at rest, when every lane is as it should be.
    pub(crate) fn check_unreadable_item(&mut self) -> Result<(), Violation> {
        let text = self.world.ledger(|ledger| ledger.configs.last().cloned());
        let config = Config::parse(&text.unwrap_or_default()).unwrap_or_default();
        let mut rng = self.rng.next("unreadable-item");
        let following = self.following(&config);
        let Some((lane, place)) = rng.of("lane").pick(&following).cloned() else {
            return Ok(());
        };
        let Some((kind, word)) = rng.of("kind").pick(&KINDS).copied() else {
            return Ok(());
        };
        let Ok(product) = ProductId::new("prod-new") else {
            return Ok(());
        };
        let request = format!("of-a-newer-release-{}", self.now);
        let newest = self.world.ledger(|ledger| {
            let newest = ledger.runs.keys().next_back().copied();
            if let Some(run) = newest.filter(|_| kind == Kind::Receipt) {
                let receipt = receipt(&request, run, self.now);
                ledger.receipts.insert(receipt.request.clone(), receipt);
            }
            newest
        });
        let Some(key) = self
            .world
            .ledger(|ledger| key_of(ledger, kind, &lane, &request))
        else {
            return Ok(());
        };
        self.stats.add(word);
        self.trace
            .line(self.now, || format!("a newer release has written {key:?}"));
        self.allow_everywhere(&product);
        self.wake_all(place);
        self.ask_for_a_run(&request);
        // Some states are written while changes are on their way to the lane.
        let late = kind == Kind::LaneState && rng.of("late").once_in(2);
        if late {
            self.go_on_until(|world| world.is_awaited(&lane))?;
        }
        let before = self.world.ledger(|ledger| {
            ledger.newer.insert(key.clone());
            content(ledger, &key)
        });
        self.go_on_until(|_| false)?;
        let (after, runs) = self.world.ledger(|ledger| {
            let all = ledger.runs.values();
            let since: Vec<_> = all.filter(|run| Some(run.run) > newest).cloned().collect();
            (content(ledger, &key), since)
        });
        if after != before {
            return broken("contained", || {
                format!("{key:?} was {before:?}, and was overwritten with {after:?}")
            });
        }
        let waits = kind.dependent() == Dependent::Lane;
        for (other, _) in following.iter().filter(|(of, _)| !waits || *of != lane) {
            self.has(other, &product, &key)?;
        }
        let member = self.scene.members.get(place).map(|member| member.name);
        let is_reported = match kind.dependent() {
            Dependent::Lane => late || runs.iter().any(|run| reports(run, member)),
            Dependent::Little => runs.iter().any(|run| reports(run, None)),
            Dependent::Nothing => true,
        };
        if !is_reported {
            return broken("contained", || format!("no run reports {key:?}"));
        }
        // The stacks are brought to the newer release. What was on its way comes without another run.
        self.world.ledger(|ledger| ledger.newer.clear());
        if !late {
            self.ask_for_a_run("of-this-release");
        }
        self.go_on_until(|_| false)?;
        for (lane, _) in &following {
            self.has(lane, &product, &key)?;
        }
        Ok(())
    }

    /// The lanes that follow their management experience at once if a product is allowed there.
    fn following(&self, config: &Config) -> Vec<(LaneId, usize)> {
        let lanes = self.scene.lanes().into_iter();
        let ready = lanes.filter(|(lane, place)| {
            let Some(link) = link_of(config, lane) else {
                return false;
            };
            let Some(product) = ProductId::new("prod-new").ok() else {
                return false;
            };
            let is_held = self
                .guards
                .lanes
                .get(lane)
                .is_some_and(|guard| guard.hold.is_some() || guard.restore.is_some());
            let (state, link_state) = self.world.ledger(|ledger| {
                let state = ledger.lanes.get(lane).cloned();
                let link_state = ledger.link_states.get(lane).cloned();
                (state.unwrap_or_default(), link_state.unwrap_or_default())
            });
            // What a lane is marked with is planned by until something wakes the lane.
            let none = MemberRules::default();
            let is_free = self.rules.get(*place) == Some(&none)
                && state.member.as_ref().is_none_or(|mark| *mark == none);
            is_free
                && !is_held
                && state.phase == Phase::Idle
                && state.planned.is_some()
                && state.suspension.is_none()
                && link_state.restored.is_none()
                && link_state.grant.is_none()
                && reference::may(&link.policy, &product, Action::Allow)
                && self.is_well(link)
        });
        ready.collect()
    }

    /// True if nothing about the management experiences of a link is a reason to hold.
    fn is_well(&self, link: &Link) -> bool {
        self.world.experiences(|all| {
            let current = link.sources.iter().map(|id| {
                let (experience, policy) = (all.experience(id)?.clone(), all.policy(id));
                Some((id.clone(), Observed { experience, policy }))
            });
            let current: Option<Vec<_>> = current.collect();
            current.is_some_and(|read| reference::oddities_of(&read, link.conflict).is_empty())
        })
    }

    fn allow_everywhere(&mut self, product: &ProductId) {
        for id in self.scene.management.clone() {
            self.world.experiences(|all| {
                all.edit(&id, |_, policy| {
                    *policy = policy.overlaid([(product, Action::Allow)]);
                });
            });
        }
    }

    /// A Tick for each lane of a member, in one batch.
    fn wake_all(&mut self, member: usize) {
        let lanes = self.scene.lanes();
        for (lane, _) in lanes.iter().filter(|(_, of)| *of == member) {
            let number = self
                .world
                .ledger(|ledger| ledger.lanes.get(lane).map_or(0, |s| s.tick));
            let (body, now) = (TickMessage::new(lane, number).to_body(), at(self.now));
            self.world
                .changes(&lane.account, |queue| queue.push(body, now));
        }
    }

    /// True if a change for the lane is in its queue.
    fn is_awaited(&self, lane: &LaneId) -> bool {
        self.world.changes(&lane.account, |queue| {
            let mut bodies = queue.waiting().map(|(_, body)| WorkerMessage::parse(body));
            bodies.any(|message| {
                matches!(message, Ok(WorkerMessage::Change(change)) if change.lane() == *lane)
            })
        })
    }

    fn ask_for_a_run(&mut self, request: &str) {
        let event = json!({
            "id": request, "source": SCHEDULE_SOURCE, "detail-type": "Scheduled Sync", "detail": {},
        });
        self.ask(event.to_string());
    }

    /// Goes on until everything rests, or for the longest time that a run takes, or until then.
    fn go_on_until(&mut self, until: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        let end = self.now + LONGEST;
        while let Some((when, turn)) = self.next_turn() {
            if self.is_quiet(turn) || when > end || until(self) {
                break;
            }
            self.take(when, turn)?;
        }
        Ok(())
    }

    /// The lane got the product, or has a hold that says why not.
    fn has(&self, lane: &LaneId, product: &ProductId, key: &ItemKey) -> Result<(), Violation> {
        let policy = self.world.experiences(|all| all.policy(&lane.experience));
        let is_held = self
            .guards
            .lanes
            .get(lane)
            .and_then(|guard| guard.hold.as_ref())
            .is_some_and(|standing| standing.shown.allow().contains(product));
        if policy.allowed().contains(product) || is_held {
            return Ok(());
        }
        broken("contained", || {
            let state = self.world.ledger(|ledger| ledger.lanes.get(lane).cloned());
            format!("{lane} does not get {product} because of {key:?}: {state:?}")
        })
    }
}
