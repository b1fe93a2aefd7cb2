//! The producer: for each link it computes what has to change on the member experience, commits
//! that plan to the lane, and sends one message per change. It changes no experience itself.
//!
//! Written against the ports; the feature `lambda` adds the AWS adapters and the Lambda runtime.

mod dispatch;
mod handlers;
#[cfg(feature = "lambda")]
pub mod lambda;
mod letters;
mod queries;
mod reconcile;
mod run;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ports::{
    Bus, Clock, Close, DeadLetters, Discovery, Entropy, Inbox, Lanes, Members, Products,
    ReadCatalog, WriteRuns,
};

pub use self::dispatch::{Disposition, Record};

/// What a producer needs of the world.
pub trait Ports: Send + Sync {
    /// The ledger.
    type Ledger: Lanes + Products + WriteRuns + Close;
    /// The management organization's catalog: to be read only.
    type Catalog: ReadCatalog;
    /// AWS Marketplace, asked about its products.
    type Discovery: Discovery;
    /// The way into the members' accounts.
    type Members: Members;
    /// The producer's own inbox.
    type Inbox: Inbox;
    /// Its dead-letter queue.
    type DeadLetters: DeadLetters;
    /// The bus.
    type Bus: Bus;
    /// The time.
    type Clock: Clock;
    /// Chance.
    type Entropy: Entropy;

    /// The ledger.
    fn ledger(&self) -> &Self::Ledger;
    /// The management organization's catalog.
    fn catalog(&self) -> &Self::Catalog;
    /// AWS Marketplace, asked about its products.
    fn discovery(&self) -> &Self::Discovery;
    /// The way into the members' accounts.
    fn members(&self) -> &Self::Members;
    /// The producer's own inbox.
    fn inbox(&self) -> &Self::Inbox;
    /// Its dead-letter queue.
    fn dead_letters(&self) -> &Self::DeadLetters;
    /// The bus.
    fn bus(&self) -> &Self::Bus;
    /// The time.
    fn clock(&self) -> &Self::Clock;
    /// Chance.
    fn entropy(&self) -> &Self::Entropy;
}

/// The producer of one management account.
#[derive(Debug)]
pub struct Producer<P> {
    ports: P,
}

impl<P: Ports> Producer<P> {
    /// A producer on these ports.
    pub fn new(ports: P) -> Self {
        Self { ports }
    }

    fn now(&self) -> Timestamp {
        self.ports.clock().now()
    }
}
