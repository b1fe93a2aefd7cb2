//! Suspend and resume: the item in the ledger, and the marks of the lanes.

use std::time::Duration;

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName};
use pmp_sync_domain::lane::{LaneState, Phase, Suspension};
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{ActKind, LaneEntry, Suspensions};
use pmp_sync_domain::suggest::did_you_mean;
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use super::record::record;
use super::wait::{Seen, wait_until};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

/// How often the item is written again because another writer was faster.
const MOST_CONFLICTS: usize = 5;
/// How long a start that is under way may take: twice the default timeout of a worker.
const STARTING: Duration = Duration::from_mins(1);

/// What is suspended now.
pub(crate) struct Suspended {
    suspensions: Suspensions,
    /// Every known lane with its state.
    lanes: Vec<(LaneEntry, LaneState)>,
}

/// The result of suspend or resume.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SuspendAnswer<'a> {
    /// What was done.
    done: Done,
    /// The current suspensions.
    suspensions: &'a Suspensions,
    /// The lanes that are suspended now.
    suspended_lanes: Vec<SuspendedLane<'a>>,
}

/// What was done.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Done {
    /// It was suspended.
    Suspended,
    /// It was resumed.
    Resumed,
}

/// A suspended lane.
#[derive(Debug, Serialize, JsonSchema)]
struct SuspendedLane<'a> {
    /// The member's name in the configuration.
    member: &'a MemberName,
    /// The member account.
    account: &'a AccountId,
    /// The member experience.
    experience: &'a ExperienceId,
    /// What the lane is doing.
    phase: Phase,
    /// The change set that is under way and left to end.
    change_set: Option<&'a ChangeSetId>,
}

fn describe(scope: &Scope) -> String {
    if scope.is_everything() {
        return "everything".to_owned();
    }
    let members = scope.members.iter().map(ToString::to_string);
    let experiences = scope.experiences.iter().map(ToString::to_string);
    members.chain(experiences).collect::<Vec<_>>().join(", ")
}

/// Each half of a scope on its own: members are suspended with all their experiences, and experiences
/// whatever member they are of.
pub(crate) fn halves(scope: &Scope) -> Vec<Scope> {
    if scope.is_everything() {
        return vec![Scope::default()];
    }
    let members = Scope {
        members: scope.members.clone(),
        ..Scope::default()
    };
    let experiences = Scope {
        experiences: scope.experiences.clone(),
        ..Scope::default()
    };
    let halves = [members, experiences].into_iter();
    halves.filter(|half| !half.is_everything()).collect()
}

fn put_on(
    suspensions: &mut Suspensions,
    scope: &Scope,
    suspension: &Suspension,
) -> Result<(), Failure> {
    let suspended = suspensions.suspend(&scope.members, &scope.experiences, suspension);
    suspended.map_err(|error| Failure::CommandLine {
        message: error.to_string(),
        remedy: "suspend whole members instead of their experiences, or everything".to_owned(),
    })
}

fn take_off(suspensions: &mut Suspensions, scope: &Scope) -> Result<(), Failure> {
    let unknown = |what: &str, suspended: Vec<&str>| Failure::Unknown {
        message: format!(
            "{what} is not suspended by that name{}",
            did_you_mean(what, suspended)
        ),
        remedy: "`pmp-sync status` shows what is suspended, and by which name".to_owned(),
    };
    if scope.is_everything() {
        suspensions.all = None;
        suspensions.members.clear();
        suspensions.links.clear();
        return Ok(());
    }
    if suspensions.all.is_some() {
        return Err(Failure::NotWell(
            "everything is suspended; `pmp-sync resume` without --member and --experience resumes it"
                .to_owned(),
        ));
    }
    for member in &scope.members {
        if suspensions.members.remove(member).is_none() {
            let suspended = suspensions.members.keys().map(MemberName::as_str);
            return Err(unknown(member.as_str(), suspended.collect()));
        }
    }
    for experience in &scope.experiences {
        if suspensions.links.remove(experience).is_none() {
            let suspended = suspensions.links.keys().map(ExperienceId::as_str);
            return Err(unknown(experience.as_str(), suspended.collect()));
        }
    }
    Ok(())
}

/// Reads, changes and writes the item, and repeats that after a conflict.
async fn change(
    context: &Context,
    change: impl Fn(&mut Suspensions) -> Result<(), Failure>,
) -> Result<Suspensions, Failure> {
    for _ in 0..MOST_CONFLICTS {
        let before = context.ledger.suspensions().await?;
        let mut after = before.clone();
        change(&mut after)?;
        if after == before {
            return Ok(after);
        }
        match context.ledger.put_suspensions(&after).await {
            Ok(()) => return Ok(after),
            Err(error) if error.kind == Kind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    let words = "another writer changed it at each attempt";
    Err(ServiceError::new("PutItem", "the suspension", Kind::Conflict, words).into())
}

/// Brings the mark of every known lane in line with the item. A lane that is not known yet gets its
/// mark from the next run, before anything is planned for it.
async fn mark(
    context: &Context,
    suspensions: &Suspensions,
) -> Result<Vec<(LaneEntry, LaneState)>, Failure> {
    let mut lanes = Vec::new();
    for entry in context.readable(context.ledger.lanes().await?) {
        // A lane that cannot be read gets its mark from the run that can read it.
        let state = context.if_readable(context.ledger.state(&entry.lane).await)?;
        let Some(state) = state else { continue };
        let suspension = suspensions.holds(&entry.member, &entry.lane);
        let changed = try_transition(
            &context.ledger,
            &SystemClock,
            &entry.lane,
            state.clone(),
            |state| match suspension {
                Some(suspension) => state.suspended(suspension.clone()),
                None => state.resumed(),
            },
        )
        .await?;
        lanes.push((entry, changed.map_or(state, |changed| changed.after)));
    }
    Ok(lanes)
}

async fn wait_for_starts(
    context: &Context,
    lanes: &mut [(LaneEntry, LaneState)],
    progress: &Progress,
) -> Result<(), Failure> {
    wait_until(STARTING, async || {
        let mut starting = 0;
        for (entry, state) in lanes.iter_mut() {
            if state.suspension.is_some() && state.phase == Phase::Starting {
                *state = context.ledger.state(&entry.lane).await?;
                starting += usize::from(state.phase == Phase::Starting);
            }
        }
        if starting == 0 {
            return Ok(Seen::Ready(()));
        }
        let lanes = output::count(starting, "lane");
        progress.detail(format!("waiting for {lanes} in which a change set is starting"));
        Ok(Seen::NotYet(format!(
            "a start of a change set has neither succeeded nor failed in {lanes}; no other change set starts there"
        )))
    })
    .await
}

/// Suspends a scope, and waits until nothing is starting.
pub(crate) async fn suspend(
    context: &Context,
    scope: &Scope,
    reason: Option<&str>,
    progress: &Progress,
) -> Result<Suspended, Failure> {
    let suspension = Suspension {
        by: context.requester().await,
        since: SystemClock.now(),
    };
    let suspensions = change(context, |suspensions| {
        put_on(suspensions, scope, &suspension)
    })
    .await?;
    // It is in force now, whatever becomes of the marks.
    record(context, ActKind::Suspended, scope, reason).await;
    let mut lanes = mark(context, &suspensions).await?;
    wait_for_starts(context, &mut lanes, progress).await?;
    Ok(Suspended { suspensions, lanes })
}

/// Ends the suspension of a scope.
pub(crate) async fn resume(
    context: &Context,
    scope: &Scope,
    reason: Option<&str>,
) -> Result<Suspended, Failure> {
    let suspensions = change(context, |suspensions| take_off(suspensions, scope)).await?;
    record(context, ActKind::Resumed, scope, reason).await;
    let lanes = mark(context, &suspensions).await?;
    Ok(Suspended { suspensions, lanes })
}

/// Removes the suspension of a removed member, because another one may get its name.
pub(crate) async fn release(context: &Context, member: &MemberName) -> Result<(), Failure> {
    let suspensions = change(context, |suspensions| {
        suspensions.members.remove(member);
        Ok(())
    })
    .await?;
    mark(context, &suspensions).await.map(drop)
}

pub(crate) fn report(
    common: &Common,
    done: Done,
    scope: &Scope,
    now: &Suspended,
) -> Result<(), Failure> {
    let Suspended { suspensions, lanes } = now;
    let held: Vec<_> = lanes
        .iter()
        .filter(|(_, state)| state.suspension.is_some())
        .collect();
    if common.json {
        let held: Vec<_> = held
            .iter()
            .map(|(entry, state)| SuspendedLane {
                member: &entry.member,
                account: &entry.lane.account,
                experience: &entry.lane.experience,
                phase: state.phase,
                change_set: state.change_set.as_ref(),
            })
            .collect();
        return output::json(&SuspendAnswer {
            done,
            suspensions,
            suspended_lanes: held,
        });
    }
    let done = output::word(&done);
    output::line(&format!("{done}: {}", describe(scope)))?;
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

    fn suspension(by: &str) -> Suspension {
        Suspension {
            by: Some(by.to_owned()),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn scope(members: &[&str], experiences: &[&str]) -> Scope {
        Scope {
            members: members.iter().map(|name| name.parse().unwrap()).collect(),
            experiences: experiences.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_is_suspended_already_keeps_who_suspended_it() {
        let mut suspensions = Suspensions::default();
        let one = scope(&["emea"], &["exp-1"]);
        put_on(&mut suspensions, &one, &suspension("first")).unwrap();
        put_on(&mut suspensions, &one, &suspension("second")).unwrap();
        let of_member = &suspensions.members[&"emea".parse().unwrap()];
        assert_eq!(of_member.by.as_deref(), Some("first"));
        assert_eq!(
            (suspensions.links.len(), suspensions.all.is_none()),
            (1, true)
        );
    }

    #[test]
    fn resume_without_a_name_takes_everything_off_and_with_one_only_that() {
        let mut suspensions = Suspensions::default();
        put_on(
            &mut suspensions,
            &scope(&["emea", "apac"], &["exp-1"]),
            &suspension("x"),
        )
        .unwrap();
        take_off(&mut suspensions, &scope(&["emea"], &[])).unwrap();
        assert_eq!((suspensions.members.len(), suspensions.links.len()), (1, 1));
        take_off(&mut suspensions, &scope(&[], &[])).unwrap();
        assert_eq!(suspensions, Suspensions::default());
    }

    #[test]
    fn what_is_not_suspended_by_that_name_is_not_resumed() {
        let mut suspensions = Suspensions::default();
        put_on(&mut suspensions, &scope(&["emea"], &[]), &suspension("x")).unwrap();
        let refused = |suspensions: &mut Suspensions, scope| {
            let failure = take_off(suspensions, &scope).unwrap_err();
            assert_eq!(failure.exit_code(), 5);
            failure.to_string()
        };
        let told = refused(&mut suspensions, scope(&["apac"], &[]));
        assert_eq!(told, "apac is not suspended by that name");
        let told = refused(&mut suspensions, scope(&["emae"], &[]));
        assert!(told.ends_with("; did you mean emea?"), "{told}");
        put_on(
            &mut suspensions,
            &scope(&[], &["exp-12345"]),
            &suspension("x"),
        )
        .unwrap();
        let told = refused(&mut suspensions, scope(&[], &["exp-12354"]));
        assert!(told.ends_with("; did you mean exp-12345?"), "{told}");
    }

    #[test]
    fn one_member_is_not_resumed_while_everything_is_suspended() {
        let mut suspensions = Suspensions::default();
        put_on(&mut suspensions, &scope(&[], &[]), &suspension("x")).unwrap();
        assert!(take_off(&mut suspensions, &scope(&["emea"], &[])).is_err());
        assert!(suspensions.all.is_some());
    }

    #[test]
    fn more_suspensions_than_are_kept_are_refused_with_what_to_do() {
        let mut suspensions = Suspensions::default();
        let names: Vec<_> = (0..=300).map(|number| format!("exp-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        put_on(&mut suspensions, &scope(&[], &names[1..]), &suspension("x")).unwrap();
        let refused = put_on(&mut suspensions, &scope(&[], &names[..1]), &suspension("x"));
        let failure = refused.unwrap_err();
        assert!(matches!(failure, Failure::CommandLine { .. }), "{failure}");
        assert_eq!(suspensions.links.len(), 300);
    }
}
