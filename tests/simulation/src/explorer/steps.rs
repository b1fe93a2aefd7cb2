//! The effect of a choice.

use std::sync::Arc;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::RunId;

use super::state::{Body, Letter, Role, State, Task};
use super::stepper::{Choice, Happened, Stepper};
use super::tasks::{come_again, name};
use pmp_sync_fakes::Fate;

impl Stepper<'_> {
    /// Applies a choice.
    pub(super) fn apply(&self, state: &State, choice: &Choice) -> Happened {
        let mut next = state.clone();
        let mut words = Vec::new();
        match choice {
            Choice::Go(place, call) => self.go(&mut next, *place, *call, Fate::Go, &mut words),
            Choice::Refuse(place, call) => {
                next.budgets.faults -= 1;
                self.go(
                    &mut next,
                    *place,
                    *call,
                    Fate::Refuse(Kind::Retryable),
                    &mut words,
                );
            }
            Choice::Lose(place, call) => {
                next.budgets.faults -= 1;
                self.go(
                    &mut next,
                    *place,
                    *call,
                    Fate::Lose(Kind::Retryable),
                    &mut words,
                );
            }
            Choice::Crash(place) => {
                next.budgets.crashes -= 1;
                let task = next.tasks.remove(*place);
                self.say(&mut words, || format!("{} crashes", name(&task)));
                come_again(&mut next, &task, |_| true);
            }
            Choice::Deliver(letters, kept) => {
                self.deliver(&mut next, letters, *kept, &mut words);
            }
            Choice::Begin => self.begin(&mut next, &mut words),
            Choice::End(event) => {
                self.say(&mut words, || {
                    let arrives = if *event { "arrives" } else { "is lost" };
                    format!("the change set ends; its event {arrives}")
                });
                let experiences = Arc::make_mut(&mut next.experiences);
                if let Some((name, id)) = experiences.end_under_way(next.now)
                    && *event
                {
                    next.letters.push(Letter {
                        due: next.now,
                        body: Body::Ended(name, id),
                    });
                }
            }
            Choice::Move(early) => {
                next.budgets.slow -= u8::from(*early);
                if let Some(due) = Self::next_due(&next) {
                    self.say(&mut words, || {
                        let seconds = due.duration_since(next.now).as_secs();
                        format!("{seconds} s pass")
                    });
                    next.now = due;
                }
            }
        }
        let outbox = self.fakes.take();
        next.letters.extend(outbox.letters.iter().cloned());
        next.letters.sort_by_key(Letter::order);
        next.announced.extend(&outbox.announced);
        if let Some((run, plan)) = &outbox.plan {
            Arc::make_mut(&mut next.plans).insert(*run, plan.clone());
        }
        Happened {
            state: next,
            outbox,
            words,
        }
    }

    pub(super) fn say(&self, words: &mut Vec<String>, say: impl FnOnce() -> String) {
        if self.verbose {
            words.push(say());
        }
    }

    fn deliver(
        &self,
        next: &mut State,
        letters: &[usize],
        kept: Option<usize>,
        words: &mut Vec<String>,
    ) {
        let taken = letters.iter().filter_map(|place| next.letters.get(*place));
        let taken: Vec<_> = taken.cloned().collect();
        let mut place = 0;
        next.letters.retain(|_| {
            place += 1;
            let here = place - 1;
            !letters.contains(&here) || kept == Some(here)
        });
        next.budgets.duplicates -= u8::from(kept.is_some());
        // The same messages in the same order make the same task.
        let role = Role::Worker(taken);
        let task = self.task(next, role);
        self.say(words, || {
            let twice = if kept.is_some() {
                ", of which one will come twice"
            } else {
                ""
            };
            format!("{} begins{twice}", name(&task))
        });
        self.join(next, task, words);
    }

    fn begin(&self, next: &mut State, words: &mut Vec<String>) {
        let (request, _) = next.requests.remove(0);
        next.runs += 1;
        let role = Role::Producer(request, RunId::next(None, next.runs, 0));
        let task = self.task(next, role);
        self.say(words, || format!("{} begins", name(&task)));
        self.join(next, task, words);
    }

    fn task(&self, state: &State, role: Role) -> Task {
        let taken = |place: &u64| state.tasks.iter().any(|task| task.place == *place);
        let mut places = 0..=state.tasks.len() as u64;
        let place = places.find(|place| !taken(place));
        let place = place.unwrap_or_default();
        let lane = state.ledger.lanes.get(&self.setting.lane);
        let mut task = Task {
            role,
            place,
            begun: state.now,
            seq: lane.map_or(0, |lane| lane.seq),
            history: Vec::new(),
            waiting: Vec::new(),
            fresh: true,
        };
        task.waiting = self.run(state, &task).waiting();
        task
    }

    /// A task that has just begun reads first. Taking a message and reading are one step: until then
    /// the message might as well still wait.
    fn join(&self, next: &mut State, task: Task, words: &mut Vec<String>) {
        let first = task.waiting.first().map(|(call, _)| *call);
        next.tasks.push(task);
        if let (Some(call), 0) = (first, next.budgets.faults) {
            let place = next.tasks.len() - 1;
            self.go(next, place, call, Fate::Go, words);
            if let Some(task) = next.tasks.get_mut(place) {
                task.fresh = true;
            }
        }
    }
}
