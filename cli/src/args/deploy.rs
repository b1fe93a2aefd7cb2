//! The command line of what deploys and removes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pmp_sync_domain::ids::{AccountId, MemberName};

/// `deploy`
#[derive(Debug, Subcommand)]
pub(crate) enum DeployCommand {
    /// The management account: bus, inbox, producer and ledger.
    Management(DeployOptions),
    /// A member account: its role in the management account, then its queue and worker.
    Member(DeployMemberOptions),
}

/// What every deployment may be told.
#[derive(Debug, Args)]
pub(crate) struct DeployOptions {
    /// The profile of the AWS configuration with the credentials of the account that is deployed to.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// A parameter of the template; one that is not given stays as it is. May be given several times.
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// The folder with the Lambdas' binaries, if it is not that of this program.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) code: Option<PathBuf>,
    /// The S3 bucket for the code [default: <name>-code-<account>].
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// Execute what is shown without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `deploy member`
#[derive(Debug, Args)]
pub(crate) struct DeployMemberOptions {
    /// The member account.
    #[arg(long)]
    pub(crate) account: AccountId,
    #[command(flatten)]
    pub(crate) options: DeployOptions,
    /// Print the external id as well, which the configuration and both stacks have.
    #[arg(long)]
    pub(crate) show_external_id: bool,
}

/// `destroy`
#[derive(Debug, Args)]
pub(crate) struct DestroyOptions {
    /// The profile of the AWS configuration with the credentials of the management account.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Delete dead letters and requests that nobody has looked at too.
    #[arg(long)]
    pub(crate) discard_dead_letters: bool,
    /// Delete what is shown without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What becomes of the member experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Afterwards {
    /// It stays as it is, and goes on governing.
    Leave,
    /// It is disabled and archived: it governs nobody any more.
    Archive,
}

/// `member remove`
#[derive(Debug, Args)]
pub(crate) struct RemoveOptions {
    /// The member, by its name in the configuration, or the number of an account that has none.
    #[arg(value_name = "NAME")]
    pub(crate) member: MemberName,
    /// What becomes of its experiences.
    #[arg(long, value_enum, value_name = "leave|archive")]
    pub(crate) experience: Afterwards,
    /// The profile of the AWS configuration with the credentials of the member account.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Delete dead letters of the member that nobody has looked at too.
    #[arg(long)]
    pub(crate) discard_dead_letters: bool,
    /// How long to wait until nothing is in flight, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) timeout: u64,
    /// Remove what is shown without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is expected, such as LogRetentionDays=30".to_owned()),
    }
}
