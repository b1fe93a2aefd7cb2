//! The dead letters of the members, as the producer answers them and the command prints them.

use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::ids::MemberName;
use crate::records::DeadLetterRecord;

/// The dead letters of the members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterList {
    /// The schema of the release that made it.
    pub schema: u32,
    /// The letters.
    pub letters: Vec<ListedLetter>,
    /// Members whose letters could not be read, and why.
    pub faults: Vec<(MemberName, FaultRecord)>,
}

/// A dead letter, and what a replay would do with it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedLetter {
    /// What it is; `outcome` and `why` tell what a replay would do.
    pub letter: DeadLetterRecord,
    /// The message as it stands in the queue.
    pub body: String,
}
