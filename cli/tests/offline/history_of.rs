//! `pmp-sync history` of a product, a member, a time or a person, and its export: who did what, and why.

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ids::EditId;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::records::{ActKind, EditStatus, LinkRecord, ListEdit, OperatorAct};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::Scope;
use serde_json::{Value, json};

use crate::history::{export, told};
use crate::ledger::{NOON, Table, approval, ended, lane, link, run, set};
use crate::setup::{FakeAws, Home, fixture};

const SINCE: [&str; 2] = ["--since", "2026-01-01"];

pub(crate) fn at(second: i64) -> pmp_sync_domain::Timestamp {
    later(NOON.parse().unwrap(), second)
}

pub(crate) fn id(second: i64) -> EditId {
    EditId::generate(at(second).as_millisecond(), 7)
}

pub(crate) fn user(name: &str) -> String {
    format!("arn:aws:iam::111111111111:user/{name}")
}

/// After what `told` has: dora denied prod-gone in the management list; run 6 was triggered by that and held its plan, and alice
/// approved it as run 7. Kim changed the management list by hand, which triggered run 8. Carol suspended emea, gina resumed
/// everything, frank added a member, and grace declined a request of emea.
pub(crate) fn explained() -> Table {
    let mut table = told();
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
    for (number, change_set, status, link_status) in [
        (6, "cs-management", RunStatus::Held, LinkStatus::Held),
        (8, "cs-byhand", RunStatus::Completed, LinkStatus::Committed),
    ] {
        let mut triggered = ended(number, "management-change-set", Some(change_set), status);
        triggered.requests[0].requester = None;
        triggered.totals.links = 1;
        table.put_run(&triggered);
        table.put_link(&link(number, link_status));
    }
    let kind = ApprovalAction::Approve.kind();
    table.put_run(&ended(7, kind, None, RunStatus::Completed));
    table.put_link(&LinkRecord {
        approval: Some(approval(ApprovalAction::Approve, 6, None)),
        ..link(7, LinkStatus::Committed)
    });
    table.put_set(&lane(), &set(1, 7));
    let emea = Scope {
        members: vec!["emea".parse().unwrap()],
        ..Scope::default()
    };
    for (second, kind, by, why, scope) in [
        (90, ActKind::Suspended, "carol", "let us look", emea),
        (
            120,
            ActKind::Resumed,
            "gina",
            "all is well",
            Scope::default(),
        ),
    ] {
        let act = OperatorAct::new(id(second), kind, at(second));
        let act = act.asked(Some(&user(by)), Some(why)).on(&scope);
        table.put("EDITS", act.act.as_str(), &act);
    }
    let text = std::fs::read_to_string(fixture()).unwrap();
    let version = json!({ "schema": 1, "version": 8, "text": text, "applied_at": at(150), "origin": "member_add",
        "requester": user("frank"), "reason": "latam joins", "summary": "adds the member latam" });
    table.put("CONFIG", "v#00000008", &version);
    let answer = json!({ "schema": 1, "account": "222222222222", "request": "pr-1", "product": "prod-gone",
        "answered": "declined", "denied": true, "reason": "we have another one", "by": user("grace"), "at": at(180) });
    table.put("REQUEST_ANSWERS", "222222222222#pr-1", &answer);
    table.put_listing("prod-gone", "Gone Database", "prodview-gone");
    table
}

/// What CloudTrail has of the change set by hand.
fn trail() -> Value {
    json!({
        "eventTime": "2026-01-01T11:59:00Z",
        "userIdentity": { "arn": "arn:aws:sts::111111111111:assumed-role/Console/kim" },
        "requestParameters": {
            "changeSetName": "by hand",
            "changeSet": [{ "entity": { "identifier": "exp-4s8kd0qmw1x2y@3" }, "details": "{}" }],
        },
        "responseElements": { "changeSetId": "cs-byhand" },
    })
}

fn explained_aws() -> (Home, FakeAws) {
    let aws = FakeAws::with_table(explained());
    (Home::new(), aws.with_trail(Some(&[trail()])))
}

pub(crate) fn events_of(aws: &FakeAws, home: &Home, more: &[&str]) -> Vec<Value> {
    let options = [&["history", "--json", "--limit", "200"], more].concat();
    let value = aws.run(home, &options).ended_with(0).json();
    value["events"].as_array().unwrap().clone()
}

/// Each event with the last part of the name of who did it, in the order of the alphabet.
pub(crate) fn who(events: &[Value]) -> Vec<String> {
    let short = |event: &Value| {
        let by = event["by"].as_str().unwrap_or("nobody");
        let by = by.rsplit('/').next().unwrap_or_default();
        format!("{} by {by}", event["event"].as_str().unwrap())
    };
    let mut all: Vec<_> = events.iter().map(short).collect();
    all.sort();
    all
}

fn only<'a>(events: &'a [Value], name: &str) -> &'a Value {
    events.iter().find(|event| event["event"] == name).unwrap()
}

#[test]
fn the_history_of_a_product_tells_what_became_of_it_and_by_whom_and_why() {
    let (home, aws) = explained_aws();
    // A part of its name is enough.
    let mut events = events_of(&aws, &home, &["--product", "gone data", SINCE[0], SINCE[1]]);
    events.retain(|event| {
        let run_of = |number| event["run"] == json!(run(number));
        event["run"].is_null() || run_of(6) || run_of(7)
    });
    assert_eq!(
        who(&events),
        [
            "approved by alice",
            "change-set by alice",
            "held by dora",
            "list-edited by dora",
            "planned by alice",
            "planned by dora",
            "request-declined by grace",
        ]
    );
    let held = only(&events, "held");
    assert_eq!(held["why"], "the contract has ended");
    assert_eq!(held["change_set"], "cs-management");
    assert_eq!(only(&events, "change-set")["change_set"], "cs-1");
    let declined = only(&events, "request-declined");
    assert_eq!(declined["why"], "we have another one");
    assert_eq!(declined["member"], "emea");
    let denied = json!({ "product": "prod-gone", "action": "deny" });
    let edit = only(&events, "list-edited");
    assert_eq!(edit["products"], json!([denied]));

    let table = ["history", "--product", "prod-gone", SINCE[0], SINCE[1]];
    let table = aws.run(&home, &table).ended_with(0);
    for part in [
        "Gone Database",
        "list edited",
        "the contract has ended",
        "Catalog/dora",
    ] {
        assert!(table.stdout.contains(part), "{part}: {table:?}");
    }
}

#[test]
fn each_filter_narrows_the_history_alone_and_with_the_others() {
    let (home, aws) = explained_aws();
    let late = ["--since", "2026-01-01T12:01:20Z"];
    let apart = [
        "config-stored by frank",
        "links-resumed by gina",
        "links-suspended by carol",
        "request-declined by grace",
    ];
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--by", "CAROL", SINCE[0], SINCE[1]], &[apart[2]]),
        (&["--by", "frank", SINCE[0], SINCE[1]], &[apart[0]]),
        (&["--by", "user/gr", SINCE[0], SINCE[1]], &[apart[3]]),
        (&["--by", "nobody", SINCE[0], SINCE[1]], &[]),
        (
            &["--by", "kim", SINCE[0], SINCE[1]],
            &[
                "committed by kim",
                "ended by kim",
                "planned by kim",
                "requested by kim",
            ],
        ),
        (&late, &apart),
        (&["--by", "carol", late[0], late[1]], &[apart[2]]),
        (&["--product", "prod-gone", late[0], late[1]], &[apart[3]]),
        (&["--product", "prod-lost", late[0], late[1]], &[]),
        (&["--member", "emea", late[0], late[1]], &apart),
        (
            &["--member", "apac", SINCE[0], SINCE[1]],
            &[apart[0], apart[1], "list-edited by dora"],
        ),
        (
            &["--member", "apac", "--by", "carol", SINCE[0], SINCE[1]],
            &[],
        ),
        (
            &[
                "--product",
                "prod-gone",
                "--member",
                "emea",
                "--by",
                "dora",
                SINCE[0],
                SINCE[1],
            ],
            &["held by dora", "list-edited by dora", "planned by dora"],
        ),
    ];
    for (filter, expected) in cases {
        let events = events_of(&aws, &home, filter);
        assert_eq!(who(&events), expected, "{filter:?}");
        // The export has the same events.
        let mut times: Vec<_> = events
            .iter()
            .map(|event| (&event["at"], &event["run"]))
            .collect();
        times.sort_by_key(|(at, run)| (at.to_string(), run.to_string()));
        let exported = export(&aws, &home, filter);
        let mut same: Vec<_> = exported
            .iter()
            .map(|event| (&event["at"], &event["run"]))
            .collect();
        same.sort_by_key(|(at, run)| (at.to_string(), run.to_string()));
        assert_eq!(times, same, "{filter:?}");
        let csv = [&["history", "--export=csv"], filter].concat();
        let csv = aws.run(&home, &csv).ended_with(0).stdout;
        let names = csv.lines().skip(1).map(|line| cells(line)[1].clone());
        let names: std::collections::BTreeSet<_> = names.collect();
        let wanted = expected
            .iter()
            .map(|words| words.split(' ').next().unwrap().to_owned());
        assert_eq!(names, wanted.collect(), "{filter:?}");
    }
    for wrong in ["soon", "2099-01-01"] {
        aws.run(&home, &["history", "--since", wrong]).ended_with(5);
    }
    // A member that was removed from the configuration has a history still.
    let mut table = explained();
    table.put_lane(&"444444444444/exp-gone".parse().unwrap(), "gone");
    let with_lane = FakeAws::with_table(table);
    let removed = events_of(&with_lane, &home, &["--member", "gone", SINCE[0], SINCE[1]]);
    assert_eq!(removed.len(), 3, "{removed:?}");
    let unknown = ["history", "--member", "emae"];
    let unknown = aws.run(&home, &unknown).ended_with(5);
    assert!(unknown.stderr.contains("emea"), "{unknown:?}");
}

#[test]
fn a_rejection_is_told_with_the_products_of_the_plan_that_it_is_about() {
    let (home, aws) = explained_aws();
    let of_lost = ["--product", "prod-lost", "--by", "alice"];
    // Run 1 held the plan. It is read also if it is older than what is asked for.
    let events = events_of(&aws, &home, &[&of_lost[..], &SINCE].concat());
    assert!(
        who(&events).contains(&"rejected by alice".to_owned()),
        "{events:?}"
    );
    let exported = export(&aws, &home, &of_lost);
    only(&exported, "rejected");
}

#[test]
fn the_author_of_a_change_set_by_hand_comes_from_cloud_trail() {
    let (home, aws) = explained_aws();
    let exported = export(&aws, &home, &["--by", "console/kim"]);
    assert_eq!(
        only(&exported, "requested")["author"],
        "arn:aws:sts::111111111111:assumed-role/Console/kim"
    );
    let number = run(8).to_string();
    let one = aws.run(&home, &["history", &number]).ended_with(0);
    assert!(
        one.stdout.contains(
            "management-change-set cs-byhand, by arn:aws:sts::111111111111:assumed-role/Console/kim"
        ),
        "{one:?}"
    );
    let exported = export(&aws, &home, &[&number]);
    assert!(
        only(&exported, "requested")["author"].is_string(),
        "{exported:?}"
    );

    // Without the permission the rest is told, and what is missing.
    let aws = FakeAws::with_table(explained()).with_trail(None);
    let answer = ["history", "--export", "--since", "2026-01-01"];
    let answer = aws.run(&home, &answer).ended_with(0);
    assert!(
        answer.stderr.contains("cloudtrail:LookupEvents"),
        "{answer:?}"
    );
    assert!(answer.stdout.contains("cs-byhand"), "{answer:?}");
    let number = aws.run(&home, &["history", &number]).ended_with(0);
    assert!(
        number.stderr.contains("cloudtrail:LookupEvents"),
        "{number:?}"
    );
}

#[test]
fn what_operators_did_between_runs_is_among_the_runs_and_in_the_export() {
    let (home, aws) = explained_aws();
    let table = aws.run(&home, &["history"]).ended_with(0);
    for part in [
        "links suspended: emea",
        "let us look",
        "links resumed: everything",
        "list edited: product deny",
        "config stored: version 8",
        "latam joins",
        "request declined",
    ] {
        assert!(table.stdout.contains(part), "{part}: {table:?}");
    }
    let value = aws.run(&home, &["history", "--json"]).ended_with(0).json();
    assert_eq!(value["acts"][1]["reason"], "let us look");
    assert_eq!(value["versions"][0]["summary"], "adds the member latam");
    assert_eq!(value["answers"][0]["request"], "pr-1");
    let events = export(&aws, &home, &[]);
    assert!(
        events.iter().all(|event| event["schema"] == 1),
        "{events:?}"
    );
    assert_eq!(
        only(&events, "list-edited")["edit"]["reason"],
        "the contract has ended"
    );
    let act = only(&events, "acted");
    assert_eq!(
        (&act["act"]["kind"], &act["run"]),
        (&json!("suspended"), &Value::Null)
    );
    assert_eq!(only(&events, "config-stored")["config"]["version"], 8);
    let answer = only(&events, "request-answered");
    assert_eq!(
        (&answer["answer"]["answered"], &answer["member"]),
        (&json!("declined"), &json!("emea"))
    );
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, is_quoted) {
            ('"', true) if chars.next_if_eq(&'"').is_some() => cell.push('"'),
            ('"', _) => is_quoted = !is_quoted,
            (',', false) => cells.push(std::mem::take(&mut cell)),
            (char, _) => cell.push(char),
        }
    }
    cells.push(cell);
    cells
}

#[test]
fn the_csv_has_a_row_for_each_product_and_nothing_that_a_spreadsheet_calculates() {
    let mut table = explained();
    table.put_listing("prod-lost", "=HYPERLINK(\"http://x\", 1)", "prodview-lost");
    let act = OperatorAct::new(id(95), ActKind::Suspended, at(95));
    let act = act.asked(Some("-1+1"), Some("@SUM(A1), they said"));
    table.put("EDITS", act.act.as_str(), &act);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let csv = aws.run(&home, &["history", "--export=csv"]).ended_with(0);
    let rows: Vec<_> = csv.stdout.lines().map(cells).collect();
    assert_eq!(
        rows[0].join(","),
        "at,event,run,member,account,experience,by,why,action,product,product_name,change_set,detail"
    );
    for row in &rows {
        assert_eq!(row.len(), 13, "{row:?}");
        let is_text = |cell: &String| !cell.starts_with(['=', '+', '-', '@']);
        assert!(row.iter().all(is_text), "{row:?}");
    }
    let has = |parts: &[&str]| {
        let is_it =
            |row: &&Vec<String>| parts.iter().all(|part| row.iter().any(|cell| cell == part));
        assert!(rows.iter().any(|row| is_it(&row)), "{parts:?}: {rows:?}");
    };
    has(&[
        "links-suspended",
        "'-1+1",
        "'@SUM(A1), they said",
        "everything",
    ]);
    has(&[
        "held",
        "deny",
        "prod-lost",
        "'=HYPERLINK(\"http://x\", 1)",
        "emea",
        "222222222222",
    ]);
    has(&[
        "list-edited",
        "the contract has ended",
        "deny",
        "prod-gone",
        "Gone Database",
    ]);
    has(&[
        "change-set",
        "deny",
        "prod-gone",
        "cs-1",
        "succeeded",
        &run(7).to_string(),
    ]);
}

#[test]
fn a_long_history_is_bounded_and_says_what_it_leaves_out() {
    let (home, aws) = explained_aws();
    let two = ["history", "--limit", "2", SINCE[0], SINCE[1]];
    let two = aws.run(&home, &two).ended_with(0);
    assert!(two.stderr.contains("the newest 2 of"), "{two:?}");
    assert_eq!(two.stdout.lines().count(), 3, "{two:?}");

    let mut table = explained();
    for seq in 2..1_003 {
        table.put_set(&lane(), &set(seq, 7));
    }
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let answer = ["history", "--json", "--member", "emea", SINCE[0], SINCE[1]];
    let value = aws.run(&home, &answer).ended_with(0).json();
    let told = value["cut_off"].to_string();
    for part in ["only the newest 1000 change sets of", "the newest 20 of"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(value["events"].as_array().unwrap().len(), 20);
}

#[test]
fn what_cannot_be_read_is_told_and_hides_nothing_else() {
    let mut table = explained();
    let strange = json!({ "schema": 1, "strange": true });
    let of_run = format!("RUN#{}", run(6));
    let of_lane = format!("LANE#{}#{}", lane().account, lane().experience);
    let last = run(9).to_string();
    let strange_act = json!({ "schema": 1, "act": id(61) });
    let link = "LINK#222222222222#exp-strange";
    let keys = [
        ("RUN", last.as_str()),
        (&of_run, link),
        (&of_lane, "SET#000000000007"),
        ("REQUEST_ANSWERS", "222222222222#pr-2"),
        ("CONFIG", "v#00000009"),
        ("EDITS", id(59).as_str()),
    ]
    .map(|(pk, sk)| (pk.to_owned(), sk.to_owned()));
    for (pk, sk) in &keys {
        table.put(pk, sk, &strange);
    }
    table.put("EDITS", id(61).as_str(), &strange_act);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let aws = aws.with_trail(Some(&[trail()]));
    let well = explained_aws().1;
    for options in [
        ["history", "--json", "--limit", "200", SINCE[0], SINCE[1]].as_slice(),
        &["history", "--export", SINCE[0], SINCE[1]],
        &["history", "--export=csv", SINCE[0], SINCE[1]],
    ] {
        let answer = aws.run(&home, options).ended_with(0);
        assert_eq!(answer.stdout, well.run(&home, options).ended_with(0).stdout);
        for (_, sk) in &keys {
            let name = sk.rsplit('#').next().unwrap();
            assert!(answer.stderr.contains(name), "{options:?} {sk}: {answer:?}");
        }
        assert!(answer.stderr.contains(id(61).as_str()), "{answer:?}");
    }
}

#[test]
fn what_a_run_did_after_a_time_is_told_although_it_began_before() {
    let (home, aws) = (
        Home::new(),
        FakeAws::with_table({
            let mut table = Table::linked();
            // Its id is of 13:00, its change set ended at 14:30.
            table.put_run(&ended(1, "schedule", None, RunStatus::Completed));
            table.put_link(&link(1, LinkStatus::Committed));
            let mut late = set(1, 1);
            late.ended_at = "2026-01-01T14:30:00Z".parse().unwrap();
            table.put_set(&lane(), &late);
            table
        }),
    );
    let since = ["--since", "2026-01-01T14:00:00Z"];
    assert_eq!(
        who(&events_of(&aws, &home, &since)),
        ["change-set by alice"]
    );
    assert_eq!(export(&aws, &home, &since).len(), 1);
}
