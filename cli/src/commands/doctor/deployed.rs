//! What a stack deploys: stacks, functions, event sources, queues. The same for the management
//! account and for a member's account.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ports::Depth;
use pmp_sync_domain::text::count;

use super::check::Check;
use super::finding::{Finding, Status};

/// This command's release.
pub(crate) const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// A stack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) created: Option<Timestamp>,
}

impl Stack {
    /// The release in its tag.
    pub(crate) fn release(&self) -> Option<&str> {
        self.outputs.get("Release").map(String::as_str)
    }
}

/// A function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Function {
    pub(crate) state: Option<String>,
    pub(crate) last_update: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) timeout: u64,
    /// The names of its variables with a value.
    pub(crate) variables: BTreeSet<String>,
}

/// An event source mapping of a function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) id: String,
    /// The name of the queue.
    pub(crate) queue: String,
    pub(crate) state: String,
    pub(crate) batch: Option<i32>,
    pub(crate) reports_failures: bool,
}

/// A queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    pub(crate) url: String,
    pub(crate) depth: Depth,
    /// The visibility timeout, in seconds.
    pub(crate) hidden: u64,
    /// True if it has a dead-letter queue.
    pub(crate) redrives: bool,
}

/// Judges a stack that must exist.
pub(crate) fn stack(check: Check, name: &str, stack: Option<&Stack>) -> Finding {
    let Some(stack) = stack else {
        return Finding::fail(check, format!("there is no stack {name} in this account"));
    };
    let seen = format!("{name} is {}", stack.status);
    match stack.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Finding::ok(check, seen),
        // The state before the update remains and works.
        "UPDATE_ROLLBACK_COMPLETE" => Finding::warn(check, with_reason(seen, stack)),
        status if status.ends_with("_IN_PROGRESS") && !status.starts_with("DELETE") => {
            Finding::warn(check, seen).with_fix("wait until it is deployed, then look again")
        }
        _ => Finding::fail(check, with_reason(seen, stack)),
    }
}

fn with_reason(seen: String, stack: &Stack) -> String {
    match &stack.reason {
        Some(reason) => format!("{seen}: {reason}"),
        None => seen,
    }
}

/// Whether something is of this command's release.
pub(crate) fn release(check: Check, thing: &str, release: Option<&str>) -> Finding {
    match release {
        Some(release) if release == RELEASE => {
            Finding::ok(check, format!("{thing} is of release {release}"))
        }
        Some(release) => Finding::warn(
            check,
            format!("{thing} is of release {release}, and this command of {RELEASE}"),
        ),
        None => Finding::warn(
            check,
            format!("{thing} does not tell its release: it is older than this command's {RELEASE}"),
        ),
    }
}

/// Judges a function that must exist and have these variables.
pub(crate) fn function(
    check: Check,
    name: &str,
    found: Option<&Function>,
    needs: &[&str],
) -> Finding {
    let Some(function) = found else {
        return Finding::fail(check, format!("there is no function {name}"));
    };
    let reason = function.reason.as_deref().unwrap_or("no reason is given");
    match function.state.as_deref() {
        // A function that was not used for weeks is Inactive until it is invoked.
        None | Some("Active" | "Inactive") => {}
        Some("Pending") => {
            return Finding::warn(check, format!("{name} is being made"))
                .with_fix("wait for a minute, then look again");
        }
        Some(state) => return Finding::fail(check, format!("{name} is {state}: {reason}")),
    }
    match function.last_update.as_deref() {
        Some("Failed") => {
            let seen = format!("the last update of {name} failed: {reason}");
            return Finding::fail(check, seen);
        }
        Some("InProgress") => {
            return Finding::warn(check, format!("{name} is being updated"))
                .with_fix("wait for a minute, then look again");
        }
        _ => {}
    }
    let missing: Vec<_> = needs
        .iter()
        .filter(|name| !function.variables.contains(**name))
        .copied()
        .collect();
    if !missing.is_empty() {
        let seen = format!("{name} is without {}", missing.join(", "));
        return Finding::fail(check, seen);
    }
    Finding::ok(check, format!("{name} is active"))
}

/// Judges the event source mappings of a function: one for each of its queues. Returns the first
/// that is not as it should be.
pub(crate) fn sources(
    check: Check,
    function: &str,
    sources: &[Source],
    queues: &[String],
) -> Finding {
    if sources.len() > queues.len() {
        let (found, wanted) = (sources.len(), queues.len());
        let seen = format!("{function} has {found} event source mappings instead of {wanted}");
        return Finding::fail(check, seen)
            .with_fix("deploy the stack again, and delete the mappings that are not its own");
    }
    let mut good = Vec::new();
    for queue in queues {
        let Some(source) = sources.iter().find(|source| source.queue == *queue) else {
            let seen = format!(
                "nothing gives {function} the messages of {queue}: there is no event source mapping"
            );
            return Finding::fail(check, seen).with_fix("deploy the stack again");
        };
        let found = source_of(check, source);
        if found.status != Status::Ok {
            return found;
        }
        good.push(format!("{} of {queue}", source.id));
    }
    let seen = format!("enabled, and reports single failures: {}", good.join(", "));
    Finding::ok(check, seen)
}

fn source_of(check: Check, source: &Source) -> Finding {
    let seen = format!(
        "the event source mapping {} of {} is {}",
        source.id, source.queue, source.state
    );
    match source.state.as_str() {
        "Enabled" => {}
        "Creating" | "Enabling" | "Updating" => {
            return Finding::warn(check, seen).with_fix("wait for a minute, then look again");
        }
        _ => {
            return Finding::fail(check, seen).with_fix(check.fix().replace("UUID", &source.id));
        }
    }
    if !source.reports_failures {
        let seen = format!("{seen}, but does not report single failures (ReportBatchItemFailures)");
        return Finding::fail(check, seen).with_fix(
            "deploy the stack again: one message that fails has its whole batch delivered again",
        );
    }
    if source.batch.is_none_or(|batch| batch > 10) {
        let batch = source.batch.unwrap_or_default();
        let batch = count(usize::try_from(batch).unwrap_or_default(), "message");
        let seen = format!("{seen}, with batches of {batch}, and not of 10 at most");
        return Finding::warn(check, seen).with_fix("deploy the stack again");
    }
    Finding::ok(check, format!("{seen}, and reports single failures"))
}

/// The depth of a queue, in words.
pub(crate) fn depth(depth: Depth) -> String {
    let Depth {
        waiting,
        in_flight,
        delayed,
    } = depth;
    match (in_flight, delayed) {
        (0, 0) => format!("{waiting} waiting"),
        (_, 0) => format!("{waiting} waiting, {in_flight} in flight"),
        _ => format!("{waiting} waiting, {in_flight} in flight, {delayed} delayed"),
    }
}

/// A queue whose messages should be taken at once, by a function with this timeout.
pub(crate) fn queue(
    check: Check,
    name: &str,
    found: Option<&Queue>,
    timeout: Option<u64>,
    most: u64,
) -> Finding {
    let Some(queue) = found else {
        return Finding::fail(check, format!("there is no queue {name}"))
            .with_fix("deploy the stack again");
    };
    if !queue.redrives {
        let seen = format!("{name} has no dead-letter queue");
        return Finding::fail(check, seen).with_fix("deploy the stack again");
    }
    if let Some(timeout) = timeout.filter(|timeout| queue.hidden < *timeout) {
        let seen = format!(
            "{name} hides messages for {} s, and the function may run for {timeout} s: they are delivered twice",
            queue.hidden
        );
        return Finding::fail(check, seen)
            .with_fix("deploy the stack with a visibility of six times the timeout");
    }
    let seen = format!("{name}: {}", depth(queue.depth));
    if queue.depth.waiting > most {
        return Finding::warn(
            check,
            format!("{seen}: they are not taken as fast as they come"),
        );
    }
    Finding::ok(check, seen)
}

/// A dead-letter queue.
pub(crate) fn dead_letters(check: Check, name: &str, found: Option<&Queue>) -> Finding {
    let Some(queue) = found else {
        return Finding::fail(check, format!("there is no queue {name}"))
            .with_fix("deploy the stack again");
    };
    match queue.depth.total() {
        0 => Finding::ok(check, format!("{name} is empty")),
        count => Finding::warn(
            check,
            format!(
                "{name} has {}",
                crate::output::count(usize::try_from(count).unwrap_or(usize::MAX), "message")
            ),
        )
        .with_fix(check.fix().replace("URL", &queue.url)),
    }
}

/// The name of the queue of what could not be delivered, in each account.
pub(crate) fn undelivered(name: &str) -> String {
    format!("{name}-undelivered")
}

/// Whether a rule is enabled.
pub(crate) fn rule(check: Check, name: &str, enabled: Option<bool>, bus: Option<&str>) -> Finding {
    let fix = || {
        let of = bus.map_or_else(String::new, |bus| format!(" --event-bus-name {bus}"));
        check.fix().replace("RULE", &format!("{name}{of}"))
    };
    match enabled {
        Some(true) => Finding::ok(check, format!("{name} is enabled")),
        Some(false) => Finding::fail(check, format!("{name} is disabled")).with_fix(fix()),
        None => Finding::fail(check, format!("there is no rule {name}"))
            .with_fix("deploy the stack again"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::tests::tells;
    use super::*;

    #[test]
    fn a_stack_is_there_and_has_gone_well() {
        let of = |status: &str| {
            let found = Stack {
                status: status.to_owned(),
                reason: Some("the disk is full".to_owned()),
                ..Stack::default()
            };
            stack(Check::ManagementStack, "s", Some(&found))
        };
        tells(
            &of("UPDATE_COMPLETE"),
            Status::Ok,
            &["s is UPDATE_COMPLETE"],
        );
        tells(&of("UPDATE_IN_PROGRESS"), Status::Warn, &["wait"]);
        tells(
            &of("UPDATE_ROLLBACK_COMPLETE"),
            Status::Warn,
            &["the disk is full"],
        );
        for status in ["ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_IN_PROGRESS"] {
            tells(&of(status), Status::Fail, &[status, "the disk is full"]);
        }
        let none = stack(Check::ManagementStack, "s", None);
        tells(&none, Status::Fail, &["no stack s", "deploy management"]);
    }

    #[test]
    fn releases_are_compared_with_the_command() {
        let of = |told| release(Check::MemberRelease, "the stack", told);
        tells(&of(Some(RELEASE)), Status::Ok, &[RELEASE]);
        tells(&of(Some("0.0.1")), Status::Warn, &["0.0.1", RELEASE]);
        tells(&of(None), Status::Warn, &["older"]);
    }

    #[test]
    fn a_function_is_active_updated_and_knows_what_it_needs() {
        let good = Function {
            state: Some("Active".to_owned()),
            last_update: Some("Successful".to_owned()),
            variables: BTreeSet::from(["A".to_owned(), "B".to_owned()]),
            reason: Some("the role is gone".to_owned()),
            ..Function::default()
        };
        let of =
            |found: &Function| function(Check::ProducerFunction, "f", Some(found), &["A", "B"]);
        tells(&of(&good), Status::Ok, &["active"]);
        let mut bad = good.clone();
        bad.state = Some("Failed".to_owned());
        tells(&of(&bad), Status::Fail, &["Failed", "the role is gone"]);
        let mut bad = good.clone();
        bad.state = Some("Pending".to_owned());
        tells(&of(&bad), Status::Warn, &["being made"]);
        let mut bad = good.clone();
        bad.last_update = Some("Failed".to_owned());
        tells(
            &of(&bad),
            Status::Fail,
            &["last update", "the role is gone"],
        );
        let mut bad = good.clone();
        bad.last_update = Some("InProgress".to_owned());
        tells(&of(&bad), Status::Warn, &["being updated"]);
        let mut bad = good;
        bad.variables.remove("B");
        tells(&of(&bad), Status::Fail, &["without B"]);
        let none = function(Check::ProducerFunction, "f", None, &[]);
        tells(&none, Status::Fail, &["no function f"]);
    }

    #[test]
    fn a_function_has_a_source_for_each_queue_that_is_enabled_and_reports_failures() {
        let good = Source {
            id: "u-1".to_owned(),
            queue: "q".to_owned(),
            state: "Enabled".to_owned(),
            batch: Some(10),
            reports_failures: true,
        };
        let judge = |found: &[Source], queues: &[&str]| {
            let queues: Vec<_> = queues.iter().map(|queue| (*queue).to_owned()).collect();
            sources(Check::WorkerSource, "f", found, &queues)
        };
        let of = |found: &Source| judge(std::slice::from_ref(found), &["q"]);
        tells(&of(&good), Status::Ok, &["u-1"]);
        let mut bad = good.clone();
        bad.state = "Disabled".to_owned();
        tells(&of(&bad), Status::Fail, &["Disabled", "--uuid u-1"]);
        let mut bad = good.clone();
        bad.state = "Enabling".to_owned();
        tells(&of(&bad), Status::Warn, &["wait"]);
        let mut bad = good.clone();
        bad.reports_failures = false;
        tells(&of(&bad), Status::Fail, &["ReportBatchItemFailures"]);
        let mut bad = good.clone();
        bad.batch = Some(100);
        tells(&of(&bad), Status::Warn, &["100"]);
        tells(&judge(&[], &["q"]), Status::Fail, &["nothing gives f"]);
        let two = judge(&[good.clone(), good.clone()], &["q"]);
        tells(&two, Status::Fail, &["2 event source mappings"]);
        let missing = judge(std::slice::from_ref(&good), &["q", "r"]);
        tells(&missing, Status::Fail, &["messages of r"]);
        let mut other = good.clone();
        other.queue = "r".to_owned();
        tells(
            &judge(&[good.clone(), other.clone()], &["q", "r"]),
            Status::Ok,
            &["r"],
        );
        other.state = "Disabled".to_owned();
        tells(
            &judge(&[good, other], &["q", "r"]),
            Status::Fail,
            &["Disabled"],
        );
    }

    #[test]
    fn a_queue_is_there_redrives_and_hides_long_enough() {
        let good = Queue {
            hidden: 180,
            redrives: true,
            depth: Depth {
                waiting: 100,
                in_flight: 1,
                delayed: 2,
            },
            ..Queue::default()
        };
        let of = |found: &Queue| queue(Check::Inbox, "q", Some(found), Some(180), 100);
        tells(
            &of(&good),
            Status::Ok,
            &["100 waiting, 1 in flight, 2 delayed"],
        );
        let mut bad = good.clone();
        bad.depth.waiting = 101;
        tells(&of(&bad), Status::Warn, &["101 waiting"]);
        let mut bad = good.clone();
        bad.hidden = 179;
        tells(&of(&bad), Status::Fail, &["179 s", "180 s"]);
        let mut bad = good;
        bad.redrives = false;
        tells(&of(&bad), Status::Fail, &["no dead-letter queue"]);
        tells(
            &queue(Check::Inbox, "q", None, None, 0),
            Status::Fail,
            &["no queue q"],
        );
    }

    #[test]
    fn dead_letters_are_told_with_the_command_that_shows_them() {
        let of = |waiting| Queue {
            url: "https://q".to_owned(),
            depth: Depth {
                waiting,
                ..Depth::default()
            },
            ..Queue::default()
        };
        let check = Check::InboxDeadLetters;
        tells(
            &dead_letters(check, "q", Some(&of(0))),
            Status::Ok,
            &["empty"],
        );
        let some = dead_letters(check, "q", Some(&of(2)));
        tells(
            &some,
            Status::Warn,
            &["2 messages", "--queue-url https://q"],
        );
        tells(
            &dead_letters(check, "q", None),
            Status::Fail,
            &["no queue q"],
        );
    }

    #[test]
    fn a_rule_is_enabled() {
        let of = |enabled| rule(Check::Rules, "r", enabled, Some("b"));
        tells(&of(Some(true)), Status::Ok, &[]);
        tells(
            &of(Some(false)),
            Status::Fail,
            &["--name r --event-bus-name b"],
        );
        tells(&of(None), Status::Fail, &["no rule r"]);
    }
}
