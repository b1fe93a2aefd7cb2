//! The seeded simulator: the real producer and workers in a world where calls fail, invocations die,
//! messages come late, twice or in another order, operators edit lists by hand, and everything is
//! repaired in the end. One seed is one world; the same seed is the same world, to the letter.
//!
//! `docs/simulator.md` says what is checked, and what the fault model leaves out.

mod by_hand;
mod edits;
mod event;
mod fault_plan;
mod foreign;
mod guards;
mod invariants;
mod invocations;
mod member_rules;
mod names;
mod observe;
mod operators;
mod product_requests;
mod quiescence;
mod retries;
mod rng;
mod run;
mod scene;
mod schedule;
mod state;
mod stats;
mod task;
mod ticks;
mod trace;
mod unreadable;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::invariants::Violation;
use self::state::Simulator;
pub use self::stats::Stats;

/// The result of one world.
#[derive(Debug)]
pub struct Outcome {
    /// The violated invariant, if there is one.
    pub violation: Option<Violation>,
    /// What happened.
    pub stats: Stats,
    /// The trace, line by line, if it was wanted.
    pub trace: Vec<String>,
}

/// Simulates the world of a seed.
pub fn simulate(seed: u64, traced: bool) -> Outcome {
    let simulated = catch_unwind(AssertUnwindSafe(|| {
        let mut simulator = Simulator::new(seed, traced)?;
        let violation = simulator.run().err();
        if let Some(violation) = &violation {
            simulator
                .trace
                .line(simulator.now, || format!("VIOLATION {violation}"));
        }
        Some(Outcome {
            violation,
            stats: simulator.stats,
            trace: simulator.trace.into_lines(),
        })
    }));
    let died = |what: &str| Outcome {
        violation: Some(Violation {
            invariant: "no-panic",
            what: what.to_owned(),
        }),
        stats: Stats::default(),
        trace: Vec::new(),
    };
    match simulated {
        Ok(Some(outcome)) => outcome,
        Ok(None) => died("the world could not be made"),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            died(words.unwrap_or("the code under test panicked"))
        }
    }
}
