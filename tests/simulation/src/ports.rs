//! The producer and the worker over a world.

use pmp_sync_domain::ids::AccountId;

use pmp_sync_fakes::{MemberSide, OrgCatalog, World};
use pmp_sync_producer::Context;

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
    }
}

/// The worker's ports over the fakes of a world.
#[derive(Debug, Clone)]
pub struct WorkerPorts {
    world: World,
    catalog: OrgCatalog,
    side: MemberSide,
}

impl WorkerPorts {
    /// The ports of the worker in a member account.
    pub fn new(world: &World, account: &AccountId) -> Self {
        Self {
            world: world.clone(),
            catalog: world.catalog(account),
            side: world.member(account),
        }
    }
}

impl pmp_sync_worker::Ports for WorkerPorts {
    type Ledger = World;
    type Catalog = OrgCatalog;
    type Queue = MemberSide;
    type DeadLetters = MemberSide;
    type Bus = World;
    type Clock = World;
    type Entropy = World;
    fn ledger(&self) -> &World {
        &self.world
    }
    fn catalog(&self) -> &OrgCatalog {
        &self.catalog
    }
    fn queue(&self) -> &MemberSide {
        &self.side
    }
    fn dead_letters(&self) -> &MemberSide {
        &self.side
    }
    fn bus(&self) -> &World {
        &self.world
    }
    fn clock(&self) -> &World {
        &self.world
    }
    fn entropy(&self) -> &World {
        &self.world
    }
}
