//! The result of a removal.

use pmp_sync_deploy::bucket::Cleared;
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// What a removal prints with `--json`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RemovalAnswer {
    /// What this command deleted.
    pub(crate) deleted: Vec<String>,
    /// The experiences that this command archived.
    pub(crate) archived: Vec<String>,
    /// The experiences whose audience this command took out.
    pub(crate) disassociated: Vec<String>,
    /// What is left, because nothing said that it may be deleted, or how.
    pub(crate) left: Vec<String>,
    /// Commands that delete what is left.
    pub(crate) commands: Vec<String>,
}

impl RemovalAnswer {
    /// Records that something was deleted, if it existed.
    pub(crate) fn note(&mut self, what: String, was_there: bool) {
        if was_there {
            self.deleted.push(what);
        }
    }

    /// Records what was deleted in a bucket.
    pub(crate) fn note_cleared(&mut self, bucket: &str, cleared: Cleared) {
        if cleared.bucket {
            self.deleted.push(format!("bucket {bucket}"));
        } else if cleared.versions > 0 {
            let versions = output::count(cleared.versions, "version");
            self.deleted
                .push(format!("code in the bucket {bucket} ({versions})"));
        }
        self.left.extend(cleared.left);
    }

    pub(crate) fn show(&self, common: &Common) -> Result<(), Failure> {
        if common.json {
            return output::json(self);
        }
        for what in &self.deleted {
            output::line(&format!("deleted: {what}"))?;
        }
        for experience in &self.disassociated {
            output::line(&format!("audience taken out: experience {experience}"))?;
        }
        for experience in &self.archived {
            output::line(&format!("archived: experience {experience}"))?;
        }
        let done = [&self.deleted, &self.archived, &self.disassociated];
        if done.iter().all(|list| list.is_empty()) {
            output::note("nothing was there to be deleted");
        }
        for what in &self.left {
            output::note(&format!("left: {what}"));
        }
        for command in &self.commands {
            output::note(&format!("  {command}"));
        }
        Ok(())
    }
}
