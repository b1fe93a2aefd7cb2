//! The output of `history`.

use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{DeadLetterRecord, LinkRecord, ListEdit, RunRecord, SetRecord};
use schemars::JsonSchema;
use serde::Serialize;

use super::whole::Verdict;

/// The output of `history`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HistoryAnswer<'a> {
    /// The newest runs.
    Newest {
        /// The newest first.
        runs: Vec<RunAnswer<'a>>,
        /// True if older runs are stored.
        older: bool,
    },
    /// With a run: everything that the ledger has of it.
    One {
        /// The record of the run.
        run: &'a RunRecord,
        /// The record of each link.
        links: &'a [LinkRecord],
        /// The change sets, with their lanes.
        changes: Vec<ChangeAnswer<'a>>,
        /// The dead letters that it handled.
        dead_letters: &'a [DeadLetterRecord],
        /// The names of the products in this answer, by id. A product whose name is not known is left out.
        names: &'a Names,
        /// The edits of the management lists whose change sets have triggered it.
        edits: &'a [ListEdit],
    },
    /// With an edit.
    Edit {
        /// The edit.
        edit: &'a ListEdit,
        /// The names of its products, by id. A product whose name is not known is left out.
        names: &'a Names,
    },
    /// With `--edits`.
    Edits {
        /// The newest first.
        edits: &'a [ListEdit],
    },
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunAnswer<'a> {
    /// The record of the run.
    pub(super) run: &'a RunRecord,
    /// The results of the requests about holds that it served.
    pub(super) approval: &'a [Verdict],
}

/// A change set on a lane.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeAnswer<'a> {
    /// The lane: account and experience, separated by a slash.
    pub(super) lane: String,
    /// The change set.
    pub(super) change_set: &'a SetRecord,
}
