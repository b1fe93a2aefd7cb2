//! The command line: what is wrong with one, and how each command explains itself.

use crate::setup::Home;

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

#[test]
fn a_wrong_command_line_ends_with_5_and_says_why_on_stderr() {
    let home = Home::new();
    let wrong: [(&[&str], &str); 33] = [
        (&[], "Usage"),
        (&["sink"], "sink"),
        (&["config"], "Usage"),
        (&["config", "validate"], "<FILE>"),
        (&["plan", "--product"], "--product"),
        (&["plan", "--member", "EMEA"], "lower-case"),
        (&["sync", "--experience", "entity-1"], "exp-"),
        (&["sync", "--timeout", "5"], "--wait"),
        (&["sync", "--override"], "--reason"),
        (&["sync", "--reason", "a launch"], "--override"),
        (&["sync", "--override", "--reason", " "], "1 to 200"),
        (&["suspend", "--reason", " "], "1 to 1000"),
        (&["resume", "--reason", ""], "1 to 1000"),
        (&["holds", "--experience", "entity-1"], "exp-"),
        (&["approve"], "--plan <HASH>"),
        (&["reject", RUN], "--plan <HASH>"),
        (
            &["approve", "--plan", "01234567", "--reason", ""],
            "--reason",
        ),
        (
            &["approve", RUN, "--experience", "exp-1", "--plan", "0123456"],
            "at least the first 8",
        ),
        (
            &["reject", RUN, "--experience", "exp-1", "--plan", "0123456g"],
            "64 hexadecimal digits",
        ),
        (
            &[
                "reject",
                "latest",
                "--experience",
                "exp-1",
                "--plan",
                "01234567",
            ],
            "the beginning of it",
        ),
        (&["restore", RUN], "--experience"),
        (
            &[
                "restore",
                RUN,
                "--experience",
                "exp-1",
                "--plan",
                "01234567",
            ],
            "--plan",
        ),
        (&["history", "--limit", "201"], "--limit"),
        (&["history", "--export", "--limit", "5"], "--limit"),
        (&["history", "--edits", "--export"], "--export"),
        (&["history", "--edits", "--product", "prod-a"], "--product"),
        (&["history", "last", "--since", "7d"], "--since"),
        (&["history", "last", "--member", "emea"], "--member"),
        (&["history", "--export=xml"], "xml"),
        (&["status", "--runs", "0"], "--runs"),
        (&["status", "--run", "latest"], "the beginning of it"),
        (&["local", "up", "--ttl", "25h"], "at most 24h"),
        (
            &["local", "up", "--change-set-seconds", "3601"],
            "0 to 3600",
        ),
    ];
    for (arguments, why) in wrong {
        let answer = home.run(arguments);
        assert_eq!(answer.code, Some(5), "{arguments:?}: {answer:?}");
        assert_eq!(answer.stdout, "", "{arguments:?}");
        assert!(answer.stderr.contains(why), "{arguments:?}: {answer:?}");

        let answer = home.run(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, Some(5), "{arguments:?}: {answer:?}");
        let value = answer.json();
        assert_eq!(value["error"]["code"], "command-line");
        let message = value["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
        assert!(answer.stderr.contains(why), "{arguments:?}: {answer:?}");
    }
}

#[test]
fn every_command_explains_itself() {
    let home = Home::new();
    let commands: [(&[&str], &str); 17] = [
        (&[], "<COMMAND>"),
        (&["config"], "validate"),
        (&["config", "validate"], "<FILE>"),
        (&["config", "apply"], "<FILE>"),
        (&["config", "show"], "--name"),
        (&["plan"], "--products"),
        (&["why"], "--file"),
        (&["sync"], "--timeout"),
        (&["status"], "--runs"),
        (&["holds"], "--products"),
        (&["approve"], "--plan"),
        (&["reject"], "--plan"),
        (&["restore"], "--experience"),
        (&["history"], "--export"),
        (&["local"], "down"),
        (&["local", "up"], "--catalog-endpoint"),
        (&["local", "down"], "--state"),
    ];
    for (command, holds) in commands {
        let answer = home.run(&[command, &["--help"]].concat());
        assert_eq!(answer.code, Some(0), "{command:?}: {answer:?}");
        assert_eq!(answer.stderr, "", "{command:?}");
        assert!(answer.stdout.contains("Usage: pmp-sync"), "{answer:?}");
        assert!(answer.stdout.contains(holds), "{command:?}: {answer:?}");
        assert!(answer.stdout.contains("--json"), "{command:?}: {answer:?}");
        let hidden = answer.stdout.lines().any(|l| l.trim().starts_with("serve"));
        assert!(!hidden, "{answer:?}");
    }
    let answer = home.run(&["--version"]);
    let version = format!("pmp-sync {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((answer.code, answer.stdout), (Some(0), version));
}

/// A variable of the environment is no option that is missing.
#[test]
fn the_usage_in_an_error_is_the_same_whatever_variables_are_set() {
    let home = Home::new();
    let variables = [("PMP_SYNC_NAME", "other"), ("PMP_SYNC_UTC", "true")];
    for arguments in [&["approve"][..], &["plan", "--produkt"], &["sink"]] {
        let plain = home.run(arguments).ended_with(5);
        let told = home.run_with(arguments, &variables).ended_with(5);
        assert_eq!(told.stderr, plain.stderr);
    }
    let help = home.run_with(&["plan", "--help"], &variables).ended_with(0);
    assert!(help.stdout.contains("PMP_SYNC_NAME"), "{help:?}");
}
