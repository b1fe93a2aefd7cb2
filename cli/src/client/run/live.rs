//! Progress of each member while a command waits for runs: on a terminal one line that changes, otherwise a line
//! for each change. The last line of a lane tells how it ended.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;

use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::records::{LinkRecord, RunRecord};

use crate::output;
use crate::progress::Progress;

/// The most lanes in one line.
const IN_ONE_LINE: usize = 3;

/// What was shown of the lanes of runs. No two runs that are waited for together have a lane in common.
pub(crate) struct Live<'a> {
    progress: &'a Progress,
    on_terminal: bool,
    /// True if several runs are waited for.
    several: bool,
    told: RefCell<BTreeMap<RunId, ToldRun>>,
}

/// What was shown of the lanes of one run.
#[derive(Debug, Default)]
struct ToldRun {
    /// The status of the run.
    status: &'static str,
    /// The names of the lanes, once the run is planned.
    names: BTreeMap<LaneId, String>,
    /// The last line of each lane that the run waits for.
    lanes: BTreeMap<LaneId, String>,
}

impl<'a> Live<'a> {
    /// For one run.
    pub(crate) fn new(progress: &'a Progress) -> Self {
        Self {
            progress,
            on_terminal: std::io::stderr().is_terminal(),
            several: false,
            told: RefCell::default(),
        }
    }

    /// For several runs.
    pub(crate) fn of_several(progress: &'a Progress) -> Self {
        Self {
            several: true,
            ..Self::new(progress)
        }
    }

    /// True if several runs are waited for.
    pub(super) fn is_of_several(&self) -> bool {
        self.several
    }

    /// True until the names of the lanes of a run are known.
    pub(super) fn wants_names(&self, run: RunId) -> bool {
        let told = self.told.borrow();
        told.get(&run).is_none_or(|told| told.names.is_empty())
    }

    pub(super) fn names(&self, run: RunId, links: &[LinkRecord]) {
        let named = links.iter();
        let named = named.filter_map(|link| Some((link.lane.clone()?, output::link_name(link))));
        let mut told = self.told.borrow_mut();
        told.entry(run).or_default().names = named.collect();
    }

    /// The lanes that were shown and that the run does not wait for any more.
    pub(super) fn left(&self, run: &RunRecord) -> BTreeSet<LaneId> {
        let told = self.told.borrow();
        let lanes = told.get(&run.run).into_iter();
        let lanes = lanes.flat_map(|told| told.lanes.keys());
        let is_open =
            |lane: &LaneId| !run.status.is_final() && run.open.contains(&lane.to_string());
        lanes.filter(|lane| !is_open(lane)).cloned().collect()
    }

    /// Shows the progress of the lanes that the run waits for, and of those that it does not wait for any more.
    pub(super) fn tell(
        &self,
        run: &RunRecord,
        lanes: &[(LaneId, LaneState)],
        left: &[(LaneId, LaneState)],
    ) {
        let mut all = self.told.borrow_mut();
        let told = all.entry(run.run).or_default();
        told.status = run.status.as_str();
        let line = |(lane, state): &(LaneId, LaneState)| {
            let name = told.names.get(lane).cloned();
            let name = name.unwrap_or_else(|| lane.to_string());
            (lane.clone(), format!("{name}: {}", stand(state, run.run)))
        };
        let now: BTreeMap<_, _> = lanes.iter().map(line).collect();
        let ended: BTreeMap<_, _> = left.iter().map(line).collect();
        if !self.on_terminal {
            for line in news(&told.lanes, &ended).chain(news(&told.lanes, &now)) {
                output::note(line);
            }
        }
        told.lanes = now;
        if run.status.is_final() {
            all.remove(&run.run);
        }
        if self.on_terminal {
            self.progress.detail(in_one_line(&all));
        }
    }
}

/// The progress of a lane, such as `in flight, 37 of 310 done`.
fn stand(state: &LaneState, run: RunId) -> String {
    let Some(planned) = &state.planned else {
        return state.phase.to_string();
    };
    if planned.run > run {
        return format!("run {} has taken over", planned.run);
    }
    let all = planned.totals.allow + planned.totals.deny;
    let taken = planned.taken.allow + planned.taken.deny;
    let at_work = state
        .intent
        .as_ref()
        .map_or(0, |intent| intent.changes.len());
    let done = taken.saturating_sub(at_work);
    format!("{}, {done} of {all} done", state.phase)
}

/// The run, or the number of runs, and the first of their lanes.
fn in_one_line(all: &BTreeMap<RunId, ToldRun>) -> String {
    let runs: Vec<_> = all.iter().collect();
    let runs = match runs.as_slice() {
        [] => return "waiting".to_owned(),
        [(run, told)] => format!("run {run} is {}", told.status),
        several => format!("{} at work", output::count(several.len(), "run")),
    };
    let lanes = || all.values().flat_map(|told| told.lanes.values());
    let mut words: Vec<_> = lanes().take(IN_ONE_LINE).map(String::as_str).collect();
    let others = lanes().count().saturating_sub(IN_ONE_LINE);
    let more = format!("and {}", output::count(others, "other"));
    if others > 0 {
        words.push(&more);
    }
    if words.is_empty() {
        runs
    } else {
        format!("{runs}; {}", words.join("; "))
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
    use serde_json::json;

    use super::*;

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn state(phase: &str, taken: usize, at_work: usize) -> LaneState {
        let changes: Vec<_> = (0..at_work)
            .map(|number| {
                json!({ "product": format!("prod-{number}"), "action": "allow", "run": RUN })
            })
            .collect();
        serde_json::from_value(json!({
            "schema": 1, "rev": 1, "phase": phase, "seq": 1, "tick": 1,
            "planned": {
                "run": RUN, "hash": "0".repeat(64), "sent": true, "at": "2026-01-01T00:00:00Z",
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
        let run = RUN.parse().unwrap();
        let stand = |state: &LaneState| super::stand(state, run);
        assert_eq!(
            stand(&state("in_flight", 87, 50)),
            "in flight, 37 of 310 done"
        );
        assert_eq!(stand(&state("idle", 310, 0)), "idle, 310 of 310 done");
        assert_eq!(stand(&LaneState::default()), "idle");
    }

    #[test]
    fn the_changes_of_a_newer_run_are_not_those_of_this_one() {
        let older = "01ARZ3NDEKTSV4RRFFQ69G5FAA".parse().unwrap();
        let told = stand(&state("idle", 310, 0), older);
        assert_eq!(told, format!("run {RUN} has taken over"));
    }

    #[test]
    fn only_what_has_changed_is_told_again() {
        let (before, now) = (told(&["a 1", "b 1"]), told(&["a 1", "b 2", "c 1"]));
        assert_eq!(news(&before, &now).collect::<Vec<_>>(), ["b 2", "c 1"]);
        assert_eq!(news(&now, &now).count(), 0);
    }

    #[test]
    fn many_lanes_have_a_place_in_one_line() {
        let run = |number, lanes: &[&str]| {
            let told = ToldRun {
                status: "planning",
                names: BTreeMap::new(),
                lanes: told(lanes),
            };
            (RunId::next(None, number, 0), told)
        };
        let line = in_one_line(&BTreeMap::from([run(1, &["a", "b", "c", "d"])]));
        assert!(
            line.ends_with("is planning; a; b; c; and 1 other"),
            "{line}"
        );
        let line = in_one_line(&BTreeMap::from([run(1, &[])]));
        assert!(line.ends_with("is planning"), "{line}");
        let line = in_one_line(&BTreeMap::from([run(1, &["a"]), run(2, &["b"])]));
        assert_eq!(line, "2 runs at work; a; b");
    }
}
