//! `pmp-sync deploy`: the stacks of the management account and of a member, with their code. Every
//! step can be repeated, and continues what an interrupted command has left.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pmp_sync_deploy::bucket::{Bucket, default_name};
use pmp_sync_deploy::change::{DeployedStack, Outcome, Review, Wanted};
use pmp_sync_deploy::elf::Architecture;
use pmp_sync_deploy::installation::{self, CODE_BUCKET, Code, Outputs};
use pmp_sync_deploy::package::{Function, Package, package};
use pmp_sync_deploy::stack::{Found, Stacks};
use pmp_sync_deploy::template::{MANAGEMENT, MEMBER};
use pmp_sync_deploy::{Account, DeployError, binaries};
use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::records::ActKind;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::account::{Part, account_of, member_account};
use crate::client::configuration::begin_onboarding;
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::experience;
use crate::client::experience::bootstrap::{Bootstrap, Bootstrapped, bootstrap};
use crate::client::product_list::change::reason;
use crate::client::record::record_account;
use crate::client::signals::goes_on_to_the_end;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum DeployCommand {
    /// Deploy the management account: bus, inbox, producer and ledger.
    Management(DeployOptions),
    /// Deploy a member account: its role in the management account, then its queue and worker.
    Member(DeployMemberOptions),
}

/// Options of every deployment.
#[derive(Debug, Args)]
pub(crate) struct DeployOptions {
    /// The AWS profile with credentials of the account to deploy to.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// A parameter of the template. Others stay as they are. May be given several times.
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// The folder with the Lambdas' binaries, if it is not that of this program.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) code: Option<PathBuf>,
    /// The S3 bucket for the code. One that exists is used as it is. [default: that of the last
    /// deployment, or <name>-code-<account>]
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
    /// Also create a disabled experience for the account, as `pmp-sync member bootstrap` does.
    #[arg(long)]
    pub(crate) bootstrap: bool,
    /// The name of that experience [default: the name of the installation].
    #[arg(long, value_name = "NAME", requires = "bootstrap", value_parser = experience::name)]
    pub(crate) experience_name: Option<String>,
    /// Take the audience out of archived experiences that still have it. Asks without this.
    #[arg(long, requires = "bootstrap")]
    pub(crate) release_archived: bool,
    /// Print the external id as well.
    #[arg(long)]
    pub(crate) show_external_id: bool,
    /// Why, for the record: `pmp-sync history` shows it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is expected, such as LogRetentionDays=30".to_owned()),
    }
}

/// What `deploy` prints with `--json`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeployAnswer {
    /// The account that was deployed to.
    account: String,
    stacks: Vec<DeployedStack>,
    /// Location of the function's code.
    code: Code,
    /// The experience that was created or existed already, with `--bootstrap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrapped: Option<Bootstrapped>,
    /// The external id of the member's roles, with `--show-external-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The next command.
    next: String,
}

/// `deploy`
pub(crate) async fn run(common: &Common, command: &DeployCommand) -> Result<(), Failure> {
    check_name(&common.name)?;
    let progress = Progress::new();
    let done = match command {
        DeployCommand::Management(options) => management(common, options, &progress).await,
        DeployCommand::Member(options) => member(common, options, &progress).await,
    };
    progress.finish();
    show(common, &done?)
}

async fn management(
    common: &Common,
    options: &DeployOptions,
    progress: &Progress,
) -> Result<DeployAnswer, Failure> {
    MANAGEMENT.check(&options.parameters)?;
    let profile = options.profile.as_deref();
    let profile = profile.or(common.management_profile.as_deref());
    let account = account_of(profile, Part::Management).await?;
    let stacks = Stacks::new(&account, progress);
    let standing = stacks
        .find(&installation::management_stack(&common.name))
        .await?;
    let package = packed(Function::Producer, options, standing.as_ref(), progress).await?;
    let bucket = bucket(common, options, &account, standing.as_ref());
    bucket.check().await?;
    let code = bucket.code(&package);
    let wanted = installation::management(&common.name, &code, &options.parameters);
    take_over(&stacks, &account, &wanted, options.yes, progress).await?;
    let deployed = stacks
        .deploy(&wanted, reviewed(options.yes, progress), async || {
            store(&bucket, &package, progress).await
        })
        .await?;
    Ok(DeployAnswer {
        account: account.id.to_string(),
        stacks: vec![deployed],
        code,
        bootstrapped: None,
        external_id: None,
        next: "pmp-sync deploy member --account ACCOUNT --profile PROFILE".to_owned(),
    })
}

async fn member(
    common: &Common,
    options: &DeployMemberOptions,
    progress: &Progress,
) -> Result<DeployAnswer, Failure> {
    let wanted = &options.options;
    MEMBER.check(&wanted.parameters)?;
    let management = account_of(common.management_profile.as_deref(), Part::Management).await?;
    let account = member_account(wanted.profile.as_deref(), &options.account).await?;
    if management.id == account.id {
        return Err(Failure::CommandLine {
            message: format!(
                "account {} would be the management account and the member account",
                account.id
            ),
            remedy: "name a profile of the management account with --management-profile".to_owned(),
        });
    }
    let here = Stacks::new(&management, progress);
    let there = Stacks::new(&account, progress);
    let outputs = management_outputs(&here, &common.name).await?;
    let standing = there
        .find(&installation::member_stack(&common.name))
        .await?;
    let package = packed(Function::Worker, wanted, standing.as_ref(), progress).await?;
    let bucket = bucket(common, wanted, &account, standing.as_ref());
    bucket.check().await?;
    let code = bucket.code(&package);

    // All checks are done. From here on resources are created.
    progress.step(format!("taking in account {}", account.id));
    let context = Context::with(common, management.config.clone());
    let known = begin_onboarding(&context, &account.id, None).await?;
    let external_id = known.external_id;
    let external_id = external_id.as_str();
    let role = installation::member_access(&common.name, &account.id, external_id, &outputs);
    let access = here
        .deploy(&role, reviewed(wanted.yes, progress), async || Ok(()))
        .await?;
    let stack = installation::member(
        &common.name,
        external_id,
        &outputs,
        &access.outputs,
        &code,
        &wanted.parameters,
    );
    take_over(&there, &account, &stack, wanted.yes, progress).await?;
    let deployed = there
        .deploy(&stack, reviewed(wanted.yes, progress), async || {
            store(&bucket, &package, progress).await
        })
        .await?;
    let is_changed = |stack: &DeployedStack| stack.outcome != Outcome::Unchanged;
    if is_changed(&access) || is_changed(&deployed) {
        let scope = Scope::default();
        let why = options.reason.as_deref();
        record_account(&context, ActKind::Deployed, &account.id, &scope, why).await;
    }
    let bootstrapped = if options.bootstrap {
        let wanted = Bootstrap {
            account: &account.id,
            name: options.experience_name.as_ref().unwrap_or(&common.name),
            experience: None,
            principals: &[],
            release: options.release_archived,
            enable: None,
            timeout: experience::WAIT,
            reason: options.reason.as_deref(),
        };
        Some(bootstrap(&context, &account.config, &wanted, progress).await?)
    } else {
        None
    };
    Ok(DeployAnswer {
        account: account.id.to_string(),
        stacks: vec![access, deployed],
        bootstrapped,
        code,
        external_id: options.show_external_id.then(|| external_id.to_owned()),
        next: format!("pmp-sync member add NAME --account {}", account.id),
    })
}

/// Imports what an earlier stack of the same name has kept, if the operator agrees.
async fn take_over(
    stacks: &Stacks<'_>,
    account: &Account,
    wanted: &Wanted,
    yes: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    let retained = stacks.retained(account, wanted).await?;
    if retained.is_empty() {
        return Ok(());
    }
    progress.finish();
    output::note(&format!(
        "the {} is not there, and an earlier one has kept:",
        stacks.thing(&wanted.stack)
    ));
    for one in &retained {
        output::note(&format!("  {}", one.words()));
    }
    output::note("the new stack takes them over with everything that is in them");
    confirm(yes, "Take them over?")?;
    Ok(stacks.import(wanted, &retained).await?)
}

/// The outputs of the management stack, if it can be used.
async fn management_outputs(stacks: &Stacks<'_>, name: &str) -> Result<Outputs, Failure> {
    let stack = installation::management_stack(name);
    match stacks.find(&stack).await? {
        // A stack that has only taken over its ledger has no outputs yet.
        Some(found) if found.is_whole() && !found.outputs.is_empty() => Ok(found.outputs),
        other => {
            let status = other.map_or_else(
                || "is not there".to_owned(),
                |found| format!("is {}", found.status),
            );
            Err(Failure::Unknown {
                message: format!("{} {status}", stacks.thing(&stack)),
                remedy:
                    "run `pmp-sync deploy management` first; check --management-profile and --name"
                        .to_owned(),
            })
        }
    }
}

/// The code, for the processor that the stack is to have.
async fn packed(
    function: Function,
    options: &DeployOptions,
    standing: Option<&Found>,
    progress: &Progress,
) -> Result<Package, Failure> {
    const NAME: &str = "Architecture";
    let given = options.parameters.iter().find(|(name, _)| name == NAME);
    let given = given.map(|(_, value)| value.as_str());
    let stands = standing.and_then(|found| found.parameters.get(NAME));
    let word = given.or(stands.map(String::as_str)).unwrap_or("x86_64");
    let architecture = Architecture::parse(word).ok_or_else(|| Failure::CommandLine {
        message: format!("{word} is no architecture"),
        remedy: "give Architecture=x86_64 or Architecture=arm64".to_owned(),
    })?;
    let folder = match &options.code {
        Some(folder) => folder.clone(),
        None => binaries::folder(progress).await?,
    };
    Ok(package(function, &folder, architecture, progress).await?)
}

/// The bucket that is named, or that the stack has its code from, or the default one.
fn bucket<'a>(
    common: &Common,
    options: &DeployOptions,
    account: &'a Account,
    standing: Option<&Found>,
) -> Bucket<'a> {
    let stands = standing.and_then(|found| found.parameters.get(CODE_BUCKET).cloned());
    let name = options.bucket.clone().or(stands);
    let name = name.unwrap_or_else(|| default_name(&common.name, account));
    Bucket::new(account, name, &common.name)
}

async fn store(
    bucket: &Bucket<'_>,
    package: &Package,
    progress: &Progress,
) -> Result<(), DeployError> {
    progress.step(format!("storing the code in {}", bucket.name()));
    bucket.store(package).await.map(drop)
}

/// Shows what would change, and asks for it.
fn reviewed(yes: bool, progress: &Progress) -> impl FnOnce(&Review<'_>) -> Result<(), Failure> {
    move |review| {
        progress.finish();
        let doing = if review.is_new { "created" } else { "updated" };
        output::note(&format!("{} is {doing}:", review.thing));
        let rows = review.changes.iter().map(|change| {
            vec![
                change.action.clone(),
                change.resource.clone(),
                change.kind.clone(),
                change.replacement.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        });
        let columns = [
            column("ACTION").state(),
            column("RESOURCE"),
            column("TYPE").leaves(1),
            column("REPLACED"),
        ];
        output::note_table(columns, rows);
        confirm(yes, &format!("Execute this on the stack {}?", review.stack))?;
        goes_on_to_the_end(format!(
            "CloudFormation continues with the stack {}; the same command shows what is left",
            review.stack
        ));
        Ok(())
    }
}

/// Checks the name of the stacks by the rule of the templates, before anything is created.
fn check_name(name: &str) -> Result<(), Failure> {
    let mut letters = name.chars();
    let is_good = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-')
        && (2..=31).contains(&name.len());
    if is_good {
        return Ok(());
    }
    Err(Failure::CommandLine {
        message: format!("{name:?} cannot be the name of an installation"),
        remedy: "take 2 to 31 lowercase letters, digits and hyphens, the first a letter".to_owned(),
    })
}

fn show(common: &Common, answer: &DeployAnswer) -> Result<(), Failure> {
    if common.json {
        return output::json(answer);
    }
    for stack in &answer.stacks {
        let outcome = match stack.outcome {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
        };
        output::line(&format!(
            "{} in account {}: {outcome}",
            stack.stack, stack.account
        ))?;
    }
    if let Some(made) = &answer.bootstrapped {
        output::line(&format!(
            "experience {} for {}, not enabled by this",
            made.experience,
            made.principals.join(", ")
        ))?;
    }
    if let Some(external_id) = &answer.external_id {
        output::line(&format!("external id: {external_id}"))?;
    }
    output::note(&format!("next: {}", answer.next));
    Ok(())
}

#[cfg(test)]
mod tests {
    use pmp_sync_deploy::template::{MEMBER_ACCESS, Template};

    use super::*;

    #[test]
    fn a_name_is_what_the_templates_take() {
        for good in ["pmp-sync", "ab", &format!("a{}", "1".repeat(30))] {
            check_name(good).unwrap();
        }
        for wrong in ["", "a", "1a", "A-b", "a_b", "-a", &"a".repeat(32)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        let pattern = "AllowedPattern: \"[a-z][a-z0-9-]{1,30}\"";
        for Template { body, file, .. } in [MANAGEMENT, MEMBER_ACCESS, MEMBER] {
            assert!(body.contains(pattern), "{file}");
        }
    }
}
