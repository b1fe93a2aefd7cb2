//! The worker: takes changes from its queue, applies them in one change set at a time on each
//! member experience, and settles them. One instance serves one member account.
//!
//! It is written against the ports. The feature `lambda` adds the AWS adapters and the Lambda
//! runtime.

mod advance;
mod inbox;
#[cfg(feature = "lambda")]
pub mod lambda;
mod member_rules;
mod settle;
mod start;

use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::lane::MemberRules;
use pmp_sync_domain::ports::{
    Bus, ChangeSets, Claims, Clock, DeadLetters, Entropy, Lanes, ReadCatalog, SendTicks,
};

pub use pmp_sync_domain::delivery::{Disposition, Record};

/// What a worker needs of the world.
pub trait Ports: Send + Sync {
    /// The ledger in the management account.
    type Ledger: Lanes + Claims;
    /// The member organization's catalog.
    type Catalog: ReadCatalog + ChangeSets;
    /// The worker's own queue.
    type Queue: SendTicks;
    /// Its dead-letter queue.
    type DeadLetters: DeadLetters;
    /// The bus in the management account.
    type Bus: Bus;
    /// The time.
    type Clock: Clock;
    /// Chance.
    type Entropy: Entropy;

    /// The ledger in the management account.
    fn ledger(&self) -> &Self::Ledger;
    /// The member organization's catalog.
    fn catalog(&self) -> &Self::Catalog;
    /// The worker's own queue.
    fn queue(&self) -> &Self::Queue;
    /// Its dead-letter queue.
    fn dead_letters(&self) -> &Self::DeadLetters;
    /// The bus in the management account.
    fn bus(&self) -> &Self::Bus;
    /// The time.
    fn clock(&self) -> &Self::Clock;
    /// Chance.
    fn entropy(&self) -> &Self::Entropy;
}

/// The worker of one member account.
#[derive(Debug)]
pub struct Worker<P> {
    ports: P,
    account: AccountId,
    timeout_seconds: i64,
    rules: MemberRules,
}

impl<P: Ports> Worker<P> {
    /// Creates a worker for the lanes of `account`. `timeout_seconds` is the timeout of the
    /// function: after that time the invocation that wrote an intent has ended.
    pub fn new(ports: P, account: AccountId, timeout_seconds: u16) -> Self {
        Self {
            ports,
            account,
            timeout_seconds: i64::from(timeout_seconds),
            rules: MemberRules::default(),
        }
    }

    /// Applies the member's own rules, whatever is planned. Without rules the worker applies
    /// everything that is planned.
    #[must_use]
    pub fn with_member_rules(self, rules: MemberRules) -> Self {
        Self { rules, ..self }
    }
}
