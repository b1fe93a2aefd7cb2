//! Gathers what is deployed in the management account.

use pmp_sync_aws::ledger::TableHealth;
use pmp_sync_deploy::installation::{access_stack, management_stack};
use pmp_sync_domain::answers::doctor::Look;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::text::count;

use super::check::Check;
use super::deployed::{self, Function, Queue, Source, Stack, undelivered};
use super::finding::{Finding, Status, of};
use super::look::Timed;

/// The variables that the producer needs.
const VARIABLES: [&str; 7] = [
    "PMP_SYNC_NAME",
    "PMP_SYNC_LEDGER_TABLE",
    "PMP_SYNC_INBOX_URL",
    "PMP_SYNC_RETRIES_URL",
    "PMP_SYNC_INBOX_DLQ_URL",
    "PMP_SYNC_BUS_NAME",
    "PMP_SYNC_RUN_RETENTION_DAYS",
];
/// The most requests that wait in a healthy system. They come from the schedule, from operators,
/// and from settled lanes, and the producer takes ten at once.
const MOST_REQUESTS: u64 = 500;

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) enabled: bool,
    pub(crate) expression: String,
}

impl Schedule {
    /// The period in seconds, if the schedule is a rate.
    pub(crate) fn period(&self) -> Option<i64> {
        let rate = self.expression.strip_prefix("rate(")?.strip_suffix(')')?;
        let (number, unit) = rate.split_once(' ')?;
        let unit = match unit.trim().trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            _ => return None,
        };
        number.trim().parse::<i64>().ok()?.checked_mul(unit)
    }
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) stack: Timed<Option<Stack>>,
    /// Every stack whose name begins as those of lane roles do.
    pub(crate) access: Timed<Vec<Stack>>,
    pub(crate) function: Timed<Option<Function>>,
    pub(crate) sources: Timed<Vec<Source>>,
    pub(crate) inbox: Timed<Option<Queue>>,
    pub(crate) dead_letters: Timed<Option<Queue>>,
    pub(crate) undelivered: Timed<Option<Queue>>,
    pub(crate) schedule: Timed<Option<Schedule>>,
    /// Rules by name, with their bus if it is not the default one.
    pub(crate) rules: Vec<(String, Option<String>, Timed<Option<bool>>)>,
    pub(crate) ledger: Timed<TableHealth>,
    /// Number of subscriptions of the topic, and how many are not confirmed.
    pub(crate) subscriptions: Timed<(usize, usize)>,
}

impl Facts {
    /// False if the management stack is certainly not in this account. It looks for the stack's
    /// name, and for the function's name, which does not depend on that of the stack.
    pub(crate) fn is_deployed(&self) -> bool {
        !matches!(self.stack.look, Look::Seen(None))
            || matches!(self.function.look, Look::Seen(Some(_)))
    }
}

/// Judges what was seen.
pub(crate) fn judge(facts: &Facts, config: Option<&Config>) -> Vec<Finding> {
    let name = &facts.name;
    let title = management_stack(name);
    let is_deployed = facts.is_deployed();
    let stack = of(Check::ManagementStack, &facts.stack, |stack| {
        match (stack, is_deployed) {
            (None, true) => Finding::warn(
                Check::ManagementStack,
                format!(
                    "there is no stack {title}, but there is a producer: the stack has another name"
                ),
            ),
            (stack, _) => deployed::stack(Check::ManagementStack, &title, stack.as_ref()),
        }
    });
    if !is_deployed {
        return vec![stack];
    }
    let mut found = vec![stack];
    found.push(match &facts.stack.look {
        Look::Seen(None) => Finding::because(
            Check::ManagementRelease,
            "the management stack was not found",
        ),
        _ => of(Check::ManagementRelease, &facts.stack, |stack| {
            let release = stack.as_ref().and_then(Stack::release);
            deployed::release(Check::ManagementRelease, "the management stack", release)
        }),
    });
    found.extend(access(facts, config));
    let function = format!("{name}-producer");
    found.push(of(Check::ProducerFunction, &facts.function, |seen| {
        deployed::function(
            Check::ProducerFunction,
            &function,
            seen.as_ref(),
            &VARIABLES,
        )
    }));
    found.push(of(Check::ProducerSource, &facts.sources, |seen| {
        let queues = [format!("{name}-requests.fifo"), format!("{name}-retries")];
        deployed::sources(Check::ProducerSource, &function, seen, &queues)
    }));
    let timeout = match &facts.function.look {
        Look::Seen(Some(function)) => Some(function.timeout),
        _ => None,
    };
    found.push(of(Check::Inbox, &facts.inbox, |seen| {
        let queue = format!("{name}-requests.fifo");
        deployed::queue(Check::Inbox, &queue, seen.as_ref(), timeout, MOST_REQUESTS)
    }));
    found.push(of(Check::InboxDeadLetters, &facts.dead_letters, |seen| {
        let queue = format!("{name}-requests-dlq.fifo");
        deployed::dead_letters(Check::InboxDeadLetters, &queue, seen.as_ref())
    }));
    found.push(of(Check::Undelivered, &facts.undelivered, |seen| {
        let queue = undelivered(name);
        deployed::dead_letters(Check::Undelivered, &queue, seen.as_ref())
    }));
    found.push(of(Check::Schedule, &facts.schedule, |seen| {
        schedule(name, seen.as_ref())
    }));
    for (rule, bus, seen) in &facts.rules {
        let judged = of(Check::Rules, seen, |seen| {
            deployed::rule(Check::Rules, rule, *seen, bus.as_deref())
        });
        found.push(judged.about(rule));
    }
    found.push(of(Check::Ledger, &facts.ledger, |health| {
        ledger(name, health)
    }));
    found.push(of(Check::Notifications, &facts.subscriptions, |seen| {
        notifications(*seen)
    }));
    for finding in &mut found {
        finding.fix = finding.fix.take().map(|fix| fix.replace("NAME", name));
    }
    found
}

/// The stack of each member's lane role.
fn access(facts: &Facts, config: Option<&Config>) -> Vec<Finding> {
    let check = Check::AccessStack;
    let Some(config) = config else {
        return vec![Finding::because(check, "the members are not known")];
    };
    let of_member = |member: &pmp_sync_domain::link::Member| {
        let name = access_stack(&facts.name, &member.account);
        let judged = of(check, &facts.access, |stacks| {
            let stack = stacks.iter().find(|stack| stack.name == name);
            let stands = deployed::stack(check, &name, stack);
            let release = stack.and_then(Stack::release);
            if stands.status == Status::Ok {
                deployed::release(check, &name, release)
            } else {
                stands
            }
        });
        judged.about(member.name.as_str())
    };
    config.members.values().map(of_member).collect()
}

fn schedule(name: &str, seen: Option<&Schedule>) -> Finding {
    let check = Check::Schedule;
    match seen {
        None => Finding::fail(check, format!("there is no schedule {name}-schedule"))
            .with_fix("deploy the stack again"),
        Some(schedule) if schedule.enabled => Finding::ok(check, schedule.expression.clone()),
        Some(schedule) => Finding::fail(
            check,
            format!(
                "{} is disabled: no run begins by itself",
                schedule.expression
            ),
        ),
    }
}

fn ledger(name: &str, health: &TableHealth) -> Finding {
    let check = Check::Ledger;
    let table = format!("{name}-ledger");
    if !health.active {
        return Finding::fail(check, format!("{table} is {}", health.status));
    }
    let mut weak = Vec::new();
    let mut untold = Vec::new();
    if !health.protected {
        weak.push("can be deleted by mistake".to_owned());
    }
    for (answer, words) in [
        (&health.recoverable, "has no point-in-time recovery"),
        (&health.forgets, "forgets no old runs (no time to live)"),
    ] {
        match answer {
            Ok(true) => {}
            Ok(false) => weak.push(words.to_owned()),
            Err(error) => untold.push(error.to_string()),
        }
    }
    if !weak.is_empty() {
        return Finding::warn(check, format!("{table} {}", weak.join(", ")));
    }
    let seen = format!("{table} is {}", health.status);
    if untold.is_empty() {
        return Finding::ok(check, seen);
    }
    Finding::ok(check, format!("{seen}; not known: {}", untold.join("; ")))
}

fn notifications((all, pending): (usize, usize)) -> Finding {
    let check = Check::Notifications;
    if pending > 0 {
        let seen = format!("{pending} of {} not confirmed", count(all, "subscription"));
        return Finding::warn(check, seen);
    }
    Finding::ok(check, count(all, "subscription"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pmp_sync_domain::error::{Kind, ServiceError};
    use pmp_sync_domain::ports::Depth;

    use super::super::finding::tests::{failed, tells};
    use super::*;

    fn timed<T>(seen: T) -> Timed<T> {
        Timed {
            look: Look::Seen(seen),
            milliseconds: 1,
        }
    }

    fn healthy() -> TableHealth {
        TableHealth {
            status: "ACTIVE".to_owned(),
            active: true,
            protected: true,
            recoverable: Ok(true),
            forgets: Ok(true),
        }
    }

    fn facts() -> Facts {
        let stack = |name: &str| Stack {
            name: name.to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            outputs: BTreeMap::from([("Release".to_owned(), deployed::RELEASE.to_owned())]),
            ..Stack::default()
        };
        let queue = Queue {
            url: "https://sqs/q".to_owned(),
            hidden: 720,
            redrives: true,
            ..Queue::default()
        };
        let source = |queue: &str| Source {
            id: "u".to_owned(),
            queue: format!("pmp-sync-{queue}"),
            state: "Enabled".to_owned(),
            batch: Some(10),
            reports_failures: true,
        };
        Facts {
            name: "pmp-sync".to_owned(),
            stack: timed(Some(stack("pmp-sync"))),
            access: timed(vec![stack("pmp-sync-member-access-222222222222")]),
            function: timed(Some(Function {
                state: Some("Active".to_owned()),
                variables: VARIABLES.map(str::to_owned).into(),
                timeout: 120,
                ..Function::default()
            })),
            sources: timed(["requests.fifo", "retries"].map(source).to_vec()),
            inbox: timed(Some(queue.clone())),
            dead_letters: timed(Some(queue.clone())),
            undelivered: timed(Some(queue)),
            schedule: timed(Some(Schedule {
                enabled: true,
                expression: "rate(1 hour)".to_owned(),
            })),
            rules: vec![("r".to_owned(), None, timed(Some(true)))],
            ledger: timed(healthy()),
            subscriptions: timed((2, 0)),
        }
    }

    fn config() -> Config {
        Config::parse(
            "schema = 1\n[[member]]\nname = \"emea\"\naccount = \"222222222222\"\nexternal_id = \"e-1\"\n",
        )
        .unwrap()
    }

    fn judged(facts: &Facts) -> Vec<Finding> {
        judge(facts, Some(&config()))
    }

    fn one(found: &[Finding], check: Check) -> &Finding {
        let mut of = found.iter().filter(|found| found.id == check);
        let one = of.next().unwrap();
        assert!(of.next().is_none());
        one
    }

    #[test]
    fn what_is_well_is_ok_in_every_check() {
        let found = judged(&facts());
        for found in &found {
            tells(found, Status::Ok, &[]);
            assert_eq!(found.milliseconds, 1);
        }
        let of_area = |check: &&Check| {
            check.area() == super::super::check::Area::Management
                && **check != Check::ProducerAnswers
        };
        assert_eq!(found.len(), Check::ALL.iter().filter(of_area).count());
    }

    #[test]
    fn without_the_stack_nothing_else_is_told() {
        let mut facts = facts();
        facts.stack = timed(None);
        let found = judged(&facts);
        tells(&found[0], Status::Warn, &["has another name"]);
        tells(one(&found, Check::ManagementRelease), Status::Unknown, &[]);
        tells(one(&found, Check::Schedule), Status::Ok, &[]);
        facts.function = timed(None);
        let found = judged(&facts);
        assert_eq!(found.len(), 1);
        tells(&found[0], Status::Fail, &["no stack pmp-sync-management"]);
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_by_its_own_check() {
        let mut bad = facts();
        bad.dead_letters = timed(Some(Queue {
            url: "https://sqs/dlq".to_owned(),
            depth: Depth {
                waiting: 1,
                ..Depth::default()
            },
            ..Queue::default()
        }));
        bad.undelivered = bad.dead_letters.clone();
        bad.access = timed(Vec::new());
        bad.schedule = timed(Some(Schedule {
            enabled: false,
            expression: "rate(1 hour)".to_owned(),
        }));
        bad.rules[0].2 = timed(Some(false));
        bad.subscriptions = timed((2, 1));
        bad.ledger.look = failed(Kind::Denied, "no");
        let found = judged(&bad);
        tells(
            one(&found, Check::InboxDeadLetters),
            Status::Warn,
            &["1 message", "receive-message", "https://sqs/dlq"],
        );
        tells(
            one(&found, Check::Undelivered),
            Status::Warn,
            &[
                "pmp-sync-undelivered has 1 message",
                "--queue-url https://sqs/dlq",
            ],
        );
        tells(
            one(&found, Check::AccessStack),
            Status::Fail,
            &["pmp-sync-member-access-222222222222"],
        );
        tells(
            one(&found, Check::Schedule),
            Status::Fail,
            &["disabled", "ScheduleState=ENABLED"],
        );
        tells(one(&found, Check::Rules), Status::Fail, &["--name r"]);
        tells(one(&found, Check::Notifications), Status::Warn, &["1 of 2"]);
        tells(
            one(&found, Check::Ledger),
            Status::Unknown,
            &["dynamodb:DescribeTable"],
        );
        tells(one(&found, Check::ProducerSource), Status::Ok, &[]);
    }

    #[test]
    fn a_schedule_that_is_gone_fails() {
        let mut bad = facts();
        bad.schedule = timed(None);
        tells(
            one(&judged(&bad), Check::Schedule),
            Status::Fail,
            &["no schedule pmp-sync-schedule"],
        );
    }

    #[test]
    fn a_ledger_that_could_be_lost_is_told() {
        let of = |change: fn(&mut TableHealth)| {
            let mut health = healthy();
            change(&mut health);
            ledger("n", &health)
        };
        tells(&of(|_| ()), Status::Ok, &["ACTIVE"]);
        tells(&of(|health| health.active = false), Status::Fail, &[]);
        tells(
            &of(|health| health.protected = false),
            Status::Warn,
            &["deleted"],
        );
        tells(
            &of(|health| health.recoverable = Ok(false)),
            Status::Warn,
            &["point-in-time"],
        );
        tells(
            &of(|health| health.forgets = Ok(false)),
            Status::Warn,
            &["time to live"],
        );
        let refused = of(|health| {
            let words = "may not be asked";
            health.forgets = Err(ServiceError::new("D", "t", Kind::Denied, words));
        });
        tells(&refused, Status::Ok, &["not known", "may not be asked"]);
    }

    #[test]
    fn the_period_of_a_rate_is_known_and_that_of_a_cron_is_not() {
        let of = |text: &str| {
            let expression = text.to_owned();
            Schedule {
                enabled: true,
                expression,
            }
            .period()
        };
        for (text, seconds) in [
            ("rate(1 hour)", Some(3_600)),
            ("rate(5 minutes)", Some(300)),
            ("rate(2 days)", Some(172_800)),
            ("rate(1 week)", None),
            ("cron(0 * * * ? *)", None),
            ("rate(99999999999999999 days)", None),
        ] {
            assert_eq!(of(text), seconds, "{text}");
        }
    }
}
