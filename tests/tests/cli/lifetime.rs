//! How the embedded AWS ends: told to, when its time is up, and with the process that holds it.

use std::process::Command;
use std::time::Duration;

use crate::setup::{END, Local};

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
    let killed = Command::new("kill")
        .args(["-9", &local.pid().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    local.ends_within(END);
    // The state file that it could not clear away is in nobody's way.
    assert!(local.state().exists());
    let answer = local.down().ended_with(0);
    answer.tells(&["ended"]);
    assert!(!local.state().exists());
}
