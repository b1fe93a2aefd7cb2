//! The exhaustive explorer: it tries everything that can happen in small worlds, in every order.
//!
//! The real worker, and the producer's way with a lane, run over the stateful fakes. Every call that
//! they make through their ports waits for the explorer ([`scheduler`]), which chooses what happens next:
//! which task makes its call, which waiting messages go to a worker, whether one of them is delivered
//! twice, whether a task crashes or a call fails, when the change set under way ends and whether its
//! event arrives, when the producer begins its next run, and when the clock moves on. Every state that
//! can be reached so is looked at once ([`search`]), and what must hold is looked at after each step
//! and at each end ([`invariants`]). Nothing is random: two explorations are the same.
//!
//! What bounds a world is in [`SmallWorld`]: its products, runs and workers, how much goes wrong, and
//! how often the clock overtakes something that could go on. `cargo
//! explore [NAME]` explores them all, or one.

mod choices;
mod fingerprint;
mod invariants;
mod ports;
mod run;
mod scheduler;
mod search;
mod state;
mod stepper;
mod steps;
mod tasks;
mod world;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub use self::search::{Outcome, Violation};
pub use self::world::{Events, SmallWorld, worlds};

/// The most states of an exploration: what fits into a few gigabytes.
const MOST_STATES: usize = 40_000_000;
/// How often progress is printed.
const EVERY: Duration = Duration::from_secs(2);
/// Threads that explore.
const THREADS: usize = 2;

/// Explores a world. After `most` states it stops, and is not complete.
pub fn explore(world: &SmallWorld, most: usize) -> Outcome {
    explore_and(world, most, |_, _| {})
}

fn explore_and(world: &SmallWorld, most: usize, report: impl FnMut(usize, usize)) -> Outcome {
    match world::Setting::new(world) {
        Ok(setting) => search::explore(&setting, most, THREADS, report),
        Err(invalid) => Outcome {
            violation: Some(Violation {
                what: invalid.to_string(),
                trace: Vec::new(),
            }),
            ..Outcome::default()
        },
    }
}

/// `explore [NAME]...`: explores the worlds with these names, or all worlds, and prints the
/// results.
pub fn main_explore(args: &[String]) -> ExitCode {
    match run(args, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn run(args: &[String], out: &mut impl Write) -> io::Result<bool> {
    let mut chosen = worlds();
    if !args.is_empty() {
        chosen.retain(|world| args.iter().any(|name| name == world.name));
    }
    if chosen.is_empty() {
        writeln!(out, "no world of that name; there are:")?;
        for world in worlds() {
            writeln!(out, "  {}", world.name)?;
        }
        return Ok(false);
    }
    let mut good = true;
    for world in chosen {
        let begun = Instant::now();
        let mut reported = begun;
        let outcome = explore_and(&world, MOST_STATES, |states, waiting| {
            if reported.elapsed() >= EVERY {
                reported = Instant::now();
                let seconds = begun.elapsed().as_secs();
                let line = format!(
                    "{}: {states} states, {waiting} wait, {seconds} s",
                    world.name
                );
                // Progress that cannot be printed is no reason to stop.
                let _ = writeln!(io::stderr(), "{line}");
            }
        });
        writeln!(
            out,
            "{}: {} states, {} steps, {} ends, depth {}, {:.1} s{}",
            world.name,
            outcome.states,
            outcome.steps,
            outcome.ends,
            outcome.depth,
            begun.elapsed().as_secs_f64(),
            if outcome.complete {
                ""
            } else {
                ", not complete"
            },
        )?;
        out.flush()?;
        good &= outcome.complete;
        if let Some(violation) = outcome.violation {
            good = false;
            writeln!(out, "VIOLATION: {}", violation.what)?;
            for (number, step) in (1..).zip(violation.trace) {
                writeln!(out, "  {number:3}. {step}")?;
            }
        }
    }
    Ok(good)
}
