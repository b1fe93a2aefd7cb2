//! The worker over the fakes.

use pmp_sync_fakes::{MemberSide, OrgCatalog, World};
use pmp_sync_worker::{Context, Membership};

/// The world of a worker.
pub(crate) type Worker = Context<World, OrgCatalog, MemberSide, World>;

/// A worker of that member.
pub(crate) fn worker(world: &World, member: Membership) -> Worker {
    Context {
        ledger: world.clone(),
        catalog: world.catalog(&member.account),
        outbox: world.member(&member.account),
        system: world.clone(),
        member,
    }
}
