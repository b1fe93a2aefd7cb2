//! Edits of the lists of management experiences by operators: who made which, and why.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::closed_list::closed_list;
use crate::ids::{ChangeSetId, EditId, ExperienceId, ProductId, ProductRequestId};
use crate::plan::Plan;
use crate::text::beginning;
use crate::time::{elapsed, later};
use crate::wire::limits::{MOST_NAME, MOST_REASON, MOST_REQUESTER};

/// The most products of each kind that are kept of one edit.
const MOST_KEPT: usize = 1_000;
/// The most change sets that are kept of one edit: more than 50,000 changes take.
const MOST_SETS: usize = 1_200;
/// How long an edit is kept, in seconds: 400 days.
const KEPT_FOR: i64 = 400 * 24 * 3_600;
/// The most requests that are kept of one edit.
const MOST_REQUESTS: usize = 100;
/// For how long the word of a command that it is at work holds, in seconds.
const AT_WORK_FOR: i64 = 300;
/// How old that word may be before the command repeats it, in seconds.
const REPEATED_AFTER: f64 = 60.0;
/// The same for an edit that an earlier release has begun: longer than any command waits by default.
const AT_WORK_AT_MOST: i64 = 24 * 3_600;

/// How an edit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EditStatus {
    /// The command is at work on it.
    Begun,
    /// The command was ended before its end. What its change sets have applied stays, and the same command goes on.
    Interrupted,
    /// The lists are as wanted.
    Done,
    /// AWS Marketplace rejected some products individually, and the others are as wanted.
    Partial,
    /// It was not brought to its end.
    Failed,
}

closed_list!(EditStatus, "status of an edit", {
    Begun => "begun",
    Interrupted => "interrupted",
    Done => "done",
    Partial => "partial",
    Failed => "failed",
});

/// Number of products that the change sets of an edit have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Applied {
    /// Number of allowed products.
    pub allow: usize,
    /// Number of denied products.
    pub deny: usize,
}

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
    /// The command: `allow`, `deny`, `import`, `requests approve` or `requests decline`.
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
    /// What its change sets have applied, as far as the command saw their ends. None from an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The procurement requests that it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<ProductRequestId>,
    /// The command is at work until then, unless it says so again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub at_work_until: Option<Timestamp>,
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
            applied: Some(Applied::default()),
            requests: Vec::new(),
            at_work_until: Some(later(now, AT_WORK_FOR)),
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

    /// The edit with the procurement requests that it answers.
    #[must_use]
    pub fn answering(self, requests: &[ProductRequestId]) -> Self {
        let requests = requests.iter().take(MOST_REQUESTS).cloned();
        Self {
            requests: requests.collect(),
            ..self
        }
    }

    /// The command is still at work.
    pub fn goes_on(&mut self, now: Timestamp) {
        self.at_work_until = Some(later(now, AT_WORK_FOR));
    }

    /// True if it is time to say so again.
    pub fn is_to_be_repeated(&self, now: Timestamp) -> bool {
        let said = self.at_work_until.map(|until| later(until, -AT_WORK_FOR));
        said.is_none_or(|said| elapsed(said, now) > REPEATED_AFTER)
    }

    /// Adds what a change set has applied.
    pub fn has_applied(&mut self, batch: &Plan) {
        let applied = self.applied.get_or_insert_default();
        applied.allow += batch.allow().len();
        applied.deny += batch.deny().len();
    }

    /// The command has ended.
    pub fn ended(&mut self, status: EditStatus, now: Timestamp) {
        self.status = status;
        self.ended_at = Some(now);
        self.at_work_until = None;
    }

    /// The edit as it stands now: one whose command says nothing any more was interrupted.
    #[must_use]
    pub fn as_of(mut self, now: Timestamp) -> Self {
        let until = self.at_work_until;
        let until = until.unwrap_or_else(|| later(self.at, AT_WORK_AT_MOST));
        if self.status == EditStatus::Begun && until < now {
            self.status = EditStatus::Interrupted;
        }
        self
    }

    /// The command, as it is typed.
    pub fn command_line(&self) -> String {
        if self.command.starts_with("requests ") {
            format!("pmp-sync {}", self.command)
        } else {
            format!("pmp-sync product {}", self.command)
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
    fn an_edit_whose_command_says_nothing_any_more_was_interrupted() {
        let after = |edit: &ListEdit, seconds| edit.clone().as_of(later(edit.at, seconds)).status;
        let mut begun = edit(60);
        assert_eq!(after(&begun, AT_WORK_FOR), EditStatus::Begun);
        assert_eq!(after(&begun, AT_WORK_FOR + 1), EditStatus::Interrupted);
        let now = later(begun.at, 250);
        assert!(!begun.is_to_be_repeated(later(begun.at, 60)) && begun.is_to_be_repeated(now));
        begun.goes_on(now);
        begun.has_applied(&Plan::new(begun.allow.clone(), BTreeSet::new()));
        assert_eq!(after(&begun, AT_WORK_FOR + 1), EditStatus::Begun);
        assert_eq!(after(&begun, 2 * AT_WORK_FOR), EditStatus::Interrupted);
        assert_eq!(begun.applied, Some(Applied { allow: 60, deny: 0 }));
        let old = ListEdit {
            at_work_until: None,
            ..begun.clone()
        };
        assert_eq!(after(&old, 24 * 3_600), EditStatus::Begun);
        assert_eq!(after(&old, 24 * 3_600 + 1), EditStatus::Interrupted);
        begun.ended(EditStatus::Done, now);
        assert_eq!(after(&begun, 2 * AT_WORK_AT_MOST), EditStatus::Done);
    }

    #[test]
    fn an_edit_of_this_release_is_read_as_it_was_written() {
        let whole = edit(1).asked(Some("arn"), Some("why"), Some("list.csv"));
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<ListEdit>(&text).unwrap(), whole);
    }

    #[test]
    fn an_edit_keeps_who_made_it_why_and_which_requests_it_answers() {
        let whole = edit(1).asked(Some("arn"), Some("why"), Some("list.csv"));
        let said = [&whole.requester, &whole.reason, &whole.file].map(Option::as_deref);
        assert_eq!(said, [Some("arn"), Some("why"), Some("list.csv")]);
        let requests = |count: usize| -> Vec<ProductRequestId> {
            let ids = (0..count).map(|number| format!("pr-{number}").parse());
            ids.map(Result::unwrap).collect()
        };
        for (asked, kept) in [(0, 0), (1, 1), (100, 100), (101, 100)] {
            let edit = whole.clone().answering(&requests(asked));
            assert_eq!(edit.requests, requests(kept));
            assert_eq!(edit.reason, whole.reason);
        }
        let at = "2027-02-05T00:00:00Z".parse().unwrap();
        assert_eq!(whole.forgotten_at(), at, "400 days");
    }

    #[test]
    fn the_command_of_an_edit_is_told_as_it_is_typed() {
        for (command, typed) in [
            ("allow", "pmp-sync product allow"),
            ("import", "pmp-sync product import"),
            ("requests approve", "pmp-sync requests approve"),
        ] {
            let edit = ListEdit {
                command: command.to_owned(),
                ..edit(1)
            };
            assert_eq!(edit.command_line(), typed);
        }
    }

    #[test]
    fn what_change_sets_have_applied_is_added_up_and_so_many_of_them_are_kept() {
        let mut edit = edit(2);
        for number in 0..1_201 {
            edit.started(&format!("cs-{number}").parse().unwrap());
        }
        assert_eq!(edit.change_sets.len(), 1_200);
        assert_eq!(edit.change_sets[0], "cs-0".parse().unwrap());
        let plan = Plan::new(
            edit.allow.clone(),
            edit.deny.iter().take(1).cloned().collect(),
        );
        edit.has_applied(&plan);
        edit.has_applied(&plan);
        assert_eq!(edit.applied, Some(Applied { allow: 4, deny: 2 }));
    }
}
