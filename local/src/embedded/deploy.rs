//! The stacks: the templates of infra/ as they are, in the order management, member-access, member.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};

use super::{Binaries, Embedded, EmbeddedError};
use crate::progress::Progress;

const MANAGEMENT: &str = include_str!("../../../infra/management.yaml");
const MEMBER_ACCESS: &str = include_str!("../../../infra/member-access.yaml");
const MEMBER: &str = include_str!("../../../infra/member.yaml");

/// How long a stack may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The management stack, and parameters that are not the templates' defaults.
#[derive(Debug, Clone)]
pub struct ManagementStack {
    /// The management account.
    pub account: String,
    /// `Name` of every stack.
    pub name: String,
    /// Parameters besides those that follow.
    pub parameters: Vec<(String, String)>,
}

/// A member to be deployed.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// The member account.
    pub account: String,
    /// Its external id.
    pub external_id: String,
    /// Parameters of member.yaml besides those that follow.
    pub parameters: Vec<(String, String)>,
}

/// A deployed member.
#[derive(Debug, Clone)]
pub struct MemberStack {
    /// The member account.
    pub account: String,
    /// Its external id.
    pub external_id: String,
    /// Outputs of member-access.yaml and member.yaml.
    pub outputs: HashMap<String, String>,
}

/// All stacks of one installation.
#[derive(Debug, Clone)]
pub struct Stacks {
    /// The management stack.
    pub management: ManagementStack,
    /// Outputs of management.yaml.
    pub outputs: HashMap<String, String>,
    /// The members.
    pub members: Vec<MemberStack>,
}

/// Deploys to an embedded AWS.
#[derive(Debug)]
pub struct Deployment<'a> {
    embedded: &'a Embedded,
    binaries: &'a Binaries,
}

impl<'a> Deployment<'a> {
    /// Of these binaries.
    pub fn new(embedded: &'a Embedded, binaries: &'a Binaries) -> Self {
        Self { embedded, binaries }
    }

    /// Deploys a management account and its members.
    pub async fn deploy(
        &self,
        management: ManagementStack,
        members: &[NewMember],
        progress: &Progress,
    ) -> Result<Stacks, EmbeddedError> {
        progress.step(format!(
            "deploying the management account {}",
            management.account
        ));
        let bucket = self
            .upload(&management.account, "producer.zip", &self.binaries.producer)
            .await?;
        let mut parameters = vec![
            parameter("Name", &management.name),
            parameter("CodeBucket", &bucket),
            parameter("ProducerCodeKey", "producer.zip"),
        ];
        parameters.extend(
            management
                .parameters
                .iter()
                .map(|(key, value)| parameter(key, value)),
        );
        let stack = format!("{}-management", management.name);
        let outputs = self
            .create(&management.account, &stack, MANAGEMENT, parameters)
            .await?;
        let mut deployed = Stacks {
            management,
            outputs,
            members: Vec::new(),
        };
        for (number, member) in members.iter().enumerate() {
            progress.step(format!(
                "deploying the member account {} ({} of {})",
                member.account,
                number + 1,
                members.len()
            ));
            let member = self.deploy_member(&deployed, member).await?;
            deployed.members.push(member);
        }
        Ok(deployed)
    }

    /// Deploys one member: its role in the management account, then its own account.
    pub async fn deploy_member(
        &self,
        stacks: &Stacks,
        member: &NewMember,
    ) -> Result<MemberStack, EmbeddedError> {
        let management = &stacks.management;
        let given = |key: &str| {
            let value = stacks
                .outputs
                .get(key)
                .map(String::as_str)
                .unwrap_or_default();
            parameter(key, value)
        };
        let access = vec![
            parameter("Name", &management.name),
            parameter("MemberAccountId", &member.account),
            parameter("ExternalId", &member.external_id),
            given("LedgerTableArn"),
            given("BusArn"),
        ];
        let stack = format!("{}-member-access-{}", management.name, member.account);
        let mut outputs = self
            .create(&management.account, &stack, MEMBER_ACCESS, access)
            .await?;
        let bucket = self
            .upload(&member.account, "worker.zip", &self.binaries.worker)
            .await?;
        let mut parameters = vec![
            parameter("Name", &management.name),
            parameter("ExternalId", &member.external_id),
            parameter("CodeBucket", &bucket),
            parameter("WorkerCodeKey", "worker.zip"),
            parameter(
                "LaneRoleArn",
                outputs
                    .get("LaneRoleArn")
                    .map(String::as_str)
                    .unwrap_or_default(),
            ),
            given("ManagementAccountId"),
            given("LedgerTableArn"),
            given("BusArn"),
        ];
        parameters.extend(
            member
                .parameters
                .iter()
                .map(|(key, value)| parameter(key, value)),
        );
        let stack = format!("{}-member", management.name);
        outputs.extend(
            self.create(&member.account, &stack, MEMBER, parameters)
                .await?,
        );
        Ok(MemberStack {
            account: member.account.clone(),
            external_id: member.external_id.clone(),
            outputs,
        })
    }

    async fn upload(&self, account: &str, key: &str, code: &[u8]) -> Result<String, EmbeddedError> {
        let bucket = format!("pmp-sync-code-{account}");
        let config = aws_sdk_s3::config::Builder::from(&self.embedded.config(account))
            .force_path_style(true)
            .build();
        let client = aws_sdk_s3::Client::from_conf(config);
        // It may be there already, with the code of the other function.
        let made = client.create_bucket().bucket(&bucket).send().await;
        if let Err(error) = made {
            let owned = error.as_service_error().is_some_and(
                aws_sdk_s3::operation::create_bucket::CreateBucketError::is_bucket_already_owned_by_you,
            );
            if !owned {
                return Err(EmbeddedError::call(
                    format!("making the bucket {bucket}"),
                    &error,
                ));
            }
        }
        let body = aws_sdk_s3::primitives::ByteStream::from(code.to_vec());
        client
            .put_object()
            .bucket(&bucket)
            .key(key)
            .body(body)
            .send()
            .await
            .map_err(|error| EmbeddedError::call(format!("sending {key} to {bucket}"), &error))?;
        Ok(bucket)
    }

    async fn create(
        &self,
        account: &str,
        stack: &str,
        template: &str,
        parameters: Vec<Parameter>,
    ) -> Result<HashMap<String, String>, EmbeddedError> {
        let what = || format!("deploying the stack {stack} to {account}");
        let client = Client::new(&self.embedded.config(account));
        client
            .create_stack()
            .stack_name(stack)
            .template_body(template)
            .set_parameters(Some(parameters))
            .capabilities(Capability::CapabilityNamedIam)
            .send()
            .await
            .map_err(|error| EmbeddedError::call(what(), &error))?;
        let waiting = async {
            loop {
                let answer = client
                    .describe_stacks()
                    .stack_name(stack)
                    .send()
                    .await
                    .map_err(|error| EmbeddedError::call(what(), &error))?;
                let found = answer.stacks().first();
                match found.and_then(|stack| stack.stack_status()) {
                    Some(StackStatus::CreateInProgress) | None => {}
                    Some(StackStatus::CreateComplete) => {
                        let outputs = found
                            .map(aws_sdk_cloudformation::types::Stack::outputs)
                            .unwrap_or_default();
                        let pair = |output: &aws_sdk_cloudformation::types::Output| {
                            Some((
                                output.output_key()?.to_owned(),
                                output.output_value()?.to_owned(),
                            ))
                        };
                        return Ok(outputs.iter().filter_map(pair).collect());
                    }
                    Some(other) => {
                        let reason = found
                            .and_then(|stack| stack.stack_status_reason())
                            .unwrap_or("no reason is given");
                        return Err(EmbeddedError::machine(what(), format!("{other}: {reason}")));
                    }
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => Err(EmbeddedError::machine(
                what(),
                "it took longer than two minutes",
            )),
        }
    }
}

fn parameter(key: &str, value: &str) -> Parameter {
    Parameter::builder()
        .parameter_key(key)
        .parameter_value(value)
        .build()
}
