//! What a chat is told: the documented shape of a custom notification, for each kind of announcement.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::wire::Event;

/// The fields that AWS documents, and no others: docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html. Written a second
/// time, independently of the type that is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomNotification {
    version: String,
    source: String,
    id: Option<String>,
    content: Content,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Content {
    text_type: Option<String>,
    title: Option<String>,
    description: String,
    next_steps: Option<Vec<String>>,
    keywords: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    thread_id: Option<String>,
    summary: Option<String>,
    event_type: Option<String>,
    related_resources: Option<Vec<String>>,
    #[expect(dead_code, reason = "it is documented, and not sent")]
    additional_context: Option<BTreeMap<String, String>>,
}

/// The message for a chat, if it has the documented shape and is short enough for it.
fn documented((source, name, detail): &Event) -> CustomNotification {
    assert_eq!(*source, "pmp-sync");
    let chat = detail.get("chat").unwrap_or_else(|| panic!("{name}"));
    let bytes = chat.to_string().len();
    assert!(bytes < 20_000, "{name}: {bytes}");
    let told: CustomNotification = serde_json::from_value(chat.clone()).unwrap();
    assert_eq!(
        (told.version.as_str(), told.source.as_str()),
        ("1.0", "custom")
    );
    assert_eq!(told.content.text_type.as_deref(), Some("client-markdown"));
    assert_eq!(told.id.as_deref(), detail["id"].as_str(), "{name}");
    let texts = [
        &told.content.title,
        &told.content.description.clone().into(),
    ];
    for text in texts {
        let text = text.as_ref().unwrap();
        assert!(
            (1..=3_000).contains(&text.chars().count()),
            "{name}: {text}"
        );
    }
    for text in told
        .content
        .next_steps
        .iter()
        .chain(&told.content.keywords)
        .flatten()
    {
        assert!(
            (1..=3_000).contains(&text.chars().count()),
            "{name}: {text}"
        );
        assert!(text.matches('`').count() % 2 == 0, "{name}: {text}");
    }
    told
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

/// One of each kind.
fn notices() -> Vec<Notice> {
    vec![
        Notice::Held(read(include_str!("../../../fixtures/events/held-1.json"))),
        Notice::Blocked(read(include_str!(
            "../../../fixtures/events/blocked-1.json"
        ))),
        Notice::Quarantined(read(include_str!(
            "../../../fixtures/events/quarantined-1-named.json"
        ))),
        Notice::EditedOutside(read(include_str!(
            "../../../fixtures/events/edited-outside-1-named.json"
        ))),
        Notice::Contested(read(include_str!(
            "../../../fixtures/events/contested-1.json"
        ))),
        Notice::MemberStale(read(include_str!(
            "../../../fixtures/events/member-stale-1.json"
        ))),
        Notice::Recovered(read(include_str!(
            "../../../fixtures/events/recovered-1.json"
        ))),
    ]
}

#[test]
fn every_announcement_is_a_custom_notification_as_aws_documents_it() {
    for notice in notices() {
        let (about, event) = (notice.about(), notice.event(None));
        let told = documented(&event);
        let title = told.content.title.unwrap();
        assert!(title.starts_with(event.1), "{title}");
        assert!(title.contains(about.member.as_str()), "{title}");
        let metadata = told.metadata.unwrap();
        // All that is told of a link is in one thread.
        let thread = format!("{}/{}", about.account, about.experience);
        assert_eq!(metadata.thread_id, Some(thread));
        assert_eq!(metadata.event_type.as_deref(), Some(event.1));
        assert_eq!(metadata.summary, Some(title));
        let resources = metadata.related_resources.unwrap();
        assert!(resources.contains(&about.experience.to_string()));
    }
    let requested: ProductRequested = read(include_str!(
        "../../../fixtures/events/product-requested-1.json"
    ));
    documented(&requested.event(None));
    let ended: SyncCompleted = read(include_str!(
        "../../../fixtures/events/sync-completed-1.json"
    ));
    documented(&ended.event());
    let test = NotificationTest::new(
        "test-1".to_owned(),
        Some("arn:aws:iam::1:user/a".to_owned()),
        at(0),
    );
    let told = documented(&test.event());
    assert!(told.content.description.contains("Nothing has happened"));
    let digest: Digest = read(include_str!("../../../fixtures/events/digest-1.json"));
    documented(&digest.event());
}

#[test]
fn the_detail_stays_what_it_is_beside_the_message_for_a_chat() {
    for notice in notices() {
        let (_, name, detail) = notice.event(Some("digest"));
        assert_eq!(detail["digest"], "digest", "{name}");
        let (_, _, mut alone) = notice.event(None);
        assert!(alone.get("digest").is_none(), "{name}");
        alone.as_object_mut().unwrap().remove("chat");
        let stored: Value = serde_json::to_value(&notice).unwrap();
        let mut stored = stored.as_object().unwrap().clone();
        stored.remove("event");
        assert_eq!(alone, Value::Object(stored), "{name}");
    }
}

#[test]
fn each_next_step_is_one_with_its_command() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    world.look();
    let notice = world.last();
    let told = documented(&notice.event(None));
    let steps = told.content.next_steps.unwrap();
    assert_eq!(steps.len(), 3, "{steps:?}");
    for (hint, step) in notice.about().hints.iter().zip(&steps) {
        assert!(step.ends_with(&format!(": `{hint}`")), "{hint}: {step}");
    }
}
