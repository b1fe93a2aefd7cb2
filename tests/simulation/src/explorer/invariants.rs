//! What must hold after every step, and at every end.

use std::collections::BTreeSet;

use pmp_sync_domain::lane::{LaneState, Phase};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::ProductChange;

use super::ports::Outbox;
use super::state::seq_of;
use super::state::{Body, Role, State};
use super::world::Setting;
use crate::reference;

/// The most Ticks of one lane that may wait or be processed at once. There is the live one, and one
/// more for each message that found the lane `starting`. None of them creates more than one, so
/// there are never more Ticks than there were messages.
const MOST_TICKS: usize = 16;

/// Checks a step.
pub(super) fn step(
    setting: &Setting,
    before: &State,
    after: &State,
    outbox: &Outbox,
) -> Result<(), String> {
    let none = LaneState::default();
    let (was, is) = (
        before.lane(&setting.lane, &none),
        after.lane(&setting.lane, &none),
    );
    intent(was, is)?;
    change_sets(before, after)?;
    if let Some(dead_lettered) = outbox.dead_lettered.first() {
        return Err(format!("a message was dead-lettered: {dead_lettered}"));
    }
    let waiting = after.letters.iter();
    let taken = after.tasks.iter().flat_map(|task| match &task.role {
        Role::Worker(letters) => letters.as_slice(),
        Role::Producer(..) => &[],
    });
    let ticks = waiting
        .chain(taken)
        .filter(|letter| matches!(letter.body, Body::Tick(_)))
        .count();
    if ticks > MOST_TICKS {
        return Err(format!("{ticks} ticks at once"));
    }
    Ok(())
}

/// An intent belongs to the plan that is committed when it is written, and plans only get newer.
fn intent(was: &LaneState, is: &LaneState) -> Result<(), String> {
    if is.planned_run() < was.planned_run() {
        return Err("an older plan took the place of a newer one".to_owned());
    }
    if is.seq < was.seq || is.seq > was.seq + 1 {
        return Err(format!("intent {} follows {}", is.seq, was.seq));
    }
    if is.seq == was.seq {
        return Ok(());
    }
    let changes = is.intent.iter().flat_map(|intent| &intent.changes);
    let mut others = changes.filter(|change| Some(change.run) != is.planned_run());
    others.next().map_or(Ok(()), |other| {
        Err(format!(
            "intent {} has {} {} of run {}, and the plan is of another run",
            is.seq, other.action, other.product, other.run
        ))
    })
}

/// There is one change set at a time, one for each intent, and none with changes that no plan has.
fn change_sets(before: &State, after: &State) -> Result<(), String> {
    let sets = after.experiences.change_sets();
    if sets.len() == before.experiences.change_sets().len() {
        return Ok(());
    }
    if sets.iter().filter(|set| set.status.is_none()).count() > 1 {
        return Err("two change sets at once".to_owned());
    }
    let intents: BTreeSet<_> = sets.iter().map(|set| seq_of(&set.name)).collect();
    if intents.len() < sets.len() {
        return Err("two change sets for one intent".to_owned());
    }
    let Some(newest) = sets.last() else {
        return Ok(());
    };
    for (product, action) in &newest.changes {
        let change = ProductChange {
            product: product.clone(),
            action: *action,
        };
        if !after.plans.values().any(|plan| plan.contains(&change)) {
            return Err(format!("{action} {product} is in no plan"));
        }
    }
    Ok(())
}

/// Checks a state in which nothing more can happen.
pub(super) fn end(setting: &Setting, state: &State) -> Result<(), String> {
    let none = LaneState::default();
    let lane = state.lane(&setting.lane, &none);
    let actual = state.experiences.policy(&setting.lane.experience);
    let desired = setting.desired.last();
    let left = desired.map(|desired| reference::difference(desired, &actual));
    if let Some(change) = left.iter().flat_map(Plan::changes).next() {
        return Err(format!(
            "the end: the newest run wanted to {} {}, and it was not done",
            change.action, change.product
        ));
    }
    if lane.phase != Phase::Idle || lane.intent.is_some() {
        return Err(format!("the end: the lane is {}", lane.phase));
    }
    if let Some(((_, product), _)) = state.ledger.items.iter().find(|(_, item)| item.is_open()) {
        return Err(format!("the end: the change of {product} is open"));
    }
    if !state.requests.is_empty() {
        return Err("the end: a request is not served".to_owned());
    }
    if let Some(run) = lane.planned_run()
        && !state.announced.contains(&run)
    {
        return Err(format!(
            "the end: Lane Settled was not announced for run {run}"
        ));
    }
    Ok(())
}
