//! `pmp-sync requests`: what users of all members request. Reads the ledger; the answers change the
//! management experience with the operator's credentials.

mod answer;
mod decide;
mod table;

use std::time::Duration;

use clap::{Args, Subcommand};
use pmp_sync_domain::ids::{ExperienceId, MemberName};

pub(crate) use self::answer::{DecisionAnswer, RequestsAnswer};
use self::table::told;
use crate::client::context::Context;
use crate::client::requests::{KnownRequest, Requests};
use crate::client::watch::watch;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// Which requests are shown; everything that is not narrowed is.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RequestsOptions {
    /// Only of this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    members: Vec<MemberName>,
    /// Only for this product: its id, or a part of its title. May be given several times.
    #[arg(long = "product", value_name = "PRODUCT")]
    products: Vec<String>,
    /// Also those that have ended, as long as they are kept.
    #[arg(long)]
    all: bool,
    /// Read again and again until Ctrl-C. Redraws on a terminal, and prints a block for each change otherwise.
    #[arg(long)]
    watch: bool,
    /// The time between two reads, such as 5s or 1m.
    #[arg(long, default_value = "5s", requires = "watch", value_parser = pmp_sync_deploy::local::duration)]
    interval: Duration,
    #[command(subcommand)]
    command: Option<RequestsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestsCommand {
    /// Allow the requested product in the management experience, and record the answer. The request itself is
    /// answered in the member's console.
    Approve(ApproveOptions),
    /// Record that a request is declined, and deny the product in the management experience if that is wanted. The
    /// request itself is answered in the member's console.
    Decline(DeclineOptions),
}

/// Which requests are answered.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// A request, or a product: its id, or a part of its title. All requests for that product are answered.
    #[arg(value_name = "REQUEST|PRODUCT")]
    pub(crate) what: String,
    /// Only requests of this member.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<MemberName>,
    /// The management experience. Needed only if the requests' experiences follow none or several.
    #[arg(long, value_name = "ID")]
    pub(crate) experience: Option<ExperienceId>,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveOptions {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The reason, for the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeclineOptions {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The reason, for the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Deny the product in the management experience as well.
    #[arg(long)]
    pub(crate) deny: bool,
}

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
