//! What operators did that is no run, no edit of a list, and no version of the configuration: who, when, and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::closed_list::closed_list;
use crate::ids::{AccountId, EditId};
use crate::text::beginning;
use crate::time::later;
use crate::wire::Scope;
use crate::wire::limits::{MOST_REASON, MOST_REQUESTER};

/// The most members, and the most experiences, that are kept of one act.
const MOST_NAMED: usize = 300;
/// How long an act is kept, in seconds: 400 days, like an edit of a list.
const KEPT_FOR: i64 = 400 * 24 * 3_600;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActKind {
    /// Links were suspended.
    Suspended,
    /// A suspension was ended.
    Resumed,
    /// The stacks of a member account were deployed.
    Deployed,
    /// A member account got its experience, or that was completed.
    Bootstrapped,
    /// A member, or an account that was deployed for one, was removed with its stacks.
    Removed,
}

closed_list!(ActKind, "act", {
    Suspended => "suspended",
    Resumed => "resumed",
    Deployed => "deployed",
    Bootstrapped => "bootstrapped",
    Removed => "removed",
});

/// The ledger's item of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OperatorAct {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Its id. Later acts sort after earlier ones.
    pub act: EditId,
    /// What was done.
    pub kind: ActKind,
    /// Who did it: the ARN of the principal, as the command says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The members and experiences that it is about. Without any it is about the account, and without that about everything.
    #[serde(default)]
    pub scope: Scope,
    /// The member account that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// When it was done.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

impl OperatorAct {
    /// An act on everything, by nobody who is known.
    pub fn new(act: EditId, kind: ActKind, at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            act,
            kind,
            by: None,
            reason: None,
            scope: Scope::default(),
            account: None,
            at,
        }
    }

    /// The act with who did it, and why, each cut to what an item has room for.
    #[must_use]
    pub fn asked(self, by: Option<&str>, reason: Option<&str>) -> Self {
        let cut = |text: Option<&str>, most| text.map(|text| beginning(text, most).to_owned());
        Self {
            by: cut(by, MOST_REQUESTER),
            reason: cut(reason, MOST_REASON),
            ..self
        }
    }

    /// The act on these members and experiences. One on more than an item has room for keeps the first.
    #[must_use]
    pub fn on(self, scope: &Scope) -> Self {
        Self {
            scope: Scope {
                members: scope.members.iter().take(MOST_NAMED).cloned().collect(),
                experiences: scope.experiences.iter().take(MOST_NAMED).cloned().collect(),
            },
            ..self
        }
    }

    /// The act on this member account.
    #[must_use]
    pub fn of_account(self, account: &AccountId) -> Self {
        Self {
            account: Some(account.clone()),
            ..self
        }
    }

    /// When the item may be removed.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.at, KEPT_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act() -> OperatorAct {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        OperatorAct::new(id, ActKind::Suspended, at)
    }

    #[test]
    fn an_act_fits_into_one_item_whatever_is_named() {
        let long = "x".repeat(10_000);
        let scope = Scope {
            members: vec!["m".repeat(40).parse().unwrap(); 2_000],
            experiences: vec![format!("exp-{}", "e".repeat(60)).parse().unwrap(); 2_000],
        };
        let whole = act().asked(Some(&long), Some(&long)).on(&scope);
        let size = serde_json::to_string(&whole).unwrap().len();
        assert!(size < 100_000, "{size}");
    }

    #[test]
    fn an_act_is_read_as_it_was_written() {
        for kind in ActKind::ALL {
            let whole = OperatorAct { kind, ..act() }.asked(Some("arn"), Some("why"));
            let of = whole.clone().of_account(&"222222222222".parse().unwrap());
            for act in [whole, of] {
                let text = serde_json::to_string(&act).unwrap();
                assert_eq!(serde_json::from_str::<OperatorAct>(&text).unwrap(), act);
            }
        }
    }

    #[test]
    fn an_act_says_who_why_on_what_and_is_kept_for_four_hundred_days() {
        let scope = Scope {
            members: vec!["emea".parse().unwrap()],
            experiences: vec!["exp-1".parse().unwrap()],
        };
        let account: AccountId = "222222222222".parse().unwrap();
        let whole = act()
            .asked(Some("arn"), Some("why"))
            .on(&scope)
            .of_account(&account);
        let said = (whole.by.as_deref(), whole.reason.as_deref());
        assert_eq!(said, (Some("arn"), Some("why")));
        assert_eq!((&whole.scope, &whole.account), (&scope, &Some(account)));
        assert_eq!(
            whole.forgotten_at(),
            "2027-02-05T00:00:00Z".parse().unwrap()
        );
        let many = Scope {
            members: vec!["emea".parse().unwrap(); 301],
            experiences: vec!["exp-1".parse().unwrap(); 301],
        };
        let cut = act().on(&many).scope;
        assert_eq!((cut.members.len(), cut.experiences.len()), (300, 300));
    }
}
