//! What products are called, and which product is meant by an id, an address or a name.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_aws::discovery::search::{FoundProduct, ListingSearch, MOST_TEXT};
use pmp_sync_domain::config::Problem;
use pmp_sync_domain::find_product::{KnownProduct, Reference, is_part, is_same_name, similar};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::{PolicySnapshot, Standing};
use pmp_sync_domain::product_list::Row;
use pmp_sync_domain::suggest::MOST as MOST_SUGGESTIONS;
use pmp_sync_domain::text::beginning;

use crate::client::context::Context;
use crate::client::products::{Resolved, Unresolved, failure, meant, names, resolve_each};
use crate::failure::Failure;
use crate::output;

/// The most names that are looked up for one command: ten a second are answered.
const MOST_LOOKED_UP: usize = 1_000;
/// The most candidates that a message lists.
const MOST_LISTED: usize = 5;
/// The most names whose words are looked for one by one, because nothing has the name.
const MOST_SEARCHED_AGAIN: usize = 5;
/// The most words of such a name.
const MOST_WORDS: usize = 4;
/// The most products that a search for one name looks at.
const MOST_FOUND: usize = 20;

/// The names of products, as far as they are known.
pub(crate) async fn names_of(
    context: &Context,
    products: &BTreeSet<ProductId>,
) -> BTreeMap<ProductId, String> {
    let known = names(context, products).await;
    let known = known.iter();
    known
        .map(|(product, name)| (product.clone(), name.to_owned()))
        .collect()
}

/// The id that a text is by its form.
fn id_of(text: &str) -> Option<ProductId> {
    match Reference::parse(text) {
        Ok(Reference::Id(id)) => Some(id),
        Ok(Reference::Listing(_) | Reference::Words(_)) | Err(_) => None,
    }
}

/// The products that texts mean, or why none or no single one is meant. What the ledger has no name of is
/// looked for in AWS Marketplace.
pub(crate) async fn resolve(
    context: &Context,
    texts: &[&str],
    lists: &PolicySnapshot,
) -> Result<Vec<Result<ProductId, String>>, Failure> {
    let is_listed = |id: &ProductId| lists.standing(id) != Standing::Unlisted;
    let by_id = |text: &str| {
        let listed = || ProductId::new(text).ok().filter(is_listed);
        id_of(text).or_else(listed)
    };
    let others: BTreeSet<_> = texts.iter().filter(|text| by_id(text).is_none()).collect();
    if others.len() > MOST_LOOKED_UP {
        return Err(Failure::CommandLine {
            message: format!("more than {MOST_LOOKED_UP} products are named without their ids"),
            remedy: "split the file, or give the ids".to_owned(),
        });
    }
    let others: Vec<_> = others.into_iter().map(|text| (*text).to_owned()).collect();
    let search = ListingSearch::new(&context.config);
    let mut looked_up = BTreeMap::new();
    let mut again = MOST_SEARCHED_AGAIN;
    if !others.is_empty() {
        let known = resolve_each(context, &others).await?;
        for (text, known) in others.iter().zip(known) {
            let meant = match known {
                Ok(product) => only_of(&search, text, product).await,
                Err(Unresolved::Nothing { similar, .. }) => {
                    named(&search, text, &similar, &mut again).await?
                }
                Err(unresolved) => Err(failure(&[unresolved]).to_string()),
            };
            looked_up.insert(text.as_str(), meant);
        }
    }
    let meant = texts.iter().map(|text| match by_id(text) {
        Some(id) => Ok(id),
        None => looked_up
            .get(text)
            .cloned()
            .unwrap_or_else(|| Err(format!("{text:?} is not understood"))),
    });
    Ok(meant.collect())
}

/// What AWS Marketplace has by a name.
enum Found {
    /// One product: it has this name, or it is the only one with this part of a name.
    One(FoundProduct),
    /// Each of these may be meant.
    Several(Vec<FoundProduct>),
    /// None of these is meant.
    None(Vec<FoundProduct>),
}

/// Looks for a name, or a part of one, in AWS Marketplace.
async fn search_for(search: &ListingSearch, text: &str) -> Result<Found, Failure> {
    let found = search
        .search(beginning(text, MOST_TEXT), MOST_FOUND)
        .await?;
    let (exact, others): (Vec<_>, Vec<_>) = found
        .products
        .into_iter()
        .partition(|one| is_same_name(&one.name, text));
    if exact.len() == 1 {
        return Ok(match exact.into_iter().next() {
            Some(only) => Found::One(only),
            None => Found::None(others),
        });
    }
    let part = |one: &FoundProduct| {
        is_part(text) && one.name.to_lowercase().contains(&text.to_lowercase())
    };
    let (mut parts, others): (Vec<_>, Vec<_>) = others.into_iter().partition(part);
    let mut meant = exact;
    meant.append(&mut parts);
    Ok(match (meant.as_slice(), found.is_cut_off) {
        ([], _) => Found::None(others),
        ([only], false) => Found::One(only.clone()),
        _ => Found::Several(meant),
    })
}

fn listed<'a>(products: impl IntoIterator<Item = &'a FoundProduct>) -> String {
    let listed = products.into_iter().take(MOST_LISTED);
    let listed: Vec<_> = listed
        .map(|one| format!("{} ({})", one.product, one.name))
        .collect();
    listed.join(", ")
}

fn several(text: &str, products: &[FoundProduct]) -> String {
    format!(
        "{text:?} does not name one product; there are {}",
        listed(products)
    )
}

/// The one product of that name. Says on stderr which one that is. `alike` are those of the ledger with similar names, and
/// `again` is how many more names may be searched word by word.
async fn named(
    search: &ListingSearch,
    text: &str,
    alike: &[KnownProduct],
    again: &mut usize,
) -> Result<Result<ProductId, String>, Failure> {
    let others = match search_for(search, text).await? {
        Found::One(only) => {
            output::note(&format!("{text:?} is {} ({})", only.product, only.name));
            return Ok(Ok(only.product));
        }
        Found::Several(products) => return Ok(Err(several(text, &products))),
        Found::None(others) => others,
    };
    let mut offered: Vec<_> = others.iter().map(known).collect();
    if alike.is_empty() && offered.is_empty() && *again > 0 {
        *again -= 1;
        offered = by_words(search, text).await?;
    }
    let mut near = alike.to_vec();
    near.extend(similar(text, &offered).into_iter().cloned());
    near.sort();
    near.dedup_by(|one, other| one.id == other.id);
    near.truncate(MOST_SUGGESTIONS);
    let beginning = format!("AWS Marketplace has no product {text:?}");
    Ok(Err(match (near.as_slice(), others.as_slice()) {
        ([], []) => beginning,
        ([], others) => format!("{beginning}; there are {}", listed(others)),
        (near, _) => format!("{beginning}{}", meant(near)),
    }))
}

/// What AWS Marketplace has by the words of a name, one by one: one of them may be misspelt.
async fn by_words(search: &ListingSearch, text: &str) -> Result<Vec<KnownProduct>, Failure> {
    let words: Vec<_> = text.split_whitespace().collect();
    let mut found = Vec::new();
    if words.len() < 2 {
        return Ok(found);
    }
    for word in words.into_iter().take(MOST_WORDS) {
        let offered = search
            .search(beginning(word, MOST_TEXT), MOST_FOUND)
            .await?;
        found.extend(offered.products.iter().map(known));
    }
    Ok(found)
}

fn known(found: &FoundProduct) -> KnownProduct {
    KnownProduct {
        id: found.product.clone(),
        name: found.name.clone(),
        manufacturer: found.manufacturer.clone(),
        listing: found.listing.clone(),
    }
}

/// A product whose name has this part, by what the ledger knows. The ledger may not know the names of all that have it, and this one
/// is about to be changed.
async fn only_of(
    search: &ListingSearch,
    text: &str,
    product: Resolved,
) -> Result<ProductId, String> {
    let is_whole = match Reference::parse(text) {
        Ok(Reference::Id(_) | Reference::Listing(_)) | Err(_) => true,
        Ok(Reference::Words(_)) => product
            .name
            .as_deref()
            .is_none_or(|name| is_same_name(name, text)),
    };
    if is_whole {
        return Ok(product.id);
    }
    match search_for(search, text).await {
        Ok(Found::One(only)) if only.product == product.id => Ok(product.id),
        // A private offer is not in the search.
        Ok(Found::None(_)) => Ok(product.id),
        Ok(Found::One(other)) => Err(both(text, &product, &[other])),
        Ok(Found::Several(others)) => Err(both(text, &product, &others)),
        Err(error) => Err(format!(
            "{text:?} is a part of the name of {}, and AWS Marketplace did not say whether it is one of others, too: {error}; give the full name or the id",
            product.id
        )),
    }
}

fn both(text: &str, product: &Resolved, others: &[FoundProduct]) -> String {
    let name = product.name.as_deref().unwrap_or_default();
    let others: Vec<_> = others
        .iter()
        .filter(|one| one.product != product.id)
        .collect();
    if others.is_empty() {
        return format!(
            "{text:?} is a part of more names than are read; give the full name or the id"
        );
    }
    format!(
        "{text:?} does not name one product; there are {} ({name}), {}",
        product.id,
        listed(others)
    )
}

/// The products of rows, and a problem for each row that names no single product.
pub(crate) async fn resolve_rows(
    context: &Context,
    rows: Vec<Row>,
    lists: &PolicySnapshot,
) -> Result<(Vec<(Row, ProductId)>, Vec<Problem>), Failure> {
    let texts: Vec<_> = rows.iter().map(|row| row.product.as_str()).collect();
    let meant = resolve(context, &texts, lists).await?;
    let mut resolved = Vec::with_capacity(rows.len());
    let mut problems = Vec::new();
    for (row, meant) in rows.into_iter().zip(meant) {
        match meant {
            Ok(product) => resolved.push((row, product)),
            Err(message) => problems.push(Problem {
                line: row.at.line,
                column: row.at.column,
                message,
            }),
        }
    }
    Ok((resolved, problems))
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn ids_are_told_from_names_by_their_form() {
        for id in ["prod-dr2vpvd4k73aq", "1d288c71-65f9-489a-a3e2-9c7f4f6e6a85"] {
            assert!(id_of(id).is_some(), "{id}");
        }
        for name in [
            "MongoDB",
            "prodview-6dkgwbjhd4epk",
            "1d288c71-65f9-489a-a3e2-9c7f4f6e6a8x",
            "",
        ] {
            assert!(id_of(name).is_none(), "{name}");
        }
    }
}
