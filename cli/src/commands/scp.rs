//! `pmp-sync scp`: prints a service control policy that reserves changes of governed experiences.

use clap::Args;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{ExperienceId, MemberName};
use pmp_sync_domain::link::{Member, Target};
use serde_json::{Value, json};

use crate::client::context::{Context, parsed};
use crate::client::scope::{NO_MEMBER_YET, no_member};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// The longest service control policy, in characters (AWS Organizations quotas).
const LONGEST: usize = 5_120;

#[derive(Debug, Args)]
pub(crate) struct ScpOptions {
    /// The member whose organization the policy is for. Needed only if there are several.
    #[arg(long)]
    member: Option<MemberName>,
    /// A role that may change the experiences as well, in an emergency and for `pmp-sync experience`. May be
    /// given several times; an ARN, which may contain `*`.
    #[arg(long = "break-glass", value_name = "ARN", value_parser = role)]
    break_glass: Vec<String>,
}

fn role(text: &str) -> Result<String, String> {
    let mut parts = text.splitn(6, ':');
    let is_arn = parts.next() == Some("arn")
        && parts
            .next()
            .is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some("iam")
        && parts.next() == Some("")
        && parts.next().is_some()
        && parts.next().is_some_and(|role| role.starts_with("role/"));
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
    if is_arn && is_plain && text.len() <= 2_048 {
        Ok(text.to_owned())
    } else {
        Err(
            "it is not the ARN of a role, such as arn:aws:iam::222222222222:role/break-glass"
                .to_owned(),
        )
    }
}

pub(crate) async fn run(common: &Common, options: &ScpOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let config = parsed(&context.stored_config().await?)?;
    let member = member(&config, options.member.as_ref())?;
    let policy = policy(&common.name, &config, member, &options.break_glass);
    output::line(&output::pretty(&policy)?)?;
    context.note(&format!(
        "attach it in the organization of account {} to the root, or to what contains that account. A service control policy does not bind the organization's management account: if {} is that account, nothing can keep its administrators from changing its experiences",
        member.account, member.name
    ));
    if options.break_glass.is_empty() {
        context.note("no role is named with --break-glass: nobody but the worker will be able to change the experiences, `pmp-sync experience` included");
    }
    Ok(())
}

fn member<'a>(config: &'a Config, name: Option<&MemberName>) -> Result<&'a Member, Failure> {
    let names: Vec<_> = config.members.keys().map(ToString::to_string).collect();
    let found = match name {
        Some(name) => config.members.get(name),
        None if names.len() == 1 => config.members.values().next(),
        None => None,
    };
    found.ok_or_else(|| match name {
        Some(name) => no_member(name, config),
        None => Failure::Unknown {
            message: "the policy is for one organization".to_owned(),
            remedy: match names.as_slice() {
                [] => NO_MEMBER_YET.to_owned(),
                names => format!("name one with --member: {}", names.join(", ")),
            },
        },
    })
}

/// Denies every change of the member's governed experiences to all but the worker and the named roles. Without a
/// condition on the kind of change: such a condition holds for API calls alone, and not for the console (Catalog API
/// access control).
fn policy(name: &str, config: &Config, member: &Member, break_glass: &[String]) -> Value {
    let links = config
        .links
        .iter()
        .filter(|link| link.member.account == member.account);
    let named = links.map(|link| match &link.target {
        Target::One(experience) => Some(experience.clone()),
        Target::EveryLive => None,
    });
    // `*` governs experiences that nobody knows yet.
    let named: Option<Vec<ExperienceId>> = named.collect();
    let arn =
        |id: &str| format!("arn:aws:aws-marketplace:us-east-1:*:AWSMarketplace/Experience/{id}");
    let every = || vec![arn("*")];
    let worker = format!("arn:aws:iam::{}:role/{name}-worker", member.account);
    let principals: Vec<_> = std::iter::once(worker)
        .chain(break_glass.iter().cloned())
        .collect();
    let with = |resources: Vec<String>| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "ReserveGovernedExperiences",
                "Effect": "Deny",
                "Action": "aws-marketplace:StartChangeSet",
                "Resource": resources,
                "Condition": { "ArnNotLike": { "aws:PrincipalArn": principals } },
            }],
        })
    };
    let resources = match named {
        Some(named) if !named.is_empty() => named.iter().map(|id| arn(id.as_str())).collect(),
        _ => every(),
    };
    let policy = with(resources);
    if policy.to_string().len() > LONGEST {
        with(every())
    } else {
        policy
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn config(targets: &[String]) -> Config {
        let mut text = "schema = 1\n[[member]]\nname = \"emea\"\naccount = \"222222222222\"\nexternal_id = \"e-1\"\n".to_owned();
        for target in targets {
            let _ = write!(
                text,
                "[[link]]\nmanagement_experience = \"exp-m\"\nmember = \"emea\"\nmember_experience = \"{target}\"\n"
            );
        }
        Config::parse(&text).unwrap()
    }

    fn resources(targets: &[String]) -> Vec<String> {
        let config = config(targets);
        let policy = policy("pmp-sync", &config, member(&config, None).unwrap(), &[]);
        serde_json::from_value(policy["Statement"][0]["Resource"].clone()).unwrap()
    }

    #[test]
    fn only_the_worker_and_the_named_roles_may_change_what_is_governed() {
        let config = config(&["exp-1".to_owned()]);
        let role = "arn:aws:iam::222222222222:role/break-glass".to_owned();
        let policy = policy("pmp", &config, member(&config, None).unwrap(), &[role]);
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Effect"], "Deny");
        assert_eq!(
            statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"],
            json!([
                "arn:aws:iam::222222222222:role/pmp-worker",
                "arn:aws:iam::222222222222:role/break-glass"
            ])
        );
        assert_eq!(
            statement["Resource"],
            json!(["arn:aws:aws-marketplace:us-east-1:*:AWSMarketplace/Experience/exp-1"])
        );
    }

    #[test]
    fn every_experience_is_governed_by_a_star_and_if_the_list_would_be_too_long() {
        let all = ["arn:aws:aws-marketplace:us-east-1:*:AWSMarketplace/Experience/*"];
        assert_eq!(resources(&["*".to_owned()]), all);
        assert_eq!(resources(&["exp-1".to_owned(), "*".to_owned()]), all);
        let many: Vec<_> = (0..100).map(|number| format!("exp-{number:013}")).collect();
        assert_eq!(resources(&many), all);
        assert_eq!(resources(&many[..40]).len(), 40);
    }

    #[test]
    fn a_role_is_an_arn_of_a_role() {
        assert!(role("arn:aws:iam::222222222222:role/break-glass").is_ok());
        assert!(role("arn:aws:iam::*:role/path/break-*").is_ok());
        for wrong in [
            "",
            "break-glass",
            "arn:aws:iam::222222222222:user/kim",
            "arn:aws:iam::2:role/\"x",
        ] {
            assert!(role(wrong).is_err(), "{wrong}");
        }
    }
}
