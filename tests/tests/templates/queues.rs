//! Queues, what feeds them and what reads them.

use serde_yaml_ng::Value;

use crate::{actions, at, management, member, of_type, statements, text};

#[test]
fn visibility_is_six_times_the_timeout_and_both_are_parameters() {
    for (template, timeout, visibility) in [
        (
            management(),
            "ProducerTimeoutSeconds",
            "InboxVisibilitySeconds",
        ),
        (member(), "WorkerTimeoutSeconds", "ChangesVisibilitySeconds"),
    ] {
        let default = |name: &str| {
            at(&template, &format!("Parameters/{name}/Default"))
                .as_u64()
                .unwrap()
        };
        assert_eq!(default(visibility), 6 * default(timeout));
        let function = of_type(&template, "AWS::Lambda::Function")[0];
        assert_eq!(text(at(function, "Properties/Timeout")), timeout);
        let queues = of_type(&template, "AWS::SQS::Queue");
        assert!(queues.iter().any(|queue| {
            queue["Properties"]
                .get("VisibilityTimeout")
                .is_some_and(|v| text(v) == visibility)
        }));
    }
    assert_eq!(
        *at(&member(), "Parameters/WorkerTimeoutSeconds/Default"),
        Value::from(30)
    );
}

#[test]
fn event_source_mappings_report_single_failures_without_a_window() {
    for template in [management(), member()] {
        for mapping in of_type(&template, "AWS::Lambda::EventSourceMapping") {
            let mapping = &mapping["Properties"];
            assert_eq!(mapping["BatchSize"], Value::from(10));
            assert_eq!(
                mapping["FunctionResponseTypes"][0],
                "ReportBatchItemFailures"
            );
            assert!(mapping.get("MaximumBatchingWindowInSeconds").is_none());
        }
    }
    // A literal: as a reference it would become text, which stops the polling on the emulator.
    assert_eq!(
        *at(
            &member(),
            "Resources/WorkerInbox/Properties/ScalingConfig/MaximumConcurrency"
        ),
        Value::from(2)
    );
}

#[test]
fn functions_may_send_to_themselves_and_their_logs_expire() {
    for template in [management(), member()] {
        for function in of_type(&template, "AWS::Lambda::Function") {
            assert_eq!(function["Properties"]["RecursiveLoop"], "Allow");
            assert_eq!(function["Properties"]["Runtime"], "provided.al2023");
        }
        for group in of_type(&template, "AWS::Logs::LogGroup") {
            assert!(group["Properties"].get("RetentionInDays").is_some());
        }
    }
}

/// A message is delayed for 15 minutes at most, and Lambda refuses a queue whose visibility timeout is
/// shorter than that of the function.
#[test]
fn retries_outlive_their_delay_and_are_hidden_while_they_are_handed_over() {
    let template = management();
    let queue = at(&template, "Resources/Retries/Properties");
    assert_eq!(queue["MessageRetentionPeriod"], Value::from(3_600));
    assert_eq!(queue["VisibilityTimeout"], "ProducerTimeoutSeconds");
    assert!(queue.get("FifoQueue").is_none());
    let sources: Vec<_> = of_type(&template, "AWS::Lambda::EventSourceMapping")
        .iter()
        .map(|mapping| mapping["Properties"]["EventSourceArn"].clone())
        .collect();
    assert_eq!(sources, ["Inbox.Arn", "Retries.Arn"]);
}

#[test]
fn queues_are_encrypted_and_dead_letters_stay_for_two_weeks() {
    for template in [management(), member()] {
        for queue in of_type(&template, "AWS::SQS::Queue") {
            let properties = &queue["Properties"];
            assert_eq!(properties["SqsManagedSseEnabled"], Value::Bool(true));
            let waits = text(&properties["QueueName"]).ends_with("-retries");
            if properties.get("RedrivePolicy").is_none() && !waits {
                assert_eq!(properties["MessageRetentionPeriod"], Value::from(1_209_600));
                // Undelivered events are of no use without the stack.
                let kept = if text(&properties["QueueName"]).ends_with("-undelivered") {
                    "Delete"
                } else {
                    "RetainExceptOnCreate"
                };
                assert_eq!(queue["DeletionPolicy"], kept);
            }
        }
    }
    assert_eq!(
        *at(
            &member(),
            "Resources/Changes/Properties/RedrivePolicy/maxReceiveCount"
        ),
        Value::from(1000)
    );
}

/// The one statement of a queue's policy, which has to be keyed on rules alone: an event that comes
/// without another key would be denied.
fn rules_that_may_send(template: &Value, policy: &str) -> Vec<String> {
    let statements = format!("Resources/{policy}/Properties/PolicyDocument/Statement");
    let statements = at(template, &statements).as_sequence().unwrap();
    assert_eq!(statements.len(), 1, "{policy}");
    let statement = &statements[0];
    assert_eq!(*at(statement, "Principal/Service"), "events.amazonaws.com");
    assert_eq!(actions(statement), ["sqs:SendMessage"]);
    let condition = statement["Condition"].as_mapping().unwrap();
    assert_eq!(condition.len(), 1, "{policy}");
    let keys = condition["ArnEquals"].as_mapping().unwrap();
    assert_eq!(keys.len(), 1, "{policy}");
    match &keys["aws:SourceArn"] {
        Value::Sequence(arns) => arns.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

#[test]
fn rules_reach_queues_that_let_them() {
    for (template, policy) in [(management(), "InboxPolicy"), (member(), "ChangesPolicy")] {
        let named = rules_that_may_send(&template, policy);
        let undelivered = rules_that_may_send(&template, "UndeliveredPolicy");
        for (name, resource) in template["Resources"].as_mapping().unwrap() {
            if resource["Type"] != "AWS::Events::Rule" {
                continue;
            }
            let arn = format!("{}.Arn", text(name));
            let target = text(at(resource, "Properties/Targets/0/Arn"));
            assert!(
                !target.ends_with(".Arn") || named.contains(&arn),
                "{arn} may not send"
            );
            assert!(undelivered.contains(&arn), "{arn} may not send");
        }
    }
}

/// Each target, of rules and of the schedule, keeps what it cannot deliver in a standard queue with
/// an alarm. EventBridge and Scheduler take no FIFO queue for that.
#[test]
fn what_cannot_be_delivered_is_kept() {
    for template in [management(), member()] {
        let rules = of_type(&template, "AWS::Events::Rule").into_iter();
        let targets = rules.flat_map(|rule| {
            let targets = at(rule, "Properties/Targets").as_sequence().unwrap();
            assert!(!targets.is_empty());
            targets.iter()
        });
        let schedules = of_type(&template, "AWS::Scheduler::Schedule").into_iter();
        let scheduled = schedules.map(|schedule| at(schedule, "Properties/Target"));
        for target in targets.chain(scheduled) {
            let queue = text(at(target, "DeadLetterConfig/Arn"));
            assert_eq!(queue, "Undelivered.Arn");
        }
        let queue = at(&template, "Resources/Undelivered/Properties");
        assert!(queue.get("FifoQueue").is_none());
        assert!(!text(&queue["QueueName"]).contains(".fifo"));
    }
    let template = management();
    let role = statements(at(&template, "Resources/ScheduleRole"));
    let resources = role[0]["Resource"].as_sequence().unwrap().iter();
    let resources: Vec<_> = resources.map(text).collect();
    assert_eq!(resources, ["Inbox.Arn", "Undelivered.Arn"]);
}

#[test]
fn every_request_of_the_bus_reaches_the_inbox() {
    let template = management();
    let types = at(
        &template,
        "Resources/RequestRule/Properties/EventPattern/detail-type",
    );
    let types: Vec<_> = types.as_sequence().unwrap().iter().map(text).collect();
    let expected = [
        pmp_sync_domain::wire::SYNC_REQUESTED,
        pmp_sync_domain::wire::REPLAY_REQUESTED,
        pmp_sync_domain::wire::DISCARD_REQUESTED,
        pmp_sync_domain::wire::APPROVAL_REQUESTED,
        pmp_sync_domain::wire::REJECTION_REQUESTED,
        pmp_sync_domain::wire::RESTORE_REQUESTED,
        pmp_sync_domain::wire::REVERT_REQUESTED,
        pmp_sync_domain::wire::LANE_SETTLED,
        pmp_sync_domain::wire::LANE_EDITED,
        pmp_sync_domain::wire::PRODUCT_REQUEST_RECEIVED,
    ];
    assert_eq!(types, expected);
}

/// Every event of a procurement request reaches the worker: no API tells of them.
#[test]
fn every_event_of_a_procurement_request_reaches_the_worker() {
    use pmp_sync_domain::records::RequestState;
    use pmp_sync_domain::wire::WorkerMessage;

    let template = member();
    let rule = at(&template, "Resources/ProductRequestRule/Properties");
    let source = text(at(rule, "EventPattern/source/0"));
    assert_eq!(source, pmp_sync_domain::wire::PRIVATE_MARKETPLACE_SOURCE);
    let types = at(rule, "EventPattern/detail-type").as_sequence().unwrap();
    let states: std::collections::BTreeSet<_> = types
        .iter()
        .map(|detail_type| {
            let body = serde_json::json!({
                "source": source,
                "detail-type": text(detail_type),
                "detail": {
                    "requestId": "pr-1",
                    "product": { "id": "prod-1" },
                    "experienceId": "exp-1"
                }
            });
            match WorkerMessage::parse(&body.to_string()) {
                Ok(WorkerMessage::ProductRequest(event)) => event.state,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(states, RequestState::ALL.into());
    assert_eq!(text(at(rule, "Targets/0/Arn")), "Changes.Arn");
}
