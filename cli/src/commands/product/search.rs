//! `pmp-sync product search`: what AWS Marketplace offers, and how it stands.

use clap::Args;
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_aws::discovery::search::{ListingSearch, MOST_TEXT};
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::Standing;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::product_list::managed::{Managed, WhichList, which};
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct SearchOptions {
    /// Words of the product's name, its manufacturer, or what it is for.
    #[arg(value_name = "TEXT", value_parser = text)]
    text: String,
    /// The number of products to show.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    #[command(flatten)]
    which: WhichList,
}

fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (1..=MOST_TEXT).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {MOST_TEXT} bytes are expected"))
    }
}

/// What AWS Marketplace offers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProductSearch {
    /// The management experience with which it was compared.
    pub(crate) management_experience: ExperienceId,
    /// Number of listings that match.
    pub(crate) listings: i64,
    /// The products, the best match first.
    pub(crate) products: Vec<OfferedProduct>,
    /// True if there are more.
    pub(crate) more: bool,
}

/// A product of AWS Marketplace.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OfferedProduct {
    /// The product.
    pub(crate) product_id: ProductId,
    /// Its standing in the management experience.
    pub(crate) standing: Standing,
    /// Its name.
    pub(crate) name: String,
    /// Who makes it.
    pub(crate) manufacturer: String,
    /// What it is.
    pub(crate) summary: String,
    /// Its listing.
    pub(crate) listing: String,
}

pub(super) async fn run(common: &Common, options: &SearchOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let id = which(&context, &options.which).await?;
    let managed = Managed::read(&CatalogAdmin::new(&context.config), &id).await?;
    let progress = Progress::new();
    progress.step("searching AWS Marketplace");
    let search = ListingSearch::new(&context.config);
    let found = search
        .search(&options.text, usize::from(options.limit))
        .await;
    progress.finish();
    let found = found?;
    let products = found.products.into_iter().map(|found| OfferedProduct {
        standing: managed.lists.standing(&found.product),
        product_id: found.product,
        name: found.name,
        manufacturer: found.manufacturer,
        summary: found.summary,
        listing: found.listing,
    });
    let answer = ProductSearch {
        management_experience: id,
        listings: found.listings,
        products: products.collect(),
        more: found.is_cut_off,
    };
    if common.json {
        return output::json(&answer);
    }
    if answer.products.is_empty() {
        output::note(
            "AWS Marketplace has nothing of that kind, or nothing that this account may see",
        );
        return Ok(());
    }
    let rows = answer.products.iter().map(|product| {
        vec![
            product.product_id.to_string(),
            product.standing.to_string(),
            product.name.clone(),
            product.manufacturer.clone(),
        ]
    });
    let columns = [
        column("PRODUCT"),
        column("STANDING").state(),
        column("NAME").folds(),
        column("MANUFACTURER").folds(),
    ];
    output::table(columns, rows)?;
    if answer.more {
        output::note("there are more: --limit shows up to 1000");
    }
    Ok(())
}
