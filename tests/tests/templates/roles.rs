//! What each role may do, and who may assume it.

use pmp_sync_domain::lane::MemberRules;
use serde_yaml_ng::Value;

use crate::{access, actions, at, management, member, statements, text};

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
fn the_producer_publishes_one_object_and_only_if_the_stack_says_where() {
    let template = management();
    let default = at(&template, "Parameters/ReportBucket/Default");
    assert_eq!(text(default), "");
    let role = at(&template, "Resources/ProducerRole");
    let policies = at(role, "Properties/Policies").as_sequence().unwrap();
    let conditional: Vec<_> = policies
        .iter()
        .filter_map(|policy| match policy {
            Value::Tagged(tagged) => Some(&tagged.value),
            _ => None,
        })
        .collect();
    assert_eq!(conditional.len(), 1);
    assert_eq!(text(&conditional[0][0]), "PublishesReport");
    let all = statements(role);
    let s3: Vec<_> = all
        .into_iter()
        .filter(|statement| actions(statement).iter().any(|of| of.starts_with("s3:")))
        .collect();
    assert_eq!(s3.len(), 1);
    assert_eq!(actions(s3[0]), ["s3:PutObject"]);
    let object = "arn:${AWS::Partition}:s3:::${ReportBucket}/${Name}/report.html";
    assert_eq!(text(&s3[0]["Resource"]), object);
    let variables = at(
        &template,
        "Resources/Producer/Properties/Environment/Variables",
    );
    assert_eq!(text(&variables["PMP_SYNC_REPORT_BUCKET"]), "ReportBucket");
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
            let keys: Vec<_> = keys.as_sequence().unwrap().iter().map(text).collect();
            let own = [
                "LANE#${MemberAccountId}#*",
                "PRODUCT_REQUESTS#${MemberAccountId}",
            ];
            assert_eq!(keys, own);
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
