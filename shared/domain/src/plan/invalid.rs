//! Products whose ids are not valid: they are counted and reported, and never changed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::link::LinkPolicy;
use crate::policy::{Action, PolicySnapshot, Standing};

/// The most products with ids that are not valid that one plan lists.
pub const MOST_INVALID: usize = 50;
/// Limit for a text that is no valid id, in characters before it is escaped.
const MOST_CHARACTERS: usize = 60;

/// A product that differs and whose id is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InvalidProduct {
    /// What the policy has in place of an id: in printable ASCII, with escapes as in Rust, and cut
    /// to 60 characters.
    pub id: String,
    /// Its standing in the member experience.
    pub standing: Standing,
    /// The change that it would need.
    pub wanted: Action,
    /// Why it is not changed.
    pub reason: Reason,
}

/// The products that differ and whose ids are not valid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InvalidProducts {
    /// No more than [`MOST_INVALID`], ordered by id.
    #[serde(default)]
    pub products: Vec<InvalidProduct>,
    /// Number of others.
    #[serde(default)]
    pub beyond: usize,
}

/// A text that is no valid id, escaped and cut.
fn shown(text: &str) -> String {
    let escaped = text.chars().take(MOST_CHARACTERS);
    let mut shown: String = escaped.flat_map(char::escape_default).collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        shown.push_str("...");
    }
    shown
}

impl InvalidProducts {
    /// Compares the texts that are no valid ids in both policies.
    pub fn differing(desired: &PolicySnapshot, actual: &PolicySnapshot) -> Self {
        let texts: BTreeSet<_> = desired
            .invalid()
            .keys()
            .chain(actual.invalid().keys())
            .collect();
        let mut found = Self::default();
        for text in texts {
            let standing = actual.invalid_standing(text);
            let wanted = LinkPolicy::wanted(desired.invalid_standing(text), standing);
            let Some(wanted) = wanted else { continue };
            if found.products.len() == MOST_INVALID {
                found.beyond += 1;
                continue;
            }
            found.products.push(InvalidProduct {
                id: shown(text),
                standing,
                wanted,
                reason: Reason::InvalidId,
            });
        }
        found
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// The number of all.
    pub fn count(&self) -> usize {
        self.products.len() + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
        let list = |effect, ids| {
            let resources = serde_json::json!([{ "Type": "Product", "Ids": ids }]);
            serde_json::json!({ "Effect": effect, "Resources": resources })
        };
        let statements = [list("Allow", allowed), list("Deny", denied)];
        let document = serde_json::json!({ "Statements": statements });
        PolicySnapshot::from_details(&document.to_string()).unwrap()
    }

    #[test]
    fn only_what_differs_is_listed_and_in_printable_ascii() {
        let desired = policy(&["same #", "want \u{fc}\n", "lost #"], &["deny #"]);
        let actual = policy(&["same #", "extra #"], &["lost #", "old #"]);
        let found = InvalidProducts::differing(&desired, &actual);
        let shown: Vec<_> = found
            .products
            .iter()
            .map(|left| (left.id.as_str(), left.standing, left.wanted))
            .collect();
        assert_eq!(
            shown,
            [
                ("deny #", Standing::Unlisted, Action::Deny),
                ("extra #", Standing::Allowed, Action::Deny),
                ("lost #", Standing::Denied, Action::Allow),
                ("want \\u{fc}\\n", Standing::Unlisted, Action::Allow),
            ]
        );
        assert!(
            found
                .products
                .iter()
                .all(|left| left.reason == Reason::InvalidId)
        );
    }

    #[test]
    fn texts_and_their_number_are_bounded() {
        let many: Vec<_> = (0..MOST_INVALID + 3)
            .map(|number| format!("{number:03} {}", "\u{1f600}".repeat(300)))
            .collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let found = InvalidProducts::differing(&policy(&many, &[]), &PolicySnapshot::default());
        assert_eq!((found.products.len(), found.beyond), (MOST_INVALID, 3));
        assert_eq!(found.count(), many.len());
        let longest = found.products.iter().map(|left| left.id.len()).max();
        assert!(longest <= Some(60 * 10), "{longest:?}");
    }

    #[test]
    fn there_are_none_only_if_nothing_differs() {
        let one = InvalidProducts::differing(&policy(&["a #"], &[]), &PolicySnapshot::default());
        assert!(!one.is_empty());
        let same = InvalidProducts::differing(&policy(&["a #"], &[]), &policy(&["a #"], &[]));
        assert!(same.is_empty() && same.count() == 0);
    }
}
