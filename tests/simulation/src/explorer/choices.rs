//! What can happen next in a state.

use std::sync::Arc;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::time::later;

use super::scheduler::Call;
use super::state::seq_of;
use super::state::{State, Task};
use super::stepper::{Choice, Stepper, TIMEOUT};
use super::world::Events;
use pmp_sync_fakes::ChangeSetRecord;

impl Stepper<'_> {
    /// Everything that can happen next. Empty if the world has ended.
    pub(super) fn choices(&self, state: &State) -> Vec<Choice> {
        let ended = |set: &&ChangeSetRecord| set.ends <= state.now;
        if state.under_way().as_ref().is_some_and(ended) {
            return self.endings();
        }
        let mut choices = Vec::new();
        for (place, task) in state.tasks.iter().enumerate() {
            let at_once = |(_, call): &&(usize, Arc<Call>)| self.is_at_once(state, call);
            if let Some((call, what)) = task.waiting.iter().find(at_once) {
                Self::calls(state, place, *call, what, &mut choices);
                return choices;
            }
        }
        for (place, task) in state.tasks.iter().enumerate() {
            for (call, what) in &task.waiting {
                Self::calls(state, place, *call, what, &mut choices);
            }
        }
        // A place may have several calls, but crashes only once.
        let mut seen = Vec::new();
        choices.retain(|choice| match choice {
            Choice::Crash(place) if seen.contains(place) => false,
            Choice::Crash(place) => {
                seen.push(*place);
                true
            }
            _ => true,
        });
        let due = self.deliveries(state, &mut choices);
        let producer = state.tasks.iter().any(Task::is_producer);
        let request = state.requests.first();
        let due_request = request.is_some_and(|(_, due)| *due <= state.now);
        if !producer && due_request {
            choices.push(Choice::Begin);
        }
        let due = due || (due_request && !self.setting.world.late);
        if state.under_way().is_some() {
            choices.extend(self.endings());
        }
        if let Some(next) = Self::next_due(state) {
            if state.tasks.is_empty() && !due {
                choices.push(Choice::Move(false));
            } else if state.budgets.slow > 0 && Self::outlast(state, next) {
                choices.push(Choice::Move(true));
            }
        }
        choices
    }

    /// True for a call that commutes with everything that others can do, now and later. It is made
    /// before anything else, so that only one of many orders is tried. Such calls are:
    /// - reading the experience, which nobody edits;
    /// - sending, and writing to the bus or a record: nobody can take a message before it exists,
    ///   and whoever takes it may also do so later;
    /// - a write whose condition can no longer hold, because `rev`, the runs of items and their
    ///   closing never go back; it has no effect, and its answer is certain;
    /// - asking about a change set that has ended, and looking for or starting one that exists: it
    ///   stays as it is.
    ///
    /// A crash before the call, or its failure, is another path of the same task, and is tried too.
    fn is_at_once(&self, state: &State, call: &Call) -> bool {
        let sets = || state.experiences.change_sets().iter();
        let item = |product: &ProductId| {
            let key = (self.setting.lane.clone(), product.clone());
            state.ledger.items.get(&key)
        };
        match call {
            Call::Experience
            | Call::Tick(_)
            | Call::Announce
            | Call::DeadLetter
            | Call::Keep
            | Call::Send(_) => true,
            // It stays in conflict. See `go` for the other case.
            Call::Store(rev) => state.budgets.faults > 0 && self.rev(state) != *rev,
            Call::Claim(product, run) => item(product).is_some_and(|item| item.change.run >= *run),
            Call::Close(product, run) => {
                item(product).is_none_or(|item| item.change.run != *run || !item.is_open())
            }
            Call::Status(id) => sets().any(|set| set.id == *id && set.status.is_some()),
            Call::Start(token, _) => sets().any(|set| set.token == *token),
            Call::Find(seq) => sets().any(|set| seq_of(&set.name) == *seq),
            Call::State | Call::Open | Call::Policy => false,
        }
    }

    fn rev(&self, state: &State) -> u64 {
        let lane = state.ledger.lanes.get(&self.setting.lane);
        lane.map_or(0, |lane| lane.rev)
    }

    fn calls(state: &State, place: usize, call: usize, what: &Call, choices: &mut Vec<Choice>) {
        choices.push(Choice::Go(place, call));
        if state.budgets.faults > 0 {
            choices.push(Choice::Refuse(place, call));
            // Losing the answer of a call without effect is the same as refusing it.
            if what.writes() {
                choices.push(Choice::Lose(place, call));
            }
        }
        // A crash after a call without effect is the same as a crash before it.
        if state.budgets.crashes > 0 && state.tasks.get(place).is_some_and(|task| task.fresh) {
            choices.push(Choice::Crash(place));
        }
    }

    /// Adds the deliveries. Returns true if any message is due, whether or not a worker is free.
    fn deliveries(&self, state: &State, choices: &mut Vec<Choice>) -> bool {
        let mut due: Vec<usize> = Vec::new();
        for (place, letter) in state.letters.iter().enumerate() {
            let same = |of: &usize| {
                let other = state.letters.get(*of);
                other.is_some_and(|other| other.body == letter.body)
            };
            // Equal messages are interchangeable, but two of them make a pair.
            if letter.due <= state.now && due.iter().filter(|of| same(of)).count() < 2 {
                due.push(place);
            }
        }
        let workers = state.tasks.iter().filter(|task| !task.is_producer());
        if workers.count() >= self.setting.world.workers {
            return !due.is_empty();
        }
        let mut deliver = |letters: Vec<usize>| {
            if state.budgets.duplicates > 0 {
                for kept in &letters {
                    choices.push(Choice::Deliver(letters.clone(), Some(*kept)));
                }
            }
            choices.push(Choice::Deliver(letters, None));
        };
        let body = |place: &usize| state.letters.get(*place).map(|letter| &letter.body);
        for (nth, one) in due.iter().enumerate() {
            if due.iter().take(nth).all(|other| body(other) != body(one)) {
                deliver(vec![*one]);
            }
            if self.setting.world.pairs {
                for other in due.iter().skip(nth + 1) {
                    deliver(vec![*one, *other]);
                }
            }
        }
        !due.is_empty()
    }

    fn endings(&self) -> Vec<Choice> {
        match self.setting.world.events {
            Events::Always => vec![Choice::End(true)],
            Events::Never => vec![Choice::End(false)],
            Events::Either => vec![Choice::End(true), Choice::End(false)],
        }
    }

    pub(super) fn next_due(state: &State) -> Option<Timestamp> {
        let letters = state.letters.iter().map(|letter| letter.due);
        let sets = state.under_way().into_iter().map(|set| set.ends);
        let requests = state.requests.first().into_iter().map(|(_, due)| *due);
        let all = letters.chain(sets).chain(requests);
        all.filter(|due| *due > state.now).min()
    }

    /// True if no task exceeds its timeout by then, which would be a crash.
    fn outlast(state: &State, next: Timestamp) -> bool {
        let mut tasks = state.tasks.iter();
        tasks.all(|task| later(task.begun, i64::from(TIMEOUT)) > next)
    }
}
