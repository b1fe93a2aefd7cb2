//! The size of a change set, and whether a partial one may start.

use serde::{Deserialize, Serialize};

/// The most product ids in one Allow or Deny change, and so of each kind in a change set (Private
/// Marketplace reference: "cumulative number of values in Ids array … 50").
pub const BATCH: usize = 50;

/// A number of allows and a number of denies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Allows.
    pub allow: usize,
    /// Denies.
    pub deny: usize,
}

impl Counts {
    /// The fewest change sets that contain them.
    pub fn fewest_change_sets(self) -> usize {
        self.allow.div_ceil(BATCH).max(self.deny.div_ceil(BATCH))
    }

    /// Subtracts `other`; the result is at least zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            allow: self.allow.saturating_sub(other.allow),
            deny: self.deny.saturating_sub(other.deny),
        }
    }

    /// Adds `other`.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            allow: self.allow.saturating_add(other.allow),
            deny: self.deny.saturating_add(other.deny),
        }
    }

    /// The smaller number of each kind.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            allow: self.allow.min(other.allow),
            deny: self.deny.min(other.deny),
        }
    }

    /// Limits each kind to what one change set takes.
    #[must_use]
    pub fn capped(self) -> Self {
        self.at_most(Self {
            allow: BATCH,
            deny: BATCH,
        })
    }

    /// The sum of both kinds.
    pub fn total(self) -> usize {
        self.allow.saturating_add(self.deny)
    }
}

/// True if a change set of the claimed changes (`at_hand`) does not raise the total: after it, the
/// rest of `outstanding`, which counts claimed and announced changes, needs one change set less.
///
/// A partial batch would make the plan take more change sets than the fewest. Only such a batch
/// waits for the rest of the plan's changes (docs/adr/0002-batches.md).
pub fn is_worthwhile(at_hand: Counts, outstanding: Counts) -> bool {
    let rest = outstanding.less(at_hand.capped());
    rest.fewest_change_sets() < outstanding.fewest_change_sets()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_batch_starts_and_a_partial_one_waits() {
        let outstanding = Counts {
            allow: 200,
            deny: 110,
        };
        assert!(is_worthwhile(Counts { allow: 50, deny: 0 }, outstanding));
        assert!(!is_worthwhile(
            Counts {
                allow: 49,
                deny: 50
            },
            outstanding
        ));
        assert!(!is_worthwhile(Counts::default(), outstanding));
        // 230 allows need five change sets, so the first may have as few as thirty.
        assert!(is_worthwhile(
            Counts { allow: 30, deny: 0 },
            Counts {
                allow: 230,
                deny: 60
            }
        ));
        assert!(!is_worthwhile(
            Counts {
                allow: 29,
                deny: 60
            },
            Counts {
                allow: 230,
                deny: 60
            }
        ));
    }

    #[test]
    fn the_last_batch_never_waits() {
        assert!(is_worthwhile(
            Counts { allow: 1, deny: 3 },
            Counts { allow: 1, deny: 3 }
        ));
        assert!(!is_worthwhile(
            Counts { allow: 1, deny: 2 },
            Counts { allow: 1, deny: 3 }
        ));
    }

    proptest! {
        /// In whatever order the messages arrive, worthwhile batches add up to the fewest change
        /// sets.
        #[test]
        fn worthwhile_batches_are_never_more_than_the_fewest(
            allow in 0_usize..400, deny in 0_usize..400, arrivals in prop::collection::vec((0_usize..60, 0_usize..60), 0..40)
        ) {
            let mut outstanding = Counts { allow, deny };
            let fewest = outstanding.fewest_change_sets();
            let mut claimed = Counts::default();
            let mut started = 0;
            // At the end everything has arrived.
            let everything = std::iter::repeat_n((400, 400), 20);
            for (a, d) in arrivals.into_iter().chain(everything) {
                claimed = Counts {
                    allow: (claimed.allow + a).min(outstanding.allow),
                    deny: (claimed.deny + d).min(outstanding.deny),
                };
                if is_worthwhile(claimed, outstanding) {
                    started += 1;
                    outstanding = outstanding.less(claimed.capped());
                    claimed = claimed.less(claimed.capped());
                }
            }
            prop_assert_eq!(outstanding, Counts::default());
            prop_assert_eq!(started, fewest);
        }
    }
}
