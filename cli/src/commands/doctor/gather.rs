//! Looks at everything, several at a time, none for long.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use futures::{StreamExt as _, stream};
use pmp_sync_aws::bus::is_rule_enabled;
use pmp_sync_aws::caller::identify;
use pmp_sync_deploy::installation::{management_stack, member_stack};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::doctor::{DoctorAnswer, DoctorRequest, Look};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::MemberName;
use pmp_sync_domain::link::Member;
use pmp_sync_domain::ports::{Lanes as _, ReadRuns as _, Result};
use pmp_sync_domain::records::{Found, LaneEntry, UnreadableItem};
use pmp_sync_domain::wire::DOCTOR_REQUESTED;
use tokio::time::Instant;

use super::deployed::undelivered;
use super::look::{Timed, brisk, look, look_for};
use super::runs::{LaneSeen, LinkSeen};
use super::{account, aws, management, organization, runs, sides};
use crate::client::access::sdk_config_for;
use crate::client::context::Context;
use crate::client::{holds, invoke};
use crate::failure::Failure;

/// How long to wait for the producer.
const PRODUCER: Duration = Duration::from_secs(35);
/// After this time no further member account is checked.
const SIDES: Duration = Duration::from_secs(15);
/// Lanes that are read concurrently.
const LANES_AT_ONCE: usize = 8;
/// Member accounts that are checked concurrently.
const SIDES_AT_ONCE: usize = 8;

/// The credentials, and this machine.
pub(crate) async fn account(config: &SdkConfig) -> account::Facts {
    let mut times = None;
    let caller = look(async {
        let (caller, told) = identify(config).await;
        times = told;
        caller
    })
    .await;
    let texts = std::env::vars_os();
    let texts = texts
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    account::Facts {
        caller,
        times,
        endpoints: aws::endpoints(config, texts),
        region,
    }
}

/// The organization of an account.
pub(crate) async fn organization(config: &SdkConfig, account: &str) -> organization::Facts {
    let (owner, administrators, trusted) = futures::join!(
        look(aws::owner(config)),
        look(aws::administrators(config)),
        look(aws::trusted(config))
    );
    organization::Facts {
        account: account.to_owned(),
        owner,
        administrators,
        trusted,
    }
}

/// Gathers what is deployed in the management account.
pub(crate) async fn management(context: &Context, name: &str) -> management::Facts {
    let config = &context.config;
    let requests = format!("{name}-requests");
    let changes = format!("{name}-management-change-sets");
    let access = format!("{name}-member-access-");
    let (inbox, dead) = (format!("{requests}.fifo"), format!("{requests}-dlq.fifo"));
    let (schedule, lost) = (format!("{name}-schedule"), undelivered(name));
    let deployed = async {
        futures::join!(
            look(aws::function(config, &context.producer)),
            look(aws::sources(config, &context.producer)),
            look(aws::queue(config, &inbox)),
            look(aws::queue(config, &dead)),
            look(aws::queue(config, &lost)),
            look(aws::schedule(config, &schedule)),
            look(is_rule_enabled(config, Some(name), &requests)),
            look(is_rule_enabled(config, None, &changes)),
            look(context.ledger.health())
        )
    };
    let stacks = async {
        let stack = look(aws::stack(config, &management_stack(name))).await;
        let topic = match &stack.look {
            Look::Seen(Some(stack)) => stack.outputs.get("TopicArn").cloned(),
            _ => None,
        };
        let subscriptions = match topic {
            Some(topic) => look(aws::subscriptions(config, &topic)).await,
            None => skipped("the management stack has no topic"),
        };
        (stack, subscriptions)
    };
    let (deployed, (stack, subscriptions), access) =
        futures::join!(deployed, stacks, look(aws::stacks(config, &access)));
    let (function, sources, inbox, dead_letters, undelivered, schedule, of_bus, of_default, ledger) =
        deployed;
    management::Facts {
        name: name.to_owned(),
        stack,
        access,
        function,
        sources,
        inbox,
        dead_letters,
        undelivered,
        schedule,
        rules: vec![
            (requests, Some(name.to_owned()), of_bus),
            (changes, None, of_default),
        ],
        ledger,
        subscriptions,
    }
}

fn skipped<T>(because: &str) -> Timed<T> {
    Timed {
        look: Look::Skipped(because.to_owned()),
        milliseconds: 0,
    }
}

/// The configuration, the last runs, and the lanes.
pub(crate) async fn runs(context: &Context) -> runs::Facts {
    let ledger = &context.ledger;
    let unreadable = &Mutex::new(Vec::new());
    let onboarded = async {
        let items = sorted(ledger.onboardings().await?, unreadable);
        Ok(items.into_iter().map(|item| item.account).collect())
    };
    let last = async {
        let newest = sorted(ledger.newest_runs(1).await?, unreadable);
        Ok(newest.into_iter().next())
    };
    let unfinished = async {
        Ok(sorted(
            ledger.unfinished_runs(runs::MOST_RUNS).await?,
            unreadable,
        ))
    };
    let (config, onboarded, suspensions, last, unfinished, lanes, links) = futures::join!(
        look(ledger.current_config()),
        look(onboarded),
        look(ledger.suspensions()),
        look(last),
        look(unfinished),
        look(lanes(context, unreadable)),
        look(links(context))
    );
    runs::Facts {
        config,
        onboarded,
        suspensions,
        last,
        unfinished,
        lanes,
        links,
        unreadable: std::mem::take(&mut *unreadable.lock().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// The items that could be read. The others are findings of their own.
fn sorted<T>(found: Found<T>, unreadable: &Mutex<Vec<ServiceError>>) -> Vec<T> {
    let errors = found.unreadable.into_iter().map(|item| item.error);
    let mut unreadable = unreadable.lock().unwrap_or_else(PoisonError::into_inner);
    unreadable.extend(errors);
    found.items
}

async fn lanes(context: &Context, unreadable: &Mutex<Vec<ServiceError>>) -> Result<Vec<LaneSeen>> {
    let entries = sorted(context.ledger.lanes().await?, unreadable);
    let seen: Vec<_> = stream::iter(entries)
        .map(|entry| async move {
            match lane(context, entry, unreadable).await {
                Err(error) if error.is_unreadable() => Ok(Err(UnreadableItem::from(error))),
                seen => seen.map(Ok),
            }
        })
        .buffered(LANES_AT_ONCE)
        .collect()
        .await;
    let seen: Result<Found<_>> = seen.into_iter().collect();
    Ok(sorted(seen?, unreadable))
}

async fn lane(
    context: &Context,
    entry: LaneEntry,
    unreadable: &Mutex<Vec<ServiceError>>,
) -> Result<LaneSeen> {
    let ledger = &context.ledger;
    let (state, quarantined) =
        futures::join!(ledger.state(&entry.lane), ledger.quarantined(&entry.lane));
    let state = state?;
    Ok(LaneSeen {
        name: format!("{} {}", entry.member, entry.lane.experience),
        lane: entry.lane,
        block: state.block,
        quarantined: sorted(quarantined?, unreadable).len(),
        last_success: state.last_success,
    })
}

async fn links(context: &Context) -> Result<Vec<LinkSeen>> {
    let known = holds::known(context)
        .await
        .map_err(|failure| service(&failure))?;
    let seen = known.into_iter().map(|known| LinkSeen {
        name: known.name(),
        holds: known.holds().cloned().collect(),
        frozen_since: known.link_state.frozen_since,
        edited: (
            known.link_state.edited.len() + known.link_state.edited_beyond,
            known.link_state.edited.values().min().copied(),
        ),
        lane: known.lane,
    });
    Ok(seen.collect())
}

fn service(failure: &Failure) -> ServiceError {
    match failure {
        Failure::Service(error) => error.clone(),
        other => ServiceError::new("reading", "the ledger", Kind::Refused, other.to_string()),
    }
}

/// Asks the producer what it sees of the members.
pub(crate) async fn producer(context: &Context, members: &[MemberName]) -> Timed<DoctorAnswer> {
    look_for(PRODUCER, async {
        let request = DoctorRequest {
            members: members.to_vec(),
        };
        let wrong =
            |words: String| ServiceError::new("Invoke", &context.producer, Kind::Refused, words);
        let asked = invoke::ask(context, DOCTOR_REQUESTED, request).await;
        let answer: DoctorAnswer = asked.map_err(|failure| match failure {
            Failure::Service(error) => error,
            other => wrong(other.to_string()),
        })?;
        if answer.schema > SCHEMA {
            return Err(wrong(format!("the answer has schema {}", answer.schema)));
        }
        Ok(answer)
    })
    .await
}

/// The members' accounts, each by its profile if one is named.
pub(crate) async fn sides(
    name: &str,
    members: &[&Member],
    profiles: &BTreeMap<MemberName, String>,
) -> Vec<sides::Side> {
    let until = Instant::now() + SIDES;
    stream::iter(members)
        .map(|member| async move {
            let profile = profiles.get(&member.name);
            // Boxed, because the future of so many checks is large.
            Box::pin(side(name, member, profile.map(String::as_str), until)).await
        })
        .buffered(SIDES_AT_ONCE)
        .collect()
        .await
}

async fn side(name: &str, member: &Member, profile: Option<&str>, until: Instant) -> sides::Side {
    let of = |caller, seen| sides::Side {
        member: member.name.to_string(),
        account: member.account.to_string(),
        caller,
        seen,
    };
    let Some(profile) = profile else {
        let because = format!(
            "no profile is named for it: --profile {}=PROFILE",
            member.name
        );
        return of(skipped(&because), None);
    };
    if Instant::now() > until {
        return of(
            skipped("the time was up: name fewer members with --member"),
            None,
        );
    }
    let config = match sdk_config_for(Some(profile)).await {
        Ok(config) => brisk(&config),
        Err(failure) => return of(skipped(&failure.to_string()), None),
    };
    let caller = look(async { identify(&config).await.0 }).await;
    let is_own =
        matches!(&caller.look, Look::Seen(caller) if caller.account == member.account.as_str());
    if !is_own {
        return of(caller, None);
    }
    let (worker, changes) = (format!("{name}-worker"), format!("{name}-changes"));
    let (stack, dead, lost, rule, request_rule) = (
        member_stack(name),
        format!("{changes}-dlq"),
        undelivered(name),
        format!("{name}-change-sets"),
        format!("{name}-product-requests"),
    );
    let (
        organization,
        stack,
        function,
        sources,
        changes,
        dead_letters,
        undelivered,
        rule,
        request_rule,
    ) = futures::join!(
        organization(&config, member.account.as_str()),
        look(aws::stack(&config, &stack)),
        look(aws::function(&config, &worker)),
        look(aws::sources(&config, &worker)),
        look(aws::queue(&config, &changes)),
        look(aws::queue(&config, &dead)),
        look(aws::queue(&config, &lost)),
        look(is_rule_enabled(&config, None, &rule)),
        look(is_rule_enabled(&config, None, &request_rule))
    );
    let seen = sides::Seen {
        name: name.to_owned(),
        organization,
        stack,
        function,
        sources,
        changes,
        dead_letters,
        undelivered,
        rule,
        request_rule,
    };
    of(caller, Some(seen))
}
