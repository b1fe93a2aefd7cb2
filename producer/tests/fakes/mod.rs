//! The producer over the fakes.

use pmp_sync_domain::ids::AccountId;
use pmp_sync_fakes::{OrgCatalog, World};

/// What a producer needs, from a world.
#[derive(Debug, Clone)]
pub(crate) struct ProducerPorts {
    world: World,
    catalog: OrgCatalog,
}

impl ProducerPorts {
    /// In that management account.
    pub(crate) fn new(world: &World, account: &AccountId) -> Self {
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
