use pmp_sync_domain::approval::{Ask, Hold, RejectedPart};
use pmp_sync_domain::guard::{Guard, Limits};
use pmp_sync_domain::records::{LinkState, Size};
use pmp_sync_domain::wire::{APPROVAL_REQUESTED, REJECTION_REQUESTED};

use pmp_sync_domain::ids::AccountId;

use super::configs::Wanted;
use super::held::Standing;
use super::rejections::Rejections;
use super::*;
use crate::simulator::scene::{HOUR, MINUTE, at};

fn lane() -> LaneId {
    LaneId {
        account: AccountId::new("222222222222").unwrap(),
        experience: ExperienceId::new("exp-2x0").unwrap(),
    }
}

fn lists(count: usize) -> PolicySnapshot {
    let product = |number| ProductId::new(format!("prod-{number:03}")).unwrap();
    PolicySnapshot::new((0..count).map(product), [])
}

fn sized(sizes: &[(i64, usize)]) -> LinkState {
    let size = |&(minute, allowed): &(i64, usize)| Size {
        at: at(minute * MINUTE),
        allowed,
    };
    LinkState {
        sizes: sizes.iter().map(size).collect(),
        ..LinkState::default()
    }
}

/// Half of the list may go, and no more.
fn half() -> Guard {
    Guard {
        limits: Limits {
            removals: 0,
            removals_percent: 51,
            short_list_removals: 0,
            short_list_percent: 51,
            most_removals: 50,
            shrink_percent: 100,
        },
        ..Guard::default()
    }
}

fn known<'a>(guards: &'a Guards, lane: &LaneId) -> &'a LaneGuard {
    guards.lanes.get(lane).unwrap()
}

/// A run that cannot reach the member writes its link's state without having read the list: the window
/// begins with the list as it is when a run reads it first.
#[test]
fn a_run_that_does_not_reach_the_member_has_not_seen_its_list() {
    let world = World::new(at(0), 1, 20);
    let (mut guards, lane) = (Guards::default(), lane());
    guards.edited(&lane, &lists(1), 0);
    guards.wrote_link_state(&world, &lane, &sized(&[])).unwrap();
    guards.edited(&lane, &lists(2), 31 * MINUTE);
    guards
        .wrote_link_state(&world, &lane, &sized(&[(64, 2)]))
        .unwrap();
    assert_eq!(known(&guards, &lane).most(&half(), 70 * MINUTE), 1);
}

/// While a link is suspended no run writes down how long its list is: the window begins with what the last
/// run before has written down, however long ago.
#[test]
fn the_window_begins_with_the_list_as_it_was_last_written_down() {
    let world = World::new(at(0), 1, 20);
    let (mut guards, lane) = (Guards::default(), lane());
    guards.edited(&lane, &lists(8), 0);
    guards
        .wrote_link_state(&world, &lane, &sized(&[(1, 8)]))
        .unwrap();
    guards.edited(&lane, &lists(2), 2 * MINUTE);
    let sizes = sized(&[(1, 8), (40 * 60, 2)]);
    guards.wrote_link_state(&world, &lane, &sizes).unwrap();
    assert_eq!(known(&guards, &lane).most(&half(), 40 * HOUR), 4);
    assert_eq!(known(&guards, &lane).most(&half(), 65 * HOUR), 1);
}

#[test]
fn a_length_that_the_list_never_had_is_found() {
    let world = World::new(at(0), 1, 20);
    let (mut guards, lane) = (Guards::default(), lane());
    guards.edited(&lane, &lists(8), 0);
    let wrong = guards.wrote_link_state(&world, &lane, &sized(&[(1, 7)]));
    assert_eq!(wrong.unwrap_err().invariant, "guarded");
}

fn plan(deny: &[&str]) -> Plan {
    let ids = deny.iter().map(|id| ProductId::new(*id).unwrap());
    Plan::new(BTreeSet::new(), ids.collect())
}

/// What a message asks about the hold of a plan.
fn asked(hold: &Hold, detail_type: &str, by: Option<&str>) -> Option<Asked> {
    let body = serde_json::json!({
        "detail-type": detail_type,
        "detail": {
            "member_account": lane().account, "experience": lane().experience,
            "run": hold.run, "plan_hash": hold.plan_hash, "requester": by,
        },
    });
    Asked::of(&body.to_string())
}

fn hold(plan: &Plan) -> Hold {
    Hold {
        run: RunId::next(None, 1, 1),
        plan_hash: plan.hash(),
        reasons: Vec::new(),
        allow: 0,
        deny: plan.deny().len(),
        removals: plan.deny().len(),
        since: at(0),
        announced: true,
        rejected: None,
        approvals: Vec::new(),
        overrides: false,
    }
}

fn ask(by: &str) -> Ask {
    Ask {
        by: Some(by.to_owned()),
        account: None,
        at: at(0),
        reason: None,
    }
}

#[test]
fn an_approval_that_nobody_gave_or_one_person_gave_twice_is_found() {
    let mut hold = hold(&plan(&["prod-a"]));
    let given: BTreeSet<_> = ["ann", "bob"]
        .into_iter()
        .filter_map(|by| asked(&hold, APPROVAL_REQUESTED, Some(by)))
        .collect();
    assert_eq!(given.len(), 2);
    let mut are_given = |approvals: &[&str]| {
        hold.approvals = approvals.iter().map(|by| ask(by)).collect();
        LaneGuard::are_given(&given, &lane(), &hold).map_err(|wrong| wrong.invariant)
    };
    assert_eq!(are_given(&["ann", "bob"]), Ok(()));
    assert_eq!(are_given(&["ann", "ann"]), Err("two-people"));
    assert_eq!(are_given(&["eve"]), Err("two-people"));
}

#[test]
fn what_was_rejected_is_asked_again_once_it_was_not_wanted() {
    let both = plan(&["prod-a", "prod-b"]);
    let standing = |plan: &Plan, rejected: usize| Standing {
        hold: Hold {
            rejected: (rejected > 0).then(|| RejectedPart {
                changes: rejected,
                ask: ask("ann"),
            }),
            ..hold(plan)
        },
        shown: plan.clone(),
        rollback: None,
    };
    let wanted = |plan: &Plan| Wanted {
        differs: Some(plan.clone()),
        certain: plan.clone(),
        ..Wanted::default()
    };
    let (old, new) = (standing(&both, 0), standing(&both, 2));
    let given = asked(&new.hold, REJECTION_REQUESTED, Some("ann"));
    let given: BTreeSet<_> = given.into_iter().collect();
    let mut rejections = Rejections::default();
    let mut held = |old: Option<&Standing>, new: Option<&Standing>, wants: &Plan| {
        let wanted = wanted(wants);
        rejections.looked(&wanted.certain);
        let seen = rejections.held(&given, &lane(), old, new, &wanted);
        seen.map_err(|wrong| wrong.invariant)
    };
    assert_eq!(held(Some(&old), Some(&new), &both), Ok(()));
    let one = plan(&["prod-a"]);
    assert_eq!(held(Some(&new), Some(&standing(&one, 1)), &one), Ok(()));
    let (none, again) = (standing(&both, 1), standing(&both, 2));
    let before = standing(&one, 1);
    assert_eq!(held(Some(&before), Some(&again), &both), Err("rejected"));
    assert_eq!(held(Some(&before), Some(&none), &both), Ok(()));
}
