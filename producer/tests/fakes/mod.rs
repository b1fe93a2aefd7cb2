//! The producer over the fakes.

#![allow(dead_code, reason = "not every test uses everything")]

use pmp_sync_domain::ids::{AccountId, ExperienceId};
use pmp_sync_fakes::{OrgCatalog, World};
use pmp_sync_producer::{Context, Unannounced};

/// The world of a producer.
pub(crate) type Producer = Context<World, OrgCatalog, World, World, World>;

/// A producer in that management account.
pub(crate) fn producer(world: &World, account: &AccountId) -> Producer {
    Context {
        ledger: world.clone(),
        marketplace: world.observed_catalog(account),
        members: world.clone(),
        outbox: world.clone(),
        system: world.clone(),
        unannounced: Unannounced::default(),
    }
}

/// What the schedule sends.
pub(crate) const SCHEDULED: &str =
    r#"{"source":"pmp-sync.schedule","detail-type":"Scheduled Sync","detail":{}}"#;

/// The account whose id is this digit, twelve times.
pub(crate) fn account(digit: char) -> AccountId {
    AccountId::new(digit.to_string().repeat(12)).unwrap()
}

pub(crate) fn experience(text: &str) -> ExperienceId {
    ExperienceId::new(text).unwrap()
}
