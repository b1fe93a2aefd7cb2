//! The producer and the worker over a world.

use pmp_sync_domain::ids::AccountId;

use pmp_sync_fakes::{MemberSide, OrgCatalog, World};

/// The producer's ports over the fakes of a world.
#[derive(Debug, Clone)]
pub struct ProducerPorts {
    world: World,
    catalog: OrgCatalog,
}

impl ProducerPorts {
    /// The ports of the producer in a management account.
    pub fn new(world: &World, account: &AccountId) -> Self {
        Self {
            world: world.clone(),
            catalog: world.observed_catalog(account),
        }
    }
}

impl pmp_sync_producer::Ports for ProducerPorts {
    type Ledger = World;
    type Catalog = OrgCatalog;
    type Discovery = World;
    type Members = World;
    type Inbox = World;
    type DeadLetters = World;
    type Bus = World;
    type Clock = World;
    type Entropy = World;
    fn ledger(&self) -> &World {
        &self.world
    }
    fn catalog(&self) -> &OrgCatalog {
        &self.catalog
    }
    fn discovery(&self) -> &World {
        &self.world
    }
    fn members(&self) -> &World {
        &self.world
    }
    fn inbox(&self) -> &World {
        &self.world
    }
    fn dead_letters(&self) -> &World {
        &self.world
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
