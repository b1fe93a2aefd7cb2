//! The command line of `requests`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pmp_sync_domain::ids::MemberName;

use crate::client::experience::named::ExperienceName;
use crate::client::product_list::change::reason;

/// Which requests are shown; everything that is not narrowed is.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RequestsOptions {
    /// Only of this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    pub(super) members: Vec<MemberName>,
    /// Only for this product: its id, its name, a part of its name, or its address in AWS Marketplace. May be given
    /// several times.
    #[arg(long = "product", value_name = "PRODUCT")]
    pub(super) products: Vec<String>,
    /// Also those that have ended, as long as they are kept.
    #[arg(long)]
    pub(super) all: bool,
    /// Read again and again until Ctrl-C. Redraws on a terminal, and prints a block for each change otherwise.
    #[arg(long)]
    pub(super) watch: bool,
    /// The time between two reads, such as 5s or 1m.
    #[arg(long, default_value = "5s", requires = "watch", value_parser = pmp_sync_deploy::local::duration)]
    pub(super) interval: Duration,
    #[command(subcommand)]
    pub(super) command: Option<RequestsCommand>,
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
    /// A request: its id, or the beginning of it. Or a product: its id, its name, a part of its name, or its address
    /// in AWS Marketplace. All requests for that product are answered.
    #[arg(value_name = "REQUEST|PRODUCT")]
    pub(crate) what: String,
    /// Only requests of this member.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<MemberName>,
    /// The management experience: its id, its name, or a part of its name. Needed only if the requests' experiences
    /// follow none or several.
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) experience: Option<ExperienceName>,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveOptions {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The reason, for the record.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeclineOptions {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The reason, for the record.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    /// Deny the product in the management experience as well.
    #[arg(long)]
    pub(crate) deny: bool,
}
