//! What a rollback takes back.

use std::fmt;

use crate::ids::RunId;

/// What a rollback takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// Everything since before this run: the lists return to what they were.
    Restore(RunId),
    /// What this run changed, and nothing that came later.
    Revert(RunId),
}

impl Undo {
    /// The run that it names.
    pub fn run(self) -> RunId {
        match self {
            Self::Restore(run) | Self::Revert(run) => run,
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore(run) => write!(f, "the rollback before run {run}"),
            Self::Revert(run) => write!(f, "the reversal of what run {run} changed"),
        }
    }
}
