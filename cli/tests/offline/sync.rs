//! `pmp-sync sync` and `plan`: what is sent, and what the exit codes tell.

use std::time::Duration;

use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::{Value, json};

use crate::ledger::{EXPERIENCE, Table, command, ended, hold, link};
use crate::setup::{FakeAws, Home, PRINCIPAL, unnamed};

/// An AWS in which each request becomes a run that ends so.
fn ending(status: RunStatus, of_link: LinkStatus) -> FakeAws {
    FakeAws::serving(Table::linked(), move |_, detail, table| {
        let id = detail["request_id"].as_str();
        let mut run = ended(9, "sync-requested", id, status);
        run.totals.links = 1;
        run.totals.held = usize::from(of_link == LinkStatus::Held);
        table.put_run(&run);
        table.put_link(&link(9, of_link));
    })
}

#[test]
fn sync_sends_who_asks_and_why_frozen_links_are_planned_for() {
    let (home, aws) = (Home::new(), FakeAws::with_table(Table::linked()));
    let arguments = [
        "sync",
        "--member",
        "emea",
        "--override",
        "--reason",
        " a launch ",
    ];
    aws.run(&home, &arguments).ended_with(0);
    aws.run(&home, &["sync"]).ended_with(0);
    let events = aws.events();
    let [(kind, with), (_, without)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(kind, "Sync Requested");
    assert_eq!(with["requester"], PRINCIPAL);
    assert_eq!(with["override_reason"], "a launch");
    assert_eq!(with["scope"], json!({ "members": ["emea"] }));
    assert_eq!(without["override_reason"], Value::Null);
}

#[test]
fn who_asks_is_the_user_of_this_machine_if_sts_does_not_tell() {
    let (home, aws) = (Home::new(), FakeAws::with_table(Table::linked()));
    let mut variables = aws.variables().to_vec();
    let nobody = crate::setup::closed_endpoint();
    variables.extend([("AWS_ENDPOINT_URL_STS", nobody.as_str()), ("USER", "carol")]);
    home.run_with(&["sync"], &variables).ended_with(0);
    assert_eq!(aws.events()[0].1["requester"], "carol");
}

#[test]
fn the_exit_code_of_a_run_that_is_waited_for_tells_how_it_ended() {
    let home = Home::new();
    for (status, of_link, code) in [
        (RunStatus::Completed, LinkStatus::Committed, 0),
        (RunStatus::Held, LinkStatus::Held, 3),
        (RunStatus::Partial, LinkStatus::Committed, 4),
        (RunStatus::Failed, LinkStatus::Committed, 4),
        (RunStatus::Superseded, LinkStatus::Committed, 1),
    ] {
        let aws = ending(status, of_link);
        let answer = aws.run(&home, &["sync", "--wait"]).ended_with(code);
        assert!(answer.stdout.contains(status.as_str()), "{answer:?}");
        if status == RunStatus::Held {
            assert!(answer.stdout.contains(", 1 held)"), "{answer:?}");
            for part in ["PMS-7001", "1 link held", &command(&hold(9))] {
                assert!(answer.stderr.contains(part), "{part}: {answer:?}");
            }
        }
        let answer = aws
            .run(&home, &["sync", "--wait", "--json"])
            .ended_with(code);
        assert_eq!(answer.json()["status"], status.as_str());
    }
}

#[test]
fn the_status_of_a_run_shows_its_held_links_and_whether_they_are_held_still() {
    let (home, mut table) = (Home::new(), Table::linked());
    table.put_run(&ended(9, "schedule", None, RunStatus::Held));
    table.put_link(&link(9, LinkStatus::Held));
    let run = crate::ledger::run(9).to_string();
    let aws = FakeAws::with_table(table);
    let answer = aws.run(&home, &["status", "--run", &run]).ended_with(0);
    let rows: Vec<_> = answer.stdout.lines().collect();
    assert!(rows.iter().any(|row| row.contains(" held ")), "{answer:?}");
    for part in [
        "PMS-7001",
        &command(&hold(9)),
        "not held by this plan any more",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {answer:?}");
    }
}

/// The producer's plan of one link for each of these decisions.
fn preview(decisions: &[&str]) -> Value {
    let links = decisions.iter().map(|decision| {
        json!({
            "member": "emea", "experience": EXPERIENCE, "decision": decision,
            "account": "222222222222", "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "plan_hash": null, "unchecked": 0,
            "allow": [], "deny": ["prod-gone"], "removals": 1, "fewest_change_sets": 1,
            "left_alone": [], "contradictory": [], "edited": [], "edited_since": null,
            "held_for": match *decision {
                "held" => json!(hold(1).reasons),
                _ => json!([]),
            },
            "fault": match *decision {
                "failed" => json!({ "code": "PMS-3001", "message": "m", "remedy": "r" }),
                _ => Value::Null,
            },
        })
    });
    json!({ "schema": 1, "config_version": 7, "links": links.collect::<Vec<_>>() })
}

#[test]
fn the_exit_code_of_a_plan_is_that_of_the_worst_link() {
    let home = Home::new();
    for (decisions, code, told) in [
        (&["in_sync"][..], 0, ""),
        (&["in_sync", "commit"], 2, "1 of 2 links differs"),
        (&["underway", "suspended"], 2, "2 of 2 links differ"),
        (&["commit", "held"], 3, "a run would hold 1 of 2 links"),
        (&["held", "failed"], 4, "1 of 2 links cannot be planned"),
    ] {
        let plan = preview(decisions);
        let aws = FakeAws::start("schema = 1\n", &plan, Duration::ZERO);
        let answer = aws.run(&home, &["plan"]).ended_with(code);
        assert!(answer.stderr.contains(told), "{answer:?}");
        if decisions.contains(&"held") {
            let words = format!("emea {EXPERIENCE}: PMS-7001: {}", hold(1).reasons[0]);
            assert!(answer.stderr.contains(&words), "{answer:?}");
        }
        let answer = aws.run(&home, &["plan", "--json"]).ended_with(code);
        assert_eq!(answer.json(), unnamed(&plan));
    }
}

#[test]
fn a_plan_names_who_lists_each_product_and_where_they_disagree() {
    let home = Home::new();
    let mut plan = preview(&["commit"]);
    let link = &mut plan["links"][0];
    link["management_experiences"] = json!(["exp-4s8kd0qmw1x2y", "exp-emea"]);
    link["allow"] = json!(["prod-new"]);
    link["origins"] = json!([
        { "allowed_by": ["exp-4s8kd0qmw1x2y"], "denied_by": ["exp-emea"], "products": ["prod-gone"] },
        { "allowed_by": ["exp-emea"], "products": ["prod-new"] },
    ]);
    link["conflicts"] = json!([link["origins"][0]]);
    let aws = FakeAws::start("schema = 1\n", &plan, Duration::ZERO);
    let answer = aws.run(&home, &["plan", "--products"]).ended_with(2);
    let conflict = "allowed by exp-4s8kd0qmw1x2y and denied by exp-emea";
    for line in [
        format!("emea {EXPERIENCE} allow prod-new (allowed by exp-emea)"),
        format!("emea {EXPERIENCE} deny prod-gone ({conflict})"),
    ] {
        assert!(answer.stdout.lines().any(|of| of == line), "{answer:?}");
    }
    let note = format!("emea {EXPERIENCE}: {conflict}, so denied: prod-gone");
    assert!(answer.stderr.contains(&note), "{answer:?}");
    assert_eq!(
        aws.run(&home, &["plan", "--json"]).ended_with(2).json(),
        unnamed(&plan)
    );
}
