//! Edits of the lists of management experiences by operators: who made which, and why.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::closed_list::closed_list;
use crate::ids::{ChangeSetId, EditId, ExperienceId, ProductId};
use crate::plan::Plan;
use crate::text::beginning;
use crate::time::later;
use crate::wire::limits::{MOST_NAME, MOST_REASON, MOST_REQUESTER};

/// The most products of each kind that are kept of one edit.
const MOST_KEPT: usize = 1_000;
/// The most change sets that are kept of one edit: more than 50,000 changes take.
const MOST_SETS: usize = 1_200;
/// How long an edit is kept, in seconds: 400 days.
const KEPT_FOR: i64 = 400 * 24 * 3_600;

/// How an edit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EditStatus {
    /// It has begun. If the command was interrupted, it stays like this.
    Begun,
    /// The lists are as wanted.
    Done,
    /// AWS Marketplace rejected some products individually, and the others are as wanted.
    Partial,
    /// It was not brought to its end.
    Failed,
}

closed_list!(EditStatus, "status of an edit", {
    Begun => "begun",
    Done => "done",
    Partial => "partial",
    Failed => "failed",
});

/// The ledger's item of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListEdit {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Its id. Later edits sort after earlier ones.
    pub edit: EditId,
    /// The management experience.
    pub management_experience: ExperienceId,
    /// The command: `allow`, `deny` or `import`.
    pub command: String,
    /// The file of an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Who made it: the ARN of the principal, as the command says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Why, in the requester's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it stands.
    pub status: EditStatus,
    /// Number of products that were to be allowed.
    pub allowed: usize,
    /// Number of products that were to be denied.
    pub denied: usize,
    /// The first of these to be allowed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<ProductId>,
    /// The first of these to be denied.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deny: BTreeSet<ProductId>,
    /// Products that AWS Marketplace rejected individually.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refused: BTreeSet<ProductId>,
    /// Its change sets, in the order in which they were started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub change_sets: Vec<ChangeSetId>,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub ended_at: Option<Timestamp>,
}

impl ListEdit {
    /// An edit that begins.
    pub fn new(
        edit: EditId,
        management_experience: ExperienceId,
        command: &str,
        plan: &Plan,
        now: Timestamp,
    ) -> Self {
        let first =
            |products: &BTreeSet<ProductId>| products.iter().take(MOST_KEPT).cloned().collect();
        Self {
            schema: SCHEMA,
            edit,
            management_experience,
            command: command.to_owned(),
            file: None,
            requester: None,
            reason: None,
            status: EditStatus::Begun,
            allowed: plan.allow().len(),
            denied: plan.deny().len(),
            allow: first(plan.allow()),
            deny: first(plan.deny()),
            refused: BTreeSet::new(),
            change_sets: Vec::new(),
            at: now,
            ended_at: None,
        }
    }

    /// The edit with who asked for it, why, and from which file, each cut to what an item has room for.
    #[must_use]
    pub fn asked(self, requester: Option<&str>, reason: Option<&str>, file: Option<&str>) -> Self {
        let cut = |text: Option<&str>, most| text.map(|text| beginning(text, most).to_owned());
        Self {
            requester: cut(requester, MOST_REQUESTER),
            reason: cut(reason, MOST_REASON),
            file: cut(file, MOST_NAME),
            ..self
        }
    }

    /// Adds a change set.
    pub fn started(&mut self, change_set: &ChangeSetId) {
        if self.change_sets.len() < MOST_SETS {
            self.change_sets.push(change_set.clone());
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

    fn edit(products: usize) -> ListEdit {
        let ids = |prefix: &str| -> BTreeSet<ProductId> {
            let ids = (0..products).map(|number| format!("{prefix}{number:049}").parse());
            ids.map(Result::unwrap).collect()
        };
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let plan = Plan::new(ids("a"), ids("d"));
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        ListEdit::new(id, "exp-1".parse().unwrap(), "import", &plan, at)
    }

    #[test]
    fn an_edit_fits_into_one_item_however_large_it_is() {
        let long = "x".repeat(10_000);
        let mut edit = edit(25_000).asked(Some(&long), Some(&long), Some(&long));
        for number in 0..2_000 {
            edit.started(&format!("{number:064}").parse().unwrap());
        }
        assert_eq!((edit.allowed, edit.allow.len()), (25_000, MOST_KEPT));
        let size = serde_json::to_string(&edit).unwrap().len();
        assert!(size < 300_000, "{size}");
    }

    #[test]
    fn an_edit_of_this_release_is_read_as_it_was_written() {
        let whole = edit(1).asked(Some("arn"), Some("why"), Some("list.csv"));
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<ListEdit>(&text).unwrap(), whole);
    }
}
