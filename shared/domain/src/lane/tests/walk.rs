//! Random walks: producer and workers do to one lane whatever comes, on states that may be stale.

use proptest::prelude::*;

use super::*;

/// What somebody does. `late` is how many intents ago the state was read on which it is done.
#[derive(Debug, Clone)]
enum Step {
    Commit {
        later_by: i64,
        totals: (usize, usize),
    },
    Sent,
    Join {
        late: i64,
    },
    FindEqual,
    Intend {
        late: u64,
        under: i64,
        share: (usize, usize, usize, usize),
    },
    Start {
        late: u64,
    },
    Succeed {
        late: u64,
    },
    BackOffEnd {
        late: u64,
    },
    BlockEnd {
        late: u64,
    },
    Block,
    BackOff,
    Tick {
        ahead: i64,
    },
    Announce,
}

fn any_step() -> impl Strategy<Value = Step> {
    let late = || prop_oneof![4 => Just(0_u64), 1 => 1_u64..3];
    let share = (0_usize..4, 0_usize..4, 0_usize..4, 0_usize..4);
    prop_oneof![
        3 => (-1_i64..3, (0_usize..8, 0_usize..8))
            .prop_map(|(later_by, totals)| Step::Commit { later_by, totals }),
        1 => Just(Step::Sent),
        1 => (0_i64..2).prop_map(|late| Step::Join { late }),
        1 => Just(Step::FindEqual),
        6 => (late(), prop_oneof![4 => Just(0_i64), 1 => -1_i64..2], share)
            .prop_map(|(late, under, share)| Step::Intend { late, under, share }),
        4 => late().prop_map(|late| Step::Start { late }),
        2 => late().prop_map(|late| Step::Succeed { late }),
        2 => late().prop_map(|late| Step::BackOffEnd { late }),
        1 => late().prop_map(|late| Step::BlockEnd { late }),
        1 => Just(Step::Block),
        1 => Just(Step::BackOff),
        2 => (-1_i64..3).prop_map(|ahead| Step::Tick { ahead }),
        1 => Just(Step::Announce),
    ]
}

/// Makes the step on the state; the run of the plan is kept as a number beside it.
fn make(
    lane: &LaneState,
    plan: &mut i64,
    serial: usize,
    step: &Step,
) -> Result<LaneState, Rejected> {
    let now = at(i64::try_from(serial).unwrap());
    let seq = |late: u64| lane.seq.wrapping_sub(late);
    match *step {
        Step::Commit { later_by, totals } => {
            let next = lane.committed(planned(*plan + later_by, c(totals.0, totals.1)))?;
            *plan += later_by;
            Ok(next)
        }
        Step::Sent => lane.sent(run(*plan)),
        Step::Join { late } => lane.joined(run(*plan + 1), run(*plan - late)),
        Step::FindEqual => Ok(lane.in_sync(true, now)),
        Step::Intend { late, under, share } => {
            // What is the plan's own: no more than is left of it.
            let left = lane
                .planned
                .as_ref()
                .map(|planned| planned.totals.less(planned.taken))
                .unwrap_or_default();
            let held = c(share.0.min(left.allow), share.1.min(left.deny));
            let left = left.less(held);
            let first = u32::try_from(serial * 1000).unwrap();
            let batch = c(share.2.min(left.allow), share.3.min(left.deny));
            let batch = Intent {
                token: format!("token-{serial}"),
                name: None,
                written_at: None,
                creates_policy: false,
                at: now,
                ..intent(run(*plan), batch)
            };
            lane.intending(
                seq(late),
                run(*plan + under),
                batch,
                (&holding_from(first, held), &[]),
                now,
            )
        }
        Step::Start { late } => lane.started(seq(late), change_set(&format!("cs-{serial}"))),
        Step::Succeed { late } => {
            let duration_seconds = Some(9);
            lane.ended(seq(late), Ending::Succeeded { duration_seconds }, now)
        }
        Step::BackOffEnd { late } => lane.ended(seq(late), Ending::BackOff(now), now),
        Step::BlockEnd { late } => lane.ended(seq(late), Ending::Blocked(block()), now),
        Step::Block => block_now(lane, block()),
        Step::BackOff => lane.back_off(now),
        Step::Tick { ahead } => lane.ticked(lane.tick.saturating_add_signed(ahead), now),
        Step::Announce => Ok(lane.announced(run(*plan))),
    }
}

/// What holds of every state, however it was come to.
fn check_state(lane: &LaneState) -> Result<(), TestCaseError> {
    let is_under_way = matches!(lane.phase, Phase::Starting | Phase::InFlight);
    prop_assert_eq!(lane.intent.is_some(), is_under_way, "{:?}", lane);
    prop_assert_eq!(lane.change_set.is_some(), lane.phase == Phase::InFlight);
    prop_assert_eq!(lane.block.is_some(), lane.phase == Phase::Blocked);
    if let Some(planned) = &lane.planned {
        let over = planned.taken.less(planned.totals);
        prop_assert_eq!(over, Counts::default(), "{:?}", planned);
    }
    Ok(())
}

/// What holds of every step.
fn check_step(before: &LaneState, after: &LaneState, step: &Step) -> Result<(), TestCaseError> {
    // The ledger counts the writes, not the transition.
    prop_assert_eq!(after.rev, before.rev);
    prop_assert!(after.seq == before.seq || after.seq == before.seq + 1);
    prop_assert!(after.tick >= before.tick);
    prop_assert!(after.planned_run() >= before.planned_run());
    if after.seq > before.seq {
        let is_at_what_stands = matches!(
            step,
            Step::Intend {
                late: 0,
                under: 0,
                ..
            }
        );
        prop_assert!(is_at_what_stands);
        prop_assert_eq!(before.phase, Phase::Idle);
    }
    if before.intent.is_some() && after.intent.is_some() {
        prop_assert_eq!(&after.intent, &before.intent);
    }
    if before.change_set.is_some() && after.change_set.is_some() {
        prop_assert_eq!(&after.change_set, &before.change_set);
    }
    if after.intent.is_some() && before.intent.is_none() {
        prop_assert_eq!(after.tick, before.tick + 1);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_lane_never_goes_back_and_has_one_intent_at_most(
        steps in prop::collection::vec(any_step(), 0..120)
    ) {
        let mut lane = LaneState::default();
        let mut plan = 10;
        for (serial, step) in steps.iter().enumerate() {
            let Ok(after) = make(&lane, &mut plan, serial, step) else { continue };
            check_step(&lane, &after, step)?;
            check_state(&after)?;
            lane = LaneState { rev: lane.rev + 1, ..after };
        }
    }

    /// Whatever led there, a lane under way takes no second intent, and a suspended one none at all.
    #[test]
    fn a_lane_under_way_is_given_no_second_intent(
        steps in prop::collection::vec(any_step(), 0..60), suspended: bool
    ) {
        let mut lane = LaneState::default();
        let mut plan = 10;
        for (serial, step) in steps.iter().enumerate() {
            lane = make(&lane, &mut plan, serial, step).unwrap_or(lane);
        }
        if suspended {
            lane.phase = Phase::Suspended;
        }
        let second = lane.intending(lane.seq, run(plan), intent(run(plan), c(1, 0)), (&[], &[]), at(0));
        if lane.phase == Phase::Idle {
            prop_assert_eq!(second.is_ok(), lane.planned.is_some());
        } else {
            prop_assert_eq!(second, Err(Rejected::Phase));
        }
    }

    /// A batch that is put off any number of times leaves the plan's remainder as it was.
    #[test]
    fn a_batch_that_comes_to_nothing_takes_nothing(
        totals in (0_usize..60, 0_usize..60), tries in 1_usize..6, blocks: bool
    ) {
        let totals = c(totals.0, totals.1);
        let mut lane = idle(totals);
        for _ in 0..tries {
            let batch = intent(run(5), totals.capped());
            let is_empty = batch.changes.is_empty();
            lane = lane.intending(lane.seq, run(5), batch, (&[], &[]), at(2)).unwrap();
            if !is_empty && !blocks {
                lane = lane.ended(lane.seq, Ending::BackOff(at(3)), at(2)).unwrap();
            } else if !is_empty {
                lane = lane.ended(lane.seq, Ending::Blocked(block()), at(2)).unwrap();
                lane.phase = Phase::Idle;
            }
            prop_assert_eq!(lane.planned.as_ref().unwrap().taken, c(0, 0));
        }
    }
}
