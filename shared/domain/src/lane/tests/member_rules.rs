//! The member's own rules: what is kept back, how long, and what it never touches.

use proptest::prelude::*;

use super::*;
use crate::policy::PolicySnapshot;

const TIMEOUT: i64 = 30;
const DAY: i64 = 86_400;

fn rules(mode: MemberMode, most_denies: Option<u32>) -> MemberRules {
    MemberRules { mode, most_denies }
}

fn marked(lane: &LaneState, mode: MemberMode, most_denies: Option<u32>) -> LaneState {
    let mark = rules(mode, most_denies).mark();
    LaneState {
        member: mark,
        ..lane.clone()
    }
}

/// An idle lane under these rules, with so many denies applied at the start.
fn lane(mode: MemberMode, most_denies: Option<u32>, totals: Counts, denied: usize) -> LaneState {
    let mut lane = marked(&idle(totals), mode, most_denies);
    lane.denied.add(denied, start());
    lane
}

fn next_at(lane: &LaneState, open: &[OpenChange], seconds: i64) -> Next {
    next(lane, open, TIMEOUT, at(seconds))
}

fn both(allow: usize, deny: usize) -> Vec<OpenChange> {
    [claimed(Action::Allow, allow), claimed(Action::Deny, deny)].concat()
}

fn kinds(choice: &Choice) -> Counts {
    counts(choice.batch.iter().map(|change| change.action))
}

fn chosen(lane: &LaneState, open: &[OpenChange], seconds: i64) -> Counts {
    let Next::Choose(claimed) = next_at(lane, open, seconds) else {
        panic!("{:?}", next_at(lane, open, seconds));
    };
    kinds(&choose(
        lane,
        &claimed,
        &PolicySnapshot::default(),
        at(seconds),
    ))
}

#[test]
fn the_parameters_are_read_and_what_is_none_is_refused_with_what_would_do() {
    for none in ["", "none"] {
        assert_eq!(MemberRules::parse("all", none), Ok(MemberRules::default()));
    }
    assert_eq!(
        MemberRules::parse("allow-only", "0"),
        Ok(rules(MemberMode::AllowOnly, Some(0)))
    );
    assert_eq!(
        MemberRules::parse("suspended", "25"),
        Ok(rules(MemberMode::Suspended, Some(25)))
    );
    for (mode, most, told) in [
        ("", "", "MemberMode"),
        ("Suspended", "", "allow-only or suspended"),
        ("all", "ten", "MostDeniesPerDay"),
        ("all", "-1", "\"-1\""),
        ("all", " ", "none for no limit"),
    ] {
        let error = MemberRules::parse(mode, most).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn rules_are_kept_as_they_were_written_even_those_of_a_newer_release() {
    let text = r#"{"mode":"allow-only","most_denies":3}"#;
    let read: MemberRules = serde_json::from_str(text).unwrap();
    assert_eq!(read, rules(MemberMode::AllowOnly, Some(3)));
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let newer: MemberRules = serde_json::from_str(r#"{"mode":"sundays","colour":1}"#).unwrap();
    assert!(newer.forbids(Action::Allow) && newer.forbids(Action::Deny));
    assert_eq!(
        serde_json::to_string(&newer).unwrap(),
        r#"{"mode":"sundays"}"#
    );
}

#[test]
fn what_each_rule_forbids_for_as_long_as_it_stands() {
    let forbids = |mode: MemberMode, most| {
        let rules = rules(mode, most);
        [Action::Allow, Action::Deny].map(|action| rules.forbids(action))
    };
    assert_eq!(forbids(MemberMode::All, None), [false, false]);
    assert_eq!(forbids(MemberMode::All, Some(1)), [false, false]);
    assert_eq!(forbids(MemberMode::All, Some(0)), [false, true]);
    assert_eq!(forbids(MemberMode::AllowOnly, None), [false, true]);
    assert_eq!(forbids(MemberMode::AllowOnly, Some(9)), [false, true]);
    assert_eq!(forbids(MemberMode::Suspended, None), [true, true]);
}

#[test]
fn a_mark_is_written_once_and_taken_away_when_nothing_is_restricted() {
    let mark = rules(MemberMode::Suspended, None).mark();
    let lane = idle(c(1, 0)).ruled(mark.clone()).unwrap();
    assert_eq!(lane.member, mark);
    assert_eq!(lane.ruled(mark), Err(Rejected::Member));
    let lifted = lane.ruled(MemberRules::default().mark()).unwrap();
    assert_eq!(lifted.member, None);
    assert_eq!(lifted, idle(c(1, 0)));
}

#[test]
fn a_suspended_member_starts_nothing_and_its_lane_rests() {
    let lane = lane(MemberMode::Suspended, None, c(2, 2), 0);
    let open = both(2, 2);
    assert_eq!(next_at(&lane, &open, 60), Next::Stay);
    assert_eq!(on_tick(&lane, &open, 7, TIMEOUT, at(60)), OnTick::End);
    let refused = lane.intending(3, run(5), intent(run(5), c(1, 0)), (&[], &[]), at(2));
    assert_eq!(refused, Err(Rejected::Member));
    // What was closed meanwhile is told as ever.
    let mut done = lane.clone();
    done.planned.as_mut().unwrap().taken = c(2, 2);
    assert_eq!(next_at(&done, &[], 60), Next::Rest(Some(run(5))));
}

#[test]
fn what_is_in_flight_ends_and_an_intent_that_was_not_started_is_no_more_permitted() {
    let flying = marked(&in_flight(c(1, 1), c(1, 1)), MemberMode::Suspended, None);
    assert_eq!(next_at(&flying, &[], 9), Next::Stay);
    let succeeded = Ending::Succeeded {
        duration_seconds: None,
    };
    let ended = flying.ended(4, succeeded, at(9)).unwrap();
    assert_eq!((ended.phase, ended.denied.used(at(9))), (Phase::Idle, 1));
    let lane = starting(c(1, 1), c(1, 1));
    let batch = lane.intent.clone().unwrap();
    assert!(lane.permits(&batch, at(1)));
    for mode in [MemberMode::Suspended, MemberMode::AllowOnly] {
        assert!(!marked(&lane, mode, None).permits(&batch, at(1)));
    }
    assert!(!marked(&lane, MemberMode::All, Some(0)).permits(&batch, at(1)));
    assert!(marked(&lane, MemberMode::All, Some(1)).permits(&batch, at(1)));
}

#[test]
fn denies_that_are_kept_back_neither_go_nor_hold_anything_up() {
    let lane = lane(MemberMode::AllowOnly, None, c(3, 60), 0);
    let open = both(3, 40);
    // At once, although twenty denies are still announced.
    assert_eq!(chosen(&lane, &open, 0), c(3, 0));
    assert_eq!(
        next_at(&lane, &open, 0),
        Next::Choose(claimed(Action::Allow, 3))
    );
    // Allows that are still announced are waited for as ever.
    assert_eq!(next_at(&lane, &both(2, 40), 0), Next::Wait { until: at(5) });
    assert_eq!(chosen(&lane, &both(2, 40), 5), c(2, 0));
    // Nothing else is left: others will wake it, and it has not settled.
    assert_eq!(next_at(&lane, &both(0, 40), 0), Next::Stay);
    assert_eq!(on_tick(&lane, &both(0, 40), 7, TIMEOUT, at(0)), OnTick::End);
    assert!(matches!(
        on_tick(&lane, &open, 7, TIMEOUT, at(0)),
        OnTick::Renew { .. }
    ));
}

#[test]
fn changes_of_older_runs_are_closed_whatever_the_member_keeps_back() {
    let lane = lane(MemberMode::Suspended, None, c(1, 0), 0);
    let old = open("old", Action::Deny, 4, 0);
    let open = [old.clone(), open("new", Action::Deny, 5, 0)];
    assert_eq!(next_at(&lane, &open, 0), Next::Supersede(vec![old]));
}

#[test]
fn suspects_that_are_kept_back_do_not_hold_up_the_other_kind() {
    // An unattributed failure: the kinds are tried apart from then on.
    let failed = Failed::default();
    let lane = in_flight(c(2, 2), c(2, 2));
    let change_set = change_set("cs-1");
    let lane = lane
        .ended(4, Ending::Failed { change_set, failed }, at(9))
        .unwrap();
    let open = both(2, 2);
    assert_eq!(chosen(&lane, &open, 10), c(2, 0), "the allows go first");
    let lane = marked(&lane, MemberMode::AllowOnly, None);
    assert_eq!(chosen(&lane, &open, 10), c(2, 0));
    let mut denies_only = lane.clone();
    denies_only.bisect = serde_json::from_str(
        r#"{"deny":[{"product":"deny-0","action":"deny","run":"00000000050000000000000000","ordinal":0}],"apart":true}"#,
    )
    .unwrap();
    let suspect = denies_only.bisect.suspects(Action::Deny)[0].clone();
    let mut open = both(2, 1);
    open[2].run = suspect.run;
    denies_only.planned.as_mut().unwrap().run = suspect.run;
    open[0].run = suspect.run;
    open[1].run = suspect.run;
    assert_eq!(chosen(&denies_only, &open, 10), c(2, 0));
}

#[test]
fn a_day_has_no_more_denies_than_the_limit() {
    let lane = lane(MemberMode::All, Some(10), c(0, 60), 7);
    assert_eq!(lane.room(at(60)), c(usize::MAX, 3));
    // Three are all that there is to wait for.
    assert_eq!(chosen(&lane, &both(0, 3), 60), c(0, 3));
    assert_eq!(chosen(&lane, &both(0, 50), 60), c(0, 3));
    // Beside them as many allows as ever.
    assert_eq!(chosen(&lane, &both(70, 50), 60), c(50, 3));
    let four = intent(run(5), c(0, 4));
    let refused = lane.intending(3, run(5), four, (&[], &[]), at(2));
    assert_eq!(refused, Err(Rejected::Member));
    let three = intent(run(5), c(9, 3));
    assert!(lane.intending(3, run(5), three, (&[], &[]), at(2)).is_ok());
}

#[test]
fn a_lane_that_has_used_up_its_limit_waits_without_spinning_until_it_frees() {
    let lane = lane(MemberMode::All, Some(10), c(1, 60), 10);
    let open = both(0, 50);
    // A quarter counts until a day after its end, and a Tick is fifteen minutes ahead at most.
    assert_eq!(next_at(&lane, &open, 60), Next::Wait { until: at(960) });
    let renewed = OnTick::Renew {
        number: 8,
        due: at(960),
    };
    assert_eq!(on_tick(&lane, &open, 7, TIMEOUT, at(60)), renewed);
    let frees = DAY + 900;
    let before = next_at(&lane, &open, frees - 1);
    assert_eq!(before, Next::Wait { until: at(frees) });
    assert_eq!(chosen(&lane, &open, frees), c(0, 10));
    // With nothing claimed there is nothing to wait for.
    assert_eq!(on_tick(&lane, &[], 7, TIMEOUT, at(60)), OnTick::End);
    // Allows go on meanwhile, and at once.
    assert_eq!(chosen(&lane, &both(1, 50), 60), c(1, 0));
    let none = marked(&lane, MemberMode::All, Some(0));
    assert_eq!(
        next_at(&none, &open, 60),
        Next::Stay,
        "only other rules would let it"
    );
}

#[test]
fn denies_are_counted_when_their_change_set_succeeds_or_may_have() {
    let batch = c(3, 2);
    let flying = in_flight(c(9, 9), batch);
    let back_off = flying.ended(4, Ending::BackOff(at(60)), at(9)).unwrap();
    assert!(back_off.denied.is_empty());
    // Nobody knows whether it was applied.
    let vanished = flying.ended(4, Ending::Vanished(at(60)), at(9)).unwrap();
    assert_eq!(vanished.denied.used(at(9)), 2);
    let denied = Denied::default();
    assert_eq!(LaneState { denied, ..vanished }, back_off);
    let succeeded = Ending::Succeeded {
        duration_seconds: Some(9),
    };
    let ended = flying.ended(4, succeeded.clone(), at(9)).unwrap();
    assert_eq!(ended.denied.used(at(9)), 2);
    assert_eq!(ended.ended(4, succeeded, at(9)), Err(Rejected::Phase));
}

#[test]
fn a_clock_that_jumps_back_makes_a_hundred_quarters_at_most_and_no_deny_is_forgotten() {
    let mut denied = Denied::default();
    let kept = |denied: &Denied| {
        let stored = serde_json::to_value(denied).unwrap();
        stored.as_array().unwrap().len()
    };
    for number in 1..=150 {
        denied.add(1, at(-900 * number));
        let number = usize::try_from(number).unwrap();
        assert_eq!(kept(&denied), number.min(100));
        assert_eq!(denied.used(at(-900 * 150)), number);
    }
}

#[test]
fn suspects_are_tried_no_more_of_than_there_is_room_for() {
    let mut lane = lane(MemberMode::All, Some(2), c(0, 16), 0);
    let errors = vec![ChangeError {
        action: Action::Deny,
        code: "X".to_owned(),
        message: String::new(),
    }];
    let failed = Failed {
        errors,
        description: None,
    };
    let batch = intent(run(5), c(0, 16));
    assert!(
        lane.bisect
            .failed(&batch, &change_set("cs-1"), &failed)
            .is_empty()
    );
    assert_eq!(chosen(&lane, &claimed(Action::Deny, 16), 9), c(0, 2));
}

proptest! {
    /// Whatever the rules, what is chosen is permitted, and what is kept back is waited for or left to
    /// others: a lane never turns round with nothing to do.
    #[test]
    fn what_is_chosen_is_permitted_and_a_lane_never_spins(
        mode in prop::sample::select(vec![MemberMode::All, MemberMode::AllowOnly, MemberMode::Suspended]),
        most in prop::option::of(0_u32..80),
        used in 0_usize..90,
        open in (0_usize..70, 0_usize..70),
        more in (0_usize..70, 0_usize..70),
        seconds in 0_i64..(DAY + 2_000),
    ) {
        let totals = c(open.0 + more.0, open.1 + more.1);
        let lane = lane(mode, most, totals, used);
        let open = both(open.0, open.1);
        let now = at(seconds);
        match next_at(&lane, &open, seconds) {
            Next::Choose(claimed) => {
                let choice = choose(&lane, &claimed, &PolicySnapshot::default(), now);
                prop_assert!(!choice.batch.is_empty());
                let room = lane.room(now);
                prop_assert_eq!(kinds(&choice).less(room), Counts::default());
            }
            Next::Wait { until } => prop_assert!(until > now && until <= later(now, 900)),
            Next::Stay => {
                prop_assert!(!open.is_empty());
                prop_assert!(open.iter().all(|change| lane.is_forbidden(change.action)));
            }
            Next::Rest(_) => prop_assert!(open.is_empty()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// However denies are spread over time, those that count are never fewer than those of the last 24
    /// hours, and the record stays small.
    #[test]
    fn no_deny_is_forgotten_within_a_day(
        added in prop::collection::vec((0_i64..3 * DAY, 1_usize..5), 0..300),
        look in 0_i64..4 * DAY,
        limit in 1_usize..40,
    ) {
        let mut added = added;
        added.sort_unstable();
        let mut denied = Denied::default();
        for (when, count) in added.iter().take_while(|(when, _)| *when <= look) {
            denied.add(*count, at(*when));
        }
        let within = |span: i64| -> usize {
            let recent = added.iter().filter(|(when, _)| *when <= look && *when > look - span);
            recent.map(|(_, count)| count).sum()
        };
        let used = denied.used(at(look));
        prop_assert!(used >= within(DAY));
        prop_assert!(used <= within(DAY + 900));
        let stored = serde_json::to_value(&denied).unwrap();
        prop_assert!(stored.as_array().unwrap().len() <= 100);
        prop_assert_eq!(&serde_json::from_value::<Denied>(stored).unwrap(), &denied);
        let frees = denied.frees_at(limit, at(look)).unwrap();
        prop_assert!(denied.used(frees) < limit);
        prop_assert_eq!(frees > at(look), used >= limit);
        if frees > at(look) {
            prop_assert!(denied.used(later(frees, -1)) >= limit);
        }
    }
}
