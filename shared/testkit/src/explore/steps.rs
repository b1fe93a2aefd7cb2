//! What can happen next in a state, and what comes of it.

use std::cell::RefCell;
use std::sync::Arc;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::{LaneState, later};
use pmp_sync_domain::message::TickMessage;
use pmp_sync_domain::ports::Answer;
use pmp_sync_worker::{Record, Verdict, Worker};

use super::gate::{Call, Gate, Running, Said};
use super::hands::{Bench, Hands, Tray};
use super::producer::Errand;
use super::state::{Body, Letter, Role, State, Task};
use super::world::{Events, Setting, seq_of};
use crate::catalog::Experiences;
use crate::fail::Fate;
use crate::ledger::MemoryLedger;

/// The timeout of a function, in seconds.
const TIMEOUT: u16 = 30;
/// How long a message that was taken and not acknowledged is hidden, in seconds.
const VISIBILITY: i64 = 180;

/// One thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// A task makes a call.
    Go(usize, usize),
    /// A task's call fails without an effect.
    Refuse(usize, usize),
    /// A task's call has its effect, and its answer is lost.
    Lose(usize, usize),
    /// A task ends here; its messages come again.
    Crash(usize),
    /// These waiting messages go to a worker; one of them may stay and be delivered again.
    Deliver(Vec<usize>, Option<usize>),
    /// The producer begins a run.
    Begin,
    /// The change set under way ends, and its event arrives or does not.
    End(bool),
    /// The clock moves to what is due next.
    Move(bool),
}

/// What came of a task's step.
enum Came {
    Verdicts(Vec<Verdict>),
    Served(Answer<()>),
}

/// What happened beside the new state.
pub(super) struct Happened {
    pub(super) state: State,
    pub(super) tray: Tray,
    /// In words, if they are asked for.
    pub(super) words: Vec<String>,
}

/// Takes steps in one world.
pub(super) struct Stepper<'a> {
    pub(super) setting: &'a Setting,
    bench: Bench,
    /// What the fakes hold.
    loaded: RefCell<Option<(Arc<MemoryLedger>, Arc<Experiences>)>>,
    /// The task that made the last step, with the answer by which it is told.
    left: RefCell<Option<(Arc<dyn Said>, Running<Came>)>>,
    pub(super) verbose: bool,
}

impl<'a> Stepper<'a> {
    pub(super) fn new(setting: &'a Setting) -> Self {
        Self {
            setting,
            bench: Bench::new(&setting.lane.account),
            loaded: RefCell::new(None),
            left: RefCell::new(None),
            verbose: false,
        }
    }

    /// Everything that can happen; nothing if the world has come to its end.
    pub(super) fn choices(&self, state: &State) -> Vec<Choice> {
        let ended = |set: &&crate::ChangeSetRecord| set.ends <= state.now;
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
        // A place may have several calls, and crashes once.
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
        if !producer && request.is_some_and(|(_, due)| *due <= state.now) {
            choices.push(Choice::Begin);
        }
        if state.under_way().is_some() {
            choices.extend(self.endings());
        }
        if let Some(next) = self.next_due(state) {
            if state.tasks.is_empty() && !due {
                choices.push(Choice::Move(false));
            } else if state.budgets.slow > 0 && self.outlast(state, next) {
                choices.push(Choice::Move(true));
            }
        }
        choices
    }

    /// A call that commutes with everything that others can do, now and later: it is made before
    /// anything else is looked at, so that only one order of many is tried. Such are
    /// - reading the experience, which nobody edits;
    /// - sending, and putting on the bus or on record: nobody takes anything away before it is there,
    ///   and whoever takes it may do so later as well;
    /// - a write whose condition can not hold any more: `rev`, the runs of items and their closing
    ///   only ever move on; it has no effect, and its answer is certain;
    /// - asking about a change set that has ended, or looking for or starting one that is there: it
    ///   stays as it is.
    ///
    /// A crash before the call, or its failure, is another way for the same task, and is tried too.
    fn is_at_once(&self, state: &State, call: &Call) -> bool {
        let sets = || state.experiences.change_sets().iter();
        let item = |product: &pmp_sync_domain::ids::ProductId| {
            let key = (self.setting.lane.clone(), product.clone());
            state.ledger.items.get(&key)
        };
        match call {
            Call::Experience
            | Call::Tick(_)
            | Call::Announce
            | Call::Bury
            | Call::Keep
            | Call::Send(_) => true,
            // In conflict for good; see `go` for what is done otherwise.
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
            // To lose the answer of a call without an effect is to refuse it.
            if what.writes() {
                choices.push(Choice::Lose(place, call));
            }
        }
        // A crash after a call without an effect is one before it.
        if state.budgets.crashes > 0 && state.tasks.get(place).is_some_and(|task| task.fresh) {
            choices.push(Choice::Crash(place));
        }
    }

    /// Adds the deliveries. True if any message is due, whether or not a worker is free for it.
    fn deliveries(&self, state: &State, choices: &mut Vec<Choice>) -> bool {
        let mut due: Vec<usize> = Vec::new();
        for (place, letter) in state.letters.iter().enumerate() {
            let same = |of: &usize| {
                let other = state.letters.get(*of);
                other.is_some_and(|other| other.body == letter.body)
            };
            // Of messages that say the same, one is as good as the other, but two make a pair.
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

    fn next_due(&self, state: &State) -> Option<Timestamp> {
        let letters = state.letters.iter().map(|letter| letter.due);
        let sets = state.under_way().into_iter().map(|set| set.ends);
        let requests = state.requests.first().into_iter().map(|(_, due)| *due);
        let all = letters.chain(sets).chain(requests);
        all.filter(|due| *due > state.now).min()
    }

    /// True if no task is past its timeout by then: that would be a crash.
    fn outlast(&self, state: &State, next: Timestamp) -> bool {
        let mut tasks = state.tasks.iter();
        tasks.all(|task| later(task.begun, i64::from(TIMEOUT)) > next)
    }

    /// Lets something happen.
    pub(super) fn apply(&self, state: &State, choice: &Choice) -> Happened {
        let mut next = state.clone();
        let mut words = Vec::new();
        match choice {
            Choice::Go(place, call) => self.go(&mut next, *place, *call, Fate::Go, &mut words),
            Choice::Refuse(place, call) => {
                next.budgets.faults -= 1;
                self.go(&mut next, *place, *call, Fate::Refuse(Kind::Retryable), &mut words);
            }
            Choice::Lose(place, call) => {
                next.budgets.faults -= 1;
                self.go(&mut next, *place, *call, Fate::Lose(Kind::Retryable), &mut words);
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
                        body: Body::Ended(seq_of(&name), id),
                    });
                }
            }
            Choice::Move(early) => {
                next.budgets.slow -= u8::from(*early);
                if let Some(due) = self.next_due(&next) {
                    self.say(&mut words, || {
                        let seconds = due.duration_since(next.now).as_secs();
                        format!("{seconds} s pass")
                    });
                    next.now = due;
                }
            }
        }
        let tray = self.bench.take();
        next.letters.extend(tray.letters.iter().cloned());
        next.letters.sort_by_key(Letter::order);
        next.announced.extend(&tray.announced);
        if let Some((run, plan)) = &tray.plan {
            Arc::make_mut(&mut next.plans).insert(*run, plan.clone());
        }
        Happened {
            state: next,
            tray,
            words,
        }
    }

    fn say(&self, words: &mut Vec<String>, say: impl FnOnce() -> String) {
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
        let place = (0..).find(|place| !taken(place)).unwrap_or_default();
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
            self.go(next, next.tasks.len() - 1, call, Fate::Go, words);
            if let Some(task) = next.tasks.last_mut() {
                task.fresh = true;
            }
        }
    }

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

    /// A task that is given the answers that this one got.
    fn run(&self, state: &State, task: &Task) -> Running<Came> {
        let bench = self.bench.clone();
        let place = task.place;
        let hands = move |gate: Gate| Hands { gate, bench, place };
        let begun = (task.begun, task.seq);
        match &task.role {
            Role::Worker(letters) => {
                let records: Vec<_> = letters.iter().map(|letter| self.record(letter)).collect();
                let account = self.setting.lane.account.clone();
                let deadline = later(task.begun, i64::from(TIMEOUT));
                Running::again(begun, &task.history, |gate| {
                    let worker = Worker::new(hands(gate), account, TIMEOUT);
                    Box::pin(
                        async move { Came::Verdicts(worker.handle(&records, deadline).await) },
                    )
                })
            }
            Role::Producer(request, run) => {
                let mut plans = state.plans.as_ref().clone();
                plans.retain(|older, _| older < run);
                let errand = Errand {
                    run: *run,
                    lane: self.setting.lane.clone(),
                    policy: self.setting.policy.clone(),
                    desired: self.setting.desired.get(*request).cloned().unwrap_or_default(),
                    plans,
                };
                Running::again(begun, &task.history, |gate| {
                    let hands = hands(gate);
                    Box::pin(async move { Came::Served(errand.serve(&hands).await) })
                })
            }
        }
    }

    fn record(&self, letter: &Letter) -> Record {
        let lane = &self.setting.lane;
        let body = match &letter.body {
            Body::Change(change) => change.to_body(),
            Body::Tick(number) => TickMessage::new(lane, *number).to_body(),
            Body::Ended(seq, id) => format!(
                r#"{{"source":"aws.marketplacecatalog","detail-type":"Change Set Succeeded","detail":{{"ChangeSetId":"{id}","ChangeSetName":"pmp-sync:{}:{seq}"}}}}"#,
                lane.experience
            ),
        };
        Record {
            id: String::new(),
            body,
        }
    }

    fn go(
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
                task.history.push(super::gate::Answered {
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
            Came::Verdicts(verdicts) => {
                self.say(words, || format!("{} ends: {verdicts:?}", name(&task)));
                come_again(next, &task, |nth| verdicts.get(nth) == Some(&Verdict::Again));
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

    /// Gives the fakes what the state has, unless they have it from the step before.
    fn load(&self, state: &State) {
        let mut inner = self.bench.world.lock();
        inner.now = state.now;
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
            inner.ledger.clone_from(&state.ledger);
        }
        if !experiences {
            inner.experiences.clone_from(&state.experiences);
        }
        *loaded = Some((Arc::clone(&state.ledger), Arc::clone(&state.experiences)));
    }

    /// Takes from the fakes what a call may have changed.
    fn unload(&self, state: &mut State, call: &Call) {
        let inner = self.bench.world.lock();
        match call {
            Call::Store(_) | Call::Claim(..) | Call::Close(..) | Call::Bury => {
                state.ledger = Arc::new(inner.ledger.clone());
            }
            Call::Start(..) => state.experiences = Arc::new(inner.experiences.clone()),
            _ => {}
        }
        *self.loaded.borrow_mut() = Some((
            Arc::clone(&state.ledger),
            Arc::clone(&state.experiences),
        ));
    }
}

/// The messages of a task that are not acknowledged are visible again once their time is over.
fn come_again(next: &mut State, task: &Task, is_again: impl Fn(usize) -> bool) {
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

fn name(task: &Task) -> String {
    match &task.role {
        Role::Worker(letters) => {
            let letters = letters.iter().map(|letter| match &letter.body {
                Body::Change(change) => format!("{} {}", change.action, change.product),
                Body::Tick(number) => format!("tick {number}"),
                Body::Ended(seq, _) => format!("end of {seq}"),
            });
            let letters: Vec<_> = letters.collect();
            format!("worker {} [{}]", task.place, letters.join(", "))
        }
        Role::Producer(request, _) => format!("run for request {}", request + 1),
    }
}
