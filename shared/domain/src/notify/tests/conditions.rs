//! How each condition begins and ends: held, blocked, quarantined and stale.

use super::*;
use crate::approval::{Ask, RejectedPart};

#[test]
fn a_hold_is_told_once_another_one_again_and_its_end_once() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    assert_eq!(world.look(), ["Held"]);
    assert_eq!(world.look(), NOTHING);
    let Notice::Held(told) = world.last() else {
        panic!()
    };
    assert_eq!(
        (told.allow, told.deny, told.reason.as_str()),
        (2, 51, "PMS-7002")
    );
    let approve = world.hold.as_ref().unwrap().approve(&told.about.experience);
    assert!(
        told.about.what_to_do.contains(&approve.to_string()),
        "{told:?}"
    );
    assert!(told.about.hints.contains(&approve), "{told:?}");
    world.hold = Some(hold(2));
    assert_eq!(world.look(), ["Held"]);
    world.hold = None;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(
        recovered(world.last()),
        (
            vec![Condition::Held],
            vec![EndedBy::Resolved],
            [].as_slice()
        )
    );
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_management_experience_that_cannot_be_trusted_is_a_hold_without_a_command() {
    let mut world = World::new();
    world.fails("PMS-2001", true);
    assert_eq!(world.look(), ["Held"]);
    let Notice::Held(told) = world.last() else {
        panic!()
    };
    let is_approval = |hint: &Hint| matches!(hint, Hint::Approve { .. });
    assert!(!told.about.hints.iter().any(is_approval) && told.run.is_none());
    assert_eq!(told.reason, "PMS-2001");
    assert_eq!(world.look(), NOTHING);
    // That the member does not answer says nothing of the management experience.
    world.fails("PMS-3001", false);
    assert_eq!(world.look(), NOTHING);
    world.fault = None;
    assert_eq!(world.look(), ["Recovered"]);
}

#[test]
fn what_is_held_does_not_end_because_nobody_can_look() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    world.look();
    world.fails("PMS-2006", true);
    assert_eq!(world.look(), ["Held"]);
    world.fault = None;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(recovered(world.last()).2, [Condition::Held]);
}

#[test]
fn a_lane_that_blocks_recovers_and_blocks_is_three_events() {
    let mut world = World::new();
    world.state = blocked_by(BlockReason::AccessDenied);
    world.is_done = false;
    assert_eq!(world.look(), ["Blocked"]);
    assert_eq!(world.look(), NOTHING);
    world.state = LaneState::default();
    world.is_done = true;
    assert_eq!(world.look(), ["Recovered"]);
    world.state = blocked_by(BlockReason::AccessDenied);
    assert_eq!(world.look(), ["Blocked"]);
}

/// Each run takes the block away and tries again: that is no recovery.
#[test]
fn a_lane_that_tries_again_what_it_was_blocked_by_has_not_recovered() {
    let mut world = World::new();
    world.is_done = false;
    for _ in 0..5 {
        world.now += HOUR;
        world.state = blocked_by(BlockReason::AccessDenied);
        world.look();
        world.state = LaneState::default();
        world.look();
        world.state.phase = Phase::InFlight;
        world.look();
    }
    assert_eq!(world.heard.len(), 1);
    world.state = blocked_by(BlockReason::Archived);
    assert_eq!(world.look(), ["Blocked"], "for another reason");
}

#[test]
fn a_lane_that_is_suspended_has_not_recovered() {
    let mut world = World::new();
    world.state = blocked_by(BlockReason::NotFound);
    world.look();
    world.state = LaneState {
        phase: Phase::Suspended,
        suspension: Some(Suspension {
            by: None,
            since: at(1),
        }),
        ..LaneState::default()
    };
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn only_what_is_newly_quarantined_is_told() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1), quarantined(2, 1)];
    assert_eq!(world.look(), ["Quarantined"]);
    assert_eq!(world.look(), NOTHING);
    world.quarantined = vec![quarantined(2, 1), quarantined(3, 2)];
    assert_eq!(world.look(), ["Quarantined"]);
    let Notice::Quarantined(told) = world.last() else {
        panic!()
    };
    assert_eq!((told.new, told.count, told.products.len()), (1, 2, 1));
    assert_eq!(told.products[0].product.as_str(), "prod-00003");
    assert!(
        told.about.message.contains("INCOMPATIBLE_PRODUCT"),
        "{told:?}"
    );
    world.quarantined = vec![quarantined(3, 2)];
    assert_eq!(world.look(), NOTHING);
    world.quarantined.clear();
    assert_eq!(world.look(), ["Recovered"]);
}

#[test]
fn the_names_of_quarantined_products_are_told_where_they_are_known() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1), quarantined(2, 1)];
    world.look();
    let plain = world.last();
    assert_eq!(plain.products().len(), 2);
    assert_eq!(&plain.clone().named(&Names::default()), plain);
    let product = plain.products().into_iter().next().unwrap();
    let names: Names = [(product, "Example Database".to_owned())]
        .into_iter()
        .collect();
    let Notice::Quarantined(told) = plain.clone().named(&names) else {
        panic!()
    };
    let name = |place: usize| told.products[place].name.as_deref();
    assert_eq!((name(0), name(1)), (Some("Example Database"), None));
    assert!(
        told.about
            .message
            .contains("prod-00001 (Example Database): "),
        "{}",
        told.about.message
    );
    let again = Notice::Quarantined(told.clone()).named(&names);
    assert_eq!(again, Notice::Quarantined(told), "the same each time");
}

#[test]
fn a_replay_that_fails_again_is_told_again_and_one_at_work_is_no_recovery() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1)];
    world.look();
    world.quarantined.clear();
    world.is_done = false;
    assert_eq!(world.look(), NOTHING);
    world.quarantined = vec![quarantined(1, 2)];
    assert_eq!(world.look(), ["Quarantined"]);
}

#[test]
fn a_replay_after_which_the_lane_is_blocked_is_not_quarantined_any_more() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1)];
    world.look();
    world.quarantined.clear();
    world.is_done = false;
    world.state = blocked_by(BlockReason::ChangeSetFailed);
    assert_eq!(world.look(), ["Recovered", "Blocked"]);
    assert_eq!(recovered(&world.heard[1]).0, [Condition::Quarantined]);
}

#[test]
fn of_very_many_that_are_quarantined_the_number_is_told() {
    let mut world = World::new();
    world.quarantined = (0..MOST_QUARANTINED + 40)
        .map(|number| quarantined(number, 1))
        .collect();
    assert_eq!(world.look(), ["Quarantined"]);
    let Notice::Quarantined(told) = world.last() else {
        panic!()
    };
    assert_eq!(told.products.len(), MOST_LISTED);
    assert_eq!(
        (told.new, told.count),
        (MOST_QUARANTINED + 40, MOST_QUARANTINED + 40)
    );
    assert_eq!(world.look(), NOTHING);
    let mark = world.known.quarantined.clone().unwrap();
    assert_eq!((mark.products.len(), mark.beyond), (MOST_QUARANTINED, 40));
    world.quarantined.push(quarantined(9_999, 2));
    assert_eq!(world.look(), ["Quarantined"]);
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_link_is_stale_once_it_was_not_in_sync_for_too_long() {
    let mut world = World::new();
    world.in_sync = true;
    world.look();
    world.in_sync = false;
    world.now = 24 * HOUR;
    assert_eq!(world.look(), NOTHING);
    world.now += 1;
    assert_eq!(world.look(), ["Member Stale"]);
    let Notice::MemberStale(told) = world.last() else {
        panic!()
    };
    assert_eq!((told.since, told.hours), (at(0), 24));
    assert_eq!(told.reason, "differs");
    world.now += 50 * HOUR;
    assert_eq!(world.look(), NOTHING);
    world.in_sync = true;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_link_that_was_never_in_sync_is_stale_by_when_it_was_first_looked_at() {
    let mut world = World::new();
    world.fails("PMS-3001", false);
    assert_eq!(world.look(), NOTHING);
    world.now = 25 * HOUR;
    assert_eq!(world.look(), ["Member Stale"]);
    let Notice::MemberStale(told) = world.last() else {
        panic!()
    };
    assert_eq!(told.reason, "PMS-3001");
    assert_eq!(told.about.what_to_do, "mend it");
}

#[test]
fn nobody_expects_anything_of_a_link_that_is_not_watched() {
    let mut world = World::new();
    world.stale_after_hours = None;
    world.look();
    world.now = 500 * HOUR;
    assert_eq!(world.look(), NOTHING);
    // From here on it is; what was before does not count.
    world.stale_after_hours = Some(24);
    assert_eq!(world.look(), NOTHING);
    world.now += 24 * HOUR + 1;
    assert_eq!(world.look(), ["Member Stale"]);
    world.stale_after_hours = None;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(recovered(world.last()).1, [EndedBy::NotExpected]);
}

#[test]
fn a_hold_of_another_run_or_of_another_plan_is_another_one() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    assert_eq!(world.look(), ["Held"]);
    let same_plan = Hold {
        run: run(2),
        ..hold(1)
    };
    world.hold = Some(same_plan);
    assert_eq!(world.look(), ["Held"]);
    let same_run = Hold {
        run: run(2),
        ..hold(3)
    };
    world.hold = Some(same_run);
    assert_eq!(world.look(), ["Held"]);
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_link_that_was_in_sync_between_two_looks_has_recovered() {
    let mut world = World::new();
    world.look();
    world.now = 25 * HOUR;
    assert_eq!(world.look(), ["Member Stale"]);
    // In sync now, which is not on record yet.
    let mut now = world.clone();
    now.in_sync = true;
    assert_eq!(now.look(), ["Recovered"]);
    assert_eq!(recovered(now.last()).1, [EndedBy::Resolved]);
    // In sync meanwhile, and not now.
    world.state.last_in_sync = Some(at(26 * HOUR));
    world.now = 27 * HOUR;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(recovered(world.last()).1, [EndedBy::Resolved]);
}

#[test]
fn outside_edits_are_announced_once_each_and_end_when_nothing_differs_and_nothing_is_under_way() {
    let mut world = World::new();
    let p = |text: &str| -> ProductId { text.parse().unwrap() };
    world.edited.insert(p("prod-a"), at(0));
    assert_eq!(world.look(), ["Edited Outside"]);
    let Notice::EditedOutside(told) = world.last() else {
        panic!("{:?}", world.last())
    };
    assert_eq!(
        (told.reason.as_str(), told.since, told.new, told.count),
        ("PMS-6003", at(0), 1, 1)
    );
    assert!(
        told.about
            .message
            .contains("prod-a, which is not allowed any more"),
        "{told:?}"
    );
    assert!(
        told.about
            .what_to_do
            .contains("pmp-sync drift --member emea"),
        "{told:?}"
    );
    let names: Names = [(p("prod-a"), "Example Database".to_owned())]
        .into_iter()
        .collect();
    let Notice::EditedOutside(named) = world.last().clone().named(&names) else {
        panic!()
    };
    assert_eq!(named.products[0].name.as_deref(), Some("Example Database"));
    assert!(
        named
            .about
            .message
            .contains("prod-a (Example Database), which"),
        "{named:?}"
    );
    assert_eq!(world.look(), NOTHING);
    world.edited.insert(p("prod-b"), at(60));
    assert_eq!(world.look(), ["Edited Outside"]);
    let Notice::EditedOutside(told) = world.last() else {
        panic!("{:?}", world.last())
    };
    assert_eq!((told.new, told.count, told.products.len()), (1, 2, 1));
    // It was changed back unseen, and somebody has changed it again.
    world.edited.insert(p("prod-b"), at(90));
    assert_eq!(world.look(), ["Edited Outside"]);
    let Notice::EditedOutside(told) = world.last() else {
        panic!("{:?}", world.last())
    };
    assert_eq!((told.new, told.count, told.since), (1, 2, at(90)));
    // What changes them back is under way.
    world.edited.clear();
    world.is_done = false;
    assert_eq!(world.look(), NOTHING);
    world.is_done = true;
    assert_eq!(world.look(), ["Recovered"]);
    // Another edit of the same product.
    world.edited.insert(p("prod-a"), at(120));
    assert_eq!(world.look(), ["Edited Outside"]);
    // A link that cannot be looked at tells nothing of edits.
    world.fails("PMS-3001", false);
    world.edited.clear();
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn no_more_edits_are_remembered_than_is_bounded_and_the_others_are_counted() {
    let mut world = World::new();
    let edit = |world: &mut World, from: usize, to: usize| {
        for number in from..to {
            world
                .edited
                .insert(format!("prod-{number:05}").parse().unwrap(), at(0));
        }
    };
    edit(&mut world, 0, MOST_EDITS + 10);
    assert_eq!(world.look(), ["Edited Outside"]);
    let mark = world.known.edited.clone().unwrap();
    assert_eq!((mark.products.len(), mark.beyond), (MOST_EDITS, 10));
    assert_eq!(world.look(), NOTHING);
    edit(&mut world, MOST_EDITS + 10, MOST_EDITS + 12);
    assert_eq!(world.look(), ["Edited Outside"]);
    let Notice::EditedOutside(told) = world.last() else {
        panic!("{:?}", world.last())
    };
    assert_eq!((told.new, told.count), (2, MOST_EDITS + 12));
}

#[test]
fn another_installation_is_announced_once_and_ends_a_day_after_its_last_change_set() {
    let mut world = World::new();
    world.state.other = Some(other("second", 0));
    assert_eq!(world.look(), ["Contested"]);
    let Notice::Contested(told) = world.last() else {
        panic!("{:?}", world.last())
    };
    assert_eq!(told.installation, InstallationId::of_ledger("second"));
    assert_eq!((told.reason.as_str(), told.since), ("PMS-6002", at(0)));
    assert!(told.about.message.contains("cs-other"), "{told:?}");
    let suspend = "pmp-sync suspend --member emea --experience exp-1";
    assert!(told.about.what_to_do.contains(suspend), "{told:?}");
    // It goes on: the same occurrence, however often it is seen.
    for hours in [1, 20, 40] {
        world.now = hours * HOUR;
        world.state.other = Some(other("second", world.now));
        world.in_sync = true;
        assert_eq!(world.look(), NOTHING);
    }
    world.now = 63 * HOUR;
    assert_eq!(world.look(), NOTHING);
    world.now = 64 * HOUR;
    assert_eq!(world.look(), ["Recovered"]);
    let Notice::Recovered(told) = world.last() else {
        panic!("{:?}", world.last())
    };
    assert_eq!(told.recovered[0].condition, Condition::Contested);
    assert_eq!((told.reason.as_str(), told.since), ("PMS-6002", at(0)));
    assert_eq!(world.look(), NOTHING);
    // Another occurrence.
    world.state.other = Some(other("second", world.now));
    assert_eq!(world.look(), ["Contested"]);
}

#[test]
fn another_installation_is_announced_of_a_link_that_cannot_be_observed_and_ends_with_the_link() {
    let mut world = World::new();
    world.fails("PMS-3001", false);
    world.state.other = Some(other("second", 0));
    assert_eq!(world.look(), ["Contested"]);
    // A third one.
    world.state.other = Some(other("third", 10));
    assert_eq!(world.look(), ["Contested"]);
    world.known = world.known.removed(&subject(), at(world.now));
    let told = world.known.pending.last().cloned();
    assert!(
        matches!(&told, Some(Notice::Recovered(told)) if told.recovered[0].condition == Condition::Contested),
        "{told:?}"
    );
}

#[test]
fn a_hold_that_is_rejected_as_a_whole_is_not_announced_and_one_in_part_says_so() {
    let rejected = |number: u128, changes: usize| {
        let ask = Ask {
            by: Some("ann".to_owned()),
            account: None,
            at: at(0),
            reason: None,
        };
        Hold {
            rejected: Some(RejectedPart { changes, ask }),
            ..hold(number)
        }
    };
    let mut world = World::new();
    world.hold = Some(hold(1));
    assert_eq!(world.look(), ["Held"]);
    // What is left of it is rejected.
    world.hold = Some(rejected(2, 53));
    assert_eq!(world.look(), NOTHING);
    world.hold = Some(rejected(3, 52));
    assert_eq!(world.look(), ["Held"]);
    let message = world.last().about().message.clone();
    assert!(
        message.contains("2 allows and 51 denies are held"),
        "{message}"
    );
    assert!(
        message.contains("52 of these were rejected before by ann."),
        "{message}"
    );
    world.hold = None;
    assert_eq!(world.look(), ["Recovered"]);
}

#[test]
fn edits_that_are_only_counted_are_told_with_the_others_and_once() {
    let mut world = World::new();
    world.edited.insert("prod-a".parse().unwrap(), at(0));
    for (beyond, new, count) in [(3, 4, 4), (5, 2, 6)] {
        world.edited_beyond = beyond;
        assert_eq!(world.look(), ["Edited Outside"]);
        let Notice::EditedOutside(told) = world.last() else {
            panic!("{:?}", world.last())
        };
        assert_eq!((told.new, told.count), (new, count));
        assert_eq!(world.known.edited.as_ref().unwrap().beyond, beyond);
        assert_eq!(world.look(), NOTHING);
    }
}
