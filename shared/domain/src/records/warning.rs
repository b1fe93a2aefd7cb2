//! Warnings of a run: what it noticed besides the changes, and what stopped nothing else.

use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::ids::MemberName;

/// The most warnings that one run keeps.
pub const MOST_WARNINGS: usize = 20;

/// Limit for each text of a warning, in characters.
const MOST_WORDS: usize = 500;

/// Something that needs attention, and that stopped nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// The member's name in the configuration, if it concerns one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberName>,
    /// What is wrong, and what to do.
    #[serde(flatten)]
    pub fault: FaultRecord,
}

impl Warning {
    /// A warning with texts of a limited length.
    pub fn new(member: Option<&MemberName>, fault: FaultRecord) -> Self {
        let cut = |text: String| text.chars().take(MOST_WORDS).collect();
        Self {
            member: member.cloned(),
            fault: FaultRecord {
                message: cut(fault.message),
                remedy: cut(fault.remedy),
                ..fault
            },
        }
    }
}
