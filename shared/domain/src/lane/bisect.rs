//! The bisect: finds the changes that make their change set fail.
//!
//! A change set fails as a whole. The service says at most which of its two changes, the Allow or
//! the Deny, was at fault. At least one product of that kind is bad. The bisect tries these
//! products half by half, before anything else of their kind, until one fails alone. The half that
//! is not tried returns to the claimed changes. So one bad product among n costs at most log2(n) +
//! 3 more change sets. docs/lane-protocol.md has the rule, docs/adr/0006-splitting.md the count.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::batch::BATCH;
use super::change::{Intent, IntentChange, OpenChange, Quarantined};
use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::policy::Action;

/// If this many changes have failed alone and none of their kind has succeeded, the lane is
/// blocked: as many as one change set takes.
pub const MOST_ALONE: usize = BATCH;

/// After this many, the others are tried one at a time, because most likely they all fail.
const DOUBTFUL: usize = 3;

/// Limit for a message of the service, in characters: one item contains several.
const MOST_WORDS: usize = 300;

/// The error of one change of a failed change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeError {
    /// The change with the error: the Allow or the Deny.
    pub action: Action,
    /// `ErrorCode`.
    pub code: String,
    /// `ErrorMessage`.
    pub message: String,
}

/// The service's errors for a change set that failed because of its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failed {
    /// Errors of single changes. Empty if the service gave only a description.
    pub errors: Vec<ChangeError>,
    /// `FailureDescription`.
    pub description: Option<String>,
}

impl Failed {
    /// Error code and message for a change of this kind: its own, or those of the whole change set.
    fn of(&self, action: Action) -> (String, String) {
        let own = self.errors.iter().find(|error| error.action == action);
        let (code, words) = match (own, &self.description) {
            (Some(error), _) => (error.code.clone(), error.message.clone()),
            (None, Some(description)) => ("CLIENT_ERROR".to_owned(), description.clone()),
            (None, None) => (
                "CLIENT_ERROR".to_owned(),
                "the service gave no reason".to_owned(),
            ),
        };
        (code, words.chars().take(MOST_WORDS).collect())
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let single = self
            .errors
            .iter()
            .map(|error| format!("{}: {}: {}", error.action, error.code, error.message));
        let all: Vec<_> = self.description.iter().cloned().chain(single).collect();
        if all.is_empty() {
            return f.write_str("the service gave no reason");
        }
        f.write_str(&all.join("; "))
    }
}

/// A change that failed with nothing else of its kind in the change set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAlone {
    /// Product and action of the change.
    pub change: IntentChange,
    /// The service's error code.
    pub code: String,
    /// The service's error message.
    pub message: String,
    /// Id of the change set.
    pub change_set: ChangeSetId,
}

impl FailedAlone {
    /// The change as it is quarantined at this time.
    pub fn quarantined(&self, at: Timestamp) -> Quarantined {
        Quarantined {
            product: self.change.product.clone(),
            action: self.change.action,
            run: self.change.run,
            error_code: self.code.clone(),
            error_message: self.message.clone(),
            change_set: self.change_set.clone(),
            quarantined_at: at,
        }
    }
}

/// The progress of a bisect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bisect {
    /// Allows of which at least one is bad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<IntentChange>,
    /// Denies of which at least one is bad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny: Vec<IntentChange>,
    /// True while the service has not said which kind was at fault. The kinds are then tried one
    /// after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    apart: bool,
    /// Kinds that may have no bad change. They are tried as a whole first.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    unsure: BTreeSet<Action>,
    /// Changes that failed alone, until one of their kind has succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alone: Vec<FailedAlone>,
    /// Changes of ended bisects that failed alone and may be quarantined without their dead letter: the newest [`MOST_ALONE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending_letters: Vec<FailedAlone>,
}

impl Bisect {
    /// True if no bisect is under way.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// The changes of a kind of which at least one is bad.
    pub fn suspects(&self, action: Action) -> &[IntentChange] {
        match action {
            Action::Allow => &self.allow,
            Action::Deny => &self.deny,
        }
    }

    fn suspects_mut(&mut self, action: Action) -> &mut Vec<IntentChange> {
        match action {
            Action::Allow => &mut self.allow,
            Action::Deny => &mut self.deny,
        }
    }

    /// The changes that failed alone.
    pub fn alone(&self) -> &[FailedAlone] {
        &self.alone
    }

    /// Changes of ended bisects that may be quarantined without their dead letter.
    pub fn pending_letters(&self) -> &[FailedAlone] {
        &self.pending_letters
    }

    /// The number of changes of a kind that failed alone.
    pub fn alone_of(&self, action: Action) -> usize {
        let of_kind = |failed: &&FailedAlone| failed.change.action == action;
        self.alone.iter().filter(of_kind).count()
    }

    /// True if this claimed change has failed alone.
    pub fn holds(&self, open: &OpenChange) -> bool {
        self.alone.iter().any(|failed| same(&failed.change, open))
    }

    /// Picks the claimed changes of a kind for the next change set, at most `most`, in their order.
    /// `proved` is true if a change of this kind has succeeded.
    pub(super) fn pick(
        &self,
        action: Action,
        claimed: &[OpenChange],
        most: usize,
        proved: bool,
    ) -> Vec<OpenChange> {
        let of_kind = || claimed.iter().filter(|open| open.action == action);
        // Changes that hold in the meantime, or were claimed again, are no longer part of the
        // bisect.
        let present = |kind| {
            let suspects = claimed.iter().filter(move |open| open.action == kind);
            suspects.filter(|open| self.is_suspect(open))
        };
        if self.apart && action == Action::Deny && present(Action::Allow).next().is_some() {
            return Vec::new();
        }
        let suspects: Vec<_> = present(action).cloned().collect();
        if suspects.is_empty() {
            let others_first = self.apart && present(other(action)).next().is_some();
            let doubtful = !proved && self.alone_of(action) >= DOUBTFUL;
            let take = match (others_first, doubtful) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => most,
            };
            return of_kind().take(take).cloned().collect();
        }
        let share = if self.unsure.contains(&action) {
            suspects.len()
        } else {
            suspects.len().div_ceil(2)
        };
        suspects.into_iter().take(share.min(most)).collect()
    }

    /// True if a claimed change is among the suspects.
    pub(super) fn is_suspect(&self, open: &OpenChange) -> bool {
        self.suspects(open.action)
            .iter()
            .any(|suspect| same(suspect, open))
    }

    /// The change set of `intent` has succeeded, so its changes are not bad.
    pub(super) fn succeeded(&mut self, intent: &Intent) {
        for action in [Action::Allow, Action::Deny] {
            let suspects = self.suspects_mut(action);
            suspects.retain(|suspect| !intent.changes.contains(suspect));
            // A kind without suspects is not among the unsure ones.
            if suspects.is_empty() && self.unsure.remove(&action) {
                // So the other kind is at fault.
                self.unsure.remove(&other(action));
            }
        }
        self.end_if_done();
    }

    fn end_if_done(&mut self) {
        if self.allow.is_empty() && self.deny.is_empty() {
            self.apart = false;
            self.unsure.clear();
        }
    }

    /// The change set of `intent` has failed. Returns the changes that failed alone in it.
    pub(super) fn failed(
        &mut self,
        intent: &Intent,
        change_set: &ChangeSetId,
        failed: &Failed,
    ) -> Vec<IntentChange> {
        let tried = |action| {
            let of_kind = intent
                .changes
                .iter()
                .filter(move |change| change.action == action);
            of_kind.cloned().collect::<Vec<_>>()
        };
        let present = [Action::Allow, Action::Deny]
            .into_iter()
            .filter(|action| !tried(*action).is_empty());
        let (blamed, others): (Vec<_>, Vec<_>) = present.partition(|action| {
            failed.errors.is_empty() || failed.errors.iter().any(|error| error.action == *action)
        });
        // Errors of kinds that the change set does not contain are ignored.
        let blamed = if blamed.is_empty() { others } else { blamed };
        if failed.errors.is_empty() && blamed.len() > 1 {
            self.apart = true;
            self.unsure.extend(blamed.iter().copied());
        } else {
            self.unsure.retain(|action| !blamed.contains(action));
        }
        let mut alone = Vec::new();
        for action in blamed {
            let tried = tried(action);
            match tried.as_slice() {
                // After an unattributed failure it is unknown whether this change is bad.
                [one] if !self.apart || intent.changes.len() == 1 => {
                    let (code, message) = failed.of(action);
                    alone.push(one.clone());
                    self.alone.push(FailedAlone {
                        change: one.clone(),
                        code,
                        message,
                        change_set: change_set.clone(),
                    });
                    self.suspects_mut(action).clear();
                }
                _ => *self.suspects_mut(action) = tried,
            }
        }
        self.end_if_done();
        alone
    }

    /// Ends the bisect, because a new plan claims again what is still wanted. `proved` are the kinds of which a change has succeeded:
    /// what failed alone of them may be quarantined already, and its dead letter not yet sent.
    pub(super) fn end(&mut self, proved: &BTreeSet<Action>) {
        let Self {
            alone,
            mut pending_letters,
            ..
        } = std::mem::take(self);
        let alone = alone.into_iter();
        pending_letters.extend(alone.filter(|failed| proved.contains(&failed.change.action)));
        let oldest = pending_letters.len().saturating_sub(MOST_ALONE);
        self.pending_letters = pending_letters.split_off(oldest);
    }

    /// Removes changes that are quarantined and have their dead letter, or were claimed again.
    pub(super) fn forget(&mut self, done: &[(ProductId, RunId)]) {
        let is_done = |failed: &FailedAlone| {
            done.iter().any(|(product, run)| {
                failed.change.product == *product && failed.change.run == *run
            })
        };
        self.alone.retain(|failed| !is_done(failed));
        self.pending_letters.retain(|failed| !is_done(failed));
    }
}

fn same(change: &IntentChange, open: &OpenChange) -> bool {
    change.product == open.product && change.run == open.run && change.action == open.action
}

fn other(action: Action) -> Action {
    match action {
        Action::Allow => Action::Deny,
        Action::Deny => Action::Allow,
    }
}
