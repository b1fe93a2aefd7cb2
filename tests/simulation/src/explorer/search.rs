//! The search over all reachable states: breadth first as long as few states wait, so that the path
//! to a violation is short. Then it looks for cycles in the graph of states.
//!
//! A state in which only one thing can happen is passed through and not stored. States are compared
//! by their digests ([`super::fingerprint`]) and stored only while they wait. A path is found again
//! by its choices.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::thread;

use super::invariants;
use super::state::State;
use super::stepper::Choice;
use super::stepper::Stepper;
use super::world::Setting;

/// After this many consecutive steps with only one choice, the world counts as endless.
const MOST_IN_A_ROW: usize = 1_000;
/// States that are handed to a thread at once.
const PORTION: usize = 256;
/// The most waiting states before the search goes depth first.
const BREADTH: usize = 50_000;

/// What a search came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// States that were told apart and in which there was a choice, or an end.
    pub states: usize,
    /// Choices that were tried.
    pub steps: usize,
    /// Ends.
    pub ends: usize,
    /// Choices on the longest way that was gone.
    pub depth: usize,
    /// True if every state that can be reached was looked at.
    pub complete: bool,
    /// The violation that was found, and the way there.
    pub violation: Option<Violation>,
}

/// What was found wrong.
#[derive(Debug, Clone)]
pub struct Violation {
    /// What.
    pub what: String,
    /// The steps that lead there.
    pub trace: Vec<String>,
}

/// The digests are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = u64::try_from(value >> 64).unwrap_or_default();
    }
}

/// Where a state came from.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    choice: u16,
    depth: u16,
}

/// What came of one choice.
enum Reached {
    State(u128, Box<State>),
    End(u128),
    Wrong(String),
}

/// A state that is looked at.
struct Looked {
    reached: Vec<Reached>,
    steps: usize,
}

/// Explores a world, `most` states at most, with `threads` threads. The outcome does not depend on
/// them, nor on `report`, which hears now and then how many states are known, and how many wait.
pub(super) fn explore(
    setting: &Setting,
    most: usize,
    threads: usize,
    mut report: impl FnMut(usize, usize),
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut known: HashMap<u128, u32, BuildHasherDefault<AsIs>> = HashMap::default();
    let mut origins = vec![Origin {
        parent: 0,
        choice: 0,
        depth: 0,
    }];
    let mut edges: Vec<Vec<u32>> = vec![Vec::new()];
    known.insert(setting.start.digest(&setting.lane), 0);
    let mut waiting = VecDeque::from([(0_u32, setting.start.clone())]);
    while !waiting.is_empty() {
        report(known.len(), waiting.len());
        let portions = portions(&mut waiting, threads);
        for (from, looked) in look_at_all(setting, portions) {
            outcome.steps += looked.steps;
            let depth = origins.get(from as usize).map_or(0, |origin| origin.depth) + 1;
            for (choice, reached) in (0_u16..).zip(looked.reached) {
                let origin = Origin {
                    parent: from,
                    choice,
                    depth,
                };
                let (digest, state) = match reached {
                    Reached::State(digest, state) => (digest, Some(state)),
                    Reached::End(digest) => (digest, None),
                    Reached::Wrong(what) => {
                        origins.push(origin);
                        outcome.states = known.len();
                        outcome.violation = Some(Violation {
                            what,
                            trace: trace(setting, &origins, origins.len() - 1),
                        });
                        return outcome;
                    }
                };
                let fresh = u32::try_from(origins.len()).unwrap_or(u32::MAX);
                let to = *known.entry(digest).or_insert(fresh);
                if let Some(edges) = edges.get_mut(from as usize) {
                    edges.push(to);
                }
                if to != fresh {
                    continue;
                }
                outcome.depth = outcome.depth.max(usize::from(depth));
                origins.push(origin);
                edges.push(Vec::new());
                match state {
                    Some(state) => waiting.push_back((fresh, *state)),
                    None => outcome.ends += 1,
                }
            }
        }
        if known.len() > most {
            outcome.states = known.len();
            return outcome;
        }
    }
    outcome.states = known.len();
    outcome.complete = true;
    drop(known);
    if let Some(round) = goes_round(&edges) {
        outcome.violation = Some(Violation {
            what: "the lane goes round for ever".to_owned(),
            trace: trace(setting, &origins, round),
        });
    }
    outcome
}

/// What is looked at next: the states that were found first, so that ways are short; but those that
/// were found last once many wait, so that they do not become more and more.
fn portions(waiting: &mut VecDeque<(u32, State)>, threads: usize) -> Vec<Vec<(u32, State)>> {
    let size = (waiting.len() / threads).clamp(1, PORTION);
    let mut portions = Vec::new();
    for _ in 0..threads {
        let size = size.min(waiting.len());
        let portion: Vec<_> = if waiting.len() > BREADTH {
            waiting.split_off(waiting.len() - size).into()
        } else {
            waiting.drain(..size).collect()
        };
        if !portion.is_empty() {
            portions.push(portion);
        }
    }
    portions
}

fn look_at_all(setting: &Setting, portions: Vec<Vec<(u32, State)>>) -> Vec<(u32, Looked)> {
    thread::scope(|scope| {
        let threads: Vec<_> = portions
            .into_iter()
            .map(|portion| {
                scope.spawn(move || {
                    let stepper = Stepper::new(setting);
                    let looked = portion
                        .into_iter()
                        .map(|(id, state)| (id, look_at(&stepper, &state)));
                    looked.collect::<Vec<_>>()
                })
            })
            .collect();
        let looked = threads.into_iter().map(thread::ScopedJoinHandle::join);
        looked.flat_map(Result::unwrap_or_default).collect()
    })
}

fn look_at(stepper: &Stepper<'_>, state: &State) -> Looked {
    let mut looked = Looked {
        reached: Vec::new(),
        steps: 0,
    };
    for choice in stepper.choices(state) {
        let reached = follow(stepper, state, &choice, &mut looked.steps, &mut Vec::new());
        looked.reached.push(reached);
    }
    looked
}

/// Makes a choice, and then everything to which there is no other.
fn follow(
    stepper: &Stepper<'_>,
    state: &State,
    choice: &Choice,
    steps: &mut usize,
    words: &mut Vec<String>,
) -> Reached {
    let setting = stepper.setting;
    let mut before = None;
    let mut choice = choice.clone();
    for _ in 0..MOST_IN_A_ROW {
        let from = before.as_ref().unwrap_or(state);
        let mut happened = stepper.apply(from, &choice);
        *steps += 1;
        words.append(&mut happened.words);
        if let Err(what) = invariants::step(setting, from, &happened.state, &happened.outbox) {
            return Reached::Wrong(what);
        }
        let mut choices = stepper.choices(&happened.state);
        match choices.len() {
            0 => {
                return match invariants::end(setting, &happened.state) {
                    Ok(()) => Reached::End(happened.state.digest(&setting.lane)),
                    Err(what) => Reached::Wrong(what),
                };
            }
            1 => {
                choice = choices.remove(0);
                before = Some(happened.state);
            }
            _ => {
                let digest = happened.state.digest(&setting.lane);
                return Reached::State(digest, Box::new(happened.state));
            }
        }
    }
    Reached::Wrong("the lane goes on for ever".to_owned())
}

/// The steps from the beginning to a state.
fn trace(setting: &Setting, origins: &[Origin], to: usize) -> Vec<String> {
    let mut way = Vec::new();
    let mut at = to;
    while at > 0 {
        let Some(origin) = origins.get(at) else { break };
        way.push(origin.choice);
        at = origin.parent as usize;
    }
    let mut stepper = Stepper::new(setting);
    stepper.verbose = true;
    let mut state = setting.start.clone();
    let mut words = Vec::new();
    for choice in way.into_iter().rev() {
        let choices = stepper.choices(&state);
        let Some(choice) = choices.get(usize::from(choice)) else {
            words.push("the way is lost".to_owned());
            break;
        };
        match follow(&stepper, &state, choice, &mut 0, &mut words) {
            Reached::State(_, next) => state = *next,
            Reached::End(_) | Reached::Wrong(_) => break,
        }
    }
    words
}

/// A state from which a way leads back to it, if there is one: what is left when again and again the
/// states are taken away to which no way leads.
fn goes_round(edges: &[Vec<u32>]) -> Option<usize> {
    let mut ways = vec![0_u32; edges.len()];
    for to in edges.iter().flatten() {
        if let Some(ways) = ways.get_mut(*to as usize) {
            *ways += 1;
        }
    }
    let mut free: Vec<usize> = (0..edges.len())
        .filter(|at| ways.get(*at) == Some(&0))
        .collect();
    let mut gone = free.len();
    while let Some(at) = free.pop() {
        for to in edges.get(at).into_iter().flatten() {
            let to = *to as usize;
            if let Some(ways) = ways.get_mut(to) {
                *ways -= 1;
                if *ways == 0 {
                    gone += 1;
                    free.push(to);
                }
            }
        }
    }
    if gone == edges.len() {
        return None;
    }
    // What is left lies on a way round, or behind one: going back, one comes to the way round.
    let is_left = |at: usize| ways.get(at).is_some_and(|ways| *ways > 0);
    let mut before = vec![0_usize; edges.len()];
    for (from, to) in edges.iter().enumerate().filter(|(from, _)| is_left(*from)) {
        for to in to {
            if let Some(before) = before.get_mut(*to as usize) {
                *before = from;
            }
        }
    }
    let mut at = ways.iter().position(|ways| *ways > 0)?;
    for _ in 0..edges.len() {
        at = *before.get(at)?;
    }
    Some(at)
}
