//! `pmp-sync approve` and `reject` by a member, a link, or the hash of a plan: what is shown, asked and sent, and one result for all.

use std::time::Duration;

use pmp_sync_domain::approval::{Approval, ApprovalAction, Ask, Hold, PeopleSoFar};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::json;

use crate::ledger::{
    EXPERIENCE, NOON, OTHER, Table, approval, ended, hold, lane, link, other_lane, plan, run,
};
use crate::setup::{Answer, FakeAws, Home, until};

/// The record of a run that held the plan on a link.
fn record(number: i64, of: &LaneId, status: LinkStatus) -> LinkRecord {
    let member = if *of == lane() { "emea" } else { "apac" };
    LinkRecord {
        member: member.parse().unwrap(),
        account: of.account.clone(),
        lane: Some(of.clone()),
        ..link(number, status)
    }
}

fn hold_on(table: &mut Table, of: &LaneId, held: Hold) {
    table.put_link(&record(3, of, LinkStatus::Held));
    let link_state = LinkState {
        schema: 1,
        rev: 3,
        hold: Some(held),
        ..LinkState::default()
    };
    table.put_link_state(of, &link_state);
}

/// The same plan, held by run 3 on a link of each member.
fn held() -> Table {
    let mut table = Table::linked();
    for of in [lane(), other_lane()] {
        hold_on(&mut table, &of, hold(3));
    }
    table.put_run(&ended(3, "schedule", None, RunStatus::Held));
    table
}

/// An AWS whose producer serves each request with a run of its own, and records this of the link.
fn serving(
    table: Table,
    answer: impl Fn(&LaneId, i64) -> (RunStatus, LinkRecord) + Send + Sync + 'static,
) -> FakeAws {
    let served = std::sync::atomic::AtomicI64::new(9);
    FakeAws::serving(table, move |kind, detail, table| {
        let number = served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let account = detail["member_account"].as_str().unwrap();
        let experience = detail["experience"].as_str().unwrap();
        let of = format!("{account}/{experience}").parse().unwrap();
        let (status, record) = answer(&of, number);
        let kind = kind.to_lowercase().replace(' ', "-");
        table.put_run(&ended(number, &kind, detail["request_id"].as_str(), status));
        table.put_link(&record);
    })
}

/// One that executes or rejects everything.
fn willing(table: Table, action: ApprovalAction) -> FakeAws {
    let status = match action {
        ApprovalAction::Reject => LinkStatus::Rejected,
        _ => LinkStatus::Committed,
    };
    serving(table, move |of, number| {
        let record = LinkRecord {
            approval: Some(approval(action, 3, None)),
            ..record(number, of, status)
        };
        (RunStatus::Completed, record)
    })
}

fn run_on(aws: &FakeAws, arguments: &[&str]) -> Answer {
    aws.run(&Home::new(), arguments)
}

fn digits() -> String {
    plan().hash().to_string()
}

/// The lanes and hashes that were asked about.
fn asked(aws: &FakeAws) -> Vec<(String, String)> {
    let events = aws.events().into_iter();
    let mut asked: Vec<_> = events
        .map(|(_, detail)| {
            assert_eq!(detail["plan_hash"], digits());
            let text = |name: &str| detail[name].as_str().unwrap().to_owned();
            (text("experience"), text("run"))
        })
        .collect();
    asked.sort();
    asked
}

#[test]
fn a_hash_names_all_links_that_have_the_plan_and_is_asked_about_once() {
    for (verb, action) in [
        ("approve", ApprovalAction::Approve),
        ("reject", ApprovalAction::Reject),
    ] {
        let aws = willing(held(), action);
        let begins = &digits()[..8];
        let answer = run_on(&aws, &[verb, "--plan", begins]).ended_with(5);
        let question = match action {
            ApprovalAction::Reject => "Reject what is shown on 2 links?",
            _ => "Execute what is shown on 2 links?",
        };
        for part in [
            &format!("emea {EXPERIENCE}: held since"),
            &format!("apac {OTHER}: held since"),
            "1 allow, 2 denies (2 removals)",
            "PMS-7001",
            "  deny prod-gone\n  deny prod-lost\n  allow prod-new\n",
            question,
            "--yes",
        ] {
            assert!(answer.stderr.contains(part), "{part}: {answer:?}");
        }
        assert_eq!(answer.stderr.matches("deny prod-gone").count(), 1);
        assert_eq!((answer.stdout.as_str(), aws.events().len()), ("", 0));

        let answer = run_on(&aws, &[verb, "--plan", begins, "--yes"]).ended_with(0);
        let two = [OTHER, EXPERIENCE].map(|experience| (experience.to_owned(), run(3).to_string()));
        assert_eq!(asked(&aws), two);
        assert_eq!(answer.stdout.lines().count(), 2, "{answer:?}");
    }
}

#[test]
fn a_member_or_a_link_names_what_is_held_there_and_the_run_may_be_left_out() {
    for named in [
        &["--member", "emea"][..],
        &["--experience", EXPERIENCE],
        &["--member", "emea", "--experience", EXPERIENCE],
        &["--member", "emea", "--plan", &digits()[..8]],
    ] {
        let aws = willing(held(), ApprovalAction::Approve);
        let arguments = [&["approve"][..], named, &["--yes"]].concat();
        let answer = run_on(&aws, &arguments).ended_with(0);
        assert_eq!(asked(&aws).len(), 1, "{answer:?}");
        assert_eq!(asked(&aws)[0].0, EXPERIENCE);
        // What was not named by its run and its plan is shown before.
        assert!(answer.stderr.contains("1 allow, 2 denies"), "{answer:?}");
    }
    let both = ["approve", "--member", "emea", "--member", "apac", "--yes"];
    let aws = willing(held(), ApprovalAction::Approve);
    run_on(&aws, &both).ended_with(0);
    assert_eq!(asked(&aws).len(), 2);
}

#[test]
fn a_command_that_names_run_link_and_plan_does_not_ask() {
    let aws = willing(held(), ApprovalAction::Approve);
    let run = run(3).to_string();
    let exact = [
        "approve",
        &run,
        "--experience",
        EXPERIENCE,
        "--plan",
        &digits(),
    ];
    run_on(&aws, &exact).ended_with(0);
    // Two links are more than what one line of `holds` shows.
    let more = ["approve", &run, "--plan", &digits()];
    run_on(&aws, &more).ended_with(5);
    assert_eq!(aws.events().len(), 1);
}

#[test]
fn something_must_say_what_is_approved() {
    let aws = FakeAws::with_table(held());
    let run = run(3).to_string();
    for arguments in [&["approve", "--yes"][..], &["reject", &run, "--yes"]] {
        let answer = run_on(&aws, arguments).ended_with(5);
        assert!(answer.stderr.contains("--plan <HASH>"), "{answer:?}");
    }
    assert_eq!(aws.events().len(), 0);
}

#[test]
fn a_rollback_and_a_plan_of_one_link_are_told_apart_by_the_hash() {
    let mut table = held();
    let rollback = Hold {
        plan_hash: pmp_sync_domain::plan::Plan::default().hash(),
        reasons: vec![HoldReason::Restore { run: run(1) }],
        ..hold(4)
    };
    let link_state = LinkState {
        schema: 1,
        rev: 3,
        hold: Some(hold(3)),
        restore: Some(rollback.clone()),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &link_state);
    let aws = willing(table, ApprovalAction::Approve);
    let answer = run_on(&aws, &["approve", "--member", "emea", "--yes"]).ended_with(5);
    for part in [digits(), rollback.plan_hash.to_string()] {
        assert!(
            answer.stderr.contains(&format!("--plan {part}")),
            "{answer:?}"
        );
    }
    assert_eq!(aws.events().len(), 0);
    let by_hash = ["approve", "--member", "emea", "--plan", &digits(), "--yes"];
    run_on(&aws, &by_hash).ended_with(0);
    assert_eq!(asked(&aws).len(), 1);
}

/// An AWS that refuses one link with this status, and executes the other.
fn refusing(of: LaneId, status: LinkStatus) -> FakeAws {
    serving(held(), move |lane, number| {
        if *lane != of {
            let record = LinkRecord {
                approval: Some(approval(ApprovalAction::Approve, 3, None)),
                ..record(number, lane, LinkStatus::Committed)
            };
            return (RunStatus::Completed, record);
        }
        let words = "another plan is held";
        let refused = (status == LinkStatus::Refused).then_some(words);
        let fault = pmp_sync_domain::error::LinkError::Contended(lane.to_string()).record();
        let record = LinkRecord {
            approval: Some(approval(ApprovalAction::Approve, 3, refused)),
            fault: (status == LinkStatus::Failed).then_some(fault),
            ..record(number, lane, status)
        };
        let status = match status {
            LinkStatus::Failed => RunStatus::Failed,
            _ => RunStatus::Held,
        };
        (status, record)
    })
}

#[test]
fn one_refusal_or_failure_hides_no_other_link_and_gives_the_exit_code() {
    for (status, code, result) in [
        (LinkStatus::Refused, 3, "refused"),
        (LinkStatus::Failed, 4, "failed"),
    ] {
        // The first of them in the order of the links.
        let aws = refusing(other_lane(), status);
        let by_plan = ["approve", "--plan", &digits(), "--yes"];
        let answer = run_on(&aws, &by_plan).ended_with(code);
        let done = format!("emea {EXPERIENCE}: 1 allow, 2 denies committed");
        assert!(answer.stdout.starts_with(&done), "{answer:?}");
        assert_eq!(answer.stdout.lines().count(), 1, "{answer:?}");
        let told = format!("apac {OTHER}: error: ");
        assert!(answer.stderr.contains(&told), "{answer:?}");
        let last = "1 of 2 links did not end as requested\n";
        assert!(answer.stderr.ends_with(last), "{answer:?}");

        let aws = refusing(other_lane(), status);
        let as_json = [&by_plan[..], &["--json"]].concat();
        let value = run_on(&aws, &as_json).ended_with(code).json();
        let links = value["links"].as_array().unwrap();
        let results: Vec<_> = links
            .iter()
            .map(|link| (link["member"].clone(), link["result"].clone()))
            .collect();
        assert_eq!(
            results,
            [
                (json!("apac"), json!(result)),
                (json!("emea"), json!("executed"))
            ]
        );
        assert!(links[0]["error"]["message"].is_string(), "{value}");
    }
}

#[test]
fn many_links_are_asked_about_a_few_at_a_time_and_none_is_left_out() {
    let text = std::fs::read_to_string(crate::setup::fixture()).unwrap();
    let mut table = Table::with_config(&text);
    for number in 0..11 {
        let of = format!("333333333333/exp-{number:04}").parse().unwrap();
        table.put_lane(&of, "apac");
        hold_on(&mut table, &of, hold(3));
    }
    // Nobody serves them.
    let aws = FakeAws::with_table(table);
    let home = Home::new();
    let approve = [
        "approve",
        "--member",
        "apac",
        "--yes",
        "--timeout",
        "3",
        "--json",
    ];
    let running = home.start(&approve, &aws.variables());
    until("the first are asked about", || aws.events().len() >= 8);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(aws.events().len(), 8);
    let value = running.answer().ended_with(1).json();
    assert_eq!(asked(&aws).len(), 11);
    let links = value["links"].as_array().unwrap();
    assert_eq!(links.len(), 11);
    assert!(
        links.iter().all(|link| link["error"]["code"] == "late"),
        "{value}"
    );
}

#[test]
fn the_reason_is_sent_with_each_request() {
    for (verb, action) in [
        ("approve", ApprovalAction::Approve),
        ("reject", ApprovalAction::Reject),
    ] {
        let aws = willing(held(), action);
        let why = [
            verb,
            "--plan",
            &digits(),
            "--yes",
            "--reason",
            "ticket 4711",
        ];
        run_on(&aws, &why).ended_with(0);
        let reasons: Vec<_> = aws
            .events()
            .into_iter()
            .map(|(_, detail)| detail["reason"].clone())
            .collect();
        assert_eq!(reasons, ["ticket 4711", "ticket 4711"]);
        run_on(&aws, &[verb, "--plan", &digits(), "--yes", "--reason", " "]).ended_with(5);
    }
    for (verb, of) in [("restore", "--experience"), ("revert", "--experience")] {
        let mut table = held();
        table.put_link(&record(3, &lane(), LinkStatus::Committed));
        let aws = FakeAws::with_table(table);
        let run = run(3).to_string();
        let why = [
            verb,
            &run,
            of,
            EXPERIENCE,
            "--reason",
            "a mistake",
            "--timeout",
            "1",
        ];
        run_on(&aws, &why).ended_with(1);
        assert_eq!(aws.events()[0].1["reason"], "a mistake");
    }
}

#[test]
fn the_first_of_two_approvals_executes_nothing_and_says_so() {
    let aws = serving(held(), |of, number| {
        let alice = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_ops_0a1b/alice";
        let ask = Ask {
            by: Some(alice.to_owned()),
            account: None,
            at: NOON.parse().unwrap(),
            reason: None,
        };
        let people = PeopleSoFar {
            approved: 1,
            needed: 2,
        };
        let record = LinkRecord {
            approval: Some(Approval {
                people: Some(people),
                ..approval(ApprovalAction::Approve, 3, None)
            }),
            hold: Some(Hold {
                approvals: vec![ask],
                ..hold(3)
            }),
            ..record(number, of, LinkStatus::Held)
        };
        (RunStatus::Held, record)
    });
    let approve = ["approve", "--member", "emea", "--yes"];
    let answer = run_on(&aws, &approve).ended_with(3);
    assert_eq!(
        answer.stdout,
        format!(
            "emea {EXPERIENCE}: 1 of 2 people have approved: alice; a second one runs the same command\n"
        )
    );
    let as_json = [&approve[..], &["--json"]].concat();
    let value = run_on(&aws, &as_json).ended_with(3).json();
    let link = &value["links"][0];
    assert_eq!(
        (&link["result"], &link["error"]["code"]),
        (&json!("waits_for_second"), &json!("held"))
    );
}

#[test]
fn an_approval_is_done_even_if_something_else_is_held_by_then() {
    let aws = serving(held(), |of, number| {
        let record = LinkRecord {
            approval: Some(approval(ApprovalAction::Approve, 3, None)),
            hold: Some(hold(number)),
            ..record(number, of, LinkStatus::Committed)
        };
        (RunStatus::Held, record)
    });
    let answer = run_on(&aws, &["approve", "--member", "emea", "--yes"]).ended_with(0);
    assert!(answer.stdout.contains("committed by run"), "{answer:?}");
    let note = "it is done; something else is held there, see `pmp-sync holds`";
    assert!(answer.stderr.contains(note), "{answer:?}");
}
