//! The dead letters of the members, as the producer returns them and the command prints them.

use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::ids::MemberName;
use crate::records::{DeadLetterRecord, LettersLeft};

/// The dead letters of the members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterList {
    /// Schema number of the release that made it.
    pub schema: u32,
    /// The letters.
    pub letters: Vec<ListedLetter>,
    /// Members whose dead letters could not be read, and why.
    pub faults: Vec<(MemberName, FaultRecord)>,
    /// Members whose letters are not all in the list, and what is missing. Empty if the list is
    /// complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<(MemberName, LettersLeft)>,
}

/// A dead letter, and what a replay would do with it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedLetter {
    /// The letter. `outcome` and `why` say what a replay would do.
    pub letter: DeadLetterRecord,
    /// The body of the message in the queue.
    pub body: String,
}
