//! `pmp-sync history`: the table, one run, and the export.

use std::collections::BTreeMap;

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ids::EditId;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::records::{
    ActKind, DeadLetterOutcome, DeadLetterRecord, EditStatus, LinkRecord, ListEdit, OperatorAct,
};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::Scope;
use serde_json::{Value, json};

use crate::ledger::{
    EXPERIENCE, NOON, Table, approval, command, ended, hold, lane, link, plan, run, set,
};
use crate::setup::{Answer, FakeAws, Home, PRINCIPAL};

/// Run 1 held a plan, run 2 rejected it, run 3 approved it, run 4 was refused; run 5 looked at a dead
/// letter with an override, and is at work.
fn told() -> Table {
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
        json!({ "runs": [], "older": false, "acts": [], "edits": [], "versions": [] })
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
                "  deny prod-gone\n".to_owned(),
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
fn export(aws: &FakeAws, home: &Home, more: &[&str]) -> Vec<Value> {
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
    assert_eq!(of(1, "planned")["deny"], json!(["prod-gone", "prod-lost"]));
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
fn edited() -> Table {
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

/// Alice denied prod-gone in the management list; run 6 was triggered by that and held its plan, bob approved it as run 7, and carol
/// suspended the member after that.
fn explained() -> Table {
    let mut table = told();
    let at = |second: i64| later(NOON.parse().unwrap(), second);
    let id = |second: i64| EditId::generate(at(second).as_millisecond(), 7);
    let deny = Plan::new([].into(), ["prod-gone".parse().unwrap()].into());
    let management = "exp-4s8kd0qmw1x2y".parse().unwrap();
    let mut edit = ListEdit::new(id(60), management, "deny", &deny, at(60)).asked(
        Some("arn:aws:sts::111111111111:assumed-role/Catalog/dora"),
        Some("the contract has ended"),
        None,
    );
    edit.status = EditStatus::Done;
    edit.change_sets = vec!["cs-management".parse().unwrap()];
    table.put("EDITS", edit.edit.as_str(), &edit);
    let mut triggered = ended(
        6,
        "management-change-set",
        Some("cs-management"),
        RunStatus::Held,
    );
    triggered.requests[0].requester = None;
    triggered.totals.held = 1;
    triggered.totals.links = 1;
    table.put_run(&triggered);
    table.put_link(&link(6, LinkStatus::Held));
    let approved = ended(
        7,
        ApprovalAction::Approve.kind(),
        None,
        RunStatus::Completed,
    );
    table.put_run(&approved);
    table.put_link(&LinkRecord {
        approval: Some(approval(ApprovalAction::Approve, 6, None)),
        ..link(7, LinkStatus::Committed)
    });
    table.put_set(&lane(), &set(1, 7));
    let scope = Scope {
        members: vec!["emea".parse().unwrap()],
        ..Scope::default()
    };
    let act = OperatorAct::new(id(90), ActKind::Suspended, at(90))
        .asked(
            Some("arn:aws:iam::111111111111:user/carol"),
            Some("let us look"),
        )
        .on(&scope);
    table.put("EDITS", act.act.as_str(), &act);
    let version = json!({ "schema": 1, "version": 8, "text": "", "applied_at": at(100), "origin": "member_mode",
        "requester": "arn:aws:iam::111111111111:user/erin", "reason": "it is time", "summary": "emea mirrors" });
    table.put("CONFIG", "v#00000008", &version);
    table.put_listing("prod-gone", "Gone Database", "prodview-gone");
    table
}

fn events_of(aws: &FakeAws, home: &Home, more: &[&str]) -> Vec<Value> {
    let options = [&["history", "--json", "--since", "2026-01-01"], more].concat();
    let value = aws.run(home, &options).ended_with(0).json();
    value["events"].as_array().unwrap().clone()
}

#[test]
fn the_history_of_a_product_tells_what_became_of_it_and_by_whom_and_why() {
    let (home, aws) = (Home::new(), FakeAws::with_table(explained()));
    // A part of its name is enough.
    let mut events = events_of(&aws, &home, &["--product", "gone data", "--limit", "200"]);
    events.retain(|event| {
        let run = &event["run"];
        run.is_null() || *run == json!(run_of(6)) || *run == json!(run_of(7))
    });
    let short = |event: &Value| {
        let by = event["by"].as_str().unwrap_or_default();
        let by = by.rsplit('/').next().unwrap_or_default();
        let event = event["event"].as_str().unwrap_or_default();
        format!("{event} by {by}")
    };
    let mut all: Vec<_> = events.iter().map(short).collect();
    all.sort();
    assert_eq!(
        all,
        [
            "approved by alice",
            "change-set by alice",
            "held by dora",
            "list-edited by dora",
            "planned by alice",
            "planned by dora",
        ]
    );
    let of = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    assert_eq!(of("held")["why"], "the contract has ended");
    assert_eq!(of("held")["change_set"], "cs-management");
    assert_eq!(of("change-set")["change_set"], "cs-1");
    let denied = json!({ "product": "prod-gone", "action": "deny" });
    assert!(
        of("list-edited")["products"]
            .as_array()
            .unwrap()
            .contains(&denied)
    );

    let table = aws.run(
        &home,
        &["history", "--product", "prod-gone", "--since", "2026-01-01"],
    );
    let table = table.ended_with(0);
    for part in ["Gone Database", "list-edited", "the contract has ended"] {
        assert!(table.stdout.contains(part), "{part}: {table:?}");
    }
}

fn run_of(number: i64) -> String {
    run(number).to_string()
}

#[test]
fn the_history_is_narrowed_to_who_a_member_and_a_time() {
    let (home, aws) = (Home::new(), FakeAws::with_table(explained()));
    let of_carol = events_of(&aws, &home, &["--by", "CAROL"]);
    assert_eq!(of_carol.len(), 1, "{of_carol:?}");
    assert_eq!(of_carol[0]["event"], "links-suspended");
    assert_eq!(of_carol[0]["why"], "let us look");
    assert_eq!(of_carol[0]["detail"], "emea");
    assert!(!events_of(&aws, &home, &["--member", "emea", "--by", "carol"]).is_empty());
    assert!(events_of(&aws, &home, &["--member", "apac", "--by", "carol"]).is_empty());
    let late = ["history", "--json", "--since", "2026-01-01T12:01:20Z"];
    let late = aws.run(&home, &late).ended_with(0).json();
    let late: Vec<_> = late["events"].as_array().unwrap().iter().collect();
    assert_eq!(late.len(), 2, "{late:?}");
    assert_eq!(late[0]["why"], "it is time");
    assert_eq!(late[0]["detail"], "version 8 by member_mode: emea mirrors");
    let two = ["history", "--since", "2026-01-01", "--limit", "2"];
    let two = aws.run(&home, &two).ended_with(0);
    assert!(two.stderr.contains("the newest 2 of"), "{two:?}");
    for wrong in ["soon", "2099-01-01"] {
        aws.run(&home, &["history", "--since", wrong]).ended_with(5);
    }
}

#[test]
fn what_operators_did_between_runs_is_among_the_runs_and_in_the_export() {
    let (home, aws) = (Home::new(), FakeAws::with_table(explained()));
    let table = aws.run(&home, &["history"]).ended_with(0);
    for part in ["links-suspended", "let us look", "list-edited"] {
        assert!(table.stdout.contains(part), "{part}: {table:?}");
    }
    let events = export(&aws, &home, &[]);
    let of = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    assert_eq!(
        of("list-edited")["edit"]["reason"],
        "the contract has ended"
    );
    assert_eq!(of("acted")["act"]["kind"], "suspended");
    assert_eq!(of("acted")["run"], Value::Null);
    // One row for each product, and a header.
    let csv = aws.run(&home, &["history", "--export=csv"]).ended_with(0);
    let lines: Vec<_> = csv.stdout.lines().collect();
    assert!(lines[0].starts_with("at,event,run,member,"), "{}", lines[0]);
    let columns = |line: &str| line.split(',').count();
    assert!(
        lines.iter().any(|line| line.contains(",list-edited,")
            && line.contains("the contract has ended,deny,prod-gone,Gone Database")),
        "{csv:?}"
    );
    assert!(lines.iter().all(|line| columns(line) >= 13), "{csv:?}");
    let of_carol = ["history", "--export=csv", "--by", "carol"];
    let of_carol = aws.run(&home, &of_carol).ended_with(0);
    assert_eq!(of_carol.stdout.lines().count(), 2, "{of_carol:?}");
}
