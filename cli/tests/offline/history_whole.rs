//! `pmp-sync history` of months: what every run repeats, what is left out, and a mass removal from its begin to its reversal.

use std::collections::BTreeSet;

use pmp_sync_domain::approval::{ApprovalAction, Hold};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::records::{
    ActKind, EditStatus, HeldPart, LinkRecord, ListEdit, OperatorAct, RunRecord,
};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::wire::Scope;
use serde_json::{Value, json};

use crate::history::{edited, export};
use crate::history_of::{at, events_of, explained, id, user, who};
use crate::ledger::{
    EXPERIENCE, OTHER, Table, approval, ended, hold, link, plan, products, run, set,
};
use crate::setup::{FakeAws, Home};
use crate::tables::{MEMBERS, configuration};

const SINCE: [&str; 2] = ["--since", "2026-01-01"];

/// A run of the schedule over one link.
fn hourly(number: i64, status: RunStatus) -> RunRecord {
    let mut record = ended(number, "schedule", None, status);
    record.requests[0].requester = None;
    record.totals.links = 1;
    record
}

/// The numbers of the runs of these events.
fn runs_of(events: &[Value], numbers: std::ops::Range<i64>) -> Vec<i64> {
    let numbers: Vec<_> = numbers.map(|number| (run(number), number)).collect();
    let of = |event: &Value| {
        let found = numbers.iter().find(|(run, _)| event["run"] == json!(run));
        found.unwrap().1
    };
    let found: BTreeSet<_> = events.iter().map(of).collect();
    found.into_iter().collect()
}

#[test]
fn what_every_run_repeats_is_told_once_until_something_changes() {
    let mut table = Table::linked();
    let mut add = |number: i64, status: RunStatus, record: Option<LinkRecord>| {
        table.put_run(&hourly(number, status));
        if let Some(record) = record {
            table.put_link(&record);
        }
    };
    // A plan is held for a day, is not wanted for an hour, and is held again.
    for number in 1..25 {
        add(
            number,
            RunStatus::Held,
            Some(link(number, LinkStatus::Held)),
        );
    }
    add(25, RunStatus::Completed, None);
    for number in 26..30 {
        add(
            number,
            RunStatus::Held,
            Some(link(number, LinkStatus::Held)),
        );
    }
    // Then the link fails, each time in other words, and once for another reason.
    for (number, code) in [(30, "PMS-5001"), (31, "PMS-5001"), (32, "PMS-5002")] {
        let fault = FaultRecord {
            code: code.to_owned(),
            message: format!("request {number} was not answered"),
            remedy: "try again".to_owned(),
            hint: None,
        };
        let failed = LinkRecord {
            fault: Some(fault),
            plan_hash: None,
            ..link(number, LinkStatus::Failed)
        };
        add(number, RunStatus::Failed, Some(failed));
    }
    // Somebody edits one product, and later a second one; the link only observes.
    for (number, edited) in [
        (33, vec!["prod-a"]),
        (34, vec!["prod-a"]),
        (35, vec!["prod-a", "prod-b"]),
    ] {
        let observed = LinkRecord {
            edited: products(&edited),
            plan_hash: None,
            ..link(number, LinkStatus::InSync)
        };
        add(number, RunStatus::Completed, Some(observed));
    }
    // Nothing happens for a while.
    for number in 36..40 {
        add(number, RunStatus::Completed, None);
    }
    // A change set of the management organization that changed nothing here.
    let mut triggered = ended(
        40,
        "management-change-set",
        Some("cs-1"),
        RunStatus::Completed,
    );
    triggered.requests[0].requester = None;
    table.put_run(&triggered);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let events = events_of(&aws, &home, &SINCE);
    let of = |name: &str| {
        let events = events.iter().filter(|event| event["event"] == name);
        let events: Vec<_> = events.cloned().collect();
        runs_of(&events, 1..41)
    };
    assert_eq!(of("held"), [1, 26]);
    assert_eq!(of("planned"), [1, 26]);
    assert_eq!(of("failed"), [30, 32]);
    assert_eq!(of("edited-outside"), [33, 35]);
    // A run is told with what it did.
    assert_eq!(of("requested"), [1, 26, 30, 32, 33, 35, 40]);
    assert_eq!(of("ended"), of("requested"));
    let second = events
        .iter()
        .find(|event| event["event"] == "edited-outside");
    assert_eq!(
        second.unwrap()["products"],
        json!([{ "product": "prod-b", "action": null }])
    );
    // The export has everything.
    let exported = export(&aws, &home, &SINCE);
    let held = exported.iter().filter(|event| event["event"] == "held");
    assert_eq!(held.count(), 28);
    assert_eq!(runs_of(&exported, 1..41).len(), 40);
    // What somebody has asked for is told although it did nothing new.
    let mut table = Table::linked();
    table.put_run(&hourly(1, RunStatus::Held));
    table.put_link(&link(1, LinkStatus::Held));
    table.put_run(&ended(2, "sync-requested", Some("r-2"), RunStatus::Held));
    table.put_link(&link(2, LinkStatus::Held));
    let aws = FakeAws::with_table(table);
    let events = events_of(&aws, &home, &SINCE);
    assert_eq!(runs_of(&events, 1..3), [1, 2]);
    let held = who(&events_of(
        &aws,
        &home,
        &[&["--by", "alice"][..], &SINCE].concat(),
    ));
    assert_eq!(
        held,
        [
            "ended by alice",
            "held by alice",
            "planned by alice",
            "requested by alice"
        ]
    );
}

#[test]
fn an_edit_is_told_as_it_stands_now_with_what_was_applied_and_rejected() {
    let (home, aws) = (Home::new(), FakeAws::with_table(edited()));
    let of_product = [&["--product", "prod-a"][..], &SINCE].concat();
    let options = [&["history", "--json"], &of_product[..]].concat();
    let value = aws.run(&home, &options).ended_with(0).json();
    let mut told: Vec<_> = value["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (
                event["detail"].as_str().unwrap(),
                &event["products"][0]["action"],
            )
        })
        .collect();
    told.sort_by_key(|(detail, _)| *detail);
    let (allow, none) = (json!("allow"), Value::Null);
    assert_eq!(
        told,
        [
            (
                "product import in exp-4s8kd0qmw1x2y: done, 1 rejected by AWS Marketplace",
                &none
            ),
            (
                "product import in exp-4s8kd0qmw1x2y: interrupted, 60 of 300 applied",
                &allow
            ),
            ("requests approve in exp-4s8kd0qmw1x2y: done", &allow),
        ]
    );
    let left_out = "names 1,000 products of each kind";
    assert!(value["cut_off"].to_string().contains(left_out), "{value}");
    let exported = [&["history", "--export"], &of_product[..]].concat();
    let exported = aws.run(&home, &exported).ended_with(0);
    assert!(exported.stderr.contains(left_out), "{exported:?}");
    assert!(
        exported.stdout.contains(r#""status":"interrupted""#),
        "{exported:?}"
    );
    // Another product may be one that the edit of 300 does not name, and without a product nothing is missing.
    let other = ["history", "--product", "prod-b", SINCE[0], SINCE[1]];
    let other = aws.run(&home, &other).ended_with(0);
    assert!(
        other.stdout.contains("nothing is on record") && other.stderr.contains(left_out),
        "{other:?}"
    );
    let all = aws
        .run(&home, &["history", SINCE[0], SINCE[1]])
        .ended_with(0);
    assert!(!all.stderr.contains(left_out), "{all:?}");
    // Numbers are those of the edit, and not of the products that it names.
    assert!(all.stdout.contains("300 allows"), "{all:?}");
    let runs = aws.run(&home, &["history"]).ended_with(0);
    assert!(runs.stdout.contains("  300  "), "{runs:?}");
}

#[test]
fn what_is_done_to_a_member_concerns_its_experiences_and_the_other_way_round() {
    let mut table = explained();
    let experience = Scope {
        experiences: vec![EXPERIENCE.parse().unwrap()],
        ..Scope::default()
    };
    let act = OperatorAct::new(id(100), ActKind::Suspended, at(100));
    let act = act.asked(Some(&user("hugo")), None).on(&experience);
    table.put("EDITS", act.act.as_str(), &act);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let carol = "links-suspended by carol";
    let grace = "request-declined by grace";
    let hugo = "links-suspended by hugo";
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--experience", EXPERIENCE, "--by", "carol"], &[carol]),
        (&["--experience", EXPERIENCE, "--by", "grace"], &[grace]),
        (&["--experience", EXPERIENCE, "--by", "hugo"], &[hugo]),
        (&["--experience", OTHER, "--by", "carol"], &[]),
        (&["--experience", OTHER, "--by", "grace"], &[]),
        (&["--experience", OTHER, "--by", "hugo"], &[]),
        (&["--member", "emea", "--by", "hugo"], &[hugo]),
        (&["--member", "apac", "--by", "hugo"], &[]),
        (
            &[
                "--member",
                "emea",
                "--experience",
                EXPERIENCE,
                "--by",
                "hugo",
            ],
            &[hugo],
        ),
    ];
    for (filter, expected) in cases {
        let filter = [filter, &SINCE].concat();
        assert_eq!(
            who(&events_of(&aws, &home, &filter)),
            expected,
            "{filter:?}"
        );
        let exported = export(&aws, &home, &filter);
        assert_eq!(exported.len(), expected.len(), "{filter:?}");
    }
}

#[test]
fn a_beginning_is_in_the_time_zone_in_which_times_are_shown() {
    let (home, aws) = (Home::new(), FakeAws::with_table(explained()));
    let told = |since: &str, more: &[&str]| {
        let local = [("PMP_SYNC_UTC", "false"), ("TZ", "EST5EDT")];
        let variables = [&aws.variables()[..], &local].concat();
        let options = [&["history", "--since", since], more].concat();
        let answer = home.run_with(&options, &variables).ended_with(0);
        answer.stdout.contains("links suspended") || answer.stdout.contains("links-suspended")
    };
    // The suspension was at 12:01:30 in UTC.
    assert!(told("2026-01-01T07:01:20", &[]));
    assert!(!told("2026-01-01T12:01:20", &[]));
    for more in ["--utc", "--json"] {
        assert!(told("2026-01-01T12:01:20", &[more]));
        assert!(!told("2026-01-01T12:01:40", &[more]));
    }
    assert!(told("2026-01-01T12:01:20Z", &[]));
}

/// Dora denied two products, which held the plans of 30 members; alice approved them, reverted that, and approved the reversal.
fn mass_removal() -> Table {
    let mut table = Table::with_config(&configuration());
    let deny = Plan::new([].into(), plan().deny().clone());
    let management = "exp-4s8kd0qmw1x2y".parse().unwrap();
    let mut edit = ListEdit::new(id(60), management, "deny", &deny, at(60)).asked(
        Some(&user("dora")),
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
    table.put_run(&triggered);
    let revert = ApprovalAction::Revert;
    let approve = ApprovalAction::Approve;
    table.put_run(&ended(7, approve.kind(), None, RunStatus::Completed));
    table.put_run(&ended(8, revert.kind(), None, RunStatus::Held));
    table.put_run(&ended(9, approve.kind(), None, RunStatus::Completed));
    let back = Plan::new(plan().deny().clone(), plan().allow().clone());
    let lists = |plan: &Plan| {
        let allow: Vec<_> = plan.allow().iter().cloned().collect();
        let deny: Vec<_> = plan.deny().iter().cloned().collect();
        (allow, deny)
    };
    for number in 0..MEMBERS {
        let lane = crate::tables::lane(number);
        table.put_lane(&lane, &crate::tables::member(number));
        let of = |record: LinkRecord| LinkRecord {
            member: crate::tables::member(number).parse().unwrap(),
            account: lane.account.clone(),
            lane: Some(lane.clone()),
            ..record
        };
        table.put_link(&of(link(6, LinkStatus::Held)));
        table.put_link(&of(LinkRecord {
            approval: Some(approval(approve, 6, None)),
            ..link(7, LinkStatus::Committed)
        }));
        table.put_set(&lane, &set(1, 7));
        let (allow, deny) = lists(&back);
        let reversal = |record: LinkRecord| match record.status {
            LinkStatus::Held => LinkRecord {
                held: HeldPart::from(&back),
                ..record
            },
            _ => LinkRecord {
                plan_hash: Some(back.hash()),
                allow: allow.clone(),
                deny: deny.clone(),
                ..record
            },
        };
        table.put_link(&of(reversal(LinkRecord {
            approval: Some(approval(revert, 7, None)),
            hold: Some(Hold {
                plan_hash: back.hash(),
                reasons: vec![HoldReason::Revert { run: run(7) }],
                ..hold(8)
            }),
            ..link(8, LinkStatus::Held)
        })));
        table.put_link(&of(reversal(LinkRecord {
            approval: Some(approval(approve, 8, None)),
            ..link(9, LinkStatus::Committed)
        })));
        let mut taken_back = set(2, 9);
        (taken_back.allow, taken_back.deny) = lists(&back);
        table.put_set(&lane, &taken_back);
    }
    table
}

#[test]
fn a_mass_removal_and_its_reversal_are_explained_with_who_and_why() {
    let (home, aws) = (Home::new(), FakeAws::with_table(mass_removal()));
    let of_one = [
        "--product",
        "prod-gone",
        "--member",
        "emea-finance-07",
        SINCE[0],
        SINCE[1],
    ];
    let events = events_of(&aws, &home, &of_one);
    assert_eq!(
        who(&events),
        [
            "approved by alice",
            "approved by alice",
            "change-set by alice",
            "change-set by alice",
            "held by alice",
            "held by dora",
            "list-edited by dora",
            "planned by alice",
            "planned by alice",
            "planned by alice",
            "planned by dora",
            "revert-planned by alice",
        ]
    );
    // What became of the product, in the order of its runs.
    let of = |number: i64, name: &str| {
        let is_it = |event: &&Value| event["run"] == json!(run(number)) && event["event"] == name;
        events.iter().find(is_it).unwrap()
    };
    let action = |event: &Value| {
        let products = event["products"].as_array().unwrap().iter();
        let products: Vec<_> = products.collect();
        assert_eq!(products.len(), 1, "{event}");
        assert_eq!(products[0]["product"], "prod-gone");
        products[0]["action"].clone()
    };
    assert_eq!(of(6, "held")["why"], "the contract has ended");
    assert_eq!(of(6, "held")["change_set"], "cs-management");
    for (number, name, wanted) in [
        (6, "held", "deny"),
        (7, "approved", "deny"),
        (7, "change-set", "deny"),
        (8, "revert-planned", "allow"),
        (8, "held", "allow"),
        (9, "approved", "allow"),
        (9, "change-set", "allow"),
    ] {
        assert_eq!(action(of(number, name)), wanted, "{number} {name}");
    }
    let detail = of(8, "revert-planned")["detail"].as_str().unwrap();
    assert!(detail.contains(&run(7).to_string()), "{detail}");

    // The same for all members, with what is not shown.
    let all = [
        "history",
        "--json",
        "--product",
        "prod-gone",
        "--limit",
        "200",
        SINCE[0],
        SINCE[1],
    ];
    let value = aws.run(&home, &all).ended_with(0).json();
    let told = 1 + MEMBERS * 11;
    let cut_off = format!("the newest 200 of {told} events");
    assert!(
        value["cut_off"].to_string().contains(&cut_off),
        "{}",
        value["cut_off"]
    );
    let exported = export(&aws, &home, &["--product", "prod-gone"]);
    assert_eq!(exported.len(), told);
    // A spreadsheet of one product has no other.
    let csv = ["history", "--export=csv", "--product", "prod-gone"];
    let csv = aws.run(&home, &csv).ended_with(0).stdout;
    assert_eq!(csv.lines().count(), 1 + told, "{csv}");
    let of_one = csv.lines().skip(1).all(|line| line.contains(",prod-gone,"));
    assert!(of_one && !csv.contains("prod-lost"), "{csv}");
    // Both products that were denied are in the rows of a spreadsheet, each with who and why.
    let csv = ["history", "--export=csv", "--by", "dora"];
    let csv = aws.run(&home, &csv).ended_with(0).stdout;
    let denied = csv
        .lines()
        .filter(|line| line.contains(",held,") && line.contains("the contract has ended,deny,"));
    assert_eq!(denied.count(), 2 * MEMBERS, "{csv}");
}
