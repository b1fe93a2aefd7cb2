//! Puts a product on a list of a management experience, for commands that answer a request.

use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::Action;

use super::context::Context;
use crate::failure::Failure;

/// Allows or denies a product. True if that was to be changed.
#[expect(
    clippy::unused_async,
    reason = "it gets its change set with the commands for products"
)]
pub(crate) async fn put_on_list(
    _: &Context,
    experience: &ExperienceId,
    action: Action,
    product: &ProductId,
    _reason: Option<&str>,
) -> Result<bool, Failure> {
    Err(Failure::CommandLine {
        message: format!("{experience} cannot be changed by this command yet"),
        remedy: format!("{action} {product} in the console of the management account"),
    })
}
