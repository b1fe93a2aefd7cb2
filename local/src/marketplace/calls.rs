//! The log of calls: what was asked by whom, and what came of it.

use jiff::Timestamp;
use serde::Serialize;

use super::faults::Fault;

/// Calls that are kept; the oldest go first.
const MOST: usize = 200_000;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// When it was answered.
    pub at: Timestamp,
    /// The caller's account; empty if it is not known.
    pub account: String,
    /// The operation.
    pub operation: &'static str,
    /// The entity or change set, if the call names one.
    pub thing: String,
    /// The HTTP status of the answer; of a dropped one, what it would have been.
    pub status: u16,
    /// The error's name, if there was one.
    pub error: Option<&'static str>,
    /// The fault that hit it, if one did.
    pub fault: Option<Fault>,
}

/// The log.
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
