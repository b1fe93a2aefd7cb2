//! `member bootstrap`: an experience for a member account.

use clap::Args;
use pmp_sync_domain::ids::AccountId;

use crate::client::access::sdk_config_for;
use crate::client::context::Context;
use crate::client::experience;
use crate::client::experience::bootstrap::{Bootstrap, bootstrap};
use crate::client::experience::named::ExperienceName;
use crate::client::product_list::change::reason;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct BootstrapOptions {
    /// The member account, which is to administer its organization's experiences.
    #[arg(long)]
    pub(crate) account: AccountId,
    /// The AWS profile with credentials of the member account [default: the SDK's default chain, if
    /// --management-profile names those of the management account].
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// The name of the experience [default: the name of the installation].
    #[arg(long, value_name = "NAME", value_parser = experience::name)]
    pub(crate) experience_name: Option<String>,
    /// Use this existing experience instead of a new one: its id, its name, or a part of its name.
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) experience: Option<ExperienceName>,
    /// Who is governed instead of the account's organization. May be given several times.
    #[arg(long = "principal", value_name = "ID")]
    pub(crate) principals: Vec<String>,
    /// Take the audience out of archived experiences that still have it. Asks without this.
    #[arg(long)]
    pub(crate) release_archived: bool,
    /// Enable it as well. Says what that means, and asks.
    #[arg(long)]
    pub(crate) enable: bool,
    /// Do not ask.
    #[arg(long, requires = "enable")]
    pub(crate) yes: bool,
    /// The longest time to wait for change sets, in seconds.
    #[arg(long, default_value_t = experience::WAIT)]
    pub(crate) timeout: u64,
    /// Why, for the record: `pmp-sync history` shows it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

pub(crate) async fn run(common: &Common, options: &BootstrapOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let config = sdk_config_for(options.profile.as_deref()).await?;
    let progress = Progress::new();
    let done = bootstrap(
        &context,
        &config,
        &Bootstrap {
            account: &options.account,
            name: options.experience_name.as_ref().unwrap_or(&common.name),
            experience: options.experience.as_ref(),
            principals: &options.principals,
            release: options.release_archived,
            enable: options.enable.then_some(options.yes),
            timeout: options.timeout,
            reason: options.reason.as_deref(),
        },
        &progress,
    )
    .await;
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
    context.note(&format!(
        "next: `pmp-sync deploy member --account {account}`, then `pmp-sync member add NAME --account {account}`"
    ));
    if !done.enabled {
        context.note(&format!(
            "it governs nobody until its list is filled and `pmp-sync experience enable --experience {experience}` is run with this account's credentials"
        ));
    }
    Ok(())
}
