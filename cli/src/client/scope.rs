//! `--member` and `--experience`: names that the configuration must have.

use std::collections::BTreeSet;

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{ExperienceId, MemberName};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::ports::StoredConfig;
use pmp_sync_domain::suggest::did_you_mean;
use pmp_sync_domain::wire::Scope;

use super::context::{Context, parsed};
use crate::failure::Failure;
use crate::options::Narrowing;

/// The scope of the options. An error if a link of the configuration lacks a name.
pub(crate) async fn of(narrowing: &Narrowing, context: &Context) -> Result<Scope, Failure> {
    let scope = narrowing.scope();
    scope.check()?;
    if scope.is_everything() {
        return Ok(scope);
    }
    check(scope, &context.stored_config().await?)
}

/// Checks the names of a scope.
pub(crate) fn check(scope: Scope, stored: &StoredConfig) -> Result<Scope, Failure> {
    if scope.is_everything() {
        return Ok(scope);
    }
    named(scope, &parsed(stored)?)
}

/// Checks the names of a scope against a configuration.
pub(crate) fn named(scope: Scope, config: &Config) -> Result<Scope, Failure> {
    scope.check()?;
    let has_member = |name: &MemberName| config.links.iter().any(|link| link.member.name == *name);
    if let Some(name) = scope.members.iter().find(|name| !has_member(name)) {
        let linked = config.links.iter().map(|link| link.member.name.as_str());
        let meant = did_you_mean(name.as_str(), linked);
        return Err(unknown(
            &format!("no link has the member {name}{meant}"),
            config,
        ));
    }
    let has_experience = |id: &ExperienceId| {
        config.links.iter().any(|link| {
            scope.covers(&link.member.name, id)
                && match &link.target {
                    Target::One(experience) => experience == id,
                    // Only the member's account knows which experiences these are.
                    Target::EveryLive => config.is_free(id),
                }
        })
    };
    if let Some(id) = scope.experiences.iter().find(|id| !has_experience(id)) {
        if let Some(others) = owners(id, config) {
            let named = scope.members.iter().map(MemberName::as_str);
            let named: Vec<_> = named.collect();
            let what = not_of(id, &others, &named.join(" or "));
            return Err(unknown(&what, config));
        }
        let of = if scope.members.is_empty() {
            ""
        } else {
            " of the members that are named"
        };
        let targets = config.links.iter().filter_map(|link| match &link.target {
            Target::One(experience) => Some(experience.as_str()),
            Target::EveryLive => None,
        });
        let meant = did_you_mean(id.as_str(), targets);
        let what = format!("no link{of} has the member experience {id}{meant}");
        return Err(unknown(&what, config));
    }
    Ok(scope)
}

/// The members that have a link to an experience, in words. None if no link names it.
fn owners(id: &ExperienceId, config: &Config) -> Option<String> {
    let has = |link: &&Link| link.target == Target::One(id.clone());
    let links = config.links.iter().filter(has);
    let names: BTreeSet<_> = links.map(|link| link.member.name.as_str()).collect();
    let names: Vec<_> = names.into_iter().collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

fn not_of(id: &ExperienceId, owners: &str, named: &str) -> String {
    format!("{id} is an experience of {owners}, not of {named}")
}

/// The failure of an experience that another member has. `named` are the members that were named.
pub(crate) fn elsewhere(id: &ExperienceId, owners: &str, named: &str) -> Failure {
    Failure::Unknown {
        message: not_of(id, owners, named),
        remedy: format!("name {owners} with --member, or leave one of the two options out"),
    }
}

/// Checks that these are members of the configuration. A misspelt name would select nothing.
pub(crate) async fn members(names: &[MemberName], context: &Context) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    let config = parsed(&context.stored_config().await?)?;
    match names
        .iter()
        .find(|name| !config.members.contains_key(*name))
    {
        Some(name) => Err(no_member(name, &config)),
        None => Ok(()),
    }
}

/// What to do if a member is to be named, and there is none.
pub(crate) const NO_MEMBER_YET: &str = "there is no member yet: add one with `pmp-sync member add`";

/// The failure of a name that no member has.
pub(crate) fn no_member(name: &MemberName, config: &Config) -> Failure {
    let known: Vec<_> = config.members.keys().map(MemberName::as_str).collect();
    let meant = did_you_mean(name.as_str(), known.iter().copied());
    Failure::Unknown {
        message: format!("no member is named {name}{meant}"),
        remedy: match known.as_slice() {
            [] => NO_MEMBER_YET.to_owned(),
            known => format!("name one of {}", known.join(", ")),
        },
    }
}

fn unknown(what: &str, config: &Config) -> Failure {
    let members = config.members.keys().map(|name| {
        let of_member = config.links.iter().filter(|link| link.member.name == *name);
        let targets: Vec<_> = of_member.map(|link| link.target.to_string()).collect();
        if targets.is_empty() {
            format!("{name} (no link)")
        } else {
            format!("{name} ({})", targets.join(", "))
        }
    });
    let members: Vec<_> = members.collect();
    let there = match members.as_slice() {
        [] => "there are no members".to_owned(),
        [one] => format!("the only member is {one}"),
        several => format!("the members are {}", several.join(", ")),
    };
    Failure::Unknown {
        message: format!("{what}; {there}"),
        remedy:
            "name what a link has, or add a link and store it with `pmp-sync config apply FILE`"
                .to_owned(),
    }
}
