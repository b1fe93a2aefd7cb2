//! `pmp-sync member`: adds, lists, changes and removes members.

pub(crate) mod add;
pub(crate) mod bootstrap;
pub(crate) mod list;
mod remove;

use clap::Subcommand;

use self::remove::RemoveOptions;
use crate::failure::Failure;
use crate::options::Common;

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Add a member with its link to the configuration. Safe to repeat.
    Add(add::AddOptions),
    /// Create an experience for a member account, with a policy and its organization as the audience, and
    /// leave it disabled. Safe to repeat.
    Bootstrap(bootstrap::BootstrapOptions),
    /// Remove a member from the configuration, and delete what was deployed for it. Safe to repeat.
    Remove(RemoveOptions),
    /// List members: their links, what is suspended, and how long ago they were in sync. Changes nothing.
    List,
    /// Set the mode of a member's links.
    Mode(add::ModeOptions),
}

pub(crate) async fn run(common: &Common, command: &MemberCommand) -> Result<(), Failure> {
    match command {
        MemberCommand::Add(options) => add::add(common, options).await,
        MemberCommand::Bootstrap(options) => bootstrap::run(common, options).await,
        MemberCommand::Remove(options) => remove::run(common, options).await,
        MemberCommand::List => list::run(common).await,
        MemberCommand::Mode(options) => add::mode(common, options).await,
    }
}
