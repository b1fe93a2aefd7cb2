//! Puts a product on a list of a management experience, for commands that answer a request.

use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product_list::Wanted;

use super::context::Context;
use super::product_list::change::{Asked, Making, change};
use super::product_list::managed::Managed;
use crate::failure::Failure;

/// Allows or denies a product, as `pmp-sync product` does. True if that was to be changed. The caller
/// has asked.
pub(crate) async fn put_on_list(
    context: &Context,
    experience: &ExperienceId,
    action: Action,
    product: &ProductId,
    reason: Option<&str>,
) -> Result<bool, Failure> {
    let managed = Managed::read(&CatalogAdmin::new(&context.config), experience).await?;
    let wanted = Wanted::all([product.clone()], action);
    let asked = Asked {
        command: action.as_str(),
        managed: &managed,
        wanted: &wanted,
        exact: false,
        file: None,
        making: &Making::agreed(reason),
    };
    let change = change(context, &asked).await?;
    match change.refused.first() {
        None => Ok(change.changed),
        Some(refused) => Err(Failure::Partial(format!(
            "{} {product} was rejected by AWS Marketplace (change set {}): {}",
            refused.action, refused.change_set, refused.reason
        ))),
    }
}
