//! Nothing is announced twice for the same state, nothing is lost, and what is told is what stands.

mod conditions;
mod told;
mod walk;

use std::collections::BTreeSet;

use serde::Serialize;

use super::*;
use crate::guard::HoldReason;
use crate::hint::Hint;
use crate::ids::{InstallationId, RunId};
use crate::lane::{Block, BlockReason, Suspension};
use crate::plan::Plan;
use crate::policy::Action;
use crate::product::Names;
use crate::records::RunRecord;
use crate::run::RunStatus;
use crate::wire::events::{
    Blocked, Contested, EditedOutside, Held, MOST_LISTED, MemberStale, ProductRequested,
    Quarantined, SyncCompleted,
};
use crate::wire::{Digest, NotificationTest};

const HOUR: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_322_800 + seconds).unwrap()
}

fn run(number: u128) -> RunId {
    RunId::next(None, 1, number)
}

fn subject() -> Subject {
    Subject {
        member: "emea".parse().unwrap(),
        lane: "222222222222/exp-1".parse().unwrap(),
        sources: "exp-0".parse().unwrap(),
    }
}

fn hold(number: u128) -> Hold {
    let product = format!("prod-{number}").parse().unwrap();
    Hold {
        run: run(number),
        plan_hash: Plan::new(BTreeSet::new(), BTreeSet::from([product])).hash(),
        reasons: vec![HoldReason::MostRemovals {
            count: 51,
            limit: 50,
            parts: None,
        }],
        allow: 2,
        deny: 51,
        removals: 51,
        since: at(0),
        announced: false,
        rejected: None,
        approvals: Vec::new(),
        overrides: false,
    }
}

fn quarantined(product: usize, number: u128) -> lane::Quarantined {
    lane::Quarantined {
        product: format!("prod-{product:05}").parse().unwrap(),
        action: Action::Allow,
        run: run(number),
        error_code: "INCOMPATIBLE_PRODUCT".to_owned(),
        error_message: "it cannot be".to_owned(),
        change_set: "cs-1".parse().unwrap(),
        quarantined_at: at(0),
    }
}

fn blocked_by(reason: BlockReason) -> LaneState {
    LaneState {
        phase: Phase::Blocked,
        block: Some(Block {
            reason,
            detail: "the service refuses the worker".to_owned(),
            since: at(0),
        }),
        ..LaneState::default()
    }
}

fn other(name: &str, seen: i64) -> OtherInstallation {
    OtherInstallation {
        installation: InstallationId::of_ledger(name),
        change_set: "cs-other".parse().unwrap(),
        seen: at(seen),
    }
}

/// What is found of a link, as a test changes it from look to look.
#[derive(Debug, Clone)]
struct World {
    now: i64,
    hold: Option<Hold>,
    fault: Option<FaultRecord>,
    is_guarded: bool,
    state: LaneState,
    is_done: bool,
    quarantined: Vec<lane::Quarantined>,
    edited: BTreeMap<ProductId, Timestamp>,
    edited_beyond: usize,
    in_sync: bool,
    stale_after_hours: Option<u32>,
    /// The runs that changes were claimed under so far.
    claims: u128,
    known: Notices,
    heard: Vec<Notice>,
}

impl World {
    fn new() -> Self {
        Self {
            now: 0,
            hold: None,
            fault: None,
            is_guarded: false,
            state: LaneState::default(),
            is_done: true,
            quarantined: Vec::new(),
            edited: BTreeMap::new(),
            edited_beyond: 0,
            in_sync: false,
            stale_after_hours: Some(24),
            claims: 0,
            known: Notices::default(),
            heard: Vec::new(),
        }
    }

    fn looked(&self) -> Notices {
        self.known.after(&Seen {
            subject: &subject(),
            now: at(self.now),
            hold: self.hold.as_ref(),
            fault: self.fault.as_ref(),
            is_guarded: self.is_guarded,
            state: &self.state,
            is_done: self.is_done,
            quarantined: self.fault.is_none().then_some(self.quarantined.as_slice()),
            edits: self.fault.is_none().then_some(Edits {
                since: &self.edited,
                beyond: self.edited_beyond,
                actual: &PolicySnapshot::default(),
            }),
            in_sync: self.in_sync,
            stale_after_hours: self.stale_after_hours,
        })
    }

    /// A look, after which everything is put on the bus. What was put there.
    fn look(&mut self) -> Vec<&'static str> {
        self.known = self.looked();
        if self.in_sync {
            self.state.last_in_sync = Some(at(self.now));
        }
        let heard = std::mem::take(&mut self.known.pending);
        let names = heard.iter().map(Notice::name).collect();
        self.heard.extend(heard);
        names
    }

    fn last(&self) -> &Notice {
        self.heard.last().unwrap()
    }

    fn fails(&mut self, code: &str, is_guarded: bool) {
        self.is_guarded = is_guarded;
        self.fault = Some(FaultRecord {
            code: code.to_owned(),
            message: "it cannot be looked at".to_owned(),
            remedy: "mend it".to_owned(),
            hint: None,
        });
    }
}

fn recovered(notice: &Notice) -> (Vec<Condition>, Vec<EndedBy>, &[Condition]) {
    let Notice::Recovered(detail) = notice else {
        panic!("{notice:?}")
    };
    let ended = &detail.recovered;
    (
        ended.iter().map(|ended| ended.condition).collect(),
        ended.iter().map(|ended| ended.ended_by).collect(),
        &detail.standing,
    )
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_link_that_is_well_is_not_told_of() {
    let mut world = World::new();
    world.in_sync = true;
    assert_eq!(world.look(), NOTHING);
    world.now += 100 * HOUR;
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_link_that_leaves_the_configuration_ends_everything_and_begins_anew() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    world.state = blocked_by(BlockReason::NotFound);
    world.quarantined = vec![quarantined(1, 1)];
    world.look();
    let number = world.known.number;
    world.known = world.known.removed(&subject(), at(5));
    let told = world.known.pending.pop().unwrap();
    let (conditions, by, standing) = recovered(&told);
    let all = vec![Condition::Held, Condition::Blocked, Condition::Quarantined];
    assert_eq!(conditions, all);
    assert!(by.iter().all(|by| *by == EndedBy::Removed) && standing.is_empty());
    let again = world.known.removed(&subject(), at(6));
    assert_eq!(again, world.known, "once");
    assert!(again.since.is_none() && again.number == number + 1);
}

#[test]
fn what_an_earlier_release_has_announced_is_not_announced_again() {
    let old = Hold {
        announced: true,
        ..hold(1)
    };
    let mut world = World::new();
    world.known = Notices::default().with_announced(Some(&old));
    world.hold = Some(old);
    assert_eq!(world.look(), NOTHING);
    let unannounced = Notices::default().with_announced(Some(&hold(1)));
    assert!(unannounced.is_blank());
}

#[test]
fn a_bus_that_takes_nothing_delays_notices_without_end_and_loses_no_state() {
    let mut world = World::new();
    for number in 0..100 {
        world.hold = Some(hold(number));
        world.known = world.looked();
    }
    assert_eq!(world.known.pending.len(), MOST_PENDING);
    world.known.pending.clear();
    assert_eq!(world.look(), ["Held"]);
    assert_eq!(world.known.held.as_ref().unwrap().run, run(99));
}

#[test]
fn a_notice_says_which_link_it_is_about_and_how_a_state_has_ended() {
    let mut world = World::new();
    world.state = blocked_by(BlockReason::NotFound);
    world.look();
    let link = "exp-1 of member emea";
    let blocked = &world.last().about().message;
    assert!(blocked.contains(link), "{blocked}");
    world.known = world.known.removed(&subject(), at(5));
    let told = world.known.pending.pop().unwrap();
    let expected = format!("{link} is no longer blocked: it has left the configuration.");
    assert_eq!(told.about().message, expected);
    let mut world = World::new();
    world.look();
    world.now = 25 * HOUR;
    world.look();
    world.stale_after_hours = None;
    world.look();
    let expected = format!("{link} is no longer stale: it is not expected to be in sync for now.");
    assert_eq!(world.last().about().message, expected);
}

#[test]
fn the_end_of_a_run_is_announced_if_it_sent_something() {
    let mut record = RunRecord::new(run(1), 1, Vec::new(), at(0));
    record.totals.messages = 3;
    assert_eq!(SyncCompleted::of(&record), None, "it has not ended");
    record.completed_at = Some(at(60));
    for (status, hints) in [
        (RunStatus::Completed, Vec::new()),
        (RunStatus::Superseded, Vec::new()),
        (RunStatus::Partial, vec![Hint::Status { run: Some(run(1)) }]),
        (RunStatus::Failed, vec![Hint::Status { run: Some(run(1)) }]),
    ] {
        record.status = status;
        let told = SyncCompleted::of(&record).unwrap();
        assert_eq!((told.run, told.status), (run(1), status));
        assert_eq!((told.since, told.at), (at(0), at(60)));
        assert!(
            told.message.contains("it sent 3 changes"),
            "{}",
            told.message
        );
        assert_eq!(told.hints, hints, "{status}");
        let (source, detail_type, detail) = told.event();
        assert_eq!((source, detail_type), ("pmp-sync", "Sync Completed"));
        let read: SyncCompleted = serde_json::from_value(detail).unwrap();
        assert_eq!(read, told);
    }
    record.totals.messages = 0;
    assert_eq!(
        SyncCompleted::of(&record),
        None,
        "it found everything in sync"
    );
}

/// Through the type and back, and equal to the fixture: what receivers read stays.
fn kept<T: Serialize + serde::de::DeserializeOwned>(fixture: &str) {
    let detail: T = serde_json::from_str(fixture).unwrap();
    let written = serde_json::to_value(&detail).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    assert_eq!(written, fixture);
}

#[test]
fn the_details_of_events_keep_their_form() {
    kept::<Held>(include_str!("../../fixtures/events/held-1.json"));
    kept::<Blocked>(include_str!("../../fixtures/events/blocked-1.json"));
    kept::<Quarantined>(include_str!("../../fixtures/events/quarantined-1.json"));
    kept::<Quarantined>(include_str!(
        "../../fixtures/events/quarantined-1-named.json"
    ));
    kept::<EditedOutside>(include_str!("../../fixtures/events/edited-outside-1.json"));
    kept::<EditedOutside>(include_str!(
        "../../fixtures/events/edited-outside-1-named.json"
    ));
    kept::<Contested>(include_str!("../../fixtures/events/contested-1.json"));
    kept::<MemberStale>(include_str!("../../fixtures/events/member-stale-1.json"));
    kept::<Recovered>(include_str!("../../fixtures/events/recovered-1.json"));
    kept::<ProductRequested>(include_str!(
        "../../fixtures/events/product-requested-1.json"
    ));
    kept::<SyncCompleted>(include_str!("../../fixtures/events/sync-completed-1.json"));
    kept::<Digest>(include_str!("../../fixtures/events/digest-1.json"));
    kept::<NotificationTest>(include_str!(
        "../../fixtures/events/notification-test-1.json"
    ));
}
