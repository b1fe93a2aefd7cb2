//! What happened in simulated worlds, counted by name.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<&'static str, u64>);

impl Stats {
    /// Adds one.
    pub(crate) fn add(&mut self, name: &'static str) {
        self.more(name, 1);
    }

    /// Adds `count`.
    pub(crate) fn more(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.more(name, *count);
        }
    }

    /// The count with that name.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}
