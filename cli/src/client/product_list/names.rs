//! What products are called, and which product is meant by an id, an address or a name.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_aws::discovery::search::{ListingSearch, MOST_TEXT};
use pmp_sync_domain::config::Problem;
use pmp_sync_domain::find_product::Reference;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::{PolicySnapshot, Standing};
use pmp_sync_domain::product_list::{InvalidList, Row};
use pmp_sync_domain::text::beginning;

use crate::client::context::Context;
use crate::client::products::{Unresolved, failure, names, resolve_each};
use crate::failure::Failure;

/// The most names that are looked up for one command: ten a second are answered.
const MOST_LOOKED_UP: usize = 1_000;
/// The most candidates that a message lists.
const MOST_LISTED: usize = 5;
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
    if !others.is_empty() {
        let known = resolve_each(context, &others).await?;
        for (text, known) in others.iter().zip(known) {
            let meant = match known {
                Ok(product) => Ok(product.id),
                Err(Unresolved::Nothing { .. }) => named(&search, text).await?,
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

/// The one product of that name.
async fn named(search: &ListingSearch, text: &str) -> Result<Result<ProductId, String>, Failure> {
    let found = search
        .search(beginning(text, MOST_TEXT), MOST_FOUND)
        .await?;
    let same = |name: &str| name.to_lowercase() == text.to_lowercase();
    let exact: Vec<_> = found
        .products
        .iter()
        .filter(|one| same(&one.name))
        .collect();
    if let [only] = exact.as_slice() {
        return Ok(Ok(only.product.clone()));
    }
    let part = |name: &str| name.to_lowercase().contains(&text.to_lowercase());
    let parts: Vec<_> = found
        .products
        .iter()
        .filter(|one| part(&one.name))
        .collect();
    if let ([only], false) = (parts.as_slice(), found.is_cut_off) {
        return Ok(Ok(only.product.clone()));
    }
    let listed = if parts.is_empty() {
        found.products.iter().collect()
    } else {
        parts
    };
    let listed: Vec<_> = listed
        .iter()
        .take(MOST_LISTED)
        .map(|one| format!("{} ({})", one.product, one.name))
        .collect();
    Ok(Err(if listed.is_empty() {
        format!("AWS Marketplace has no product {text:?}")
    } else {
        format!(
            "{text:?} does not name one product; there are {}",
            listed.join(", ")
        )
    }))
}

/// The products of rows. Every row that names no single product is a problem.
pub(crate) async fn resolve_rows(
    context: &Context,
    rows: Vec<Row>,
    lists: &PolicySnapshot,
    file: &str,
) -> Result<Vec<(Row, ProductId)>, Failure> {
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
    if problems.is_empty() {
        Ok(resolved)
    } else {
        Err(Failure::invalid_list(file, InvalidList::new(problems)))
    }
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
