//! The configuration, the last runs, and the lanes.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::Trouble;
use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::hint::{Advice, Hint};
use pmp_sync_domain::ids::{AccountId, LaneId};
use pmp_sync_domain::lane::Block;
use pmp_sync_domain::ports::StoredConfig;
use pmp_sync_domain::records::{RunRecord, Suspensions};
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::time::{in_words, whole_seconds};

use super::check::Check;
use super::finding::{Finding, of};
use super::look::Timed;
use super::management::Schedule;
use crate::output::{self, count, time};

/// The most unfinished runs that are read.
pub(super) const MOST_RUNS: u16 = 50;

/// A run that has not ended after this many seconds is a finding.
const LONG: i64 = 3_600;
/// A schedule with an unknown period counts as daily.
const DAILY: i64 = 86_400;

/// A lane with its state.
#[derive(Debug, Clone)]
pub(crate) struct LaneSeen {
    /// Member and experience as text.
    pub(crate) name: String,
    pub(crate) lane: LaneId,
    pub(crate) block: Option<Block>,
    pub(crate) quarantined: usize,
    pub(crate) last_success: Option<Timestamp>,
}

/// A link with its state.
#[derive(Debug, Clone)]
pub(crate) struct LinkSeen {
    pub(crate) name: String,
    pub(crate) lane: LaneId,
    pub(crate) holds: Vec<Hold>,
    pub(crate) frozen_since: Option<Timestamp>,
    /// Products that somebody else has changed, and since when the first of them has been known.
    pub(crate) edited: (usize, Option<Timestamp>),
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) config: Timed<Option<StoredConfig>>,
    pub(crate) onboarded: Timed<Vec<AccountId>>,
    pub(crate) suspensions: Timed<Suspensions>,
    pub(crate) last: Timed<Option<RunRecord>>,
    pub(crate) unfinished: Timed<Vec<RunRecord>>,
    pub(crate) lanes: Timed<Vec<LaneSeen>>,
    pub(crate) links: Timed<Vec<LinkSeen>>,
    /// Items that cannot be read.
    pub(crate) unreadable: Vec<ServiceError>,
}

/// The period of the schedule, and since when it exists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rhythm {
    pub(crate) schedule: Option<Schedule>,
    pub(crate) since: Option<Timestamp>,
}

/// Judges what was seen.
pub(crate) fn judge(facts: &Facts, rhythm: &Rhythm, now: Timestamp) -> Vec<Finding> {
    let mut found = configuration(facts);
    found.push(of(Check::Suspensions, &facts.suspensions, suspensions));
    found.push(of(Check::LastRun, &facts.last, |run| {
        last_run(run.as_ref(), rhythm, now)
    }));
    found.extend(unfinished(facts, now));
    found.extend(lanes(facts));
    found.extend(links(facts, now));
    found.extend(items(facts));
    found
}

fn items(facts: &Facts) -> Vec<Finding> {
    if facts.unreadable.is_empty() {
        return vec![Finding::ok(Check::LedgerItems, "each that was read")];
    }
    let of_one = |error: &ServiceError| {
        let trouble = Trouble {
            kind: error.kind,
            message: error.message.clone(),
        };
        Finding::trouble(Check::LedgerItems, &trouble).about(error.thing.as_str())
    };
    facts.unreadable.iter().map(of_one).collect()
}

/// One finding for each item, or a single one that says that all are well.
fn each<T>(
    check: Check,
    seen: &Timed<T>,
    told: impl FnOnce(&T) -> Vec<Finding>,
    otherwise: impl FnOnce(&T) -> String,
) -> Vec<Finding> {
    let mut all = Vec::new();
    let summary = of(check, seen, |seen| {
        all = told(seen);
        Finding::ok(check, otherwise(seen))
    });
    if all.is_empty() {
        return vec![summary];
    }
    all.into_iter()
        .map(|found| found.took(seen.milliseconds))
        .collect()
}

/// The configuration, if it is valid.
pub(crate) fn parsed(facts: &Facts) -> Option<Config> {
    match &facts.config.look {
        pmp_sync_domain::answers::doctor::Look::Seen(Some(stored)) => {
            Config::parse(&stored.text).ok()
        }
        _ => None,
    }
}

fn configuration(facts: &Facts) -> Vec<Finding> {
    let check = Check::Configuration;
    let stored = of(check, &facts.config, |stored| {
        let Some(stored) = stored else {
            return Finding::fail(check, "no configuration is stored");
        };
        match Config::parse(&stored.text) {
            Ok(config) => Finding::ok(
                check,
                format!(
                    "version {}, {}, {}",
                    stored.version,
                    count(config.members.len(), "member"),
                    count(config.links.len(), "link")
                ),
            ),
            Err(error) => Finding::fail(
                check,
                format!("version {} is not valid: {error}", stored.version),
            ),
        }
    });
    let Some(config) = parsed(facts) else {
        let because = "there is no configuration that can be read";
        return vec![
            stored,
            Finding::because(Check::MemberLinks, because),
            Finding::because(Check::Onboarding, because),
        ];
    };
    let linked: BTreeSet<_> = config.links.iter().map(|link| &link.member.name).collect();
    let alone = config.members.keys().filter(|name| !linked.contains(name));
    let mut found = vec![stored];
    let before = found.len();
    found.extend(alone.map(|name| {
        let seen = "the member has no link: nothing is kept in sync there";
        Finding::warn(Check::MemberLinks, seen).about(name.as_str())
    }));
    if found.len() == before {
        found.push(Finding::ok(Check::MemberLinks, "every member has one"));
    }
    let known: BTreeSet<_> = config
        .members
        .values()
        .map(|member| &member.account)
        .collect();
    found.extend(each(
        Check::Onboarding,
        &facts.onboarded,
        |accounts| {
            let open = accounts.iter().filter(|account| !known.contains(account));
            let told = open.map(|account| {
                let seen = "the account was taken in, and is not in the configuration";
                Finding::warn(Check::Onboarding, seen).about(account.as_str())
            });
            told.collect()
        },
        |_| "every account that was taken in is configured".to_owned(),
    ));
    found
}

fn suspensions(suspensions: &Suspensions) -> Finding {
    let told: Vec<_> = suspensions
        .each()
        .map(|(of, on)| output::suspended(of, on))
        .collect();
    if told.is_empty() {
        return Finding::ok(Check::Suspensions, "nothing is suspended");
    }
    Finding::warn(Check::Suspensions, told.join("; "))
}

fn ago(from: Timestamp, to: Timestamp) -> String {
    in_words(whole_seconds(from, to))
}

fn last_run(run: Option<&RunRecord>, rhythm: &Rhythm, now: Timestamp) -> Finding {
    let check = Check::LastRun;
    let schedule = rhythm.schedule.as_ref();
    let schedule = schedule.filter(|schedule| schedule.enabled);
    let most = schedule.map(|schedule| schedule.period().unwrap_or(DAILY).saturating_mul(2));
    let is_late = |since: Timestamp| most.is_some_and(|most| whole_seconds(since, now) > most);
    let Some(run) = run else {
        let seen = "there was no run yet";
        let fix = "ask for one with `pmp-sync sync --wait`";
        return if rhythm.since.is_some_and(is_late) {
            let seen = format!("{seen}, although the schedule is enabled");
            Finding::fail(check, seen).with_fix(format!("{fix}, and see the producer's log"))
        } else {
            Finding::warn(check, seen).with_fix(fix)
        };
    };
    let seen = format!(
        "run {} began {} ago and is {}",
        run.run,
        ago(run.started_at, now),
        run.status.as_str()
    );
    let fix = check.fix().replace("RUN", &run.run.to_string());
    if is_late(run.started_at) {
        let seen = format!("{seen}; the schedule has begun none since");
        return Finding::fail(check, seen).with_fix(format!(
            "{fix}; see the checks of the schedule and the producer"
        ));
    }
    match run.status {
        RunStatus::Failed => {
            let fault = run.fault.as_ref();
            let fault = fault.map_or_else(String::new, |fault| {
                format!(": {}: {}", fault.code, fault.message)
            });
            Finding::fail(check, format!("{seen}{fault}")).with_fix(fix)
        }
        RunStatus::Partial => Finding::warn(check, seen).with_fix(fix),
        RunStatus::Planning
        | RunStatus::Applying
        | RunStatus::Completed
        | RunStatus::Held
        | RunStatus::Superseded => Finding::ok(check, seen),
    }
}

fn unfinished(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let check = Check::UnfinishedRuns;
    each(
        check,
        &facts.unfinished,
        |runs| {
            let long = runs
                .iter()
                .filter(|run| whole_seconds(run.started_at, now) > LONG);
            let told = long.map(|run| {
                let seen = format!(
                    "it is {} since {}",
                    run.status.as_str(),
                    ago(run.started_at, now)
                );
                Finding::warn(check, seen)
                    .about(run.run.to_string())
                    .with_fix(check.fix().replace("RUN", &run.run.to_string()))
            });
            told.collect()
        },
        |runs| match runs.len() {
            0 => "none".to_owned(),
            some if some >= usize::from(MOST_RUNS) => {
                format!("{some} or more; those that were looked at began within the last hour")
            }
            some => format!("{}, within the last hour", count(some, "run")),
        },
    )
}

fn lanes(facts: &Facts) -> Vec<Finding> {
    let all = |lanes: &Vec<LaneSeen>| format!("none of {}", count(lanes.len(), "lane"));
    let mut found = each(
        Check::Blocked,
        &facts.lanes,
        |lanes| {
            let blocked = lanes.iter().filter_map(|lane| {
                let block = lane.block.as_ref()?;
                let since = time(Some(block.since));
                let seen = format!("since {since}: {}: {}", block.reason, block.detail);
                Some(Finding::warn(Check::Blocked, seen).about(&lane.name))
            });
            blocked.collect()
        },
        all,
    );
    found.extend(each(
        Check::Quarantine,
        &facts.lanes,
        |lanes| {
            let some = lanes.iter().filter(|lane| lane.quarantined > 0);
            let told = some.map(|lane| {
                let seen = format!("{} quarantined", count(lane.quarantined, "change"));
                Finding::warn(Check::Quarantine, seen).about(&lane.name)
            });
            told.collect()
        },
        all,
    ));
    found
}

fn links(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let all = |links: &Vec<LinkSeen>| format!("none of {}", count(links.len(), "link"));
    let mut found = each(
        Check::Holds,
        &facts.links,
        |links| {
            let holds = links
                .iter()
                .flat_map(|link| link.holds.iter().map(move |hold| (link, hold)));
            let told = holds.map(|(link, hold)| {
                let reasons: Vec<_> = hold.reasons.iter().map(ToString::to_string).collect();
                let since = time(Some(hold.since));
                Finding::warn(
                    Check::Holds,
                    format!("since {since}: {}", reasons.join("; ")),
                )
                .about(&link.name)
                .with_fix(
                    Advice::by("look at it", Hint::Holds)
                        .or_by("to release it", hold.approve(&link.lane.experience))
                        .to_string(),
                )
            });
            told.collect()
        },
        all,
    );
    found.extend(each(
        Check::Frozen,
        &facts.links,
        |links| {
            let frozen = links.iter().filter_map(|link| {
                let since = link.frozen_since?;
                let seen = format!("since {} ({})", time(Some(since)), ago(since, now));
                Some(Finding::warn(Check::Frozen, seen).about(&link.name))
            });
            frozen.collect()
        },
        all,
    ));
    found.extend(each(
        Check::OutsideEdits,
        &facts.links,
        |links| {
            let edited = links.iter().filter(|link| link.edited.0 > 0).map(|link| {
                let (products, since) = (count(link.edited.0, "product"), time(link.edited.1));
                let seen = format!("{products}, seen since {since}");
                Finding::warn(Check::OutsideEdits, seen).about(&link.name)
            });
            edited.collect()
        },
        all,
    ));
    found
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
