//! Who is told of what: the topic, its subscriptions and the alarms.

use serde_yaml_ng::Value;

use crate::{actions, at, management, member, of_type, text};

/// Exactly what the producer announces is told, and nobody else's events of the same name.
#[test]
fn every_announcement_reaches_the_topic_and_nothing_else_does() {
    let template = management();
    let rule = at(&template, "Resources/NotificationRule/Properties");
    let types = at(rule, "EventPattern/detail-type").as_sequence().unwrap();
    let types: Vec<_> = types.iter().map(text).collect();
    let announced = [
        pmp_sync_domain::wire::HELD,
        pmp_sync_domain::wire::BLOCKED,
        pmp_sync_domain::wire::QUARANTINED,
        pmp_sync_domain::wire::CONTESTED,
        pmp_sync_domain::wire::EDITED_OUTSIDE,
        pmp_sync_domain::wire::MEMBER_STALE,
        pmp_sync_domain::wire::RECOVERED,
        pmp_sync_domain::wire::SYNC_COMPLETED,
        pmp_sync_domain::wire::PRODUCT_REQUESTED,
        pmp_sync_domain::wire::DIGEST,
        pmp_sync_domain::wire::NOTIFICATION_TEST,
    ];
    assert_eq!(types, announced);
    assert_eq!(
        text(at(rule, "EventPattern/source/0")),
        pmp_sync_domain::wire::SOURCE
    );
    assert_eq!(text(at(rule, "EventPattern/account/0")), "AWS::AccountId");
    // What a digest tells is not told by itself as well.
    let digested = at(rule, "EventPattern/detail/digest/0/exists");
    assert_eq!(digested.as_bool(), Some(false));
    let target = at(rule, "Targets/0");
    assert_eq!(text(&target["Arn"]), "Notifications");
    let chat = at(rule, "Targets/1");
    assert_eq!(text(&chat["Arn"]), "ChatNotifications");
    assert_eq!(text(&chat["InputPath"]), "$.detail.chat");
    for target in [target, chat] {
        // A role would be taken instead of the topic's policy.
        assert!(target.get("RoleArn").is_none());
        let undelivered = text(at(target, "DeadLetterConfig/Arn"));
        assert_eq!(undelivered, "Undelivered.Arn");
    }
    // Only what each of them has: a path that leads nowhere leaves a hole.
    let paths = at(target, "InputTransformer/InputPathsMap");
    let words = text(at(target, "InputTransformer/InputTemplate"));
    // Plain text: each line is a string.
    for line in words.lines() {
        let inner = line
            .strip_prefix('"')
            .and_then(|line| line.strip_suffix('"'));
        assert!(inner.is_some_and(|inner| !inner.contains('"')), "{line}");
    }
    for (name, path) in paths.as_mapping().unwrap() {
        assert!(words.contains(&format!("<{}>", text(name))), "{name:?}");
        let is_common = [
            "$.detail-type",
            "$.detail.message",
            "$.detail.what_to_do",
            "$.detail.id",
        ];
        assert!(is_common.contains(&text(path).as_str()), "{path:?}");
    }
}

#[test]
fn only_rules_and_the_alarms_of_the_account_may_publish() {
    let template = management();
    for topic in ["Notifications", "ChatNotifications"] {
        only_rules_and_alarms_publish(&template, topic);
    }
    for (output, topic) in [
        ("TopicArn", "Notifications"),
        ("ChatTopicArn", "ChatNotifications"),
    ] {
        let value = at(&template, &format!("Outputs/{output}/Value"));
        assert_eq!(text(value), topic);
    }
}

fn only_rules_and_alarms_publish(template: &Value, topic: &str) {
    let statements = format!("Resources/{topic}Policy/Properties/PolicyDocument/Statement");
    let statements = at(template, &statements);
    let statements = statements.as_sequence().unwrap();
    let services: Vec<_> = statements
        .iter()
        .map(|statement| {
            assert_eq!(actions(statement), ["sns:Publish"]);
            assert_eq!(text(&statement["Resource"]), topic);
            text(at(statement, "Principal/Service"))
        })
        .collect();
    assert_eq!(
        services,
        ["events.amazonaws.com", "cloudwatch.amazonaws.com"]
    );
    // A topic policy for EventBridge takes no condition.
    assert!(statements[0].get("Condition").is_none());
    let alarms = &statements[1]["Condition"];
    let own = &alarms["StringEquals"]["aws:SourceAccount"];
    assert_eq!(text(own), "AWS::AccountId");
    let source = text(&alarms["ArnLike"]["aws:SourceArn"]);
    assert!(source.ends_with(":alarm:${Name}-*"));
    // Neither of them may use the key that AWS manages.
    let topic = at(template, &format!("Resources/{topic}/Properties"));
    assert!(topic.get("KmsMasterKeyId").is_none());
}

#[test]
fn nobody_is_written_to_unless_an_address_is_given() {
    let template = management();
    let subscriptions = of_type(&template, "AWS::SNS::Subscription");
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(subscriptions[0]["Condition"], "HasNotificationEmail");
    let address = text(at(subscriptions[0], "Properties/Endpoint"));
    assert_eq!(address, "NotificationEmail");
    let default = at(&template, "Parameters/NotificationEmail/Default");
    assert_eq!(text(default), "");
}

#[test]
fn dead_letters_and_errors_of_the_producer_raise_alarms() {
    for (template, metrics, topics) in [
        (
            management(),
            vec![
                (
                    "ApproximateNumberOfMessagesVisible",
                    "InboxDeadLetters.QueueName",
                ),
                (
                    "ApproximateNumberOfMessagesVisible",
                    "Undelivered.QueueName",
                ),
                ("Errors", "Producer"),
            ],
            vec!["Notifications", "ChatNotifications"],
        ),
        (
            member(),
            vec![
                (
                    "ApproximateNumberOfMessagesVisible",
                    "DeadLetters.QueueName",
                ),
                (
                    "ApproximateNumberOfMessagesVisible",
                    "Undelivered.QueueName",
                ),
            ],
            vec!["HasAlarmTopic"],
        ),
    ] {
        let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
        let found: Vec<_> = alarms
            .iter()
            .map(|alarm| {
                let of = text(at(alarm, "Properties/Dimensions/0/Value"));
                (text(at(alarm, "Properties/MetricName")), of)
            })
            .collect();
        let expected: Vec<_> = metrics
            .iter()
            .map(|(metric, of)| ((*metric).to_owned(), (*of).to_owned()))
            .collect();
        assert_eq!(found, expected);
        for alarm in alarms {
            let properties = &alarm["Properties"];
            for (place, topic) in topics.iter().enumerate() {
                let action = at(properties, &format!("AlarmActions/{place}"));
                assert_eq!(text(action), *topic);
            }
            // An empty queue tells nothing.
            assert_eq!(properties["TreatMissingData"], "notBreaching");
            let operator = &properties["ComparisonOperator"];
            assert_eq!(operator, "GreaterThanThreshold");
        }
    }
}
