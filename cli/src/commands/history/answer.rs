//! The output of `history`.

use std::collections::BTreeMap;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{
    ConfigVersion, DeadLetterRecord, LinkRecord, ListEdit, OperatorAct, RequestAnswer, RunRecord,
    SetRecord,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::told::Told;
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
        /// What operators suspended and resumed since the oldest of these runs, the newest first.
        acts: &'a [OperatorAct],
        /// Their edits of the management lists since then, the newest first.
        edits: &'a [ListEdit],
        /// The versions of the configuration that they stored since then, the newest first.
        versions: &'a [ConfigVersion],
        /// Their answers to procurement requests since then, the newest first.
        answers: &'a [RequestAnswer],
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
        /// Who started its change sets of the management organization, by their ids, as CloudTrail tells it.
        authors: &'a BTreeMap<String, String>,
    },
    /// With `--product`, `--member`, `--experience`, `--since` or `--by`.
    Events {
        /// The beginning of what was looked at.
        #[schemars(with = "pmp_sync_domain::schema::Time")]
        since: Timestamp,
        /// The newest first.
        events: &'a [Told],
        /// What is not shown, or was not looked at, in words.
        cut_off: &'a [String],
        /// The names of the products in this answer, by id. A product whose name is not known is left out.
        names: &'a Names,
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
