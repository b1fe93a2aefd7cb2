//! `pmp-sync requests`: what users of all members request. Reads the ledger; the answers change the
//! management experience with the operator's credentials.

pub(crate) mod answer;
mod decide;
mod options;
mod table;

use self::answer::RequestsAnswer;
use self::options::RequestsCommand;
pub(crate) use self::options::RequestsOptions;
use self::table::told;
use crate::client::context::Context;
use crate::client::requests::{KnownRequest, Requests};
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
    if options.watch {
        let read = async || {
            let requests = Requests::read(context, options.all).await?;
            Ok(told(&requests, |known| is_wanted(options, known)))
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
    let requests = Requests::read(context, options.all).await?;
    check_members(context, options).await?;
    if common.json {
        let answer = RequestsAnswer::new(&requests, |known| is_wanted(options, known));
        return output::json(&answer);
    }
    told(&requests, |known| is_wanted(options, known)).show(context)
}

/// An error if a member is not in the configuration: nothing would be shown, as if nothing was
/// requested.
async fn check_members(context: &Context, options: &RequestsOptions) -> Result<(), Failure> {
    if options.members.is_empty() {
        return Ok(());
    }
    let stored = context.stored_config().await?;
    let config = crate::client::context::parsed(&stored)?;
    let mut members = options.members.iter();
    match members.find(|name| !config.members.contains_key(*name)) {
        Some(name) => Err(Failure::Unknown {
            message: format!("there is no member {name}"),
            remedy: "see `pmp-sync member list`".to_owned(),
        }),
        None => Ok(()),
    }
}

fn is_wanted(options: &RequestsOptions, known: &KnownRequest) -> bool {
    let of_product = |text: &String| known.is_for(text);
    (options.members.is_empty() || options.members.contains(&known.member))
        && (options.products.is_empty() || options.products.iter().any(of_product))
}
