//! Links that a run could not serve for a reason that may pass are tried again within minutes.

use pmp_sync_domain::records::{LinkRecord, RunRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::wire::Scope;
use pmp_sync_fakes::SentRetry;

use super::invariants::{Violation, broken};
use super::scene::{MINUTE, since_begin};
use super::state::Simulator;

/// The codes of faults that may pass. Of the management experience only one whose link did not count as
/// held.
const MAY_PASS: [&str; 6] = [
    "PMS-2006", "PMS-3001", "PMS-3005", "PMS-3006", "PMS-4001", "PMS-4002",
];
/// The delays of the retries, in seconds.
const DELAYS: [i64; 3] = [60, 300, 900];
/// A run begins within this time after a retry is due, if nothing else goes wrong, in milliseconds.
const SOON: i64 = 5 * MINUTE;

impl Simulator {
    /// Checks that each link that failed was to be retried, and that a run has tried it in time.
    pub(crate) fn links_are_retried(&self) -> Result<(), Violation> {
        let sent = self.world.retries_sent();
        let (runs, links) = self.world.ledger(|ledger| {
            let runs: Vec<_> = ledger.runs.values().cloned().collect();
            let links: Vec<_> = ledger.links.values().cloned().collect();
            (runs, links)
        });
        for run in runs.iter().filter(|run| run.planned_at.is_some()) {
            let of_run = || links.iter().filter(|link| link.run == run.run);
            let is_failed = |link: &&LinkRecord| link.status == LinkStatus::Failed;
            // An invocation that was interrupted leaves records of failures that the next one did
            // not meet again: links in sync are not recorded.
            if of_run().filter(is_failed).count() > run.totals.failed {
                continue;
            }
            // The link may be gone since an invocation that was interrupted recorded its failure.
            let planned_at = run.planned_at.map_or(i64::MAX, since_begin);
            let is_left = |link: &LinkRecord| {
                let between = since_begin(link.at)..=planned_at;
                self.producer_crashes.iter().any(|at| between.contains(at))
            };
            for link in of_run().filter(|link| !is_left(link)) {
                // The link has failed as a whole since then, which counts instead.
                let is_whole = |other: &&LinkRecord| {
                    other.lane.is_none() && other.account == link.account && other.at >= link.at
                };
                if link.lane.is_some() && of_run().filter(is_failed).any(|other| is_whole(&other)) {
                    continue;
                }
                is_to_be_retried(run, link, &sent)?;
            }
        }
        for sent in sent.iter().filter(|sent| sent.arrived) {
            self.is_tried(sent, &runs)?;
        }
        Ok(())
    }

    fn is_tried(&self, sent: &SentRetry, runs: &[RunRecord]) -> Result<(), Violation> {
        let due = since_begin(sent.due);
        let delay = DELAYS.get(usize::from(sent.retry.number) - 1).copied();
        if delay != Some(sent.delay) {
            return broken("retried", || format!("{sent:?} has another delay"));
        }
        let since = since_begin(sent.retry.since);
        let mut troubles = self.producer_troubles.iter();
        if troubles.any(|trouble| (since..=due + SOON).contains(trouble)) {
            return Ok(());
        }
        let tried = |scope: &Scope, tried: &[&Scope]| {
            tried.iter().any(|other| {
                let members = other.members.is_empty()
                    || !scope.members.is_empty()
                        && scope.members.iter().all(|m| other.members.contains(m));
                let experiences = other.experiences.is_empty()
                    || !scope.experiences.is_empty()
                        && (scope.experiences.iter()).all(|e| other.experiences.contains(e));
                members && experiences
            })
        };
        let newer = runs.iter().filter(|run| {
            let begun = since_begin(run.started_at);
            begun > since && begun <= due + SOON && run.status != RunStatus::Planning
        });
        let scopes: Vec<_> = newer.flat_map(|run| &run.scopes).collect();
        // Several runs may have tried a part each.
        let parts = parts(&sent.retry.scope);
        if parts.iter().all(|part| tried(part, &scopes)) {
            return Ok(());
        }
        broken("retried", || {
            format!("no run has tried the links of {:?} in time", sent.retry)
        })
    }
}

/// The scope of each member experience.
fn parts(scope: &Scope) -> Vec<Scope> {
    if scope.members.is_empty() || scope.experiences.is_empty() {
        let one = |member: &_| Scope {
            members: vec![Clone::clone(member)],
            experiences: Vec::new(),
        };
        let all: Vec<_> = scope.members.iter().map(one).collect();
        return if all.is_empty() {
            vec![scope.clone()]
        } else {
            all
        };
    }
    let of_member = |member: &pmp_sync_domain::ids::MemberName| {
        let one = |experience: &_| Scope {
            members: vec![member.clone()],
            experiences: vec![Clone::clone(experience)],
        };
        scope.experiences.iter().map(one).collect::<Vec<_>>()
    };
    scope.members.iter().flat_map(of_member).collect()
}

/// Checks that the failure of a link was followed by a retry with the right number.
fn is_to_be_retried(
    run: &RunRecord,
    link: &LinkRecord,
    sent: &[SentRetry],
) -> Result<(), Violation> {
    let code = link.fault.as_ref().map(|fault| fault.code.as_str());
    let may_pass = code.is_some_and(|code| MAY_PASS.contains(&code));
    // Whether a denied member is retried depends on the runs before.
    if link.status != LinkStatus::Failed || !may_pass || run.denied.contains(&link.member) {
        return Ok(());
    }
    let covers = |scope: &Scope| {
        scope.members.is_empty()
            || scope.members.contains(&link.member)
                && (scope.experiences.is_empty()
                    || (link.lane.iter()).any(|lane| scope.experiences.contains(&lane.experience)))
    };
    let retries = run
        .requests
        .iter()
        .filter(|request| request.kind == "retry" && request.scope.as_ref().is_some_and(covers));
    let before = retries.map(|request| usize::from(request.retry)).max();
    let number = before.unwrap_or(0) + 1;
    let of_link = || {
        let of_run = sent.iter().filter(|sent| sent.retry.run == Some(run.run));
        of_run.filter(|sent| covers(&sent.retry.scope))
    };
    let is_right = match DELAYS.get(number - 1) {
        Some(_) => of_link().any(|sent| usize::from(sent.retry.number) == number),
        // A wider retry of other links may cover it.
        None => !of_link().any(|sent| !sent.retry.scope.experiences.is_empty()),
    };
    if is_right {
        return Ok(());
    }
    broken("retried", || {
        format!(
            "{} of {} in {} has failed ({code:?}): {:?} instead of number {number}",
            link.member,
            link.lane
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            run.run,
            of_link().collect::<Vec<_>>(),
        )
    })
}
