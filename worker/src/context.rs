//! The worker's access to everything outside. Each step names the ports that it needs, and no
//! others.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{AccountId, InstallationId};
use pmp_sync_domain::lane::MemberRules;
use pmp_sync_domain::ports::{
    Bus, ChangeSets, Claims, Clock, DeadLetters, Entropy, Lanes, ProductRequests, ReadCatalog,
    SendTicks,
};
use pmp_sync_domain::records::RequestBounds;

/// The ports of one worker.
#[derive(Debug, Clone)]
pub struct Context<L, C, O, S> {
    /// The ledger in the management account.
    pub ledger: L,
    /// The member organization's catalog.
    pub catalog: C,
    /// Everything that is sent: Ticks, dead letters, events.
    pub outbox: O,
    /// Time and random numbers.
    pub system: S,
    /// The member account that the worker serves.
    pub member: Membership,
}

/// The member account that a worker serves.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The account id, 12 digits.
    pub account: AccountId,
    /// The installation that the worker belongs to. The names of its change sets contain it.
    pub installation: InstallationId,
    /// The timeout of the function, in seconds: after that time the invocation that wrote an intent
    /// has ended.
    pub timeout_seconds: i64,
    /// The member's own rules, which are applied whatever is planned.
    pub rules: MemberRules,
    /// How many procurement requests are recorded.
    pub most_requests: RequestBounds,
}

impl Membership {
    /// A member account without rules of its own, of the installation without a name.
    pub fn new(account: AccountId, timeout_seconds: u16) -> Self {
        Self {
            account,
            installation: InstallationId::of_ledger(""),
            timeout_seconds: i64::from(timeout_seconds),
            rules: MemberRules::default(),
            most_requests: RequestBounds::default(),
        }
    }

    /// Sets the installation.
    #[must_use]
    pub fn of(self, installation: InstallationId) -> Self {
        Self {
            installation,
            ..self
        }
    }

    /// Sets the member's own rules.
    #[must_use]
    pub fn with_rules(self, rules: MemberRules) -> Self {
        Self { rules, ..self }
    }

    /// Sets how many procurement requests are recorded.
    #[must_use]
    pub fn with_most_requests(self, most_requests: RequestBounds) -> Self {
        Self {
            most_requests,
            ..self
        }
    }
}

impl<L, C, O, S: Clock> Context<L, C, O, S> {
    pub(crate) fn now(&self) -> Timestamp {
        self.system.now()
    }
}

/// The ports of the ledger that a whole batch needs.
pub trait Ledger: Lanes + Claims + ProductRequests {}
impl<T: Lanes + Claims + ProductRequests> Ledger for T {}

/// The catalog with change sets.
pub trait Catalog: ReadCatalog + ChangeSets {}
impl<T: ReadCatalog + ChangeSets> Catalog for T {}

/// The ports for sending.
pub trait Outbox: SendTicks + DeadLetters + Bus {}
impl<T: SendTicks + DeadLetters + Bus> Outbox for T {}

/// Time and random numbers.
pub trait System: Clock + Entropy {}
impl<T: Clock + Entropy> System for T {}
