//! `pmp-sync product list`: what is on the lists of the management experience.

use clap::Args;
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::Standing;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::product_list::managed::{Managed, WhichList, which};
use crate::client::product_list::names::{names_of, resolve};
use crate::failure::Failure;
use crate::hint::shell;
use crate::options::Common;
use crate::output::{self, column};

/// The number of products that are shown at once.
const DEFAULT_LIMIT: u32 = 100;

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Only products whose id, name or note contains this text.
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Only products with this standing: allowed or denied.
    #[arg(long, value_name = "STANDING", value_parser = standing)]
    standing: Option<Standing>,
    /// The number of products to show.
    #[arg(long, default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Only products after this one, in the order of ids: an id, a name, or an address in AWS Marketplace.
    #[arg(long, value_name = "PRODUCT")]
    after: Option<String>,
    #[command(flatten)]
    which: WhichList,
}

fn standing(text: &str) -> Result<Standing, String> {
    match text.parse() {
        Ok(standing @ (Standing::Allowed | Standing::Denied)) => Ok(standing),
        _ => Err("allowed or denied is expected".to_owned()),
    }
}

/// The products of a management experience.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProductList {
    /// The management experience.
    pub(crate) management_experience: ExperienceId,
    /// Its name.
    pub(crate) name: String,
    /// Number of products that it allows.
    pub(crate) allowed: usize,
    /// Number of products that it denies.
    pub(crate) denied: usize,
    /// The products that were asked for, ordered by id.
    pub(crate) products: Vec<ListedProduct>,
    /// Number of products beyond those that are shown.
    pub(crate) beyond: usize,
}

/// A listed product.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListedProduct {
    /// The product.
    pub(crate) product_id: ProductId,
    /// Allowed or denied.
    pub(crate) standing: Standing,
    /// Its name, if it is known.
    pub(crate) name: Option<String>,
    /// The note with which it was listed.
    pub(crate) notes: Option<String>,
}

pub(super) async fn run(common: &Common, options: &ListOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let id = which(&context, &options.which).await?;
    let managed = Managed::read(&CatalogAdmin::new(&context.config), &id).await?;
    let after = match &options.after {
        Some(text) => Some(meant(&context, text, &managed).await?),
        None => None,
    };
    let listed = managed.lists.iter().map(|(product, _)| product.clone());
    let mut names = names_of(&context, &listed.collect()).await;
    let all = managed
        .lists
        .iter()
        .map(|(product, standing)| ListedProduct {
            product_id: product.clone(),
            standing,
            name: names.remove(product),
            notes: managed.notes.get(product).cloned(),
        });
    let mut products: Vec<_> = all
        .filter(|product| is_meant(product, options, after.as_ref()))
        .collect();
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let beyond = products.len().saturating_sub(limit);
    products.truncate(limit);
    let list = ProductList {
        management_experience: id,
        name: managed.experience.name,
        allowed: managed.lists.allowed_count(),
        denied: managed.lists.denied().len(),
        products,
        beyond,
    };
    if common.json {
        return output::json(&list);
    }
    show(&context, &list, options)
}

/// The product after which the list goes on.
async fn meant(context: &Context, text: &str, managed: &Managed) -> Result<ProductId, Failure> {
    let found = resolve(context, &[text], &managed.lists).await?;
    let found = found.into_iter().next();
    let found = found.unwrap_or_else(|| Err(format!("{text:?} is not understood")));
    found.map_err(|message| Failure::Unknown {
        message,
        remedy: "give the last product of the page before".to_owned(),
    })
}

/// The command that shows the next page.
fn next_page(options: &ListOptions, of: &ExperienceId, last: &ProductId) -> String {
    let mut words = vec!["product list".to_owned()];
    words.extend(options.text.as_deref().map(shell));
    words.extend(
        options
            .standing
            .map(|standing| format!("--standing {standing}")),
    );
    if options.which.management_experience.is_some() {
        words.push(format!("--management-experience {}", shell(of.as_str())));
    }
    if options.limit != DEFAULT_LIMIT {
        words.push(format!("--limit {}", options.limit));
    }
    words.push(format!("--after {}", shell(last.as_str())));
    words.join(" ")
}

fn is_meant(product: &ListedProduct, options: &ListOptions, after: Option<&ProductId>) -> bool {
    let text = options.text.as_deref().unwrap_or_default().to_lowercase();
    let has = |field: &str| field.to_lowercase().contains(&text);
    let named = [product.name.as_deref(), product.notes.as_deref()];
    (has(product.product_id.as_str()) || named.into_iter().flatten().any(has))
        && options
            .standing
            .is_none_or(|standing| standing == product.standing)
        && after.is_none_or(|after| product.product_id > *after)
}

fn show(context: &Context, list: &ProductList, options: &ListOptions) -> Result<(), Failure> {
    output::note(&format!(
        "{} ({}): {} allowed, {} denied",
        list.management_experience, list.name, list.allowed, list.denied
    ));
    if list.products.is_empty() {
        output::note("no product is listed, or none that was asked for");
        return Ok(());
    }
    let rows = list.products.iter().map(|product| {
        vec![
            product.product_id.to_string(),
            product.standing.to_string(),
            output::or_dash(product.name.as_ref()),
            output::or_dash(product.notes.as_ref()),
        ]
    });
    let columns = [
        column("PRODUCT"),
        column("STANDING").state(),
        column("NAME").folds(),
        column("NOTES").folds(),
    ];
    output::table(columns, rows)?;
    if let (Some(last), true) = (list.products.last(), list.beyond > 0) {
        output::note(&format!(
            "and {}; the next: {}",
            output::count(list.beyond, "more product"),
            context.flags.command(&next_page(
                options,
                &list.management_experience,
                &last.product_id
            ))
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_found_by_id_name_and_note_and_narrowed() {
        let product = ListedProduct {
            product_id: "prod-b".parse().unwrap(),
            standing: Standing::Allowed,
            name: Some("Mongo Atlas".to_owned()),
            notes: Some("ticket 7".to_owned()),
        };
        let options = |text: Option<&str>, standing: Option<Standing>| ListOptions {
            text: text.map(str::to_owned),
            standing,
            limit: 1,
            after: None,
            which: WhichList::default(),
        };
        for (text, standing, after, expected) in [
            (None, None, None, true),
            (Some("MONGO"), None, None, true),
            (Some("od-b"), None, None, true),
            (
                Some("ticket"),
                Some(Standing::Allowed),
                Some("prod-a"),
                true,
            ),
            (Some("redis"), None, None, false),
            (None, Some(Standing::Denied), None, false),
            (None, None, Some("prod-b"), false),
        ] {
            let options = options(text, standing);
            let after = after.map(|id| id.parse().unwrap());
            let found = is_meant(&product, &options, after.as_ref());
            assert_eq!(found, expected, "{options:?}");
        }
        assert!(super::standing("unlisted").is_err());
    }

    #[test]
    fn the_next_page_is_a_command_with_all_options_of_this_one() {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: ListOptions,
        }
        let parsed = |words: &[&str]| {
            let words = ["list"].iter().chain(words).copied();
            <Line as clap::Parser>::parse_from(words).options
        };
        let (of, last) = ("exp-1".parse().unwrap(), "prod-b".parse().unwrap());
        assert_eq!(
            next_page(&parsed(&[]), &of, &last),
            "product list --after prod-b"
        );
        let all = [
            "it's",
            "--standing",
            "denied",
            "--limit",
            "7",
            "--management-experience",
            "by its name",
            "--after",
            "prod-a",
        ];
        assert_eq!(
            next_page(&parsed(&all), &of, &last),
            "product list 'it'\\''s' --standing denied --management-experience exp-1 --limit 7 --after prod-b"
        );
    }
}
