//! Puts a product on a list of a management experience, for commands that answer a request.

use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::ids::{EditId, ExperienceId, ProductId, ProductRequestId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product_list::Wanted;
use pmp_sync_domain::records::Answered;

use super::context::Context;
use super::product_list::change::{Asked, Making, change};
use super::product_list::managed::Managed;
use crate::failure::Failure;

/// What is answered by it.
pub(crate) struct Answering<'a> {
    /// The answer.
    pub(crate) answered: Answered,
    /// The procurement requests.
    pub(crate) requests: &'a [ProductRequestId],
    /// Why.
    pub(crate) reason: Option<&'a str>,
}

/// Allows or denies a product, as `pmp-sync product` does. Returns the edit; none if nothing was to be changed. The
/// caller has asked.
pub(crate) async fn put_on_list(
    context: &Context,
    experience: &ExperienceId,
    action: Action,
    product: &ProductId,
    answering: &Answering<'_>,
) -> Result<Option<EditId>, Failure> {
    let managed = Managed::read(&CatalogAdmin::new(&context.config), experience).await?;
    let wanted = Wanted::all([product.clone()], action);
    let asked = Asked {
        command: match answering.answered {
            Answered::Approved => "requests approve",
            Answered::Declined => "requests decline",
        },
        managed: &managed,
        wanted: &wanted,
        exact: false,
        file: None,
        requests: answering.requests,
        making: &Making::agreed(answering.reason),
    };
    let change = change(context, &asked).await?;
    match change.refused.first() {
        None => Ok(change.edit.filter(|_| change.changed)),
        Some(refused) => Err(Failure::Partial(format!(
            "{} {product} was rejected by AWS Marketplace (change set {}): {}",
            refused.action, refused.change_set, refused.reason
        ))),
    }
}
