//! Runs a task: restores it, and lets it make one call.

use std::sync::Arc;

use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::TickMessage;
use pmp_sync_worker::{Context, Membership, handle};

use super::ports::ExplorerPorts;
use super::run::LaneRun;
use super::scheduler::{Answered, Call, Running, Scheduler};
use super::state::{Body, Letter, Role, State, Task};
use super::stepper::{Came, Stepper, TIMEOUT};
use pmp_sync_fakes::{Experiences, Fate, MemoryLedger};

/// How long a message that was taken and not acknowledged is hidden, in seconds.
const VISIBILITY: i64 = 180;

impl Stepper<'_> {
    /// The task as it stands: the one that was left there, if it is the one that made the last step,
    /// which its last answer tells; otherwise one that is given the same answers.
    fn take_up(&self, state: &State, task: &Task) -> Running<Came> {
        let left = self.left.borrow_mut().take();
        let last = task.history.last().map(|answered| &answered.said);
        match (left, last) {
            (Some((said, running)), Some(last)) if Arc::ptr_eq(&said, last) => running,
            _ => self.run(state, task),
        }
    }

    /// Starts a task with the answers that this one got.
    pub(super) fn run(&self, state: &State, task: &Task) -> Running<Came> {
        let fakes = self.fakes.clone();
        let place = task.place;
        let ports = move |scheduler: Scheduler| ExplorerPorts {
            scheduler,
            fakes,
            place,
        };
        let begun = (task.begun, task.seq);
        match &task.role {
            Role::Worker(letters) => {
                let records: Vec<_> = letters.iter().map(|letter| self.record(letter)).collect();
                let account = self.setting.lane.account.clone();
                let deadline = later(task.begun, i64::from(TIMEOUT));
                Running::again(begun, &task.history, |scheduler| {
                    let ports = ports(scheduler);
                    let worker = Context {
                        ledger: ports.clone(),
                        catalog: ports.clone(),
                        outbox: ports.clone(),
                        system: ports,
                        member: Membership::new(account, TIMEOUT),
                    };
                    Box::pin(async move {
                        Came::Dispositions(handle(&worker, &records, deadline).await)
                    })
                })
            }
            Role::Producer(request, run) => {
                let mut plans = state.plans.as_ref().clone();
                plans.retain(|older, _| older < run);
                let of_run = LaneRun {
                    run: *run,
                    lane: self.setting.lane.clone(),
                    member: self.setting.member.clone(),
                    policy: self.setting.policy.clone(),
                    desired: self
                        .setting
                        .desired
                        .get(*request)
                        .cloned()
                        .unwrap_or_default(),
                    plans,
                };
                Running::again(begun, &task.history, |scheduler| {
                    let ports = ports(scheduler);
                    Box::pin(async move { Came::Served(Box::pin(of_run.reconcile(ports)).await) })
                })
            }
        }
    }

    fn record(&self, letter: &Letter) -> Record {
        let lane = &self.setting.lane;
        let body = match &letter.body {
            Body::Change(change) => change.to_body(),
            Body::Tick(number) => TickMessage::new(lane, *number).to_body(),
            Body::Ended(name, id) => format!(
                r#"{{"source":"aws.marketplacecatalog","detail-type":"Change Set Succeeded","detail":{{"ChangeSetId":"{id}","ChangeSetName":"{name}"}}}}"#
            ),
        };
        Record {
            body,
            ..Record::default()
        }
    }

    pub(super) fn go(
        &self,
        next: &mut State,
        place: usize,
        call: usize,
        fate: Fate,
        words: &mut Vec<String>,
    ) {
        let Some(task) = next.tasks.get(place).cloned() else {
            return;
        };
        let what = task.waiting.iter().find(|(id, _)| *id == call);
        let Some((_, what)) = what else { return };
        let what = Arc::clone(what);
        let mut running = self.take_up(next, &task);
        self.load(next);
        let seq = next.lane(&self.setting.lane, &LaneState::default()).seq;
        let said = running.go(call, fate, next.now, seq);
        let writes = what.writes();
        self.unload(next, &what);
        let is_conflict = said.as_ref().and_then(|said| said.failure()) == Some(Kind::Conflict);
        let lane = next.ledger.lanes.get(&self.setting.lane);
        let left = match *what {
            Call::Store(_) if !is_conflict => lane.cloned().map(Arc::new),
            _ => None,
        };
        self.say(words, || {
            let answer = said.as_ref().map(|said| said.brief()).unwrap_or_default();
            let fate = match fate {
                Fate::Go => "",
                Fate::Refuse(_) => " FAILS",
                Fate::Lose(_) => " LOSES ITS ANSWER",
            };
            format!("{}: {what:?}{fate} -> {answer}", name(&task))
        });
        let waiting = running.waiting();
        if !running.has_ended() {
            if let (Some(task), Some(said)) = (next.tasks.get_mut(place), said) {
                *self.left.borrow_mut() = Some((Arc::clone(&said), running));
                task.history.push(Answered {
                    call,
                    what: Arc::clone(&what),
                    at: next.now,
                    seq,
                    said,
                    left,
                });
                task.waiting = waiting;
                task.fresh = writes;
            }
            self.once_more(next, place, &what, is_conflict, words);
            return;
        }
        next.tasks.remove(place);
        let Some(came) = running.ended() else { return };
        match came {
            Came::Dispositions(dispositions) => {
                self.say(words, || format!("{} ends: {dispositions:?}", name(&task)));
                come_again(next, &task, |nth| {
                    dispositions.get(nth) == Some(&Disposition::Retry)
                });
            }
            Came::Served(outcome) => {
                self.say(words, || format!("{} ends: {outcome:?}", name(&task)));
                come_again(next, &task, |_| outcome.is_err());
            }
        }
    }

    /// A write that was in conflict is made again at once, on what stands: reading the state again and
    /// writing it are one step. Of those attempts only the one that succeeds is seen by anybody, and
    /// between its reading and its writing nobody else has written, or it would not succeed; so they
    /// might as well have been made together, and the others not at all. (A write that is in conflict
    /// eight times in a row would fail; a small world has not so many writers.) While calls may still
    /// fail the steps are taken one by one.
    fn once_more(
        &self,
        next: &mut State,
        place: usize,
        what: &Call,
        is_conflict: bool,
        words: &mut Vec<String>,
    ) {
        let first = |next: &State| {
            let task = next.tasks.get(place)?;
            let (call, what) = task.waiting.first()?;
            Some((*call, Arc::clone(what)))
        };
        if next.budgets.faults > 0 || !matches!(what, Call::Store(_)) || !is_conflict {
            return;
        }
        let tasks = next.tasks.len();
        if let Some((call, _)) = first(next) {
            self.go(next, place, call, Fate::Go, words);
        }
        match first(next) {
            Some((call, what)) if next.tasks.len() == tasks && matches!(*what, Call::Store(_)) => {
                self.go(next, place, call, Fate::Go, words);
            }
            _ => {}
        }
    }

    /// Loads the state into the fakes, unless they have it from the step before.
    fn load(&self, state: &State) {
        let world = &self.fakes.world;
        world.set_time(state.now);
        let mut loaded = self.loaded.borrow_mut();
        let is = |loaded: &Option<(Arc<MemoryLedger>, Arc<Experiences>)>| {
            let (ledger, experiences) = loaded.as_ref()?;
            Some((
                Arc::ptr_eq(ledger, &state.ledger),
                Arc::ptr_eq(experiences, &state.experiences),
            ))
        };
        let (ledger, experiences) = is(&loaded).unwrap_or_default();
        if !ledger {
            world.ledger(|kept| kept.clone_from(&state.ledger));
        }
        if !experiences {
            world.experiences(|kept| kept.clone_from(&state.experiences));
        }
        *loaded = Some((Arc::clone(&state.ledger), Arc::clone(&state.experiences)));
    }

    /// Stores what a call may have changed in the fakes.
    fn unload(&self, state: &mut State, call: &Call) {
        let world = &self.fakes.world;
        match call {
            Call::Store(_) | Call::Claim(..) | Call::Close(..) | Call::DeadLetter => {
                state.ledger = Arc::new(world.ledger(|kept| kept.clone()));
            }
            Call::Start(..) => state.experiences = Arc::new(world.experiences(|kept| kept.clone())),
            _ => {}
        }
        *self.loaded.borrow_mut() =
            Some((Arc::clone(&state.ledger), Arc::clone(&state.experiences)));
    }
}

/// Makes the unacknowledged messages of a task visible again after their visibility timeout.
pub(super) fn come_again(next: &mut State, task: &Task, is_again: impl Fn(usize) -> bool) {
    let due = later(task.begun, VISIBILITY);
    match &task.role {
        Role::Worker(letters) => {
            for (nth, letter) in letters.iter().enumerate() {
                if is_again(nth) {
                    next.letters.push(Letter {
                        due,
                        ..letter.clone()
                    });
                }
            }
        }
        // Requests are served in their order, and by a run of their own.
        Role::Producer(request, _) => {
            if is_again(0) {
                next.requests.insert(0, (*request, due));
            }
        }
    }
}

pub(super) fn name(task: &Task) -> String {
    match &task.role {
        Role::Worker(letters) => {
            let letters = letters.iter().map(|letter| match &letter.body {
                Body::Change(change) => format!("{} {}", change.action, change.product),
                Body::Tick(number) => format!("tick {number}"),
                Body::Ended(name, _) => format!("end of {name}"),
            });
            let letters: Vec<_> = letters.collect();
            format!("worker {} [{}]", task.place, letters.join(", "))
        }
        Role::Producer(request, _) => format!("run for request {}", request + 1),
    }
}
