//! The members' own accounts, seen with their own credentials.

use pmp_sync_aws::caller::Caller;
use pmp_sync_deploy::installation::member_stack;
use pmp_sync_domain::answers::doctor::Look;

use super::check::{Area, Check};
use super::deployed::{self, Function, Queue, Source, Stack, undelivered};
use super::finding::{Finding, Status, of};
use super::look::Timed;
use super::organization;

/// The variables that the worker needs.
const VARIABLES: [&str; 10] = [
    "PMP_SYNC_NAME",
    "PMP_SYNC_ACCOUNT",
    "PMP_SYNC_LEDGER_TABLE",
    "PMP_SYNC_LANE_ROLE_ARN",
    "PMP_SYNC_EXTERNAL_ID",
    "PMP_SYNC_BUS_NAME",
    "PMP_SYNC_CHANGES_URL",
    "PMP_SYNC_DLQ_URL",
    "PMP_SYNC_TIMEOUT_SECONDS",
    "PMP_SYNC_MEMBER_MODE",
];
/// The most changes and Ticks that wait in a healthy system: one sync of everything.
const MOST_CHANGES: u64 = 10_000;

/// A member's account.
#[derive(Debug)]
pub(crate) struct Side {
    /// The member's name.
    pub(crate) member: String,
    /// The configured account.
    pub(crate) account: String,
    pub(crate) caller: Timed<Caller>,
    /// What is in the account. None if the credentials do not work or belong to another account.
    pub(crate) seen: Option<Seen>,
}

/// What is in a member's account.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The stacks' parameter Name.
    pub(crate) name: String,
    pub(crate) organization: organization::Facts,
    pub(crate) stack: Timed<Option<Stack>>,
    pub(crate) function: Timed<Option<Function>>,
    pub(crate) sources: Timed<Vec<Source>>,
    pub(crate) changes: Timed<Option<Queue>>,
    pub(crate) dead_letters: Timed<Option<Queue>>,
    pub(crate) undelivered: Timed<Option<Queue>>,
    /// The rule of change sets.
    pub(crate) rule: Timed<Option<bool>>,
    /// The rule of procurement requests.
    pub(crate) request_rule: Timed<Option<bool>>,
}

/// Judges what was seen.
pub(crate) fn judge(side: &Side) -> Vec<Finding> {
    let check = Check::MemberCredentials;
    let own = match &side.caller.look {
        Look::Seen(caller) if caller.account == side.account => Finding::ok(
            check,
            format!("{} of account {}", caller.arn, caller.account),
        ),
        Look::Seen(caller) => Finding::fail(
            check,
            format!(
                "they are of account {}, and the member's is {}",
                caller.account, side.account
            ),
        ),
        Look::Failed(trouble) => Finding::fail(check, trouble.message.clone()),
        Look::Skipped(because) => Finding::because(check, because),
    };
    let own = own.took(side.caller.milliseconds);
    let because = match own.status {
        Status::Ok => None,
        Status::Unknown => Some("there are no credentials of the member account"),
        _ => Some("the credentials of the member account do not work"),
    };
    let mut found = vec![own];
    if let Some(seen) = &side.seen {
        found.extend(in_account(seen));
    }
    let missing = because.unwrap_or("the member stack is not there");
    let all = Check::ALL
        .iter()
        .filter(|check| check.area() == Area::MemberAccounts);
    for check in all {
        if !found.iter().any(|found| found.id == *check) {
            found.push(Finding::because(*check, missing));
        }
    }
    for found in &mut found {
        found.subject = Some(side.member.clone());
        found.fix = found
            .fix
            .take()
            .map(|fix| fix.replace("--profile NAME=", &format!("--profile {}=", side.member)));
    }
    found
}

fn in_account(seen: &Seen) -> Vec<Finding> {
    let mut found = organization::judge(
        &seen.organization,
        Check::MemberAdministrator,
        Check::MemberTrustedAccess,
    );
    let stack = member_stack(&seen.name);
    found.push(of(Check::MemberStack, &seen.stack, |seen| {
        deployed::stack(Check::MemberStack, &stack, seen.as_ref())
    }));
    if let Look::Seen(None) = &seen.stack.look {
        return found;
    }
    found.push(of(Check::MemberRelease, &seen.stack, |seen| {
        let release = seen.as_ref().and_then(Stack::release);
        deployed::release(Check::MemberRelease, "the member stack", release)
    }));
    let worker = format!("{}-worker", seen.name);
    found.push(of(Check::WorkerFunction, &seen.function, |seen| {
        deployed::function(Check::WorkerFunction, &worker, seen.as_ref(), &VARIABLES)
    }));
    let queues = [format!("{}-changes", seen.name)];
    found.push(of(Check::WorkerSource, &seen.sources, |seen| {
        deployed::sources(Check::WorkerSource, &worker, seen, &queues)
    }));
    let timeout = match &seen.function.look {
        Look::Seen(Some(function)) => Some(function.timeout),
        _ => None,
    };
    let queue = format!("{}-changes", seen.name);
    found.push(of(Check::ChangesQueue, &seen.changes, |seen| {
        deployed::queue(
            Check::ChangesQueue,
            &queue,
            seen.as_ref(),
            timeout,
            MOST_CHANGES,
        )
    }));
    let dead_letters = format!("{queue}-dlq");
    found.push(of(Check::ChangesDeadLetters, &seen.dead_letters, |seen| {
        deployed::dead_letters(Check::ChangesDeadLetters, &dead_letters, seen.as_ref())
    }));
    found.push(of(Check::MemberUndelivered, &seen.undelivered, |queue| {
        let name = undelivered(&seen.name);
        deployed::dead_letters(Check::MemberUndelivered, &name, queue.as_ref())
    }));
    let rule = format!("{}-change-sets", seen.name);
    found.push(of(Check::ChangeSetRule, &seen.rule, |seen| {
        let mut found = deployed::rule(Check::ChangeSetRule, &rule, *seen, None);
        if found.status == Status::Fail {
            // The worker's Ticks work without it.
            found.status = Status::Warn;
        }
        found
    }));
    let rule = format!("{}-product-requests", seen.name);
    found.push(of(Check::ProductRequestRule, &seen.request_rule, |seen| {
        deployed::rule(Check::ProductRequestRule, &rule, *seen, None)
    }));
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pmp_sync_domain::error::Kind;

    use super::super::finding::tests::{failed, tells};
    use super::*;

    fn timed<T>(seen: T) -> Timed<T> {
        Timed {
            look: Look::Seen(seen),
            milliseconds: 1,
        }
    }

    fn side() -> Side {
        let account = "222222222222".to_owned();
        let queue = Queue {
            hidden: 180,
            redrives: true,
            ..Queue::default()
        };
        let seen = Seen {
            name: "pmp-sync".to_owned(),
            organization: organization::Facts {
                account: account.clone(),
                owner: timed(account.clone()),
                administrators: timed(Vec::new()),
                trusted: timed(vec![organization::PRINCIPAL.to_owned()]),
            },
            stack: timed(Some(Stack {
                status: "CREATE_COMPLETE".to_owned(),
                outputs: BTreeMap::from([("Release".to_owned(), deployed::RELEASE.to_owned())]),
                ..Stack::default()
            })),
            function: timed(Some(Function {
                state: Some("Active".to_owned()),
                variables: VARIABLES.map(str::to_owned).into(),
                timeout: 30,
                ..Function::default()
            })),
            sources: timed(vec![Source {
                id: "u".to_owned(),
                queue: "pmp-sync-changes".to_owned(),
                state: "Enabled".to_owned(),
                batch: Some(10),
                reports_failures: true,
            }]),
            changes: timed(Some(queue.clone())),
            dead_letters: timed(Some(queue.clone())),
            undelivered: timed(Some(queue)),
            rule: timed(Some(true)),
            request_rule: timed(Some(true)),
        };
        Side {
            member: "emea".to_owned(),
            caller: timed(Caller {
                account: account.clone(),
                arn: "arn:aws:iam::222222222222:root".to_owned(),
            }),
            account,
            seen: Some(seen),
        }
    }

    fn all() -> impl Iterator<Item = &'static Check> {
        let all = Check::ALL.iter();
        all.filter(|check| check.area() == Area::MemberAccounts)
    }

    #[test]
    fn what_is_well_is_ok_in_every_check_of_the_member() {
        let found = judge(&side());
        for found in &found {
            tells(found, Status::Ok, &[]);
            assert_eq!(found.subject.as_deref(), Some("emea"));
        }
        assert_eq!(found.len(), all().count());
    }

    #[test]
    fn without_credentials_nothing_is_known_and_how_to_give_them_is_told() {
        let mut none = side();
        none.seen = None;
        none.caller.look = Look::Skipped("no profile is named".to_owned());
        let found = judge(&none);
        assert_eq!(found.len(), all().count());
        for found in &found {
            tells(found, Status::Unknown, &["not looked at"]);
        }
        none.caller.look = failed(Kind::Denied, "expired");
        let found = judge(&none);
        tells(
            &found[0],
            Status::Fail,
            &["expired", "--profile emea=PROFILE"],
        );
        tells(&found[1], Status::Unknown, &["do not work"]);
    }

    #[test]
    fn credentials_of_another_account_fail() {
        let mut other = side();
        other.account = "333333333333".to_owned();
        other.seen = None;
        tells(
            &judge(&other)[0],
            Status::Fail,
            &["222222222222", "333333333333"],
        );
    }

    #[test]
    fn without_the_stack_what_it_has_is_not_known() {
        let mut none = side();
        none.seen.as_mut().unwrap().stack = timed(None);
        let found = judge(&none);
        let one = |check| found.iter().find(|found| found.id == check).unwrap();
        tells(
            one(Check::MemberStack),
            Status::Fail,
            &["no stack pmp-sync-member"],
        );
        tells(
            one(Check::WorkerSource),
            Status::Unknown,
            &["the member stack is not there"],
        );
        assert_eq!(found.len(), all().count());
    }

    #[test]
    fn without_the_rule_the_worker_is_only_slower() {
        let mut off = side();
        off.seen.as_mut().unwrap().rule = timed(Some(false));
        let found = judge(&off);
        let rule = found.iter().find(|found| found.id == Check::ChangeSetRule);
        tells(
            rule.unwrap(),
            Status::Warn,
            &["--name pmp-sync-change-sets"],
        );
    }

    /// Nothing else tells of procurement requests.
    #[test]
    fn without_the_rule_of_procurement_requests_the_check_fails() {
        let mut off = side();
        off.seen.as_mut().unwrap().request_rule = timed(None);
        let found = judge(&off);
        let is_it = |found: &&Finding| found.id == Check::ProductRequestRule;
        tells(
            found.iter().find(is_it).unwrap(),
            Status::Fail,
            &["no rule pmp-sync-product-requests"],
        );
    }
}
