//! Suspend and resume: the item in the ledger, and the marks of the lanes.

use std::time::Duration;

use clap::Args;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName};
use pmp_sync_domain::lane::{LaneState, Phase, Suspension};
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{LaneEntry, Suspensions};
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::context::Context;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

/// How often the item is written again because another writer was faster.
const MOST_CONFLICTS: usize = 5;
/// How long a start that is under way may take: twice the default timeout of a worker.
const STARTING: Duration = Duration::from_mins(1);

/// What to suspend or resume. Everything if nothing is named.
#[derive(Debug, Args)]
pub(crate) struct SuspendOptions {
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    pub(crate) members: Vec<MemberName>,
    /// Only the link to this member experience. May be given several times.
    #[arg(long = "link", value_name = "EXPERIENCE")]
    pub(crate) links: Vec<ExperienceId>,
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
    /// It was taken off.
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

/// The members and experiences that the options name.
pub(crate) struct Target<'a> {
    pub(crate) members: &'a [MemberName],
    pub(crate) links: &'a [ExperienceId],
}

impl<'a> Target<'a> {
    pub(crate) fn new(options: &'a SuspendOptions) -> Self {
        Self {
            members: &options.members,
            links: &options.links,
        }
    }

    pub(crate) fn is_everything(&self) -> bool {
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

pub(crate) fn put_on(suspensions: &mut Suspensions, target: &Target<'_>, suspension: &Suspension) {
    // An existing suspension keeps its operator and time.
    if target.is_everything() {
        suspensions.all.get_or_insert_with(|| suspension.clone());
    }
    for member in target.members {
        let entry = suspensions.members.entry(member.clone());
        entry.or_insert_with(|| suspension.clone());
    }
    for link in target.links {
        let entry = suspensions.links.entry(link.clone());
        entry.or_insert_with(|| suspension.clone());
    }
}

/// Checks that the configuration has each name. A misspelt name would suspend nothing.
pub(crate) async fn check(context: &Context, target: &Target<'_>) -> Result<(), Failure> {
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
    super::scope::check(scope, &stored)?;
    super::scope::check(links, &stored).map(drop)
}

pub(crate) fn take_off(suspensions: &mut Suspensions, target: &Target<'_>) -> Result<(), Failure> {
    let unknown = |what: String| Failure::Unknown {
        message: format!("{what} is not suspended by that name"),
        remedy: "`pmp-sync status` shows what is suspended, and by which name".to_owned(),
    };
    if target.is_everything() {
        suspensions.all = None;
        suspensions.members.clear();
        suspensions.links.clear();
        return Ok(());
    }
    if suspensions.all.is_some() {
        return Err(Failure::NotWell(
            "everything is suspended; `pmp-sync resume` without --member and --link resumes it"
                .to_owned(),
        ));
    }
    for member in target.members {
        if suspensions.members.remove(member).is_none() {
            return Err(unknown(member.to_string()));
        }
    }
    for link in target.links {
        if suspensions.links.remove(link).is_none() {
            return Err(unknown(link.to_string()));
        }
    }
    Ok(())
}

/// Reads, changes and writes the item, and repeats that after a conflict.
pub(crate) async fn change(
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
pub(crate) async fn mark(
    context: &Context,
    suspensions: &Suspensions,
) -> Result<Vec<(LaneEntry, LaneState)>, Failure> {
    let mut lanes = Vec::new();
    for entry in context.ledger.lanes().await? {
        let state = context.ledger.state(&entry.lane).await?;
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

/// Waits for starts that were under way when the mark was set, because they may still reach the
/// service.
pub(crate) async fn wait_for_starts(
    context: &Context,
    lanes: &mut [(LaneEntry, LaneState)],
    progress: &Progress,
) -> Result<(), Failure> {
    let ends = Instant::now() + STARTING;
    loop {
        let mut starting = 0;
        for (entry, state) in lanes.iter_mut() {
            if state.suspension.is_some() && state.phase == Phase::Starting {
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

/// Suspends a member that is to be removed, and waits until nothing is starting.
pub(crate) async fn engage(
    context: &Context,
    member: &MemberName,
    progress: &Progress,
) -> Result<(), Failure> {
    let suspension = Suspension {
        by: context.requester().await,
        since: SystemClock.now(),
    };
    let members = [member.clone()];
    let target = Target {
        members: &members,
        links: &[],
    };
    let suspensions = change(context, |suspensions| {
        put_on(suspensions, &target, &suspension);
        Ok(())
    })
    .await?;
    let mut lanes = mark(context, &suspensions).await?;
    wait_for_starts(context, &mut lanes, progress).await
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
    target: &Target<'_>,
    suspensions: &Suspensions,
    lanes: &[(LaneEntry, LaneState)],
) -> Result<(), Failure> {
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

    fn suspension(by: &str) -> Suspension {
        Suspension {
            by: Some(by.to_owned()),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn options(members: &[&str], links: &[&str]) -> SuspendOptions {
        SuspendOptions {
            members: members.iter().map(|name| name.parse().unwrap()).collect(),
            links: links.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_is_suspended_already_keeps_who_suspended_it() {
        let mut suspensions = Suspensions::default();
        let one = options(&["emea"], &["exp-1"]);
        put_on(&mut suspensions, &Target::new(&one), &suspension("first"));
        put_on(&mut suspensions, &Target::new(&one), &suspension("second"));
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
            &Target::new(&options(&["emea", "apac"], &["exp-1"])),
            &suspension("x"),
        );
        take_off(&mut suspensions, &Target::new(&options(&["emea"], &[]))).unwrap();
        assert_eq!((suspensions.members.len(), suspensions.links.len()), (1, 1));
        take_off(&mut suspensions, &Target::new(&options(&[], &[]))).unwrap();
        assert_eq!(suspensions, Suspensions::default());
    }

    #[test]
    fn what_is_not_suspended_by_that_name_is_not_resumed() {
        let mut suspensions = Suspensions::default();
        put_on(
            &mut suspensions,
            &Target::new(&options(&["emea"], &[])),
            &suspension("x"),
        );
        assert!(take_off(&mut suspensions, &Target::new(&options(&["apac"], &[]))).is_err());
        assert!(take_off(&mut suspensions, &Target::new(&options(&[], &["exp-1"]))).is_err());
    }

    #[test]
    fn one_member_is_not_resumed_while_everything_is_suspended() {
        let mut suspensions = Suspensions::default();
        put_on(
            &mut suspensions,
            &Target::new(&options(&[], &[])),
            &suspension("x"),
        );
        assert!(take_off(&mut suspensions, &Target::new(&options(&["emea"], &[]))).is_err());
        assert!(suspensions.all.is_some());
    }
}
