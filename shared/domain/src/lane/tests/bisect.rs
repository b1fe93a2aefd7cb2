//! Finding bad products, driven by an oracle that fails every change set with one of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::policy::PolicySnapshot;

/// A lane with everything claimed, and a service that does not like some products.
struct Hunt {
    lane: LaneState,
    open: Vec<OpenChange>,
    policy: PolicySnapshot,
    bad: BTreeSet<ProductId>,
    /// The service says which change was at fault.
    told: bool,
    sets: usize,
    quarantined: Vec<FailedAlone>,
}

impl Hunt {
    fn new(allow: usize, deny: usize, bad: &[&str], told: bool) -> Self {
        let claim = |action: Action, count: usize, first: u32| {
            (0_u32..).take(count).map(move |number| {
                open(&format!("{action}-{number:03}"), action, 5, first + number)
            })
        };
        let open = claim(Action::Allow, allow, 0).chain(claim(Action::Deny, deny, 1_000));
        Self {
            lane: idle(c(allow, deny)),
            open: open.collect(),
            policy: PolicySnapshot::default(),
            bad: bad.iter().map(|text| p(text)).collect(),
            told,
            sets: 0,
            quarantined: Vec::new(),
        }
    }

    fn failure(&self, batch: &[OpenChange]) -> Option<Failed> {
        let errors: Vec<_> = batch
            .iter()
            .filter(|change| self.bad.contains(&change.product))
            .map(|change| ChangeError {
                action: change.action,
                code: "INVALID_PRODUCT".to_owned(),
                message: "no".to_owned(),
            })
            .collect();
        let description = (!self.told).then(|| "something is wrong".to_owned());
        (!errors.is_empty()).then(|| Failed {
            errors: if self.told { errors } else { Vec::new() },
            description,
        })
    }

    /// Until the lane rests or is blocked. Every step is one that the lane itself asks for.
    fn run(mut self) -> Self {
        for number in 0..2_000 {
            match next(&self.lane, &self.open, 30, at(60)) {
                Next::Rest(_) | Next::Stay => return self,
                Next::Block(block) => self.lane = block_now(&self.lane, block).unwrap(),
                Next::Quarantine(failed) => {
                    let done: Vec<_> = failed
                        .iter()
                        .map(|failed| (failed.change.product.clone(), failed.change.run))
                        .collect();
                    self.open
                        .retain(|open| !done.contains(&(open.product.clone(), open.run)));
                    self.quarantined.extend(failed);
                    self.lane = self.lane.quarantined(&done).unwrap();
                }
                Next::Choose(claimed) => self.change_set(&claimed, number),
                other => panic!("{other:?}"),
            }
        }
        panic!("the bisect does not end");
    }

    fn change_set(&mut self, claimed: &[OpenChange], number: usize) {
        let choice = choose(&self.lane, claimed, &self.policy, at(60));
        assert!(!choice.batch.is_empty(), "nothing was chosen");
        self.sets += 1;
        let intent = intent_of(&choice.batch);
        let (seq, id) = (self.lane.seq + 1, change_set(&format!("cs{number}")));
        let started = self
            .lane
            .intending(self.lane.seq, run(5), intent, (&[], &[]), at(61))
            .and_then(|lane| lane.started(seq, id.clone()))
            .unwrap();
        let ending = if let Some(failed) = self.failure(&choice.batch) {
            Ending::Failed {
                change_set: id,
                failed,
            }
        } else {
            let applied: BTreeSet<_> = choice.batch.iter().map(|open| &open.product).collect();
            self.open.retain(|open| !applied.contains(&open.product));
            Ending::Succeeded {
                duration_seconds: None,
            }
        };
        self.lane = started.ended(seq, ending, at(70)).unwrap();
    }

    fn quarantined(&self) -> BTreeSet<ProductId> {
        self.quarantined
            .iter()
            .map(|failed| failed.change.product.clone())
            .collect()
    }
}

fn intent_of(batch: &[OpenChange]) -> Intent {
    let changes = batch.iter().map(|open| IntentChange {
        product: open.product.clone(),
        action: open.action,
        run: open.run,
        ordinal: open.ordinal,
    });
    Intent {
        token: "token".to_owned(),
        name: None,
        written_at: None,
        creates_policy: false,
        at: at(60),
        changes: changes.collect(),
    }
}

/// What the service says if changes of these kinds are at fault.
fn errors_of(actions: &[Action]) -> Failed {
    let errors = actions.iter().map(|action| ChangeError {
        action: *action,
        code: "INVALID_PRODUCT".to_owned(),
        message: "no".to_owned(),
    });
    Failed {
        errors: errors.collect(),
        description: None,
    }
}

/// Four allows and four denies, and a bisect after they failed without a reason.
fn without_reason() -> (Bisect, Vec<OpenChange>, Vec<OpenChange>) {
    let (allows, denies) = (claimed(Action::Allow, 4), claimed(Action::Deny, 4));
    let mut bisect = Bisect::default();
    let intent = intent_of(&[allows.clone(), denies.clone()].concat());
    let alone = bisect.failed(&intent, &change_set("cs-1"), &Failed::default());
    assert!(alone.is_empty());
    (bisect, allows, denies)
}

/// At most 2 log2(n) + 1 change sets more for each bad product among n of one change set.
fn most_extra(n: usize, bad: usize) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number"
    )]
    let each = (2.0 * (n.max(1) as f64).log2() + 1.0).floor() as usize;
    each * bad
}

#[test]
fn one_bad_product_among_fifty_is_found_wherever_it_stands() {
    for place in 0..50 {
        for told in [true, false] {
            let name = format!("allow-{place:03}");
            let hunt = Hunt::new(50, 0, &[&name], told).run();
            assert_eq!(hunt.quarantined(), [p(&name)].into(), "at {place}");
            assert!(hunt.open.is_empty() && hunt.lane.phase == Phase::Idle);
            assert!(
                hunt.sets - 1 <= 12,
                "{} change sets for {name}, told {told}",
                hunt.sets
            );
        }
    }
}

#[test]
fn the_error_of_the_product_itself_is_kept() {
    let hunt = Hunt::new(3, 0, &["allow-001"], true).run();
    let [failed] = hunt.quarantined.as_slice() else {
        panic!("{:?}", hunt.quarantined)
    };
    assert_eq!(
        (failed.code.as_str(), failed.message.as_str()),
        ("INVALID_PRODUCT", "no")
    );
}

#[test]
fn a_lane_on_which_everything_fails_is_blocked_and_nothing_is_quarantined() {
    let all: Vec<_> = (0..8).map(|number| format!("allow-{number:03}")).collect();
    let names: Vec<_> = all.iter().map(String::as_str).collect();
    for told in [true, false] {
        let hunt = Hunt::new(8, 0, &names, told).run();
        assert_eq!(hunt.lane.phase, Phase::Blocked);
        let block = hunt.lane.block.unwrap();
        assert_eq!(block.reason, BlockReason::ChangeSetFailed);
        assert!(
            block
                .detail
                .contains("8 changes were rejected individually"),
            "{}",
            block.detail
        );
        assert!(hunt.quarantined.is_empty());
        assert_eq!(hunt.open.len(), 8, "they stay claimed, for the next plan");
    }
}

#[test]
fn a_lane_on_which_very_many_fail_alone_is_blocked_before_the_rest_is_tried() {
    let all: Vec<_> = (0..60).map(|number| format!("allow-{number:03}")).collect();
    let names: Vec<_> = all.iter().map(String::as_str).collect();
    let hunt = Hunt::new(60, 0, &names, true).run();
    let block = hunt.lane.block.unwrap();
    let expected = format!("{MOST_ALONE} changes were rejected individually");
    assert!(block.detail.starts_with(&expected), "{}", block.detail);
    assert!(hunt.quarantined.is_empty());
}

#[test]
fn a_product_that_is_alone_in_its_plan_blocks_the_lane() {
    let hunt = Hunt::new(1, 0, &["allow-000"], true).run();
    assert_eq!((hunt.lane.phase, hunt.sets), (Phase::Blocked, 1));
}

#[test]
fn a_success_of_the_other_kind_proves_nothing() {
    let hunt = Hunt::new(1, 1, &["allow-000"], true).run();
    assert_eq!(hunt.lane.phase, Phase::Blocked);
    assert_eq!(hunt.open.len(), 1, "the deny has gone through");
}

#[test]
fn a_bisect_is_given_up_by_a_new_plan() {
    let mut hunt = Hunt::new(4, 0, &["allow-000"], true);
    let claimed = hunt.open.clone();
    hunt.change_set(&claimed, 1);
    assert!(!hunt.lane.bisect.is_idle());
    let next = hunt.lane.committed(planned(6, c(4, 0))).unwrap();
    assert!(next.bisect.is_idle());
}

/// A lane on which one change of each kind failed alone, and an allow has succeeded.
fn with_two_alone() -> LaneState {
    let mut lane = idle(c(3, 1));
    for one in [
        open("bad", Action::Allow, 5, 0),
        open("bad", Action::Deny, 5, 1),
    ] {
        let (intent, action) = (intent_of(std::slice::from_ref(&one)), one.action);
        let failed = errors_of(&[action]);
        lane.bisect.failed(&intent, &change_set("cs-1"), &failed);
    }
    lane.planned.as_mut().unwrap().proved = [Action::Allow].into();
    lane
}

#[test]
fn a_new_plan_keeps_what_may_be_quarantined_without_its_letter() {
    let lane = with_two_alone().committed(planned(6, c(1, 0))).unwrap();
    let pending = lane.bisect.pending_letters().to_vec();
    let expected = IntentChange {
        product: p("bad"),
        action: Action::Allow,
        run: run(5),
        ordinal: 0,
    };
    assert_eq!(pending.len(), 1, "nothing has proved the deny wrong");
    assert_eq!(pending[0].change, expected);
    assert!(lane.bisect.alone().is_empty(), "the bisect has ended");
    // The letter is not a matter of this plan, and holds back nothing of it.
    let change = [open("next", Action::Allow, 6, 0)];
    assert_eq!(
        next(&lane, &change, 30, at(60)),
        Next::Choose(change.to_vec())
    );
    let letters = Next::Quarantine(pending);
    assert_eq!(next(&lane, &[], 30, at(60)), letters);
    // It outlasts further plans, until it is sent.
    let lane = lane.committed(planned(7, c(0, 0))).unwrap();
    assert_eq!(next(&lane, &[], 30, at(60)), letters);
    let done = lane.quarantined(&[(p("bad"), run(5))]).unwrap();
    assert!(done.bisect.is_idle());
    assert_eq!(next(&done, &[], 30, at(60)), Next::Rest(Some(run(7))));
}

#[test]
fn the_newest_fifty_letters_are_kept_over_a_new_plan() {
    let mut lane = idle(c(0, 0));
    for number in 5..57 {
        let one = open("bad", Action::Deny, number, 0);
        let failed = errors_of(&[Action::Deny]);
        let intent = intent_of(&[one]);
        lane.bisect.failed(&intent, &change_set("cs-1"), &failed);
        lane.planned.as_mut().unwrap().proved = [Action::Deny].into();
        lane = lane.committed(planned(number + 1, c(0, 0))).unwrap();
    }
    let pending = lane.bisect.pending_letters();
    let kept: Vec<_> = pending.iter().map(|failed| failed.change.run).collect();
    assert_eq!(kept, (7..57).map(run).collect::<Vec<_>>());
}

#[test]
fn a_batch_of_an_older_plan_that_fails_starts_no_bisect() {
    let lane = in_flight(c(2, 0), c(2, 0));
    let lane = lane.committed(planned(6, c(1, 0))).unwrap();
    let failed = Ending::Failed {
        change_set: change_set("cs-1"),
        failed: Failed::default(),
    };
    let ended = lane.ended(4, failed, at(9)).unwrap();
    assert!(ended.bisect.is_idle());
    assert_eq!(ended.phase, Phase::Idle);
}

/// Which of two kinds is at fault has to be found out first: each is tried whole.
#[test]
fn without_reasons_both_kinds_are_searched_at_the_cost_of_two_more() {
    for (allow, deny) in [(2, 1), (3, 1), (10, 1), (11, 1), (50, 50)] {
        for number in 0..allow {
            let name = format!("allow-{number:03}");
            let hunt = Hunt::new(allow, deny, &[&name], false).run();
            let most = 1 + most_extra(allow, 1) + 2;
            let sets = hunt.sets;
            assert!(sets <= most, "{allow} + {deny}, {name}: {sets} of {most}");
        }
    }
}

#[test]
fn a_kind_that_succeeds_whole_puts_the_fault_on_the_other() {
    let (mut bisect, allows, denies) = without_reason();
    let all = [allows.clone(), denies.clone()].concat();
    assert_eq!(bisect.pick(Action::Allow, &all, BATCH, true), allows);
    assert_eq!(bisect.pick(Action::Deny, &all, BATCH, true), []);
    bisect.succeeded(&intent_of(&allows));
    assert_eq!(bisect.suspects(Action::Allow), []);
    assert_eq!(bisect.suspects(Action::Deny).len(), 4);
    // The denies are halved, and allows that came later wait for them.
    let later = vec![open("later", Action::Allow, 5, 9)];
    let all = [later.clone(), denies.clone()].concat();
    assert_eq!(
        bisect.pick(Action::Deny, &all, BATCH, true),
        claimed(Action::Deny, 2)
    );
    assert_eq!(bisect.pick(Action::Allow, &all, BATCH, true), []);
    bisect.succeeded(&intent_of(&denies));
    assert!(bisect.is_idle());
    assert_eq!(bisect.pick(Action::Allow, &later, BATCH, true), later);
}

#[test]
fn a_kind_of_which_a_part_succeeds_is_still_tried_whole() {
    let (mut bisect, allows, denies) = without_reason();
    let (first, rest) = allows.split_at(2);
    bisect.succeeded(&intent_of(first));
    assert_eq!(bisect.pick(Action::Allow, rest, BATCH, true), rest);
    assert_eq!(bisect.pick(Action::Deny, &denies, BATCH, true), denies);
}

#[test]
fn without_a_reason_a_change_fails_alone_only_if_it_was_tried_alone() {
    let (allows, denies) = (claimed(Action::Allow, 1), claimed(Action::Deny, 1));
    let mut bisect = Bisect::default();
    let mut fail = |batch: &[OpenChange]| {
        bisect.failed(&intent_of(batch), &change_set("cs-1"), &Failed::default())
    };
    assert_eq!(fail(&[allows.clone(), denies.clone()].concat()), []);
    assert_eq!(fail(&allows), intent_of(&allows).changes);
    assert_eq!(fail(&denies), intent_of(&denies).changes);
    assert_eq!(bisect.suspects(Action::Allow), []);
    assert_eq!(bisect.suspects(Action::Deny), []);
}

#[test]
fn the_others_of_a_kind_are_tried_one_at_a_time_after_three_failures_and_no_success() {
    for (failures, proved, tried) in [
        (2, false, 5),
        (3, false, 1),
        (4, false, 1),
        (2, true, 5),
        (3, true, 5),
    ] {
        let allows = claimed(Action::Allow, failures + 5);
        let (bad, rest) = allows.split_at(failures);
        let mut bisect = Bisect::default();
        for one in bad.chunks(1) {
            let failed = errors_of(&[Action::Allow]);
            let alone = bisect.failed(&intent_of(one), &change_set("cs-1"), &failed);
            assert_eq!(alone, intent_of(one).changes);
        }
        assert_eq!(bisect.alone_of(Action::Allow), failures);
        assert_eq!(bisect.alone_of(Action::Deny), 0);
        let picked = bisect.pick(Action::Allow, rest, BATCH, proved);
        assert_eq!(picked.len(), tried, "{failures} failures, {proved}");
    }
}

#[test]
fn only_what_is_quarantined_is_forgotten() {
    let denies = claimed(Action::Deny, 2);
    let mut bisect = Bisect::default();
    for one in denies.chunks(1) {
        let failed = errors_of(&[Action::Deny]);
        bisect.failed(&intent_of(one), &change_set("cs-1"), &failed);
    }
    for (place, left) in [(0, [false, true]), (1, [false, false])] {
        bisect.forget(&[(denies[place].product.clone(), run(5))]);
        let holds: Vec<_> = denies.iter().map(|open| bisect.holds(open)).collect();
        assert_eq!(holds, left);
    }
    assert!(bisect.is_idle());
}

#[test]
fn what_the_service_says_is_told_in_one_line() {
    let mut failed = Failed::default();
    assert_eq!(failed.to_string(), "the service gave no reason");
    failed = errors_of(&[Action::Allow, Action::Deny]);
    let errors = "allow: INVALID_PRODUCT: no; deny: INVALID_PRODUCT: no";
    assert_eq!(failed.to_string(), errors);
    failed.description = Some("it failed".to_owned());
    assert_eq!(failed.to_string(), format!("it failed; {errors}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is bad, of one kind or both: exactly that is quarantined, the rest gets through, and the
    /// cost is within the bound.
    #[test]
    fn exactly_what_is_bad_is_quarantined(
        allow in 0_usize..60, deny in 0_usize..60,
        bad in prop::collection::btree_set((any::<bool>(), 0_usize..60), 0..6),
        told: bool,
    ) {
        let exists = |(is_allow, number): &(bool, usize)| *number < if *is_allow { allow } else { deny };
        let names: Vec<_> = bad
            .iter()
            .filter(|bad| exists(bad))
            .map(|(is_allow, number)| format!("{}-{number:03}", if *is_allow { "allow" } else { "deny" }))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let bad_of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
        // With nothing good of a kind the lane is blocked; that has its own test.
        prop_assume!(allow == 0 || bad_of("allow") < allow);
        prop_assume!(deny == 0 || bad_of("deny") < deny);
        let hunt = Hunt::new(allow, deny, &names, told).run();
        prop_assert_eq!(hunt.quarantined(), hunt.bad.clone());
        prop_assert!(hunt.open.is_empty());
        prop_assert_eq!(hunt.lane.phase, Phase::Idle);
        let fewest = c(allow, deny).fewest_change_sets();
        let size = allow.max(deny).min(50);
        let unsaid = if !told && allow > 0 && deny > 0 { 2 * names.len() } else { 0 };
        prop_assert!(
            hunt.sets <= fewest + most_extra(size, names.len()) + unsaid,
            "{} change sets, the fewest are {}, {} bad", hunt.sets, fewest, names.len()
        );
    }
}
