//! Warns of products that AWS Marketplace does not list: an id may be misspelt.

use std::collections::BTreeSet;

use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::Discovery as _;
use pmp_sync_domain::records::Listing;

use crate::client::context::Context;
use crate::client::products::{alike, stored};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// The most products that are looked up in AWS Marketplace: five a second are answered.
const MOST_LOOKED_UP: usize = 20;

/// Products that AWS Marketplace does not list, of those that the ledger does not know to be listed. Says so on
/// stderr.
pub(crate) async fn not_listed(
    context: &Context,
    products: impl Iterator<Item = &ProductId>,
) -> Result<Vec<ProductId>, Failure> {
    let mut unknown: BTreeSet<_> = products.cloned().collect();
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    for record in stored(context, &unknown).await {
        if record.listing == Listing::Live {
            unknown.remove(&record.product);
        }
    }
    let missing = look_up(context, &unknown).await;
    if missing.is_empty() {
        return Ok(missing);
    }
    let ids: Vec<_> = missing.iter().map(ProductId::as_str).collect();
    let question = alike(context, &missing).await?;
    output::note(&format!(
        "warning: AWS Marketplace does not list {}{question} (the product of a private offer is not listed, either)",
        ids.join(", ")
    ));
    if let Some(more @ 1..) = unknown.len().checked_sub(MOST_LOOKED_UP) {
        output::note(&format!(
            "{} not looked up",
            output::count(more, "more new product")
        ));
    }
    Ok(missing)
}

/// Those of the first few that AWS Marketplace does not have. None if it cannot be asked, with a note.
async fn look_up(context: &Context, products: &BTreeSet<ProductId>) -> Vec<ProductId> {
    let directory = ProductDirectory::new(&context.config);
    let progress = Progress::new();
    progress.step("looking the products up in AWS Marketplace");
    let mut missing = Vec::new();
    let mut unread = None;
    for product in products.iter().take(MOST_LOOKED_UP) {
        match directory.product(product).await {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(product.clone()),
            // The next answer would be the same, after the same time.
            Err(error) => {
                unread = Some(format!(
                    "AWS Marketplace did not say whether {product} exists: {error}"
                ));
                break;
            }
        }
    }
    progress.finish();
    if let Some(words) = unread {
        output::note(&words);
    }
    missing
}
