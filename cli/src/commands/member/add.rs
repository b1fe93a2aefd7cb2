//! `member add` and `member mode`: edit the configuration, and request a run for the member.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pmp_sync_domain::answers::plan::PlanRequest;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{AccountId, ExperienceId, ExternalId, MemberName};
use pmp_sync_domain::link::{Mode, Target};
use pmp_sync_domain::records::{ConfigOrigin, RunRecord};
use pmp_sync_domain::sources::Sources;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::configuration::edit::{self, EditError, NewMember};
use crate::client::configuration::{Edited, begin_onboarding, check_edit, configured, edit_config};
use crate::client::context::Context;
use crate::client::plan::preview;
use crate::client::product_list::change::reason;
use crate::client::run;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// The name of the member: lower-case letters, digits and -.
    pub(crate) name: MemberName,
    /// The member account.
    #[arg(long)]
    pub(crate) account: AccountId,
    /// The management experience that it follows; several with a comma between them [default: what the
    /// other links follow, if that is the same].
    #[arg(long, value_name = "ID")]
    pub(crate) management_experience: Option<Sources>,
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
    /// Why. It is recorded with the version of the configuration.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
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

/// The words of the modes of a kind, as alternatives.
fn modes_that(is_wanted: impl Fn(Mode) -> bool) -> String {
    let wanted = Mode::ALL.into_iter().filter(|mode| is_wanted(*mode));
    wanted.map(Mode::as_str).collect::<Vec<_>>().join("|")
}

/// The result.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberChange {
    /// The member's name in the configuration.
    member: MemberName,
    /// The member account.
    account: AccountId,
    /// The version of the configuration that is in force from the next run on.
    version: u64,
    /// False if the configuration was the same already.
    stored: bool,
    /// The member's links after the command.
    links: Vec<LinkView>,
    /// The run that was requested and waited for.
    run: Option<RunRecord>,
}

/// A link of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LinkView {
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub(super) sources: Sources,
    /// The member experience, or `*`.
    pub(super) member_experience: String,
    /// How far the link may go.
    pub(super) mode: Mode,
    /// True if the link is frozen.
    pub(super) frozen: bool,
}

/// The links of a member.
pub(super) fn links_of(config: &Config, name: &MemberName) -> Vec<LinkView> {
    let links = config.links.iter();
    let own = links.filter(|link| link.member.name == *name);
    own.map(|link| LinkView {
        sources: link.sources.clone(),
        member_experience: link.target.to_string(),
        mode: link.policy.mode,
        frozen: link.policy.frozen,
    })
    .collect()
}

impl LinkView {
    pub(super) fn words(&self) -> String {
        let frozen = if self.frozen { ", frozen" } else { "" };
        format!(
            "{} -> {} ({}{frozen})",
            self.sources, self.member_experience, self.mode
        )
    }
}

pub(crate) async fn add(common: &Common, options: &AddOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let account = &options.account;
    let known = match &options.external_id {
        Some(_) => Some(begin_onboarding(&context, account, options.external_id.clone()).await?),
        None => context.ledger.onboarding(account).await?,
    };
    let external_id = match (&known, &options.external_id) {
        (Some(known), Some(given)) if known.external_id != *given => {
            return Err(other_external_id(account));
        }
        (Some(known), _) => known.external_id.clone(),
        // The member was configured by hand.
        (None, _) => match configured(&context, account).await? {
            Some(external_id) => external_id,
            None => return Err(not_deployed(account)),
        },
    };
    let made = known.and_then(|known| known.experience);
    let new = new_member(options, external_id, made);
    if let Some(text) = check_edit(&context, |text| edit::add(text, &new)).await? {
        check_experiences(&context, &options.name, text).await?;
    }
    let asked = (ConfigOrigin::MemberAdd, options.running.reason.as_deref());
    let edited = edit_config(&context, asked, |text| edit::add(text, &new)).await?;
    // A link in observe changes nothing, so a run would have nothing to do.
    let acts = |link: &LinkView| link.mode.acts();
    let wants_run = links_of(&edited.config, &options.name).iter().any(acts);
    finish(
        common,
        &context,
        &options.name,
        &edited,
        wants_run,
        &options.running,
    )
    .await
}

/// Has the producer look at the experiences of a new member before its link is stored. One that does not exist
/// is refused. What cannot be seen yet, such as before the stacks are deployed, is only told.
async fn check_experiences(
    context: &Context,
    name: &MemberName,
    text: String,
) -> Result<(), Failure> {
    let request = PlanRequest {
        scope: Scope {
            members: vec![name.clone()],
            ..Scope::default()
        },
        config: Some(text),
        ..PlanRequest::default()
    };
    let step = "the producer looks at the experiences";
    let preview = match preview(context, request, step).await {
        Ok(preview) => preview,
        Err(failure) => {
            context.note(&format!(
                "warning: whether the experiences exist could not be checked: {failure}"
            ));
            return Ok(());
        }
    };
    for link in &preview.links {
        let Some(fault) = &link.fault else { continue };
        if NOT_THERE.contains(&fault.code.as_str()) {
            return Err(Failure::Unknown {
                message: format!("nothing was stored: {}", fault.message),
                remedy: fault.remedy.clone(),
            });
        }
        let what = output::or_star(link.experience.as_ref());
        context.note(&format!(
            "warning: {}",
            output::fault(Some(&format!("{name} {what}")), fault)
        ));
    }
    Ok(())
}

/// The codes of a management and of a member experience that does not exist.
const NOT_THERE: [&str; 2] = ["PMS-2001", "PMS-3002"];

fn new_member(
    options: &AddOptions,
    external_id: ExternalId,
    made: Option<ExperienceId>,
) -> NewMember {
    NewMember {
        name: options.name.clone(),
        account: options.account.clone(),
        external_id,
        sources: options.management_experience.clone(),
        target: options.experience.clone(),
        mode: options.mode,
        default_target: made.map_or(Target::EveryLive, Target::One),
    }
}

fn other_external_id(account: &AccountId) -> Failure {
    Failure::CommandLine {
        message: format!("account {account} has another external id already"),
        remedy: "leave --external-id out: the one that the account's stacks have is used"
            .to_owned(),
    }
}

fn not_deployed(account: &AccountId) -> Failure {
    Failure::Unknown {
        message: format!("no external id is known of account {account}"),
        remedy: format!(
            "deploy its stacks with `pmp-sync deploy member --account {account}`, or give the parameter ExternalId of stacks that are there with --external-id"
        ),
    }
}

pub(crate) async fn mode(common: &Common, options: &ModeOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let target = options.experience.as_ref();
    let change = |text: Option<&str>| match text {
        Some(text) => edit::set_mode(text, &options.name, target, options.mode),
        None => Err(EditError::Unknown("no configuration is stored".to_owned())),
    };
    let asked = (ConfigOrigin::MemberMode, options.running.reason.as_deref());
    let edited = edit_config(&context, asked, change).await?;
    // Also in observe: the run voids what was planned and has not started.
    finish(
        common,
        &context,
        &options.name,
        &edited,
        true,
        &options.running,
    )
    .await
}

/// Reports the new configuration, then requests a run and waits for it.
async fn finish(
    common: &Common,
    context: &Context,
    name: &MemberName,
    edited: &Edited,
    wants_run: bool,
    running: &Running,
) -> Result<(), Failure> {
    let Some(member) = edited.config.members.get(name) else {
        let message = format!(
            "{name} is not in version {} of the configuration",
            edited.version
        );
        return Err(Failure::NotWell(message));
    };
    let mut change = MemberChange {
        member: name.clone(),
        account: member.account.clone(),
        version: edited.version,
        stored: edited.stored,
        links: links_of(&edited.config, name),
        run: None,
    };
    if !common.json {
        tell(&change)?;
    }
    if wants_run && !running.no_sync {
        let scope = Scope {
            members: vec![name.clone()],
            ..Scope::default()
        };
        // The configuration stays in force, whatever the result of the run. The failure says so.
        change.run = Some(run::about(context, scope, running.timeout).await?);
    }
    if common.json {
        output::json(&change)?;
    }
    let Some(run) = &change.run else {
        tell_next(context, &change);
        return Ok(());
    };
    run::finish(context, run, common.json).await
}

fn tell(change: &MemberChange) -> Result<(), Failure> {
    let stands = if change.stored {
        "is in"
    } else {
        "was already in"
    };
    output::line(&format!(
        "{} {stands} version {} of the configuration:",
        change.member, change.version
    ))?;
    for link in &change.links {
        output::line(&format!("  {}", link.words()))?;
    }
    Ok(())
}

fn tell_next(context: &Context, change: &MemberChange) {
    let name = &change.member;
    context.note(&format!(
        "`pmp-sync plan --member {name}` shows what a run would change"
    ));
    if change.links.iter().any(|link| link.mode.acts()) {
        context.note(&format!(
            "the next run begins with it; `pmp-sync sync --member {name} --wait` is one now"
        ));
    } else {
        context.note(&format!(
            "nothing changes in {} mode; `pmp-sync member mode {name} {}` makes it act",
            modes_that(|mode| !mode.acts()),
            modes_that(Mode::acts)
        ));
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
