//! Calls to AWS: one that does not answer, one that is slow, and what is told of its refusals.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::setup::{FakeAws, Home, closed_endpoint, fixture, unnamed};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// Every command that calls AWS.
fn calls(config: &str) -> [Vec<&str>; 14] {
    [
        vec!["config", "show"],
        vec!["config", "apply", config],
        vec!["plan"],
        vec!["why", "prod-a"],
        vec!["sync"],
        vec!["sync", "--wait"],
        vec!["status"],
        vec!["status", "--run", RUN],
        vec!["holds"],
        vec![
            "approve",
            RUN,
            "--experience",
            "exp-1",
            "--plan",
            "0123456789abcdef",
        ],
        vec!["reject", RUN, "--experience", "exp-1", "--plan", "01234567"],
        vec!["restore", RUN, "--experience", "exp-1"],
        vec!["history"],
        vec!["history", RUN],
    ]
}

/// An AWS at this endpoint.
fn variables(endpoint: &str) -> [(&str, &str); 4] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "111111111111"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ]
}

#[test]
fn an_aws_that_does_not_answer_ends_every_command_with_1_and_what_to_do() {
    let home = Home::new();
    let endpoint = closed_endpoint();
    let config = fixture();
    for command in calls(&config) {
        let answer = home.run_with(&command, &variables(&endpoint));
        assert_eq!(answer.code, Some(1), "{command:?}: {answer:?}");
        assert_eq!(answer.stdout, "", "{command:?}");
        assert!(answer.stderr.contains("error: "), "{answer:?}");
        let hint = "what to do: check the credentials and the network";
        assert!(answer.stderr.contains(hint), "{command:?}: {answer:?}");

        let with_json = [&command[..], &["--json"]].concat();
        let answer = home.run_with(&with_json, &variables(&endpoint));
        assert_eq!(answer.code, Some(1), "{command:?}: {answer:?}");
        answer.is_json_failure("aws");
    }
}

#[test]
fn an_aws_that_does_not_answer_is_told_once_and_in_words() {
    let home = Home::new();
    let answer = home.run_with(&["status"], &variables(&closed_endpoint()));
    let told = &answer.stderr;
    for once in ["dispatch failure", "Connection refused"] {
        assert_eq!(told.matches(once).count(), 1, "{once}: {told}");
    }
    for debug in ["DispatchFailure", "ConnectorError", "Os {", "(("] {
        assert!(!told.contains(debug), "{debug}: {told}");
    }
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn an_aws_that_takes_calls_and_stays_silent_is_given_up_in_time() {
    let home = Home::new();
    // The kernel takes connections for it; nobody ever reads them.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let answer = home.run_with(&["config", "show"], &variables(&endpoint));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("what to do: "), "{answer:?}");
}

#[test]
fn without_credentials_the_error_speaks_of_credentials() {
    let home = Home::new();
    let answer = home.run(&["status"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""));
    assert!(answer.stderr.contains("credentials"), "{answer:?}");
    assert!(answer.stderr.contains("what to do: "), "{answer:?}");
}

#[test]
fn plan_waits_for_a_slow_producer_and_asks_it_once() {
    let home = Home::new();
    let plan = json!({ "schema": 1, "config_version": 7, "links": [] });
    // Longer than any other call may take in one attempt.
    let aws = FakeAws::start("schema = 1\n", &plan, Duration::from_secs(8));
    let answer = aws.run(&home, &["plan", "--json"]).ended_with(0);
    assert_eq!(answer.json(), unnamed(&plan));
    assert_eq!(answer.stderr, "the producer makes the plan\n");
    assert_eq!(aws.invocations(), 1);
}

#[test]
fn plan_is_not_asked_for_again_when_the_connection_breaks() {
    let home = Home::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let running = home.start(&["plan"], &variables(&endpoint));
    // Taken and closed without an answer; a second attempt would wait here and be counted.
    drop(socket.accept().unwrap());
    socket.set_nonblocking(true).unwrap();
    running.answer().ended_with(1);
    assert!(socket.accept().is_err(), "it was asked again");
}

#[test]
fn a_run_that_is_not_there_has_a_hint_of_its_own() {
    let (home, unknown) = (Home::new(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    let aws = FakeAws::with_config("schema = 1\n");
    let answer = aws.run(&home, &["status", "--run", unknown, "--json"]);
    let answer = answer.ended_with(5);
    answer.is_json_failure("unknown");
    let told = &answer.stderr;
    assert!(told.contains(unknown), "{told}");
    let hint = "what to do: it may have expired; `pmp-sync status` lists the newest runs";
    assert!(told.contains(hint), "{told}");
    assert!(!told.contains("stack"), "{told}");
    assert_eq!(told.matches("expired").count(), 1, "{told}");
}

#[test]
fn a_scope_that_no_link_is_in_is_refused_with_what_there_is() {
    let home = Home::new();
    let named = std::fs::read_to_string(fixture()).unwrap();
    let explicit = named.replace("\"*\"", "\"exp-0000000000apac\"");
    let idle = "[[member]]\nname = \"latam\"\naccount = \"444444444444\"\nexternal_id = \"91a2c4d8-latam\"\n";
    let explicit = format!("{explicit}\n{idle}");
    let aws = FakeAws::with_config(&explicit);
    let members =
        "the members are apac (exp-0000000000apac), emea (exp-9d1kq27hs0abc), latam (no link)";
    let scopes: [(&[&str], &str); 4] = [
        (&["--member", "nobody"], "nobody"),
        (&["--member", "emea", "--member", "latam"], "latam"),
        (&["--experience", "exp-0000000000000"], "exp-0000000000000"),
        (
            &["--member", "apac", "--experience", "exp-9d1kq27hs0abc"],
            "exp-9d1kq27hs0abc",
        ),
    ];
    for (scope, name) in scopes {
        for command in [&["plan"][..], &["sync"], &["sync", "--wait"]] {
            let arguments = [command, scope, &["--json"]].concat();
            let answer = aws.run(&home, &arguments).ended_with(5);
            answer.is_json_failure("unknown");
            assert!(answer.stderr.contains(name), "{answer:?}");
            assert!(answer.stderr.contains(members), "{answer:?}");
        }
    }
    assert_eq!(aws.invocations(), 0);
}

#[test]
fn an_experience_may_be_one_of_a_member_whose_live_ones_are_all_linked() {
    let home = Home::new();
    let config = std::fs::read_to_string(fixture()).unwrap();
    let plan = json!({ "schema": 1, "config_version": 7, "links": [] });
    let aws = FakeAws::start(&config, &plan, Duration::ZERO);
    let other = "exp-0000000000000";
    for scope in [
        &["--member", "emea"][..],
        &["--experience", other],
        &["--member", "apac", "--experience", other],
    ] {
        aws.run(&home, &[&["plan"], scope].concat()).ended_with(0);
    }
    assert_eq!(aws.invocations(), 3);
    let scope = ["plan", "--member", "emea", "--experience", other];
    aws.run(&home, &scope).ended_with(5);
}

#[test]
fn what_is_not_configured_is_a_fault_with_its_code() {
    let home = Home::new();
    let aws = FakeAws::with_config("schema = 2\n");
    let answer = aws.run(&home, &["sync", "--member", "emea", "--json"]);
    answer.ended_with(1).is_json_failure("PMS-1001");
    let fault = json!({ "fault": { "code": "PMS-1002", "message": "no configuration is stored",
        "remedy": "apply one with `pmp-sync config apply FILE`" } });
    let aws = FakeAws::start("", &fault, Duration::ZERO);
    let answer = aws.run(&home, &["plan", "--json"]).ended_with(1);
    answer.is_json_failure("PMS-1002");
}
