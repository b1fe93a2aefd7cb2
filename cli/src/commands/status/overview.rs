//! The last runs, and the state of each lane, read once and shown.

use jiff::Timestamp;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::{LaneState, OpenChange};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{LaneEntry, RunRecord, Suspensions};
use pmp_sync_domain::wire::Scope;

use super::answer::{LaneAnswer, StatusAnswer};
use crate::client::context::Context;
use crate::client::holds::{self, Known};
use crate::client::run::{self, newest};
use crate::client::watch::Told;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::output::{self, time};

/// A lane, its state, and what is open on it.
type Lane = (LaneEntry, LaneState, Vec<OpenChange>);

/// The output of `status`.
pub(super) struct Overview {
    runs: Vec<RunRecord>,
    /// True if older runs are stored.
    older: bool,
    lanes: Vec<Lane>,
    known: Vec<Known>,
    suspensions: Suspensions,
    unreadable: Vec<FaultRecord>,
    now: Timestamp,
    flags: Flags,
}

impl Overview {
    pub(super) async fn read(context: &Context, most_runs: u16) -> Result<Self, Failure> {
        let (runs, older) = newest(context, most_runs).await?;
        let entries = context.ledger.lanes().await?;
        let mut unreadable = [runs.unreadable, entries.unreadable].concat();
        let mut lanes = Vec::new();
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
            lanes.push((entry, state, open.items));
        }
        let faults = unreadable.iter().map(|item| item.error.item_fault());
        Ok(Self {
            runs: runs.items,
            older,
            lanes,
            unreadable: faults.collect(),
            known: holds::known(context).await?,
            suspensions: context
                .if_readable(context.ledger.suspensions().await)?
                .unwrap_or_default(),
            now: SystemClock.now(),
            flags: context.flags.clone(),
        })
    }

    /// The overview in the form of `--json`.
    pub(super) fn answer(&self) -> StatusAnswer<'_> {
        let lanes = self.lanes.iter().map(|(entry, state, open)| {
            let known = self.known.iter().find(|known| known.lane == entry.lane);
            LaneAnswer::new(entry, state, open, known, (self.now, &self.flags))
        });
        StatusAnswer::Overview {
            runs: &self.runs,
            older: self.older,
            lanes: lanes.collect(),
            suspensions: &self.suspensions,
            unreadable: &self.unreadable,
        }
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
            data.push("older runs: --runs, or `pmp-sync history`".to_owned());
        }
        data.push(String::new());
        data.extend(lanes(&self.lanes, self.now));
        let mut notes = self.warnings();
        notes.extend(
            self.unreadable
                .iter()
                .map(|fault| output::fault(None, fault)),
        );
        for (entry, state, _) in &self.lanes {
            notes.extend(tell_lane(&entry.lane, state, self.now));
        }
        notes.extend(told_holds(&self.known, self.now, &self.flags));
        notes.extend(suspension_lines(&self.suspensions));
        Told { data, notes }
    }
}

/// Lines about holds and frozen links.
fn told_holds(known: &[Known], now: Timestamp, flags: &Flags) -> Vec<String> {
    let mut notes = Vec::new();
    for known in known {
        for hold in known.holds() {
            let since = time(Some(hold.since));
            let name = known.name();
            let words = holds::words(hold, &known.approve(hold, flags));
            notes.push(format!("{name} is held since {since}:\n{words}"));
        }
        if let Some(words) = holds::frozen(known, now) {
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
pub(super) fn runs(runs: &[RunRecord]) -> Vec<String> {
    if runs.is_empty() {
        return vec!["no run yet".to_owned()];
    }
    let header = "RUN, STATUS, FOR, BEGAN, COMPLETED, LINKS, FAILED, HELD, ALLOW, DENY";
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
    output::table_lines(header, rows)
}

/// The member's own rules in a cell of the table; a dash if they restrict nothing.
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

fn lanes(lanes: &[Lane], now: Timestamp) -> Vec<String> {
    if lanes.is_empty() {
        return vec!["no lane yet".to_owned()];
    }
    let header = "MEMBER, EXPERIENCE, PHASE, OPEN, MEMBER'S CHOICE, LAST ATTEMPT, LAST SUCCESS, LAST IN SYNC";
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
                time(state.last_in_sync),
            ]
        })
        .collect();
    output::table_lines(header, rows)
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
        let answer = |now| LaneAnswer::new(&entry, &state, &[], None, (now, &Flags::default()));
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
            let lane = LaneAnswer::new(&entry, &state, &[], None, (now(), &Flags::default()));
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
