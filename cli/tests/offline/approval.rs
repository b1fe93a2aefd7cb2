//! `pmp-sync approve`, `reject` and `restore`: what is sent, and what comes of it.

use pmp_sync_domain::approval::{ApprovalAction, Ask, EarlierGrant, Grant, Hold};
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::lane::{LaneState, Phase};
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::{Value, json};

use crate::ledger::{
    EXPERIENCE, NOON, Table, approval, command, ended, hold, lane, link, plan, run,
};
use crate::setup::{Answer, FakeAws, Home, PRINCIPAL};

/// A plan of run 3 that is held on the first link.
fn held() -> Table {
    let mut table = Table::linked();
    let link_state = LinkState {
        schema: 1,
        rev: 3,
        hold: Some(hold(3)),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &link_state);
    table.put_run(&ended(3, "schedule", None, RunStatus::Held));
    table.put_link(&link(3, LinkStatus::Held));
    table
}

/// The same plan, after its commit.
fn changed() -> Table {
    let mut table = held();
    table.put_link(&link(3, LinkStatus::Committed));
    table
}

/// An AWS whose producer serves each request about a hold with run 9, with this record of the link.
fn serving(table: Table, status: RunStatus, record: LinkRecord) -> FakeAws {
    FakeAws::serving(table, move |_, detail, table| {
        let id = detail["request_id"].as_str();
        let kind = "approval-requested";
        table.put_run(&ended(9, kind, id, status));
        table.put_link(&record);
    })
}

fn of(action: ApprovalAction, status: LinkStatus) -> LinkRecord {
    LinkRecord {
        approval: Some(approval(action, 3, None)),
        ..link(9, status)
    }
}

/// The command line that approves what is held, or the like.
fn ask(aws: &FakeAws, verb: &str, number: i64, digits: &str, more: &[&str]) -> Answer {
    let run = run(number).to_string();
    let mut arguments = vec![verb, run.as_str(), "--experience", EXPERIENCE];
    if !digits.is_empty() {
        arguments.extend(["--plan", digits]);
    }
    arguments.extend(more);
    aws.run(&Home::new(), &arguments)
}

fn digits() -> String {
    plan().hash().to_string()
}

#[test]
fn approve_sends_the_whole_hash_and_the_principal_and_shows_what_was_committed() {
    let record = of(ApprovalAction::Approve, LinkStatus::Committed);
    let aws = serving(held(), RunStatus::Completed, record);
    let answer = ask(&aws, "approve", 3, &digits()[..8], &[]).ended_with(0);
    assert_eq!(
        answer.stdout,
        format!(
            "emea {EXPERIENCE}: 1 allow, 2 denies committed by run {}\n",
            run(9)
        )
    );
    let events = aws.events();
    let [(kind, detail)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(kind, "Approval Requested");
    let id = &detail["request_id"];
    assert_eq!(id.as_str().unwrap().len(), 32);
    let expected = json!({
        "schema": 1,
        "member_account": "222222222222",
        "experience": EXPERIENCE,
        "run": run(3),
        "plan_hash": digits(),
        "request_id": id,
        "requester": PRINCIPAL,
    });
    assert_eq!(*detail, expected);

    let answer = ask(&aws, "approve", 3, &digits(), &["--json"]).ended_with(0);
    let value = answer.json();
    let link = &value["links"][0];
    assert_eq!(link["run"]["run"], json!(run(9)));
    assert_eq!(link["link"]["status"], "committed");
    assert_eq!(
        (&link["result"], &link["error"]),
        (&json!("executed"), &Value::Null)
    );
    assert_eq!(link["hold"], Value::Null);
}

#[test]
fn approve_says_so_when_nothing_was_left_to_do() {
    let record = of(ApprovalAction::Approve, LinkStatus::InSync);
    let aws = serving(held(), RunStatus::Completed, record);
    let answer = ask(&aws, "approve", 3, &digits(), &["--member", "emea"]).ended_with(0);
    assert!(
        answer.stdout.ends_with("nothing is left to do\n"),
        "{answer:?}"
    );
}

#[test]
fn a_plan_that_is_not_held_any_more_is_refused_before_anything_is_sent() {
    let aws = FakeAws::with_table(held());
    for (verb, number, digits) in [
        ("approve", 2, digits()),
        ("approve", 3, "0123456789abcdef".to_owned()),
        ("reject", 2, digits()),
        ("reject", 3, "01234567".to_owned()),
    ] {
        let answer = ask(&aws, verb, number, &digits, &["--json"]).ended_with(3);
        answer.is_json_failure("stale");
        let message = format!("what is held on emea {EXPERIENCE} is not the plan that was named");
        assert!(answer.stderr.contains(&message), "{answer:?}");
        assert!(answer.stderr.contains(&command(&hold(3))), "{answer:?}");
    }
    let none = FakeAws::with_table({
        let mut table = Table::linked();
        table.put_link_state(&lane(), &LinkState::default());
        table
    });
    let answer = ask(&none, "approve", 3, &digits(), &[]).ended_with(3);
    assert!(
        answer.stderr.contains("nothing is held on emea"),
        "{answer:?}"
    );
    assert!(answer.stderr.contains("what to do: "), "{answer:?}");
    assert_eq!((aws.events().len(), none.events().len()), (0, 0));
}

#[test]
fn a_link_that_nobody_knows_is_refused_with_where_to_look() {
    let aws = FakeAws::with_table(Table::linked());
    for verb in ["approve", "reject"] {
        // It is configured, and no run has planned for it.
        let answer = ask(&aws, verb, 3, &digits(), &["--json"]).ended_with(3);
        answer.is_json_failure("stale");
        assert!(answer.stderr.contains("pmp-sync holds"), "{answer:?}");
        let misspelt = [verb, "--member", "emae", "--json"];
        let answer = aws.run(&Home::new(), &misspelt).ended_with(5);
        assert!(answer.stderr.contains("did you mean emea?"), "{answer:?}");
    }
    let answer = ask(&aws, "restore", 3, "", &["--member", "apac"]).ended_with(5);
    assert!(answer.stderr.contains("of member apac"), "{answer:?}");
    assert_eq!(aws.events().len(), 0);
}

#[test]
fn a_member_is_asked_for_where_several_have_an_experience_that_is_to_be_restored() {
    let mut table = held();
    let twin = format!("333333333333/{EXPERIENCE}").parse().unwrap();
    table.put_lane(&twin, "apac");
    table.put_link_state(&twin, &LinkState::default());
    let record = of(ApprovalAction::Approve, LinkStatus::Committed);
    let aws = serving(table, RunStatus::Completed, record);
    let answer = ask(&aws, "restore", 3, "", &[]).ended_with(5);
    assert!(
        answer
            .stderr
            .contains(&format!("apac {EXPERIENCE}, emea {EXPERIENCE}")),
        "{answer:?}"
    );
    assert!(
        answer
            .stderr
            .contains("what to do: name one of them with --member")
    );
    assert_eq!(aws.events().len(), 0);
    // Only one of them has the plan.
    ask(&aws, "approve", 3, &digits(), &["--member", "emea"]).ended_with(0);
    ask(&aws, "approve", 3, &digits(), &[]).ended_with(0);
    ask(&aws, "approve", 3, &digits(), &["--member", "apac"]).ended_with(5);
}

#[test]
fn an_approval_can_be_asked_for_again_until_it_is_done() {
    let mut table = Table::linked();
    let ask_of = Ask {
        by: None,
        account: None,
        at: NOON.parse().unwrap(),
        reason: None,
    };
    let link_state = LinkState {
        grant: Some(Grant {
            run: run(3),
            ask: ask_of,
            executed: run(5),
            earlier: Vec::new(),
            overrides: false,
            before: vec![EarlierGrant {
                run: run(1),
                executed: run(2),
                overrides: false,
            }],
        }),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &link_state);
    table.put_link(&link(3, LinkStatus::Held));
    table.put_link(&link(1, LinkStatus::Held));
    let record = of(ApprovalAction::Approve, LinkStatus::Underway);
    let aws = serving(table, RunStatus::Completed, record);
    ask(&aws, "approve", 3, &digits()[..8], &[]).ended_with(0);
    assert_eq!(aws.events()[0].1["plan_hash"], digits());
    ask(&aws, "approve", 3, "01234567", &[]).ended_with(3);
    ask(&aws, "approve", 2, &digits(), &[]).ended_with(3);
    assert_eq!(aws.events().len(), 1);
    // One that was not done when the last one was given.
    ask(&aws, "approve", 1, &digits(), &[]).ended_with(0);
    assert_eq!(aws.events()[1].1["run"], json!(run(1)));
}

#[test]
fn what_the_producer_refuses_is_told_in_its_words_with_what_is_held_now() {
    let words = "the plan has changes that were not shown; what it is now waits for approval";
    let record = LinkRecord {
        approval: Some(approval(ApprovalAction::Approve, 3, Some(words))),
        ..link(9, LinkStatus::Held)
    };
    let aws = serving(held(), RunStatus::Held, record);
    let answer = ask(&aws, "approve", 3, &digits(), &[]).ended_with(3);
    assert_eq!(answer.stdout, "");
    assert!(
        answer.stderr.contains(&format!("refused: {words}")),
        "{answer:?}"
    );
    assert!(answer.stderr.contains(&command(&hold(9))), "{answer:?}");
    let value = ask(&aws, "approve", 3, &digits(), &["--json"])
        .ended_with(3)
        .json();
    let link = &value["links"][0];
    assert_eq!(link["link"]["approval"]["refused"], words);
    assert_eq!(
        (&link["result"], &link["error"]["code"]),
        (&json!("refused"), &json!("refused"))
    );
    assert_eq!(link["hold"]["approve"], command(&hold(9)));
}

#[test]
fn a_link_or_run_that_fails_ends_with_4_and_what_to_do() {
    let fault = LinkError::Contended(lane().to_string()).record();
    let record = LinkRecord {
        fault: Some(fault.clone()),
        ..of(ApprovalAction::Approve, LinkStatus::Failed)
    };
    for (verb, digits) in [
        ("approve", digits()),
        ("reject", digits()),
        ("restore", String::new()),
    ] {
        let table = if verb == "restore" { changed() } else { held() };
        let aws = serving(table, RunStatus::Failed, record.clone());
        let answer = ask(&aws, verb, 3, &digits, &[]).ended_with(4);
        for part in ["PMS-4002", &fault.message, "what to do: ", "has failed"] {
            assert!(answer.stderr.contains(part), "{part}: {answer:?}");
        }
    }
    let aws = FakeAws::serving(held(), |_, detail, table| {
        let id = detail["request_id"].as_str();
        let mut run = ended(9, "approval-requested", id, RunStatus::Failed);
        run.fault = Some(pmp_sync_domain::error::RunError::NoLink(lane().to_string()).record());
        table.put_run(&run);
    });
    let answer = ask(&aws, "approve", 3, &digits(), &["--json"]).ended_with(4);
    assert!(answer.stderr.contains("PMS-1003"), "{answer:?}");
    let value = answer.json();
    let link = &value["links"][0];
    assert_eq!(
        (&link["link"], &link["result"]),
        (&Value::Null, &json!("failed"))
    );
}

#[test]
fn an_approval_whose_changes_do_not_all_get_through_is_a_partial_failure() {
    let record = of(ApprovalAction::Approve, LinkStatus::Committed);
    let aws = serving(held(), RunStatus::Partial, record);
    let answer = ask(&aws, "approve", 3, &digits(), &[]).ended_with(4);
    assert!(
        answer.stderr.contains("is partial, not completed"),
        "{answer:?}"
    );
}

#[test]
fn an_approval_is_done_once_its_lane_rests_whatever_is_wanted_by_then() {
    for (phase, code) in [(Phase::Idle, 0), (Phase::Blocked, 4)] {
        let mut table = held();
        let state = LaneState {
            phase,
            ..LaneState::default()
        };
        let pk = format!("LANE#222222222222#{EXPERIENCE}");
        table.put(&pk, "STATE", &state);
        let aws = FakeAws::serving(table, |_, detail, table| {
            let id = detail["request_id"].as_str();
            let mut run = ended(9, "approval-requested", id, RunStatus::Partial);
            run.not_seen.insert(lane().to_string());
            table.put_run(&run);
            table.put_link(&of(ApprovalAction::Approve, LinkStatus::Committed));
        });
        let answer = ask(&aws, "approve", 3, &digits(), &[]).ended_with(code);
        assert_eq!(
            answer.stderr.contains("it is done"),
            code == 0,
            "{answer:?}"
        );
    }
}

#[test]
fn reject_leaves_the_plan_undone() {
    let record = LinkRecord {
        hold: Some(hold(3)),
        ..of(ApprovalAction::Reject, LinkStatus::Rejected)
    };
    let aws = serving(held(), RunStatus::Held, record);
    let answer = ask(&aws, "reject", 3, &digits(), &[]).ended_with(0);
    assert!(
        answer
            .stdout
            .ends_with("rejected; nothing of it is executed\n"),
        "{answer:?}"
    );
    let (kind, detail) = aws.events().remove(0);
    assert_eq!(
        (kind.as_str(), &detail["plan_hash"]),
        ("Rejection Requested", &json!(digits()))
    );
    ask(&aws, "reject", 3, &digits(), &["--json"])
        .ended_with(0)
        .json();
}

#[test]
fn restore_shows_the_rollback_and_how_to_approve_it() {
    let rollback = Hold {
        reasons: vec![HoldReason::Restore { run: run(3) }],
        ..hold(9)
    };
    let record = LinkRecord {
        hold: Some(rollback.clone()),
        ..of(ApprovalAction::Restore, LinkStatus::Held)
    };
    let aws = serving(changed(), RunStatus::Held, record);
    let answer = ask(&aws, "restore", 3, "", &[]).ended_with(3);
    for part in [
        "  DENIES 2 products: the member cannot procure them any more\n",
        "  allows 1 product\n",
        &command(&rollback),
    ] {
        assert!(answer.stdout.contains(part), "{part}: {answer:?}");
    }
    // What takes something away comes first.
    let place = |part: &str| answer.stdout.find(part).unwrap();
    assert!(place("  deny prod-gone\n") < place("  deny prod-lost\n"));
    assert!(place("  deny prod-lost\n") < place("  allow prod-new\n"));
    let (kind, detail) = aws.events().remove(0);
    assert_eq!(kind, "Restore Requested");
    assert_eq!(
        (&detail["run"], &detail["plan_hash"]),
        (&json!(run(3)), &Value::Null)
    );
    let value = ask(&aws, "restore", 3, "", &["--json"])
        .ended_with(3)
        .json();
    assert_eq!(value["hold"]["approve"], command(&rollback));
    assert_eq!(value["hold"]["restores"], json!(run(3)));
    assert_eq!(value["link"]["held"]["allow"], json!(["prod-new"]));
}

#[test]
fn restore_says_so_when_there_is_nothing_to_restore_or_nothing_on_record() {
    let record = of(ApprovalAction::Restore, LinkStatus::InSync);
    let aws = serving(changed(), RunStatus::Completed, record);
    let answer = ask(&aws, "restore", 3, "", &[]).ended_with(0);
    assert!(answer.stdout.contains("nothing to restore"), "{answer:?}");

    let words = "no lists are kept from before that run";
    let record = LinkRecord {
        approval: Some(approval(ApprovalAction::Restore, 3, Some(words))),
        ..link(9, LinkStatus::Refused)
    };
    let aws = serving(changed(), RunStatus::Held, record);
    let answer = ask(&aws, "restore", 3, "", &[]).ended_with(3);
    assert!(answer.stderr.contains(words), "{answer:?}");
}

/// The newest run held its plan on the link, and the one before it changed nothing there.
#[test]
fn the_last_run_is_the_one_that_has_changed_the_link() {
    let table = || {
        let mut table = changed();
        let mut third = ended(3, "schedule", None, RunStatus::Completed);
        third.totals.committed = 1;
        table.put_run(&third);
        let mut fourth = ended(4, "schedule", None, RunStatus::Completed);
        fourth.totals.failed = 1;
        table.put_run(&fourth);
        table.put_link(&LinkRecord {
            allow: Vec::new(),
            deny: Vec::new(),
            ..link(4, LinkStatus::Failed)
        });
        table.put_run(&ended(5, "schedule", None, RunStatus::Held));
        table.put_link(&link(5, LinkStatus::Held));
        table.put_run(&ended(6, "schedule", None, RunStatus::Completed));
        table.put_link(&link(6, LinkStatus::Underway));
        table
    };
    for (verb, kind) in [
        ("restore", "Restore Requested"),
        ("revert", "Revert Requested"),
    ] {
        let record = of(ApprovalAction::Restore, LinkStatus::InSync);
        let aws = serving(table(), RunStatus::Completed, record);
        let named = [verb, "last", "--member", "emea"];
        let told = aws.run(&Home::new(), &named).ended_with(0);
        assert!(
            told.stderr
                .contains("the last run that changed something there"),
            "{told:?}"
        );
        let (sent, detail) = aws.events().remove(0);
        assert_eq!((sent.as_str(), &detail["run"]), (kind, &json!(run(3))));
        // One that is named and was held has nothing to be taken back.
        let aws = FakeAws::with_table(table());
        let refused = ask(&aws, verb, 5, "", &[]).ended_with(5);
        assert!(refused.stderr.contains("its plan was held"), "{refused:?}");
        let refused = ask(&aws, verb, 6, "", &[]).ended_with(5);
        assert!(refused.stderr.contains("an earlier run"), "{refused:?}");
        let none = [verb, "last", "--member", "apac"];
        let none = aws.run(&Home::new(), &none).ended_with(5);
        assert!(
            none.stderr
                .contains("none of the newest runs changed something"),
            "{none:?}"
        );
        assert_eq!(aws.events(), []);
    }
}

#[test]
fn the_rollback_before_a_run_that_is_not_there_is_a_wrong_command_line() {
    let aws = FakeAws::with_table(held());
    let answer = ask(&aws, "restore", 4, "", &["--json"]).ended_with(5);
    answer.is_json_failure("unknown");
    assert_eq!(aws.events(), []);
}

#[test]
fn a_request_that_nobody_serves_is_given_up_in_time() {
    let aws = FakeAws::with_table(held());
    let answer = ask(&aws, "approve", 3, &digits(), &["--timeout", "1", "--json"]);
    let value = answer.ended_with(1).json();
    assert_eq!(value["links"][0]["error"]["code"], "late");
    assert_eq!(value["links"][0]["run"], Value::Null);
}

#[test]
fn revert_is_about_every_link_that_the_run_changed() {
    let reversal = Hold {
        reasons: vec![HoldReason::Revert { run: run(3) }],
        ..hold(9)
    };
    let record = LinkRecord {
        hold: Some(reversal.clone()),
        ..of(ApprovalAction::Revert, LinkStatus::Held)
    };
    let mut table = held();
    table.put_link(&link(3, LinkStatus::Committed));
    let aws = serving(table, RunStatus::Held, record);
    let home = Home::new();
    let number = run(3).to_string();
    let answer = aws.run(&home, &["revert", &number]).ended_with(3);
    for part in [
        "the reversal of what run",
        "  DENIES 2 products",
        &command(&reversal),
    ] {
        assert!(answer.stdout.contains(part), "{part}: {answer:?}");
    }
    assert!(answer.stderr.contains("PMS-7004"), "{answer:?}");
    let (kind, detail) = aws.events().remove(0);
    assert_eq!(
        (kind.as_str(), &detail["run"]),
        ("Revert Requested", &json!(run(3)))
    );
    let value = aws.run(&home, &["revert", &number, "--json"]);
    let value = value.ended_with(3).json();
    assert_eq!(value["links"][0]["hold"]["reverts"], json!(run(3)));
    // A link that the run did not change has nothing to revert.
    aws.run(&home, &["revert", &number, "--member", "apac"])
        .ended_with(5);
}
