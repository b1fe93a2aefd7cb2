//! Each finding about the configuration, the last runs, and the lanes.

use pmp_sync_domain::answers::doctor::Look;
use pmp_sync_domain::error::{FaultRecord, Kind};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::{BlockReason, Suspension};
use pmp_sync_domain::plan::Plan;

use super::super::finding::Status;
use super::super::finding::tests::{failed, tells};
use super::*;

const CONFIG: &str = r#"
schema = 1
[[member]]
name = "emea"
account = "222222222222"
external_id = "e-1"
[[link]]
management_experience = "exp-m"
member = "emea"
member_experience = "exp-1"
"#;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn before(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

fn timed<T>(seen: T) -> Timed<T> {
    Timed {
        look: Look::Seen(seen),
        milliseconds: 1,
    }
}

fn run(status: RunStatus, age: i64) -> RunRecord {
    let id = RunId::next(None, 1, 1);
    RunRecord {
        status,
        ..RunRecord::new(id, 1, Vec::new(), before(age))
    }
}

fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

fn facts() -> Facts {
    Facts {
        config: timed(Some(StoredConfig {
            version: 3,
            text: CONFIG.to_owned(),
        })),
        onboarded: timed(vec![AccountId::new("222222222222").unwrap()]),
        suspensions: timed(Suspensions::default()),
        last: timed(Some(run(RunStatus::Completed, 60))),
        unfinished: timed(Vec::new()),
        lanes: timed(vec![LaneSeen {
            name: "emea exp-1".to_owned(),
            lane: lane(),
            block: None,
            quarantined: 0,
            last_success: None,
        }]),
        links: timed(vec![LinkSeen {
            name: "emea exp-1".to_owned(),
            lane: lane(),
            holds: Vec::new(),
            frozen_since: None,
            edited: (0, None),
        }]),
        unreadable: Vec::new(),
    }
}

fn hourly() -> Rhythm {
    Rhythm {
        schedule: Some(Schedule {
            enabled: true,
            expression: "rate(1 hour)".to_owned(),
        }),
        since: Some(before(100)),
    }
}

fn found(facts: &Facts, check: Check) -> Vec<Finding> {
    let all = judge(facts, &hourly(), now());
    all.into_iter().filter(|found| found.id == check).collect()
}

#[track_caller]
fn one(facts: &Facts, check: Check) -> Finding {
    let mut all = found(facts, check);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn what_is_well_is_ok_in_every_check() {
    let all = judge(&facts(), &hourly(), now());
    for found in &all {
        tells(found, Status::Ok, &[]);
    }
    assert_eq!(all.len(), 12);
}

#[test]
fn a_configuration_is_there_and_valid() {
    let mut none = facts();
    none.config = timed(None);
    tells(
        &one(&none, Check::Configuration),
        Status::Fail,
        &["no configuration", "config apply"],
    );
    tells(
        &one(&none, Check::MemberLinks),
        Status::Unknown,
        &["because"].map(|_| "no configuration"),
    );
    let mut broken = facts();
    broken.config = timed(Some(StoredConfig {
        version: 4,
        text: "schema = 9".to_owned(),
    }));
    tells(
        &one(&broken, Check::Configuration),
        Status::Fail,
        &["version 4 is not valid"],
    );
    tells(&one(&broken, Check::Onboarding), Status::Unknown, &[]);
}

#[test]
fn a_member_without_a_link_and_an_account_without_a_member_are_told() {
    let mut facts = facts();
    let more = "[[member]]\nname = \"apac\"\naccount = \"333333333333\"\nexternal_id = \"e-2\"\n";
    facts.config = timed(Some(StoredConfig {
        version: 3,
        text: format!("{CONFIG}{more}"),
    }));
    facts.onboarded = timed(vec![
        AccountId::new("222222222222").unwrap(),
        AccountId::new("444444444444").unwrap(),
    ]);
    let alone = one(&facts, Check::MemberLinks);
    tells(&alone, Status::Warn, &["no link"]);
    assert_eq!(alone.subject.as_deref(), Some("apac"));
    let open = one(&facts, Check::Onboarding);
    tells(&open, Status::Warn, &["member add"]);
    assert_eq!(open.subject.as_deref(), Some("444444444444"));
}

#[test]
fn the_suspension_is_told_with_who_put_it_on() {
    let mut facts = facts();
    let suspension = Suspension {
        by: Some("alice".to_owned()),
        since: before(10),
    };
    facts.suspensions = timed(Suspensions {
        all: Some(suspension),
        ..Suspensions::default()
    });
    tells(
        &one(&facts, Check::Suspensions),
        Status::Warn,
        &["everything", "alice", "pmp-sync resume"],
    );
}

#[test]
fn the_last_run_is_recent_and_did_not_fail() {
    let of = |last: Option<RunRecord>, rhythm: &Rhythm| {
        let mut facts = facts();
        facts.last = timed(last);
        let all = judge(&facts, rhythm, now());
        all.into_iter()
            .find(|found| found.id == Check::LastRun)
            .unwrap()
    };
    let on_time = run(RunStatus::Completed, 7_200);
    tells(&of(Some(on_time), &hourly()), Status::Ok, &["2 h ago"]);
    let late = run(RunStatus::Completed, 7_201);
    tells(
        &of(Some(late.clone()), &hourly()),
        Status::Fail,
        &["none since"],
    );
    let mut off = hourly();
    off.schedule.as_mut().unwrap().enabled = false;
    tells(&of(Some(late.clone()), &off), Status::Ok, &[]);
    let mut cron = hourly();
    cron.schedule.as_mut().unwrap().expression = "cron(0 * * * ? *)".to_owned();
    tells(&of(Some(late), &cron), Status::Ok, &[]);
    let mut failed = run(RunStatus::Failed, 60);
    failed.fault = Some(FaultRecord {
        code: "PMS-1002".to_owned(),
        message: "nothing is configured".to_owned(),
        remedy: String::new(),
        hint: None,
    });
    tells(
        &of(Some(failed), &hourly()),
        Status::Fail,
        &["PMS-1002", "status --run"],
    );
    let partial = run(RunStatus::Partial, 60);
    tells(&of(Some(partial), &hourly()), Status::Warn, &["partial"]);
    tells(
        &of(None, &hourly()),
        Status::Warn,
        &["no run yet", "sync --wait"],
    );
    let mut old = hourly();
    old.since = Some(before(7_201));
    tells(&of(None, &old), Status::Fail, &["although the schedule"]);
}

#[test]
fn a_run_that_does_not_end_is_told_after_an_hour() {
    let mut facts = facts();
    facts.unfinished = timed(vec![run(RunStatus::Applying, 3_600)]);
    tells(&one(&facts, Check::UnfinishedRuns), Status::Ok, &["1 run"]);
    facts.unfinished = timed(vec![run(RunStatus::Applying, 3_601)]);
    tells(
        &one(&facts, Check::UnfinishedRuns),
        Status::Warn,
        &["applying since 1 h", "status --run 0"],
    );
}

#[test]
fn a_blocked_lane_and_what_is_quarantined_are_told_by_lane() {
    let mut seen = facts();
    let Look::Seen(lanes) = &mut seen.lanes.look else {
        unreachable!()
    };
    lanes[0].block = Some(Block {
        reason: BlockReason::Archived,
        detail: "the words".to_owned(),
        since: before(5),
    });
    lanes[0].quarantined = 2;
    let blocked = one(&seen, Check::Blocked);
    tells(
        &blocked,
        Status::Warn,
        &["archived: the words", "pmp-sync sync"],
    );
    assert_eq!(blocked.subject.as_deref(), Some("emea exp-1"));
    tells(
        &one(&seen, Check::Quarantine),
        Status::Warn,
        &["2 changes", "dlq replay"],
    );
    seen.lanes.look = failed(Kind::Retryable, "no answer");
    tells(
        &one(&seen, Check::Blocked),
        Status::Unknown,
        &["no answer", "again"],
    );
}

#[test]
fn what_is_held_is_told_with_the_command_that_releases_it() {
    let mut seen = facts();
    let hold = Hold {
        run: RunId::next(None, 1, 1),
        plan_hash: Plan::default().hash(),
        reasons: vec![HoldReason::ManagementEmpty { experience: None }],
        allow: 0,
        deny: 1,
        removals: 1,
        since: before(5),
        announced: true,
        rejected: None,
        approvals: Vec::new(),
        overrides: false,
    };
    let Look::Seen(links) = &mut seen.links.look else {
        unreachable!()
    };
    let command = hold.approve(&lane().experience).to_string();
    links[0].holds.push(hold);
    links[0].frozen_since = Some(before(3_600));
    tells(
        &one(&seen, Check::Holds),
        Status::Warn,
        &["since", &command],
    );
    tells(&one(&seen, Check::Frozen), Status::Warn, &["1 h", "frozen"]);
}
