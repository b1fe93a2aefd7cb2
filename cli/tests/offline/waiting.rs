//! Commands that go on until something happens: what they tell meanwhile, and that a signal ends them.

use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::json;

use crate::ledger::{Table, ended, lane, link, run as ledger_run};
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
