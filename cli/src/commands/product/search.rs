//! `pmp-sync product search`: what AWS Marketplace offers, and how it stands.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_aws::discovery::search::{FoundProduct, ListingSearch, MOST_TEXT, Search};
use pmp_sync_domain::find_product::Reference;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::Standing;
use pmp_sync_domain::ports::Discovery as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::experience::named::Called;
use crate::client::product_list::managed::{Managed, WhichList, all};
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct SearchOptions {
    /// Words of the product's name, its manufacturer, or what it is for; or the product itself: its id, or its
    /// address in AWS Marketplace.
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
    /// The management experiences with which it was compared: the given one, or all of the configuration.
    pub(crate) management_experiences: BTreeSet<ExperienceId>,
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
    /// Its standing in each of the management experiences, by their ids.
    pub(crate) standings: BTreeMap<ExperienceId, Standing>,
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
    let catalog = CatalogAdmin::new(&context.config);
    let experiences = all(&context, &options.which).await?;
    let mut compared = BTreeMap::new();
    for id in &experiences {
        match Managed::read(&catalog, id).await {
            Ok(managed) => {
                compared.insert(id.clone(), managed);
            }
            Err(failure) if options.which.management_experience.is_some() => return Err(failure),
            // What AWS Marketplace offers can be shown all the same.
            Err(failure) => output::note(&format!("not compared with {id}: {failure}")),
        }
    }
    let progress = Progress::new();
    progress.step("searching AWS Marketplace");
    let found = found(&context, &options.text, usize::from(options.limit)).await;
    progress.finish();
    let found = found?;
    let products = found.products.into_iter().map(|found| OfferedProduct {
        standings: standings(&compared, &found.product),
        product_id: found.product,
        name: found.name,
        manufacturer: found.manufacturer,
        summary: found.summary,
        listing: found.listing,
    });
    let answer = ProductSearch {
        management_experiences: compared.keys().cloned().collect(),
        listings: found.listings,
        products: products.collect(),
        more: found.is_cut_off,
    };
    if common.json {
        return output::json(&answer);
    }
    if answer.products.is_empty() {
        output::note(match Reference::parse(&options.text) {
            Ok(Reference::Id(_) | Reference::Listing(_)) => {
                "AWS Marketplace does not list it, or not for this account"
            }
            Ok(Reference::Words(_)) | Err(_) => {
                "AWS Marketplace has nothing of that kind, or nothing that this account may see; fewer words find more"
            }
        });
        return Ok(());
    }
    let rows = answer.products.iter().map(|product| {
        vec![
            product.product_id.to_string(),
            standing(&product.standings, &compared),
            product.name.clone(),
            product.manufacturer.clone(),
        ]
    });
    let columns = [
        column("PRODUCT"),
        column("STANDING").state().folds(),
        column("NAME").folds(),
        column("MANUFACTURER").folds(),
    ];
    output::table(columns, rows)?;
    if answer.more {
        output::note("there are more: --limit shows up to 1000");
    }
    Ok(())
}

fn standings(
    compared: &BTreeMap<ExperienceId, Managed>,
    product: &ProductId,
) -> BTreeMap<ExperienceId, Standing> {
    let standing = |(id, of): (&ExperienceId, &Managed)| (id.clone(), of.lists.standing(product));
    compared.iter().map(standing).collect()
}

/// The standing in words: one if all agree, or that in each of the management experiences.
fn standing(
    standings: &BTreeMap<ExperienceId, Standing>,
    compared: &BTreeMap<ExperienceId, Managed>,
) -> String {
    let different: BTreeSet<_> = standings.values().collect();
    if let (Some(only), 1) = (different.first(), different.len()) {
        return only.to_string();
    }
    let name = |id| {
        compared
            .get(id)
            .map_or("", |of| of.experience.name.as_str())
    };
    let each = standings
        .iter()
        .map(|(id, standing)| format!("{standing} in {}", Called(id, name(id))));
    let each: Vec<_> = each.collect();
    output::or_dash((!each.is_empty()).then(|| each.join(", ")))
}

/// What is offered: the product itself if it is named, or what a search finds.
async fn found(context: &Context, text: &str, most: usize) -> Result<Search, Failure> {
    let directory = ProductDirectory::new(&context.config);
    let products: Vec<_> = match Reference::parse(text) {
        Ok(Reference::Words(_)) | Err(_) => {
            let search = ListingSearch::new(&context.config);
            return Ok(search.search(text, most).await?);
        }
        Ok(Reference::Id(product)) => {
            let details = directory.product(&product).await?;
            let found = details.map(|details| FoundProduct {
                product,
                name: details.name,
                manufacturer: details.manufacturer,
                listing: details.listing,
                summary: details.description,
            });
            found.into_iter().collect()
        }
        Ok(Reference::Listing(listing)) => {
            let products = directory.products_of_listing(&listing).await?;
            let found = products.unwrap_or_default().into_iter();
            found
                .map(|known| FoundProduct {
                    product: known.id,
                    name: known.name,
                    manufacturer: known.manufacturer,
                    listing: known.listing,
                    summary: String::new(),
                })
                .collect()
        }
    };
    Ok(Search {
        listings: i64::from(!products.is_empty()),
        products,
        is_cut_off: false,
    })
}
