//! `pmp-sync stop` and `pmp-sync resume`: the emergency brake. After `stop` has returned no change set
//! is started on what it names; those in flight are left to end.

use std::time::Duration;

use pmp_sync_aws::edge::SystemClock;
use pmp_sync_deploy::progress::Progress;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName};
use pmp_sync_domain::lane::{Brake, LaneState, Phase, Stop};
use pmp_sync_domain::message::{Scope, SyncRequest, sync_requested};
use pmp_sync_domain::ports::{Bus as _, Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::run::LaneEntry;
use pmp_sync_domain::transit::transit;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::{BrakeOptions, Common};
use crate::context::{Context, request_id};
use crate::failure::Failure;
use crate::output;

/// How often the brake is written again because somebody else was faster.
const MOST_CONFLICTS: usize = 5;
/// How long a start that was under way may take: the longest that a worker runs by default, twice.
const STARTING: Duration = Duration::from_mins(1);

/// What the brake came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BrakeAnswer<'a> {
    /// What was done.
    done: Done,
    /// What is stopped now.
    brake: &'a Brake,
    /// The lanes that are stopped now.
    stopped_lanes: Vec<StoppedLane<'a>>,
}

/// What was done.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Done {
    /// The brake was put on.
    Stopped,
    /// It was taken off.
    Resumed,
}

/// A lane that starts no change set.
#[derive(Debug, Serialize, JsonSchema)]
struct StoppedLane<'a> {
    /// The member.
    member: &'a MemberName,
    /// Its account.
    account: &'a AccountId,
    /// Its experience.
    experience: &'a ExperienceId,
    /// Where the lane stands.
    phase: Phase,
    /// The change set that is left to end, if one is under way.
    change_set: Option<&'a ChangeSetId>,
}

/// What the options name.
struct Target<'a> {
    members: &'a [MemberName],
    links: &'a [ExperienceId],
}

impl<'a> Target<'a> {
    fn new(options: &'a BrakeOptions) -> Self {
        Self {
            members: &options.members,
            links: &options.links,
        }
    }

    fn is_everything(&self) -> bool {
        self.members.is_empty() && self.links.is_empty()
    }

    fn describe(&self) -> String {
        if self.is_everything() {
            return "everything".to_owned();
        }
        let members = self.members.iter().map(ToString::to_string);
        let links = self.links.iter().map(ToString::to_string);
        members.chain(links).collect::<Vec<_>>().join(", ")
    }
}

fn put_on(brake: &mut Brake, target: &Target<'_>, stop: &Stop) {
    // What is stopped already keeps who stopped it, and since when.
    if target.is_everything() {
        brake.all.get_or_insert_with(|| stop.clone());
    }
    for member in target.members {
        let entry = brake.members.entry(member.clone());
        entry.or_insert_with(|| stop.clone());
    }
    for link in target.links {
        let entry = brake.links.entry(link.clone());
        entry.or_insert_with(|| stop.clone());
    }
}

/// Each name is one that the configuration has: a misspelt one would look like a stop.
async fn check(context: &Context, target: &Target<'_>) -> Result<(), Failure> {
    if target.is_everything() {
        return Ok(());
    }
    let scope = Scope {
        members: target.members.to_vec(),
        ..Scope::default()
    };
    let links = Scope {
        experiences: target.links.to_vec(),
        ..Scope::default()
    };
    let stored = context.stored_config().await?;
    crate::scope::check(scope, &stored)?;
    crate::scope::check(links, &stored).map(drop)
}

fn take_off(brake: &mut Brake, target: &Target<'_>) -> Result<(), Failure> {
    let unknown = |what: String| Failure::Unknown {
        message: format!("{what} is not stopped by that name"),
        remedy: "`pmp-sync status` shows what is stopped, and by which name".to_owned(),
    };
    if target.is_everything() {
        brake.all = None;
        brake.members.clear();
        brake.links.clear();
        return Ok(());
    }
    if brake.all.is_some() {
        return Err(Failure::NotWell(
            "everything is stopped; `pmp-sync resume` without --member and --link resumes it"
                .to_owned(),
        ));
    }
    for member in target.members {
        if brake.members.remove(member).is_none() {
            return Err(unknown(member.to_string()));
        }
    }
    for link in target.links {
        if brake.links.remove(link).is_none() {
            return Err(unknown(link.to_string()));
        }
    }
    Ok(())
}

/// Reads, changes and writes the brake, until nobody was faster.
async fn change(
    context: &Context,
    change: impl Fn(&mut Brake) -> Result<(), Failure>,
) -> Result<Brake, Failure> {
    for _ in 0..MOST_CONFLICTS {
        let before = context.ledger.brake().await?;
        let mut after = before.clone();
        change(&mut after)?;
        if after == before {
            return Ok(after);
        }
        match context.ledger.put_brake(&after).await {
            Ok(()) => return Ok(after),
            Err(error) if error.kind == Kind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    let words = "somebody else wrote it each time";
    Err(ServiceError::new("PutItem", "the brake", Kind::Conflict, words).into())
}

/// Brings the mark of every known lane in line with the brake. Lanes that are not known yet get theirs
/// from the next run, before anything is planned for them.
async fn mark(context: &Context, brake: &Brake) -> Result<Vec<(LaneEntry, LaneState)>, Failure> {
    let mut lanes = Vec::new();
    for entry in context.ledger.lanes().await? {
        let state = context.ledger.state(&entry.lane).await?;
        let stop = brake.holds(&entry.member, &entry.lane);
        let changed = transit(
            &context.ledger,
            &SystemClock,
            &entry.lane,
            state.clone(),
            |state| match stop {
                Some(stop) => state.stopped(stop.clone()),
                None => state.resumed(),
            },
        )
        .await?;
        lanes.push((entry, changed.map_or(state, |changed| changed.after)));
    }
    Ok(lanes)
}

/// A start that was under way when the mark was set may still reach the service: it is waited for.
async fn wait_for_starts(
    context: &Context,
    lanes: &mut [(LaneEntry, LaneState)],
    progress: &Progress,
) -> Result<(), Failure> {
    let ends = Instant::now() + STARTING;
    loop {
        let mut starting = 0;
        for (entry, state) in lanes.iter_mut() {
            if state.stop.is_some() && state.phase == Phase::Starting {
                *state = context.ledger.state(&entry.lane).await?;
                starting += usize::from(state.phase == Phase::Starting);
            }
        }
        if starting == 0 {
            return Ok(());
        }
        if Instant::now() >= ends {
            return Err(Failure::Late(format!(
                "{starting} lanes were about to start a change set and have not said what came of it; they start no other one"
            )));
        }
        progress.detail(format!(
            "waiting for {starting} lanes that were starting a change set"
        ));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// `stop`
pub(crate) async fn stop(common: &Common, options: &BrakeOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let target = Target::new(options);
    check(&context, &target).await?;
    let stop = Stop {
        by: context.requester().await,
        since: SystemClock.now(),
    };
    let progress = Progress::new();
    progress.step("stopping");
    let stopped = async {
        let brake = change(&context, |brake| {
            put_on(brake, &target, &stop);
            Ok(())
        })
        .await?;
        let mut lanes = mark(&context, &brake).await?;
        wait_for_starts(&context, &mut lanes, &progress).await?;
        Ok::<_, Failure>((brake, lanes))
    }
    .await;
    progress.finish();
    let (brake, lanes) = stopped?;
    report(common, Done::Stopped, &target, &brake, &lanes)
}

/// Puts the brake on a member that is to be removed, and waits until nothing is being started.
pub(crate) async fn engage(
    context: &Context,
    member: &MemberName,
    progress: &Progress,
) -> Result<(), Failure> {
    let stop = Stop {
        by: context.requester().await,
        since: SystemClock.now(),
    };
    let members = [member.clone()];
    let target = Target {
        members: &members,
        links: &[],
    };
    let brake = change(context, |brake| {
        put_on(brake, &target, &stop);
        Ok(())
    })
    .await?;
    let mut lanes = mark(context, &brake).await?;
    wait_for_starts(context, &mut lanes, progress).await
}

/// Takes the brake off a member that is gone: another one may be called so.
pub(crate) async fn release(context: &Context, member: &MemberName) -> Result<(), Failure> {
    let brake = change(context, |brake| {
        brake.members.remove(member);
        Ok(())
    })
    .await?;
    mark(context, &brake).await.map(drop)
}

/// `resume`
pub(crate) async fn resume(common: &Common, options: &BrakeOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let target = Target::new(options);
    let brake = change(&context, |brake| take_off(brake, &target)).await?;
    let lanes = mark(&context, &brake).await?;
    // What was held back is planned now rather than with the next hourly run.
    let scopes = if target.is_everything() {
        vec![Scope::default()]
    } else {
        let of_members = Scope {
            members: target.members.to_vec(),
            ..Scope::default()
        };
        let of_links = Scope {
            experiences: target.links.to_vec(),
            ..Scope::default()
        };
        let narrow = [of_members, of_links];
        let narrow = narrow.into_iter().filter(|scope| !scope.is_everything());
        narrow.collect()
    };
    let requester = context.requester().await;
    for scope in scopes {
        context
            .bus
            .put(sync_requested(SyncRequest {
                scope,
                request_id: Some(request_id()),
                requester: requester.clone(),
                ..SyncRequest::default()
            }))
            .await?;
    }
    report(common, Done::Resumed, &target, &brake, &lanes)
}

fn report(
    common: &Common,
    done: Done,
    target: &Target<'_>,
    brake: &Brake,
    lanes: &[(LaneEntry, LaneState)],
) -> Result<(), Failure> {
    let held: Vec<_> = lanes
        .iter()
        .filter(|(_, state)| state.stop.is_some())
        .collect();
    if common.json {
        let held: Vec<_> = held
            .iter()
            .map(|(entry, state)| StoppedLane {
                member: &entry.member,
                account: &entry.lane.account,
                experience: &entry.lane.experience,
                phase: state.phase,
                change_set: state.change_set.as_ref(),
            })
            .collect();
        return output::json(&BrakeAnswer {
            done,
            brake,
            stopped_lanes: held,
        });
    }
    let done = output::word(&done);
    output::line(&format!("{done}: {}", target.describe()))?;
    for (entry, state) in held {
        let words = match &state.change_set {
            Some(id) => format!("change set {id} is left to end"),
            None => state.phase.to_string(),
        };
        output::line(&format!(
            "  {} {}: {words}",
            entry.member, entry.lane.experience
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(by: &str) -> Stop {
        Stop {
            by: Some(by.to_owned()),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn options(members: &[&str], links: &[&str]) -> BrakeOptions {
        BrakeOptions {
            members: members.iter().map(|name| name.parse().unwrap()).collect(),
            links: links.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_is_stopped_already_keeps_who_stopped_it() {
        let mut brake = Brake::default();
        let one = options(&["emea"], &["exp-1"]);
        put_on(&mut brake, &Target::new(&one), &stop("first"));
        put_on(&mut brake, &Target::new(&one), &stop("second"));
        let of_member = &brake.members[&"emea".parse().unwrap()];
        assert_eq!(of_member.by.as_deref(), Some("first"));
        assert_eq!((brake.links.len(), brake.all.is_none()), (1, true));
    }

    #[test]
    fn resume_without_a_name_takes_everything_off_and_with_one_only_that() {
        let mut brake = Brake::default();
        put_on(
            &mut brake,
            &Target::new(&options(&["emea", "apac"], &["exp-1"])),
            &stop("x"),
        );
        take_off(&mut brake, &Target::new(&options(&["emea"], &[]))).unwrap();
        assert_eq!((brake.members.len(), brake.links.len()), (1, 1));
        take_off(&mut brake, &Target::new(&options(&[], &[]))).unwrap();
        assert_eq!(brake, Brake::default());
    }

    #[test]
    fn what_is_not_stopped_by_that_name_is_not_resumed() {
        let mut brake = Brake::default();
        put_on(
            &mut brake,
            &Target::new(&options(&["emea"], &[])),
            &stop("x"),
        );
        assert!(take_off(&mut brake, &Target::new(&options(&["apac"], &[]))).is_err());
        assert!(take_off(&mut brake, &Target::new(&options(&[], &["exp-1"]))).is_err());
    }

    #[test]
    fn one_member_is_not_resumed_while_everything_is_stopped() {
        let mut brake = Brake::default();
        put_on(&mut brake, &Target::new(&options(&[], &[])), &stop("x"));
        assert!(take_off(&mut brake, &Target::new(&options(&["emea"], &[]))).is_err());
        assert!(brake.all.is_some());
    }
}
