//! Progress of each member while a command waits for a run: on a terminal one line that changes,
//! otherwise a line for each change.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::records::{LinkRecord, RunRecord};

use crate::output;
use crate::progress::Progress;

/// The most lanes in one line.
const IN_ONE_LINE: usize = 3;

/// What was shown of the lanes of a run.
pub(super) struct Live<'a> {
    progress: &'a Progress,
    on_terminal: bool,
    /// The names of the lanes, once the run is planned.
    names: BTreeMap<LaneId, String>,
    told: BTreeMap<LaneId, String>,
}

impl<'a> Live<'a> {
    pub(super) fn new(progress: &'a Progress) -> Self {
        Self {
            progress,
            on_terminal: std::io::stderr().is_terminal(),
            names: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// True until the names of the lanes are known.
    pub(super) fn wants_names(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn names(&mut self, links: &[LinkRecord]) {
        let named = links.iter();
        let named = named.filter_map(|link| Some((link.lane.clone()?, output::link_name(link))));
        self.names = named.collect();
    }

    /// Shows the progress of the lanes that the run waits for.
    pub(super) fn tell(&mut self, run: &RunRecord, lanes: &[(LaneId, LaneState)]) {
        let told = lanes.iter().map(|(lane, state)| {
            let name = self.names.get(lane).cloned();
            let name = name.unwrap_or_else(|| lane.to_string());
            (lane.clone(), format!("{name}: {}", stand(state)))
        });
        let told: BTreeMap<_, _> = told.collect();
        if self.on_terminal {
            self.progress.detail(in_one_line(run, &told));
        } else {
            for line in news(&self.told, &told) {
                output::note(line);
            }
        }
        self.told = told;
    }
}

/// The progress of a lane, such as `in flight, 37 of 310 done`.
fn stand(state: &LaneState) -> String {
    let Some(planned) = &state.planned else {
        return state.phase.to_string();
    };
    let all = planned.totals.allow + planned.totals.deny;
    let taken = planned.taken.allow + planned.taken.deny;
    let at_work = state
        .intent
        .as_ref()
        .map_or(0, |intent| intent.changes.len());
    let done = taken.saturating_sub(at_work);
    format!("{}, {done} of {all} done", state.phase)
}

fn in_one_line(run: &RunRecord, told: &BTreeMap<LaneId, String>) -> String {
    let mut words: Vec<_> = told
        .values()
        .take(IN_ONE_LINE)
        .map(String::as_str)
        .collect();
    let others = told.len().saturating_sub(IN_ONE_LINE);
    let others = format!("and {}", output::count(others, "other"));
    if told.len() > IN_ONE_LINE {
        words.push(&others);
    }
    let run = format!("run {} is {}", run.run, run.status.as_str());
    if words.is_empty() {
        run
    } else {
        format!("{run}; {}", words.join("; "))
    }
}

/// The lines that have changed.
fn news<'b>(
    before: &BTreeMap<LaneId, String>,
    now: &'b BTreeMap<LaneId, String>,
) -> impl Iterator<Item = &'b str> {
    let changed = now.iter();
    let changed = changed.filter(|(lane, line)| before.get(*lane) != Some(*line));
    changed.map(|(_, line)| line.as_str())
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::ids::RunId;
    use serde_json::json;

    use super::*;

    fn state(phase: &str, taken: usize, at_work: usize) -> LaneState {
        let changes: Vec<_> = (0..at_work)
            .map(|number| {
                json!({ "product": format!("prod-{number}"), "action": "allow", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV" })
            })
            .collect();
        serde_json::from_value(json!({
            "schema": 1, "rev": 1, "phase": phase, "seq": 1, "tick": 1,
            "planned": {
                "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "hash": "0".repeat(64), "sent": true, "at": "2026-01-01T00:00:00Z",
                "totals": { "allow": 300, "deny": 10 }, "taken": { "allow": taken, "deny": 0 },
            },
            "intent": { "token": "t", "at": "2026-01-01T00:00:00Z", "changes": changes },
        }))
        .unwrap()
    }

    fn told(lines: &[&str]) -> BTreeMap<LaneId, String> {
        let numbered = lines.iter().enumerate();
        let lane = |number| format!("222222222222/exp-{number}").parse().unwrap();
        numbered
            .map(|(number, line)| (lane(number), (*line).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_in_flight_is_not_done_yet() {
        assert_eq!(
            stand(&state("in_flight", 87, 50)),
            "in flight, 37 of 310 done"
        );
        assert_eq!(stand(&state("idle", 310, 0)), "idle, 310 of 310 done");
        assert_eq!(stand(&LaneState::default()), "idle");
    }

    #[test]
    fn only_what_has_changed_is_told_again() {
        let (before, now) = (told(&["a 1", "b 1"]), told(&["a 1", "b 2", "c 1"]));
        assert_eq!(news(&before, &now).collect::<Vec<_>>(), ["b 2", "c 1"]);
        assert_eq!(news(&now, &now).count(), 0);
    }

    #[test]
    fn many_lanes_have_a_place_in_one_line() {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let run = RunRecord::new(RunId::next(None, 1, 0), 1, Vec::new(), at);
        let line = in_one_line(&run, &told(&["a", "b", "c", "d"]));
        assert!(
            line.ends_with("is planning; a; b; c; and 1 other"),
            "{line}"
        );
        assert!(in_one_line(&run, &told(&[])).ends_with("is planning"));
    }
}
