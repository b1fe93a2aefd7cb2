//! `pmp-sync requests`: what users of all members request. Reads the ledger; the answers change the
//! management experience with the operator's credentials.

pub(crate) mod answer;
mod decide;
mod options;
mod table;

use std::collections::BTreeSet;

use pmp_sync_domain::ids::ProductId;

use self::answer::RequestsAnswer;
use self::options::RequestsCommand;
pub(crate) use self::options::RequestsOptions;
use self::table::told;
use crate::client::context::Context;
use crate::client::requests::{KnownRequest, Requests};
use crate::client::scope;
use crate::client::watch::watch;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

pub(crate) async fn run(common: &Common, options: &RequestsOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    match &options.command {
        Some(RequestsCommand::Approve(command)) => decide::approve(common, &context, command).await,
        Some(RequestsCommand::Decline(command)) => decide::decline(common, &context, command).await,
        None => list(common, &context, options).await,
    }
}

async fn list(
    common: &Common,
    context: &Context,
    options: &RequestsOptions,
) -> Result<(), Failure> {
    scope::members(&options.members, context).await?;
    let requests = Requests::read(context, options.all).await?;
    // Before it goes on and on: a misspelt product would show nothing, as if nothing was requested.
    let products = requests.products(context, &options.products).await?;
    if options.watch {
        let read = async || {
            let requests = Requests::read(context, options.all).await?;
            let products = requests.products(context, &options.products).await?;
            Ok(told(&requests, |known| {
                is_wanted(options, &products, known)
            }))
        };
        return watch(
            common,
            context,
            options.interval,
            "pmp-sync requests --json",
            read,
        )
        .await;
    }
    if common.json {
        let answer = RequestsAnswer::new(&requests, |known| is_wanted(options, &products, known));
        return output::json(&answer);
    }
    told(&requests, |known| is_wanted(options, &products, known)).show(context)
}

/// True if it is asked for. `products` are the requested products that the options name.
fn is_wanted(
    options: &RequestsOptions,
    products: &BTreeSet<ProductId>,
    known: &KnownRequest,
) -> bool {
    (options.members.is_empty() || options.members.contains(&known.member))
        && (options.products.is_empty() || products.contains(&known.request.product))
}
