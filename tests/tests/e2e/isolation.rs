//! One member can not reach for what is another's, nor the producer for more than it needs.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::setup::{block_on, embedded, install};

/// Credentials of a role, as code that runs in `account` under `role` would get them.
async fn assume(account: &str, role_arn: &str, external_id: Option<&str>) -> Result<Credentials, String> {
    assume_with(&embedded().config(account), role_arn, external_id).await
}

async fn assume_with(config: &aws_config::SdkConfig, role_arn: &str, external_id: Option<&str>) -> Result<Credentials, String> {
    let answer = aws_sdk_sts::Client::new(config)
        .assume_role()
        .role_arn(role_arn)
        .role_session_name("test")
        .set_external_id(external_id.map(str::to_owned))
        .send()
        .await
        .map_err(|error| error.into_service_error().meta().code().unwrap_or_default().to_owned())?;
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
fn a_member_can_not_use_the_queue_or_the_lane_role_of_another() {
    block_on(async {
        let installation = install(31, 2, &[]).await;
        let [one, other] = [0, 1].map(|place| &installation.members[place]);
        let lane_role = |account: &str| format!("arn:aws:iam::{}:role/pmp-sync-lane-{account}", installation.management.account);
        // Its own account's root is not the worker either: the trust names the worker's role.
        for external_id in [Some(other.external_id.as_str()), Some(one.external_id.as_str()), None] {
            let refused = assume(&one.account, &lane_role(&other.account), external_id).await;
            assert_eq!(refused.err().as_deref(), Some("AccessDenied"));
        }
        let member_role = format!("arn:aws:iam::{}:role/pmp-sync-member", other.account);
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

#[test]
fn a_lane_role_reaches_its_own_lanes_only() {
    block_on(async {
        let installation = install(32, 2, &[]).await;
        let [one, other] = [0, 1].map(|place| &installation.members[place]);
        // The worker's own way: its role is assumed as Lambda would, by somebody whom the trust is opened to.
        let iam_trust = worker_session(&one.account).await;
        let role = format!("arn:aws:iam::{}:role/pmp-sync-lane-{}", installation.management.account, one.account);
        let worker = embedded().clients().with(&iam_trust, embedded().endpoint());
        let lane = assume_with(&worker, &role, Some(&one.external_id)).await.expect("the worker's own lane role");
        assert!(assume_with(&worker, &role, Some("wrong")).await.is_err());
        let table = aws_sdk_dynamodb::Client::new(&embedded().clients().with(&lane, embedded().endpoint()));
        let get = |pk: String| {
            let table = table.clone();
            async move {
                table
                    .get_item()
                    .table_name("pmp-sync-ledger")
                    .key("pk", AttributeValue::S(pk))
                    .key("sk", AttributeValue::S("STATE".to_owned()))
                    .send()
                    .await
                    .is_ok()
            }
        };
        assert!(get(format!("LANE#{}#exp-1", one.account)).await, "its own lane");
        assert!(!get(format!("LANE#{}#exp-1", other.account)).await, "another member's lane");
        assert!(!get("CONFIG".to_owned()).await, "the configuration");
        assert!(table.scan().table_name("pmp-sync-ledger").send().await.is_err(), "a scan");
    });
}

/// A session of the worker's role. Only Lambda may assume it, so the embedded AWS is asked from inside:
/// the role is what the function has, and its session credentials are those of its environment.
async fn worker_session(account: &str) -> Credentials {
    let role = format!("arn:aws:iam::{account}:role/pmp-sync-worker");
    assume(account, &role, None).await.expect("a session of the worker's role")
}
