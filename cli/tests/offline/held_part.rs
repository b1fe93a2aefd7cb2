//! A part of a plan is held and the rest is not: what previews, the history and the report tell of both, and of answers to it.

use pmp_sync_domain::approval::{Approval, ApprovalAction, Ask, Hold, PeopleSoFar, RejectedPart};
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::{Value, json};

use crate::ledger::{
    EXPERIENCE, NOON, Table, approval, command, ended, hold, lane, link, products, run,
};
use crate::setup::{FakeAws, Home};

/// What a run would do: allow one product, and hold the deny of two.
fn preview() -> Value {
    json!({ "schema": 1, "config_version": 7, "links": [{
        "member": "emea", "account": "222222222222", "experience": EXPERIENCE,
        "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "decision": "held",
        "plan_hash": "0".repeat(64), "allow": ["prod-new"], "deny": [], "removals": 0,
        "held": { "deny": ["prod-gone", "prod-lost"] },
        "fewest_change_sets": 1, "left_alone": [], "contradictory": [], "fault": null,
        "held_for": [{ "guard": "removals", "count": 12, "of": 40, "limit": 10, "percent": 5 }],
        "state": "held",
    }] })
}

#[test]
fn plan_shows_what_would_be_held_beside_what_would_be_made() {
    let aws = FakeAws::answering(Table::linked(), &preview());
    let home = Home::new();
    let answer = aws.run(&home, &["plan", "--products"]).ended_with(3);
    let row = answer.stdout.lines().nth(1).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    // Allow, deny, removals, held and change sets.
    assert_eq!(cells[2..8], ["held", "1", "0", "0", "2", "1"], "{answer:?}");
    let name = format!("emea {EXPERIENCE}");
    for line in [
        format!("{name} allow prod-new\n"),
        format!("{name} deny prod-gone: held\n"),
        format!("{name} deny prod-lost: held\n"),
    ] {
        assert!(answer.stdout.contains(&line), "{line}: {answer:?}");
    }
    let note = format!("{name}: a run would hold 0 allows, 2 denies, and make 1 allow, 0 denies\n");
    assert!(answer.stderr.contains(&note), "{answer:?}");
    let value = aws.run(&home, &["plan", "--json"]).ended_with(3).json();
    assert_eq!(
        value["links"][0]["held"]["deny"],
        json!(["prod-gone", "prod-lost"])
    );
}

/// A run that committed an allow and held two denies.
fn parted() -> LinkRecord {
    let mut record = link(5, LinkStatus::Held);
    record.status = LinkStatus::Committed;
    record.allow = products(&["prod-new"]);
    record.held.allow.clear();
    record
}

fn alice(reason: &str) -> Ask {
    Ask {
        by: Some("arn:aws:sts::111111111111:assumed-role/Operator/alice".to_owned()),
        account: None,
        at: NOON.parse().unwrap(),
        reason: Some(reason.to_owned()),
    }
}

#[test]
fn the_history_tells_what_was_committed_and_what_was_held_of_one_plan() {
    let mut table = Table::linked();
    table.put("RUN", "#last", &json!({ "schema": 1, "run": run(5) }));
    table.put_run(&ended(5, "schedule", None, RunStatus::Held));
    table.put_link(&parted());
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let number = run(5).to_string();
    let told = aws.run(&home, &["history", &number]).ended_with(0).stdout;
    for part in [
        "  planned     1 allow, 0 denies",
        "  allow prod-new\n",
        "  deny prod-gone: held\n",
        "PMS-7001",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let events = aws.run(&home, &["history", "--export"]).ended_with(0);
    let events: Vec<Value> = events
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |word: &str| events.iter().find(|event| event["event"] == word).unwrap();
    assert_eq!(
        of("planned")["held"]["deny"],
        json!(["prod-gone", "prod-lost"])
    );
    assert_eq!(of("planned")["allow"], json!(["prod-new"]));
    assert_eq!(of("committed")["allow"], 1);
    assert_eq!(of("held")["reasons"][0]["code"], "PMS-7001");
}

#[test]
fn the_history_tells_the_first_of_two_approvals_and_the_reason_of_each_answer() {
    let mut table = Table::linked();
    table.put("RUN", "#last", &json!({ "schema": 1, "run": run(6) }));
    let answers = [
        (5, ApprovalAction::Approve, LinkStatus::Held, "ticket 4711"),
        (
            6,
            ApprovalAction::Reject,
            LinkStatus::Rejected,
            "they are needed",
        ),
    ];
    for (number, action, status, reason) in answers {
        table.put_run(&ended(number, action.kind(), None, RunStatus::Held));
        let people = PeopleSoFar {
            approved: 1,
            needed: 2,
        };
        table.put_link(&LinkRecord {
            approval: Some(Approval {
                ask: alice(reason),
                people: (action == ApprovalAction::Approve).then_some(people),
                ..approval(action, 3, None)
            }),
            ..link(number, status)
        });
    }
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let number = run(5).to_string();
    let told = aws.run(&home, &["history", &number]).ended_with(0).stdout;
    assert!(told.contains("  approved-by-one by "), "{told}");
    assert!(told.contains(": ticket 4711\n"), "{told}");
    let events = [
        "history",
        "--json",
        "--since",
        "2026-01-01",
        "--limit",
        "50",
    ];
    let value = aws.run(&home, &events).ended_with(0).json();
    let events = value["events"].as_array().unwrap();
    let of = |word: &str| events.iter().find(|event| event["event"] == word).unwrap();
    let first = of("approved-by-one");
    assert_eq!(
        (&first["why"], &first["detail"]),
        (
            &json!("ticket 4711"),
            &json!(format!("of run {}, 1 of 2 people", run(3)))
        )
    );
    assert_eq!(of("rejected")["why"], "they are needed");
}

#[test]
fn the_report_tells_the_answers_to_a_hold_with_their_reasons() {
    let mut table = Table::linked();
    let held = Hold {
        rejected: Some(RejectedPart {
            changes: 2,
            ask: alice("they are needed"),
        }),
        approvals: vec![alice("ticket 4711")],
        overrides: true,
        ..hold(3)
    };
    let link_state = LinkState {
        schema: 1,
        hold: Some(held),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &link_state);
    let answer = json!({
        "schema": 1, "config_version": 7, "management": [], "letters": [], "faults": [],
        "links": [{
            "member": "emea", "account": "222222222222", "experience": EXPERIENCE,
            "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "denied_besides": [], "held_for": [],
            "differing": [
                { "product": "prod-gone", "standing": "allowed", "wanted": "deny", "why": 0 },
                { "product": "prod-lost", "standing": "allowed", "wanted": "deny", "why": 1 },
            ],
            "whys": [{ "answer": "held", "reasons": [] }, { "answer": "planned" }],
        }],
    });
    let aws = FakeAws::answering(table, &answer);
    let home = Home::new();
    let model = aws.run(&home, &["report", "--json"]).ended_with(0).json();
    let all = model["attention"].as_array().unwrap();
    let item = all.iter().find(|item| item["kind"] == "held").unwrap();
    let text = item["message"].to_string();
    for part in [
        "2 of 3 changes rejected by arn:aws:sts::111111111111:assumed-role/Operator/alice",
        ": they are needed.",
        ": ticket 4711. A second person runs the same command.",
        "although the link is frozen",
        // The other one is executed.
        "Would be denied: prod-gone.",
    ] {
        assert!(text.contains(part), "{part}: {item}");
    }
    assert_eq!(item["command"], command(&hold(3)));
}
