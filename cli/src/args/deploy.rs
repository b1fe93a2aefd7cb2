//! The command line of what deploys and removes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

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
    /// Make an experience for the account too, as `pmp-sync member bootstrap` does: with a policy and its
    /// organization as the audience, and disabled.
    #[arg(long)]
    pub(crate) bootstrap: bool,
    /// What that experience is called [default: the name that the stacks have].
    #[arg(long, value_name = "NAME", requires = "bootstrap", value_parser = crate::experience::name)]
    pub(crate) experience_name: Option<String>,
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

/// A member by its name, or an account that may never have been configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Member(MemberName),
    Account(AccountId),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name begins with a letter.
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let account = AccountId::new(text);
            return account
                .map(Self::Account)
                .map_err(|error| error.to_string());
        }
        let name = MemberName::new(text);
        name.map(Self::Member).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => name.fmt(f),
            Self::Account(account) => account.fmt(f),
        }
    }
}

/// `member remove`
#[derive(Debug, Args)]
pub(crate) struct RemoveOptions {
    /// The member, by its name in the configuration, or the number of an account that has none.
    #[arg(value_name = "NAME")]
    pub(crate) member: Who,
    /// What becomes of its experiences. Archiving needs the credentials of --profile.
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
