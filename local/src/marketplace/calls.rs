//! The log of calls: who called what, with which result.

use jiff::Timestamp;
use serde::Serialize;

use super::faults::Fault;

/// The number of calls that are kept; the oldest are dropped first.
const MOST: usize = 200_000;

/// A call to the emulator.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// When it was answered.
    pub at: Timestamp,
    /// The caller's account; empty if it is not known.
    pub account: String,
    /// `StartChangeSet`, for example.
    pub operation: &'static str,
    /// The id of the entity or change set; empty if the call names none.
    pub thing: String,
    /// The HTTP status of the answer. For a dropped answer, the status that it would have had.
    pub status: u16,
    /// The name of the error, if the answer is one.
    pub error: Option<&'static str>,
    /// The fault that hit it, if one did.
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    kept: std::collections::VecDeque<Call>,
}

impl Calls {
    pub(crate) fn push(&mut self, call: Call) {
        if self.kept.len() >= MOST {
            self.kept.pop_front();
        }
        self.kept.push_back(call);
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.kept.iter().cloned().collect()
    }
}
