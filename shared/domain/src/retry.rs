//! Retries of links that a run could not serve for a reason that may pass: a service did not answer,
//! or a role that was just created is not known everywhere yet. They come after 1, 5 and 15 minutes,
//! for those links alone; after that the next run tries again. Pure.

mod pending;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::pending::pending_retries;
use crate::error::{LinkError, MayPass, RETRY_AFTER};
use crate::ids::{ExperienceId, MemberName, RunId};
use crate::link::Link;
use crate::records::{Request, RunRecord};
use crate::time::elapsed;
use crate::wire::limits::MOST_SCOPE;
use crate::wire::{LinkRetry, Scope};

/// A member that has been denied access for longer than this is not retried, in seconds: its retries
/// are over, and somebody has to act.
fn denied_for() -> f64 {
    RETRY_AFTER.iter().copied().map(f64::from).sum()
}

/// A link that could not be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The member.
    pub member: MemberName,
    /// The member experience. None for a `*` link whose experiences are not known.
    pub experience: Option<ExperienceId>,
    /// Why it may succeed soon.
    pub why: MayPass,
}

impl Missed {
    /// The link, if the error may pass.
    pub fn of(link: &Link, experience: Option<&ExperienceId>, error: &LinkError) -> Option<Self> {
        Some(Self {
            member: link.member.name.clone(),
            experience: experience.cloned().or_else(|| {
                let lane = link.lane();
                lane.map(|lane| lane.experience)
            }),
            why: error.may_pass()?,
        })
    }

    fn is_covered(&self, scope: &Scope) -> bool {
        match &self.experience {
            Some(experience) => scope.covers(&self.member, experience),
            None => scope.is_all_of(&self.member),
        }
    }
}

/// The attempt that missed links.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Its id. No other attempt has it.
    pub id: &'a str,
    /// The run, if it was one.
    pub run: Option<RunId>,
    /// The requests of the run. A retry among them is continued.
    pub requests: &'a [Request],
    /// When it began.
    pub at: Timestamp,
}

/// The retries of what an attempt has missed, each with its delay in seconds: at most two for each
/// number, one of single experiences and one of all experiences of members. Members that have been
/// denied access for long are left out.
pub fn retries(
    attempt: Attempt<'_>,
    missed: &[Missed],
    long_denied: &BTreeSet<MemberName>,
) -> Vec<(LinkRetry, u16)> {
    let mut scopes: BTreeMap<(u8, bool), Scope> = BTreeMap::new();
    for link in missed {
        let before = attempt.requests.iter().filter(|request| {
            let scope = request.scope.as_ref();
            scope.is_some_and(|scope| link.is_covered(scope))
        });
        let before = before.map(|request| request.retry).max().unwrap_or(0);
        let is_denied = link.why == MayPass::Denied && long_denied.contains(&link.member);
        if before == 0 && is_denied {
            continue;
        }
        let number = before.saturating_add(1);
        let scope = scopes.entry((number, link.experience.is_none()));
        let scope = scope.or_default();
        if !scope.members.contains(&link.member) {
            scope.members.push(link.member.clone());
        }
        scope.experiences.extend(link.experience.clone());
    }
    let retries = scopes.into_iter().filter_map(|((number, of_all), scope)| {
        let delay = RETRY_AFTER.get(usize::from(number).checked_sub(1)?)?;
        let part = if of_all { "all" } else { "some" };
        let retry = LinkRetry {
            id: format!("{}-{number}-{part}", attempt.id),
            number,
            run: attempt.run,
            since: attempt.at,
            scope: bounded(scope),
        };
        Some((retry, *delay))
    });
    retries.collect()
}

/// A scope of many links covers others as well, which are only looked at.
fn bounded(mut scope: Scope) -> Scope {
    if scope.members.len() > MOST_SCOPE {
        return Scope::default();
    }
    if scope.experiences.len() > MOST_SCOPE {
        scope.experiences.clear();
    }
    scope
}

/// The members of these that were denied access in each of the last runs, and longer ago than the
/// retries of that take. `runs` are runs before `now`, the newest first.
pub fn long_denied(
    members: &BTreeSet<MemberName>,
    runs: &[RunRecord],
    now: Timestamp,
) -> BTreeSet<MemberName> {
    let is_long = |member: &&MemberName| {
        runs.iter()
            .filter(|run| run.has_observed() && run.scopes.iter().any(|s| s.is_about(member)))
            .take_while(|run| run.denied.contains(*member))
            .any(|run| elapsed(run.started_at, now) > denied_for())
    };
    members.iter().filter(is_long).cloned().collect()
}

/// What of a retry no newer run has tried, whose own failures are retried. None if that is nothing.
pub fn still_missed(retry: &LinkRetry, runs: &[RunRecord]) -> Option<Scope> {
    let newer = runs
        .iter()
        .filter(|run| run.has_observed() && run.started_at > retry.since);
    let tried: Vec<&Scope> = newer.flat_map(|run| &run.scopes).collect();
    let mut left = retry.scope.clone();
    if left.members.is_empty() {
        return (!tried.iter().any(|scope| scope.is_everything())).then_some(left);
    }
    left.members
        .retain(|member| !tried.iter().any(|scope| scope.is_all_of(member)));
    if left.members.is_empty() {
        return None;
    }
    if left.experiences.is_empty() {
        return Some(left);
    }
    let members = &left.members;
    left.experiences.retain(|experience| {
        let covers_all = |scope: &&Scope| members.iter().all(|m| scope.covers(m, experience));
        !tried.iter().any(covers_all)
    });
    (!left.experiences.is_empty()).then_some(left)
}

#[cfg(test)]
mod tests;
