//! `pmp-sync holds` and what `status` tells of holds and freezes.

use pmp_sync_domain::approval::{Ask, Hold, RejectedPart};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::records::{LinkRecord, LinkState, ListEdit, Mark};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::wire::Scope;
use serde_json::{Value, json};

use crate::ledger::{
    EXPERIENCE, NOON, OTHER, Table, command, ended, hold, lane, link, other_lane, plan, products,
    run,
};
use crate::setup::{FakeAws, Home};

/// A plan that is held on the first link, and a rollback on the same one.
fn held() -> Table {
    let mut table = Table::linked();
    let restore = Hold {
        reasons: vec![HoldReason::Restore { run: run(1) }],
        rejected: Some(RejectedPart {
            changes: 3,
            ask: Ask {
                by: Some("bob".to_owned()),
                account: Some("111111111111".to_owned()),
                at: NOON.parse().unwrap(),
                reason: None,
            },
        }),
        ..hold(4)
    };
    table.put_link_state(
        &lane(),
        &LinkState {
            schema: 1,
            rev: 3,
            hold: Some(hold(3)),
            restore: Some(restore),
            ..LinkState::default()
        },
    );
    table.put_link_state(
        &other_lane(),
        &LinkState {
            schema: 1,
            rev: 1,
            frozen_since: Some(NOON.parse().unwrap()),
            ..LinkState::default()
        },
    );
    table.put_link(&link(3, LinkStatus::Held));
    table
}

#[test]
fn holds_lists_what_is_held_why_and_the_command_that_releases_it() {
    let (home, aws) = (Home::new(), FakeAws::with_table(held()));
    let answer = aws.run(&home, &["holds"]).ended_with(3);
    let told = &answer.stdout;
    for part in [
        &format!("emea {EXPERIENCE}: held since {NOON}"),
        "1 allow, 2 denies (2 removals)",
        "PMS-7001",
        "would remove 12 of 40 allowed products within 24 hours",
        "what to do  re-allow products that were removed from the management experience by mistake",
        &command(&hold(3)),
        &format!("the rollback before run {} is held", run(1)),
        "PMS-7005",
        "rejected    by bob, account 111111111111",
        &command(&hold(4)),
        &format!("is frozen since {NOON}"),
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("prod-"), "{told}");
    assert_eq!(answer.stderr, "2 plans wait for approval\n");
}

#[test]
fn the_command_that_releases_names_the_stacks_and_the_member_where_it_has_to() {
    let mut table = held();
    let twin = format!("333333333333/{EXPERIENCE}").parse().unwrap();
    table.put_lane(&twin, "apac");
    table.put_link_state(&twin, &LinkState::default());
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let told = command(&hold(3));
    let told = told.strip_prefix("pmp-sync ").unwrap();
    for (name, begins) in [("pmp-sync", "pmp-sync"), ("other", "pmp-sync --name other")] {
        let release = format!("{begins} {told} --member emea");
        let answer = aws.run(&home, &["holds", "--name", name]).ended_with(3);
        let line = format!("to release  {release}\n");
        assert!(answer.stdout.contains(&line), "{answer:?}");
        let answer = aws.run(&home, &["holds", "--name", name, "--json"]);
        assert_eq!(answer.json()["holds"][0]["approve"], release);
        let status = aws.run(&home, &["status", "--name", name]).ended_with(0);
        assert!(status.stderr.contains(&line), "{status:?}");
    }
}

#[test]
fn holds_as_json_has_everything_that_the_text_has() {
    let (home, aws) = (Home::new(), FakeAws::with_table(held()));
    let answer = aws.run(&home, &["holds", "--json"]).ended_with(3);
    let value = answer.json();
    let holds = value["holds"].as_array().unwrap();
    assert_eq!(holds.len(), 2, "{value}");
    let expected = json!({
        "member": "emea",
        "account": "222222222222",
        "experience": EXPERIENCE,
        "management_experience": "exp-4s8kd0qmw1x2y",
        "run": run(3),
        "plan_hash": plan().hash(),
        "since": NOON,
        "allow": 1,
        "deny": 2,
        "removals": 2,
        "restores": null, "reverts": null,
        "reasons": [{
            "code": "PMS-7001",
            "guard": "removals",
            "message": hold(3).reasons[0].to_string(),
            "what_to_do": hold(3).reasons[0].remedy(),
            "details": { "guard": "removals", "count": 12, "of": 40, "limit": 10, "percent": 5 },
        }],
        "rejected": null,
        "approve": command(&hold(3)),
    });
    assert_eq!(holds[0], expected);
    assert_eq!(holds[1]["restores"], json!(run(1)));
    assert_eq!(
        (
            &holds[1]["rejected"]["ask"]["by"],
            &holds[1]["rejected"]["changes"]
        ),
        (&json!("bob"), &json!(3))
    );
    let frozen = &value["frozen"][0];
    assert_eq!(
        (&frozen["member"], &frozen["since"]),
        (&json!("apac"), &json!(NOON))
    );
    assert!(frozen["seconds"].is_u64(), "{frozen}");
}

#[test]
fn holds_lists_the_products_that_would_be_changed_as_long_as_they_are_on_record() {
    let (home, aws) = (Home::new(), FakeAws::with_table(held()));
    let answer = aws.run(&home, &["holds", "--products"]).ended_with(3);
    for line in [
        "  deny prod-gone\n",
        "  deny prod-lost\n",
        "  allow prod-new\n",
    ] {
        assert_eq!(answer.stdout.matches(line).count(), 1, "{line}: {answer:?}");
    }
    assert!(
        answer.stdout.contains("not on record any more"),
        "{answer:?}"
    );
    let answer = aws.run(&home, &["holds", "--products", "--json"]);
    let value = answer.ended_with(3).json();
    let products = json!({ "allow": ["prod-new"], "deny": ["prod-gone", "prod-lost"] });
    assert_eq!(value["holds"][0]["products"], products);
    assert_eq!(value["holds"][1]["products"], Value::Null);
}

#[test]
fn holds_of_one_member_or_link_are_those_alone() {
    let (home, aws) = (Home::new(), FakeAws::with_table(held()));
    let other = ["holds", "--member", "apac"];
    let answer = aws.run(&home, &other).ended_with(0);
    assert!(
        answer.stdout.starts_with("nothing is held\napac "),
        "{answer:?}"
    );
    let one = ["holds", "--experience", EXPERIENCE, "--json"];
    let value = aws.run(&home, &one).ended_with(3).json();
    assert_eq!(
        (value["holds"].as_array().unwrap().len(), &value["frozen"]),
        (2, &json!([]))
    );
    for unknown in [["--member", "nobody"], ["--experience", "exp-1"]] {
        // `*` of apac may have any experience.
        let code = if unknown[0] == "--experience" { 0 } else { 5 };
        let arguments = [&["holds"][..], &unknown].concat();
        aws.run(&home, &arguments).ended_with(code);
    }
}

#[test]
fn without_a_hold_holds_ends_well() {
    let (home, aws) = (Home::new(), FakeAws::with_table(Table::linked()));
    let answer = aws.run(&home, &["holds"]).ended_with(0);
    assert_eq!(
        (answer.stdout.as_str(), answer.stderr.as_str()),
        ("nothing is held\n", "")
    );
    let answer = aws.run(&home, &["holds", "--json"]).ended_with(0);
    assert_eq!(
        answer.json(),
        json!({ "holds": [], "without_plan": [], "frozen": [], "names": {} })
    );
}

#[test]
fn what_was_held_of_a_link_that_is_not_configured_any_more_is_not_listed() {
    let mut table = held();
    let gone = format!("222222222222/{}", "exp-gone").parse().unwrap();
    table.put_lane(&gone, "emea");
    let link_state = LinkState {
        schema: 1,
        hold: Some(hold(5)),
        ..LinkState::default()
    };
    table.put_link_state(&gone, &link_state);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let value = aws.run(&home, &["holds", "--json"]).ended_with(3).json();
    assert_eq!(value["holds"].as_array().unwrap().len(), 2, "{value}");
}

#[test]
fn status_tells_what_is_held_and_how_long_a_link_is_frozen() {
    let (home, aws) = (Home::new(), FakeAws::with_table(held()));
    let answer = aws.run(&home, &["status"]).ended_with(0);
    for part in [
        &format!("emea {EXPERIENCE} is held since {NOON}:"),
        "PMS-7001",
        &command(&hold(3)),
        &format!("is frozen since {NOON}"),
    ] {
        assert!(answer.stderr.contains(part), "{part}: {answer:?}");
    }
    let value = aws.run(&home, &["status", "--json"]).ended_with(0).json();
    let lanes = value["lanes"].as_array().unwrap();
    let of = |member: &str| lanes.iter().find(|lane| lane["member"] == member).unwrap();
    assert_eq!(of("emea")["hold"]["approve"], command(&hold(3)));
    assert_eq!(of("emea")["restore"]["restores"], json!(run(1)));
    assert_eq!(of("emea")["frozen_since"], Value::Null);
    assert_eq!(of("apac")["hold"], Value::Null);
    assert_eq!(of("apac")["frozen_since"], NOON);
}

/// The plan of the first link, held on one of the second member as well.
fn held_twice() -> Table {
    let mut table = held();
    let link_state = LinkState {
        schema: 1,
        hold: Some(Hold {
            reasons: vec![HoldReason::Removals {
                count: 12,
                of: 90,
                limit: 10,
                percent: 5,
                parts: None,
            }],
            ..hold(3)
        }),
        ..LinkState::default()
    };
    table.put_link_state(&other_lane(), &link_state);
    let only = LinkState {
        schema: 1,
        hold: Some(hold(3)),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &only);
    table
}

#[test]
fn equal_plans_are_shown_together_with_one_command_for_all() {
    let (home, aws) = (Home::new(), FakeAws::with_table(held_twice()));
    let all = format!("pmp-sync approve --plan {}", plan().hash());
    let answer = aws.run(&home, &["holds", "--products"]).ended_with(3);
    let told = &answer.stdout;
    let heads = format!("apac {OTHER}: held since {NOON}\nemea {EXPERIENCE}: held since {NOON}\n");
    assert!(told.starts_with(&heads), "{told}");
    for part in [
        "the plan    1 allow, 2 denies (2 removals)",
        &format!("apac {OTHER}: would remove 12 of 90"),
        &format!("emea {EXPERIENCE}: would remove 12 of 40"),
        "what to do",
        &format!("to release  {all}\n"),
        "deny prod-gone",
    ] {
        assert_eq!(told.matches(part).count(), 1, "{part}: {told}");
    }
    let last = "\n2 plans wait for approval\n";
    assert!(answer.stderr.ends_with(last), "{answer:?}");
    let value = aws.run(&home, &["holds", "--json"]).ended_with(3).json();
    for hold in value["holds"].as_array().unwrap() {
        assert_eq!(hold["approve_all"], all);
        assert!(hold["approve"].as_str().unwrap().contains("--experience"));
    }
    // The hash alone would mean the other link as well.
    let one = ["holds", "--member", "emea"];
    let answer = aws.run(&home, &one).ended_with(3);
    assert!(answer.stdout.contains(&command(&hold(3))), "{answer:?}");
    assert!(!answer.stdout.contains(&all), "{answer:?}");
}

#[test]
fn a_link_that_is_held_without_a_plan_is_listed() {
    let mut table = Table::linked();
    let fault = FaultRecord {
        code: "PMS-2001".to_owned(),
        message: "the management experience exp-4s8kd0qmw1x2y does not exist".to_owned(),
        remedy: "create it".to_owned(),
        hint: None,
    };
    let record = LinkRecord {
        fault: Some(fault),
        hold: None,
        ..link(5, LinkStatus::Held)
    };
    table.put_link(&record);
    let mut run = ended(5, "schedule", None, RunStatus::Held);
    run.scopes = vec![Scope::default()];
    table.put_run(&run);
    let mut link_state = LinkState::default();
    link_state.notices.distrusted = Some(Mark {
        reason: "PMS-2001".to_owned(),
        since: NOON.parse().unwrap(),
    });
    table.put_link_state(&lane(), &link_state);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let answer = aws.run(&home, &["holds"]).ended_with(3);
    assert_eq!(
        answer.stdout,
        format!(
            "emea {EXPERIENCE}: held since {NOON}, and no plan can be made\n  PMS-2001    the management experience exp-4s8kd0qmw1x2y does not exist\n  what to do  create it\n"
        )
    );
    assert_eq!(answer.stderr, "1 link held without a plan\n");
    let value = aws.run(&home, &["holds", "--json"]).ended_with(3).json();
    let held = &value["without_plan"][0];
    assert_eq!(
        (&held["code"], &held["since"], &held["member"]),
        (&json!("PMS-2001"), &json!(NOON), &json!("emea"))
    );
    aws.run(&home, &["holds", "--member", "apac"]).ended_with(0);
}

#[test]
fn the_products_are_told_with_when_they_left_the_list_and_by_whom() {
    let mut table = held();
    let deny = products(&["prod-gone", "prod-lost"]).into_iter().collect();
    let edit_plan = pmp_sync_domain::plan::Plan::new(std::collections::BTreeSet::new(), deny);
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    let at = "2026-01-01T11:00:00Z".parse().unwrap();
    let source = "exp-4s8kd0qmw1x2y".parse().unwrap();
    let mut edit = ListEdit::new(id, source, "deny", &edit_plan, at).asked(
        Some("arn:aws:iam::111111111111:user/dora"),
        Some("the contract ended"),
        None,
    );
    edit.started(&"cs-77".parse().unwrap());
    table.put("EDITS", "01ARZ3NDEKTSV4RRFFQ69G5FAV", &edit);
    let (home, aws) = (Home::new(), FakeAws::with_table(table));
    let answer = aws.run(&home, &["holds", "--products"]).ended_with(3);
    let line = "  left list   2026-01-01T11:00:00Z, by change set cs-77 of user/dora: the contract ended\n";
    assert!(answer.stdout.contains(line), "{answer:?}");
    let value = aws.run(&home, &["holds", "--products", "--json"]);
    let value = value.ended_with(3).json();
    let left = &value["holds"][0]["products"]["left_list"]["prod-gone"];
    assert_eq!(
        (&left["change_set"], &left["at"]),
        (&json!("cs-77"), &json!("2026-01-01T11:00:00Z"))
    );
}

/// A hold of run 3 on the first link, changed by this.
fn held_with(change: impl FnOnce(&mut Hold)) -> Table {
    let mut table = Table::linked();
    let mut hold = hold(3);
    change(&mut hold);
    let link_state = LinkState {
        schema: 1,
        hold: Some(hold),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &link_state);
    table.put_link(&link(3, LinkStatus::Held));
    table
}

fn asked(by: &str, reason: Option<&str>) -> Ask {
    Ask {
        by: Some(by.to_owned()),
        account: None,
        at: NOON.parse().unwrap(),
        reason: reason.map(str::to_owned),
    }
}

#[test]
fn a_hold_says_how_much_of_it_was_rejected_before_by_whom_and_why() {
    for (changes, words) in [
        (2, "  rejected    2 of 3 changes, by bob, at"),
        (3, "  rejected    by bob, at"),
    ] {
        let aws = FakeAws::with_table(held_with(|hold| {
            hold.rejected = Some(RejectedPart {
                changes,
                ask: asked("bob", Some("they\nare needed")),
            });
        }));
        let home = Home::new();
        let told = aws.run(&home, &["holds"]).ended_with(3).stdout;
        let line = told.lines().find(|line| line.starts_with(words));
        let line = line.unwrap_or_else(|| panic!("{told}"));
        assert!(line.ends_with(": they are needed"), "{line}");
        let status = aws.run(&home, &["status"]).ended_with(0);
        assert!(status.stderr.contains(words), "{status:?}");
        let value = aws.run(&home, &["holds", "--json"]).ended_with(3).json();
        let rejected = &value["holds"][0]["rejected"];
        assert_eq!(
            (&rejected["changes"], &rejected["ask"]["by"]),
            (&json!(changes), &json!("bob"))
        );
    }
}

#[test]
fn a_hold_says_who_has_approved_it_so_far_and_that_it_overrides_a_freeze() {
    let aws = FakeAws::with_table(held_with(|hold| {
        hold.approvals = vec![asked("alice", Some("ticket 4711"))];
        hold.overrides = true;
    }));
    let home = Home::new();
    let told = aws.run(&home, &["holds"]).ended_with(3).stdout;
    for part in [
        "  approved    by alice, at 2026-01-01T12:00:00Z: ticket 4711; a second person runs the same command\n",
        "  override    an approval executes it although the link is frozen\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let value = aws.run(&home, &["holds", "--json"]).ended_with(3).json();
    let hold = &value["holds"][0];
    assert_eq!(
        (&hold["approvals"][0]["reason"], &hold["overrides"]),
        (&json!("ticket 4711"), &json!(true))
    );
}
