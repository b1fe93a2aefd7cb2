//! `pmp-sync local` without the emulated AWS: its state file, its options, and how a start ends.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::setup::{Home, closed_endpoint, text, until};

/// A state file as `local up` writes it.
fn state(endpoint: &str) -> Value {
    json!({
        "schema": 1, "pid": u32::MAX, "endpoint": endpoint, "catalog_endpoint": endpoint,
        "ends_at": "2026-01-01T00:00:00Z", "management_account": "111111111111",
        "management_experience": null, "members": [], "empty": [], "variables": {},
        "options": { "name": "pmp-sync", "ttl_seconds": 600, "change_set_seconds": 0.5 },
    })
}

/// Something that listens as the emulated AWS does, until it is dropped.
fn listener() -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    (socket, endpoint)
}

/// A cargo that does this instead of building.
fn cargo(home: &Home, script: &str) -> PathBuf {
    let path = home.file("cargo", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

#[test]
fn local_down_is_content_when_nothing_runs() {
    let home = Home::new();
    let state = home.path().join("none").join("state.json");
    // Where it is told to look, and in the usual place below HOME.
    for arguments in [
        &["local", "down", "--state", text(&state)][..],
        &["local", "down"],
    ] {
        let answer = home.run(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), ""));
        assert_eq!(answer.stderr, "nothing runs\n");
        let answer = home.run(&[arguments, &["--json"]].concat()).ended_with(0);
        assert_eq!(answer.json(), json!({ "ended": false }));
    }
}

#[test]
fn local_down_clears_away_what_a_dead_process_left() {
    let home = Home::new();
    let path = home.file("state.json", &state(&closed_endpoint()).to_string());
    let answer = home.run(&["local", "down", "--state", text(&path), "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.json(), json!({ "ended": true }));
    assert!(!path.exists());
}

#[test]
fn local_down_prints_what_unsets_the_variables_and_hints_name_the_state_file() {
    let home = Home::new();
    let mut running = state(&closed_endpoint());
    running["variables"] =
        json!({ "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1" });
    let path = home.file("state.json", &running.to_string());
    let down = ["local", "down", "--state", text(&path)];
    let answer = home.run(&down).ended_with(0);
    assert_eq!(answer.stdout, "unset AWS_ENDPOINT_URL AWS_REGION\n");
    let again = format!("`eval \"$(pmp-sync local down --state {})\"`", text(&path));
    assert!(answer.stderr.contains(&again), "{answer:?}");
    let status = ["local", "status", "--state", text(&path)];
    let answer = home.run(&status).ended_with(6);
    let up = format!("`pmp-sync local up --state {}`", text(&path));
    assert!(answer.stderr.contains(&up), "{answer:?}");
    let answer = home.run(&[&status[..], &["--json"]].concat());
    let what_to_do = &answer.json()["error"]["what_to_do"];
    assert!(what_to_do.as_str().unwrap().contains(&up), "{answer:?}");
}

#[test]
fn nobody_who_reads_what_runs_is_no_failure_to_report() {
    let home = Home::new();
    let (_socket, endpoint) = listener();
    let mut running = state(&endpoint);
    running["variables"] = json!({ "AWS_REGION": "us-east-1" });
    let path = home.file("state.json", &running.to_string());
    let answer = home.run_unread(&["local", "status", "--state", text(&path)], &[]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(141), ""));
}

#[test]
fn local_down_can_be_repeated_until_nothing_listens() {
    let home = Home::new();
    let (socket, endpoint) = listener();
    let path = home.file("state.json", &state(&endpoint).to_string());
    let down = ["local", "down", "--state", text(&path)];
    let first = home.start(&down, &[]);
    until("the state file is gone", || !path.exists());
    first.signal("-KILL");
    first.answer();
    let has_looked = || socket.accept().is_ok();
    while has_looked() {}

    let second = home.start(&down, &[]);
    for _ in 0..3 {
        until("it looks whether something listens", has_looked);
    }
    assert_eq!(second.stderr(), "", "it still listens");
    drop(socket);
    let answer = second.answer().ended_with(0);
    assert_eq!(answer.stderr, "ended\n");
    let answer = home.run(&down).ended_with(0);
    assert_eq!(answer.stderr, "nothing runs\n");
}

#[test]
fn local_status_shows_what_listens_and_fails_where_nothing_does() {
    let home = Home::new();
    let (socket, endpoint) = listener();
    let recorded = state(&endpoint);
    let path = home.file("state.json", &recorded.to_string());
    let status = ["local", "status", "--json", "--state", text(&path)];
    assert_eq!(home.run(&status).ended_with(0).json(), recorded);
    drop(socket);
    home.run(&status).ended_with(6).is_json_failure("local");
    assert!(path.exists(), "it changes nothing");
}

#[test]
fn a_command_without_the_program_beside_it_tells_what_to_put_there() {
    let home = Home::new();
    let alone = home.path().join("pmp-sync");
    // By a process of its own: a child that another test starts meanwhile would inherit the file
    // open for writing, and a file that is open for writing cannot be run.
    let copied = std::process::Command::new("cp")
        .args([env!("CARGO_BIN_EXE_pmp-sync"), text(&alone)])
        .status();
    assert!(copied.unwrap().success());
    let output = std::process::Command::new(&alone)
        .args(["local", "up"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{told}");
    for part in [
        "pmp-sync-local cannot be run",
        "what to do: put pmp-sync-local, ",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_broken_state_file_is_told_with_its_path_and_what_to_do() {
    let home = Home::new();
    let later = state("http://127.0.0.1:1")
        .to_string()
        .replace("\"schema\":1", "\"schema\":2");
    for broken in ["", "{\"schema\": 1", "[]", &later] {
        let path = home.file("state.json", broken);
        for command in ["up", "down"] {
            let answer = home.run(&["local", command, "--json", "--state", text(&path)]);
            let answer = answer.ended_with(5);
            answer.is_json_failure("file");
            assert!(answer.stderr.contains(text(&path)), "{answer:?}");
            let hint = "what to do: remove the file; what runs for it ends then";
            assert!(answer.stderr.contains(hint), "{answer:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), broken);
        }
    }
}

#[test]
fn a_second_start_with_other_options_is_refused() {
    let home = Home::new();
    let (_socket, endpoint) = listener();
    let recorded = state(&endpoint);
    let path = home.file("state.json", &recorded.to_string());
    let up = ["local", "up", "--json", "--state", text(&path)];
    for same in [
        &[][..],
        &["--ttl", "10m", "--change-set-seconds", "0.5"],
        &["--catalog-endpoint", &endpoint, "--name", "pmp-sync"],
    ] {
        let answer = home.run(&[&up, same].concat()).ended_with(0);
        assert_eq!(answer.json(), recorded);
        assert!(answer.stderr.contains("it runs already"), "{answer:?}");
    }
    for (other, told) in [
        (["--ttl", "8h"], "--ttl 600s, not 28800s"),
        (
            ["--change-set-seconds", "1"],
            "--change-set-seconds 0.5, not 1",
        ),
        (
            ["--catalog-endpoint", "http://127.0.0.1:9"],
            "not http://127.0.0.1:9",
        ),
        (["--name", "other"], "--name pmp-sync, not other"),
    ] {
        let answer = home.run(&[&up[..], &other].concat()).ended_with(6);
        answer.is_json_failure("local");
        assert!(answer.stderr.contains("it runs already"), "{answer:?}");
        assert!(answer.stderr.contains(told), "{answer:?}");
        let hint = "what to do: end it with `pmp-sync local down --state ";
        assert!(answer.stderr.contains(hint), "{answer:?}");
    }
    // One of a release that did not record them cannot be compared.
    let mut unknown = recorded;
    unknown.as_object_mut().unwrap().remove("options");
    home.file("state.json", &unknown.to_string());
    home.run(&[&up[..], &["--ttl", "1h"]].concat())
        .ended_with(0);
}

#[test]
fn an_interrupted_start_ends_what_it_started() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let home = Home::new();
        let built = home.path().join("built");
        let script = format!(
            "echo $$ $PPID > {0}.draft && mv {0}.draft {0}\nsleep 60",
            text(&built)
        );
        let cargo = cargo(&home, &script);
        let path = home.path().join("state.json");
        let up = ["local", "up", "--json", "--state", text(&path)];
        let running = home.start(&up, &[("CARGO", text(&cargo))]);
        until("it builds", || built.exists());
        let pids: Vec<u32> = std::fs::read_to_string(&built)
            .unwrap()
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect();
        assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
        running.signal(signal);
        let answer = running.answer().ended_with(code);
        answer.is_json_failure("interrupted");
        let [build, serve] = pids[..] else {
            panic!("{pids:?}");
        };
        assert!(!lives(serve), "{answer:?}");
        // Told at the same time, but nobody waits for it.
        until("the build has ended", || !lives(build));
        assert!(!path.exists());
    }
}

#[test]
fn a_start_that_fails_is_told_once() {
    let home = Home::new();
    let cargo = cargo(&home, "echo the linker is missing >&2\nexit 1");
    let path = home.path().join("state.json");
    for json in [&[][..], &["--json"]] {
        let up = ["local", "up", "--state", text(&path)];
        let answer = home.run_with(&[&up[..], json].concat(), &[("CARGO", text(&cargo))]);
        let answer = answer.ended_with(6);
        for once in ["what to do: ", "error: ", "the linker is missing"] {
            let count = answer.stderr.matches(once).count();
            assert_eq!(count, 1, "{once}: {}", answer.stderr);
        }
        let log = path.with_extension("log");
        assert!(answer.stderr.contains(text(&log)), "{}", answer.stderr);
        if json.is_empty() {
            assert_eq!(answer.stdout, "");
        } else {
            answer.is_json_failure("local");
        }
    }
}

#[test]
fn a_start_that_dies_without_a_word_is_told_with_the_end_of_its_log() {
    let home = Home::new();
    let cargo = cargo(&home, "kill -KILL $PPID");
    let path = home.path().join("state.json");
    let up = ["local", "up", "--state", text(&path)];
    let answer = home.run_with(&up, &[("CARGO", text(&cargo))]).ended_with(6);
    assert!(answer.stderr.contains("signal: 9"), "{answer:?}");
    assert_eq!(answer.stderr.matches("what to do: ").count(), 1);
}
