//! Which calls fail, and how: asked by the world about every call.

use std::sync::{Arc, Mutex, PoisonError};

use pmp_sync_domain::error::Kind;

use super::rng::Rng;
use pmp_sync_fakes::{Call, Fate};

/// Operations that are denied for a while, one at a time.
pub(crate) const OPERATIONS: [&str; 18] = [
    "StartChangeSet",
    "DescribeChangeSet",
    "ListChangeSets",
    "DescribeEntity",
    "ListEntities",
    "AssumeRole",
    "GetItem",
    "Query",
    "UpdateItem",
    "PutItem",
    "Claim",
    "Close",
    "KeepSet",
    "SendMessage",
    "SendMessageBatch",
    "PutEvents",
    "Receipts",
    "ChangeMessageVisibilityBatch",
];

/// The name by which denied calls are counted.
pub(crate) const DENIED: &str = "calls denied for a while";

/// The failures of one world.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    rng: Rng,
    /// Calls in a million that fail without an effect.
    pub(crate) refuse: u64,
    /// Calls in a million whose answer is lost.
    pub(crate) lose: u64,
    /// The operation that is currently denied.
    pub(crate) denied: Option<&'static str>,
    /// The last operation that was called.
    pub(crate) last: &'static str,
    /// Operations whose calls failed since they were last taken.
    pub(crate) refused: Vec<&'static str>,
    /// Failures since they were last taken.
    pub(crate) failed: Vec<&'static str>,
    /// Calls since they were last taken, if they are wanted.
    pub(crate) calls: Option<Vec<String>>,
}

/// A handle on the fault plan of a world.
pub(crate) type SharedFaultPlan = Arc<Mutex<FaultPlan>>;

/// Accesses the fault plan.
pub(crate) fn with<T>(shared: &SharedFaultPlan, work: impl FnOnce(&mut FaultPlan) -> T) -> T {
    work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

impl FaultPlan {
    pub(crate) fn new(rng: Rng, refuse: u64, lose: u64, traced: bool) -> SharedFaultPlan {
        Arc::new(Mutex::new(Self {
            rng,
            refuse,
            lose,
            denied: None,
            last: "",
            refused: Vec::new(),
            failed: Vec::new(),
            calls: traced.then(Vec::new),
        }))
    }

    /// Ends all faults.
    pub(crate) fn stop(&mut self) {
        self.refuse = 0;
        self.lose = 0;
        self.denied = None;
    }

    /// An answer is lost only as [`Kind::Retryable`]. The other kinds say that the call had no
    /// effect, so a lost answer with such a kind would be a false statement of the service, not a
    /// fault.
    pub(crate) fn fate(&mut self, call: Call<'_>) -> Fate {
        self.last = call.operation;
        let (fate, name) = if self.denied == Some(call.operation) {
            (Fate::Refuse(Kind::Denied), DENIED)
        } else if self.rng.of("refuse").of_million(self.refuse) {
            match self.rng.of("refusal").below(20) {
                0 => (Fate::Refuse(Kind::Denied), "calls refused: denied"),
                1..=6 => (Fate::Refuse(Kind::Throttled), "calls refused: throttled"),
                _ => (Fate::Refuse(Kind::Retryable), "calls refused: retryable"),
            }
        } else if self.rng.of("lose").of_million(self.lose) {
            (Fate::Lose(Kind::Retryable), "calls with a lost answer")
        } else {
            (Fate::Go, "")
        };
        if fate != Fate::Go {
            self.failed.push(name);
            self.refused.push(call.operation);
        }
        if let Some(calls) = &mut self.calls {
            let end = if fate == Fate::Go { "" } else { " -> " };
            calls.push(format!("{} {}{end}{name}", call.operation, call.thing));
        }
        fate
    }
}
