//! `pmp-sync history`: the table, one run, and the export.

use std::collections::BTreeMap;

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::records::{DeadLetterOutcome, DeadLetterRecord, LinkRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::wire::Scope;
use serde_json::{Value, json};

use crate::ledger::{
    EXPERIENCE, NOON, Table, approval, command, ended, hold, lane, link, plan, run,
};
use crate::setup::{Answer, FakeAws, Home, PRINCIPAL};

/// Run 1 held a plan, run 2 rejected it, run 3 approved it, run 4 was refused; run 5 looked at a dead
/// letter with an override, and is at work.
pub(crate) fn told() -> Table {
    let mut table = Table::linked();
    table.put("RUN", "#last", &json!({ "schema": 1, "run": run(5) }));
    let mut first = ended(1, "schedule", None, RunStatus::Held);
    first.requests[0].requester = None;
    first.totals.held = 1;
    table.put_run(&first);
    table.put_link(&link(1, LinkStatus::Held));
    for (number, action, status, refused) in [
        (2, ApprovalAction::Reject, LinkStatus::Rejected, None),
        (3, ApprovalAction::Approve, LinkStatus::Committed, None),
        (
            4,
            ApprovalAction::Approve,
            LinkStatus::Refused,
            Some("too late"),
        ),
    ] {
        table.put_run(&ended(number, action.kind(), None, RunStatus::Completed));
        table.put_link(&LinkRecord {
            approval: Some(approval(action, 1, refused)),
            ..link(number, status)
        });
    }
    let mut last = ended(5, "sync-requested", Some("r-5"), RunStatus::Applying);
    last.completed_at = None;
    last.totals.deny = 2;
    last.requests[0].override_reason = Some("a launch".to_owned());
    last.requests[0].scope = Some(Scope {
        members: vec!["emea".parse().unwrap()],
        ..Scope::default()
    });
    table.put_run(&last);
    table.put_link(&link(5, LinkStatus::Committed));
    let letter = DeadLetterRecord {
        schema: 1,
        id: "12345678-90ab".to_owned(),
        member: "emea".parse().unwrap(),
        lane: Some(lane()),
        product: Some("prod-bad".parse().unwrap()),
        action: None,
        sent_by: Some(run(3)),
        reason: "quarantined".to_owned(),
        attributes: BTreeMap::new(),
        letters: Some(1),
        outcome: DeadLetterOutcome::Kept,
        why: "it is not understood".to_owned(),
        at: "2026-01-01T12:00:08Z".parse().unwrap(),
    };
    table.put(&format!("RUN#{}", run(5)), "DEAD#12345678-90ab", &letter);
    table
}

fn aws() -> (Home, FakeAws) {
    (Home::new(), FakeAws::with_table(told()))
}

#[test]
fn history_lists_the_newest_runs_with_who_asked_and_what_came_of_it() {
    let (home, aws) = aws();
    let answer = aws.run(&home, &["history"]).ended_with(0);
    let rows: Vec<Vec<&str>> = answer
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let alice = "assumed-role/Operator/alice";
    let expected = [
        (5, "sync-requested", alice, "applying", "-"),
        (4, "approval-requested", alice, "completed", "refused"),
        (3, "approval-requested", alice, "completed", "approved"),
        (2, "rejection-requested", alice, "completed", "rejected"),
        (1, "schedule", "-", "held", "-"),
    ];
    assert_eq!(rows.len(), 6, "{answer:?}");
    for (row, (number, kind, by, status, approval)) in rows[1..].iter().zip(expected) {
        let id = run(number).to_string();
        assert_eq!(row[..5], [id.as_str(), NOON, kind, by, status]);
        assert_eq!(*row.last().unwrap(), approval);
    }
    assert_eq!((rows[1][6], rows[5][7]), ("2", "1"));

    assert!(!answer.stderr.contains("the newest"), "{answer:?}");

    let two = ["history", "--limit", "2"];
    let answer = aws.run(&home, &two).ended_with(0);
    assert!(
        answer.stderr.contains("the newest 2 runs are shown"),
        "{answer:?}"
    );
    let two = ["history", "--limit", "2", "--json"];
    let value = aws.run(&home, &two).ended_with(0).json();
    assert_eq!(value["older"], true);
    let runs = value["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1]["approval"], json!(["refused"]));
    assert_eq!(runs[1]["run"]["requests"][0]["requester"], PRINCIPAL);
}

#[test]
fn without_a_run_history_says_so() {
    let (home, aws) = (Home::new(), FakeAws::with_table(Table::linked()));
    assert_eq!(
        aws.run(&home, &["history"]).ended_with(0).stdout,
        "no run yet\n"
    );
    let value = aws.run(&home, &["history", "--json"]).ended_with(0).json();
    assert_eq!(
        value,
        json!({ "runs": [], "older": false, "acts": [], "edits": [], "versions": [], "answers": [] })
    );
    assert_eq!(
        aws.run(&home, &["history", "--export"])
            .ended_with(0)
            .stdout,
        ""
    );
}

#[test]
fn a_run_is_told_with_everything_that_is_known_of_it() {
    let (home, aws) = aws();
    let of = |number| {
        let run = run(number).to_string();
        aws.run(&home, &["history", &run]).ended_with(0).stdout
    };
    let by = format!("by {PRINCIPAL}, account 111111111111");
    let parts: [(i64, Vec<String>); 4] = [
        (
            1,
            vec![
                format!("run {}: held", run(1)),
                format!("emea {EXPERIENCE}: held"),
                "PMS-7001".to_owned(),
                command(&hold(1)),
                "  deny prod-gone: held\n".to_owned(),
            ],
        ),
        (
            3,
            vec![
                format!("triggered   by approval-requested, {by}"),
                format!("approval of the plan of run {}", run(1)),
                format!("approved    {by}, at 2026-01-01T12:00:01Z"),
                "1 allow, 2 denies (2 removals)".to_owned(),
                plan().hash().to_string(),
            ],
        ),
        (
            4,
            vec!["refused  ".to_owned(), "because     too late".to_owned()],
        ),
        (
            5,
            vec![
                "override    of what is frozen, for emea: a launch".to_owned(),
                "12345678".to_owned(),
                "kept: it is not understood".to_owned(),
            ],
        ),
    ];
    for (number, parts) in parts {
        let told = of(number);
        for part in parts {
            assert!(told.contains(&part), "{part}: {told}");
        }
    }
    let number = run(5).to_string();
    let value = aws.run(&home, &["history", &number, "--json"]);
    let value = value.ended_with(0).json();
    assert_eq!(value["run"]["requests"][0]["override_reason"], "a launch");
    assert_eq!(value["links"][0]["deny"], json!(["prod-gone", "prod-lost"]));
    assert_eq!(value["dead_letters"][0]["id"], "12345678-90ab");
    assert_eq!(value["changes"], json!([]));

    let unknown = run(77).to_string();
    let answer = aws.run(&home, &["history", &unknown, "--json"]);
    answer.ended_with(5).is_json_failure("unknown");
}

/// The events that are exported.
pub(crate) fn export(aws: &FakeAws, home: &Home, more: &[&str]) -> Vec<Value> {
    let answer = aws.run(home, &[&["history", "--export"], more].concat());
    let answer = answer.ended_with(0);
    let lines = answer.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_export_has_every_event_of_every_run_oldest_first() {
    let (home, aws) = aws();
    let events = export(&aws, &home, &[]);
    let names: Vec<_> = events
        .iter()
        .map(|event| {
            assert_eq!(event["schema"], 1);
            assert!(event["at"].is_string(), "{event}");
            let of = (1..6).find(|number| event["run"] == json!(run(*number)));
            (of.unwrap(), event["event"].as_str().unwrap())
        })
        .collect();
    let expected = [
        (1, "requested"),
        (1, "planned"),
        (1, "held"),
        (1, "ended"),
        (2, "requested"),
        (2, "rejected"),
        (2, "planned"),
        (2, "ended"),
        (3, "requested"),
        (3, "approved"),
        (3, "planned"),
        (3, "committed"),
        (3, "ended"),
        (4, "requested"),
        (4, "refused"),
        (4, "planned"),
        (4, "ended"),
        (5, "requested"),
        (5, "planned"),
        (5, "committed"),
        (5, "dead-letter"),
    ];
    assert_eq!(names, expected);
    let of = |number, name: &str| {
        let is_it = |found: &&(i64, &str)| **found == (number, name);
        let place = names.iter().position(|found| is_it(&found)).unwrap();
        &events[place]
    };
    let on_lane = json!(lane().to_string());
    let requested = of(5, "requested");
    assert_eq!(requested["requester"], PRINCIPAL);
    assert_eq!(requested["account"], "111111111111");
    assert_eq!(requested["override_reason"], "a launch");
    assert_eq!(requested["lane"], Value::Null);
    let held = of(1, "held");
    assert_eq!((&held["lane"], &held["member"]), (&on_lane, &json!("emea")));
    assert_eq!(held["reasons"][0]["code"], "PMS-7001");
    assert_eq!(held["plan_hash"], json!(plan().hash()));
    assert_eq!(
        of(1, "planned")["held"]["deny"],
        json!(["prod-gone", "prod-lost"])
    );
    let approved = of(3, "approved");
    assert_eq!(
        (&approved["of"], &approved["requester"]),
        (&json!(run(1)), &json!(PRINCIPAL))
    );
    assert_eq!(of(4, "refused")["why"], "too late");
    assert_eq!(of(5, "dead-letter")["lane"], on_lane);
    assert_eq!(of(5, "dead-letter")["letter"]["reason"], "quarantined");
    assert_eq!(of(1, "ended")["totals"]["held"], 1);
}

#[test]
fn the_export_of_one_run_is_that_alone() {
    let (home, aws) = aws();
    let number = run(3).to_string();
    let events = export(&aws, &home, &[&number]);
    assert_eq!(events.len(), 5, "{events:?}");
    assert!(events.iter().all(|event| event["run"] == json!(run(3))));
}

#[test]
fn every_run_is_exported_however_many_there_are() {
    let mut table = Table::linked();
    for number in 1..61 {
        table.put_run(&ended(number, "schedule", None, RunStatus::Completed));
    }
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let events = export(&aws, &home, &[]);
    let runs: Vec<_> = events.iter().map(|event| event["run"].as_str()).collect();
    assert_eq!(runs.len(), 120);
    assert!(runs.is_sorted(), "{runs:?}");
}

/// Three edits: one that is done, one whose command was killed, and one that answers a request.
pub(crate) fn edited() -> Table {
    let mut table = Table::linked();
    table.put_listing("prod-a", "MongoDB Atlas", "prodview-atlas");
    let edit = |number: i64, with: Value| {
        let id = run(number).to_string();
        let mut edit = json!({
            "schema": 1, "edit": id, "management_experience": "exp-4s8kd0qmw1x2y", "command": "import",
            "requester": PRINCIPAL, "reason": "ticket 4711", "status": "begun", "allowed": 300, "denied": 0,
            "allow": ["prod-a"], "change_sets": ["cs-1", "cs-2"], "at": NOON,
            "applied": { "allow": 60, "deny": 0 }, "at_work_until": "2026-01-01T12:05:00Z",
        });
        for (field, value) in with.as_object().unwrap() {
            edit[field] = value.clone();
        }
        (id, edit)
    };
    for (id, edit) in [
        edit(
            1,
            json!({ "status": "done", "allowed": 60, "refused": ["prod-a"] }),
        ),
        edit(2, json!({})),
        edit(
            40_000,
            json!({
                "command": "requests approve", "requests": ["pr-2b7kexample4ma"], "status": "done",
                "allowed": 1, "applied": { "allow": 1, "deny": 0 }
            }),
        ),
    ] {
        table.put("EDITS", &id, &edit);
    }
    table.put_run(&ended(3, "schedule", None, RunStatus::Completed));
    for number in [40_001, 40_002] {
        table.put_run(&ended(number, "schedule", None, RunStatus::Completed));
    }
    table
}

fn tells(told: &Answer, parts: &[&str]) {
    for part in parts {
        let has = |text: &str| text.contains(part);
        assert!(has(&told.stdout) || has(&told.stderr), "{part}: {told:?}");
    }
}

#[test]
fn an_edit_whose_command_was_killed_is_not_shown_as_under_way_and_done_with_what_was_planned() {
    let (home, aws) = (Home::new(), FakeAws::with_table(edited()));
    let answer = aws.run(&home, &["history", "--edits"]).ended_with(0);
    let lines: Vec<_> = answer.stdout.lines().collect();
    assert!(
        lines[2].contains("interrupted") && lines[2].contains("60 of 300"),
        "{answer:?}"
    );
    assert!(
        !lines[3].contains(" of ") && lines[3].contains("done"),
        "{answer:?}"
    );
    let value = aws
        .run(&home, &["history", "--edits", "--json"])
        .ended_with(0)
        .json();
    assert_eq!(value["edits"][1]["status"], "interrupted");
}

#[test]
fn an_edit_is_shown_with_its_products_by_its_id_the_beginning_of_it_or_as_the_last() {
    let (home, aws) = (Home::new(), FakeAws::with_table(edited()));
    let (second, last) = (run(2).to_string(), run(40_000).to_string());
    for named in [vec![second.as_str()], vec![second.as_str(), "--edits"]] {
        let told = aws.run(&home, &[vec!["history"], named].concat());
        tells(
            &told.ended_with(0),
            &[
                &format!("edit {second}: interrupted"),
                "`pmp-sync product import`",
                "ticket 4711",
                "to allow: 300 products, applied: 60",
                "allow prod-a (MongoDB Atlas)",
                "allow 299 more products",
                "the same command goes on",
            ],
        );
    }
    for named in ["last", &last[..9], &last] {
        let told = aws.run(&home, &["history", "--edits", named]).ended_with(0);
        tells(
            &told,
            &[
                "`pmp-sync requests approve`",
                "answers     request pr-2b7kexample4ma",
            ],
        );
    }
    let value = aws.run(&home, &["history", &last, "--json"]).ended_with(0);
    let value = value.json();
    assert_eq!(value["edit"]["requests"], json!(["pr-2b7kexample4ma"]));
    assert_eq!(value["names"], json!({ "prod-a": "MongoDB Atlas" }));
    let nothing = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (arguments, words) in [
        (vec!["history", nothing], "there is no run"),
        (vec!["history", "--edits", nothing], "there is no edit"),
        (vec!["history", "--edits", &second[..1]], "several edits"),
        // What begins like several runs is no edit, either.
        (vec!["history", &last[..5]], "several runs begin with"),
    ] {
        tells(&aws.run(&home, &arguments).ended_with(5), &[words]);
    }
    // A run comes first.
    let told = aws.run(&home, &["history", &run(3).to_string()]);
    tells(&told.ended_with(0), &["triggered   by schedule"]);
}

/// What an observing link leaves as it differs is not in sync.
#[test]
fn a_link_that_was_left_as_it_differs_is_not_shown_as_in_sync() {
    let mut table = Table::linked();
    table.put_run(&ended(1, "schedule", None, RunStatus::Completed));
    let mut observed = link(1, LinkStatus::InSync);
    observed.plan_hash = None;
    observed.left_alone = serde_json::from_value(json!([
        { "product": "prod-a", "wanted": "allow", "standing": "denied", "reason": "observe" },
    ]))
    .unwrap();
    table.put_link(&observed);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let shown = aws.run(&home, &["history", "last"]).ended_with(0);
    assert!(shown.stdout.contains(": differs"), "{shown:?}");
    let shown = aws.run(&home, &["status", "--run", "last"]).ended_with(0);
    assert!(
        shown.stdout.contains("differs") && !shown.stdout.contains("in_sync"),
        "{shown:?}"
    );
}
