//! What the templates must say and the emulator of AWS does not enforce.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::collections::BTreeSet;

use pmp_sync_domain::lane::MemberRules;
use serde_yaml_ng::Value;

fn template(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("a template is YAML")
}

fn management() -> Value {
    template(include_str!("../../infra/management.yaml"))
}

fn access() -> Value {
    template(include_str!("../../infra/member-access.yaml"))
}

fn member() -> Value {
    template(include_str!("../../infra/member.yaml"))
}

/// A value by the names on its way; `!Ref` and the like are looked through.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |value, name| {
        let value = if let Value::Tagged(tagged) = value {
            &tagged.value
        } else {
            value
        };
        match name.parse::<usize>() {
            Ok(place) => &value[place],
            Err(_) => &value[name],
        }
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => text(&tagged.value),
        Value::String(text) => text.clone(),
        other => panic!("{other:?} is not text"),
    }
}

fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<&'a Value> {
    let resources = template["Resources"].as_mapping().unwrap().values();
    resources
        .filter(|resource| resource["Type"] == kind)
        .collect()
}

fn statements(role: &Value) -> Vec<&Value> {
    let policies = at(role, "Properties/Policies").as_sequence().unwrap();
    policies
        .iter()
        .flat_map(|policy| {
            at(policy, "PolicyDocument/Statement")
                .as_sequence()
                .unwrap()
        })
        .collect()
}

fn actions(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::Sequence(actions) => actions.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

#[test]
fn the_ledger_is_recoverable_encrypted_protected_and_forgets_runs() {
    let template = management();
    let ledger = at(&template, "Resources/Ledger");
    assert_eq!(ledger["DeletionPolicy"], "RetainExceptOnCreate");
    assert_eq!(
        *at(
            ledger,
            "Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"
        ),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/SSESpecification/SSEEnabled"),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/TimeToLiveSpecification/AttributeName"),
        "expires_at"
    );
    assert_eq!(
        *at(ledger, "Properties/TimeToLiveSpecification/Enabled"),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/DeletionProtectionEnabled"),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/LocalSecondaryIndexes/0/IndexName"),
        "open"
    );
}

#[test]
fn stacks_tell_the_release_of_their_template() {
    for template in [management(), access(), member()] {
        let release = at(&template, "Outputs/Release/Value");
        assert_eq!(text(release), env!("CARGO_PKG_VERSION"));
    }
}

/// The plain way: what infra/README.md has whoever goes it give is what the templates ask for.
#[test]
fn the_parameters_of_the_plain_way_are_those_without_a_default() {
    let readme = include_str!("../../infra/README.md");
    for (file, template) in [
        ("management.yaml", management()),
        ("member-access.yaml", access()),
        ("member.yaml", member()),
    ] {
        let mark = format!("--template-file {file}");
        let call = readme.split(&mark).nth(1).unwrap();
        let call = call.split("\n    aws ").next().unwrap();
        let call = call.split("\n\n").next().unwrap();
        let given = call
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let given: BTreeSet<_> = given.map(|(name, _)| name.to_owned()).collect();
        let parameters = template["Parameters"].as_mapping().unwrap().iter();
        let needed = parameters.filter(|(_, parameter)| parameter.get("Default").is_none());
        let needed: BTreeSet<_> = needed.map(|(name, _)| text(name)).collect();
        assert_eq!(given, needed, "{file}");
    }
}

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
        let mapping = &of_type(&template, "AWS::Lambda::EventSourceMapping")[0]["Properties"];
        assert_eq!(mapping["BatchSize"], Value::from(10));
        assert_eq!(
            mapping["FunctionResponseTypes"][0],
            "ReportBatchItemFailures"
        );
        assert!(mapping.get("MaximumBatchingWindowInSeconds").is_none());
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

#[test]
fn queues_are_encrypted_and_dead_letters_stay_for_two_weeks() {
    for template in [management(), member()] {
        for queue in of_type(&template, "AWS::SQS::Queue") {
            let properties = &queue["Properties"];
            assert_eq!(properties["SqsManagedSseEnabled"], Value::Bool(true));
            if properties.get("RedrivePolicy").is_none() {
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
            assert_eq!(targets.len(), 1);
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

/// `events:source` and `events:detail-type` are lists, one value for each event of a call.
#[test]
fn lists_are_compared_as_lists() {
    let (management, access) = (management(), access());
    for (role, keys) in [
        (
            at(&management, "Resources/ProducerRole"),
            &["events:source"][..],
        ),
        (
            at(&access, "Resources/LaneRole"),
            &["events:source", "events:detail-type"][..],
        ),
    ] {
        let all = statements(role);
        let put = all
            .iter()
            .find(|statement| actions(statement).contains(&"events:PutEvents".to_owned()));
        let condition = put.unwrap()["Condition"].as_mapping().unwrap();
        let operators: Vec<_> = condition.keys().map(text).collect();
        assert_eq!(operators, ["ForAllValues:StringEquals"]);
        let named = condition["ForAllValues:StringEquals"].as_mapping().unwrap();
        assert_eq!(named.keys().map(text).collect::<Vec<_>>(), keys);
    }
}

#[test]
fn cross_account_roles_ask_for_the_external_id_and_the_one_role() {
    for (template, role, other) in [
        (access(), "LaneRole", "worker"),
        (member(), "MemberRole", "producer"),
    ] {
        let trust = at(
            &template,
            &format!("Resources/{role}/Properties/AssumeRolePolicyDocument/Statement/0"),
        );
        assert!(text(at(trust, "Principal/AWS")).ends_with(":root"));
        assert!(
            at(trust, "Condition/StringEquals")
                .get("sts:ExternalId")
                .is_some()
        );
        let arns: Vec<_> = trust["Condition"]["ArnLike"]["aws:PrincipalArn"]
            .as_sequence()
            .unwrap()
            .iter()
            .map(text)
            .collect();
        assert!(
            arns.iter()
                .any(|arn| arn.contains(":iam::")
                    && arn.ends_with(&format!("role/${{Name}}-{other}"))),
            "{arns:?}"
        );
        assert!(
            arns.iter().any(|arn| arn.contains(":sts::")
                && arn.ends_with(&format!("assumed-role/${{Name}}-{other}/*"))),
            "{arns:?}"
        );
    }
}

#[test]
fn the_producer_cannot_change_an_experience_anywhere() {
    let (management, member) = (management(), member());
    for role in [
        at(&management, "Resources/ProducerRole"),
        at(&member, "Resources/MemberRole"),
    ] {
        for statement in statements(role) {
            for action in actions(statement) {
                let reads = [
                    "aws-marketplace:DescribeEntity",
                    "aws-marketplace:ListEntities",
                    "aws-marketplace:GetProduct",
                ];
                assert!(
                    !action.starts_with("aws-marketplace:") || reads.contains(&action.as_str()),
                    "{action}"
                );
                assert_ne!(action, "*");
            }
        }
    }
}

#[test]
fn the_worker_may_only_allow_and_deny_and_create_the_first_policy() {
    let template = member();
    let role = at(&template, "Resources/WorkerRole");
    let all = statements(role);
    let start = all
        .iter()
        .find(|s| actions(s).contains(&"aws-marketplace:StartChangeSet".to_owned()))
        .unwrap();
    let types: Vec<_> = start["Condition"]["StringEquals"]["catalog:ChangeType"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    assert_eq!(
        types,
        [
            "AllowProductProcurement",
            "DenyProductProcurement",
            "CreateProcurementPolicy"
        ]
    );
    assert!(
        all.iter().all(|s| actions(s)
            .iter()
            .all(|action| !action.starts_with("dynamodb:"))),
        "its own account has no ledger"
    );
}

/// What the worker refuses to read stops it altogether.
#[test]
fn the_worker_reads_every_value_that_the_members_own_rules_may_have() {
    let template = member();
    let default = |name: &str| text(at(&template, &format!("Parameters/{name}/Default")));
    let modes = at(&template, "Parameters/MemberMode/AllowedValues");
    for mode in modes.as_sequence().unwrap() {
        for most in [default("MostDeniesPerDay").as_str(), "", "0", "999999999"] {
            assert!(MemberRules::parse(&text(mode), most).is_ok(), "{mode:?}");
        }
    }
    let rules = MemberRules::parse(&default("MemberMode"), &default("MostDeniesPerDay"));
    assert_eq!(rules, Ok(MemberRules::default()));
    let variables = at(
        &template,
        "Resources/Worker/Properties/Environment/Variables",
    );
    for (variable, parameter) in [
        ("PMP_SYNC_MEMBER_MODE", "MemberMode"),
        ("PMP_SYNC_MEMBER_MOST_DENIES", "MostDeniesPerDay"),
        ("PMP_SYNC_RUN_RETENTION_DAYS", "RunRetentionDays"),
    ] {
        assert_eq!(text(&variables[variable]), parameter);
    }
}

#[test]
fn a_lane_role_has_its_own_leading_keys_only() {
    let template = access();
    let role = at(&template, "Resources/LaneRole");
    for statement in statements(role) {
        for action in actions(statement) {
            assert!(
                [
                    "dynamodb:GetItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:Query",
                    "events:PutEvents"
                ]
                .contains(&action.as_str()),
                "{action}"
            );
        }
        if actions(statement)
            .iter()
            .any(|action| action.starts_with("dynamodb:"))
        {
            let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            assert_eq!(text(keys), "LANE#${MemberAccountId}#*");
        }
    }
}

#[test]
fn the_producer_looks_into_dead_letters_of_the_member_and_into_no_other_queue() {
    let template = member();
    let role = at(&template, "Resources/MemberRole");
    for statement in statements(role) {
        for action in actions(statement) {
            let resource = || text(&statement["Resource"]);
            match action.as_str() {
                "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "sqs:ChangeMessageVisibility" => {
                    assert_eq!(resource(), "DeadLetters.Arn");
                }
                "sqs:SendMessage*" => assert_eq!(resource(), "Changes.Arn"),
                // Reads how many messages there are, and none of them.
                "sqs:GetQueueAttributes" => {
                    let queues = statement["Resource"]
                        .as_sequence()
                        .unwrap()
                        .iter()
                        .map(text);
                    let queues: Vec<_> = queues.collect();
                    assert_eq!(queues, ["Changes.Arn", "DeadLetters.Arn"]);
                }
                other => assert!(!other.starts_with("sqs:"), "{other}"),
            }
        }
    }
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
        pmp_sync_domain::wire::LANE_SETTLED,
    ];
    assert_eq!(types, expected);
}

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
        pmp_sync_domain::wire::MEMBER_STALE,
        pmp_sync_domain::wire::RECOVERED,
        pmp_sync_domain::wire::SYNC_COMPLETED,
    ];
    assert_eq!(types, announced);
    assert_eq!(
        text(at(rule, "EventPattern/source/0")),
        pmp_sync_domain::wire::SOURCE
    );
    assert_eq!(text(at(rule, "EventPattern/account/0")), "AWS::AccountId");
    let target = at(rule, "Targets/0");
    assert_eq!(text(&target["Arn"]), "Notifications");
    // A role would be taken instead of the topic's policy.
    assert!(target.get("RoleArn").is_none());
    // Only what each of them has: a path that leads nowhere leaves a hole.
    let paths = at(target, "InputTransformer/InputPathsMap");
    let words = text(at(target, "InputTransformer/InputTemplate"));
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
    let statements = at(
        &template,
        "Resources/NotificationsPolicy/Properties/PolicyDocument/Statement",
    );
    let statements = statements.as_sequence().unwrap();
    let services: Vec<_> = statements
        .iter()
        .map(|statement| {
            assert_eq!(actions(statement), ["sns:Publish"]);
            assert_eq!(text(&statement["Resource"]), "Notifications");
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
    let topic = at(&template, "Resources/Notifications/Properties");
    assert!(topic.get("KmsMasterKeyId").is_none());
    assert_eq!(
        text(at(&template, "Outputs/TopicArn/Value")),
        "Notifications"
    );
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
    for (template, metrics, action) in [
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
            "Notifications",
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
            "HasAlarmTopic",
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
            assert_eq!(text(at(properties, "AlarmActions/0")), action);
            // An empty queue tells nothing.
            assert_eq!(properties["TreatMissingData"], "notBreaching");
            let operator = &properties["ComparisonOperator"];
            assert_eq!(operator, "GreaterThanThreshold");
        }
    }
}
