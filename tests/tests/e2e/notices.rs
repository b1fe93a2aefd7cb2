//! What is announced: by the deployed producer, through the stack's own rule and topic, held against the
//! schemas.

use aws_sdk_eventbridge::types::Target;
use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest};
use pmp_sync_domain::hint::Hint;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::ports::{Bus as _, ReadRuns as _};
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::wire::{
    DeadLetterAction, DeadLetterFilter, DeadLetterRequest, Scope, approval_requested,
    dead_letters_requested,
};
use pmp_sync_local::marketplace::{BadProduct, Faults, Lists};
use pmp_sync_local::scenario::Installation;
use serde_json::Value;

use crate::schemas;
use crate::setup::{
    PATIENCE, block_on, embedded, emulator, ids, install, lane_until, lists, mirror,
};

/// How long nothing has to arrive until nothing more is expected.
const QUIET: i32 = 2;

/// A queue that hears what is put on the bus, and those that hear what the topics for mail and for chats are told.
struct Ears {
    sqs: aws_sdk_sqs::Client,
    bus: String,
    topic: String,
    chat: String,
}

impl Ears {
    async fn new(installation: &Installation<'_>) -> Self {
        let config = embedded().config(&installation.management.account);
        let sqs = aws_sdk_sqs::Client::new(&config);
        let name = &installation.stacks.management.name;
        let bus = queue(&sqs, &format!("{name}-heard")).await;
        let topic = queue(&sqs, &format!("{name}-told")).await;
        let chat = queue(&sqs, &format!("{name}-chatted")).await;
        let events = aws_sdk_eventbridge::Client::new(&config);
        let pattern = r#"{"source":["pmp-sync"],"detail-type":["Held","Blocked","Quarantined","Contested","Edited Outside","Member Stale","Recovered","Sync Completed"]}"#;
        let rule = format!("{name}-heard");
        let made = events.put_rule().name(&rule).event_bus_name(name);
        made.event_pattern(pattern).send().await.unwrap();
        let target = Target::builder().id("heard").arn(arn(&sqs, &bus).await);
        let targets = events.put_targets().rule(&rule).event_bus_name(name);
        let targets = targets.targets(target.build().unwrap());
        targets.send().await.unwrap();
        let account = &installation.management.account;
        for (topic, queue) in [("notifications", &topic), ("chat", &chat)] {
            let subscribed = aws_sdk_sns::Client::new(&config)
                .subscribe()
                .topic_arn(format!("arn:aws:sns:us-east-1:{account}:{name}-{topic}"))
                .protocol("sqs")
                .endpoint(arn(&sqs, queue).await)
                .attributes("RawMessageDelivery", "true");
            subscribed.send().await.unwrap();
        }
        Self {
            sqs,
            bus,
            topic,
            chat,
        }
    }

    /// What has come to one of the queues since it was last asked, in order.
    async fn heard(&self, queue: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let received = self
                .sqs
                .receive_message()
                .queue_url(queue)
                .max_number_of_messages(10)
                .wait_time_seconds(QUIET);
            let received = received.send().await.unwrap();
            if received.messages().is_empty() {
                return heard;
            }
            for message in received.messages() {
                heard.push(message.body().unwrap().to_owned());
                let gone = self.sqs.delete_message().queue_url(queue);
                let gone = gone.receipt_handle(message.receipt_handle().unwrap());
                gone.send().await.unwrap();
            }
        }
    }

    /// The events since the last time; each is valid against its schema, and told to the topic in words, and to a chat as it wants it.
    async fn events(&self) -> Vec<(String, Value)> {
        let (heard, mut told, mut chatted) = tokio::join!(
            self.heard(&self.bus),
            self.heard(&self.topic),
            self.heard(&self.chat)
        );
        let events: Vec<_> = heard
            .iter()
            .map(|body| {
                let event: Value = serde_json::from_str(body).unwrap();
                let name = event["detail-type"].as_str().unwrap().to_owned();
                assert_valid(&name, &event["detail"]);
                (name, event["detail"].clone())
            })
            .collect();
        assert_eq!(told.len(), events.len(), "{told:?}");
        assert_eq!(chatted.len(), events.len(), "{chatted:?}");
        for (name, detail) in &events {
            let is_it = |text: &String| {
                serde_json::from_str::<Value>(text).is_ok_and(|chat| chat == detail["chat"])
            };
            let place = chatted.iter().position(is_it);
            chatted.remove(place.unwrap_or_else(|| panic!("{detail} in {chatted:?}")));
            let message = detail["message"].as_str().unwrap();
            let is_it = |text: &String| text.contains(name.as_str()) && text.contains(message);
            let place = told.iter().position(is_it);
            let text = told.remove(place.unwrap_or_else(|| panic!("{message} in {told:?}")));
            assert!(
                text.contains(detail["what_to_do"].as_str().unwrap()),
                "{text}"
            );
        }
        events
    }

    /// The names of what has come, sorted: what lanes have to tell comes at the end of a batch, and EventBridge keeps no order.
    async fn names(&self) -> Vec<String> {
        let events = self.events().await;
        let mut names: Vec<_> = events.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }
}

/// A queue that takes what rules and topics send to it.
async fn queue(sqs: &aws_sdk_sqs::Client, name: &str) -> String {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["events.amazonaws.com","sns.amazonaws.com"]},"Action":"sqs:SendMessage","Resource":"*"}]}"#;
    let made = sqs.create_queue().queue_name(name);
    let made = made.attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, policy);
    made.send().await.unwrap().queue_url().unwrap().to_owned()
}

async fn arn(sqs: &aws_sdk_sqs::Client, url: &str) -> String {
    let name = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
    let asked = sqs.get_queue_attributes().queue_url(url);
    let answer = asked.attribute_names(name.clone()).send().await.unwrap();
    answer.attributes().unwrap()[&name].clone()
}

fn assert_valid(name: &str, detail: &Value) {
    let file = name.to_lowercase().replace(' ', "-");
    let wrong = schemas::of(&format!("events/{file}"), detail);
    assert_eq!(wrong, None, "{name}: {detail}");
}

/// A run is asked for, and the lane is blocked by what it has planned.
async fn blocked_by_a_run(installation: &Installation<'_>, lane: &LaneId) {
    let before = installation.lane(lane).await.unwrap().planned_run();
    installation.request(Scope::default()).await.unwrap();
    lane_until(installation, lane, "a block", |state| {
        state.phase == Phase::Blocked && state.planned_run() > before
    })
    .await;
}

#[test]
fn each_change_of_state_is_announced_once_to_the_bus_and_the_topic() {
    block_on(async {
        let installation = install(61, 1, &[]).await;
        let name = installation.stacks.management.name.clone();
        let config = embedded().config(&installation.management.account);
        let bus = pmp_sync_aws::bus::EventBus::new(&config, &name);
        let ears = Ears::new(&installation).await;
        let (all, nothing) = (ids("notice", 30), ids("", 0));
        let (source, experience) =
            mirror(&installation, lists(&all, &nothing), Lists::default()).await;
        let lane = LaneId {
            account: installation.members[0].account.parse().unwrap(),
            experience: experience.parse().unwrap(),
        };

        // A run that sends something, and one that finds everything in sync.
        installation.sync(PATIENCE).await.unwrap();
        assert_eq!(ears.names().await, ["Sync Completed"]);
        installation.sync(PATIENCE).await.unwrap();
        assert!(ears.names().await.is_empty());

        // A hold, which a second run finds as it is, and its approval.
        let few = all.iter().take(15).cloned().collect();
        emulator().set_lists(&source, lists(&few, &nothing));
        let held = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(held.status, RunStatus::Held);
        let hold = installation
            .ledger
            .link_state(&lane)
            .await
            .unwrap()
            .hold
            .unwrap();
        let events = ears.events().await;
        assert_eq!(events.len(), 1);
        let (told, detail) = &events[0];
        assert_eq!(told, "Held");
        assert_eq!(
            (&detail["deny"], &detail["reason"]),
            (&15.into(), &"PMS-7001".into())
        );
        let approve = hold.approve(&lane.experience);
        let hints: Vec<Hint> = serde_json::from_value(detail["hints"].clone()).unwrap();
        assert!(hints.contains(&approve), "{hints:?}");
        let told = detail["what_to_do"].as_str().unwrap();
        assert!(told.contains(&approve.to_string()), "{told}");
        installation.sync(PATIENCE).await.unwrap();
        assert!(ears.names().await.is_empty());
        let request = ApprovalRequest {
            action: ApprovalAction::Approve,
            lane: lane.clone(),
            run: hold.run,
            plan_hash: Some(hold.plan_hash),
            request_id: Some("approval-61".to_owned()),
            requester: None,
            account: None,
            reason: None,
        };
        bus.put(approval_requested(request)).await.unwrap();
        installation.wait("approval-61", PATIENCE).await.unwrap();
        assert_eq!(ears.names().await, ["Recovered", "Sync Completed"]);

        // The only product of its kind fails: the lane is blocked. That is announced at once, and
        // not again by the next run.
        let bad = "prod-noticebad".to_owned();
        emulator()
            .set_faults(Faults {
                bad_products: [(bad.clone(), BadProduct::new("INVALID_PRODUCT"))].into(),
                ..Faults::default()
            })
            .unwrap();
        let mut wanted = few.clone();
        wanted.insert(bad.clone());
        emulator().set_lists(&source, lists(&wanted, &nothing));
        blocked_by_a_run(&installation, &lane).await;
        blocked_by_a_run(&installation, &lane).await;
        let events = ears.events().await;
        let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Blocked", "Sync Completed"]);
        assert_eq!(events[0].1["reason"], "change-set-failed");
        assert_eq!(events[1].1["status"], "superseded");

        // With a good one beside it, it alone is quarantined.
        wanted.insert("prod-noticegood".to_owned());
        emulator().set_lists(&source, lists(&wanted, &nothing));
        let partial = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(partial.status, RunStatus::Partial);
        let events = ears.events().await;
        let mut names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
        // What the lanes have to tell comes at the end of a batch.
        names.sort_unstable();
        let expected = [
            "Quarantined",
            "Recovered",
            "Sync Completed",
            "Sync Completed",
        ];
        assert_eq!(names, expected);
        let of = |name: &str| {
            let event = events.iter().find(|(known, _)| known == name);
            event.map(|(_, detail)| detail).unwrap()
        };
        assert_eq!(of("Recovered")["recovered"][0]["condition"], "blocked");
        let quarantined = &of("Quarantined")["products"][0];
        assert_eq!(
            (&quarantined["product"], &quarantined["error_code"]),
            (&bad.into(), &"INVALID_PRODUCT".into())
        );

        // It is good again, and replayed.
        emulator().set_faults(Faults::default()).unwrap();
        let request = DeadLetterRequest {
            action: DeadLetterAction::Replay,
            filter: DeadLetterFilter::default(),
            request_id: Some("replay-61".to_owned()),
            requester: None,
        };
        bus.put(dead_letters_requested(request)).await.unwrap();
        installation.wait("replay-61", PATIENCE).await.unwrap();
        assert_eq!(ears.names().await, ["Recovered", "Sync Completed"]);
        installation.sync(PATIENCE).await.unwrap();
        assert!(ears.names().await.is_empty());
        assert_eq!(installation.lists(&experience).allow, wanted);
    });
}
