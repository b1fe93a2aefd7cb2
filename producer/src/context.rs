//! What the producer uses of the world. Each step names the ports that it needs and no others.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ports::{
    Bus, Clock, Close, DeadLetters, Discovery, Entropy, Inbox, Lanes, Products, ReadCatalog,
    WriteRuns,
};

/// The world of one producer.
#[derive(Debug, Clone)]
pub struct Context<L, A, M, O, S> {
    /// The ledger.
    pub ledger: L,
    /// The management organization's catalog, to be read only, and AWS Marketplace's listings.
    pub marketplace: A,
    /// The way into the members' accounts.
    pub members: M,
    /// Everything that is sent, but for changes: the inbox, its dead-letter queue, the bus.
    pub outbox: O,
    /// Time and random numbers.
    pub system: S,
}

impl<L, A, M, O, S: Clock> Context<L, A, M, O, S> {
    pub(crate) fn now(&self) -> Timestamp {
        self.system.now()
    }
}

/// The ledger, as a whole run uses it.
pub trait Ledger: Lanes + Products + WriteRuns + Close {}
impl<T: Lanes + Products + WriteRuns + Close> Ledger for T {}

/// The management organization and AWS Marketplace, to be read only.
pub trait Marketplace: ReadCatalog + Discovery {}
impl<T: ReadCatalog + Discovery> Marketplace for T {}

/// Where the producer sends.
pub trait Outbox: Inbox + DeadLetters + Bus {}
impl<T: Inbox + DeadLetters + Bus> Outbox for T {}

/// Time and random numbers.
pub trait System: Clock + Entropy {}
impl<T: Clock + Entropy> System for T {}
