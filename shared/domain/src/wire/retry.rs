//! Retries of links: sent with a delay, and handed to the inbox when they are due. A FIFO queue cannot
//! delay a single message, so they wait in a queue of their own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::{body, event};
use super::names::{RETRY_DUE, RETRY_SCHEDULED};
use super::request::Scope;
use crate::ids::RunId;

/// A retry of links. The producer sends it to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRetry {
    /// Its id. A retry that is delivered twice has the same.
    pub id: String,
    /// Its number, from 1.
    pub number: u8,
    /// The run that missed the links. None if they were missed when a settled lane was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// When the attempt began that missed them. A run that began later has tried them since.
    pub since: Timestamp,
    /// The links.
    pub scope: Scope,
}

impl LinkRetry {
    /// Serializes the message that waits.
    pub fn to_scheduled(&self) -> String {
        body(event(RETRY_SCHEDULED, self))
    }

    /// Serializes the message for the producer's inbox.
    pub fn to_due(&self) -> String {
        body(event(RETRY_DUE, self))
    }
}
