//! Edits of the stored configuration, stored on condition that the version is the one that was
//! read; and what is known of an account before it is configured.

pub(crate) mod edit;
pub(crate) mod effect;
pub(crate) mod file;

use pmp_sync_aws::system::{SystemClock, SystemEntropy};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::config::difference::difference;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{AccountId, ExternalId, LaneId};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::ports::{Clock as _, Entropy as _};
use pmp_sync_domain::records::{ConfigOrigin, ConfigVersion, Onboarding};

use self::edit::{Edit, EditError};
use super::context::{Context, parsed};
use crate::failure::Failure;

/// A configuration after an edit.
pub(crate) struct Edited {
    /// The version that is in force.
    pub(crate) version: u64,
    /// False if the configuration was the same already.
    pub(crate) stored: bool,
    /// The configuration after the edit.
    pub(crate) config: Config,
}

/// True if a lane is one of a link.
pub(crate) fn serves(link: &Link, lane: &LaneId) -> bool {
    let is_named = link.lane().is_none_or(|named| named == *lane);
    link.member.account == lane.account && is_named
}

/// True if a link of the configuration names the lane, or may cover it with `*`.
pub(crate) fn has_lane(config: &Config, lane: &LaneId) -> bool {
    let mut links = config.links.iter();
    links.any(|link| {
        link.member.account == lane.account
            && match &link.target {
                Target::One(experience) => *experience == lane.experience,
                Target::EveryLive => config.is_free(&lane.experience),
            }
    })
}

/// Edits the configuration and stores it as the next version. The edit is refused if another
/// version was stored in between.
pub(crate) async fn edit_config(
    context: &Context,
    (origin, reason): (ConfigOrigin, Option<&str>),
    edit: impl FnOnce(Option<&str>) -> Result<Edit, EditError>,
) -> Result<Edited, Failure> {
    let standing = context.ledger.current_config().await?;
    let version = standing.as_ref().map(|stored| stored.version);
    let before = standing.as_ref().map(|stored| stored.text.as_str());
    let refused = |error| failure(error, version.unwrap_or_default());
    let read =
        |text: &str| Config::parse(text).map_err(|invalid| refused(EditError::After(invalid)));
    match (edit(before).map_err(refused)?, before) {
        (Edit::Changed(text), _) => {
            let config = read(&text)?;
            let before = before.and_then(|text| Config::parse(text).ok());
            let difference = difference(&before.unwrap_or_default(), &config);
            let requester = context.requester().await;
            let about = ConfigVersion::after(version, origin, SystemClock.now())
                .asked(requester.as_deref(), reason)
                .changing(&difference.summary());
            let version = context.ledger.put_config(&text, &about, version).await?;
            Ok(Edited {
                version,
                stored: true,
                config,
            })
        }
        (Edit::Same, text) => Ok(Edited {
            version: version.unwrap_or_default(),
            stored: false,
            config: text.map(read).transpose()?.unwrap_or_default(),
        }),
    }
}

/// Checks that the stored configuration can be edited so, without storing anything. Returns the text if it
/// changes.
pub(crate) async fn check_edit(
    context: &Context,
    edit: impl FnOnce(Option<&str>) -> Result<Edit, EditError>,
) -> Result<Option<String>, Failure> {
    let standing = context.ledger.current_config().await?;
    let version = standing.as_ref().map_or(0, |stored| stored.version);
    let before = standing.as_ref().map(|stored| stored.text.as_str());
    let edited = edit(before).map_err(|error| failure(error, version))?;
    match edited {
        Edit::Same => Ok(None),
        Edit::Changed(text) => {
            Config::parse(&text).map_err(|invalid| failure(EditError::After(invalid), version))?;
            Ok(Some(text))
        }
    }
}

fn failure(error: EditError, version: u64) -> Failure {
    let message = error.to_string();
    let remedy = match error {
        EditError::Before(invalid) => {
            let fault = RunError::Config(version, invalid.to_string());
            return Failure::Fault(Box::new(fault.record()));
        }
        EditError::After(_) => {
            return Failure::CommandLine {
                message: format!("the configuration was not changed: {message}"),
                remedy: "`pmp-sync config show` shows what stands".to_owned(),
            };
        }
        EditError::Differs { .. } => {
            "`pmp-sync member mode` changes the mode; for anything else take the text of `pmp-sync config show`, change it, and store it with `pmp-sync config apply`"
        }
        EditError::WhichManagementExperience(_) => "name it with --management-experience",
        EditError::Unknown(message) => {
            return Failure::Unknown {
                message,
                remedy: "`pmp-sync member list` lists members and links".to_owned(),
            };
        }
    };
    Failure::CommandLine {
        message,
        remedy: remedy.to_owned(),
    }
}

/// Reads what is known of an account. A new account gets the given external id, or the one that the
/// configuration has for it, or a generated one. It never changes afterwards.
pub(crate) async fn begin_onboarding(
    context: &Context,
    account: &AccountId,
    given: Option<ExternalId>,
) -> Result<Onboarding, Failure> {
    let external_id = match given {
        Some(given) => given,
        None => configured(context, account)
            .await?
            .unwrap_or_else(|| ExternalId::generate(SystemEntropy.bits())),
    };
    let now = SystemClock.now();
    let ledger = &context.ledger;
    Ok(ledger.begin_onboarding(account, external_id, now).await?)
}

/// The external id that the configuration has for an account.
pub(crate) async fn configured(
    context: &Context,
    account: &AccountId,
) -> Result<Option<ExternalId>, Failure> {
    let Some(stored) = context.ledger.current_config().await? else {
        return Ok(None);
    };
    let config = parsed(&stored)?;
    let mut members = config.members.into_values();
    let member = members.find(|member| member.account == *account);
    Ok(member.map(|member| member.external_id))
}
