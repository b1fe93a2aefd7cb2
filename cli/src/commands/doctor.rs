//! `pmp-sync doctor`: checks the whole setup, and says how to fix what is wrong. Changes nothing.
//! Gathering ([`gather`], [`aws`]) and judging (the other modules) are separate: pure functions
//! judge what was seen.

mod account;
mod aws;
mod check;
mod deployed;
mod finding;
mod gather;
mod look;
mod management;
mod members;
mod organization;
mod report;
mod runs;
mod sides;

use std::collections::BTreeMap;

use clap::Args;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::Look;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::MemberName;
use pmp_sync_domain::link::Member;
use pmp_sync_domain::ports::Clock as _;
use tokio::time::Instant;

use self::check::Area;
pub(crate) use self::check::Check;
use self::finding::{Finding, Status};
use self::members::Successes;
pub(crate) use self::report::Report;
use self::runs::Rhythm;
use crate::client::access::sdk_config_for;
use crate::client::context::Context;
use crate::client::scope::no_member;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, count};
use crate::progress::Progress;

/// What is looked at.
#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    members: Vec<MemberName>,
    /// The profile of the AWS configuration with a member account's credentials, by which its own side
    /// is looked at. May be given several times.
    #[arg(long = "profile", value_name = "NAME=PROFILE", value_parser = profile)]
    profiles: Vec<(MemberName, String)>,
}

fn profile(text: &str) -> Result<(MemberName, String), String> {
    let expected = || "a member and a profile are expected, such as emea=emea-admin".to_owned();
    let (name, profile) = text.split_once('=').ok_or_else(expected)?;
    if profile.is_empty() {
        return Err(expected());
    }
    let name = MemberName::new(name).map_err(|error| error.to_string())?;
    Ok((name, profile.to_owned()))
}

pub(crate) async fn run(common: &Common, options: &DoctorOptions) -> Result<(), Failure> {
    let began = Instant::now();
    let progress = Progress::new();
    // Boxed, because the future of so many checks is large.
    let found = Box::pin(look(common, options, &progress)).await;
    progress.finish();
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = Report::new(found?, SystemClock.now(), took);
    if common.json {
        output::json(&report)?;
    } else {
        report::show(&report)?;
    }
    if report.worst == Status::Fail {
        return Err(Failure::Told {
            exit: 1,
            message: report.words(),
        });
    }
    output::note(&report.words());
    Ok(())
}

async fn look(
    common: &Common,
    options: &DoctorOptions,
    progress: &Progress,
) -> Result<Vec<Finding>, Failure> {
    progress.step("checking the credentials");
    let context = Context::with(
        common,
        // With short timeouts.
        look::brisk(&sdk_config_for(common.management_profile.as_deref()).await?),
    );
    let account = gather::account(&context.config).await;
    let mut found = account::judge(&account);
    let Look::Seen(caller) = &account.caller.look else {
        report::complete(&mut found, |_| Some("the credentials do not work"));
        return Ok(found);
    };
    progress.step("looking at the organization, the management stack and the ledger");
    let name = &common.name;
    let (organization, management, runs) = futures::join!(
        gather::organization(&context.config, &caller.account),
        gather::management(&context, name),
        gather::runs(&context)
    );
    let config = runs::parsed(&runs);
    let members = chosen(config.as_ref(), options)?;
    found.extend(organization::judge(
        &organization,
        Check::Administrator,
        Check::TrustedAccess,
    ));
    found.extend(management::judge(&management, config.as_ref()));
    let is_deployed = management.is_deployed();
    if is_deployed {
        found.extend(runs::judge(&runs, &rhythm(&management), SystemClock.now()));
    }
    progress.step(format!("looking at {}", count(members.len(), "member")));
    let profiles: BTreeMap<_, _> = options.profiles.iter().cloned().collect();
    let has_producer = matches!(
        &management.function.look,
        Look::Seen(Some(_)) | Look::Failed(_)
    );
    let answer = async {
        if has_producer && is_deployed && config.is_some() {
            Some(gather::producer(&context, &options.members).await)
        } else {
            None
        }
    };
    let (answer, sides) = futures::join!(answer, gather::sides(name, &members, &profiles));
    let successes = successes(&runs);
    if let Some(answer) = &answer {
        found.extend(members::judge(answer, successes.as_ref()));
    }
    found.extend(sides.iter().flat_map(sides::judge));
    let has_members = !members.is_empty();
    found.retain(|found| is_about(found, config.as_ref(), &members));
    report::complete(&mut found, |check| match check.area() {
        _ if !is_deployed => Some("the management stack is not there"),
        Area::MemberAccounts | Area::Members if config.is_some() && !has_members => None,
        Area::Members | Area::MemberAccounts if config.is_none() => {
            Some("there is no configuration that can be read")
        }
        _ if check == Check::AccessStack => None,
        _ => Some("the producer gave no answer"),
    });
    Ok(found)
}

/// The members to check.
fn chosen<'a>(
    config: Option<&'a Config>,
    options: &DoctorOptions,
) -> Result<Vec<&'a Member>, Failure> {
    let Some(config) = config else {
        return Ok(Vec::new());
    };
    let profiles = options.profiles.iter().map(|(name, _)| name);
    for name in options.members.iter().chain(profiles) {
        if !config.members.contains_key(name) {
            return Err(no_member(name, config));
        }
    }
    let is_wanted =
        |name: &MemberName| options.members.is_empty() || options.members.contains(name);
    let members = config.members.values();
    Ok(members.filter(|member| is_wanted(&member.name)).collect())
}

/// False for a finding about a member that is not checked.
fn is_about(found: &Finding, config: Option<&Config>, members: &[&Member]) -> bool {
    let subject = found.subject.as_deref();
    let name = subject.and_then(|subject| subject.split(' ').next());
    let is_named = |known: &MemberName| name == Some(known.as_str());
    let is_member = config.is_some_and(|config| config.members.keys().any(is_named));
    !is_member || members.iter().any(|member| is_named(&member.name))
}

fn rhythm(management: &management::Facts) -> Rhythm {
    Rhythm {
        schedule: match &management.schedule.look {
            Look::Seen(schedule) => schedule.clone(),
            _ => None,
        },
        since: match &management.stack.look {
            Look::Seen(Some(stack)) => stack.created,
            _ => None,
        },
    }
}

fn successes(runs: &runs::Facts) -> Option<Successes> {
    let Look::Seen(lanes) = &runs.lanes.look else {
        return None;
    };
    let of_lane = |lane: &runs::LaneSeen| -> Option<(_, Timestamp)> {
        Some((lane.lane.clone(), lane.last_success?))
    };
    Some(lanes.iter().filter_map(of_lane).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_other_members_is_left_out_and_nothing_else() {
        let config = "schema = 1\n[[member]]\nname = \"emea\"\naccount = \"222222222222\"\nexternal_id = \"e-1\"\n[[member]]\nname = \"apac\"\naccount = \"333333333333\"\nexternal_id = \"e-2\"\n";
        let config = Config::parse(config).unwrap();
        let members: Vec<_> = config
            .members
            .values()
            .filter(|of| of.name.as_str() == "emea")
            .collect();
        for (subject, stays) in [
            (None, true),
            (Some("emea"), true),
            (Some("emea exp-1"), true),
            (Some("apac"), false),
            (Some("apac exp-2"), false),
            (Some("exp-m"), true),
        ] {
            let mut found = Finding::ok(Check::Blocked, "");
            found.subject = subject.map(str::to_owned);
            assert_eq!(
                is_about(&found, Some(&config), &members),
                stays,
                "{subject:?}"
            );
        }
    }

    #[test]
    fn a_profile_is_of_a_member() {
        let (name, of) = profile("emea=a=b").unwrap();
        assert_eq!((name.as_str(), of.as_str()), ("emea", "a=b"));
        for wrong in ["emea", "emea=", "=x", "E MEA=x"] {
            assert!(profile(wrong).is_err(), "{wrong}");
        }
    }
}
