//! An invocation of the producer or of a worker.

use std::collections::BTreeSet;
use std::pin::Pin;

use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::lane::MemberRules;
use pmp_sync_fakes::Delivery;

/// The worker's timeout, in seconds, as the template has it.
pub(crate) const WORKER_TIMEOUT: u16 = 30;

/// True for each message that must be delivered again.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Vec<bool>>>>;

/// What an invocation was given.
pub(crate) enum Held {
    Requests(Vec<Record>),
    /// Retries that are due, for the producer.
    Retries(Vec<Delivery>),
    Deliveries(usize, Vec<Delivery>),
}

/// An invocation.
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) handling: Handling,
    pub(crate) held: Held,
    /// The rules of its member when it began.
    pub(crate) rules: MemberRules,
    /// When its messages are delivered again if it does not end.
    pub(crate) visible: i64,
    /// Its deadline.
    pub(crate) deadline: i64,
    /// When its current call is answered.
    pub(crate) ready: i64,
    /// Which of its calls failed.
    pub(crate) trouble: Trouble,
    /// The Ticks of its messages, by id, whose successor it has sent.
    pub(crate) renewed: BTreeSet<u64>,
}

/// Which calls of an invocation failed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// An event was not accepted.
    pub(crate) events: bool,
    /// Another call failed, or was slow.
    pub(crate) others: bool,
}

impl Task {
    /// True for a worker that was given nothing but Ticks.
    pub(crate) fn has_only_ticks(&self) -> bool {
        let is_tick = |delivery: &Delivery| delivery.body.contains("\"kind\":\"tick\"");
        match &self.held {
            Held::Requests(_) | Held::Retries(_) => false,
            Held::Deliveries(_, kept) => kept.iter().all(is_tick),
        }
    }

    /// The member of a worker; nothing for the producer.
    pub(crate) fn member(&self) -> Option<usize> {
        match self.held {
            Held::Requests(_) | Held::Retries(_) => None,
            Held::Deliveries(member, _) => Some(member),
        }
    }
}
