//! Commands that go on until something happens: what they tell meanwhile, and that a signal ends them.

use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::records::{LinkState, RunRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::json;

use crate::ledger::{Table, ended, hold, lane, link, run as ledger_run};
use crate::setup::{FakeAws, Home, until};

/// A run that is at work on the first link, for a request.
fn at_work(id: Option<&str>) -> RunRecord {
    let mut record = ended(9, "sync-requested", id, RunStatus::Applying);
    record.completed_at = None;
    record.open.insert(lane().to_string());
    record
}

/// An AWS where each request becomes a run that is at work, and stays so.
fn busy() -> FakeAws {
    FakeAws::serving(Table::linked(), |_, detail, table| {
        table.put_run(&at_work(detail["request_id"].as_str()));
        table.put_link(&link(9, LinkStatus::Committed));
    })
}

#[test]
fn a_signal_ends_a_wait_with_one_json_value() {
    let (home, aws) = (Home::new(), busy());
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let sync = home.start(&["sync", "--wait", "--json"], &aws.variables());
        until("it is told who is at work", || {
            sync.stderr().contains("emea")
        });
        sync.signal(signal);
        sync.answer()
            .ended_with(code)
            .is_json_failure("interrupted");
    }
}

#[test]
fn a_signal_says_what_continues_and_how_to_watch_and_suspend_it() {
    let (home, aws) = (Home::new(), busy());
    let sync = home.start(&["--name", "other", "sync", "--wait"], &aws.variables());
    until("it is told who is at work", || {
        sync.stderr().contains("emea")
    });
    sync.signal("-INT");
    let answer = sync.answer().ended_with(130);
    let run = ledger_run(9);
    for part in [
        format!("error: interrupted; run {run} continues: "),
        format!("`pmp-sync --name other status --run {run}`"),
        "`pmp-sync --name other status --watch`".to_owned(),
        "`pmp-sync --name other suspend`".to_owned(),
    ] {
        assert!(answer.stderr.contains(&part), "{part}: {answer:?}");
    }
    // What only reads leaves nothing behind.
    let watch = home.start(&["status", "--watch"], &aws.variables());
    until("there is a first block", || !watch.stdout().is_empty());
    watch.signal("-INT");
    let answer = watch.answer().ended_with(130);
    assert_eq!(answer.stderr, "error: interrupted\n");
}

#[test]
fn sync_tells_how_far_each_member_is_once_for_each_change_and_never_on_stdout() {
    let (home, aws) = (Home::new(), busy());
    let sync = ["sync", "--wait", "--timeout", "2", "--json"];
    let answer = aws.run(&home, &sync).ended_with(1);
    answer.is_json_failure("late");
    let told = answer.stderr.lines().filter(|line| line.contains(": idle"));
    let told: Vec<_> = told.collect();
    let experience = lane().experience;
    assert_eq!(told, [format!("emea {experience}: idle")], "{answer:?}");
    assert!(!answer.stderr.contains('\u{1b}'), "{answer:?}");
}

#[test]
fn status_is_watched_one_block_for_each_change() {
    let (home, aws) = (Home::new(), busy());
    let watch = ["status", "--watch", "--interval", "1s"];
    let watch = home.start(&watch, &aws.variables());
    until("there is a first block", || {
        watch.stdout().contains("no run yet")
    });
    aws.run(&home, &["sync"]).ended_with(0);
    until("there is a second block", || {
        watch.stdout().contains("applying")
    });
    // A whole look later there is still nothing new.
    let seen = aws.looks();
    until("it has looked twice more", || aws.looks() >= seen + 2);
    watch.signal("-INT");
    let answer = watch.answer().ended_with(130);
    let heads = answer.stdout.matches("LAST IN SYNC").count();
    assert_eq!(heads, 2, "{answer:?}");
    assert!(!answer.stdout.contains('\u{1b}'), "{answer:?}");
}

#[test]
fn status_cannot_be_watched_where_it_is_not_understood() {
    let (home, aws) = (Home::new(), busy());
    let answer = aws.run(&home, &["status", "--watch", "--json"]);
    answer.ended_with(5).is_json_failure("command-line");
    aws.run(&home, &["status", "--interval", "1s"])
        .ended_with(5);
    let value = aws.run(&home, &["status", "--json"]).ended_with(0).json();
    assert_eq!(value["runs"], json!([]));
}

/// A lane of a run of 60 changes of which so many are done.
fn put_lane(table: &mut Table, of: &LaneId, done: usize) {
    let phase = if done < 60 { "in_flight" } else { "idle" };
    let state = json!({
        "schema": 1, "rev": 1, "phase": phase, "seq": 1, "tick": 1,
        "planned": {
            "run": ledger_run(9), "hash": "0".repeat(64), "sent": true, "at": "2026-01-01T12:00:05Z",
            "totals": { "allow": 0, "deny": 60 }, "taken": { "allow": 0, "deny": done },
        },
    });
    let pk = format!("LANE#{}#{}", of.account, of.experience);
    table.put(&pk, "STATE", &state);
}

#[test]
fn the_progress_of_an_approval_reaches_its_end() {
    let mut table = Table::linked();
    let link_state = LinkState {
        schema: 1,
        hold: Some(hold(3)),
        ..LinkState::default()
    };
    table.put_link_state(&lane(), &link_state);
    table.put_link(&link(3, LinkStatus::Held));
    let aws = FakeAws::serving(table, |_, detail, table| {
        table.put_run(&at_work(detail["request_id"].as_str()));
        table.put_link(&link(9, LinkStatus::Committed));
        put_lane(table, &lane(), 11);
    });
    let home = Home::new();
    let approve = ["approve", "--member", "emea", "--yes"];
    let approve = home.start(&approve, &aws.variables());
    until("it is told how far it is", || {
        approve.stderr().contains("in flight, 11 of 60 done")
    });
    // Both at once, as the command sees it: it looks every 2 s.
    aws.change(|table| {
        put_lane(table, &lane(), 60);
        let id = aws.events()[0].1["request_id"].as_str().map(str::to_owned);
        let kind = "approval-requested";
        table.put_run(&ended(9, kind, id.as_deref(), RunStatus::Completed));
    });
    let answer = approve.answer().ended_with(0);
    let told = answer
        .stderr
        .lines()
        .filter(|line| line.contains(" of 60 done"));
    let told: Vec<_> = told.collect();
    let name = format!("emea {}", lane().experience);
    let lines = ["in flight, 11 of 60 done", "idle, 60 of 60 done"];
    assert_eq!(
        told,
        lines.map(|line| format!("{name}: {line}")),
        "{answer:?}"
    );
}
