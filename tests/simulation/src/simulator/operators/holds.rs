//! What operators do about holds: approve, reject, and request a rollback; at once or late, twice,
//! alone or as two, or with a hold that no longer exists.

use pmp_sync_domain::approval::{ApprovalAction, Hold};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::wire::{
    APPROVAL_REQUESTED, REJECTION_REQUESTED, RESTORE_REQUESTED, REVERT_REQUESTED, SOURCE,
};
use serde_json::json;

use crate::reference::person;
use crate::simulator::event::{ScheduledEvent, envelope};
use crate::simulator::scene::{HOUR, MINUTE};
use crate::simulator::state::Simulator;

/// Who sends requests: two users, two sessions of one role, two users of IAM Identity Center, and nobody who is named.
const OPERATORS: [Option<&str>; 7] = [
    Some("arn:aws:iam::222222222222:user/ann"),
    Some("arn:aws:iam::222222222222:user/bob"),
    Some("arn:aws:sts::222222222222:assumed-role/Ops/one"),
    Some("arn:aws:sts::222222222222:assumed-role/Ops/two"),
    Some("arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_Ops_0a1b/ann"),
    Some("arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_Ops_0a1b/bob"),
    None,
];

impl Simulator {
    /// Approves everything that is held, as so many people as it takes.
    pub(crate) fn approve_all(&mut self) {
        let held = self.guards.lanes.iter();
        let held: Vec<_> = held
            .flat_map(|(lane, guard)| {
                let hold = guard.hold.iter().map(|standing| standing.hold.clone());
                hold.map(|hold| (lane.clone(), hold))
            })
            .collect();
        for (lane, hold) in held {
            for by in OPERATORS.iter().take(self.scene.people) {
                let body = self.request(ApprovalAction::Approve, &lane, &hold, *by);
                self.ask(body);
            }
        }
    }

    fn somebody(&mut self) -> Option<&'static str> {
        let by = self.rng.of("operator").pick(&OPERATORS);
        by.copied().flatten()
    }

    /// Something new is held: an operator may look at it, and the lists may take a part of it back.
    pub(crate) fn see_hold(&mut self, lane: &LaneId) {
        self.stats.add("holds");
        if self.repaired {
            return;
        }
        let overrides = self.guards.lanes.get(lane).is_some_and(|guard| {
            let hold = guard.hold.as_ref();
            hold.is_some_and(|standing| standing.hold.overrides)
        });
        if overrides {
            self.stats.add("holds of an override");
        }
        if self.rng.of("consider-hold").once_in(2) || overrides {
            let when = self.now + self.rng.of("consider-after").between(MINUTE, HOUR);
            self.schedule_at(when, ScheduledEvent::Considered(lane.clone()));
        }
        let often = if overrides { 2 } else { 4 };
        if self.rng.of("waver").once_in(often) {
            let when = self.now + self.rng.of("waver-after").between(MINUTE, 2 * HOUR);
            self.schedule_at(when, ScheduledEvent::Wavers(lane.clone()));
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
        let by = self.somebody();
        match self.rng.of("consider-kind").below(12) {
            0 | 1 | 4 | 5 => return self.turn_down(lane, &hold, by),
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
        let body = self.request(ApprovalAction::Approve, lane, &hold, by);
        if self.scene.people > 1 {
            self.second(lane, &hold, by);
        }
        if self.rng.of("approve-twice").once_in(4) {
            self.stats.add("approvals given twice");
            let again = self.now + self.rng.of("approve-again-after").between(0, HOUR);
            self.schedule_at(again, ScheduledEvent::Asked(body.clone()));
        }
        if self.rng.of("something-new").once_in(4) {
            // While what is approved is carried out, or on its way.
            let when = self.now + self.rng.of("something-new-after").between(0, 3 * MINUTE);
            self.schedule_at(when, ScheduledEvent::ManagementEdit);
        }
        if self.rng.of("approve-late").once_in(4) {
            self.stats.add("approvals given late");
            let late = self.now + self.rng.of("approve-after").between(MINUTE, 2 * HOUR);
            return self.schedule_at(late, ScheduledEvent::Asked(body));
        }
        self.ask(body);
    }

    /// Somebody else looks at what was approved, or the same person under another name, at once or later.
    fn second(&mut self, lane: &LaneId, hold: &Hold, first: Option<&'static str>) {
        let mut by = self.somebody();
        if person(by) == person(first) && !self.rng.of("same-person").once_in(2) {
            by = self.somebody();
        }
        self.stats.add("approvals by a second");
        let action = if self.rng.of("second-rejects").once_in(6) {
            ApprovalAction::Reject
        } else {
            ApprovalAction::Approve
        };
        let body = self.request(action, lane, hold, by);
        let when = self.now + self.rng.of("second-after").between(0, HOUR);
        self.schedule_at(when, ScheduledEvent::Asked(body));
    }

    /// An operator rejects what is held, and may look again.
    fn turn_down(&mut self, lane: &LaneId, hold: &Hold, by: Option<&'static str>) {
        let body = self.request(ApprovalAction::Reject, lane, hold, by);
        self.ask(body);
        if self.rng.of("waver-rejected").once_in(2) {
            let when = self.now + self.rng.of("waver-after").between(MINUTE, HOUR);
            self.schedule_at(when, ScheduledEvent::Wavers(lane.clone()));
        }
        if self.rng.of("more-than-rejected").once_in(2) {
            let when = self.now + self.rng.of("more-after").between(MINUTE, HOUR);
            self.schedule_at(when, ScheduledEvent::ManagementEdit);
        }
        if self.rng.of("think-again").once_in(4) {
            let when = self.now + self.rng.of("consider-after").between(MINUTE, HOUR);
            self.schedule_at(when, ScheduledEvent::Considered(lane.clone()));
        }
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
    fn request(
        &mut self,
        action: ApprovalAction,
        lane: &LaneId,
        hold: &Hold,
        by: Option<&'static str>,
    ) -> String {
        let detail_type = if action == ApprovalAction::Approve {
            self.stats.add("requests: approval");
            APPROVAL_REQUESTED
        } else {
            self.stats.add("requests: rejection");
            REJECTION_REQUESTED
        };
        let mut detail = json!({
            "schema": 1,
            "member_account": lane.account,
            "experience": lane.experience,
            "run": hold.run,
            "plan_hash": hold.plan_hash,
            "requester": by,
        });
        if self.rng.of("gives-a-reason").once_in(2)
            && let Some(detail) = detail.as_object_mut()
        {
            detail.insert("reason".to_owned(), json!("checked with the buyers"));
        }
        envelope(SOURCE, detail_type, &detail)
    }
}
