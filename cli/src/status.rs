//! `pmp-sync status`: the last runs, and where each lane stands.

mod answer;

use std::collections::BTreeSet;

use jiff::Timestamp;
use pmp_sync_aws::edge::SystemClock;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::{Brake, LaneState, OpenChange};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::run::{LaneEntry, LinkRecord, LinkStatus, RunRecord};

use self::answer::LaneAnswer;
pub(crate) use self::answer::StatusAnswer;
use crate::args::{Common, StatusOptions};
use crate::context::Context;
use crate::failure::Failure;
use crate::holds::{self, Known};
use crate::output::{self, time};
use crate::sync::{name, tell_failures};

/// `status`
pub(crate) async fn run(common: &Common, options: &StatusOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    if let Some(run) = options.run {
        let record = crate::history::one(&context, run).await?;
        let links = context.ledger.links(run).await?;
        return show_run(common, &context, &record, &links).await;
    }
    let runs = context.ledger.newest_runs(options.runs).await?;
    let mut lanes = Vec::new();
    for entry in context.ledger.lanes().await? {
        let state = context.ledger.state(&entry.lane).await?;
        let open = context.ledger.open(&entry.lane).await?;
        lanes.push((entry, state, open));
    }
    let known = holds::known(&context).await?;
    let brake = context.ledger.brake().await?;
    let now = SystemClock.now();
    if common.json {
        let lanes: Vec<_> = lanes
            .iter()
            .map(|(entry, state, open)| {
                let known = known.iter().find(|known| known.lane == entry.lane);
                LaneAnswer::new(entry, state, open, known, now)
            })
            .collect();
        return output::json(&StatusAnswer::Overview {
            runs: &runs,
            lanes,
            brake: &brake,
        });
    }
    show_runs(&runs)?;
    output::line("")?;
    show_lanes(&lanes, now)?;
    tell_holds(&known);
    tell_brake(&brake);
    Ok(())
}

/// What waits for somebody's consent, and what is frozen.
fn tell_holds(known: &[Known]) {
    for known in known {
        for hold in known.holds() {
            let since = time(Some(hold.since));
            let name = known.name();
            let words = holds::words(hold, &known.lane);
            output::note(&format!("{name} is held since {since}:\n{words}"));
        }
        if let Some(words) = holds::frozen(known, SystemClock.now()) {
            output::note(&words);
        }
    }
}

/// What is stopped, by the names that `resume` takes.
fn tell_brake(brake: &Brake) {
    let all = brake.all.iter().map(|stop| ("everything".to_owned(), stop));
    let members = brake.members.iter();
    let members = members.map(|(member, stop)| (format!("member {member}"), stop));
    let links = brake.links.iter();
    let links = links.map(|(link, stop)| (format!("link {link}"), stop));
    for (what, stop) in all.chain(members).chain(links) {
        let by = stop
            .by
            .as_ref()
            .map_or_else(String::new, |by| format!(" by {by}"));
        output::note(&format!(
            "{what} is stopped since {}{by}; `pmp-sync resume` resumes it",
            time(Some(stop.since))
        ));
    }
}

fn show_runs(runs: &[RunRecord]) -> Result<(), Failure> {
    if runs.is_empty() {
        return output::line("no run yet");
    }
    let header = [
        "RUN",
        "STATUS",
        "FOR",
        "BEGAN",
        "COMPLETED",
        "LINKS",
        "FAILED",
        "HELD",
        "ALLOW",
        "DENY",
    ];
    let rows = runs
        .iter()
        .map(|run| {
            let mut kinds: Vec<_> = run
                .requests
                .iter()
                .map(|request| request.kind.as_str())
                .collect();
            kinds.dedup();
            vec![
                run.run.to_string(),
                run.status.as_str().to_owned(),
                kinds.join(", "),
                time(Some(run.started_at)),
                time(run.completed_at),
                run.totals.links.to_string(),
                run.totals.failed.to_string(),
                run.totals.held.to_string(),
                run.totals.allow.to_string(),
                run.totals.deny.to_string(),
            ]
        })
        .collect();
    output::table(&header, rows)
}

/// What the member has chosen by the parameters of its stack, as its worker last found them; a dash if
/// that is nothing.
fn choice(state: &LaneState, now: Timestamp) -> String {
    let Some(rules) = &state.member else {
        return "-".to_owned();
    };
    match rules.most_denies {
        Some(most) => format!(
            "{}, {} of {most} denies",
            rules.mode,
            state.denied.used(now)
        ),
        None => rules.mode.to_string(),
    }
}

/// The same in a sentence, where it keeps something back.
fn tell_choice(lane: &LaneId, state: &LaneState, now: Timestamp) -> Option<String> {
    let room = state.room(now);
    let what = match (room.allow, room.deny) {
        (0, _) => "starts no change set",
        (_, 0) if state.is_forbidden(Action::Deny) => "makes no denies",
        (_, 0) => "makes no more denies for now",
        _ => return None,
    };
    let choice = choice(state, now);
    Some(format!(
        "{lane} {what}, by the member's own choice ({choice}): only its stack can change that"
    ))
}

fn show_lanes(
    lanes: &[(LaneEntry, LaneState, Vec<OpenChange>)],
    now: Timestamp,
) -> Result<(), Failure> {
    if lanes.is_empty() {
        return output::line("no lane yet");
    }
    let header = [
        "MEMBER",
        "EXPERIENCE",
        "PHASE",
        "OPEN",
        "MEMBER'S CHOICE",
        "LAST ATTEMPT",
        "LAST SUCCESS",
        "LAST IN STEP",
    ];
    let rows = lanes
        .iter()
        .map(|(entry, state, open)| {
            vec![
                entry.member.to_string(),
                entry.lane.experience.to_string(),
                state.phase.to_string(),
                open.len().to_string(),
                choice(state, now),
                time(state.last_attempt),
                time(state.last_success),
                time(state.last_in_step),
            ]
        })
        .collect();
    output::table(&header, rows)?;
    for (entry, state, _) in lanes {
        if let Some(block) = &state.block {
            let since = time(Some(block.since));
            output::note(&format!(
                "{} is blocked since {since}: {}: {}",
                entry.lane, block.reason, block.detail
            ));
        }
        if let Some(words) = tell_choice(&entry.lane, state, now) {
            output::note(&words);
        }
    }
    Ok(())
}

async fn show_run(
    common: &Common,
    context: &Context,
    run: &RunRecord,
    links: &[LinkRecord],
) -> Result<(), Failure> {
    if common.json {
        return output::json(&StatusAnswer::Run { run, links });
    }
    show_runs(std::slice::from_ref(run))?;
    output::line("")?;
    let header = [
        "MEMBER",
        "EXPERIENCE",
        "STATUS",
        "ALLOW",
        "DENY",
        "REMOVALS",
        "LEFT ALONE",
        "EDITED OUTSIDE",
    ];
    let rows = links
        .iter()
        .map(|link| {
            vec![
                link.member.to_string(),
                link.lane
                    .as_ref()
                    .map_or_else(|| "*".to_owned(), |lane| lane.experience.to_string()),
                output::word(&link.status),
                link.allow.len().to_string(),
                link.deny.len().to_string(),
                link.removals.to_string(),
                link.left_alone.len().to_string(),
                output::edited(link.edited.len(), link.edited_since),
            ]
        })
        .collect();
    output::table(&header, rows)?;
    for link in links.iter().filter(|link| link.unchecked > 0) {
        let name = link
            .lane
            .as_ref()
            .map_or("*", |lane| lane.experience.as_str());
        output::note(&format!(
            "{} {name}: {} planned to be allowed although AWS Marketplace could not be asked whether it has them",
            link.member,
            output::count(link.unchecked, "product")
        ));
    }
    for link in links {
        let consent = link.consent.as_ref();
        if let Some(why) = consent.and_then(|consent| consent.refused.as_ref()) {
            output::note(&format!("{} is refused: {why}", name(link)));
        }
    }
    tell_failures(context, run).await?;
    tell_gone(context, links).await
}

/// Of which of the holds that were told there is nothing left to release.
async fn tell_gone(context: &Context, links: &[LinkRecord]) -> Result<(), Failure> {
    let held = |link: &&LinkRecord| link.status == LinkStatus::Held && link.hold.is_some();
    if !links.iter().any(|link| held(&link)) {
        return Ok(());
    }
    let known = holds::known(context).await?;
    let present: BTreeSet<_> = known
        .iter()
        .flat_map(|known| known.holds().map(|hold| (known.lane.clone(), hold.run)))
        .collect();
    for link in links.iter().filter(held) {
        let key = link.lane.clone().zip(link.hold.as_ref());
        if key.is_some_and(|(lane, hold)| !present.contains(&(lane, hold.run))) {
            output::note(&format!(
                "{} is not held by this plan any more; `pmp-sync holds` lists what is",
                name(link)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lane(member: &str) -> (LaneEntry, LaneState) {
        let entry = json!({
            "schema": 1, "lane": { "account": "222222222222", "experience": "exp-1" }, "member": "emea",
            "management_experience": "exp-m", "mode": "mirror", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        });
        let member: Value = serde_json::from_str(member).unwrap();
        let state = json!({
            "schema": 1, "rev": 1, "phase": "idle", "seq": 1, "tick": 1, "member": member,
            "denied": [{ "from": "2026-01-01T00:00:00Z", "count": 3 }],
        });
        (
            serde_json::from_value(entry).unwrap(),
            serde_json::from_value(state).unwrap(),
        )
    }

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_a_member_keeps_back_is_told_as_its_own_choice() {
        for (member, column, note) in [
            ("null", "-", None),
            (
                r#"{"mode":"stopped"}"#,
                "stopped",
                Some("starts no change set"),
            ),
            (
                r#"{"mode":"allow-only"}"#,
                "allow-only",
                Some("makes no denies, "),
            ),
            (
                r#"{"mode":"all","most_denies":3}"#,
                "all, 3 of 3 denies",
                Some("no more denies for now"),
            ),
            (
                r#"{"mode":"all","most_denies":0}"#,
                "all, 3 of 0 denies",
                Some("makes no denies, "),
            ),
            (
                r#"{"mode":"all","most_denies":4}"#,
                "all, 3 of 4 denies",
                None,
            ),
        ] {
            let (entry, state) = lane(member);
            assert_eq!(choice(&state, now()), column);
            let told = tell_choice(&entry.lane, &state, now());
            assert_eq!(told.is_some(), note.is_some(), "{member}");
            if let (Some(told), Some(note)) = (told, note) {
                assert!(
                    told.contains(note) && told.contains("222222222222/exp-1"),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn the_members_rules_are_in_the_json_whether_or_not_they_restrict_anything() {
        let of = |member| {
            let (entry, state) = lane(member);
            let lane = LaneAnswer::new(&entry, &state, &[], None, now());
            serde_json::to_value(lane.member_rules).unwrap()
        };
        assert_eq!(
            of("null"),
            json!({ "mode": "all", "most_denies": null, "denies_of_the_last_day": 3 })
        );
        assert_eq!(
            of(r#"{"mode":"allow-only","most_denies":9}"#),
            json!({ "mode": "allow-only", "most_denies": 9, "denies_of_the_last_day": 3 })
        );
    }
}
