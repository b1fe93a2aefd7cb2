//! One member cannot reach for what is another's, nor the producer for more than it needs.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::setup::{block_on, embedded, install};

/// Credentials of a role, as code that runs in `account` under `role` would get them.
async fn assume(
    account: &str,
    role_arn: &str,
    external_id: Option<&str>,
) -> Result<Credentials, String> {
    assume_with(&embedded().config(account), role_arn, external_id).await
}

async fn assume_with(
    config: &aws_config::SdkConfig,
    role_arn: &str,
    external_id: Option<&str>,
) -> Result<Credentials, String> {
    let answer = aws_sdk_sts::Client::new(config)
        .assume_role()
        .role_arn(role_arn)
        .role_session_name("test")
        .set_external_id(external_id.map(str::to_owned))
        .send()
        .await
        .map_err(|error| {
            error
                .into_service_error()
                .meta()
                .code()
                .unwrap_or_default()
                .to_owned()
        })?;
    let granted = answer.credentials().unwrap();
    Ok(Credentials::new(
        granted.access_key_id(),
        granted.secret_access_key(),
        Some(granted.session_token().to_owned()),
        None,
        "test",
    ))
}

#[test]
fn a_member_cannot_use_the_queue_or_the_lane_role_of_another() {
    block_on(async {
        let installation = install(31, 2, &[]).await;
        let [one, other] = [0, 1].map(|place| &installation.members[place]);
        let lane_role = |account: &str| {
            format!(
                "arn:aws:iam::{}:role/pmp-sync-31-lane-{account}",
                installation.management.account
            )
        };
        // Its own account's root is not the worker either: the trust names the worker's role.
        for external_id in [
            Some(other.external_id.as_str()),
            Some(one.external_id.as_str()),
            None,
        ] {
            let refused = assume(&one.account, &lane_role(&other.account), external_id).await;
            assert_eq!(refused.err().as_deref(), Some("AccessDenied"));
        }
        let member_role = format!("arn:aws:iam::{}:role/pmp-sync-31-member", other.account);
        let refused = assume(&one.account, &member_role, Some(&other.external_id)).await;
        assert_eq!(refused.err().as_deref(), Some("AccessDenied"));

        let queue = &installation.stacks.members[1].outputs["ChangesUrl"];
        let sent = aws_sdk_sqs::Client::new(&embedded().config(&one.account))
            .send_message()
            .queue_url(queue)
            .message_body("{}")
            .send()
            .await;
        assert!(sent.is_err(), "a member has sent to the queue of another");
    });
}

/// A role with the worker's name and rights that a test may assume: the real one is Lambda's alone.
const STAND_IN: &str = r#"
Resources:
  Worker:
    Type: AWS::IAM::Role
    Properties:
      RoleName: pmp-sync-32-worker
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - { Effect: Allow, Principal: { AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root" }, Action: sts:AssumeRole }
      Policies:
        - PolicyName: worker
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - { Effect: Allow, Action: sts:AssumeRole, Resource: "*" }
"#;

async fn deploy(account: &str, stack: &str, template: &str, parameters: &[(&str, &str)]) {
    let client = aws_sdk_cloudformation::Client::new(&embedded().config(account));
    let parameter = |(key, value): &(&str, &str)| {
        aws_sdk_cloudformation::types::Parameter::builder()
            .parameter_key(*key)
            .parameter_value(*value)
            .build()
    };
    client
        .create_stack()
        .stack_name(stack)
        .template_body(template)
        .set_parameters(Some(parameters.iter().map(parameter).collect()))
        .capabilities(aws_sdk_cloudformation::types::Capability::CapabilityNamedIam)
        .send()
        .await
        .unwrap();
    for _ in 0..100 {
        let answer = client
            .describe_stacks()
            .stack_name(stack)
            .send()
            .await
            .unwrap();
        match answer.stacks()[0].stack_status().unwrap() {
            aws_sdk_cloudformation::types::StackStatus::CreateComplete => return,
            _ => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
    panic!("the stack {stack} was not created");
}

#[test]
fn a_lane_role_reaches_the_ledger_as_its_member_only() {
    block_on(async {
        let installation = install(32, 1, &[]).await;
        let (management, account) = (&installation.management.account, "100000003299");
        let own = "external-id-of-the-stand-in";
        let outputs = &installation.stacks.outputs;
        deploy(account, "stand-in", STAND_IN, &[]).await;
        let access = [
            ("Name", "pmp-sync-32"),
            ("MemberAccountId", account),
            ("ExternalId", own),
            ("LedgerTableArn", outputs["LedgerTableArn"].as_str()),
            ("BusArn", outputs["BusArn"].as_str()),
        ];
        deploy(
            management,
            "stand-in-access",
            include_str!("../../../infra/member-access.yaml"),
            &access,
        )
        .await;
        let session = assume(
            account,
            &format!("arn:aws:iam::{account}:role/pmp-sync-32-worker"),
            None,
        )
        .await
        .unwrap();
        let worker = embedded().clients().with(&session, embedded().endpoint());
        let lane_role =
            |account: &str| format!("arn:aws:iam::{management}:role/pmp-sync-32-lane-{account}");
        assert!(
            assume_with(&worker, &lane_role(account), Some("wrong"))
                .await
                .is_err(),
            "a wrong external id"
        );
        assert!(
            assume_with(&worker, &lane_role(account), None)
                .await
                .is_err(),
            "no external id"
        );
        let other = &installation.members[0];
        assert!(
            assume_with(
                &worker,
                &lane_role(&other.account),
                Some(&other.external_id)
            )
            .await
            .is_err(),
            "another's role"
        );

        let lane = assume_with(&worker, &lane_role(account), Some(own))
            .await
            .expect("its own lane role");
        let table =
            aws_sdk_dynamodb::Client::new(&embedded().clients().with(&lane, embedded().endpoint()));
        let get = |pk: String| {
            let call = table
                .get_item()
                .table_name("pmp-sync-32-ledger")
                .key("pk", AttributeValue::S(pk));
            async move {
                call.key("sk", AttributeValue::S("STATE".to_owned()))
                    .send()
                    .await
                    .is_ok()
            }
        };
        assert!(get(format!("LANE#{account}#exp-1")).await, "its own lane");
        // Other leading keys are refused by AWS; the emulator does not know the condition, so that it is
        // in the role is asserted on the template.
        assert!(
            table
                .scan()
                .table_name("pmp-sync-32-ledger")
                .send()
                .await
                .is_err(),
            "a scan"
        );
    });
}
