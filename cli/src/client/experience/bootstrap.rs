//! Creates an experience for a member account, with a policy and the account's organization as its
//! audience. It stays disabled, so that its list is filled before it governs anybody.

use aws_config::SdkConfig;
use pmp_sync_aws::caller;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::ids::{AccountId, ExperienceId};
use pmp_sync_domain::ports::Clock as _;
use pmp_sync_domain::records::ActKind;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use super::administrator::Administrator;
use super::named::{ExperienceName, find};
use super::{Wanted, agree, organization};
use crate::client::configuration::begin_onboarding;
use crate::client::confirm::confirm_with;
use crate::client::context::Context;
use crate::client::record::record_account;
use crate::failure::Failure;
use crate::progress::Progress;

/// How long to wait for STS.
const WHO: std::time::Duration = std::time::Duration::from_secs(15);

/// The wanted experience.
pub(crate) struct Bootstrap<'a> {
    /// The member account.
    pub(crate) account: &'a AccountId,
    /// The name of the experience.
    pub(crate) name: &'a str,
    /// An existing experience to use instead of a new one.
    pub(crate) experience: Option<&'a ExperienceName>,
    /// The audience. The account's organization if it is empty.
    pub(crate) principals: &'a [String],
    /// True if the operator has agreed that archived experiences give up the audience.
    pub(crate) release: bool,
    /// Some if it is enabled as well; true if the operator has agreed to that.
    pub(crate) enable: Option<bool>,
    /// Timeout for change sets, in seconds.
    pub(crate) timeout: u64,
    /// Why, for the record.
    pub(crate) reason: Option<&'a str>,
}

/// The result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Bootstrapped {
    /// The member account.
    pub(crate) account: AccountId,
    /// The member experience.
    pub(crate) experience: ExperienceId,
    /// The principals in its audience.
    pub(crate) principals: Vec<String>,
    /// False if everything was as wanted already.
    pub(crate) changed: bool,
    /// True if it was requested to be enabled, and is.
    pub(crate) enabled: bool,
}

/// Creates the experience with the member account's `config`.
pub(crate) async fn bootstrap(
    context: &Context,
    config: &SdkConfig,
    wanted: &Bootstrap<'_>,
    progress: &Progress,
) -> Result<Bootstrapped, Failure> {
    let account = wanted.account;
    are_of(config, account).await?;
    let known = begin_onboarding(context, account, None).await?;
    let administrator = Administrator::new(config, progress, wanted.timeout);
    let made = Wanted::Made {
        name: wanted.name.to_owned(),
    };
    // What an earlier attempt created is used, whatever its name.
    let named = match wanted.experience {
        Some(name) => Some(find(&administrator.catalog, name).await?),
        None => None,
    };
    let which = named.as_ref().or(known.experience.as_ref());
    let made = administrator.settle(which, &made).await?;
    let id = made.experience;
    if known.experience.as_ref() != Some(&id) {
        let now = SystemClock.now();
        let ledger = &context.ledger;
        ledger.set_onboarding_experience(account, &id, now).await?;
    }
    let principals = if wanted.principals.is_empty() {
        vec![organization(config).await?]
    } else {
        wanted.principals.to_vec()
    };
    let mut changed = made.changed;
    for (other, principals) in archived_holders(&administrator, &id, &principals).await? {
        let whom = principals.join(", ");
        // A spinner would overwrite the question.
        progress.finish();
        confirm_with(
            wanted.release,
            &format!(
                "{whom} can be in one audience only, and is in that of {other}, which is archived. Take it out there?"
            ),
            "--release-archived",
        )?;
        changed |= administrator.release(&other, &principals).await?;
    }
    let audience = Wanted::Audience {
        principals: principals.clone(),
    };
    changed |= administrator.settle(Some(&id), &audience).await?.changed;
    if let Some(yes) = wanted.enable {
        agree(&administrator, &id, yes, progress).await?;
        let enabled = Wanted::Enabled(true);
        changed |= administrator.settle(Some(&id), &enabled).await?.changed;
    }
    if changed {
        let scope = Scope {
            experiences: vec![id.clone()],
            ..Scope::default()
        };
        let why = wanted.reason;
        record_account(context, ActKind::Bootstrapped, account, &scope, why).await;
    }
    Ok(Bootstrapped {
        account: account.clone(),
        experience: id,
        principals,
        changed,
        enabled: wanted.enable.is_some(),
    })
}

/// Other experiences that are archived, or that are open for this only, and have wanted principals
/// in their audience.
async fn archived_holders(
    administrator: &Administrator<'_>,
    wanted: &ExperienceId,
    principals: &[String],
) -> Result<Vec<(ExperienceId, Vec<String>)>, Failure> {
    let catalog = &administrator.catalog;
    let mut holders = Vec::new();
    for audience in catalog.audiences().await? {
        let other = audience.experience;
        let held = audience.principals.into_iter();
        let held: Vec<_> = held.filter(|one| principals.contains(one)).collect();
        if other == *wanted || held.is_empty() {
            continue;
        }
        if catalog.experience(&other).await?.archived || administrator.is_open(&other).await? {
            holders.push((other, held));
        }
    }
    Ok(holders)
}

/// Checks that the credentials belong to the account. With others, another organization would get
/// the experience.
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
