//! The producer and the worker over a world.

use pmp_sync_domain::ids::AccountId;

use pmp_sync_fakes::{MemberSide, OrgCatalog, World};
use pmp_sync_producer::{Context, Unannounced};
use pmp_sync_worker::{Context as WorkerContext, Membership};

/// The world of a producer.
pub type Producer = Context<World, OrgCatalog, World, World, World>;

/// A producer in that management account.
pub fn producer(world: &World, account: &AccountId) -> Producer {
    Context {
        ledger: world.clone(),
        marketplace: world.observed_catalog(account),
        members: world.clone(),
        outbox: world.clone(),
        system: world.clone(),
        unannounced: Unannounced::default(),
    }
}

/// The world of a worker.
pub type Worker = WorkerContext<World, OrgCatalog, MemberSide, World>;

/// A worker of that member.
pub fn worker(world: &World, member: Membership) -> Worker {
    WorkerContext {
        ledger: world.clone(),
        catalog: world.catalog(&member.account),
        outbox: world.member(&member.account),
        system: world.clone(),
        member,
    }
}
