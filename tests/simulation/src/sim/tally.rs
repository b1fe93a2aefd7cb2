//! What happened in simulated worlds, counted by name; and the trace of one.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// One more.
    pub(crate) fn add(&mut self, name: &'static str) {
        self.more(name, 1);
    }

    /// So many more.
    pub(crate) fn more(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    /// Adds another tally to this one.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.more(name, *count);
        }
    }

    /// How many of that name.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}

/// What happened in one world, line by line; nothing unless it is wanted.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            lines: wanted.then(Vec::new),
        }
    }

    /// Keeps a line; it is only made if lines are kept.
    pub(crate) fn line(&mut self, now: i64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (seconds, millis) = (now.div_euclid(1_000), now.rem_euclid(1_000));
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let text = line();
            lines.push(format!(
                "{hours:02}:{minutes:02}:{:02}.{millis:03} {text}",
                seconds % 60
            ));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
