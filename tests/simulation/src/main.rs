//! `pmp-sync-simulation simulate`: many seeded worlds, one after the other, on two threads.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmp_sync_simulation::simulator::{Stats, Violation, simulate};

/// How the command is used.
const USAGE: &str =
    "usage: cargo simulate [--seeds N] [--first N] [--threads N] [--trace] [--all | --until NAME]
       cargo explore [NAME]...

  --seeds N    how many worlds are simulated (1000)
  --first N    the first seed (0)
  --threads N  at the same time (2)
  --trace      the trace of every world goes to standard output
  --all        goes on after a failure, and counts the failures by what was violated
  --until NAME goes on, too, but no longer than until this invariant is violated
";

/// The most failures that are printed individually.
const MOST_TOLD: usize = 25;

/// The options of the command line.
struct Options {
    seeds: u64,
    first: u64,
    threads: u64,
    traced: bool,
    all: bool,
    until: Option<String>,
}

fn options() -> Option<Options> {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some("simulate") {
        return None;
    }
    let mut options = Options {
        seeds: 1_000,
        first: 0,
        threads: 2,
        traced: false,
        all: false,
        until: None,
    };
    while let Some(word) = words.next() {
        let number = match word.as_str() {
            "--trace" => {
                options.traced = true;
                continue;
            }
            "--all" => {
                options.all = true;
                continue;
            }
            "--until" => {
                options.until = Some(words.next()?);
                continue;
            }
            "--seeds" => &mut options.seeds,
            "--first" => &mut options.first,
            "--threads" => &mut options.threads,
            _ => return None,
        };
        *number = words.next()?.parse().ok()?;
    }
    Some(options)
}

/// The results of all threads.
#[derive(Default)]
struct Found {
    stats: Stats,
    failures: Vec<(u64, Violation)>,
}

fn work(options: &Options, next: &AtomicU64, stop: &AtomicBool, found: &Mutex<Found>) {
    let mut stats = Stats::default();
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.seeds {
            break;
        }
        let seed = options.first.saturating_add(number);
        let outcome = simulate(seed, options.traced);
        stats.merge(&outcome.stats);
        if options.traced {
            let mut out = io::stdout().lock();
            let _ = writeln!(out, "{}", outcome.trace.join("\n"));
        }
        if let Some(violation) = outcome.violation {
            let is_last = match &options.until {
                Some(name) => name == violation.invariant,
                None => !options.all,
            };
            // Another thread may have found the last one meanwhile.
            stop.fetch_or(is_last, Ordering::Relaxed);
            lock().failures.push((seed, violation));
        }
    }
    lock().stats.merge(&stats);
}

fn run(options: &Options) -> io::Result<bool> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(Found::default());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.max(1))
            .map(|_| scope.spawn(|| work(options, &next, &stop, &found)))
            .collect();
        let mut told = Instant::now();
        while !threads
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            std::thread::sleep(Duration::from_millis(20));
            if told.elapsed() >= Duration::from_secs(2) {
                told = Instant::now();
                let done = next.load(Ordering::Relaxed).min(options.seeds);
                let seconds = begun.elapsed().as_secs();
                let _ = writeln!(
                    io::stderr(),
                    "{done} of {} seeds in {seconds} s",
                    options.seeds
                );
            }
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.failures.sort_by_key(|(seed, _)| *seed);
    let mut out = io::stdout().lock();
    if !options.traced {
        let seconds = begun.elapsed().as_secs_f64();
        let done = next.load(Ordering::Relaxed).min(options.seeds);
        writeln!(out, "{done:>12}  worlds in {seconds:.1} s")?;
        write!(out, "{}", found.stats)?;
    }
    let mut counts: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (seed, violation) in &found.failures {
        counts.entry(violation.invariant).or_insert((0, *seed)).0 += 1;
    }
    for (invariant, (count, first)) in &counts {
        writeln!(
            out,
            "VIOLATED {invariant}: {count} worlds, the first is seed {first}"
        )?;
    }
    for (seed, violation) in found.failures.iter().take(MOST_TOLD) {
        writeln!(out, "{seed} {violation}")?;
    }
    if let Some((seed, violation)) = found.failures.first() {
        if !options.traced && !options.all && options.until.is_none() {
            writeln!(out, "{}", simulate(*seed, true).trace.join("\n"))?;
        }
        writeln!(out, "seed {seed} violates {violation}")?;
        writeln!(
            out,
            "again: cargo simulate --first {seed} --seeds 1 --trace"
        )?;
    }
    Ok(found.failures.is_empty())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("explore", names)) = words
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        return pmp_sync_simulation::explorer::main_explore(names);
    }
    let Some(options) = options() else {
        let _ = io::stderr().write_all(USAGE.as_bytes());
        return ExitCode::from(2);
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}
