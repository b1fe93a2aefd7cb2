//! What goes wrong is told by name, and keeps to itself.

use std::collections::BTreeSet;
use std::time::Duration;

use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_local::marketplace::{Lists, NewExperience};
use pmp_sync_local::scenario::link;

use crate::setup::{
    PATIENCE, block_on, embedded, emulator, ids, install, lists, mirror, mirror_with, until,
};

#[test]
fn a_wrong_external_id_fails_its_own_link_only() {
    block_on(async {
        let installation = install(21, 2, &[]).await;
        let wanted = ids("w", 2);
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &BTreeSet::new()));
        let experiences: Vec<_> = installation
            .members
            .iter()
            .map(|member| installation.add_experience(member, Lists::default()))
            .collect();
        let right = installation.config();
        let wrong = right.replace(&installation.members[0].external_id, "not-the-external-id");
        assert_ne!(right, wrong);
        let config = wrong
            + &link(&source, "m1", &experiences[0], "")
            + &link(&source, "m2", &experiences[1], "");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.status, run.totals.failed), (RunStatus::Partial, 1));
        assert_eq!(installation.lists(&experiences[1]).allow, wanted);
        assert!(installation.lists(&experiences[0]).allow.is_empty());
        let links = installation.ledger.links(run.run).await.unwrap().items;
        let fault = links
            .iter()
            .find(|link| link.status == LinkStatus::Failed)
            .and_then(|link| link.fault.clone())
            .unwrap();
        assert_eq!(fault.code, "PMS-3001");
        assert!(
            fault.message.contains(&installation.members[0].account),
            "{}",
            fault.message
        );
        assert!(fault.remedy.contains("external_id"), "{}", fault.remedy);
    });
}

/// Nothing else starts a run here: the schedule rests, and no request follows the first one.
#[test]
fn a_link_that_was_denied_access_is_served_a_minute_later_by_a_retry() {
    block_on(async {
        let installation = install(26, 1, &[]).await;
        let wanted = ids("w", 2);
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &BTreeSet::new()));
        let experience = installation.add_experience(&installation.members[0], Lists::default());
        let right = installation.config();
        let wrong = right.replace(
            &installation.members[0].external_id,
            "not-yet-the-external-id",
        );
        let follows = link(&source, "m1", &experience, "");
        installation
            .apply(&format!("{wrong}{follows}"))
            .await
            .unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.status, run.totals.failed), (RunStatus::Failed, 1));
        installation
            .apply(&format!("{right}{follows}"))
            .await
            .unwrap();
        let two_minutes = Duration::from_mins(2);
        until("the link is in sync", two_minutes, || {
            installation.lists(&experience).allow == wanted
        })
        .await;
        let runs = installation.ledger.newest_runs(10).await.unwrap().items;
        let requests: Vec<_> = runs.iter().flat_map(|run| &run.requests).collect();
        let retries: Vec<_> = requests.iter().filter(|one| one.retry > 0).collect();
        assert_eq!(retries.len(), 1, "{requests:?}");
        assert_eq!(retries[0].retry, 1);
        assert_eq!(retries[0].id, Some(run.run.to_string()));
    });
}

#[test]
fn experiences_that_do_not_exist_are_named_with_what_to_do() {
    block_on(async {
        let installation = install(22, 1, &[]).await;
        let source = installation.add_experience(
            &installation.management,
            lists(&ids("w", 1), &BTreeSet::new()),
        );
        let experience = installation.add_experience(&installation.members[0], Lists::default());
        let config = installation.config()
            + &link(&source, "m1", "exp-0000000000000", "")
            + &link("exp-1111111111111", "m1", &experience, "");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        // What is missing on the management's side is held: nothing is denied because of it.
        assert_eq!(run.status, RunStatus::Partial);
        assert_eq!((run.totals.failed, run.totals.held), (1, 1));
        let links = installation.ledger.links(run.run).await.unwrap().items;
        let mut faults: Vec<_> = links
            .into_iter()
            .filter_map(|link| link.fault)
            .map(|fault| (fault.code, fault.message))
            .collect();
        faults.sort();
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].0, "PMS-2001");
        assert!(faults[0].1.contains("exp-1111111111111"));
        assert_eq!(faults[1].0, "PMS-3002");
        assert!(faults[1].1.contains("exp-0000000000000"));
    });
}

#[test]
fn nothing_is_planned_from_a_management_experience_that_says_nothing() {
    block_on(async {
        let installation = install(23, 1, &[]).await;
        let had = ids("h", 3);
        let owner = installation.management.owner.clone();
        let add = |enabled, archived, lists| {
            emulator().add_experience(NewExperience {
                owner: owner.clone(),
                id: None,
                name: None,
                enabled,
                archived,
                lists,
            })
        };
        let some = || Some(lists(&ids("w", 1), &BTreeSet::new()));
        let cases = [
            ("PMS-2002", add(true, true, some())),
            ("PMS-2003", add(false, false, some())),
            ("PMS-2004", add(true, false, None)),
            (
                "PMS-2005",
                add(true, false, Some(lists(&BTreeSet::new(), &ids("x", 2)))),
            ),
        ];
        let mut config = installation.config();
        let mut experiences = Vec::new();
        for (_, source) in &cases {
            let experience = installation
                .add_experience(&installation.members[0], lists(&had, &BTreeSet::new()));
            config.push_str(&link(source, "m1", &experience, ""));
            experiences.push(experience);
        }
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.status, run.totals.messages), (RunStatus::Held, 0));
        assert_eq!(run.totals.held, cases.len());
        let links = installation.ledger.links(run.run).await.unwrap().items;
        for ((code, source), experience) in cases.iter().zip(&experiences) {
            let link = links
                .iter()
                .find(|link| link.sources.first().as_str() == source)
                .unwrap();
            let hold = link.hold.as_ref().unwrap();
            let codes: Vec<_> = hold.reasons.iter().map(HoldReason::code).collect();
            assert!(codes.contains(code), "{code}: {codes:?}");
            assert_eq!(
                installation.lists(experience),
                lists(&had, &BTreeSet::new()),
                "nothing is denied by mistake"
            );
        }
    });
}

async fn dead(account: &str, url: &str) -> Vec<(String, Option<String>)> {
    let client = aws_sdk_sqs::Client::new(&embedded().config(account));
    let answer = client
        .receive_message()
        .queue_url(url)
        .message_attribute_names("All")
        .max_number_of_messages(10)
        .wait_time_seconds(10)
        .send()
        .await
        .unwrap();
    let code = |message: &aws_sdk_sqs::types::Message| {
        message
            .message_attributes()?
            .get("code")?
            .string_value()
            .map(str::to_owned)
    };
    answer
        .messages()
        .iter()
        .map(|message| (message.body().unwrap_or_default().to_owned(), code(message)))
        .collect()
}

#[test]
fn an_unreadable_message_goes_to_the_dead_letter_queue_with_its_reason() {
    block_on(async {
        let installation = install(24, 1, &[]).await;
        let member = &installation.members[0];
        let outputs = &installation.stacks.members[0].outputs;
        let client = aws_sdk_sqs::Client::new(&embedded().config(&member.account));
        client
            .send_message()
            .queue_url(&outputs["ChangesUrl"])
            .message_body("{\"schema\":99,\"kind\":\"change\"}")
            .send()
            .await
            .unwrap();
        let dead_lettered = dead(&member.account, &outputs["DeadLettersUrl"]).await;
        assert_eq!(
            dead_lettered,
            [(
                "{\"schema\":99,\"kind\":\"change\"}".to_owned(),
                Some("PMS-5001".to_owned())
            )]
        );

        let management = &installation.management.account;
        let inbox = &installation.stacks.outputs["InboxUrl"];
        let client = aws_sdk_sqs::Client::new(&embedded().config(management));
        let unknown = "{\"source\":\"somebody\",\"detail-type\":\"Something\"}";
        client
            .send_message()
            .queue_url(inbox)
            .message_body(unknown)
            .message_group_id("inbox")
            .send()
            .await
            .unwrap();
        let dead_lettered = dead(
            management,
            &inbox.replace("-requests.fifo", "-requests-dlq.fifo"),
        )
        .await;
        assert_eq!(
            dead_lettered,
            [(unknown.to_owned(), Some("PMS-5001".to_owned()))]
        );
    });
}

#[test]
fn a_producer_without_a_configuration_says_so() {
    block_on(async {
        let installation = install(25, 1, &[]).await;
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(run.status, RunStatus::Failed);
        assert_eq!(
            run.fault.map(|fault| fault.code),
            Some("PMS-1002".to_owned())
        );
        // And goes on as soon as there is one.
        let (_, experience) = mirror(
            &installation,
            lists(&ids("w", 1), &BTreeSet::new()),
            Lists::default(),
        )
        .await;
        installation.sync(PATIENCE).await.unwrap();
        assert_eq!(installation.lists(&experience).allow, ids("w", 1));
    });
}

#[test]
fn a_product_that_is_not_live_is_not_allowed_where_that_is_required() {
    block_on(async {
        let installation = install(28, 1, &[]).await;
        let wanted = ids("live28-", 3);
        let missing = "prod-live28-00001";
        emulator().set_live(missing, false);
        let (_, experience) = mirror_with(
            &installation,
            lists(&wanted, &BTreeSet::new()),
            Lists::default(),
            "live_check = \"require\"",
        )
        .await;
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        let mut others = wanted.clone();
        others.remove(missing);
        assert_eq!(installation.lists(&experience).allow, others);
        let links = installation.ledger.links(run.run).await.unwrap().items;
        let left: Vec<_> = links.iter().flat_map(|link| &link.left_alone).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(
            (left[0].product.as_str(), left[0].reason),
            (missing, Reason::NotLive)
        );
        assert_eq!(links[0].unchecked, 0, "the producer may ask");
        // What was said is kept: a further run asks for nothing.
        let asked = || {
            let calls = emulator().calls().into_iter();
            calls
                .filter(|call| call.operation == "GetProduct" && call.thing.contains("live28-"))
                .count()
        };
        assert_eq!(asked(), 3);
        installation.sync(PATIENCE).await.unwrap();
        assert_eq!(asked(), 3);
    });
}
