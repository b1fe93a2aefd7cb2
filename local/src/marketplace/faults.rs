//! Injected faults: calls that are refused, late or never answered, and change sets that fail.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::{Change, ChangeSet};
use super::error::ApiError;

/// The operations that rules can be made for.
const OPERATIONS: [&str; 10] = [
    "StartChangeSet",
    "DescribeChangeSet",
    "CancelChangeSet",
    "ListChangeSets",
    "DescribeEntity",
    "BatchDescribeEntities",
    "ListEntities",
    "GetProduct",
    "SearchListings",
    "GetListing",
];
/// The name of the rule for all operations.
const ALL: &str = "*";
/// The longest delay, in milliseconds: longer than any client waits.
const MOST_DELAY: u64 = 120_000;
/// The most products that can be bad at the same time.
const MOST_BAD: usize = 10_000;
/// The API's limit for the length of an error message.
const MOST_MESSAGE: usize = 2_048;

/// The faults to inject. The default injects none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// The seed of the generator for probabilities. The same calls in the same order meet the same
    /// faults.
    pub seed: u64,
    /// Rules by the name of the operation, and `*` for all. Both apply, the operation's own first.
    pub operations: BTreeMap<String, CallFaults>,
    /// Change sets that allow or deny one of these products fail with `CLIENT_ERROR`.
    pub bad_products: BTreeMap<String, BadProduct>,
    /// That many of the next change sets to end fail with `SERVER_FAULT`.
    pub server_fault_next: u32,
    /// For the policies of these experiences, `DescribeEntity` returns only that many products of
    /// each statement: an answer that is incomplete and still well-formed.
    pub short_answers: BTreeMap<String, usize>,
    /// True to report bad products in `FailureDescription` only, and not at the change that
    /// contains them.
    pub unattributed_failures: bool,
}

/// The faults of an operation. The first refusal or dropped answer that is due hits a call, in this
/// order. A delay is added on top.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallFaults {
    /// Answer 429 `ThrottlingException`, without effect.
    pub throttle: When,
    /// Answer 500 `InternalServiceException`, without effect.
    pub server_error: When,
    /// Answer 503 `ServiceUnavailableException`, without effect.
    pub unavailable: When,
    /// Answer 403 `AccessDeniedException`, without effect.
    pub denied: When,
    /// Answer 402 `ServiceQuotaExceededException`, without effect. `StartChangeSet` only.
    pub quota: When,
    /// Apply the call and close the connection without a byte of an answer.
    pub drop_response: When,
    /// Apply the call and answer late.
    pub delay: When,
    /// The delay in milliseconds.
    pub delay_ms: u64,
}

/// Which calls a fault hits: those for which any of the three conditions is true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// A probability, 0.0 to 1.0.
    pub probability: f64,
    /// Every nth call; 0 for never.
    pub every: u32,
    /// The next n calls. It counts down.
    pub next: u32,
}

impl When {
    /// Every call.
    pub fn always() -> Self {
        Self::every(1)
    }

    /// Every nth call.
    pub fn every(n: u32) -> Self {
        Self {
            every: n,
            ..Self::default()
        }
    }

    /// The next n calls.
    pub fn next(n: u32) -> Self {
        Self {
            next: n,
            ..Self::default()
        }
    }

    /// Random calls.
    pub fn random(probability: f64) -> Self {
        Self {
            probability,
            ..Self::default()
        }
    }
}

/// How a change with a bad product fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadProduct {
    /// The error's code, such as `INVALID_PRODUCT`.
    pub code: String,
    /// Its message. That the real service names the product is not documented: the default does not.
    #[serde(default = "default_message")]
    pub message: String,
}

fn default_message() -> String {
    "The product is not valid".to_owned()
}

impl BadProduct {
    /// A failure with this code, and a message that does not name the product.
    pub fn new(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: default_message(),
        }
    }
}

/// A fault that has hit a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// See [`CallFaults::throttle`].
    Throttle,
    /// See [`CallFaults::server_error`].
    ServerError,
    /// See [`CallFaults::unavailable`].
    Unavailable,
    /// See [`CallFaults::denied`].
    Denied,
    /// See [`CallFaults::quota`].
    Quota,
    /// See [`CallFaults::drop_response`].
    DropResponse,
    /// See [`CallFaults::delay`]. A call that is also refused or dropped is logged with that fault
    /// instead.
    Delay,
    /// The change set was made to vanish.
    Vanished,
}

impl Fault {
    fn refusal(self) -> Option<ApiError> {
        match self {
            Self::Throttle => Some(ApiError::throttled()),
            Self::ServerError => Some(ApiError::internal()),
            Self::Unavailable => Some(ApiError::unavailable()),
            Self::Denied => Some(ApiError::denied("The caller is not authorized")),
            Self::Quota => Some(ApiError::quota("Too many open change sets")),
            Self::DropResponse | Self::Delay | Self::Vanished => None,
        }
    }
}

/// The emulator refused a control request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Refused {
    /// The API's name of the error.
    pub name: &'static str,
    /// What is wrong with the request.
    pub message: String,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self {
            name: error.name,
            message: error.message,
        }
    }
}

impl Faults {
    /// Rules for one operation, or for `*`.
    #[must_use]
    pub fn on(mut self, operation: &str, faults: CallFaults) -> Self {
        self.operations.insert(operation.to_owned(), faults);
        self
    }

    fn check(&self) -> Result<(), ApiError> {
        let fail = |message: String| Err(ApiError::validation(message));
        for (operation, rule) in &self.operations {
            if operation != ALL && !OPERATIONS.contains(&operation.as_str()) {
                return fail(format!("There is no operation {operation:?}"));
            }
            let kinds = [
                rule.throttle,
                rule.server_error,
                rule.unavailable,
                rule.denied,
                rule.quota,
                rule.drop_response,
                rule.delay,
            ];
            if kinds.iter().any(|k| !(0.0..=1.0).contains(&k.probability)) {
                return fail(format!("{operation}: a probability must be 0.0 to 1.0"));
            }
            let has_quota = rule.quota != When::default();
            if has_quota && operation != ALL && operation != "StartChangeSet" {
                return fail(format!("{operation}: only StartChangeSet has a quota"));
            }
            if (rule.delay != When::default()) != (rule.delay_ms > 0) {
                return fail(format!("{operation}: delay and delay_ms go together"));
            }
            if rule.delay_ms > MOST_DELAY {
                return fail(format!("{operation}: delay_ms is at most {MOST_DELAY}"));
            }
        }
        if self.bad_products.len() > MOST_BAD {
            return fail(format!("At most {MOST_BAD} products can be bad"));
        }
        for (product, bad) in &self.bad_products {
            let letters = |code: &str| code.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
            if !(1..=72).contains(&bad.code.len()) || !letters(&bad.code) {
                return fail(format!("{product}: a code has 1 to 72 letters or _"));
            }
            if !(1..=MOST_MESSAGE).contains(&bad.message.len()) {
                return fail(format!("{product}: a message has 1 to 2048 bytes"));
            }
        }
        Ok(())
    }
}

/// The faults that hit one call.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) fault: Option<Fault>,
    pub(crate) refusal: Option<ApiError>,
    pub(crate) delay: Option<Duration>,
}

/// How a change set fails.
pub(crate) enum Verdict {
    /// No injected fault.
    Natural,
    ServerFault,
    /// The errors of each change, in order.
    Bad(Vec<Vec<(String, String)>>),
}

/// The active faults with their counters.
#[derive(Debug, Default)]
pub(crate) struct FaultState {
    faults: Faults,
    random: u64,
    /// The number of calls that each rule has seen, for `every`.
    seen: HashMap<(String, Fault), u32>,
    /// Change sets that the API no longer knows.
    pub(crate) vanished: BTreeSet<String>,
}

impl FaultState {
    /// Replaces the faults and resets the counters. Vanished change sets stay vanished.
    pub(crate) fn set(&mut self, faults: Faults) -> Result<(), ApiError> {
        faults.check()?;
        self.random = faults.seed;
        self.seen.clear();
        self.faults = faults;
        Ok(())
    }

    pub(crate) fn get(&self) -> &Faults {
        &self.faults
    }

    /// Shortens the lists of a policy with `short_answers`.
    pub(crate) fn shorten(&self, experience: &str, details: &mut Value) {
        let Some(most) = self.faults.short_answers.get(experience) else {
            return;
        };
        let statements = details.get_mut("Statements").and_then(Value::as_array_mut);
        for statement in statements.into_iter().flatten() {
            let mut left = *most;
            let resources = statement.get_mut("Resources").and_then(Value::as_array_mut);
            let ids = resources.into_iter().flatten();
            for ids in ids.filter_map(|resource| resource.get_mut("Ids")?.as_array_mut()) {
                ids.truncate(left);
                left -= ids.len();
            }
        }
    }

    /// Draws the faults that hit a call.
    pub(crate) fn draw(&mut self, operation: &str, input: &Value) -> Drawn {
        let mut drawn = Drawn::default();
        for key in [operation, ALL] {
            let Some(rule) = self.faults.operations.get_mut(key) else {
                continue;
            };
            let mut due = |fault: Fault, when: &mut When| {
                is_due(when, &mut self.random, || {
                    let count = self.seen.entry((key.to_owned(), fault)).or_default();
                    *count = count.wrapping_add(1);
                    *count
                })
            };
            if due(Fault::Delay, &mut rule.delay) {
                let more = Duration::from_millis(rule.delay_ms);
                drawn.delay = Some(drawn.delay.unwrap_or_default() + more);
            }
            if drawn.fault.is_some() {
                continue;
            }
            let kinds = [
                (Fault::Throttle, &mut rule.throttle),
                (Fault::ServerError, &mut rule.server_error),
                (Fault::Unavailable, &mut rule.unavailable),
                (Fault::Denied, &mut rule.denied),
                (Fault::Quota, &mut rule.quota),
                (Fault::DropResponse, &mut rule.drop_response),
            ];
            let possible = |fault| fault != Fault::Quota || operation == "StartChangeSet";
            drawn.fault = kinds
                .into_iter()
                .find_map(|(fault, when)| (possible(fault) && due(fault, when)).then_some(fault));
        }
        drawn.refusal = drawn.fault.and_then(Fault::refusal);
        let id = input.get("changeSetId").and_then(Value::as_str);
        if id.is_some_and(|id| self.vanished.contains(id)) {
            drawn.fault = drawn.fault.or(Some(Fault::Vanished));
        }
        if drawn.delay.is_some() {
            drawn.fault = drawn.fault.or(Some(Fault::Delay));
        }
        drawn
    }

    /// Decides how a change set that is about to end fails.
    pub(crate) fn judge(&mut self, set: &ChangeSet) -> Verdict {
        if set.foreign {
            return Verdict::Natural;
        }
        if self.faults.server_fault_next > 0 {
            self.faults.server_fault_next -= 1;
            return Verdict::ServerFault;
        }
        let of_change = |change: &Change| {
            let products = change.products();
            let bad = products
                .iter()
                .filter_map(|id| self.faults.bad_products.get(id));
            bad.map(|bad| (bad.code.clone(), bad.message.clone()))
                .collect::<Vec<_>>()
        };
        let errors: Vec<_> = set.changes.iter().map(of_change).collect();
        if errors.iter().all(Vec::is_empty) {
            return Verdict::Natural;
        }
        Verdict::Bad(errors)
    }
}

impl Verdict {
    /// Writes the failure to the change set. Returns false if there is none.
    pub(crate) fn write(self, set: &mut ChangeSet, unattributed: bool) -> bool {
        match self {
            Self::Natural => return false,
            Self::ServerFault => {
                let text = "The service failed to apply the change set".to_owned();
                set.failure = Some(("SERVER_FAULT", Some(text)));
            }
            Self::Bad(errors) if unattributed => {
                let mut text: Vec<_> = errors
                    .into_iter()
                    .flatten()
                    .map(|(code, message)| format!("{code}: {message}"))
                    .collect();
                text.dedup();
                let mut text = text.join("; ");
                text.truncate(text.floor_char_boundary(MOST_MESSAGE));
                set.failure = Some(("CLIENT_ERROR", Some(text)));
            }
            Self::Bad(errors) => {
                for (change, errors) in set.changes.iter_mut().zip(errors) {
                    change.errors = errors;
                }
                set.failure = Some(("CLIENT_ERROR", None));
            }
        }
        true
    }
}

/// `count` is called only for rules that are in use, so that an idle rule leaves no trace.
fn is_due(when: &mut When, random: &mut u64, count: impl FnOnce() -> u32) -> bool {
    if when.next > 0 {
        when.next -= 1;
        return true;
    }
    let nth = when.every > 0 && count().is_multiple_of(when.every);
    // Drawn even if the nth call is due, so that later draws do not depend on it.
    let drawn = when.probability > 0.0 && unit(random) < when.probability;
    nth || drawn
}

/// The next number of the generator (`SplitMix64`), from 0.0 to below 1.0.
fn unit(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let high = u32::try_from(z >> 32).unwrap_or_default();
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}
