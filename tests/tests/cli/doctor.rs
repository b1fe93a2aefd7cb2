//! `pmp-sync doctor` with the real command: what is well, and each thing that is broken, one at a time.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_scheduler::types::ScheduleState;
use pmp_sync_local::embedded::Clients;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::setup::Local;

/// The profiles of the members, by which their own accounts are looked at.
const PROFILES: [&str; 4] = ["--profile", "emea=emea", "--profile", "apac=apac"];

/// Check and subject of a finding.
type Key = (String, String);

/// What was found, with every option but the check's own.
#[derive(Debug, Clone)]
struct Found(BTreeMap<Key, Value>);

impl Found {
    fn of(report: &Value) -> Self {
        let findings = report["findings"].as_array().unwrap().iter();
        let key = |found: &Value| {
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            (text("id"), text("subject"))
        };
        Self(findings.map(|found| (key(found), found.clone())).collect())
    }

    fn status(&self, check: &str, subject: &str) -> &str {
        self.0[&(check.to_owned(), subject.to_owned())]["status"]
            .as_str()
            .unwrap()
    }

    /// Checks whose status has become another one, with it.
    fn changed(&self, before: &Self) -> Vec<(String, String, String)> {
        let keys = self.0.keys().chain(before.0.keys());
        let keys: std::collections::BTreeSet<_> = keys.collect();
        keys.into_iter()
            .filter(|key| {
                let status = |of: &Self| of.0.get(*key).map(|found| found["status"].clone());
                status(self) != status(before)
            })
            .map(|(check, subject)| {
                let now = self.0.get(&(check.clone(), subject.clone()));
                let status = now.map_or("gone", |found| found["status"].as_str().unwrap());
                (check.clone(), subject.clone(), status.to_owned())
            })
            .collect()
    }
}

struct Ward {
    local: Local,
    runtime: Runtime,
    healthy: Option<Found>,
}

impl Ward {
    fn config(&self, account: &str) -> SdkConfig {
        Clients::new(self.local.text("endpoint")).config(account)
    }

    fn management(&self) -> SdkConfig {
        self.config(self.local.text("management_account"))
    }

    fn member(&self, name: &str) -> SdkConfig {
        self.config(self.local.member(name)["account"].as_str().unwrap())
    }

    /// The report of the command, which ends with that code.
    fn look(&self, arguments: &[&str], code: i32) -> Found {
        let mut all = vec!["doctor", "--json"];
        all.extend(arguments);
        let answer = self.local.run(&all).ended_with(code);
        let report = answer.json();
        assert!(
            report["milliseconds"].as_u64().unwrap() < 60_000,
            "{report}"
        );
        Found::of(&report)
    }

    /// That these checks, and no others, are now otherwise than when all was well, and what they tell.
    #[track_caller]
    fn tells(&self, code: i32, expected: &[(&str, &str, &str, &str)]) {
        self.tells_beside("", code, expected);
    }

    /// The same, where that check may have changed as well, because a run may have begun meanwhile.
    #[track_caller]
    fn tells_beside(&self, may: &str, code: i32, expected: &[(&str, &str, &str, &str)]) {
        let now = self.look(&PROFILES, code);
        let mut changed = now.changed(self.healthy.as_ref().unwrap());
        changed.retain(|(check, _, _)| check != may);
        let changed: Vec<_> = changed
            .iter()
            .map(|(check, subject, status)| (check.as_str(), subject.as_str(), status.as_str()))
            .collect();
        let wanted: Vec<_> = expected
            .iter()
            .map(|(check, subject, status, _)| (*check, *subject, *status))
            .collect();
        assert_eq!(changed, wanted, "{now:#?}");
        for (check, subject, _, part) in expected {
            let found = &now.0[&((*check).to_owned(), (*subject).to_owned())];
            assert!(
                found.to_string().contains(part),
                "{part:?} is not in {found}"
            );
        }
    }
}

#[test]
fn doctor_finds_nothing_where_all_is_well_and_each_thing_that_is_broken() {
    let local = Local::up(&["--ttl", "10m", "--change-set-seconds", "0.2"]);
    let mut ward = Ward {
        local,
        runtime: Runtime::new().unwrap(),
        healthy: None,
    };
    all_is_well(&mut ward);
    what_is_not_looked_at_is_said_so(&ward);
    a_member_that_nobody_knows_is_refused(&ward);
    a_source_that_is_disabled(&ward);
    a_schedule_that_is_disabled(&ward);
    a_request_that_was_given_up_on(&ward);
    what_could_not_be_delivered(&ward);
    a_dead_letter(&ward);
    a_role_that_asks_for_another_external_id(&ward);
    an_experience_that_is_archived(&ward);
    a_queue_that_is_gone(&ward);
    a_wrong_stack_name_and_a_profile_that_is_not_there(&ward);
}

fn all_is_well(ward: &mut Ward) {
    ward.local.run(&["sync", "--wait"]).ended_with(0);
    let found = ward.look(&PROFILES, 0);
    for ((check, subject), found) in &found.0 {
        assert_ne!(found["status"], "fail", "{check} {subject}: {found}");
        if found["status"] == "warn" {
            assert!(found["fix"].is_string(), "{found}");
        }
    }
    let told = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/doctor.md"));
    let told = told.unwrap();
    let checks = told.lines().filter_map(|line| {
        let id = line.strip_prefix("### `")?;
        id.strip_suffix('`')
    });
    for check in checks {
        assert!(
            found.0.keys().any(|(id, _)| id == check),
            "{check} is not listed"
        );
    }
    for (check, subject) in [
        ("credentials", ""),
        ("clock", ""),
        ("management-stack", ""),
        ("management-release", ""),
        ("producer-function", ""),
        ("producer-source", ""),
        ("producer-answers", ""),
        ("inbox", ""),
        ("inbox-dead-letters", ""),
        ("undelivered", ""),
        ("schedule", ""),
        ("configuration", ""),
        ("last-run", ""),
        ("discovery", ""),
        ("member-role", "emea"),
        ("member-queue", "apac"),
        ("member-sending", "emea"),
        ("member-dead-letters", "apac"),
        ("member-stack", "emea"),
        ("worker-function", "apac"),
        ("worker-source", "emea"),
        ("changes-queue", "emea"),
        ("member-undelivered", "emea"),
    ] {
        assert_eq!(found.status(check, subject), "ok", "{check}: {found:#?}");
    }
    // Where calls go is told: this is not AWS.
    assert_eq!(found.status("endpoints", ""), "warn");
    ward.healthy = Some(found);
    let shown = ward.local.run(&["doctor"]).ended_with(0);
    for part in ["producer-source", "member-role", "WHAT TO DO"] {
        assert!(shown.stdout.contains(part), "{shown:#?}");
    }
    shown.tells(&["the management stack", "0 failing"]);
}

fn what_is_not_looked_at_is_said_so(ward: &Ward) {
    let found = ward.look(&["--member", "emea", "--profile", "emea=nobody"], 1);
    assert_eq!(found.status("member-credentials", "emea"), "fail");
    assert_eq!(found.status("worker-source", "emea"), "unknown");
    let found = ward.look(&["--member", "emea"], 0);
    assert_eq!(found.status("member-credentials", "emea"), "unknown");
    assert!(!found.0.keys().any(|(_, subject)| subject.contains("apac")));
}

fn a_member_that_nobody_knows_is_refused(ward: &Ward) {
    let refused = ward.local.run(&["doctor", "--member", "latam"]);
    refused
        .ended_with(5)
        .tells(&["no member is named latam", "apac, emea"]);
}

fn set_source(ward: &Ward, enabled: bool) {
    let client = aws_sdk_lambda::Client::new(&ward.management());
    ward.runtime.block_on(async {
        let listed = client.list_event_source_mappings().send().await.unwrap();
        let source = &listed.event_source_mappings()[0];
        let call = client.update_event_source_mapping().enabled(enabled);
        call.uuid(source.uuid().unwrap()).send().await.unwrap();
    });
}

fn a_source_that_is_disabled(ward: &Ward) {
    set_source(ward, false);
    ward.tells(
        1,
        &[(
            "producer-source",
            "",
            "fail",
            "aws lambda update-event-source-mapping --enabled --uuid",
        )],
    );
    set_source(ward, true);
}

fn set_schedule(ward: &Ward, state: ScheduleState) {
    let client = aws_sdk_scheduler::Client::new(&ward.management());
    ward.runtime.block_on(async {
        let name = "pmp-sync-schedule";
        let known = client.get_schedule().name(name).send().await.unwrap();
        client
            .update_schedule()
            .name(name)
            .set_schedule_expression(known.schedule_expression)
            .set_flexible_time_window(known.flexible_time_window)
            .set_target(known.target)
            .state(state)
            .send()
            .await
            .unwrap();
    });
}

fn a_schedule_that_is_disabled(ward: &Ward) {
    set_schedule(ward, ScheduleState::Disabled);
    ward.tells(1, &[("schedule", "", "fail", "ScheduleState=ENABLED")]);
    set_schedule(ward, ScheduleState::Enabled);
}

/// Sends a message to a queue, and takes it away again once `looked` has been called.
fn with_message(ward: &Ward, config: &SdkConfig, queue: &str, looked: impl FnOnce()) {
    let client = aws_sdk_sqs::Client::new(config);
    let url = ward.runtime.block_on(async {
        let url = client.get_queue_url().queue_name(queue).send().await;
        let url = url.unwrap().queue_url.unwrap();
        let mut call = client.send_message().queue_url(&url).message_body("lost");
        if queue.contains(".fifo") {
            call = call.message_group_id("dead").message_deduplication_id("1");
        }
        call.send().await.unwrap();
        url
    });
    looked();
    ward.runtime.block_on(async {
        client.purge_queue().queue_url(url).send().await.unwrap();
    });
}

fn a_request_that_was_given_up_on(ward: &Ward) {
    with_message(
        ward,
        &ward.management(),
        "pmp-sync-requests-dlq.fifo",
        || {
            ward.tells(
                0,
                &[("inbox-dead-letters", "", "warn", "aws sqs receive-message")],
            );
        },
    );
}

fn what_could_not_be_delivered(ward: &Ward) {
    with_message(ward, &ward.management(), "pmp-sync-undelivered", || {
        ward.tells(0, &[("undelivered", "", "warn", "aws sqs receive-message")]);
    });
}

fn a_dead_letter(ward: &Ward) {
    with_message(ward, &ward.member("emea"), "pmp-sync-changes-dlq", || {
        ward.tells(
            0,
            &[
                ("changes-dead-letters", "emea", "warn", "1 message"),
                ("member-dead-letters", "emea", "warn", "pmp-sync dlq list"),
            ],
        );
    });
}

fn apply(ward: &Ward, text: &str) {
    let file = ward.local.file("config.toml", text);
    ward.local
        .run(&["config", "apply", &file, "--yes"])
        .ended_with(0);
}

fn a_role_that_asks_for_another_external_id(ward: &Ward) {
    let shown = ward.local.run(&["config", "show"]).ended_with(0).stdout;
    let emea = ward.local.member("emea");
    let right = emea["external_id"].as_str().unwrap();
    apply(ward, &shown.replace(right, "another-one"));
    let subject = format!("emea {}", emea["experience"].as_str().unwrap());
    ward.tells(
        1,
        &[
            ("member-catalog", "emea", "unknown", "could not be assumed"),
            (
                "member-dead-letters",
                "emea",
                "unknown",
                "could not be assumed",
            ),
            (
                "member-experience",
                &subject,
                "unknown",
                "could not be assumed",
            ),
            (
                "member-installations",
                "emea",
                "unknown",
                "could not be assumed",
            ),
            ("member-policy", &subject, "unknown", "could not be assumed"),
            (
                "member-quarantine",
                "emea",
                "unknown",
                "could not be assumed",
            ),
            ("member-queue", "emea", "unknown", "could not be assumed"),
            (
                "member-role",
                "emea",
                "fail",
                "check account and external_id",
            ),
            ("member-sending", "emea", "unknown", "was not assumed"),
        ],
    );
    apply(ward, &shown);
}

/// Has the Catalog API change an experience, and waits until that is done.
fn change(ward: &Ward, member: &str, kind: &str, details: &Value) {
    use aws_sdk_marketplacecatalog::types::{Change, ChangeStatus, Entity};
    let state = ward.local.member(member);
    let config = Clients::new(ward.local.text("endpoint")).at(
        state["account"].as_str().unwrap(),
        ward.local.text("catalog_endpoint"),
    );
    let client = aws_sdk_marketplacecatalog::Client::new(&config);
    let entity = Entity::builder()
        .r#type("Experience@1.0")
        .identifier(state["experience"].as_str().unwrap())
        .build()
        .unwrap();
    let change = Change::builder()
        .change_type(kind)
        .entity(entity)
        .details(details.to_string())
        .build()
        .unwrap();
    ward.runtime.block_on(async {
        let call = client.start_change_set().catalog("AWSMarketplace");
        let started = call.change_set(change).send().await.unwrap();
        loop {
            let call = client.describe_change_set().catalog("AWSMarketplace");
            let call = call.change_set_id(started.change_set_id().unwrap());
            let described = call.send().await.unwrap();
            match described.status() {
                Some(ChangeStatus::Succeeded) => break,
                Some(ChangeStatus::Failed) => panic!("{described:?}"),
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    });
}

fn an_experience_that_is_archived(ward: &Ward) {
    let experience = ward.local.member("apac")["experience"].as_str().unwrap();
    let subject = format!("apac {experience}");
    change(
        ward,
        "apac",
        "UpdateExperience",
        &json!({ "Status": "Disabled" }),
    );
    ward.tells(
        0,
        &[("member-experience", &subject, "warn", "experience enable")],
    );
    change(ward, "apac", "RestrictExperience", &json!({}));
    // The change of the experience asks for a run, which fails while the experience is archived.
    ward.tells_beside(
        "last-run",
        1,
        &[("member-experience", &subject, "fail", "experience revive")],
    );
    change(ward, "apac", "ReviveExperience", &json!({}));
    change(
        ward,
        "apac",
        "UpdateExperience",
        &json!({ "Status": "Enabled" }),
    );
    ward.local.run(&["sync", "--wait"]).ended_with(0);
}

fn a_queue_that_is_gone(ward: &Ward) {
    let client = aws_sdk_sqs::Client::new(&ward.member("apac"));
    ward.runtime.block_on(async {
        let name = "pmp-sync-changes";
        let url = client
            .get_queue_url()
            .queue_name(name)
            .send()
            .await
            .unwrap();
        let url = url.queue_url().unwrap();
        client.delete_queue().queue_url(url).send().await.unwrap();
    });
    ward.tells(
        1,
        &[
            (
                "changes-queue",
                "apac",
                "fail",
                "there is no queue pmp-sync-changes",
            ),
            ("member-queue", "apac", "fail", "pmp-sync deploy member"),
        ],
    );
}

fn a_wrong_stack_name_and_a_profile_that_is_not_there(ward: &Ward) {
    let found = ward.look(&["--name", "nobody"], 1);
    assert_eq!(found.status("management-stack", ""), "fail");
    assert_eq!(found.status("producer-source", ""), "unknown");
    let began = std::time::Instant::now();
    let found = ward.look(&["--management-profile", "none"], 1);
    assert!(began.elapsed().as_secs() < 20);
    assert_eq!(found.status("credentials", ""), "fail");
    assert_eq!(found.status("producer-source", ""), "unknown");
}
