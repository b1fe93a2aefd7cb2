//! The link state after an observation: the guards' memory, outside edits, holds, grants and
//! announcements.

use jiff::Timestamp;

use super::course::{Course, is_announced, is_busy};
use super::goal::Goal;
use super::observation::Observation;
use crate::approval::{Hold, Undo};
use crate::drift::Edited;
use crate::error::LinkError;
use crate::guard::HoldReason;
use crate::ids::{LaneId, ProductId, RunId};
use crate::lane::LaneState;
use crate::link::{Link, LinkPolicy, is_expected_in_sync};
use crate::notify::{Edits, Seen, Subject};
use crate::plan::Plan;
use crate::policy::Action;
use crate::records::{LinkState, Notices, SeenList};

/// The state after an observation without a hold.
pub fn after_observing(
    goal: &Goal<'_>,
    seen: &Observation,
    edited: &Edited,
    now: Timestamp,
) -> LinkState {
    let mut next = observed(goal, seen, now);
    if goal.rollback {
        if seen.course == Course::InSync {
            next.grant = None;
        }
        return announcing(goal, seen, next, now);
    }
    remember_edits(&mut next, seen, edited);
    remember_answers(&mut next, goal, seen);
    next.hold = None;
    next.observed_since.get_or_insert(now);
    if seen.course == Course::InSync && goal.policy.mode.denies() && !goal.policy.frozen {
        next.aligned(seen.actual.allowed_count(), now);
    }
    let desired = goal.desired;
    next.accepted_while(&desired.conditions);
    // A frozen link is always in sync, so the state before the freeze counts.
    let settled = seen.course == Course::InSync || !seen.plan.is_empty();
    if desired.conditions.is_empty() && !goal.policy.frozen && settled {
        next.management_allowed = Some(desired.policy.allowed_count());
    }
    let wanted = |restored: &Plan| {
        let mut changes = restored.changes();
        changes.all(|change| goal.policy.agrees(&desired.policy, &change))
    };
    if seen.course == Course::InSync && seen.guards.restored.as_ref().is_none_or(wanted) {
        // The management experience now wants what was restored.
        next.follow_again();
    }
    announcing(goal, seen, next, now)
}

/// The state before a plan is committed, with the state after the observation: its removals without approval count
/// from now on.
#[must_use]
pub fn before_commit(
    mut next: LinkState,
    seen: &Observation,
    edited: &Edited,
    now: Timestamp,
) -> LinkState {
    // They are below the limits, so they are few. What reverses an outside edit was removed
    // before, and counted or was approved then.
    let mut removals = seen.guards.removals.clone();
    removals.retain(|product| !edited.undone.contains(product));
    next.taking_away(removals, now);
    next
}

/// The state after a plan is committed that nothing is held of.
pub fn after_commit(
    goal: &Goal<'_>,
    seen: &Observation,
    edited: &Edited,
    now: Timestamp,
) -> LinkState {
    before_commit(after_observing(goal, seen, edited, now), seen, edited, now)
}

/// The state after a part of a plan is held.
pub fn after_hold(
    goal: &Goal<'_>,
    seen: &Observation,
    edited: &Edited,
    hold: Hold,
    now: Timestamp,
) -> LinkState {
    let mut next = observed(goal, seen, now);
    remember_edits(&mut next, seen, edited);
    remember_answers(&mut next, goal, seen);
    next.accepted_while(&goal.desired.conditions);
    // A hold may last: what somebody has rejected stays. The length of the list counts from the last run that did not
    // hold because of it.
    let is_about_it = |reason: &HoldReason| {
        reason.holds_everything() || matches!(reason, HoldReason::Shrink { .. })
    };
    if !goal.policy.frozen && !hold.reasons.iter().any(is_about_it) {
        next.management_allowed = Some(goal.desired.policy.allowed_count());
    }
    next.hold = Some(hold);
    announcing(goal, seen, next, now)
}

/// The state of a suspended lane: only what reports need changes.
pub fn after_suspension(
    goal: &Goal<'_>,
    seen: &Observation,
    edited: &Edited,
    now: Timestamp,
) -> LinkState {
    let mut next = seen.link_state.clone();
    remember_edits(&mut next, seen, edited);
    announcing(goal, seen, next, now)
}

/// The state of a blocked lane that was observed between two runs: only what is announced changes.
pub fn after_block(goal: &Goal<'_>, seen: &Observation, now: Timestamp) -> LinkState {
    announcing(goal, seen, seen.link_state.clone(), now)
}

/// The notices of a link that could not be observed.
pub fn notices_of_fault(
    link: &Link,
    lane: &LaneId,
    state: &LaneState,
    known: &LinkState,
    error: &LinkError,
    now: Timestamp,
) -> Notices {
    let notices = known.notices.clone();
    notices.with_announced(known.hold.as_ref()).after(&Seen {
        subject: &subject(link, lane),
        now,
        hold: known.hold.as_ref(),
        fault: Some(&error.record()),
        is_guarded: error.is_guarded(),
        state,
        is_done: false,
        quarantined: None,
        edits: None,
        in_sync: false,
        stale_after_hours: stale_after_hours(link, state),
    })
}

/// A hold of what the observation keeps back. It overrides the freeze of the link if the run does, or if it is what
/// is left of a hold that does.
pub fn new_hold(goal: &Goal<'_>, seen: &Observation, run: RunId, now: Timestamp) -> Hold {
    let rejection = seen.link_state.rejected.as_ref();
    Hold {
        rejected: rejection.and_then(|rejection| rejection.part_of(&seen.held)),
        overrides: goal.link.policy.frozen && !seen.held.is_empty(),
        ..hold_of(seen, &seen.held, run, seen.guards.reasons.clone(), now)
    }
}

/// The hold of a rollback.
pub fn hold_of_rollback(seen: &Observation, run: RunId, undo: Undo, now: Timestamp) -> Hold {
    hold_of(seen, &seen.plan, run, vec![undo.reason()], now)
}

fn hold_of(
    seen: &Observation,
    held: &Plan,
    run: RunId,
    reasons: Vec<HoldReason>,
    now: Timestamp,
) -> Hold {
    Hold {
        run,
        plan_hash: held.hash(),
        reasons,
        allow: held.allow().len(),
        deny: held.deny().len(),
        removals: seen.removals_of(held),
        since: now,
        announced: false,
        rejected: None,
        approvals: Vec::new(),
        overrides: false,
    }
}

/// What every observation updates: the length of the list, removals that are under way, and the
/// begin of a freeze.
fn observed(goal: &Goal<'_>, seen: &Observation, now: Timestamp) -> LinkState {
    let mut next = seen.link_state.clone();
    let allowed = seen.actual.allowed();
    let is_deny = |of: &ProductId, action: Action, product: &ProductId| {
        of == product && action == Action::Deny
    };
    // A change of a newer plan may have been claimed in place of the one in flight; and what is announced
    // is not claimed yet, whether or not this plan has it.
    let denies = |product: &ProductId| {
        let mut open = seen.before.open.iter();
        let intent = seen.state().intent.iter();
        let mut in_flight = intent.flat_map(|intent| &intent.changes);
        seen.plan.deny().contains(product)
            || seen.held.deny().contains(product)
            || is_announced(seen.state())
            || open.any(|open| is_deny(&open.product, open.action, product))
            || in_flight.any(|change| is_deny(&change.product, change.action, product))
    };
    next.looked(|product| allowed.contains(product) && denies(product), now);
    next.sized(seen.actual.allowed_count(), now);
    let frozen = goal.link.policy.frozen;
    next.frozen_since = frozen.then(|| next.frozen_since.unwrap_or(now));
    next
}

/// What becomes of the answers to earlier holds. A grant ends once nothing of it is left to do, so an approval is used
/// once. A rejection is remembered for each change until that is no longer wanted, whatever keeps it from being planned
/// meanwhile.
fn remember_answers(next: &mut LinkState, goal: &Goal<'_>, seen: &Observation) {
    if seen.guards.approved.is_empty() {
        next.grant = None;
    } else if let Some(grant) = &mut next.grant {
        let going_on = &seen.guards.going_on;
        grant
            .before
            .retain(|earlier| going_on.contains(&earlier.run));
    }
    let desired = &goal.desired.policy;
    let is_wanted = |product: &ProductId, action: Action| {
        let (desired, actual) = (desired.standing(product), seen.actual.standing(product));
        LinkPolicy::wanted(desired, actual) == Some(action)
    };
    let rejected = next.rejected.take();
    next.rejected = rejected.and_then(|rejected| rejected.while_wanted(is_wanted, &seen.held));
}

fn remember_edits(next: &mut LinkState, seen: &Observation, edited: &Edited) {
    (next.edited, next.edited_beyond) = edited.kept();
    next.seen = Some(SeenList::hash_of(&seen.actual));
}

fn announcing(goal: &Goal<'_>, seen: &Observation, next: LinkState, now: Timestamp) -> LinkState {
    let state = seen.state();
    let known = next.notices.clone();
    let known = known.with_announced(seen.link_state.hold.as_ref());
    let notices = known.after(&Seen {
        subject: &subject(goal.link, &seen.lane),
        now,
        hold: next.hold.as_ref(),
        fault: None,
        is_guarded: false,
        state,
        is_done: !is_busy(state, &seen.before.open),
        quarantined: Some(&seen.quarantine.wanted),
        edits: Some(Edits {
            since: &next.edited,
            beyond: next.edited_beyond,
            actual: &seen.actual,
        }),
        in_sync: seen.is_in_sync(),
        stale_after_hours: stale_after_hours(goal.link, state),
    });
    LinkState { notices, ..next }
}

fn subject(link: &Link, lane: &LaneId) -> Subject {
    Subject {
        member: link.member.name.clone(),
        lane: lane.clone(),
        sources: link.sources.clone(),
    }
}

/// Hours out of sync after which the link is stale. None for a link that is suspended, frozen, or
/// only observes.
fn stale_after_hours(link: &Link, state: &LaneState) -> Option<u32> {
    let is_suspended = state.suspension.is_some();
    let is_expected = is_expected_in_sync(link.policy.mode, link.policy.frozen, is_suspended);
    is_expected.then_some(link.stale_after_hours)
}
