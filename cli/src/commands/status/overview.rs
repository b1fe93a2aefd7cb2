//! The last runs, and the state of each lane, read once and shown.

use jiff::Timestamp;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::{FaultRecord, RETRY_AFTER};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::reconcile::is_busy;
use pmp_sync_domain::records::{LinkRecord, PendingRetry, RunRecord, Suspensions};
use pmp_sync_domain::retry::pending_retries;
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::Scope;

use super::answer::{FailingLink, LaneAnswer, StatusAnswer};
use super::lane::Lane;
use crate::client::configuration::has_lane;
use crate::client::context::Context;
use crate::client::holds::{self, Known};
use crate::client::run::states::{LastRecords, state_without_lane};
use crate::client::run::{self, newest};
use crate::client::watch::Told;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::output::{self, Line, age, column, time};

/// For how long a retry that is due is still told, in seconds.
const OVERDUE: f64 = 300.0;

/// The newest runs that say how links are, however many are shown.
const LOOKED_AT: u16 = 20;

/// The output of `status`.
pub(super) struct Overview {
    runs: Vec<RunRecord>,
    /// True if older runs are stored.
    older: bool,
    lanes: Vec<Lane>,
    /// Links that have failed and have no lane.
    failing: Vec<LinkRecord>,
    retries: Vec<PendingRetry>,
    known: Vec<Known>,
    suspensions: Suspensions,
    unreadable: Vec<FaultRecord>,
    now: Timestamp,
    flags: Flags,
}

impl Overview {
    pub(super) async fn read(context: &Context, most_runs: u16) -> Result<Self, Failure> {
        let (mut runs, older) = newest(context, most_runs.max(LOOKED_AT)).await?;
        let entries = context.ledger.lanes().await?;
        let mut unreadable = [runs.unreadable, entries.unreadable].concat();
        let mut lanes = Vec::new();
        let stored = context.if_readable(context.ledger.current_config().await)?;
        let config = stored.flatten();
        let config = config.and_then(|stored| Config::parse(&stored.text).ok());
        let last = LastRecords::read(context, &runs.items).await?;
        let of_lanes = entries.items.iter().map(|entry| entry.lane.clone());
        let failing = last.failing_without(&of_lanes.collect());
        let is_configured = |record: &&LinkRecord| {
            config.as_ref().is_none_or(|config| match &record.lane {
                Some(lane) => has_lane(config, lane),
                None => config.members.contains_key(&record.member),
            })
        };
        let failing = failing.into_iter().filter(is_configured);
        let failing = failing.cloned().collect();
        for entry in entries.items {
            let state = match context.ledger.state(&entry.lane).await {
                Err(error) if error.is_unreadable() => {
                    unreadable.push(error.into());
                    continue;
                }
                state => state?,
            };
            let open = context.ledger.open(&entry.lane).await?;
            unreadable.extend(open.unreadable);
            let is_removed = config
                .as_ref()
                .is_some_and(|config| !has_lane(config, &entry.lane));
            // A removed link is of interest only as long as its lane is at work.
            if is_removed && !is_busy(&state, &open.items) {
                continue;
            }
            let quarantined = context.ledger.quarantined(&entry.lane).await?;
            unreadable.extend(quarantined.unreadable);
            lanes.push(Lane {
                record: last.of(&entry.lane).cloned(),
                quarantined: quarantined.items.len(),
                open: open.items,
                is_removed,
                entry,
                state,
            });
        }
        let faults = unreadable.iter().map(|item| item.error.item_fault());
        let now = SystemClock.now();
        let mut retries = pending_retries(&runs.items);
        let shown = usize::from(most_runs);
        let older = older || runs.items.len() > shown;
        runs.items.truncate(shown);
        // One that is long overdue was lost: the next run tries its links again.
        retries.retain(|retry| elapsed(retry.due, now) < OVERDUE);
        Ok(Self {
            runs: runs.items,
            older,
            lanes,
            failing,
            retries,
            unreadable: faults.collect(),
            known: holds::known(context).await?,
            suspensions: context
                .if_readable(context.ledger.suspensions().await)?
                .unwrap_or_default(),
            now,
            flags: context.flags.clone(),
        })
    }

    /// The overview in the form of `--json`.
    pub(super) fn answer(&self) -> StatusAnswer<'_> {
        let lanes = self.lanes.iter();
        let lanes =
            lanes.map(|lane| LaneAnswer::new(lane, self.known(lane), (self.now, &self.flags)));
        StatusAnswer::Overview {
            runs: &self.runs,
            older: self.older,
            lanes: lanes.collect(),
            failing: self.failing.iter().map(FailingLink::new).collect(),
            retries: &self.retries,
            suspensions: &self.suspensions,
            unreadable: &self.unreadable,
        }
    }

    fn known(&self, lane: &Lane) -> Option<&Known> {
        self.known
            .iter()
            .find(|known| known.lane == lane.entry.lane)
    }

    /// The warnings of the last run over everything.
    fn warnings(&self) -> Vec<String> {
        let is_whole = |run: &&RunRecord| {
            run.planned_at.is_some() && run.scopes.iter().any(Scope::is_everything)
        };
        self.runs
            .iter()
            .find(is_whole)
            .map_or_else(Vec::new, run::warnings)
    }

    /// The overview in words.
    pub(super) fn told(&self) -> Told {
        let mut data = runs(&self.runs);
        if self.older {
            data.push("older runs: --runs, or `pmp-sync history`".into());
        }
        data.push(Line::default());
        data.extend(self.table());
        let mut notes = self.warnings();
        notes.extend(
            self.unreadable
                .iter()
                .map(|fault| output::fault(None, fault)),
        );
        for lane in &self.lanes {
            notes.extend(tell_lane(&lane.entry.lane, &lane.state, self.now));
            notes.extend(tell_link(lane));
        }
        for link in &self.failing {
            let name = output::link_name(link);
            let fault = link.fault.as_ref();
            notes.extend(fault.map(|fault| output::fault(Some(&name), fault)));
        }
        notes.extend(self.retries.iter().map(tell_retry));
        notes.extend(told_holds(&self.known, &self.flags));
        notes.extend(suspension_lines(&self.suspensions));
        Told { data, notes }
    }
}

/// Lines about holds and frozen links.
fn told_holds(known: &[Known], flags: &Flags) -> Vec<String> {
    let mut notes = Vec::new();
    for group in holds::grouped(known, |_, _| true) {
        let links = group.holds.iter().map(|(known, hold)| {
            format!(
                "{} is held since {}:\n",
                known.name(),
                time(Some(hold.since))
            )
        });
        notes.push(links.collect::<String>() + &group.words(flags));
    }
    for known in known {
        if let Some(words) = holds::frozen(known) {
            notes.push(words);
        }
        if let Some(stale) = &known.link_state.notices.stale {
            let since = time(Some(stale.since));
            let (name, reason) = (known.name(), &stale.reason);
            notes.push(format!(
                "{name} is stale: it was last known in sync {since} ({reason})"
            ));
        }
    }
    notes
}

fn suspension_lines(suspensions: &Suspensions) -> Vec<String> {
    let lines = suspensions.each().map(|(of, on)| {
        let words = output::suspended(of, on);
        format!("{words}; `{}` resumes it", output::resume_of(of))
    });
    lines.collect()
}

/// A table of runs.
pub(super) fn runs(runs: &[RunRecord]) -> Vec<Line> {
    if runs.is_empty() {
        return vec!["no run yet".into()];
    }
    let columns = [
        column("RUN"),
        column("STATUS").state(),
        column("FOR").folds().leaves(3),
        column("BEGAN"),
        column("COMPLETED").leaves(4),
        column("LINKS").number().leaves(1),
        column("FAILED").number(),
        column("HELD").number(),
        column("ALLOW").number().leaves(2),
        column("DENY").number().leaves(2),
    ];
    let rows = runs.iter().map(|run| {
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
            age(Some(run.started_at)),
            age(run.completed_at),
            run.totals.links.to_string(),
            run.totals.failed.to_string(),
            run.totals.held.to_string(),
            run.totals.allow.to_string(),
            run.totals.deny.to_string(),
        ]
    });
    output::table_lines(columns, rows)
}

/// The member's own rules in a cell of the table; a dash if they restrict nothing.
fn choice(state: &LaneState, now: Timestamp) -> String {
    let Some(rules) = &state.member else {
        return "-".to_owned();
    };
    match rules.most_denies {
        Some(most) => format!(
            "{}, {} of {}",
            rules.mode,
            state.denied.used(now),
            output::count(usize::try_from(most).unwrap_or(usize::MAX), "deny")
        ),
        None => rules.mode.to_string(),
    }
}

/// What needs attention on a lane.
fn tell_lane(lane: &LaneId, state: &LaneState, now: Timestamp) -> Vec<String> {
    let block = state.block.as_ref().map(|block| {
        let since = time(Some(block.since));
        let (reason, detail) = (block.reason, &block.detail);
        format!("{lane} is blocked since {since}: {reason}: {detail}")
    });
    let other = state.contested_by(now);
    let other = other.map(|other| output::contested(&lane.to_string(), other));
    let told = [block, other, tell_choice(lane, state, now)];
    told.into_iter().flatten().collect()
}

/// The member's own rules as a sentence, if they keep something back.
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

/// What needs attention on a link, other than its holds.
fn tell_link(lane: &Lane) -> Vec<String> {
    let entry = &lane.entry;
    let name = format!("{} {}", entry.member, entry.lane.experience);
    let removed = lane.is_removed.then(|| {
        format!("{name} has no link any more: what is open on it is closed by the next run over everything")
    });
    let fault = lane.fault().map(|fault| output::fault(Some(&name), fault));
    let quarantined = (lane.quarantined > 0).then(|| {
        format!(
            "{name} has {} in quarantine: `pmp-sync dlq list --member {}`",
            output::count(lane.quarantined, "change"),
            entry.member
        )
    });
    [removed, fault, quarantined]
        .into_iter()
        .flatten()
        .collect()
}

/// A retry that is still to come.
fn tell_retry(retry: &PendingRetry) -> String {
    let Scope {
        members,
        experiences,
    } = &retry.scope;
    let members = members.iter().map(ToString::to_string);
    let experiences = experiences.iter().map(ToString::to_string);
    let mut names: Vec<_> = members.chain(experiences).collect();
    if names.is_empty() {
        names.push("all links".to_owned());
    }
    format!(
        "retry {} of {} at {}: {}",
        retry.number,
        RETRY_AFTER.len(),
        time(Some(retry.due)),
        names.join(", ")
    )
}

impl Overview {
    /// The table of lanes, and of links that have failed without one.
    fn table(&self) -> Vec<Line> {
        if self.lanes.is_empty() && self.failing.is_empty() {
            return vec!["no lane yet".into()];
        }
        let columns = [
            column("MEMBER"),
            column("EXPERIENCE"),
            column("STATE").folds().state(),
            column("PHASE").state(),
            column("OPEN").number(),
            column("QUARANTINED").number().leaves(4),
            column("MEMBER'S CHOICE").folds().leaves(3),
            column("LAST ATTEMPT").leaves(1),
            column("LAST SUCCESS").leaves(2),
            column("LAST IN SYNC"),
        ];
        let lanes = self.lanes.iter().map(|lane| {
            let Lane {
                entry, state, open, ..
            } = lane;
            let told = if lane.is_removed {
                "removed"
            } else {
                lane.sync_state(self.known(lane)).words()
            };
            vec![
                entry.member.to_string(),
                entry.lane.experience.to_string(),
                told.to_owned(),
                state.phase.to_string(),
                open.len().to_string(),
                lane.quarantined.to_string(),
                choice(state, self.now),
                age(state.last_attempt),
                age(state.last_success),
                age(state.last_in_sync),
            ]
        });
        let failing = self.failing.iter().map(|link| {
            let experience = link.lane.as_ref().map(|lane| &lane.experience);
            let mut row = vec![
                link.member.to_string(),
                output::or_star(experience),
                state_without_lane(link).words().to_owned(),
            ];
            row.extend(std::iter::repeat_n(output::dash(), 7));
            row
        });
        output::table_lines(columns, lanes.chain(failing))
    }
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::records::LaneEntry;
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

    fn lane_of(entry: &LaneEntry, state: &LaneState) -> Lane {
        Lane {
            entry: entry.clone(),
            state: state.clone(),
            open: Vec::new(),
            quarantined: 0,
            record: None,
            is_removed: false,
        }
    }

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_a_member_keeps_back_is_told_as_its_own_choice() {
        for (member, column, note) in [
            ("null", "-", None),
            (
                r#"{"mode":"suspended"}"#,
                "suspended",
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
    fn another_installation_is_told_while_it_is_active() {
        let (entry, mut state) = lane("null");
        state.other = serde_json::from_value(json!({
            "installation": "0abc9", "change_set": "cs9", "seen": "2026-01-01T11:00:00Z",
        }))
        .unwrap();
        let told = tell_lane(&entry.lane, &state, now());
        assert_eq!(told.len(), 1);
        for words in [
            "222222222222/exp-1",
            "PMS-6002",
            "0abc9",
            "cs9",
            "what to do",
        ] {
            assert!(told[0].contains(words), "{}", told[0]);
        }
        let of = lane_of(&entry, &state);
        let answer = |now| LaneAnswer::new(&of, None, (now, &Flags::default()));
        let told = serde_json::to_value(answer(now())).unwrap();
        assert_eq!(told["other_installation"]["installation"], "0abc9");
        let tomorrow = "2026-01-02T11:00:00Z".parse().unwrap();
        assert_eq!(tell_lane(&entry.lane, &state, tomorrow), [] as [String; 0]);
        let told = serde_json::to_value(answer(tomorrow)).unwrap();
        assert_eq!(told["other_installation"], Value::Null);
    }

    #[test]
    fn the_members_rules_are_in_the_json_whether_or_not_they_restrict_anything() {
        let of = |member| {
            let (entry, state) = lane(member);
            let lane = lane_of(&entry, &state);
            let lane = LaneAnswer::new(&lane, None, (now(), &Flags::default()));
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
