//! Rules: which calls are hit, and how.

use std::time::{Duration, Instant};

use crate::process::Process;

/// The most rules. The oldest are dropped first.
const MOST_RULES: usize = 1_000;
/// The longest delay and the longest time that a rule, a pause or a refusal lasts.
pub(super) const LONGEST: Duration = Duration::from_mins(10);

/// Selects calls: everything that is set must match. Each field is a substring of the text in which
/// it is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the path of the caller's program, or of its command line.
    pub program: Option<String>,
    /// Part of the caller's environment, with one `NAME=value` per line.
    pub environment: Option<String>,
    /// Part of the request line, such as `POST /StartChangeSet HTTP/1.1`.
    pub request: Option<String>,
    /// Part of the header `X-Amz-Target`, such as `DynamoDB_20120810.TransactWriteItems`.
    pub target: Option<String>,
    /// Part of the first 64 KiB of the body. For a chunked body, of what has arrived.
    pub body: Option<String>,
}

impl Filter {
    /// Matches every call.
    pub fn any() -> Self {
        Self::default()
    }

    /// See [`Filter::program`].
    #[must_use]
    pub fn program(mut self, part: impl Into<String>) -> Self {
        self.program = Some(part.into());
        self
    }

    /// See [`Filter::environment`].
    #[must_use]
    pub fn environment(mut self, part: impl Into<String>) -> Self {
        self.environment = Some(part.into());
        self
    }

    /// See [`Filter::request`].
    #[must_use]
    pub fn request(mut self, part: impl Into<String>) -> Self {
        self.request = Some(part.into());
        self
    }

    /// See [`Filter::target`].
    #[must_use]
    pub fn target(mut self, part: impl Into<String>) -> Self {
        self.target = Some(part.into());
        self
    }

    /// See [`Filter::body`].
    #[must_use]
    pub fn body(mut self, part: impl Into<String>) -> Self {
        self.body = Some(part.into());
        self
    }

    fn matches(&self, call: &Incoming<'_>) -> bool {
        let has = |part: &Option<String>, text: Option<&str>| {
            part.as_ref()
                .is_none_or(|part| text.is_some_and(|text| text.contains(part)))
        };
        let caller = call.caller;
        let program = has(&self.program, caller.map(|c| &*c.program))
            || has(&self.program, caller.map(|c| &*c.command));
        program
            && has(&self.environment, caller.map(|c| &*c.environment))
            && has(&self.request, Some(call.request))
            && has(&self.target, call.target)
            && has(&self.body, Some(call.body))
    }
}

/// Which matching calls are hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Times {
    /// All matching calls.
    Always,
    /// The next n calls.
    Next(u64),
    /// The nth call from now, once.
    Nth(u64),
    /// Every nth call.
    Every(u64),
    /// All calls for this time, ten minutes at most.
    For(Duration),
}

/// When a calling process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// When its call arrives. The call is not forwarded.
    Before,
    /// When the upstream has answered. The caller does not get the answer.
    After,
}

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Close the connection; the call is not forwarded.
    Cut,
    /// Forward it, wait for the answer, and close the connection without it.
    DropAnswer,
    /// Forward it later, ten minutes at most.
    Delay(Duration),
    /// Kill the calling process, if it descends from the ancestor that the proxy was given.
    Kill(Moment),
}

/// Identifies a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

#[derive(Debug)]
struct Rule {
    id: RuleId,
    filter: Filter,
    action: Action,
    times: Times,
    since: Instant,
    matched: u64,
    hits: u64,
}

/// The rules of a proxy. Each counts the calls that match it. Delays add up. Of the other rules,
/// the first that is due hits a call.
#[derive(Debug, Default)]
pub struct Rules {
    made: u64,
    all: Vec<Rule>,
}

impl Rules {
    /// Adds a rule after the existing ones.
    pub fn add(&mut self, filter: Filter, action: Action, times: Times) -> RuleId {
        if self.all.len() >= MOST_RULES {
            self.all.remove(0);
        }
        self.made += 1;
        let id = RuleId(self.made);
        self.all.push(Rule {
            id,
            filter,
            action,
            times,
            since: Instant::now(),
            matched: 0,
            hits: 0,
        });
        id
    }

    /// Closes the connection before the call is forwarded.
    pub fn cut(&mut self, filter: Filter, times: Times) -> RuleId {
        self.add(filter, Action::Cut, times)
    }

    /// Lets the call take effect, and closes the connection without an answer.
    pub fn drop_answer(&mut self, filter: Filter, times: Times) -> RuleId {
        self.add(filter, Action::DropAnswer, times)
    }

    /// Forwards the call later.
    pub fn delay(&mut self, filter: Filter, times: Times, by: Duration) -> RuleId {
        self.add(filter, Action::Delay(by), times)
    }

    /// Kills the calling process with the nth call from now, once.
    pub fn kill_after(&mut self, filter: Filter, n: u64, moment: Moment) -> RuleId {
        self.add(filter, Action::Kill(moment), Times::Nth(n))
    }

    /// Removes a rule.
    pub fn remove(&mut self, id: RuleId) {
        self.all.retain(|rule| rule.id != id);
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// The number of calls that a rule has hit.
    pub fn hits(&self, id: RuleId) -> u64 {
        let rule = self.all.iter().find(|rule| rule.id == id);
        rule.map_or(0, |rule| rule.hits)
    }

    /// The number of calls that have matched a rule, whether it was due or not.
    pub fn matched(&self, id: RuleId) -> u64 {
        let rule = self.all.iter().find(|rule| rule.id == id);
        rule.map_or(0, |rule| rule.matched)
    }

    pub(super) fn need_body(&self) -> bool {
        self.all.iter().any(|rule| rule.filter.body.is_some())
    }

    pub(super) fn decide(&mut self, call: &Incoming<'_>) -> Decision {
        let mut decision = Decision::default();
        for rule in &mut self.all {
            if !rule.filter.matches(call) {
                continue;
            }
            rule.matched += 1;
            let taken = decision.action.is_some() && !matches!(rule.action, Action::Delay(_));
            if taken || !rule.is_due() {
                continue;
            }
            rule.hits += 1;
            match rule.action {
                Action::Delay(by) => decision.delay = (decision.delay + by).min(LONGEST),
                action => decision.action = Some(action),
            }
        }
        decision
    }
}

impl Rule {
    fn is_due(&self) -> bool {
        match self.times {
            Times::Always => true,
            Times::Next(n) => self.hits < n,
            Times::Nth(n) => self.matched == n,
            Times::Every(n) => n > 0 && self.matched.is_multiple_of(n),
            Times::For(time) => self.since.elapsed() < time.min(LONGEST),
        }
    }
}

/// A call that has arrived.
pub(super) struct Incoming<'a> {
    pub(super) caller: Option<&'a Process>,
    pub(super) request: &'a str,
    pub(super) target: Option<&'a str>,
    pub(super) body: &'a str,
}

/// The decision about a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) delay: Duration,
    /// The action, unless it is a delay.
    pub(super) action: Option<Action>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(rules: &mut Rules, request: &str) -> Decision {
        let caller = Process {
            pid: 1,
            program: "/var/task/worker/bootstrap".to_owned(),
            command: "bootstrap --once".to_owned(),
            environment: "A=1\nNAME=the-worker\n".to_owned(),
        };
        rules.decide(&Incoming {
            caller: Some(&caller),
            request,
            target: Some("AmazonSQS.SendMessage"),
            body: "{}",
        })
    }

    #[test]
    fn a_filter_wants_all_of_its_parts() {
        let filter = Filter::any()
            .program("worker/boot")
            .environment("NAME=the-worker")
            .request("POST /a")
            .target("SendMessage")
            .body("{");
        for (filter, expected) in [
            (filter.clone(), 1),
            (filter.clone().program("--once"), 1),
            (filter.clone().program("producer"), 0),
            (filter.clone().environment("NAME=another"), 0),
            (filter.clone().request("GET"), 0),
            (filter.clone().target("Delete"), 0),
            (filter.body("["), 0),
        ] {
            let mut rules = Rules::default();
            let rule = rules.cut(filter.clone(), Times::Always);
            arrive(&mut rules, "POST /a HTTP/1.1");
            assert_eq!(rules.hits(rule), expected, "{filter:?}");
        }
    }

    #[test]
    fn each_kind_of_times_hits_the_calls_that_it_says() {
        for (times, expected) in [
            (Times::Always, [true; 5]),
            (Times::Next(2), [true, true, false, false, false]),
            (Times::Nth(2), [false, true, false, false, false]),
            (Times::Every(2), [false, true, false, true, false]),
            (Times::For(Duration::ZERO), [false; 5]),
            (Times::For(Duration::from_mins(1)), [true; 5]),
        ] {
            let mut rules = Rules::default();
            let rule = rules.cut(Filter::any(), times);
            let hits = [(); 5].map(|()| arrive(&mut rules, "GET /").action.is_some());
            assert_eq!(hits, expected, "{times:?}");
            assert_eq!(rules.matched(rule), 5);
        }
    }

    #[test]
    fn delays_add_up_and_the_first_of_the_other_rules_wins() {
        let mut rules = Rules::default();
        rules.delay(Filter::any(), Times::Always, Duration::from_secs(1));
        rules.cut(Filter::any().request("/a"), Times::Always);
        let kill = rules.kill_after(Filter::any(), 1, Moment::After);
        rules.delay(Filter::any(), Times::Always, Duration::from_secs(2));
        let decision = arrive(&mut rules, "GET /a");
        assert_eq!(decision.action, Some(Action::Cut));
        assert_eq!(decision.delay, Duration::from_secs(3));
        assert_eq!((rules.hits(kill), rules.matched(kill)), (0, 1));
    }
}
