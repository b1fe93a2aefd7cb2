//! `member bootstrap`: an experience for a member account, with a policy and the account's organization
//! as its audience. It stays disabled, so that its list is filled before it governs anybody.

use aws_config::SdkConfig;
use clap::Args;
use pmp_sync_aws::caller;
use pmp_sync_aws::config::sdk_config_for;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::ids::{AccountId, ExperienceId};
use pmp_sync_domain::ports::Clock as _;
use pmp_sync_local::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;

use super::configured::begin_onboarding;
use crate::args::Common;
use crate::context::Context;
use crate::experience::administrator::Administrator;
use crate::experience::{self, Wanted, agree, organization};
use crate::failure::Failure;
use crate::output;

/// How long STS is waited for.
const WHO: std::time::Duration = std::time::Duration::from_secs(15);

#[derive(Debug, Args)]
pub(crate) struct BootstrapOptions {
    /// The member account, which is to administer its organization's experiences.
    #[arg(long)]
    pub(crate) account: AccountId,
    /// The profile of the AWS configuration with the member account's credentials. They are those of
    /// the SDK's default chain otherwise; those of the management account are then named with
    /// --management-profile.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// What the experience is called [default: the name that the stacks have].
    #[arg(long, value_name = "NAME", value_parser = experience::name)]
    pub(crate) experience_name: Option<String>,
    /// An experience that is there already, instead of a new one.
    #[arg(long, value_name = "ID")]
    pub(crate) experience: Option<ExperienceId>,
    /// Whom it is to govern instead of the account's organization. May be given several times.
    #[arg(long = "principal", value_name = "ID")]
    pub(crate) principals: Vec<String>,
    /// Enable it as well. Says what that means, and asks.
    #[arg(long)]
    pub(crate) enable: bool,
    /// Do not ask.
    #[arg(long, requires = "enable")]
    pub(crate) yes: bool,
    /// How long to wait for change sets, in seconds.
    #[arg(long, default_value_t = experience::WAIT)]
    pub(crate) timeout: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Bootstrapped {
    /// The member account.
    pub(crate) account: AccountId,
    /// Its experience.
    pub(crate) experience: ExperienceId,
    /// Whom it governs once it is enabled.
    pub(crate) principals: Vec<String>,
    /// False if everything was so already.
    pub(crate) changed: bool,
    /// True if it was asked to be enabled, and is.
    pub(crate) enabled: bool,
}

/// `member bootstrap`
pub(crate) async fn run(common: &Common, options: &BootstrapOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let config = sdk_config_for(options.profile.as_deref()).await;
    let progress = Progress::new();
    let done = bootstrap(common, &context, &config, options, &progress).await;
    progress.finish();
    let done = done?;
    if common.json {
        return output::json(&done);
    }
    output::line(&format!(
        "{} is the experience of account {}, for {}",
        done.experience,
        done.account,
        done.principals.join(", ")
    ))?;
    let (account, experience) = (&done.account, &done.experience);
    output::note(&format!(
        "next: `pmp-sync deploy member --account {account}`, then `pmp-sync member add NAME --account {account}`"
    ));
    if !done.enabled {
        output::note(&format!(
            "it governs nobody until its list is filled and `pmp-sync experience enable --experience {experience}` is run with this account's credentials"
        ));
    }
    Ok(())
}

/// Does it, with the member account's `config`.
pub(crate) async fn bootstrap(
    common: &Common,
    context: &Context,
    config: &SdkConfig,
    options: &BootstrapOptions,
    progress: &Progress,
) -> Result<Bootstrapped, Failure> {
    let account = &options.account;
    are_of(config, account).await?;
    let known = begin_onboarding(context, account, None).await?;
    let administrator = Administrator::new(config, progress, options.timeout);
    let name = options.experience_name.as_ref().unwrap_or(&common.name);
    let made = Wanted::Made { name: name.clone() };
    // What an earlier try has made is not made again, whatever it was called.
    let which = options.experience.as_ref().or(known.experience.as_ref());
    let made = administrator.settle(which, &made).await?;
    let id = made.experience;
    if known.experience.as_ref() != Some(&id) {
        let now = SystemClock.now();
        let ledger = &context.ledger;
        ledger.set_onboarding_experience(account, &id, now).await?;
    }
    let principals = if options.principals.is_empty() {
        vec![organization(config).await?]
    } else {
        options.principals.clone()
    };
    let audience = Wanted::Audience {
        principals: principals.clone(),
    };
    let mut changed = made.changed;
    changed |= administrator.settle(Some(&id), &audience).await?.changed;
    if options.enable {
        agree(&administrator, &id, options.yes, progress).await?;
        let enabled = Wanted::Enabled(true);
        changed |= administrator.settle(Some(&id), &enabled).await?.changed;
    }
    Ok(Bootstrapped {
        account: account.clone(),
        experience: id,
        principals,
        changed,
        enabled: options.enable,
    })
}

/// The credentials are those of the account: with others, another organization would get the experience.
async fn are_of(config: &SdkConfig, account: &AccountId) -> Result<(), Failure> {
    let principal = caller::principal(config, WHO).await?;
    // arn:aws:sts::<account>:...
    let is = principal.split(':').nth(4).unwrap_or_default();
    if is == account.as_str() {
        return Ok(());
    }
    Err(Failure::CommandLine {
        message: format!("the credentials are those of account {is}, not {account}"),
        remedy: "name the profile with that account's credentials with --profile".to_owned(),
    })
}
