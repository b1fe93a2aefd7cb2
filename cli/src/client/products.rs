//! Products by what people know of them: an id, a name, a part of a name, or the address of a page in AWS
//! Marketplace. And the names of products, for what commands show.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::find_product::{
    KnownProduct, Matches, NoReference, Reference, find, similar as similar_to,
};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::{Discovery as _, ReadRuns as _};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{Listing, LiveRecord, names_of};
use pmp_sync_domain::suggest::MOST as MOST_SUGGESTIONS;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use crate::failure::Failure;
use crate::output;

/// The most products that are listed if a text means several.
const MOST_LISTED: usize = 20;

/// A product that a text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) id: ProductId,
    /// Its name, if it is known.
    pub(crate) name: Option<String>,
    /// False for an id of which neither the ledger nor AWS Marketplace has said anything: it may be a typo.
    pub(crate) is_known: bool,
}

/// A text means no product, or more than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// The text can mean none.
    Text(NoReference),
    /// It means several.
    Several {
        text: String,
        products: Vec<KnownProduct>,
    },
    /// It means none of those that are known; these are similar.
    Nothing {
        text: String,
        similar: Vec<KnownProduct>,
    },
    /// AWS Marketplace does not have the page.
    NoPage { listing: String },
    /// AWS Marketplace could not be asked whose page it is.
    PageUnread {
        listing: String,
        error: ServiceError,
    },
}

/// The products that these texts mean, in their order. Says on stderr which product is meant, unless its id
/// was given. An error if one means none or several.
pub(crate) async fn resolve(context: &Context, texts: &[String]) -> Result<Vec<Resolved>, Failure> {
    let mut found = Vec::new();
    let mut unresolved = Vec::new();
    for result in resolve_each(context, texts).await? {
        match result {
            Ok(product) => found.push(product),
            Err(error) => unresolved.push(error),
        }
    }
    if unresolved.is_empty() {
        return Ok(found);
    }
    Err(failure(&unresolved))
}

/// Like [`resolve`], with a result for each text.
pub(crate) async fn resolve_each(
    context: &Context,
    texts: &[String],
) -> Result<Vec<Result<Resolved, Unresolved>>, Failure> {
    let parsed: Vec<_> = texts.iter().map(|text| Reference::parse(text)).collect();
    let references: Vec<_> = parsed
        .iter()
        .filter_map(|read| read.as_ref().ok())
        .collect();
    let records = records(context, &references).await?;
    let known: Vec<_> = records.iter().map(LiveRecord::known).collect();
    let mut results = Vec::new();
    for (text, parsed) in texts.iter().zip(parsed) {
        let result = match parsed {
            Ok(reference) => one(context, text, &reference, &known, &records).await,
            Err(error) => Err(Unresolved::Text(error)),
        };
        results.push(result);
    }
    Ok(results)
}

/// What is stored of products. If all are named by their ids, only of these.
async fn records(context: &Context, references: &[&Reference]) -> Result<Vec<LiveRecord>, Failure> {
    let id = |reference: &&Reference| match reference {
        Reference::Id(id) => Some(id.clone()),
        Reference::Listing(_) | Reference::Words(_) => None,
    };
    let ids: Option<BTreeSet<_>> = references.iter().map(id).collect();
    match ids {
        Some(ids) if ids.is_empty() => Ok(Vec::new()),
        Some(ids) => Ok(stored(context, &ids).await),
        None => Ok(context.readable(context.ledger.listings().await?)),
    }
}

async fn one(
    context: &Context,
    text: &str,
    reference: &Reference,
    known: &[KnownProduct],
    records: &[LiveRecord],
) -> Result<Resolved, Unresolved> {
    match (find(reference, known), reference) {
        (Matches::One(product), _) => Ok(chosen(text, product, records)),
        (Matches::Several(products), _) => Err(Unresolved::Several {
            text: text.to_owned(),
            products: products.into_iter().cloned().collect(),
        }),
        // It may be a product that no run has asked for yet.
        (Matches::None(_), Reference::Id(id)) => Ok(Resolved {
            id: id.clone(),
            name: None,
            is_known: false,
        }),
        (Matches::None(_), Reference::Listing(listing)) => of_page(context, text, listing).await,
        (Matches::None(similar), Reference::Words(_)) => Err(Unresolved::Nothing {
            text: text.to_owned(),
            similar: similar.into_iter().cloned().collect(),
        }),
    }
}

/// Asks AWS Marketplace whose page it is.
async fn of_page(context: &Context, text: &str, listing: &str) -> Result<Resolved, Unresolved> {
    let directory = ProductDirectory::new(&context.config);
    match directory.products_of_listing(listing).await {
        Ok(Some(products)) => match products.as_slice() {
            [] => Err(Unresolved::NoPage {
                listing: listing.to_owned(),
            }),
            [one] => Ok(chosen(text, one, &[])),
            _ => Err(Unresolved::Several {
                text: text.to_owned(),
                products,
            }),
        },
        Ok(None) => Err(Unresolved::NoPage {
            listing: listing.to_owned(),
        }),
        Err(error) => Err(Unresolved::PageUnread {
            listing: listing.to_owned(),
            error,
        }),
    }
}

/// The product that is used. Its name is said, unless its id was given.
fn chosen(text: &str, product: &KnownProduct, records: &[LiveRecord]) -> Resolved {
    if !text.trim().eq_ignore_ascii_case(product.id.as_str()) {
        output::note(&format!("\"{}\" is {product}", text.trim()));
    }
    let record = records.iter().find(|record| record.product == product.id);
    Resolved {
        id: product.id.clone(),
        name: (!product.name.is_empty()).then(|| product.name.clone()),
        is_known: record.is_none_or(exists),
    }
}

/// True if AWS Marketplace has the product, or has had it.
fn exists(record: &LiveRecord) -> bool {
    record.listing == Listing::Live || record.details.is_some()
}

/// The failure of texts that mean no product, or several.
pub(crate) fn failure(unresolved: &[Unresolved]) -> Failure {
    let messages: Vec<_> = unresolved.iter().take(MOST_LISTED).map(message).collect();
    let mut message = messages.join("\n");
    if unresolved.len() > MOST_LISTED {
        let more = unresolved.len() - MOST_LISTED;
        let _ = write!(message, "\nand {}", output::count(more, "more text"));
    }
    let mut remedies: Vec<_> = unresolved.iter().map(remedy).collect();
    remedies.sort_unstable();
    remedies.dedup();
    Failure::Unknown {
        message,
        remedy: remedies.join("; "),
    }
}

fn message(unresolved: &Unresolved) -> String {
    match unresolved {
        Unresolved::Text(error) => error.to_string(),
        Unresolved::Several { text, products } => {
            let count = products.len();
            let listed = products.iter().take(MOST_LISTED);
            let lines: Vec<_> = listed.map(|product| format!("\n  {product}")).collect();
            let lines = lines.concat();
            let more = match count.saturating_sub(MOST_LISTED) {
                0 => String::new(),
                more => format!("\n  and {more} more"),
            };
            format!("\"{text}\" means {count} products:{lines}{more}")
        }
        Unresolved::Nothing { text, similar } => {
            format!(
                "no known product has the name or id \"{text}\"{}",
                meant(similar)
            )
        }
        Unresolved::NoPage { listing } => {
            format!("AWS Marketplace has no page {listing}, and no known product has it")
        }
        Unresolved::PageUnread { listing, error } => format!(
            "{listing} is the id of a page, not of a product, and AWS Marketplace did not say whose page it is: {error}"
        ),
    }
}

/// The question behind a text that means nothing.
pub(crate) fn meant(similar: &[KnownProduct]) -> String {
    let similar: Vec<_> = similar.iter().map(ToString::to_string).collect();
    match similar.as_slice() {
        [] => String::new(),
        several => format!("; did you mean {}?", several.join(", or ")),
    }
}

fn remedy(unresolved: &Unresolved) -> &'static str {
    match unresolved {
        Unresolved::Text(_) => {
            "name an id (prod-… or a UUID), a name or a part of it, or the URL of a page of AWS Marketplace"
        }
        Unresolved::Several { .. } => "give more of the name, or the id of one of them",
        Unresolved::Nothing { .. } => {
            "check the spelling; products are known by name once a scheduled run has looked them up, and by id (prod-… or a UUID) at any time"
        }
        Unresolved::NoPage { .. } => {
            "open the page in a browser: a page that was replaced has another address"
        }
        Unresolved::PageUnread { .. } => {
            "name the product by its id (prod-… or a UUID), or allow these credentials aws-marketplace:GetListing"
        }
    }
}

/// The names of products, as far as they are known. Nothing fails for lack of them.
pub(crate) async fn names(context: &Context, products: &BTreeSet<ProductId>) -> Names {
    if products.is_empty() {
        return Names::default();
    }
    names_of(&stored(context, products).await)
}

/// What is stored of these products. Nothing, with a note, if it cannot be read.
pub(crate) async fn stored(context: &Context, products: &BTreeSet<ProductId>) -> Vec<LiveRecord> {
    match context.ledger.live(products).await {
        Ok(found) => found.items,
        Err(error) => {
            output::note(&format!("products are shown without their names: {error}"));
            Vec::new()
        }
    }
}

/// An answer in which products are mentioned.
pub(crate) trait Mentions {
    /// The products.
    fn products(&self) -> BTreeSet<ProductId>;
}

/// An answer, with the names of the products in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Named<T> {
    #[serde(flatten)]
    pub(crate) answer: T,
    /// The names of the products in this answer, by id. A product whose name is not known is left out.
    pub(crate) names: Names,
}

/// Adds the names of its products to an answer.
pub(crate) async fn named<T: Mentions>(context: &Context, answer: T) -> Named<T> {
    let names = names(context, &answer.products()).await;
    Named { answer, names }
}

/// The failure of ids that no list has and that AWS Marketplace does not have, if there are such. It is asked
/// for the first few.
pub(crate) async fn must_exist(context: &Context, products: &[ProductId]) -> Result<(), Failure> {
    if products.is_empty() {
        return Ok(());
    }
    let directory = ProductDirectory::new(&context.config);
    let mut missing = Vec::new();
    for product in products.iter().take(MOST_LISTED) {
        match directory.product(product).await {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(format!(
                "no product {product}: no list has it, and AWS Marketplace does not list it"
            )),
            Err(error) => missing.push(format!(
                "no list has the product {product}, and AWS Marketplace did not say whether it exists: {error}"
            )),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let meant = alike(context, products).await?;
    Err(Failure::Unknown {
        message: format!("{}{meant}", missing.join("\n")),
        remedy: "check the id: it begins with prod- or is a UUID; a name or the URL of the product's page works, too"
            .to_owned(),
    })
}

/// The question behind ids of products that AWS Marketplace does not have. Empty if none that is known is alike.
pub(crate) async fn alike(context: &Context, products: &[ProductId]) -> Result<String, Failure> {
    let known = context.readable(context.ledger.listings().await?);
    let known: Vec<_> = known.iter().map(LiveRecord::known).collect();
    let mut similar: Vec<_> = products
        .iter()
        .take(MOST_LISTED)
        .flat_map(|product| similar_to(product.as_str(), &known))
        .cloned()
        .collect();
    similar.sort();
    similar.dedup();
    similar.truncate(MOST_SUGGESTIONS);
    Ok(meant(&similar))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, name: &str) -> KnownProduct {
        KnownProduct {
            id: ProductId::new(id).unwrap(),
            name: name.to_owned(),
            manufacturer: String::new(),
            listing: String::new(),
        }
    }

    fn report(unresolved: &Unresolved) -> (u8, String) {
        let failure = failure(std::slice::from_ref(unresolved));
        (failure.exit_code(), failure.report())
    }

    #[test]
    fn several_are_listed_and_none_is_a_question_and_both_end_with_5() {
        let several = Unresolved::Several {
            text: "mongo".to_owned(),
            products: vec![known("prod-a", "MongoDB Atlas"), known("prod-b", "MongoDB")],
        };
        let (exit, told) = report(&several);
        assert_eq!(exit, 5);
        assert!(
            told.contains(
                "\"mongo\" means 2 products:\n  prod-a (MongoDB Atlas)\n  prod-b (MongoDB)"
            ),
            "{told}"
        );
        let none = Unresolved::Nothing {
            text: "MongDB".to_owned(),
            similar: vec![known("prod-b", "MongoDB")],
        };
        let (exit, told) = report(&none);
        assert_eq!(exit, 5);
        assert!(told.contains("did you mean prod-b (MongoDB)?"), "{told}");
    }

    #[test]
    fn a_long_list_is_cut() {
        let many = |number| known(&format!("prod-{number}"), "Example");
        let several = Unresolved::Several {
            text: "example".to_owned(),
            products: (0..1_000).map(many).collect(),
        };
        let (_, told) = report(&several);
        assert!(
            told.contains("means 1000 products") && told.contains("and 980 more"),
            "{told}"
        );
        assert!(told.lines().count() < 30, "{told}");
    }
}
