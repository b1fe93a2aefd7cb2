//! The management organization's catalog and AWS Marketplace's listings, to be read only.

use aws_config::SdkConfig;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ExperienceId, PolicyId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Discovery, ReadCatalog, Result};
use pmp_sync_domain::product::ProductDetails;

use crate::catalog::ReadOnlyCatalog;
use crate::discovery::ProductDirectory;

/// What the producer reads with its own credentials.
#[derive(Debug)]
pub struct Marketplace {
    catalog: ReadOnlyCatalog,
    discovery: ProductDirectory,
}

impl Marketplace {
    /// As the credentials of `config` see it.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            catalog: ReadOnlyCatalog::new(config),
            discovery: ProductDirectory::new(config),
        }
    }
}

impl ReadCatalog for Marketplace {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        self.catalog.experience(id).await
    }
    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        self.catalog.policy(id).await
    }
    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.catalog.experiences().await
    }
}

impl Discovery for Marketplace {
    async fn product(&self, product: &ProductId) -> Result<Option<ProductDetails>> {
        self.discovery.product(product).await
    }
}
