//! A state of a small world: what the fakes hold, what waits, and what each running task has been
//! answered so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, ExperienceId, LaneId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::wire::ChangeMessage;

use super::fingerprint::{Base, Digest, Fingerprint as _};
use super::scheduler::{Answered, Call};
use pmp_sync_fakes::{ChangeSetRecord, Experiences, MemoryLedger};

/// Readings of the state after which an invocation of the worker may be near the most steps that it
/// takes.
const MOST_ROUNDS: usize = 11;

/// The intent in the name of a change set.
pub(super) fn seq_of(name: &str) -> u64 {
    name.parse()
        .map_or(u64::MAX, |name: ChangeSetName| name.seq)
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// A change.
    Change(ChangeMessage),
    /// A Tick.
    Tick(u64),
    /// The event of a change set of that name that has ended.
    Ended(String, ChangeSetId),
}

/// A message in the worker's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// When it is visible.
    pub(super) due: Timestamp,
    /// What it says.
    pub(super) body: Body,
}

impl Letter {
    /// Messages lie in one order, whatever the order in which they were sent.
    pub(super) fn order(&self) -> (u8, Option<RunId>, u64, Timestamp) {
        let (kind, run, number) = match &self.body {
            Body::Change(change) => (1, Some(change.run), u64::from(change.ordinal)),
            Body::Tick(number) => (2, None, *number),
            Body::Ended(name, _) => (3, None, seq_of(name)),
        };
        (kind, run, number, self.due)
    }

    fn fingerprint(&self, base: &Base, waits: bool, out: &mut Digest) {
        match &self.body {
            Body::Change(change) => {
                out.word(1);
                out.add(&(&change.product, change.action, change.run, change.ordinal));
            }
            // The number of a Tick is only compared with the lane's, which only grows.
            Body::Tick(number) if base.is_stale(*number) => out.word(5),
            Body::Tick(number) => {
                out.word(2);
                base.tick(*number, out);
            }
            // Whoever reads the lane from now on finds a later intent: the message says nothing.
            Body::Ended(name, _) if waits && base.is_past(seq_of(name)) => out.word(3),
            Body::Ended(name, id) => {
                out.word(4);
                base.seq(seq_of(name), out);
                id.fingerprint(base, out);
            }
        }
        if waits {
            base.time(self.due.max(base.now), out);
        }
    }
}

/// What a task is.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// An invocation of the worker with these messages.
    Worker(Vec<Letter>),
    /// A run of the producer, for the request of that number.
    Producer(usize, RunId),
}

/// A running task.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) role: Role,
    /// No two tasks that run at once have the same.
    pub(super) place: u64,
    pub(super) begun: Timestamp,
    /// The intent that the lane was at when it began.
    pub(super) seq: u64,
    pub(super) history: Vec<Answered>,
    /// The calls that wait for their turn.
    pub(super) waiting: Vec<(usize, Arc<Call>)>,
    /// True if its last call had an effect, or it has just begun: a crash is told from one before.
    pub(super) fresh: bool,
}

impl Task {
    pub(super) fn is_producer(&self) -> bool {
        matches!(self.role, Role::Producer(..))
    }

    fn digest(&self, base: &Base, crashes: bool) -> u128 {
        let mut out = Digest::new();
        match &self.role {
            Role::Worker(letters) => {
                out.word(1);
                for letter in letters {
                    letter.fingerprint(base, false, &mut out);
                }
            }
            Role::Producer(request, run) => {
                out.word(2);
                out.add(&(request, run));
            }
        }
        base.time(self.begun, &mut out);
        let dead = self.dead();
        // How often it has come to a head, as far as it matters: an invocation first reads the state
        // for its changes, then for its Tick, and then at the head of the loop.
        let heads = (0..dead).filter(|nth| self.is_state(*nth) && self.is_head(*nth));
        out.word(heads.take(3).count() as u64);
        for (nth, answered) in self.history.iter().enumerate() {
            if self.is_said(nth) {
                continue;
            }
            if nth >= dead && !base.exact && self.is_again(nth) {
                // What a write has come to is told by what it has left, or by its refusal.
                if self.is_state(nth) && !self.is_store(nth + 1) {
                    out.word(0x2ef5);
                }
            } else if nth >= dead {
                if let Some(left) = &answered.left {
                    left.fingerprint(base, &mut out);
                }
                out.word((answered.call as u64).wrapping_sub(nth as u64));
                base.time(answered.at, &mut out);
                answered.said.fingerprint(base, &mut out);
            } else if answered.what.writes() {
                answered.what.kind(&mut out);
                out.add(&answered.said.failure());
            }
        }
        // The same calls wait, whatever led there.
        out.word(self.waiting.len() as u64);
        for (call, what) in &self.waiting {
            out.word((*call as u64).wrapping_sub(self.history.len() as u64));
            what.fingerprint(base, &mut out);
        }
        out.add(&(self.fresh && crashes));
        out.value()
    }

    /// True for answers that say nothing which is not told by what waits, or was done, after them: those
    /// by which a worker knew which changes to claim, and by which a run made the plan that it has put
    /// on record, and then has committed.
    fn is_said(&self, nth: usize) -> bool {
        let what = |nth: usize| Some(&*self.history.get(nth)?.what);
        let is_later = |is: fn(&Call) -> bool| {
            (nth + 1..self.history.len()).any(|nth| what(nth).is_some_and(is) && !self.failed(nth))
        };
        match (&self.role, what(nth)) {
            (Role::Worker(letters), Some(Call::State)) => {
                let is_change = |letter: &Letter| matches!(letter.body, Body::Change(_));
                nth == 0 && letters.iter().any(is_change)
            }
            (Role::Producer(..), Some(Call::Open | Call::Policy)) => {
                is_later(|call| *call == Call::Keep)
            }
            (Role::Producer(..), Some(Call::State)) => {
                is_later(|call| *call == Call::Keep)
                    && is_later(|call| matches!(call, Call::Store(_)))
            }
            _ => false,
        }
    }

    /// How many of its answers it has forgotten but for what it wrote by them.
    ///
    /// At the head of its loop *advance* (worker/src/advance.rs) knows what its messages say, whether its
    /// Tick is the live one (which it has written), what has just been applied (which it has closed),
    /// and how often it went round; nothing else of what it has read before. The head is where it reads
    /// the state, and not because a write was in conflict, nor after such a reading: those are within
    /// a step (`try_transition`, and `go` that looks whether its intent was written after all). An invocation
    /// that goes round so often that it might be told to stop forgets nothing.
    fn dead(&self) -> usize {
        let rounds = self
            .history
            .iter()
            .filter(|answered| *answered.what == Call::State);
        if self.is_producer() || rounds.count() >= MOST_ROUNDS {
            return 0;
        }
        let waits = self.waiting.iter().any(|(_, what)| **what == Call::State);
        if waits && self.is_head(self.history.len()) {
            return self.history.len();
        }
        let mut heads = (0..self.history.len()).rev();
        let head = heads.find(|nth| self.is_state(*nth) && self.is_head(*nth));
        head.unwrap_or_default()
    }

    /// True if this answer is a write that was in conflict, or the reading of the state after it.
    fn is_again(&self, nth: usize) -> bool {
        let is_conflict = |nth| self.is_store(nth) && self.failed(nth);
        is_conflict(nth) || (self.is_state(nth) && nth.checked_sub(1).is_some_and(is_conflict))
    }

    fn is_store(&self, nth: usize) -> bool {
        let answered = self.history.get(nth);
        answered.is_some_and(|answered| matches!(*answered.what, Call::Store(_)))
    }

    fn failed(&self, nth: usize) -> bool {
        let answered = self.history.get(nth);
        answered.is_some_and(|answered| answered.said.failure().is_some())
    }

    /// True if this answer is a reading of the state.
    fn is_state(&self, nth: usize) -> bool {
        let answered = self.history.get(nth);
        answered.is_some_and(|answered| *answered.what == Call::State)
    }

    /// True if a reading of the state at this place is at the head of the loop.
    fn is_head(&self, nth: usize) -> bool {
        let again = |back: usize| nth.checked_sub(back).is_some_and(|nth| self.is_again(nth));
        // Right after a conflict, or after the reading that followed one.
        !(again(1) && (self.is_store(nth - 1) || self.is_state(nth - 1)))
    }

    /// The earliest intent that it may still act on.
    fn earliest(&self) -> Option<u64> {
        self.history
            .get(self.dead()..)
            .unwrap_or_default()
            .iter()
            .filter_map(|answered| answered.said.seq())
            .min()
    }
}

/// The faults that may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budgets {
    /// Tasks that may crash.
    pub(super) crashes: u8,
    /// Messages that may be delivered twice.
    pub(super) duplicates: u8,
    /// Calls that may fail: without an effect, or with their answer lost.
    pub(super) faults: u8,
    /// How often the clock may move while something else could happen.
    pub(super) slow: u8,
}

/// A state.
#[derive(Clone)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) ledger: Arc<MemoryLedger>,
    pub(super) experiences: Arc<Experiences>,
    pub(super) tasks: Vec<Task>,
    pub(super) letters: Vec<Letter>,
    /// The producer's requests, in their order: number, and when each is visible.
    pub(super) requests: Vec<(usize, Timestamp)>,
    /// Runs that have begun.
    pub(super) runs: i64,
    /// The plan of each run, as it was put on record last.
    pub(super) plans: Arc<BTreeMap<RunId, Plan>>,
    /// Runs for which Lane Settled has been put on the bus.
    pub(super) announced: BTreeSet<RunId>,
    pub(super) budgets: Budgets,
}

impl State {
    /// The lane's state.
    pub(super) fn lane<'a>(&'a self, lane: &LaneId, none: &'a LaneState) -> &'a LaneState {
        self.ledger.lanes.get(lane).unwrap_or(none)
    }

    /// The change set that is under way.
    pub(super) fn under_way(&self) -> Option<&ChangeSetRecord> {
        let mut sets = self.experiences.change_sets().iter();
        sets.find(|set| set.status.is_none())
    }

    /// The digest by which this state differs from every state that may continue differently.
    pub(super) fn digest(&self, lane: &LaneId) -> u128 {
        let none = LaneState::default();
        let state = self.lane(lane, &none);
        let base = Base::new(self.now, state, &self.experiences, self.budgets.faults > 0);
        let mut out = Digest::new();
        base.lane(state, &mut out);
        for ((_, product), item) in &self.ledger.items {
            out.add(product);
            if item.is_open() {
                base.item(&item.change, &mut out);
            } else {
                // A closed item only says which runs it rejects.
                out.add(&item.change.run);
            }
        }
        self.experience(&lane.experience, state, &base, &mut out);
        let crashes = self.budgets.crashes > 0;
        let worker = base.of_worker();
        let tasks = self.tasks.iter().map(|task| {
            let base = if task.is_producer() { &base } else { &worker };
            task.digest(base, crashes)
        });
        out.multiset(tasks.collect());
        let letters = self.letters.iter().map(|letter| {
            let mut out = Digest::new();
            letter.fingerprint(&base, true, &mut out);
            out.value()
        });
        out.multiset(letters.collect());
        for (number, due) in &self.requests {
            out.word(*number as u64);
            base.time((*due).max(self.now), &mut out);
        }
        out.add(&self.runs);
        for (run, plan) in self.plans.iter() {
            out.add(run);
            out.add(plan.allow());
            out.add(plan.deny());
        }
        out.add(&self.announced);
        out.add(&self.budgets);
        out.value()
    }

    /// The policy, and the change sets that a task may still ask about.
    fn experience(&self, id: &ExperienceId, state: &LaneState, base: &Base, out: &mut Digest) {
        self.experiences.policy(id).fingerprint(base, out);
        let earliest = self.tasks.iter().filter_map(Task::earliest);
        let earliest = earliest.chain([state.seq]).min().unwrap_or_default();
        for set in self.experiences.change_sets() {
            let seq = seq_of(&set.name);
            if seq < earliest {
                continue;
            }
            base.seq(seq, out);
            base.token(&set.token, out);
            out.word(set.changes.len() as u64);
            for change in &set.changes {
                out.add(change);
            }
            base.time(set.started, out);
            match &set.status {
                Some(status) => status.fingerprint(base, out),
                None => base.time(set.ends, out),
            }
        }
    }
}
