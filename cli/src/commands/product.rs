//! `pmp-sync product`: the lists of the management experience from the command line. It acts with the
//! operator's credentials; the producer only reads. Everything is safe to repeat.

mod change;
mod export;
mod import;
pub(crate) mod list;
pub(crate) mod search;

use clap::Subcommand;
use pmp_sync_domain::policy::Action;

use crate::failure::Failure;
use crate::options::Common;

#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    /// List the products of the management experience. Changes nothing.
    List(list::ListOptions),
    /// Search AWS Marketplace, and show what is allowed already. Changes nothing.
    Search(search::SearchOptions),
    /// Allow products in the management experience. Shows what it means in each member, and asks.
    Allow(change::ChangeOptions),
    /// Deny products in the management experience. Shows what it means in each member, and asks.
    Deny(change::ChangeOptions),
    /// Allow and deny the products of a CSV or JSON file. Shows what it means in each member, and asks.
    Import(import::ImportOptions),
    /// Write the lists of the management experience as a file that `import` reads. Changes nothing.
    Export(export::ExportOptions),
    /// Show how a file differs from the lists of the management experience. Changes nothing.
    Diff(import::DiffOptions),
}

pub(crate) async fn run(common: &Common, command: &ProductCommand) -> Result<(), Failure> {
    match command {
        ProductCommand::List(options) => list::run(common, options).await,
        ProductCommand::Search(options) => search::run(common, options).await,
        ProductCommand::Allow(options) => change::run(common, options, Action::Allow).await,
        ProductCommand::Deny(options) => change::run(common, options, Action::Deny).await,
        ProductCommand::Import(options) => import::run(common, options).await,
        ProductCommand::Export(options) => export::run(common, options).await,
        ProductCommand::Diff(options) => import::diff(common, options).await,
    }
}
