//! What happens to calls: counted, failed on demand, before or after their effect; and, for whoever
//! interleaves several tasks, a pause before each.

use std::collections::BTreeMap;
use std::fmt;

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::Result;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is made, and answered.
    Go,
    /// It fails without an effect.
    Refuse(Kind),
    /// It has its effect, and its answer is lost: the caller is told of this kind of failure.
    Lose(Kind),
}

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// The operation.
    pub operation: &'static str,
    /// What it is about.
    pub thing: &'a str,
}

type Judge = Box<dyn FnMut(Call<'_>) -> Fate + Send>;

/// Which calls are to fail, and how often each operation was called.
#[derive(Default)]
pub struct Failing {
    calls: BTreeMap<&'static str, u64>,
    total: u64,
    nth: Option<(u64, Fate)>,
    of: Vec<(String, u64, Fate)>,
    judge: Option<Judge>,
    pub(crate) interleaved: bool,
}

impl fmt::Debug for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing")
            .field("total", &self.total)
            .field("nth", &self.nth)
            .finish_non_exhaustive()
    }
}

impl Failing {
    /// The nth call from the beginning fails with this kind, without an effect.
    pub fn fail_nth(&mut self, nth: u64, kind: Kind) {
        self.nth = Some((nth, Fate::Refuse(kind)));
    }

    /// The nth call from the beginning has its effect, and its answer is lost.
    pub fn lose_nth(&mut self, nth: u64, kind: Kind) {
        self.nth = Some((nth, Fate::Lose(kind)));
    }

    /// The next `times` calls of an operation fail with this kind, without an effect.
    pub fn fail_next(&mut self, operation: impl Into<String>, times: u64, kind: Kind) {
        self.of.push((operation.into(), times, Fate::Refuse(kind)));
    }

    /// The next `times` calls of an operation have their effect, and their answers are lost.
    pub fn lose_next(&mut self, operation: impl Into<String>, times: u64, kind: Kind) {
        self.of.push((operation.into(), times, Fate::Lose(kind)));
    }

    /// Asks this about every call that is not to fail otherwise.
    pub fn judge(&mut self, judge: impl FnMut(Call<'_>) -> Fate + Send + 'static) {
        self.judge = Some(Box::new(judge));
    }

    /// Every call first gives way once, so that whoever polls the tasks decides which goes on.
    pub fn interleave(&mut self, interleaved: bool) {
        self.interleaved = interleaved;
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    /// How many calls there were.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn call(&mut self, operation: &'static str, thing: &str) -> Result<Effect> {
        self.total += 1;
        *self.calls.entry(operation).or_default() += 1;
        let nth = self
            .nth
            .filter(|(nth, _)| *nth == self.total)
            .map(|(_, fate)| fate);
        let next = self
            .of
            .iter_mut()
            .find(|(of, times, _)| of == operation && *times > 0)
            .map(|(_, times, fate)| {
                *times -= 1;
                *fate
            });
        let fate = next.or(nth).unwrap_or_else(|| {
            let call = Call {
                number: self.total,
                operation,
                thing,
            };
            self.judge.as_mut().map_or(Fate::Go, |judge| judge(call))
        });
        let error = |kind, words| ServiceError::new(operation, thing, kind, words);
        match fate {
            Fate::Go => Ok(Effect(None)),
            Fate::Refuse(kind) => Err(error(kind, "made to fail")),
            Fate::Lose(kind) => Ok(Effect(Some(error(kind, "the answer was lost")))),
        }
    }
}

/// A call that is made: its answer may be lost all the same.
#[derive(Debug)]
#[must_use = "the answer may be lost"]
pub(crate) struct Effect(Option<ServiceError>);

impl Effect {
    pub(crate) fn answer<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
