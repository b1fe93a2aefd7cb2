//! What the items of the ledger say, and for how long.

use jiff::Timestamp;

use super::*;
use crate::error::{Kind, ServiceError};
use crate::ids::{ExperienceId, LaneId, MemberName, ProductId, RunId};
use crate::lane::Suspension;
use crate::plan::Plan;
use crate::policy::Action;
use crate::run::{LinkStatus, RunStatus};
use crate::time::later;
use crate::wire::Scope;
use crate::wire::events::Condition;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

#[test]
fn a_live_product_is_asked_for_again_after_a_week_and_any_other_after_six_hours() {
    let until = |listing| LiveRecord::new(p("a"), listing, at(0)).until;
    assert_eq!(until(Listing::Live), at(7 * DAY));
    assert_eq!(until(Listing::NotLive), at(6 * HOUR));
    assert_eq!(until(Listing::Refused), at(6 * HOUR));
}

#[test]
fn an_answer_counts_for_thirty_days_and_a_refusal_never() {
    for (listing, tells) in [
        (Listing::Live, Some(true)),
        (Listing::NotLive, Some(false)),
        (Listing::Refused, None),
    ] {
        let record = LiveRecord::new(p("a"), listing, at(0));
        assert_eq!(record.forgotten_at(), at(30 * DAY));
        assert_eq!(record.tells(at(0)), tells);
        assert_eq!(record.tells(at(30 * DAY - 1)), tells);
        assert_eq!(record.tells(at(30 * DAY)), None);
        assert_eq!(record.tells(at(31 * DAY)), None);
    }
}

#[test]
fn a_receipt_is_kept_for_fifteen_days() {
    let receipt = Receipt {
        schema: 1,
        request: "r-1".to_owned(),
        run: run(1),
        attempts: 1,
        at: at(100),
    };
    assert_eq!(receipt.forgotten_at(), later(at(100), 15 * DAY));
}

fn change(state: ChangeState) -> LastChange {
    LastChange {
        product: p("a"),
        action: Action::Allow,
        run: run(1),
        state,
        change_set: None,
        claimed_at: at(1),
        closed_at: None,
        quarantined_at: None,
        error_code: None,
        error_message: None,
    }
}

#[test]
fn a_change_is_done_once_its_product_was_in_the_state_that_it_wants() {
    for (state, is_done) in [
        (ChangeState::Open, false),
        (ChangeState::Applied, true),
        (ChangeState::Holding, true),
        (ChangeState::Superseded, false),
        (ChangeState::Quarantined, false),
    ] {
        assert_eq!(change(state).is_done(), is_done, "{state}");
    }
    let open = change(ChangeState::Open);
    assert_eq!(open.ended_at(), at(1));
    let closed = LastChange {
        closed_at: Some(at(9)),
        ..change(ChangeState::Applied)
    };
    assert_eq!(closed.ended_at(), at(9));
}

#[test]
fn what_is_left_of_two_queues_is_added_up() {
    let left = |looked_at, selected, unseen, about| LettersLeft {
        looked_at,
        selected,
        unseen,
        about,
    };
    for (one, other, sum) in [
        (
            left(1, 2, false, None),
            left(3, 4, false, None),
            left(4, 6, false, None),
        ),
        (
            left(1, 0, true, Some(5)),
            left(0, 0, false, None),
            left(1, 0, true, Some(5)),
        ),
        (
            left(0, 0, false, None),
            left(2, 1, true, Some(7)),
            left(2, 1, true, Some(7)),
        ),
        (
            left(0, 0, true, Some(5)),
            left(0, 0, true, Some(7)),
            left(0, 0, true, Some(12)),
        ),
    ] {
        let mut left = one;
        left.add(other);
        assert_eq!(left, sum);
    }
    assert!(left(9, 0, false, None).is_nothing());
    assert!(!left(9, 1, false, None).is_nothing());
    assert!(!left(9, 0, true, None).is_nothing());
    let untouched = LettersLeft::untouched();
    assert_eq!(untouched, left(0, 0, true, None));
}

#[test]
fn an_item_that_cannot_be_read_hides_no_other_and_tells_its_product() {
    let error = || ServiceError::new("Query", "the ledger", Kind::Unreadable, "schema 9");
    let damaged = UnreadableItem::from(error());
    assert_eq!((&damaged.error, &damaged.about), (&error(), &None));
    let newer = UnreadableItem {
        about: Some(super::About::Product(p("b"))),
        ..damaged.clone()
    };
    let read = [Ok(1), Err(damaged.clone()), Ok(2), Err(newer.clone())];
    let found: Found<i32> = read.into_iter().collect();
    assert_eq!(found.items, [1, 2]);
    assert_eq!(found.unreadable, [damaged, newer]);
    assert_eq!(Found::from(vec![1]).items, [1]);
}

#[test]
fn an_item_that_cannot_be_read_is_about_one_thing_at_most() {
    let error = ServiceError::new("Query", "the ledger", Kind::Unreadable, "schema 9");
    let lane: LaneId = "222222222222/exp-1".parse().unwrap();
    let product = p("a");
    for (about, expected) in [
        (None, (None, None, None)),
        (
            Some(super::About::Product(product.clone())),
            (Some(&product), None, None),
        ),
        (
            Some(super::About::Request("r-1".into())),
            (None, Some("r-1"), None),
        ),
        (
            Some(super::About::Lane(Box::new(lane.clone()))),
            (None, None, Some(&lane)),
        ),
    ] {
        let item = UnreadableItem {
            error: error.clone(),
            about,
        };
        assert_eq!((item.product(), item.request(), item.lane()), expected);
    }
}

#[test]
fn a_lane_is_suspended_with_everything_with_its_member_or_by_itself() {
    let suspension = |seconds| Suspension {
        by: None,
        since: at(seconds),
    };
    let emea: MemberName = "emea".parse().unwrap();
    let one: ExperienceId = "exp-1".parse().unwrap();
    let of = |all: bool, member: bool, link: bool| Suspensions {
        all: all.then(|| suspension(1)),
        members: member
            .then(|| (emea.clone(), suspension(2)))
            .into_iter()
            .collect(),
        links: link
            .then(|| (one.clone(), suspension(3)))
            .into_iter()
            .collect(),
        ..Suspensions::default()
    };
    let lane: LaneId = "222222222222/exp-1".parse().unwrap();
    let other: LaneId = "222222222222/exp-2".parse().unwrap();
    let apac: MemberName = "apac".parse().unwrap();
    for (suspensions, first) in [
        (of(false, false, false), None),
        (of(true, true, true), Some(1)),
        (of(false, true, true), Some(2)),
        (of(false, false, true), Some(3)),
    ] {
        let since = suspensions.holds(&emea, &lane).map(|one| one.since);
        assert_eq!(since, first.map(at));
        let everywhere = suspensions.holds(&apac, &other).is_some();
        assert_eq!(everywhere, suspensions.all.is_some());
    }
    let all = of(true, true, true);
    let expected = [
        (Suspended::Everything, at(1)),
        (Suspended::Member(&emea), at(2)),
        (Suspended::Link(&one), at(3)),
    ];
    let each: Vec<_> = all.each().map(|(of, one)| (of, one.since)).collect();
    assert_eq!(each, expected);
    assert_eq!(of(false, false, false).each().count(), 0);
    let words = each.iter().map(|(of, _)| of.to_string());
    assert_eq!(
        words.collect::<Vec<_>>(),
        ["everything", "member emea", "link exp-1"]
    );
}

#[test]
fn what_is_named_is_suspended_and_everything_only_if_nothing_is() {
    let emea: [MemberName; 1] = ["emea".parse().unwrap()];
    let one: [ExperienceId; 1] = ["exp-1".parse().unwrap()];
    let suspension = |seconds| Suspension {
        by: Some("arn".to_owned()),
        since: at(seconds),
    };
    for (members, links, all) in [
        ([].as_slice(), [].as_slice(), true),
        (&emea, &[], false),
        (&[], &one, false),
        (&emea, &one, false),
    ] {
        let mut suspensions = Suspensions::default();
        suspensions.suspend(members, links, &suspension(1)).unwrap();
        assert_eq!(suspensions.all.is_some(), all, "{members:?} {links:?}");
        assert!(suspensions.members.keys().eq(members));
        assert!(suspensions.links.keys().eq(links));
        // What is suspended already keeps its time.
        let before = suspensions.clone();
        suspensions.suspend(members, links, &suspension(2)).unwrap();
        assert_eq!(suspensions, before);
    }
}

#[test]
fn so_many_suspensions_fit_into_the_item_and_everything_always_does() {
    let links = |count: usize| -> Vec<ExperienceId> {
        let ids = (0..count).map(|number| format!("exp-{number}").parse());
        ids.map(Result::unwrap).collect()
    };
    let suspension = Suspension {
        by: None,
        since: at(1),
    };
    let mut full = Suspensions::default();
    assert_eq!(
        full.suspend(&[], &links(MOST_SUSPENSIONS + 1), &suspension),
        Err(TooManySuspensions(MOST_SUSPENSIONS + 1))
    );
    assert_eq!(full, Suspensions::default());
    assert_eq!(
        full.suspend(&[], &links(MOST_SUSPENSIONS), &suspension),
        Ok(())
    );
    let emea: MemberName = "emea".parse().unwrap();
    let refused = full.suspend(&[emea], &[], &suspension);
    assert_eq!(refused, Err(TooManySuspensions(MOST_SUSPENSIONS + 1)));
    assert_eq!(full.suspend(&[], &[], &suspension), Ok(()));
    assert_eq!(full.each().count(), MOST_SUSPENSIONS + 1);
}

#[test]
fn only_a_request_with_a_reason_overrides_a_freeze_in_its_scope() {
    let request = |reason: Option<&str>, scope: Option<Scope>| Request {
        override_reason: reason.map(str::to_owned),
        scope,
        ..Request::default()
    };
    let emea = Scope {
        members: vec!["emea".parse().unwrap()],
        experiences: Vec::new(),
    };
    let requests = [
        request(None, Some(emea.clone())),
        request(Some("a launch"), Some(emea.clone())),
        request(Some("all"), None),
    ];
    assert_eq!(overridden(&requests), [emea, Scope::default()]);
}

#[test]
fn a_run_has_served_its_requests_once_it_is_planned_and_hands_them_on_before() {
    let mut record = RunRecord::new(run(1), 1, Vec::new(), at(0));
    assert_eq!(Progress::of(&record), Progress::Interrupted);
    record.continued = 1;
    assert_eq!(Progress::of(&record), Progress::HandedOn);
    let mut failed = record.clone();
    failed.status = RunStatus::Failed;
    assert_eq!(Progress::of(&failed), Progress::Interrupted);
    record.planned_at = Some(at(9));
    assert_eq!(Progress::of(&record), Progress::Served);
}

#[test]
fn a_run_is_announced_once_it_has_ended_and_sent_something() {
    let record = |status, messages, unannounced| {
        let mut record = RunRecord::new(run(1), 1, Vec::new(), at(0));
        record.status = status;
        record.totals.messages = messages;
        record.unannounced = unannounced;
        record
    };
    for (record, has_news, is_unfinished) in [
        (record(RunStatus::Applying, 1, false), false, true),
        (record(RunStatus::Completed, 0, false), false, false),
        (record(RunStatus::Completed, 1, false), true, false),
        (record(RunStatus::Completed, 1, true), true, true),
    ] {
        assert_eq!(record.has_news(), has_news, "{record:?}");
        assert_eq!(record.is_unfinished(), is_unfinished, "{record:?}");
    }
}

#[test]
fn a_run_lists_so_many_lanes_and_counts_the_others() {
    let lane = |number: usize| -> LaneId { format!("222222222222/exp-{number}").parse().unwrap() };
    let mut record = RunRecord::new(run(1), 1, Vec::new(), at(0));
    for number in 0..MOST_LANES - 1 {
        record.opened(&lane(number));
    }
    record.superseded.insert(record.open.pop_first().unwrap());
    record.not_seen.insert(record.open.pop_first().unwrap());
    record.keeps_quarantined(&lane(MOST_LANES), 3);
    assert_eq!((record.quarantined.len(), record.beyond), (1, 0));
    record.keeps_quarantined(&lane(MOST_LANES + 1), 3);
    record.opened(&lane(MOST_LANES + 2));
    assert_eq!((record.quarantined.len(), record.beyond), (1, 2));
    assert_eq!(record.open.len(), MOST_LANES - 3);
    // It does not know how those ended.
    record.open.clear();
    record.superseded.clear();
    record.not_seen.clear();
    record.quarantined.clear();
    record.planned_at = Some(at(1));
    assert_eq!(record.concluded(at(2)).status, RunStatus::Partial);
}

#[test]
fn each_announced_mark_is_a_condition_that_stands() {
    let since = at(1);
    let notices = Notices::default();
    assert!(notices.is_blank() && notices.standing().is_empty());
    let text = |reason: &str| {
        Some(Mark {
            reason: reason.to_owned(),
            since,
        })
    };
    let distrusted = Notices {
        distrusted: text("PMS-2002"),
        ..Notices::default()
    };
    let stale = Notices {
        stale: text("differs"),
        ..Notices::default()
    };
    let blocked = Notices {
        blocked: Some(Mark {
            reason: crate::lane::BlockReason::Archived,
            since,
        }),
        ..Notices::default()
    };
    for (notices, condition) in [
        (distrusted, Condition::Held),
        (blocked, Condition::Blocked),
        (stale, Condition::Stale),
    ] {
        assert!(!notices.is_blank());
        assert_eq!(
            notices.standing().into_iter().collect::<Vec<_>>(),
            [condition]
        );
        let stored = serde_json::to_string(&notices).unwrap();
        assert_eq!(serde_json::from_str::<Notices>(&stored).unwrap(), notices);
    }
}

/// A count that is left out is read as none.
#[test]
fn every_count_of_a_link_state_and_a_run_is_stored() {
    let state = LinkState {
        taking_beyond: 2,
        edited_beyond: 3,
        removals: vec![Removal {
            at: at(1),
            products: [p("a")].into(),
            beyond: 4,
        }],
        notices: Notices {
            number: 5,
            ..Notices::default()
        },
        ..LinkState::default()
    };
    let stored = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<LinkState>(&stored).unwrap(), state);
    let mut record = RunRecord::new(run(1), 1, Vec::new(), at(0));
    record.continued = 1;
    record.beyond = 2;
    record.warnings_beyond = 3;
    record.unannounced = true;
    record.totals.no_targets = 4;
    let stored = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<RunRecord>(&stored).unwrap(), record);
    // Nothing of it is stored of a run without.
    let stored = serde_json::to_value(RunRecord::new(run(1), 1, Vec::new(), at(0))).unwrap();
    for field in ["continued", "beyond", "warnings_beyond", "unannounced"] {
        assert_eq!(stored.get(field), None, "{field}");
    }
    let stored = serde_json::to_value(LinkState::default()).unwrap();
    assert_eq!(stored, serde_json::json!({"schema": 0, "rev": 0}));
}

/// The record of a link with a plan of one allow and one deny.
fn link(status: LinkStatus) -> LinkRecord {
    let mut record: LinkRecord = serde_json::from_value(serde_json::json!({
        "schema": 1,
        "run": run(1),
        "member": "emea",
        "account": "222222222222",
        "management_experience": "exp-0",
        "mode": "mirror",
        "status": status,
        "allow": ["a"],
        "deny": ["b"],
        "at": at(0),
    }))
    .unwrap();
    record.unchecked = 2;
    record
}

#[test]
fn what_is_held_is_shown_and_was_not_committed() {
    let plan = Plan::new([p("a")].into(), [p("b")].into());
    let held = Plan::new([].into(), [p("c")].into());
    for status in LinkStatus::ALL {
        let mut record = link(status);
        assert!(record.shown().is_empty(), "{status}");
        let stored = serde_json::to_value(&record).unwrap();
        assert_eq!(stored.get("held"), None);
        record.held = HeldPart::from(&held);
        let stored = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<LinkRecord>(&stored).unwrap(), record);
        let nothing_passed = matches!(
            status,
            LinkStatus::Held | LinkStatus::Rejected | LinkStatus::Refused
        );
        assert_eq!(record.shown(), held, "{status}");
        assert_eq!(record.plan() == plan, !nothing_passed, "{status}");
        assert_eq!(record.plan().is_empty(), nothing_passed, "{status}");
        assert!(record.products().any(|product| *product == p("c")));
        assert_eq!(record.is_held(), status == LinkStatus::Held, "{status}");
    }
}

#[test]
fn a_count_of_unchecked_products_is_stored_unless_there_are_none() {
    let mut record = link(LinkStatus::Committed);
    let stored = serde_json::to_value(&record).unwrap();
    assert_eq!(stored["unchecked"], 2);
    record.unchecked = 0;
    let stored = serde_json::to_value(&record).unwrap();
    assert_eq!(stored.get("unchecked"), None);
}

#[test]
fn a_run_that_changed_less_than_it_should_is_partial_and_one_that_only_waits_is_held() {
    let ended = |failed, suspended, held| {
        let mut record = RunRecord::new(run(1), 1, Vec::new(), at(0));
        record.planned_at = Some(at(1));
        record.totals.links = 3;
        record.totals.failed = failed;
        record.totals.suspended = suspended;
        record.totals.held = held;
        record.concluded(at(2)).status
    };
    for (failed, suspended, held, status) in [
        (0, 0, 0, RunStatus::Completed),
        (0, 0, 1, RunStatus::Held),
        (0, 1, 0, RunStatus::Partial),
        (1, 1, 0, RunStatus::Partial),
        (1, 0, 1, RunStatus::Partial),
        (0, 2, 2, RunStatus::Partial),
    ] {
        let case = (failed, suspended, held);
        assert_eq!(ended(failed, suspended, held), status, "{case:?}");
    }
}
