//! `pmp-sync member`: adds, lists, changes and removes members.

pub(crate) mod add;
pub(crate) mod bootstrap;
pub(crate) mod list;
mod remove;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use pmp_sync_domain::ids::{AccountId, ExperienceId, ExternalId, MemberName};
use pmp_sync_domain::link::{Mode, Target};

use self::remove::RemoveOptions;
use crate::failure::Failure;
use crate::options::Common;

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Add a member with its link to the configuration. Safe to repeat.
    Add(AddOptions),
    /// Create an experience for a member account, with a policy and its organization as the audience, and
    /// leave it disabled. Safe to repeat.
    Bootstrap(bootstrap::BootstrapOptions),
    /// Remove a member from the configuration, and delete what was deployed for it. Safe to repeat.
    Remove(RemoveOptions),
    /// List members: their links, what is suspended, and how long ago they were in sync. Changes nothing.
    List,
    /// Set the mode of a member's links.
    Mode(ModeOptions),
}

#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// The name of the member: lower-case letters, digits and -.
    pub(crate) name: MemberName,
    /// The member account.
    #[arg(long)]
    pub(crate) account: AccountId,
    /// The management experience that it follows [default: the only one that is followed already].
    #[arg(long, value_name = "ID")]
    pub(crate) management_experience: Option<ExperienceId>,
    /// Its experience, or * for every live one [default: what `member bootstrap` made, else *].
    #[arg(long, value_name = "ID", value_parser = target)]
    pub(crate) experience: Option<Target>,
    /// The mode of the link: observe changes nothing [default: observe].
    #[arg(long, value_parser = modes())]
    pub(crate) mode: Option<Mode>,
    /// The external id of its roles. Needed only for stacks that were deployed without `pmp-sync deploy member`.
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<ExternalId>,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
pub(crate) struct ModeOptions {
    /// The member's name in the configuration.
    pub(crate) name: MemberName,
    /// The mode.
    #[arg(value_parser = modes())]
    pub(crate) mode: Mode,
    /// Only the link for this experience, or for *.
    #[arg(long, value_name = "ID", value_parser = target)]
    pub(crate) experience: Option<Target>,
    #[command(flatten)]
    pub(crate) running: Running,
}

/// Whether a sync follows.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// Start no sync: the next run finds the change.
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// The longest time to wait for the run, in seconds.
    #[arg(long, default_value_t = 3600, conflicts_with = "no_sync")]
    pub(crate) timeout: u64,
}

fn target(text: &str) -> Result<Target, String> {
    if text == "*" {
        return Ok(Target::EveryLive);
    }
    let id = ExperienceId::new(text);
    id.map(Target::One).map_err(|error| error.to_string())
}

fn modes() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(Mode::ALL.map(Mode::as_str)).try_map(|word| word.parse::<Mode>())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_experience_or_every_live_one() {
        assert_eq!(target("*"), Ok(Target::EveryLive));
        let one = Target::One("exp-1".parse().unwrap());
        assert_eq!(target("exp-1"), Ok(one));
        assert!(target("exp-*").unwrap_err().contains("exp-"), "the form");
    }
}
