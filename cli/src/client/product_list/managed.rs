//! The management experience that is meant, with its lists.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ExperienceId, PolicyId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;

use crate::client::context::{Context, parsed};
use crate::client::experience::named::{ExperienceName, called, find, read};
use crate::failure::Failure;

/// Which management experience.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WhichList {
    /// The management experience: its id, its name, or a part of its name. Needed only if the configuration
    /// has several.
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) management_experience: Option<ExperienceName>,
}

/// A management experience and its lists.
pub(crate) struct Managed {
    /// The experience.
    pub(crate) experience: Experience,
    /// Its policy.
    pub(crate) policy: PolicyId,
    /// Its lists.
    pub(crate) lists: PolicySnapshot,
    /// The notes of its products.
    pub(crate) notes: BTreeMap<ProductId, String>,
}

/// The management experience that is meant: the given one, or the only one of the configuration.
pub(crate) async fn which(context: &Context, which: &WhichList) -> Result<ExperienceId, Failure> {
    let all = all(context, which).await?;
    if let (Some(only), 1) = (all.first(), all.len()) {
        return Ok(only.clone());
    }
    let message = if all.is_empty() {
        "the configuration has no link, so no management experience".to_owned()
    } else {
        let several = called(&CatalogAdmin::new(&context.config), &all).await;
        format!("several management experiences could be meant: {several}")
    };
    Err(Failure::Unknown {
        message,
        remedy: "name it with --management-experience, by its id or its name; `pmp-sync experience list` lists those of the account".to_owned(),
    })
}

/// The management experiences that may be meant: the given one, or all of the configuration.
pub(crate) async fn all(
    context: &Context,
    which: &WhichList,
) -> Result<BTreeSet<ExperienceId>, Failure> {
    if let Some(given) = &which.management_experience {
        let found = find(&CatalogAdmin::new(&context.config), given).await?;
        return Ok([found].into());
    }
    let config = parsed(&context.stored_config().await?)?;
    let links = config.links.iter();
    Ok(links
        .flat_map(|link| link.sources.iter().cloned())
        .collect())
}

impl Managed {
    /// Reads an experience and its lists.
    pub(crate) async fn read(catalog: &CatalogAdmin, id: &ExperienceId) -> Result<Self, Failure> {
        let experience = read(catalog, id).await?;
        let Some(policy) = experience.policy.clone() else {
            return Err(Failure::CommandLine {
                message: format!(
                    "{id} ({}) has no procurement policy, so it has no product lists",
                    experience.name
                ),
                remedy: format!(
                    "create one with `pmp-sync experience create NAME --experience {id}`: while it is enabled, its audience can then subscribe to nothing that is not allowed"
                ),
            });
        };
        let (lists, notes) = catalog.noted_policy(&policy).await?;
        Ok(Self {
            experience,
            policy,
            lists,
            notes,
        })
    }

    /// An error if its lists cannot be changed.
    pub(crate) fn check_editable(&self) -> Result<(), Failure> {
        let id = &self.experience.id;
        if !self.experience.archived {
            return Ok(());
        }
        Err(Failure::CommandLine {
            message: format!("{id} is archived, and cannot be changed"),
            remedy: format!("take it back with `pmp-sync experience revive --experience {id}`"),
        })
    }
}
