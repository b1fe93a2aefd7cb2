//! How the emulated AWS ends: told to, when its time is up, and with the process that holds it.

use std::process::Command;
use std::time::Duration;

use crate::setup::{END, Local};

fn signal(signal: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn the_embedded_aws_ends_by_itself_when_its_time_is_up() {
    let local = Local::up(&["--ttl", "5s"]);
    // The start takes longer than that, which takes nothing of it.
    assert!(!local.left().is_empty());
    local.ends_within(Duration::from_secs(40));
    assert!(!local.state().exists(), "the state file is cleared away");
    let answer = local.down().ended_with(0);
    answer.tells(&["nothing runs"]);
}

#[test]
fn the_embedded_aws_ends_with_the_process_that_holds_it() {
    let local = Local::up(&["--ttl", "10m"]);
    assert!(!local.left().is_empty());
    signal("-KILL", local.pid());
    local.ends_within(END);
    // The state file that it could not clear away is in nobody's way.
    assert!(local.state().exists());
    let answer = local.down().ended_with(0);
    answer.tells(&["ended"]);
    assert!(!local.state().exists());
}

#[test]
fn the_server_ends_with_its_supervisor() {
    let local = Local::up(&["--ttl", "10m"]);
    // Lambdas run as well then.
    local.run(&["sync", "--wait"]).ended_with(0);
    signal("-KILL", local.supervisor());
    local.ends_within(END);
    assert!(!local.state().exists(), "the state file is cleared away");
}

#[test]
fn nothing_is_left_of_a_supervisor_that_has_to_be_killed() {
    let local = Local::up(&["--ttl", "10m"]);
    local.run(&["sync", "--wait"]).ended_with(0);
    // It does not notice that it is let go of.
    signal("-STOP", local.supervisor());
    local.down().ended_with(0).tells(&["ended"]);
    local.ends_within(END);
}
