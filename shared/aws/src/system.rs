//! The edge of the process: clock, randomness, environment.

use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;
use pmp_sync_domain::ports::{Clock, Entropy};

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else is given"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_ok() {
            return u128::from_ne_bytes(bytes);
        }
        // Tokens must be unique, not secret, so the seeds of the standard hasher suffice.
        let draw = || u128::from(RandomState::new().hash_one(0));
        (draw() << 64) | draw()
    }
}

/// Both of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

impl Entropy for System {
    fn bits(&self) -> u128 {
        SystemEntropy.bits()
    }
}

/// A variable of the environment is missing or not valid.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name} {problem}; the template of the stack sets it")]
pub struct EnvError {
    /// The name of the variable.
    pub name: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// Reads and parses a variable of the environment.
pub fn variable<T: std::str::FromStr>(name: &'static str) -> Result<T, EnvError>
where
    T::Err: std::fmt::Display,
{
    let text = std::env::var(name).map_err(|_| EnvError {
        name,
        problem: "is not set".to_owned(),
    })?;
    text.parse().map_err(|error| EnvError {
        name,
        problem: format!("is not valid: {error}"),
    })
}
