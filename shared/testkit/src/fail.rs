//! Failures on demand: the nth call of an operation, or every call about a thing.

use std::collections::BTreeMap;

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::Answer;

/// Which calls are to fail, and how often each operation was called.
#[derive(Debug, Clone, Default)]
pub struct Failing {
    calls: BTreeMap<&'static str, u64>,
    total: u64,
    nth: Option<(u64, Kind)>,
    of: Vec<(String, u64, Kind)>,
}

impl Failing {
    /// The nth call from the beginning fails with this kind.
    pub fn fail_nth(&mut self, nth: u64, kind: Kind) {
        self.nth = Some((nth, kind));
    }

    /// The next `times` calls of an operation fail with this kind.
    pub fn fail_next(&mut self, operation: impl Into<String>, times: u64, kind: Kind) {
        self.of.push((operation.into(), times, kind));
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    /// How many calls there were.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn call(&mut self, operation: &'static str, thing: &str) -> Answer<()> {
        self.total += 1;
        *self.calls.entry(operation).or_default() += 1;
        let mut kind = self
            .nth
            .filter(|(nth, _)| *nth == self.total)
            .map(|(_, kind)| kind);
        if let Some((_, times, failing)) = self
            .of
            .iter_mut()
            .find(|(of, times, _)| of == operation && *times > 0)
        {
            *times -= 1;
            kind = Some(*failing);
        }
        kind.map_or(Ok(()), |kind| {
            Err(ServiceError::new(operation, thing, kind, "made to fail"))
        })
    }
}
