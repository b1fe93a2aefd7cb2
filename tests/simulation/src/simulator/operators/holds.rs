//! What operators do about holds: approve, reject, and request a rollback; at once or late, twice,
//! or with a hold that no longer exists.

use pmp_sync_domain::approval::{ApprovalAction, Hold};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::wire::{
    APPROVAL_REQUESTED, REJECTION_REQUESTED, RESTORE_REQUESTED, REVERT_REQUESTED, SOURCE,
};
use serde_json::json;

use crate::simulator::event::{ScheduledEvent, envelope};
use crate::simulator::scene::{HOUR, MINUTE};
use crate::simulator::state::Simulator;

impl Simulator {
    /// Approves everything that is held.
    pub(crate) fn approve_all(&mut self) {
        let held = self.guards.lanes.iter();
        let held: Vec<_> = held
            .flat_map(|(lane, guard)| {
                let hold = guard.hold.iter().map(|standing| standing.hold.clone());
                hold.map(|hold| (lane.clone(), hold))
            })
            .collect();
        for (lane, hold) in held {
            let body = self.request(ApprovalAction::Approve, &lane, &hold);
            self.ask(body);
        }
    }

    /// Something new is held: an operator may look at it.
    pub(crate) fn see_hold(&mut self, lane: &LaneId) {
        self.stats.add("holds");
        if !self.repaired && self.rng.of("consider-hold").once_in(2) {
            let when = self.now + self.rng.of("consider-after").between(MINUTE, HOUR);
            self.schedule_at(when, ScheduledEvent::Considered(lane.clone()));
        }
    }

    /// An operator looks at the hold of a lane, and sends a request about it.
    pub(crate) fn consider(&mut self, lane: &LaneId) {
        let Some(guard) = self.guards.lanes.get(lane) else {
            return;
        };
        let standing = guard.hold.iter().chain(&guard.restore);
        let holds: Vec<_> = standing.map(|standing| standing.hold.clone()).collect();
        if holds.is_empty() || self.rng.of("restore-instead").once_in(4) {
            return self.ask_for_the_rollback(lane);
        }
        let Some(mut hold) = self.rng.of("considered-hold").pick(&holds).cloned() else {
            return;
        };
        match self.rng.of("consider-kind").below(12) {
            0 | 1 => {
                let body = self.request(ApprovalAction::Reject, lane, &hold);
                return self.ask(body);
            }
            2 => {
                self.stats.add("approvals of what does not stand");
                let other = holds.iter().find(|other| other.run != hold.run);
                hold.run = match other {
                    Some(other) => other.run,
                    None => self.some_run(lane).unwrap_or(hold.run),
                };
            }
            3 => {
                self.stats.add("approvals of what does not stand");
                hold.plan_hash = pmp_sync_domain::plan::Plan::default().hash();
            }
            _ => {}
        }
        let body = self.request(ApprovalAction::Approve, lane, &hold);
        if self.rng.of("approve-twice").once_in(4) {
            self.stats.add("approvals given twice");
            let again = self.now + self.rng.of("approve-again-after").between(0, HOUR);
            self.schedule_at(again, ScheduledEvent::Asked(body.clone()));
        }
        if self.rng.of("approve-late").once_in(4) {
            self.stats.add("approvals given late");
            let late = self.now + self.rng.of("approve-after").between(MINUTE, 2 * HOUR);
            return self.schedule_at(late, ScheduledEvent::Asked(body));
        }
        self.ask(body);
    }

    /// A run that is on record for the lane, or whose lists are kept.
    fn some_run(&mut self, lane: &LaneId) -> Option<RunId> {
        let runs: Vec<_> = self.world.ledger(|ledger| {
            let links = ledger
                .links
                .keys()
                .filter(|(_, of)| *of == lane.to_string());
            let runs = links.map(|(run, _)| *run);
            let kept = ledger.lists.keys().filter(|(_, of)| of == lane);
            runs.chain(kept.map(|(run, _)| *run)).collect()
        });
        self.rng.of("some-run").pick(&runs).copied()
    }

    /// What a run did is to be taken back, and nothing that came later.
    fn ask_for_the_reversal(&mut self, lane: &LaneId) {
        let ended: Vec<_> = self.world.ledger(|ledger| {
            let sets = ledger.sets.iter().filter(|((of, _), _)| of == lane);
            sets.map(|(_, set)| set.run).collect()
        });
        let some = self.rng.of("revert-run").pick(&ended).copied();
        let run = if self.rng.of("revert-any-run").once_in(4) {
            self.some_run(lane)
        } else {
            some
        };
        let Some(run) = run else { return };
        self.stats.add("requests: revert");
        self.ask_to_undo(lane, REVERT_REQUESTED, run);
    }

    fn ask_for_the_rollback(&mut self, lane: &LaneId) {
        if self.rng.of("revert-instead").once_in(2) {
            return self.ask_for_the_reversal(lane);
        }
        let kept: Vec<_> = self.world.ledger(|ledger| {
            let lists = ledger.lists.keys().filter(|(_, of)| of == lane);
            lists.map(|(run, _)| *run).collect()
        });
        let some = self.rng.of("restore-run").pick(&kept).copied();
        let run = if self.rng.of("restore-unknown-run").once_in(8) {
            self.some_run(lane)
        } else {
            some
        };
        let Some(run) = run else { return };
        self.stats.add("requests: restore");
        self.ask_to_undo(lane, RESTORE_REQUESTED, run);
    }

    fn ask_to_undo(&mut self, lane: &LaneId, event: &str, run: RunId) {
        let detail = json!({
            "schema": 1,
            "member_account": lane.account,
            "experience": lane.experience,
            "run": run,
            "requester": "somebody",
        });
        self.ask(envelope(SOURCE, event, &detail));
    }

    /// An approval or a rejection.
    fn request(&mut self, action: ApprovalAction, lane: &LaneId, hold: &Hold) -> String {
        let detail_type = if action == ApprovalAction::Approve {
            self.stats.add("requests: approval");
            let asked = (lane.clone(), hold.run, hold.plan_hash.to_string());
            self.guards.asked.insert(asked);
            APPROVAL_REQUESTED
        } else {
            self.stats.add("requests: rejection");
            REJECTION_REQUESTED
        };
        let detail = json!({
            "schema": 1,
            "member_account": lane.account,
            "experience": lane.experience,
            "run": hold.run,
            "plan_hash": hold.plan_hash,
            "requester": "somebody",
        });
        envelope(SOURCE, detail_type, &detail)
    }
}
