//! `pmp-sync product allow` and `deny`.

use clap::Args;
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product_list::Wanted;

use crate::client::context::Context;
use crate::client::product_list::change::{Asked, Making, change, finish};
use crate::client::product_list::managed::{Managed, WhichList, which};
use crate::client::product_list::names::resolve;
use crate::failure::Failure;
use crate::options::Common;

#[derive(Debug, Args)]
pub(crate) struct ChangeOptions {
    /// The products: ids, names, or addresses in AWS Marketplace.
    #[arg(value_name = "PRODUCT", required = true)]
    products: Vec<String>,
    #[command(flatten)]
    which: WhichList,
    #[command(flatten)]
    making: Making,
}

pub(super) async fn run(
    common: &Common,
    options: &ChangeOptions,
    action: Action,
) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let id = which(&context, &options.which).await?;
    let managed = Managed::read(&CatalogAdmin::new(&context.config), &id).await?;
    let products = products(&context, &options.products, &managed).await?;
    let wanted = Wanted::all(products, action);
    let asked = Asked {
        command: action.as_str(),
        managed: &managed,
        wanted: &wanted,
        exact: false,
        file: None,
        requests: &[],
        making: &options.making,
    };
    let change = change(&context, &asked).await?;
    finish(common, &context, &change)
}

/// The products of the command line.
async fn products(
    context: &Context,
    named: &[String],
    managed: &Managed,
) -> Result<Vec<ProductId>, Failure> {
    let texts: Vec<_> = named.iter().map(String::as_str).collect();
    let mut products = Vec::new();
    let mut unknown = Vec::new();
    for meant in resolve(context, &texts, &managed.lists).await? {
        match meant {
            Ok(product) => products.push(product),
            Err(message) => unknown.push(message),
        }
    }
    if unknown.is_empty() {
        return Ok(products);
    }
    Err(Failure::Unknown {
        message: unknown.join("; "),
        remedy: "check the spelling, or find it with `pmp-sync product search WORD`, by one word of its name, and give its id".to_owned(),
    })
}
