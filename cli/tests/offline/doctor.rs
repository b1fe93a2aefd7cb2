//! `pmp-sync doctor` where nothing can be reached: one clear report, and soon.

use std::time::Instant;

use serde_json::Value;

use crate::setup::{Home, closed_endpoint};

#[track_caller]
fn told(variables: &[(&str, &str)]) -> Value {
    let home = Home::new();
    let began = Instant::now();
    let answer = home
        .run_with(&["doctor", "--json"], variables)
        .ended_with(1);
    assert!(began.elapsed().as_secs() < 20, "{answer:?}");
    assert!(!answer.stderr.contains("panicked"), "{answer:?}");
    assert!(answer.stderr.contains("1 failing"), "{answer:?}");
    answer.json()
}

fn of<'a>(report: &'a Value, check: &str) -> &'a Value {
    let mut findings = report["findings"].as_array().unwrap().iter();
    findings.find(|found| found["id"] == check).unwrap()
}

#[test]
fn an_endpoint_where_nobody_listens_is_one_failure_and_the_rest_is_not_known() {
    let endpoint = closed_endpoint();
    let report = told(&[
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", "111111111111"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let credentials = of(&report, "credentials");
    assert_eq!(credentials["status"], "fail");
    assert!(credentials["fix"].is_string());
    let endpoints = of(&report, "endpoints");
    assert_eq!(endpoints["status"], "warn");
    assert!(endpoints["seen"].as_str().unwrap().contains(&endpoint));
    for check in ["clock", "management-stack", "member-role", "worker-source"] {
        assert_eq!(of(&report, check)["status"], "unknown", "{report}");
    }
}

#[test]
fn without_credentials_that_is_what_fails() {
    let report = told(&[]);
    assert_eq!(of(&report, "credentials")["status"], "fail");
    assert_eq!(of(&report, "schedule")["status"], "unknown");
}

#[test]
fn a_profile_without_its_member_is_no_command_line() {
    let home = Home::new();
    let refused = home.run(&["doctor", "--profile", "emea"]).ended_with(5);
    assert!(refused.stderr.contains("emea=emea-admin"), "{refused:?}");
}
