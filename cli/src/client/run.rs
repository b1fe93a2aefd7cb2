//! Runs: request one, wait for it, and report it.

pub(crate) mod live;
pub(crate) mod states;

use std::time::Duration;

use pmp_sync_domain::ids::{LaneId, MemberName, RunId};
use pmp_sync_domain::lane::{LaneState, Phase};
use pmp_sync_domain::ports::{Bus as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{Found, RunRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::suggest::MOST as MOST_SUGGESTIONS;
use pmp_sync_domain::wire::{Scope, SyncRequest, sync_requested};

use self::live::Live;
use self::states::not_in_sync;
use super::context::{Context, request_id};
use super::holds;
use super::signals::{GoesOn, goes_on};
use super::wait::{Seen, wait_until};
use crate::failure::Failure;
use crate::options::RunName;
use crate::output;
use crate::progress::Progress;

/// The number of newest runs that are searched for that of the request.
const AMONG: u16 = 50;
/// The number of newest runs among which an id is searched that was misspelt.
const SIMILAR: u16 = 200;

/// Puts a request for a run on the bus. Returns its id, by which the run is found.
pub(crate) async fn request(context: &Context, request: SyncRequest) -> Result<String, Failure> {
    let id = request_id();
    let request = SyncRequest {
        request_id: Some(id.clone()),
        requester: context.requester().await,
        ..request
    };
    request.check()?;
    context.bus.put(sync_requested(request)).await?;
    Ok(id)
}

/// Requests a run for a scope and waits for its end.
pub(crate) async fn about(
    context: &Context,
    scope: Scope,
    seconds: u64,
) -> Result<RunRecord, Failure> {
    let wanted = SyncRequest {
        scope,
        ..SyncRequest::default()
    };
    let id = request(context, wanted).await?;
    wait(context, &id, seconds).await
}

/// Shows an ended run, unless it was printed as JSON, and what went wrong in it.
pub(crate) async fn finish(
    context: &Context,
    run: &RunRecord,
    as_json: bool,
) -> Result<(), Failure> {
    if !as_json {
        show(run)?;
        show_states(context, run).await?;
    }
    tell_warnings(context, run);
    if run.status != RunStatus::Completed {
        tell_failures(context, run).await?;
    }
    ended_well(run)
}

/// Converts the end of a run to the result of the command.
pub(crate) fn ended_well(run: &RunRecord) -> Result<(), Failure> {
    let words = format!(
        "run {} is {}, not completed{}",
        run.run,
        run.status.as_str(),
        reasons(run)
    );
    match run.status {
        RunStatus::Completed => Ok(()),
        RunStatus::Held => Err(Failure::Held(words)),
        RunStatus::Partial | RunStatus::Failed => Err(Failure::Partial(words)),
        // Another run has taken over the request, or the run has not ended.
        RunStatus::Superseded | RunStatus::Planning | RunStatus::Applying => {
            Err(Failure::NotWell(words))
        }
    }
}

/// Why a run is not completed, in words, and where to look.
fn reasons(run: &RunRecord) -> String {
    let totals = &run.totals;
    let mut reasons = Vec::new();
    if totals.failed > 0 {
        reasons.push(format!("{} failed", output::count(totals.failed, "link")));
    }
    if totals.suspended > 0 {
        reasons.push(format!(
            "{} suspended (`pmp-sync status` says how to resume)",
            output::count(totals.suspended, "link")
        ));
    }
    if totals.held > 0 {
        reasons.push(format!(
            "{} held (`pmp-sync holds` lists what can be released)",
            output::count(totals.held, "link")
        ));
    }
    if totals.quarantined > 0 {
        reasons.push(format!(
            "{} in quarantine (`pmp-sync dlq list`)",
            output::count(totals.quarantined, "change")
        ));
    }
    if !run.not_seen.is_empty() {
        let lanes: Vec<_> = run.not_seen.iter().map(String::as_str).collect();
        reasons.push(format!(
            "whether {} is equal could not be seen (`pmp-sync plan` tells why)",
            lanes.join(", ")
        ));
    }
    if run.status == RunStatus::Superseded {
        reasons.push("a newer run took over (`pmp-sync status`)".to_owned());
    }
    if reasons.is_empty() {
        return String::new();
    }
    format!(": {}", reasons.join("; "))
}

/// The newest runs, the newest first, and whether there are older ones.
pub(crate) async fn newest(
    context: &Context,
    most: u16,
) -> Result<(Found<RunRecord>, bool), Failure> {
    let mut runs = context.ledger.newest_runs(most.saturating_add(1)).await?;
    let older = runs.items.len() + runs.unreadable.len() > usize::from(most);
    runs.items.truncate(usize::from(most));
    context.memory.saw_runs(&runs.items);
    Ok((runs, older))
}

/// Waits until the run that serves a request has ended, or cannot continue without an operator.
pub(crate) async fn wait(
    context: &Context,
    request: &str,
    seconds: u64,
) -> Result<RunRecord, Failure> {
    let progress = Progress::new();
    progress.step("waiting for the run");
    let _goes_on = goes_on(
        "the request is made, and its run begins or continues: `pmp-sync status --watch` shows it, `pmp-sync suspend` starts no further change set",
    );
    let run = wait_for(context, request, seconds, &Live::new(&progress)).await;
    progress.finish();
    run
}

/// Waits for one run and shows its progress with that of the others. The caller says what goes on without the command.
pub(crate) async fn wait_for(
    context: &Context,
    request: &str,
    seconds: u64,
    live: &Live<'_>,
) -> Result<RunRecord, Failure> {
    wait_until(Duration::from_secs(seconds), async || {
        let run = context.ledger.run_of_request(request, AMONG).await?;
        if let Some(run) = run.as_ref().filter(|_| !live.is_of_several()) {
            GoesOn::is(format!(
                "run {0} continues: `pmp-sync status --run {0}` shows it, `pmp-sync status --watch` follows it, `pmp-sync suspend` starts no further change set",
                run.run
            ));
        }
        let what = match run {
            Some(run) if run.status.is_final() => {
                // A lane that was shown at work is shown once more, as it ended.
                let left = states_of(context, live.left(&run)).await;
                live.tell(&run, &[], &left.unwrap_or_default());
                return Ok(Seen::Ready(run));
            }
            Some(run) => {
                if run.planned_at.is_some() && live.wants_names(run.run) {
                    live.names(run.run, &context.ledger.links(run.run).await?.items);
                }
                let lanes = lanes_of(context, &run).await?;
                let left = states_of(context, live.left(&run)).await?;
                live.tell(&run, &lanes, &left);
                if let Some(words) = standing_still(&run, &lanes) {
                    return Err(Failure::Partial(words));
                }
                format!("run {} is still {}", run.run, run.status.as_str())
            }
            None => format!("request {request} has not become a run"),
        };
        Ok(Seen::NotYet(format!(
            "{what} after {seconds} s; `pmp-sync status` shows how it goes on"
        )))
    })
    .await
}

/// Waits until the run that serves a request has its plan. Its lanes may still be at work.
pub(crate) async fn wait_until_planned(
    context: &Context,
    request: &str,
    seconds: u64,
) -> Result<RunRecord, Failure> {
    let progress = Progress::new();
    progress.step("waiting until the dead letters have been looked at");
    let _goes_on = goes_on(
        "the request is made, and the producer handles it: `pmp-sync status --watch` shows its run, `pmp-sync dlq list` what is left",
    );
    let run = wait_until(Duration::from_secs(seconds), async || {
        let run = context.ledger.run_of_request(request, AMONG).await?;
        Ok(match run.filter(|run| run.planned_at.is_some()) {
            Some(run) => Seen::Ready(run),
            None => Seen::NotYet(format!(
                "the producer has not looked at the dead letters within {seconds} s; `pmp-sync status` shows whether it will"
            )),
        })
    });
    let run = run.await;
    progress.finish();
    run
}

/// The lanes that a run waits for.
async fn lanes_of(context: &Context, run: &RunRecord) -> Result<Vec<(LaneId, LaneState)>, Failure> {
    // A lane that cannot be parsed belongs to a newer release.
    states_of(
        context,
        run.open.iter().filter_map(|lane| lane.parse().ok()),
    )
    .await
}

/// The states of lanes, without those that cannot be read.
async fn states_of(
    context: &Context,
    lanes: impl IntoIterator<Item = LaneId>,
) -> Result<Vec<(LaneId, LaneState)>, Failure> {
    let mut states = Vec::new();
    for lane in lanes {
        // The others are told. The next run ends what waits for a lane that cannot be read.
        match context.ledger.state(&lane).await {
            Err(error) if error.is_unreadable() => {}
            state => states.push((lane, state?)),
        }
    }
    Ok(states)
}

/// Why a run cannot continue: every lane that it waits for is blocked or suspended.
fn standing_still(run: &RunRecord, lanes: &[(LaneId, LaneState)]) -> Option<String> {
    if lanes.is_empty() || lanes.len() < run.open.len() {
        return None;
    }
    let reasons = lanes
        .iter()
        .map(|(lane, state)| match (state.phase, &state.block) {
            (Phase::Blocked, Some(block)) => Some(format!(
                "{lane} is blocked: {}: {}",
                block.reason, block.detail
            )),
            (Phase::Suspended, _) => Some(format!(
                "{lane} is suspended, `pmp-sync status` says how to resume it"
            )),
            (Phase::Blocked | Phase::Idle | Phase::Starting | Phase::InFlight, _) => None,
        });
    let reasons: Vec<_> = reasons.collect::<Option<_>>()?;
    Some(format!(
        "run {} cannot go on: {}; the next run looks at blocked lanes again",
        run.run,
        reasons.join("; ")
    ))
}

/// The most links whose states are shown.
const MOST_STATES: usize = 50;

/// Shows the links of a run that are not in sync, with their states.
async fn show_states(context: &Context, run: &RunRecord) -> Result<(), Failure> {
    let links = not_in_sync(context, run).await?;
    for link in links.iter().take(MOST_STATES) {
        let (member, experience, state) = (&link.member, &link.experience, link.state.words());
        output::line(&format!("  {member} {experience}: {state}"))?;
    }
    let more = links.len().saturating_sub(MOST_STATES);
    if more > 0 {
        output::line(&format!("  and {} more", output::count(more, "link")))?;
    }
    Ok(())
}

fn show(run: &RunRecord) -> Result<(), Failure> {
    let totals = run.totals;
    output::line(&format!("run {}: {}", run.run, run.status.as_str()))?;
    output::line(&format!(
        "  links     {} ({} in sync, {} changed, {} under way, {} failed{}{})",
        totals.links,
        totals.in_sync.saturating_sub(totals.differing),
        totals.committed,
        totals.underway,
        totals.failed,
        match totals.held {
            0 => String::new(),
            held => format!(", {held} held"),
        },
        match totals.differing {
            0 => String::new(),
            1 => ", 1 left as it differs".to_owned(),
            differing => format!(", {differing} left as they differ"),
        }
    ))?;
    output::line(&format!(
        "  changes   {} allowed, {} denied, {}",
        totals.allow,
        totals.deny,
        output::count(totals.messages, "message")
    ))?;
    output::line(&format!(
        "  began     {}",
        output::time(Some(run.started_at))
    ))?;
    output::line(&format!(
        "  completed {}",
        run.completed_at
            .map_or_else(|| "no".to_owned(), |at| output::time(Some(at)))
    ))
}

/// Shows each failed or held link with its codes and what to do.
pub(crate) async fn tell_failures(context: &Context, run: &RunRecord) -> Result<(), Failure> {
    if let Some(fault) = &run.fault {
        context.note(&output::fault(None, fault));
    }
    for link in context.readable(context.ledger.links(run.run).await?) {
        let what = output::link_name(&link);
        // A fault may count as a hold as well. Nothing is known of the plan then.
        let counts = matches!(
            link.status,
            LinkStatus::Failed | LinkStatus::Held | LinkStatus::LeftOut
        );
        if let Some(fault) = link.fault.filter(|_| counts) {
            context.note(&output::fault(Some(&what), &fault));
        }
        if let (Some(hold), Some(lane)) = (&link.hold, &link.lane) {
            let approve = context.flags.approve(hold, &lane.experience, None);
            output::note(&format!(
                "{what} is held:\n{}",
                holds::words(hold, &approve)
            ));
        }
    }
    Ok(())
}

/// Shows what needs attention and stopped nothing else.
pub(crate) fn tell_warnings(context: &Context, run: &RunRecord) {
    for warning in warnings(run) {
        context.note(&warning);
    }
}

/// The warnings of a run in words.
pub(crate) fn warnings(run: &RunRecord) -> Vec<String> {
    let told = run.warnings.iter().map(|warning| {
        let about = warning.member.as_ref().map(MemberName::as_str);
        format!("warning: {}", output::fault(about, &warning.fault))
    });
    let more = (run.warnings_beyond > 0).then(|| {
        output::count(
            usize::try_from(run.warnings_beyond).unwrap_or(usize::MAX),
            "more such warning",
        )
    });
    told.chain(more).collect()
}

/// The most runs that are listed if a beginning is that of several.
const MOST_LISTED: u16 = 10;

/// Reads the run that a name means. An error if it means none, or several.
pub(crate) async fn one(context: &Context, name: &RunName) -> Result<RunRecord, Failure> {
    let beginning = match name {
        RunName::Id(run) => {
            return match context.ledger.run(*run).await? {
                Some(record) => Ok(record),
                None => Err(no_run(context, &run.to_string()).await?),
            };
        }
        RunName::Last => {
            let (found, _) = newest(context, 1).await?;
            let last = context.readable(found).into_iter().next();
            return last.ok_or_else(|| Failure::Unknown {
                message: "there is no run yet".to_owned(),
                remedy: "start one with `pmp-sync sync`".to_owned(),
            });
        }
        RunName::Beginning(beginning) => beginning,
    };
    let found = context.ledger.runs_beginning(beginning, MOST_LISTED + 1);
    let found = context.readable(found.await?);
    match <[_; 1]>::try_from(found) {
        Ok([record]) => {
            output::note(&format!("{beginning} is run {}", record.run));
            Ok(record)
        }
        Err(found) if found.is_empty() => Err(no_run(context, beginning).await?),
        Err(found) => Err(several(beginning, &found)),
    }
}

/// The id of the run that a name means, with or without its record.
pub(crate) async fn id(context: &Context, name: &RunName) -> Result<RunId, Failure> {
    match name {
        RunName::Id(run) => Ok(*run),
        RunName::Last | RunName::Beginning(_) => Ok(one(context, name).await?.run),
    }
}

fn several(beginning: &str, found: &[RunRecord]) -> Failure {
    let most = usize::from(MOST_LISTED);
    let listed = found.iter().take(most);
    let runs: Vec<_> = listed.map(|record| record.run.to_string()).collect();
    let more = if found.len() > most { " and more" } else { "" };
    Failure::Unknown {
        message: format!(
            "several runs begin with {beginning}: {}{more}",
            runs.join(", ")
        ),
        remedy: "give more characters of the id".to_owned(),
    }
}

/// The failure of a name that no run has, with the ids that are similar.
async fn no_run(context: &Context, text: &str) -> Result<Failure, Failure> {
    let newest = context.ledger.newest_runs(SIMILAR).await?.items;
    let ids: Vec<_> = newest.iter().map(|record| record.run.to_string()).collect();
    // The ids of runs begin alike, so only a slip is a reason to ask.
    let slips = ids.iter().map(String::as_str);
    let slips = slips.filter(|id| text.len() == id.len() && differing(id, text) <= 2);
    let slips: Vec<_> = slips.take(MOST_SUGGESTIONS).collect();
    let meant = match slips.as_slice() {
        [] => String::new(),
        slips => format!("; did you mean {}?", slips.join(" or ")),
    };
    let what = if text.len() < RunId::LENGTH {
        format!("no run has an id that begins with {text}")
    } else {
        format!("there is no run {text}")
    };
    Ok(Failure::Unknown {
        message: format!("{what}{meant}"),
        remedy: "it may have expired; `pmp-sync status` lists the newest runs".to_owned(),
    })
}

/// In how many places two texts of one length differ.
fn differing(one: &str, other: &str) -> usize {
    let pairs = one.bytes().zip(other.bytes());
    pairs.filter(|(one, other)| one != other).count()
}
