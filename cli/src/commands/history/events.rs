//! The events of a run, from everything that the ledger has of it.

use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::{SCHEMA, Timestamp};

use super::event::{ApprovalEvent, Counted, Event, What};
use super::whole::{Verdict, Whole, verdict};
use crate::client::holds::{ReasonAnswer, restores, reverts};

struct Events<'a> {
    whole: &'a Whole,
    found: Vec<Event<'a>>,
}

impl<'a> Events<'a> {
    fn add(&mut self, at: Timestamp, link: Option<&'a LinkRecord>, what: What<'a>) {
        let lane = link.and_then(|link| link.lane.as_ref());
        self.found.push(Event {
            schema: SCHEMA,
            at,
            run: Some(self.whole.run.run),
            lane: lane.map(ToString::to_string),
            member: link.map(|link| &link.member),
            names: self.whole.names.only(what.products()),
            held: link.map_or((&[], &[]), |link| (&link.held.allow, &link.held.deny)),
            what,
        });
    }

    fn requests(&mut self) {
        let run = &self.whole.run;
        for request in &run.requests {
            let what = What::Requested {
                kind: &request.kind,
                request_id: request.id.as_deref(),
                requester: request.requester.as_deref(),
                account: request.account.as_deref(),
                author: None,
                override_reason: request.override_reason.as_deref(),
                override_scope: request.scope.as_ref(),
                config_version: run.config_version,
            };
            self.add(run.started_at, None, what);
        }
    }

    fn link(&mut self, link: &'a LinkRecord) {
        if let Some(approval) = &link.approval {
            let told = ApprovalEvent::new(link, approval);
            let what = match verdict(link) {
                // A failure has an event below.
                None | Some(Verdict::Failed) => None,
                Some(Verdict::Refused) => Some(What::Refused(told)),
                Some(Verdict::Approved) => Some(What::Approved(told)),
                Some(Verdict::ApprovedByOne) => Some(What::ApprovedByOne(told)),
                Some(Verdict::Rejected) => Some(What::Rejected(told)),
                Some(Verdict::NothingToRestore) => Some(What::NothingToRestore(told)),
                Some(Verdict::RestorePlanned) => Some(What::RestorePlanned(told)),
                Some(Verdict::NothingToRevert) => Some(What::NothingToRevert(told)),
                Some(Verdict::RevertPlanned) => Some(What::RevertPlanned(told)),
            };
            if let Some(what) = what {
                self.add(approval.ask.at, Some(link), what);
            }
        }
        if let Some(plan_hash) = &link.plan_hash {
            let what = What::Planned {
                sources: &link.sources,
                mode: link.mode,
                status: link.status,
                result: link.result(),
                plan_hash,
                allow: &link.allow,
                deny: &link.deny,
                held: &link.held,
                removals: link.removals,
                left_alone: &link.left_alone,
                contradictory: &link.contradictory,
            };
            self.add(link.at, Some(link), what);
        }
        let is_answer = matches!(link.status, LinkStatus::Rejected | LinkStatus::Refused);
        // The rest of its plan may have been committed.
        if link.is_held() && !is_answer {
            self.add(link.at, Some(link), held(link));
        }
        let what = match link.status {
            LinkStatus::Committed => Some(What::Committed(Counted::new(link))),
            LinkStatus::Underway => Some(What::Underway(Counted::new(link))),
            LinkStatus::Suspended => Some(What::Suspended(Counted::new(link))),
            LinkStatus::Removed => Some(What::Removed),
            LinkStatus::Failed | LinkStatus::NoTargets => Some(What::Failed {
                fault: link.fault.as_ref(),
            }),
            // A request about a hold has an event above.
            LinkStatus::InSync
            | LinkStatus::Held
            | LinkStatus::Rejected
            | LinkStatus::Refused
            | LinkStatus::LeftOut => None,
        };
        if let Some(what) = what {
            self.add(link.at, Some(link), what);
        }
        if !link.edited.is_empty() {
            let what = What::EditedOutside {
                products: &link.edited,
                since: link.edited_since,
            };
            self.add(link.at, Some(link), what);
        }
        let whole = self.whole;
        for set in whole.changes_on(link) {
            let what = What::ChangeSet {
                seq: set.seq,
                change_set: &set.change_set,
                outcome: set.outcome,
                detail: set.detail.as_deref(),
                allow: &set.allow,
                deny: &set.deny,
                started_at: set.started_at,
            };
            self.add(set.ended_at, Some(link), what);
        }
    }

    fn letters(&mut self) {
        for letter in &self.whole.letters {
            let what = What::DeadLetter { letter };
            self.found.push(Event {
                schema: SCHEMA,
                at: letter.at,
                run: Some(self.whole.run.run),
                held: (&[], &[]),
                lane: letter.lane.as_ref().map(ToString::to_string),
                member: Some(&letter.member),
                names: self.whole.names.only(what.products()),
                what,
            });
        }
    }

    fn end(&mut self) {
        let run = &self.whole.run;
        if let Some(at) = run.completed_at {
            let what = What::Ended {
                status: run.status,
                totals: run.totals,
                fault: run.fault.as_ref(),
            };
            self.add(at, None, what);
        }
    }
}

fn held(link: &LinkRecord) -> What<'_> {
    let hold = link.hold.as_ref();
    What::Held {
        held_by: hold.map(|hold| hold.run),
        since: hold.map(|hold| hold.since),
        plan_hash: hold.map(|hold| &hold.plan_hash),
        allow: hold.map(|hold| hold.allow),
        deny: hold.map(|hold| hold.deny),
        removals: hold.map(|hold| hold.removals),
        restores: hold.and_then(restores),
        reverts: hold.and_then(reverts),
        reasons: hold.map(|hold| ReasonAnswer::all(&hold.reasons)),
        rejected: hold.and_then(|hold| hold.rejected.as_ref()),
        fault: link.fault.as_ref(),
    }
}

/// The events of a run, in the order of their times.
pub(super) fn events(whole: &Whole) -> Vec<Event<'_>> {
    let mut events = Events {
        whole,
        found: Vec::new(),
    };
    events.requests();
    for link in &whole.links {
        events.link(link);
    }
    events.letters();
    events.end();
    // The sort is stable: events with the same time stay in their causal order.
    events.found.sort_by_key(|event| event.at);
    events.found
}
