//! One lane of the worker over the stateful fakes, driven until it rests.

#![allow(dead_code, reason = "each test uses a part of it")]

mod ports;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{Counts, LaneState, MemberRules, Planned};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::{Lanes as _, ReadSets as _};
use pmp_sync_domain::records::SetRecord;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{ChangeMessage, LANE_SETTLED, TickMessage};
use pmp_sync_fakes::World;
use pmp_sync_worker::{Membership, handle};

use self::ports::{Worker, worker};

/// The worker's timeout, in seconds.
const TIMEOUT: u16 = 30;
/// How long a message that was not acknowledged is hidden, in seconds.
const VISIBILITY: i64 = 180;

/// One lane, its world and its worker.
pub(crate) struct Lane {
    pub(crate) world: World,
    pub(crate) worker: RefCell<Worker>,
    pub(crate) id: LaneId,
    /// How often a message was not acknowledged.
    pub(crate) returned: Cell<usize>,
}

pub(crate) fn product(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

pub(crate) fn products(prefix: &str, count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| product(&format!("prod-{prefix}{number:04}")))
        .collect()
}

pub(crate) fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

impl Lane {
    pub(crate) fn new(policy: PolicySnapshot) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let account = AccountId::new("222222222222").unwrap();
        let experience = ExperienceId::new("exp-1").unwrap();
        world.open_member(&account, "external");
        world.experiences(|experiences| experiences.add(&account, &experience, policy));
        let member = Membership::new(account.clone(), TIMEOUT);
        Self {
            worker: RefCell::new(worker(&world, member)),
            world,
            id: LaneId {
                account,
                experience,
            },
            returned: Cell::default(),
        }
    }

    /// Another lane of the member, in the same queue.
    pub(crate) fn beside(&self, experience: &str, policy: PolicySnapshot) -> Self {
        let id = LaneId {
            account: self.id.account.clone(),
            experience: ExperienceId::new(experience).unwrap(),
        };
        self.world.experiences(|experiences| {
            experiences.add(&id.account, &id.experience, policy);
        });
        let member = Membership::new(id.account.clone(), TIMEOUT);
        Self {
            worker: RefCell::new(worker(&self.world, member)),
            world: self.world.clone(),
            id,
            returned: Cell::default(),
        }
    }

    /// Changes the parameters of the member's stack.
    pub(crate) fn rule(&self, mode: &str, most_denies: &str) {
        let rules = MemberRules::parse(mode, most_denies).unwrap();
        let member = Membership::new(self.id.account.clone(), TIMEOUT).with_rules(rules);
        self.worker.replace(worker(&self.world, member));
    }

    pub(crate) fn handle(&self, records: &[Record], deadline: Timestamp) -> Vec<Disposition> {
        futures::executor::block_on(handle(&self.worker.borrow(), records, deadline))
    }

    /// Wakes the lane as the hourly run wakes a lane that keeps something back.
    pub(crate) fn wake(&self) {
        let number = self.state().tick;
        self.push(&TickMessage::new(&self.id, number).to_body());
    }

    pub(crate) fn commit(&self, run: RunId, allow: &[ProductId], deny: &[ProductId]) -> Plan {
        let plan = Plan::new(
            allow.iter().cloned().collect(),
            deny.iter().cloned().collect(),
        );
        let at = self.world.time();
        self.world.ledger(|ledger| {
            let state = ledger.lanes.get(&self.id).cloned().unwrap_or_default();
            let planned = Planned {
                run,
                hash: plan.hash(),
                totals: Counts {
                    allow: allow.len(),
                    deny: deny.len(),
                },
                taken: Counts::default(),
                counted: BTreeSet::new(),
                creates_policy: false,
                sent: true,
                proved: std::collections::BTreeSet::new(),
                at,
            };
            let next = LaneState {
                rev: state.rev + 1,
                ..state.committed(planned).unwrap()
            };
            ledger.lanes.insert(self.id.clone(), next);
        });
        plan
    }

    pub(crate) fn send(&self, run: RunId, plan: &Plan) {
        for (change, ordinal) in plan.in_sending_order().into_iter().zip(0..) {
            let message = ChangeMessage::new(&self.id, run, change, ordinal);
            self.push(&message.to_body());
        }
    }

    pub(crate) fn push(&self, body: &str) {
        let now = self.world.time();
        self.world
            .changes(&self.id.account, |queue| queue.push(body.to_owned(), now));
    }

    /// Delivers each due message `times` times and advances the clock, until nothing is left to do.
    pub(crate) fn drive(&self, times: usize) {
        self.drive_with(times, || {});
    }

    /// Like [`Self::drive`], and calls `meanwhile` before each delivery.
    pub(crate) fn drive_with(&self, times: usize, mut meanwhile: impl FnMut()) {
        for _ in 0..5_000 {
            meanwhile();
            let now = self.world.time();
            let batch = self
                .world
                .changes(&self.id.account, |queue| queue.take(now, 10));
            if batch.is_empty() {
                let due = self
                    .world
                    .changes(&self.id.account, |queue| queue.next_due());
                match due {
                    Some(due) => self.world.advance_to(due),
                    None => return,
                }
                continue;
            }
            let records: Vec<_> = batch
                .iter()
                .map(|delivery| Record {
                    id: delivery.id.to_string(),
                    body: delivery.body.clone(),
                    ..Record::default()
                })
                .collect();
            let mut dispositions = Vec::new();
            for _ in 0..times {
                dispositions = self.handle(&records, Timestamp::MAX);
            }
            for (delivery, disposition) in batch.into_iter().zip(dispositions) {
                if disposition == Disposition::Retry {
                    self.returned.set(self.returned.get() + 1);
                    self.world.changes(&self.id.account, |queue| {
                        queue.put_back(delivery, later(now, VISIBILITY));
                    });
                }
            }
        }
        panic!("the lane does not come to rest");
    }

    pub(crate) fn change(&self, change: impl FnOnce(&LaneState) -> LaneState) {
        self.world.ledger(|ledger| {
            let state = ledger.lanes.get(&self.id).cloned().unwrap_or_default();
            let next = LaneState {
                rev: state.rev + 1,
                ..change(&state)
            };
            ledger.lanes.insert(self.id.clone(), next);
        });
    }

    pub(crate) fn state(&self) -> LaneState {
        futures::executor::block_on(self.world.state(&self.id)).unwrap()
    }

    pub(crate) fn policy(&self) -> PolicySnapshot {
        self.world
            .experiences(|experiences| experiences.policy(&self.id.experience))
    }

    pub(crate) fn sets(&self) -> Vec<(usize, usize)> {
        self.world.experiences(|experiences| {
            let count = |set: &pmp_sync_fakes::ChangeSetRecord, action| {
                set.changes.iter().filter(|(_, a)| *a == action).count()
            };
            experiences
                .change_sets()
                .iter()
                .map(|set| (count(set, Action::Allow), count(set, Action::Deny)))
                .collect()
        })
    }

    pub(crate) fn settled(&self) -> usize {
        self.world
            .events()
            .iter()
            .filter(|(_, detail_type, _)| *detail_type == LANE_SETTLED)
            .count()
    }

    /// The recorded change sets, of one run or of all.
    pub(crate) fn records(&self, run: Option<RunId>) -> Vec<SetRecord> {
        futures::executor::block_on(self.world.sets(&self.id, run))
            .unwrap()
            .items
    }

    pub(crate) fn open(&self) -> usize {
        self.world
            .ledger(|ledger| ledger.items.values().filter(|item| item.is_open()).count())
    }
}
