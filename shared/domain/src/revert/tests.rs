//! What is taken back of a run: everything that it changed and nothing has changed since, in every history.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::lane::LaneView;
use crate::link::{LinkPolicy, Mode};
use crate::plan::plan;
use crate::policy::Standing;

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

fn product(number: usize) -> ProductId {
    ProductId::new(format!("prod-{number:03}")).unwrap()
}

fn products(numbers: std::ops::Range<usize>) -> BTreeSet<ProductId> {
    numbers.map(product).collect()
}

fn set(seq: u64, by: RunId, allow: &[ProductId], deny: &[ProductId]) -> SetRecord {
    SetRecord {
        schema: crate::SCHEMA,
        seq,
        change_set: format!("cs-{seq}").parse().unwrap(),
        run: by,
        outcome: SetOutcome::Succeeded,
        detail: None,
        allow: allow.to_vec(),
        deny: deny.to_vec(),
        started_at: Timestamp::UNIX_EPOCH,
        ended_at: Timestamp::UNIX_EPOCH,
    }
}

/// One member experience with its history.
#[derive(Debug, Default)]
struct History {
    actual: PolicySnapshot,
    sets: Vec<SetRecord>,
    /// The lists as each run read them.
    lists: BTreeMap<RunId, PolicySnapshot>,
    /// What only the test knows: the last change of each product by a run, and whether it was allowed before that run.
    last: BTreeMap<ProductId, (RunId, Action, bool)>,
    /// Products of change sets of which nobody knows whether they were applied, and whether they are.
    unsure: BTreeSet<ProductId>,
    lucky: bool,
    /// A change set that has started and has not ended.
    in_flight: Option<SetRecord>,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    /// A run plans for these lists, and so many of its change sets end. Another one is in flight when the next run reads.
    Run {
        wanted: Vec<Standing>,
        mode: Mode,
        ended: usize,
        outcomes: Vec<SetOutcome>,
    },
    /// Somebody else changes a product.
    Edit(usize, Action),
}

const PRODUCTS: usize = 12;
/// Products of each kind in one change set, so that a run takes several.
const BATCH: usize = 3;

impl History {
    /// The change set in flight ends.
    fn land(&mut self) {
        let Some(set) = self.in_flight.take() else {
            return;
        };
        let allows = set.allow.iter().map(|product| (product, Action::Allow));
        let denies = set.deny.iter().map(|product| (product, Action::Deny));
        let changes: Vec<_> = allows.chain(denies).collect();
        if set.outcome == SetOutcome::Vanished {
            self.unsure
                .extend(changes.iter().map(|(product, _)| (*product).clone()));
        }
        if set.outcome == SetOutcome::Succeeded
            || (set.outcome == SetOutcome::Vanished && self.lucky)
        {
            for (product, action) in &changes {
                let was = match self.last.get(*product) {
                    Some((by, _, was)) if *by == set.run => *was,
                    _ => self.actual.allowed().contains(*product),
                };
                self.last
                    .insert((*product).clone(), (set.run, *action, was));
            }
            self.actual = self.actual.overlaid(changes);
        }
        self.sets.push(set);
    }

    fn run(&mut self, by: RunId, event: &Event) {
        let Event::Run {
            wanted,
            mode,
            ended,
            outcomes,
        } = event
        else {
            return;
        };
        let lists = |standing| {
            let listed = wanted.iter().enumerate();
            let listed = listed.filter(move |(_, of)| **of == standing);
            listed.map(|(number, _)| product(number))
        };
        let desired = PolicySnapshot::new(lists(Standing::Allowed), lists(Standing::Denied));
        let mut view = LaneView::default();
        if let Some(set) = &self.in_flight {
            let of = |products: &[ProductId], action| {
                let products = products.iter().cloned();
                products
                    .map(move |product| crate::policy::ProductChange { product, action })
                    .collect::<Vec<_>>()
            };
            view.in_flight = of(&set.allow, Action::Allow);
            view.in_flight.extend(of(&set.deny, Action::Deny));
        }
        let policy = LinkPolicy {
            mode: *mode,
            ..LinkPolicy::default()
        };
        let (planned, _) = plan(&desired, &self.actual, &view, &policy);
        self.lists.insert(by, self.actual.clone());
        // The older plan is void: only what is in flight still ends.
        self.land();
        for place in 0..=*ended {
            self.land();
            // A worker looks before it starts: what holds already is in no change set.
            let missing = |changes: &BTreeSet<ProductId>, action: Action| {
                let missing = changes
                    .iter()
                    .filter(|product| self.actual.standing(product) != action.outcome());
                missing.take(BATCH).cloned().collect::<Vec<_>>()
            };
            let allow = missing(planned.allow(), Action::Allow);
            let deny = missing(planned.deny(), Action::Deny);
            if allow.is_empty() && deny.is_empty() {
                return;
            }
            let seq = u64::try_from(self.sets.len()).unwrap();
            let outcome = outcomes.get(place).copied();
            self.in_flight = Some(SetRecord {
                outcome: outcome.unwrap_or(SetOutcome::Succeeded),
                ..set(seq, by, &allow, &deny)
            });
        }
    }

    /// The change sets as the ledger is asked for them.
    fn sets_since(&self, by: RunId) -> Vec<SetRecord> {
        let mut found = Vec::new();
        for set in self.sets.iter().rev() {
            found.push(set.clone());
            if set.run < by {
                break;
            }
        }
        found.reverse();
        found
    }

    /// Reverts a run, and returns the products that are allowed then.
    fn reverted(&self, by: RunId) -> BTreeSet<ProductId> {
        let found = Reversal::of(
            by,
            &self.sets_since(by),
            &LaneState::default(),
            self.lists.get(&by),
        );
        let desired = taken_back(&found.back, &self.actual);
        let policy = LinkPolicy {
            mode: Mode::Mirror,
            ..LinkPolicy::default()
        };
        let (planned, report) = plan(&desired, &self.actual, &LaneView::default(), &policy);
        assert!(report.left_alone.is_empty());
        let changes: Vec<_> = planned.changes().collect();
        let changes = changes
            .iter()
            .map(|change| (&change.product, change.action));
        self.actual.overlaid(changes).allowed().clone()
    }

    /// What should be allowed then, as the test knows it.
    fn expected(&self, by: RunId) -> BTreeSet<ProductId> {
        let is_allowed = |product: &ProductId| {
            let now = self.actual.allowed().contains(product);
            match self.last.get(product) {
                Some((last, action, was))
                    if *last == by && self.actual.standing(product) == action.outcome() =>
                {
                    *was
                }
                _ => now,
            }
        };
        products(0..PRODUCTS)
            .into_iter()
            .filter(is_allowed)
            .collect()
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let standing = prop::sample::select(vec![
        Standing::Allowed,
        Standing::Allowed,
        Standing::Denied,
        Standing::Unlisted,
    ]);
    let outcome = prop::sample::select(vec![
        SetOutcome::Succeeded,
        SetOutcome::Succeeded,
        SetOutcome::Succeeded,
        SetOutcome::Vanished,
        SetOutcome::Failed,
        SetOutcome::ServerFault,
        SetOutcome::Cancelled,
    ]);
    let changing = Mode::ALL.into_iter().filter(|mode| mode.acts());
    let mode = prop::sample::select(
        [Mode::Mirror]
            .into_iter()
            .chain(changing)
            .collect::<Vec<_>>(),
    );
    let run = (
        prop::collection::vec(standing, PRODUCTS),
        mode,
        0_usize..6,
        prop::collection::vec(outcome, 6),
    );
    let run = run.prop_map(|(wanted, mode, ended, outcomes)| Event::Run {
        wanted,
        mode,
        ended,
        outcomes,
    });
    let action = prop::sample::select(vec![Action::Allow, Action::Deny]);
    let edit = (0..PRODUCTS, action).prop_map(|(number, action)| Event::Edit(number, action));
    prop_oneof![2 => run, 3 => edit]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_a_run_changed_and_nothing_has_changed_since_is_taken_back(
        allowed in prop::collection::btree_set(0..PRODUCTS, 0..PRODUCTS),
        lucky in any::<bool>(),
        events in prop::collection::vec(any_event(), 1..14),
    ) {
        let mut history = History {
            actual: PolicySnapshot::new(allowed.into_iter().map(product), []),
            lucky,
            ..History::default()
        };
        let mut runs = Vec::new();
        for event in &events {
            match event {
                Event::Run { .. } => {
                    let by = run(i64::try_from(runs.len()).unwrap() + 1);
                    runs.push(by);
                    history.run(by, event);
                }
                Event::Edit(number, action) => {
                    // Nobody can change an experience that is locked.
                    history.land();
                    history.actual = history.actual.overlaid([(&product(*number), *action)]);
                }
            }
        }
        history.land();
        for by in runs {
            let (reverted, expected) = (history.reverted(by), history.expected(by));
            for product in reverted.symmetric_difference(&expected) {
                // What nobody knows stays as it is.
                let stays = reverted.contains(product) == history.actual.allowed().contains(product);
                prop_assert!(stays && history.unsure.contains(product), "{by} {product}");
            }
        }
    }
}

/// 500 allows and 60 denies, and another run after them: of these 560 it has denied 20 and allowed 10 again.
#[test]
fn the_effect_of_a_later_run_stays_product_for_product() {
    let (first, second) = (run(1), run(2));
    let before = PolicySnapshot::new(products(500..600), products(600..610));
    let allow: Vec<_> = products(0..500).into_iter().collect();
    let deny: Vec<_> = products(500..560).into_iter().collect();
    let again: Vec<_> = products(500..510).into_iter().collect();
    let gone: Vec<_> = products(480..500).into_iter().collect();
    let own = products(700..705).into_iter().collect::<Vec<_>>();
    let own_too = [again.clone(), own.clone()].concat();
    let sets = [
        set(1, first, &allow, &deny),
        set(2, second, &own_too, &gone),
    ];
    let apply = |lists: &PolicySnapshot, set: &SetRecord| {
        let allows = set.allow.iter().map(|product| (product, Action::Allow));
        let denies = set.deny.iter().map(|product| (product, Action::Deny));
        lists.overlaid(allows.chain(denies))
    };
    let now = apply(&apply(&before, &sets[0]), &sets[1]);
    let found = Reversal::of(first, &sets, &LaneState::default(), Some(&before));
    assert_eq!(found.back.deny(), &products(0..480));
    assert_eq!(found.back.allow(), &products(510..560));
    assert_eq!(found.later.len(), 30);
    let after = taken_back(&found.back, &now);
    let mut expected = products(500..600);
    expected.extend(own);
    assert_eq!(after.allowed(), &expected);
    // The second one alone leaves what the first one did.
    let found = Reversal::of(
        second,
        &sets,
        &LaneState::default(),
        Some(&apply(&before, &sets[0])),
    );
    let after = taken_back(&found.back, &now);
    assert_eq!(after.allowed(), apply(&before, &sets[0]).allowed());
}

#[test]
fn what_was_denied_without_having_been_allowed_stays_denied() {
    let sets = [set(1, run(1), &[], &[product(1), product(2)])];
    let before = PolicySnapshot::new([product(1)], []);
    let found = Reversal::of(run(1), &sets, &LaneState::default(), Some(&before));
    assert_eq!(found.back, Plan::new([product(1)].into(), BTreeSet::new()));
    assert!(found.later.is_empty());
}

#[test]
fn what_somebody_else_has_changed_since_keeps_its_state() {
    let back = Plan::new([product(1), product(2)].into(), [product(3)].into());
    // Somebody else has allowed the first one again, and denied the third.
    let actual = PolicySnapshot::new([product(1)], [product(2), product(3)]);
    let after = taken_back(&back, &actual);
    assert_eq!(
        after,
        PolicySnapshot::new([product(1), product(2)], [product(3)])
    );
}

/// A lane whose second change set makes this change of the first product.
fn in_flight(by: RunId, action: Action) -> LaneState {
    LaneState {
        seq: 2,
        intent: Some(crate::lane::Intent {
            token: "token".to_owned(),
            name: None,
            at: Timestamp::UNIX_EPOCH,
            written_at: None,
            creates_policy: false,
            changes: vec![crate::lane::IntentChange {
                product: product(1),
                action,
                run: by,
                ordinal: 0,
            }],
        }),
        ..LaneState::default()
    }
}

/// A change set may have taken effect before its record is written.
#[test]
fn what_is_in_flight_counts_as_changed() {
    let of =
        |sets: &[SetRecord], by| Reversal::of(run(1), sets, &in_flight(by, Action::Allow), None);
    let deny = Plan::new(BTreeSet::new(), [product(1)].into());
    assert_eq!(of(&[], run(1)).back, deny);
    let recorded = SetRecord {
        outcome: SetOutcome::Failed,
        ..set(2, run(1), &[product(1)], &[])
    };
    assert!(
        of(&[recorded], run(1)).back.is_empty(),
        "it is known to have failed"
    );
    let first = set(1, run(1), &[product(1)], &[]);
    let later = of(&[first], run(2));
    assert_eq!((later.back.len(), later.later.len()), (0, 1));
}

/// It may fail. Then nothing has changed the product since the run.
#[test]
fn what_is_in_flight_to_take_a_change_back_is_still_to_be_taken_back() {
    let lane = in_flight(run(2), Action::Deny);
    let deny = Plan::new(BTreeSet::new(), [product(1)].into());
    let first = set(1, run(1), &[product(1)], &[]);
    let found = Reversal::of(run(1), std::slice::from_ref(&first), &lane, None);
    assert_eq!((&found.back, found.later.len()), (&deny, 0));
    // It has ended and is recorded.
    let second = |outcome| SetRecord {
        outcome,
        ..set(2, run(2), &[], &[product(1)])
    };
    let sets = [first, second(SetOutcome::Succeeded)];
    let found = Reversal::of(run(1), &sets, &lane, None);
    assert_eq!((found.back.len(), found.later.len()), (0, 1));
    let [first, _] = sets;
    let sets = [first, second(SetOutcome::ServerFault)];
    assert_eq!(Reversal::of(run(1), &sets, &lane, None).back, deny);
}

#[test]
fn what_a_run_has_still_to_do_is_taken_back_with_the_rest() {
    let plan = Plan::new(
        [product(1), product(2)].into(),
        [product(3), product(4)].into(),
    );
    let actual = PolicySnapshot::new([product(1), product(3)], []);
    let to_come = still_to_come(&plan, &actual);
    assert_eq!(to_come, Plan::new([product(3)].into(), [product(2)].into()));
}

#[test]
fn a_reversal_has_what_is_taken_back_and_is_empty_if_the_run_changed_nothing() {
    let none = Plan::default();
    let allow = || Plan::new([product(1)].into(), BTreeSet::new());
    let deny = || Plan::new(BTreeSet::new(), [product(1)].into());
    for (back, later, has, is_empty) in [
        (none.clone(), none.clone(), false, true),
        (allow(), none.clone(), true, false),
        (deny(), none.clone(), true, false),
        (none, allow(), false, false),
        (deny(), allow(), true, false),
    ] {
        let found = Reversal { back, later };
        let said = (found.has(&product(1)), found.is_empty());
        assert_eq!(said, (has, is_empty), "{found:?}");
        assert!(!found.has(&product(2)));
    }
}

#[test]
fn the_lists_without_a_run_take_what_is_in_flight_as_done() {
    let found = Reversal {
        back: Plan::new([product(1)].into(), [product(2), product(3)].into()),
        later: Plan::default(),
    };
    let actual = PolicySnapshot::new([product(3)], [product(1)]);
    let lists = |in_flight: &[(ProductId, Action)]| {
        let in_flight = in_flight.iter();
        found.lists(
            &actual,
            in_flight.map(|(product, action)| (product, *action)),
        )
    };
    assert_eq!(lists(&[]), PolicySnapshot::new([product(1)], [product(3)]));
    assert_eq!(
        lists(&[(product(2), Action::Allow), (product(4), Action::Allow)]),
        PolicySnapshot::new([product(1), product(4)], [product(2), product(3)])
    );
}

#[test]
fn of_a_product_that_a_run_changed_twice_the_state_before_the_first_change_counts() {
    let (allow, deny) = (
        set(1, run(1), &[product(1)], &[]),
        set(2, run(1), &[], &[product(1)]),
    );
    let found = Reversal::of(run(1), &[allow, deny], &LaneState::default(), None);
    assert_eq!(found, Reversal::default(), "it was not allowed before");
    let (deny, again) = (
        set(1, run(1), &[], &[product(1)]),
        set(2, run(1), &[], &[product(1)]),
    );
    let before = PolicySnapshot::new([product(1)], []);
    let found = Reversal::of(run(1), &[deny, again], &LaneState::default(), Some(&before));
    assert_eq!(found.back, Plan::new([product(1)].into(), BTreeSet::new()));
}
