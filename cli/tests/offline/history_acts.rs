//! What operators do apart from runs is recorded, and `pmp-sync history` finds it among the rest.

use pmp_sync_domain::records::{ActKind, OperatorAct};
use pmp_sync_domain::wire::Scope;
use serde_json::json;

use crate::history::export;
use crate::history_of::{at, events_of, explained, id, user, who};
use crate::ledger::{NOON, Table};
use crate::setup::{FakeAws, Home, PRINCIPAL};

#[test]
fn suspend_and_resume_are_recorded_with_who_did_it_and_why() {
    let mut table = Table::linked();
    let suspensions = json!({ "schema": 1, "rev": 1, "members": { "emea": { "since": NOON } } });
    table.put("CONFIG", "suspensions", &suspensions);
    for (arguments, kind, why, scope) in [
        (
            ["suspend", "--member", "apac", "--reason", "an audit"].as_slice(),
            "suspended",
            Some("an audit"),
            json!({ "M": { "members": { "L": [{ "S": "apac" }] } } }),
        ),
        (&["suspend"], "suspended", None, json!({ "M": {} })),
        (
            &["resume", "--member", "emea", "--reason", "it is over"],
            "resumed",
            Some("it is over"),
            json!({ "M": { "members": { "L": [{ "S": "emea" }] } } }),
        ),
    ] {
        let (home, aws) = (Home::new(), FakeAws::with_table(table.clone()));
        aws.run(&home, arguments).ended_with(0);
        let items = aws.items();
        let acts: Vec<_> = items
            .iter()
            .filter(|item| item["pk"]["S"] == "EDITS")
            .collect();
        assert_eq!(acts.len(), 1, "{arguments:?}: {items:?}");
        assert_eq!(acts[0]["kind"]["S"], kind);
        assert_eq!(acts[0]["by"]["S"], PRINCIPAL);
        assert_eq!(acts[0]["reason"]["S"].as_str(), why);
        assert_eq!(acts[0]["scope"], scope);
        assert!(acts[0]["expires_at"]["N"].is_string(), "{acts:?}");
    }
}

#[test]
fn many_acts_hide_no_edit_and_what_is_left_out_is_told() {
    let mut table = explained();
    for second in 200..330 {
        let act = OperatorAct::new(id(second), ActKind::Resumed, at(second));
        table.put("EDITS", act.act.as_str(), &act);
    }
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let last = ["history", "--edits", "last"];
    let last = aws.run(&home, &last).ended_with(0);
    assert!(last.stdout.contains("the contract has ended"), "{last:?}");
    let value = aws.run(&home, &["history", "--edits", "--json"]);
    let value = value.ended_with(0).json();
    assert_eq!(value["edits"].as_array().unwrap().len(), 1, "{value}");
    // They are read page by page.
    let late = ["--since", "2026-01-01T12:03:15Z"];
    assert_eq!(events_of(&aws, &home, &late).len(), 130);
    assert_eq!(export(&aws, &home, &late).len(), 130);
    for form in [
        &["history", "--limit", "5"][..],
        &["history", "--limit", "5", "--json"],
    ] {
        let few = aws.run(&home, form).ended_with(0);
        assert!(few.stderr.contains("only the newest 5 each"), "{few:?}");
    }
    let rows = aws.run(&home, &["history", "--limit", "5"]).ended_with(0);
    // Five runs, five acts; the edit, the version and the answer came before these runs, or are few.
    assert!(rows.stdout.lines().count() <= 1 + 4 * 5, "{rows:?}");
    let all = aws.run(&home, &["history", "--limit", "200"]).ended_with(0);
    assert!(!all.stderr.contains("only the newest"), "{all:?}");
}

#[test]
fn answers_to_requests_are_bounded_as_everything_else() {
    let mut table = Table::linked();
    for number in 0..30 {
        let answer = json!({ "schema": 1, "account": "222222222222", "request": format!("pr-{number}"), "product": "prod-gone",
            "answered": "declined", "denied": false, "reason": "no", "by": user("grace"), "at": at(number) });
        table.put(
            "REQUEST_ANSWERS",
            &format!("222222222222#pr-{number}"),
            &answer,
        );
    }
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let few = aws.run(&home, &["history", "--limit", "5"]).ended_with(0);
    assert_eq!(few.stdout.lines().count(), 6, "{few:?}");
    assert!(
        few.stdout.contains("pr-29") && few.stderr.contains("only the newest 5 each"),
        "{few:?}"
    );
}

/// What is done to a member account is told of that member, and of no other.
#[test]
fn a_member_that_was_deployed_bootstrapped_or_removed_is_told_with_who_did_it() {
    let mut table = Table::linked();
    // What was removed has a lane still.
    table.put_lane(&"888888888888/exp-gone".parse().unwrap(), "gone");
    let account = |digit: char| digit.to_string().repeat(12).parse().unwrap();
    let experience = Scope {
        experiences: vec!["exp-new".parse().unwrap()],
        ..Scope::default()
    };
    let gone = Scope {
        members: vec!["gone".parse().unwrap()],
        ..Scope::default()
    };
    for (second, kind, of, scope) in [
        (1, ActKind::Deployed, '2', Scope::default()),
        (2, ActKind::Deployed, '9', Scope::default()),
        (3, ActKind::Bootstrapped, '9', experience),
        (4, ActKind::Removed, '8', gone),
    ] {
        let act = OperatorAct::new(id(second), kind, at(second)).of_account(&account(of));
        let act = act.asked(Some(&user("carol")), Some("the group grows"));
        let act = act.on(&scope);
        table.put("EDITS", act.act.as_str(), &act);
    }
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    for (narrowing, expected) in [
        (
            ["--by", "carol"],
            [
                "member-bootstrapped by carol",
                "member-deployed by carol",
                "member-deployed by carol",
                "member-removed by carol",
            ]
            .as_slice(),
        ),
        (["--member", "emea"], &["member-deployed by carol"]),
        (["--member", "apac"], &[]),
        (["--member", "gone"], &["member-removed by carol"]),
    ] {
        let options = [narrowing[0], narrowing[1], "--since", "2026-01-01"];
        let events = events_of(&aws, &home, &options);
        assert_eq!(who(&events), expected, "{narrowing:?}");
        for event in events {
            assert_eq!(event["why"], "the group grows");
        }
    }
}
