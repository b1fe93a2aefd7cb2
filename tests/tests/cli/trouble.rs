//! An operator's work when something is wrong: the suspensions, and dead letters.

use pmp_sync_local::embedded::Clients;
use serde_json::{Value, json};

use crate::setup::{Answer, Local, control};

/// Sends a message to the changes queue of a member, as its account's root.
fn send(local: &Local, queue: &str, body: &str) {
    let account = local.member("emea")["account"].as_str().unwrap();
    let config = Clients::new(local.text("endpoint")).config(account);
    let sent = async {
        let client = aws_sdk_sqs::Client::new(&config);
        client
            .send_message()
            .queue_url(queue)
            .message_body(body)
            .send()
            .await
    };
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(sent)
        .unwrap();
}

fn lane<'a>(status: &'a Value, member: &str) -> &'a Value {
    let lanes = status["lanes"].as_array().unwrap().iter();
    let mut lanes = lanes;
    lanes
        .find(|lane| lane["member"] == member)
        .unwrap_or_else(|| panic!("no lane of {member} in {status}"))
}

#[test]
fn an_operator_stops_resumes_and_replays_with_the_real_command() {
    let local = Local::up(&["--ttl", "10m", "--change-set-seconds", "0.5"]);
    a_suspended_member_is_left_as_it_is(&local);
    it_goes_on_when_it_is_resumed(&local);
    a_bad_product_is_in_the_dead_letters_and_comes_in_by_a_replay(&local);
    a_blocked_lane_ends_the_wait(&local);
    what_nobody_understands_is_discarded_only_when_told_so(&local);
}

fn a_suspended_member_is_left_as_it_is(local: &Local) {
    local
        .run(&["suspend", "--member", "emae"])
        .ended_with(5)
        .tells(&["no link has the member emae", "emea"]);
    let suspended = local
        .run(&["suspend", "--member", "emea", "--json"])
        .ended_with(0)
        .json();
    assert!(
        suspended["suspensions"]["members"]["emea"]["since"].is_string(),
        "{suspended}"
    );
    let plan = local.run(&["plan"]).ended_with(2);
    assert!(plan.stdout.contains("suspended"), "{}", plan.stdout);
    let run = local
        .run(&["sync", "--wait", "--json"])
        .ended_with(4)
        .json();
    assert_eq!(
        (&run["status"], &run["totals"]["suspended"]),
        (&json!("partial"), &json!(1))
    );
    let status = local.run(&["status", "--json"]).ended_with(0).json();
    assert_eq!(lane(&status, "emea")["phase"], "suspended");
    assert!(lane(&status, "emea")["last_attempt"].is_null());
    assert!(lane(&status, "apac")["last_success"].is_string());
    let table = local.run(&["status"]).ended_with(0);
    table.tells(&["member emea is suspended since"]);
    local
        .run(&["resume", "--member", "apac"])
        .ended_with(5)
        .tells(&["apac is not suspended by that name"]);
}

fn it_goes_on_when_it_is_resumed(local: &Local) {
    let resumed = local.run(&["resume", "--member", "emea"]).ended_with(0);
    assert!(
        resumed.stdout.starts_with("resumed: emea"),
        "{}",
        resumed.stdout
    );
    let run = local
        .run(&["sync", "--wait", "--json"])
        .ended_with(0)
        .json();
    assert_eq!(run["status"], "completed");
    let status = local.run(&["status", "--json"]).ended_with(0).json();
    assert!(lane(&status, "emea")["last_in_sync"].is_string());
}

fn a_bad_product_is_in_the_dead_letters_and_comes_in_by_a_replay(local: &Local) {
    let shown = local
        .run(&["config", "show", "--json"])
        .ended_with(0)
        .json();
    let source = local.text("management_experience").to_owned();
    assert!(shown["text"].as_str().unwrap().contains(&source));
    // Two products more in the management experience, one of them bad.
    let lists = json!({ "allow": ["prod-good", "prod-bad"], "deny": [] });
    control(
        local,
        "PUT",
        &format!("/_control/experiences/{source}/lists"),
        &lists,
    );
    let faults = json!({ "bad_products": { "prod-bad": { "code": "INVALID_PRODUCT" } } });
    control(local, "PUT", "/_control/faults", &faults);
    // They take the place of all others, which is too much to be done unasked.
    local
        .run(&["sync", "--wait", "--member", "apac"])
        .ended_with(3)
        .tells(&["PMS-7001", "PMS-7003"]);
    approve(local, "apac").ended_with(4).tells(&["partial"]);

    assert_eq!(
        local
            .run(&["dlq", "list", "--member", "emea"])
            .ended_with(0)
            .stdout,
        "no dead letter\n"
    );
    let list = local.run(&["dlq", "list", "--json"]).ended_with(0).json();
    let letters = list["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1, "{list}");
    let letter = &letters[0]["letter"];
    assert_eq!(
        (&letter["product"], &letter["reason"], &letter["outcome"]),
        (
            &json!("prod-bad"),
            &json!("quarantined"),
            &json!("reissued")
        )
    );
    let table = local
        .run(&["dlq", "list", "--product", "prod-bad"])
        .ended_with(0);
    assert!(
        table.stdout.contains("INVALID_PRODUCT") && table.stdout.contains("issue it again"),
        "{}",
        table.stdout
    );
    let id = letter["id"].as_str().unwrap();
    let shown = local.run(&["dlq", "show", id]).ended_with(0).stdout;
    for part in [
        "allow prod-bad",
        "quarantined",
        "INVALID_PRODUCT",
        "change_set",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    local
        .run(&["dlq", "show", "nothing-like-it"])
        .ended_with(1)
        .tells(&["no dead letter has the id nothing-like-it"]);
    local
        .run(&["dlq", "replay", "--dry-run"])
        .ended_with(0)
        .tells(&["a dry run"]);

    control(local, "PUT", "/_control/faults", &json!({}));
    let replayed = local.run(&["dlq", "replay", "--json"]).ended_with(0).json();
    let letters = replayed["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1, "{replayed}");
    assert_eq!(letters[0]["outcome"], "reissued");
    local
        .run(&["sync", "--wait", "--member", "emea"])
        .ended_with(3);
    approve(local, "emea").ended_with(0);
    local.run(&["holds"]).ended_with(0);
    local.run(&["sync", "--wait"]).ended_with(0);
    assert_eq!(
        local.run(&["dlq", "list"]).ended_with(0).stdout,
        "no dead letter\n"
    );
}

/// Runs the very command that is told for what is held of a member.
fn approve(local: &Local, member: &str) -> Answer {
    let holds = local
        .run(&["holds", "--member", member, "--json"])
        .ended_with(3)
        .json();
    let command = holds["holds"][0]["approve"].as_str().unwrap();
    let arguments: Vec<_> = command.split(' ').skip(1).collect();
    local.run(&arguments)
}

/// A lane that is blocked is told at once, and not waited for.
fn a_blocked_lane_ends_the_wait(local: &Local) {
    let source = local.text("management_experience").to_owned();
    let lists = json!({ "allow": ["prod-good", "prod-bad", "prod-worse"], "deny": [] });
    let path = format!("/_control/experiences/{source}/lists");
    control(local, "PUT", &path, &lists);
    let faults = json!({ "bad_products": { "prod-worse": { "code": "INVALID_PRODUCT" } } });
    control(local, "PUT", "/_control/faults", &faults);
    local
        .run(&["sync", "--wait", "--member", "emea"])
        .ended_with(4)
        .tells(&[
            "is blocked: change-set-failed",
            "prod-worse",
            "INVALID_PRODUCT",
        ]);
    local
        .run(&["status"])
        .ended_with(0)
        .tells(&["is blocked since"]);
    control(local, "PUT", "/_control/faults", &json!({}));
    local.run(&["sync", "--wait"]).ended_with(0);
}

fn what_nobody_understands_is_discarded_only_when_told_so(local: &Local) {
    let queue = format!(
        "{}/{}/pmp-sync-changes",
        local.text("endpoint"),
        local.member("emea")["account"].as_str().unwrap()
    );
    send(local, &queue, "this is no message");
    let ends = std::time::Instant::now() + crate::setup::END;
    while local.run(&["dlq", "list"]).ended_with(0).stdout == "no dead letter\n" {
        assert!(std::time::Instant::now() < ends, "it is not dead-lettered");
    }
    let replayed = local.run(&["dlq", "replay", "--json"]).ended_with(0).json();
    assert_eq!(replayed["letters"][0]["outcome"], "kept");
    local
        .run(&["dlq", "discard"])
        .ended_with(0)
        .tells(&["nothing is discarded", "--yes"]);
    let list = local.run(&["dlq", "list", "--json"]).ended_with(0).json();
    assert_eq!(list["letters"].as_array().unwrap().len(), 1);
    let discarded = local
        .run(&[
            "dlq",
            "discard",
            "--reason",
            "unreadable",
            "--yes",
            "--json",
        ])
        .ended_with(0)
        .json();
    assert_eq!(discarded["letters"][0]["outcome"], "discarded");
    assert_eq!(
        local.run(&["dlq", "list"]).ended_with(0).stdout,
        "no dead letter\n"
    );
}
