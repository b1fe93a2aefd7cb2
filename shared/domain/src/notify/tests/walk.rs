//! Whatever happens to a link in whatever order: a receiver that hears everything knows what stands.

use proptest::prelude::*;

use super::*;

/// What a receiver knows that has heard everything, doubles dropped by their ids.
fn retold(heard: &[Notice]) -> Result<BTreeSet<Condition>, String> {
    let mut ids = BTreeSet::new();
    let mut standing = BTreeSet::new();
    let (mut hold, mut block, mut products) = (BTreeSet::new(), None, BTreeMap::new());
    let (mut other, mut edits) = (None, BTreeMap::new());
    for notice in heard {
        if !ids.insert(notice.about().id.clone()) {
            continue;
        }
        let is_new = match notice {
            Notice::Held(told) => {
                standing.insert(Condition::Held);
                if told.run.is_some() {
                    hold.retain(|(run, _): &(Option<RunId>, String)| run.is_none());
                }
                hold.insert((told.run, told.reason.clone()))
            }
            Notice::Blocked(told) => {
                standing.insert(Condition::Blocked);
                block.replace(told.reason) != Some(told.reason)
            }
            Notice::Quarantined(told) => {
                standing.insert(Condition::Quarantined);
                let mut told = told.products.iter();
                told.all(|told| products.insert(told.product.clone(), told.run) != Some(told.run))
            }
            Notice::Contested(told) => {
                standing.insert(Condition::Contested);
                other.replace(told.installation.clone()) != Some(told.installation.clone())
            }
            Notice::EditedOutside(told) => {
                standing.insert(Condition::Edited);
                let mut told = told.products.iter();
                told.all(|told| edits.insert(told.product.clone(), told.since) != Some(told.since))
            }
            Notice::MemberStale(_) => standing.insert(Condition::Stale),
            Notice::Recovered(told) => {
                let ended: BTreeSet<_> = told.recovered.iter().map(|e| e.condition).collect();
                let stood = ended.is_subset(&standing);
                for condition in ended {
                    match condition {
                        Condition::Held => hold.clear(),
                        Condition::Blocked => block = None,
                        Condition::Quarantined => products.clear(),
                        Condition::Contested => other = None,
                        Condition::Edited => edits.clear(),
                        Condition::Stale => {}
                    }
                }
                standing = told.standing.iter().copied().collect();
                stood && !told.recovered.is_empty()
            }
        };
        if !is_new {
            return Err(format!("told twice: {notice:?}"));
        }
    }
    Ok(standing)
}

#[derive(Debug, Clone)]
enum Step {
    Hours(i64),
    Hold(Option<u128>),
    Fault(Option<bool>),
    Block(Option<bool>),
    Done(bool),
    /// These are quarantined; of those that did before, some have failed again.
    Quarantine(BTreeMap<usize, bool>),
    /// Another installation starts a change set.
    Contest(bool),
    /// These are edited by others.
    Edit(BTreeSet<usize>),
    /// In sync or not.
    Level(bool),
    Watch(bool),
    Remove,
    /// Recorded, and not put on the bus.
    CutOffBefore,
    /// Put on the bus, and not written down.
    CutOffAfter,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30_i64).prop_map(Step::Hours),
        proptest::option::of(0..3_u128).prop_map(Step::Hold),
        proptest::option::of(any::<bool>()).prop_map(Step::Fault),
        proptest::option::of(any::<bool>()).prop_map(Step::Block),
        any::<bool>().prop_map(Step::Done),
        proptest::collection::btree_map(0..4_usize, any::<bool>(), 0..4).prop_map(Step::Quarantine),
        any::<bool>().prop_map(Step::Contest),
        proptest::collection::btree_set(0..4_usize, 0..4).prop_map(Step::Edit),
        any::<bool>().prop_map(Step::Level),
        any::<bool>().prop_map(Step::Watch),
        Just(Step::Remove),
        Just(Step::CutOffBefore),
        Just(Step::CutOffAfter),
        Just(Step::Look),
        Just(Step::Look),
    ]
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Hours(hours) => self.now += hours * HOUR,
            Step::Hold(number) => self.hold = number.map(hold),
            Step::Fault(None) => self.fault = None,
            Step::Fault(Some(is_guarded)) => {
                self.fails(if is_guarded { "PMS-2001" } else { "PMS-3001" }, is_guarded);
            }
            Step::Block(None) => {
                self.state.phase = Phase::Idle;
                self.state.block = None;
            }
            Step::Block(Some(archived)) => {
                let blocked = blocked_by(if archived {
                    BlockReason::Archived
                } else {
                    BlockReason::Refused
                });
                self.state.phase = blocked.phase;
                self.state.block = blocked.block;
            }
            Step::Done(is_done) => self.is_done = is_done,
            Step::Quarantine(products) => {
                self.claims += 1;
                let new = products.into_iter().map(|(product, again)| {
                    let new = quarantined(product, self.claims);
                    let mut old = self.quarantined.iter().filter(|_| !again);
                    let old = old.find(|old| old.product == new.product);
                    old.cloned().unwrap_or(new)
                });
                self.quarantined = new.collect();
            }
            Step::Contest(second) => {
                self.state.other = Some(other(if second { "second" } else { "third" }, self.now));
            }
            Step::Edit(products) => {
                self.claims += 1;
                let number = self.claims;
                let edited = products.into_iter().map(|product| {
                    let product: ProductId = format!("prod-{product:05}").parse().unwrap();
                    let since = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
                    let old = self.edited.get(&product).copied();
                    (product, old.unwrap_or(since))
                });
                self.edited = edited.collect();
            }
            Step::Level(in_sync) => self.in_sync = in_sync,
            Step::Watch(watched) => self.stale_after_hours = watched.then_some(24),
            Step::Remove => {
                self.hold = None;
                self.known = self.known.removed(&subject(), at(self.now));
            }
            Step::CutOffBefore => self.known = self.looked(),
            Step::CutOffAfter => {
                self.known = self.looked();
                self.heard.extend(self.known.pending.clone());
            }
            Step::Look => {
                self.look();
            }
        }
        // Nobody is in sync that cannot be looked at.
        self.in_sync &= self.fault.is_none();
    }
}

proptest! {
    #[test]
    fn whoever_hears_everything_knows_what_stands(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        let was_full = world.known.pending.len() >= MOST_PENDING;
        world.look();
        if was_full {
            // Nothing was compared while so many waited.
            world.look();
        }
        let known = retold(&world.heard);
        prop_assert_eq!(known, Ok(world.known.standing()));
        // The same state is told once.
        prop_assert_eq!(world.look(), NOTHING);
        // At rest what stands is what is.
        world.fault = None;
        world.is_done = true;
        world.look();
        let standing = world.known.standing();
        prop_assert_eq!(standing.contains(&Condition::Held), world.hold.is_some());
        let is_blocked = world.state.phase == Phase::Blocked;
        prop_assert_eq!(standing.contains(&Condition::Blocked), is_blocked);
        prop_assert_eq!(standing.contains(&Condition::Quarantined), !world.quarantined.is_empty());
        let other = world.state.other.as_ref();
        let is_contested = other.is_some_and(|other| other.is_active(at(world.now)));
        prop_assert_eq!(standing.contains(&Condition::Contested), is_contested);
        prop_assert_eq!(standing.contains(&Condition::Edited), !world.edited.is_empty());
        prop_assert_eq!(retold(&world.heard), Ok(standing));
    }
}
