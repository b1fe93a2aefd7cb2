//! `pmp-sync deploy`: the stacks of the management account and of a member, with their code. Every step
//! can be repeated: whatever an interrupted run has left is taken up by the next.

pub(crate) mod account;
pub(crate) mod bucket;
pub(crate) mod change;
mod code;
mod elf;
pub(crate) mod leftover;
pub(crate) mod stack;
mod step;
mod template;

use std::collections::BTreeMap;

use pmp_sync_domain::ids::AccountId;
use pmp_sync_local::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;

use self::account::{Account, Part};
use self::bucket::Bucket;
use self::change::{DeployedStack, Outcome, Wanted};
use self::code::{Function, Package};
use self::elf::Architecture;
use self::stack::{Found, Stacks};
use self::template::{MANAGEMENT, MEMBER, MEMBER_ACCESS};
use crate::args::Common;
use crate::args::deploy::{DeployCommand, DeployMemberOptions, DeployOptions};
use crate::context::Context;
use crate::experience;
use crate::failure::Failure;
use crate::member::bootstrap::{BootstrapOptions, Bootstrapped, bootstrap};
use crate::member::configured::begin_onboarding;
use crate::output;

/// What `deploy` prints with `--json`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeployAnswer {
    /// The account that was deployed to.
    account: String,
    stacks: Vec<DeployedStack>,
    /// Where the code of the function is.
    code: Code,
    /// The experience that was made, or was there already, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrapped: Option<Bootstrapped>,
    /// The external id of the member's roles, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The command that goes on.
    next: String,
}

/// Where code is.
#[derive(Debug, Serialize, JsonSchema)]
struct Code {
    bucket: String,
    key: String,
}

/// The stacks' names, as infra/README.md has them.
pub(crate) fn management_stack(name: &str) -> String {
    format!("{name}-management")
}

pub(crate) fn access_stack(name: &str, account: &AccountId) -> String {
    format!("{name}-member-access-{account}")
}

pub(crate) fn member_stack(name: &str) -> String {
    format!("{name}-member")
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
    let account = Account::of(profile, Part::Management).await?;
    let stacks = Stacks::new(&account, progress);
    let stack = management_stack(&common.name);
    let standing = stacks.find(&stack).await?;
    let package = package(Function::Producer, options, standing.as_ref(), progress).await?;
    let bucket = store(common, options, &account, &package, progress).await?;
    let mut parameters: BTreeMap<_, _> = options.parameters.iter().cloned().collect();
    parameters.extend(own([
        ("Name", common.name.as_str()),
        ("CodeBucket", bucket.name()),
        ("ProducerCodeKey", &package.key),
    ]));
    let deployed = stacks
        .deploy(&Wanted {
            stack,
            template: MANAGEMENT,
            parameters,
            name: &common.name,
            yes: options.yes,
        })
        .await?;
    Ok(DeployAnswer {
        account: account.id.to_string(),
        stacks: vec![deployed],
        code: code_at(&bucket, package),
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
    let management = Account::of(common.management_profile.as_deref(), Part::Management).await?;
    let account = Account::of_member(wanted.profile.as_deref(), &options.account).await?;
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
    let stack = member_stack(&common.name);
    let standing = there.find(&stack).await?;
    let package = package(Function::Worker, wanted, standing.as_ref(), progress).await?;

    // Everything that can be refused has been: from here on something is made.
    progress.step(format!("taking in account {}", account.id));
    let context = Context::with(common, management.config.clone());
    let known = begin_onboarding(&context, &account.id, None).await?;
    let external_id = known.external_id;
    let from = |names: &[&'static str]| {
        let pair = |name: &&'static str| {
            let value = outputs.get(*name).map_or("", String::as_str);
            (*name, value.to_owned())
        };
        names.iter().map(pair).collect::<Vec<_>>()
    };
    let mut parameters = own([
        ("Name", common.name.as_str()),
        ("MemberAccountId", account.id.as_str()),
        ("ExternalId", external_id.as_str()),
    ]);
    parameters.extend(own(from(&["LedgerTableArn", "BusArn"])));
    let access = here
        .deploy(&Wanted {
            stack: access_stack(&common.name, &account.id),
            template: MEMBER_ACCESS,
            parameters,
            name: &common.name,
            yes: wanted.yes,
        })
        .await?;

    let bucket = store(common, wanted, &account, &package, progress).await?;
    let mut parameters: BTreeMap<_, _> = wanted.parameters.iter().cloned().collect();
    let lane_role = access.outputs.get("LaneRoleArn").cloned();
    parameters.extend(own([
        ("Name", common.name.as_str()),
        ("ExternalId", external_id.as_str()),
        ("LaneRoleArn", lane_role.as_deref().unwrap_or_default()),
        ("CodeBucket", bucket.name()),
        ("WorkerCodeKey", &package.key),
    ]));
    parameters.extend(own(from(&[
        "ManagementAccountId",
        "LedgerTableArn",
        "BusArn",
    ])));
    let deployed = there
        .deploy(&Wanted {
            stack,
            template: MEMBER,
            parameters,
            name: &common.name,
            yes: wanted.yes,
        })
        .await?;
    let bootstrapped = if options.bootstrap {
        let wanted = BootstrapOptions {
            account: account.id.clone(),
            profile: None,
            experience_name: options.experience_name.clone(),
            experience: None,
            principals: Vec::new(),
            enable: false,
            yes: false,
            timeout: experience::WAIT,
        };
        Some(bootstrap(common, &context, &account.config, &wanted, progress).await?)
    } else {
        None
    };
    Ok(DeployAnswer {
        account: account.id.to_string(),
        stacks: vec![access, deployed],
        bootstrapped,
        code: code_at(&bucket, package),
        external_id: options
            .show_external_id
            .then(|| external_id.as_str().to_owned()),
        next: format!("pmp-sync member add NAME --account {}", account.id),
    })
}

/// The outputs of the management stack, if it can be used.
async fn management_outputs(
    stacks: &Stacks<'_>,
    name: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let stack = management_stack(name);
    match stacks.find(&stack).await? {
        Some(found) if found.is_whole() => Ok(found.outputs),
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
async fn package(
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
    code::package(function, options.code.as_deref(), architecture, progress).await
}

async fn store<'a>(
    common: &Common,
    options: &DeployOptions,
    account: &'a Account,
    package: &Package,
    progress: &Progress,
) -> Result<Bucket<'a>, Failure> {
    let name = options.bucket.clone();
    let name = name.unwrap_or_else(|| bucket::default_name(&common.name, account));
    let bucket = Bucket::new(account, name);
    progress.step(format!("storing the code in {}", bucket.name()));
    bucket.store(package).await?;
    Ok(bucket)
}

fn code_at(bucket: &Bucket<'_>, package: Package) -> Code {
    Code {
        bucket: bucket.name().to_owned(),
        key: package.key,
    }
}

fn own<K: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> BTreeMap<String, String> {
    let pair = |(key, value): (K, V)| (key.into(), value.into());
    pairs.into_iter().map(pair).collect()
}

/// What every resource is named after: the templates' own rule, told before anything is made.
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
    use super::template::Template;
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
