//! The producer over the fakes.

use pmp_sync_domain::ids::AccountId;
use pmp_sync_fakes::{OrgCatalog, World};
use pmp_sync_producer::Context;

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
    }
}
