//! `pmp-sync product export`: the lists as a file, so that they can live in a repository.

use clap::{Args, ValueEnum};
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::product_list::{Export, ExportedProduct, to_csv, to_json};

use crate::client::context::Context;
use crate::client::product_list::managed::{Managed, WhichList, which};
use crate::client::product_list::names::names_of;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For spreadsheets.
    Csv,
    /// For programs. --json selects it, too.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// The form of the file.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    #[command(flatten)]
    which: WhichList,
}

pub(super) async fn run(common: &Common, options: &ExportOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let id = which(&context, &options.which).await?;
    let managed = Managed::read(&CatalogAdmin::new(&context.config), &id).await?;
    let listed = managed.lists.iter().map(|(product, _)| product.clone());
    let names = names_of(&context, &listed.collect()).await;
    let products = managed
        .lists
        .iter()
        .map(|(product, standing)| ExportedProduct {
            product_id: product.clone(),
            standing,
            name: names.get(product).cloned(),
            notes: managed.notes.get(product).cloned(),
        });
    let export = Export {
        schema: SCHEMA,
        management_experience: id,
        products: products.collect(),
    };
    if !managed.lists.invalid().is_empty() {
        output::note(&format!(
            "{} left out: their ids are not valid",
            output::count(managed.lists.invalid().len(), "listed text")
        ));
    }
    if common.json || options.format == Format::Json {
        let text = to_json(&export).map_err(|error| Failure::File {
            path: "stdout".to_owned(),
            error: error.into(),
        })?;
        return output::verbatim_json(&text);
    }
    output::verbatim(&to_csv(&export))
}
