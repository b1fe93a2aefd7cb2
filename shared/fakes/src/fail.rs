//! Calls of the fakes: counted, failed on demand, before or after their effect; and with a pause
//! before each, so that a test can interleave tasks.

use std::collections::BTreeMap;
use std::fmt;

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::Result;

/// The fate of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It takes effect and is answered.
    Go,
    /// It fails without effect, with an error of this kind.
    Refuse(Kind),
    /// It takes effect, and its answer is lost: the caller gets an error of this kind.
    Lose(Kind),
}

/// A call before its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// The name of the port's method.
    pub operation: &'static str,
    /// The id of what it is about.
    pub thing: &'a str,
}

type Decide = Box<dyn FnMut(Call<'_>) -> Fate + Send>;

/// Which calls fail, and how often each operation was called.
#[derive(Default)]
pub struct Failing {
    calls: BTreeMap<&'static str, u64>,
    total: u64,
    nth: Option<(u64, Fate)>,
    of: Vec<(String, u64, Fate)>,
    decide: Option<Decide>,
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
    /// Makes the nth call from the beginning fail without effect.
    pub fn fail_nth(&mut self, nth: u64, kind: Kind) {
        self.nth = Some((nth, Fate::Refuse(kind)));
    }

    /// Makes the nth call from the beginning lose its answer after its effect.
    pub fn lose_nth(&mut self, nth: u64, kind: Kind) {
        self.nth = Some((nth, Fate::Lose(kind)));
    }

    /// Makes the next `times` calls of an operation fail without effect.
    pub fn fail_next(&mut self, operation: impl Into<String>, times: u64, kind: Kind) {
        self.of.push((operation.into(), times, Fate::Refuse(kind)));
    }

    /// Makes the next `times` calls of an operation lose their answers after their effect.
    pub fn lose_next(&mut self, operation: impl Into<String>, times: u64, kind: Kind) {
        self.of.push((operation.into(), times, Fate::Lose(kind)));
    }

    /// Lets `decide` choose the fate of every other call.
    pub fn decide_by(&mut self, decide: impl FnMut(Call<'_>) -> Fate + Send + 'static) {
        self.decide = Some(Box::new(decide));
    }

    /// Makes every call yield once before its effect, so that the test decides which task
    /// continues.
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
            self.decide.as_mut().map_or(Fate::Go, |decide| decide(call))
        });
        let error = |kind, words| ServiceError::new(operation, thing, kind, words);
        match fate {
            Fate::Go => Ok(Effect(None)),
            Fate::Refuse(kind) => Err(error(kind, "made to fail")),
            Fate::Lose(kind) => Ok(Effect(Some(error(kind, "the answer was lost")))),
        }
    }
}

/// A call that takes effect. Its answer may still be lost.
#[derive(Debug)]
#[must_use = "the answer may be lost"]
pub(crate) struct Effect(Option<ServiceError>);

impl Effect {
    pub(crate) fn answer<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
