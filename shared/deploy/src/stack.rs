//! A CloudFormation stack: deployed by a change set that is shown first, and deleted. Every step
//! can be repeated, and continued by another run of the command.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::progress::Progress;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::{ResourceStatus, Stack, StackEvent, StackStatus};
use pmp_sync_aws::service_error;
use pmp_sync_domain::ids::AccountId;
use tokio::time::Instant;

use crate::Account;
use crate::DeployError;
use crate::step::{Step, Wish, next};

/// How long one operation of CloudFormation on a stack may take.
const PATIENCE: Duration = Duration::from_mins(30);
/// The most steps to the wanted state: more than are ever needed.
const ROUNDS: usize = 8;
/// The most pages of events that are searched for the first failure.
const EVENT_PAGES: usize = 20;

/// Growing waits, so that a small stack is noticed soon, and a large one is not polled all the
/// time.
#[derive(Debug)]
pub struct Pause {
    next: Duration,
    ends: Instant,
}

impl Default for Pause {
    fn default() -> Self {
        Self::new()
    }
}

impl Pause {
    /// Begins with a short wait.
    pub fn new() -> Self {
        Self {
            next: Duration::from_millis(100),
            ends: Instant::now() + PATIENCE,
        }
    }

    /// Waits. Returns false once the time is up.
    pub async fn take(&mut self) -> bool {
        if Instant::now() >= self.ends {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(Duration::from_secs(3));
        true
    }
}

/// The current state of a stack.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: StackStatus,
    /// Why it has that status.
    pub(crate) reason: Option<String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// True if it is protected against deletion.
    pub is_protected: bool,
}

impl Found {
    /// True if the stack was created and can be used.
    pub fn is_whole(&self) -> bool {
        next(Some(&self.status), Wish::Deployed) == Step::Update
    }
}

/// The stacks of an account.
#[derive(Debug)]
pub struct Stacks<'a> {
    pub(crate) client: Client,
    pub(crate) account: &'a AccountId,
    pub(crate) progress: &'a Progress,
}

impl<'a> Stacks<'a> {
    /// The stacks of `account`.
    pub fn new(account: &'a Account, progress: &'a Progress) -> Self {
        Self {
            client: Client::new(&account.config),
            account: &account.id,
            progress,
        }
    }

    /// The stack in words, with its account.
    pub fn thing(&self, stack: &str) -> String {
        format!("stack {stack} of account {}", self.account)
    }

    /// Finds a stack by name or id.
    pub async fn find(&self, stack: &str) -> Result<Option<Found>, DeployError> {
        let answer = self.client.describe_stacks().stack_name(stack).send().await;
        match answer {
            Ok(answer) => Ok(answer.stacks().first().map(found)),
            // CloudFormation has no error code of its own for this.
            Err(error)
                if error.code() == Some("ValidationError")
                    && error
                        .message()
                        .is_some_and(|words| words.contains("does not exist")) =>
            {
                Ok(None)
            }
            Err(error) => Err(service_error("DescribeStacks", self.thing(stack), &error).into()),
        }
    }

    /// Waits and deletes until the stack can be created or updated. Returns which of the two, and
    /// the current state.
    pub(crate) async fn prepare(&self, stack: &str) -> Result<(Step, Option<Found>), DeployError> {
        for _ in 0..ROUNDS {
            let standing = self.find(stack).await?;
            let status = standing.as_ref().map(|found| &found.status);
            match (next(status, Wish::Deployed), standing) {
                (Step::Wait, Some(found)) => {
                    self.progress
                        .step(format!("waiting for the stack {stack}: {}", found.status));
                    self.settle(stack, &found.id).await?;
                }
                (Step::Delete, Some(found)) => self.delete(stack, &found).await?,
                (Step::Stuck(remedy), Some(found)) => return Err(self.stuck(stack, &found, remedy)),
                (step, standing) => return Ok((step, standing)),
            }
        }
        Err(self.restless(stack))
    }

    /// Finds a stack that is to be deleted. An error if it is protected against deletion.
    pub async fn removable(&self, stack: &str) -> Result<Option<Found>, DeployError> {
        let found = self.find(stack).await?;
        let found = found.filter(|found| found.status != StackStatus::DeleteComplete);
        if found.as_ref().is_some_and(|found| found.is_protected) {
            return Err(DeployError::Failed {
                message: format!("{} is protected against deletion", self.thing(stack)),
                remedy: format!(
                    "if it may go, run `aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}` in its account, and this command again"
                ),
            });
        }
        Ok(found)
    }

    /// Deletes the stack, whatever is under way with it. Returns false if there was none.
    pub async fn remove(&self, stack: &str) -> Result<bool, DeployError> {
        let mut was_there = false;
        for _ in 0..ROUNDS {
            let standing = self.find(stack).await?;
            let status = standing.as_ref().map(|found| &found.status);
            match (next(status, Wish::Gone), standing) {
                (Step::Wait, Some(found)) => {
                    self.progress
                        .step(format!("waiting for the stack {stack}: {}", found.status));
                    self.settle(stack, &found.id).await?;
                }
                (Step::Done, _) | (_, None) => return Ok(was_there),
                (_, Some(found)) => self.delete(stack, &found).await?,
            }
            was_there = true;
        }
        Err(self.restless(stack))
    }

    async fn delete(&self, stack: &str, found: &Found) -> Result<(), DeployError> {
        self.progress.step(format!("deleting the stack {stack}"));
        self.client
            .delete_stack()
            .stack_name(&found.id)
            .send()
            .await
            .map_err(|error| service_error("DeleteStack", self.thing(stack), &error))?;
        // A deleted stack is found by its id only.
        let ended = self.settle(stack, &found.id).await?;
        match ended.map(|found| found.status) {
            None | Some(StackStatus::DeleteComplete) => Ok(()),
            Some(status) => {
                let reason = self.first_failure(&found.id).await?;
                Err(DeployError::Failed {
                    message: format!(
                        "{} could not be deleted ({status}): {}",
                        self.thing(stack),
                        reason.unwrap_or_else(|| "no reason is given".to_owned())
                    ),
                    remedy: "deal with that, then run the command again".to_owned(),
                })
            }
        }
    }

    /// Waits until no operation is under way.
    pub(crate) async fn settle(&self, stack: &str, id: &str) -> Result<Option<Found>, DeployError> {
        let mut pause = Pause::new();
        loop {
            let found = self.find(id).await?;
            let status = found.as_ref().map(|found| &found.status);
            if next(status, Wish::Gone) != Step::Wait {
                return Ok(found);
            }
            if self.progress.shows_details()
                && let Some(event) = self.last_event(id).await?
            {
                self.progress.detail(format!("{stack}: {event}"));
            }
            if !pause.take().await {
                return Err(DeployError::Late(format!(
                    "{} was not done within {} minutes; run the command again to go on waiting",
                    self.thing(stack),
                    PATIENCE.as_secs() / 60
                )));
            }
        }
    }

    async fn last_event(&self, id: &str) -> Result<Option<String>, DeployError> {
        let answer = self
            .client
            .describe_stack_events()
            .stack_name(id)
            .send()
            .await
            .map_err(|error| service_error("DescribeStackEvents", self.thing(id), &error))?;
        let told = |event: &StackEvent| {
            let status = event.resource_status()?.as_str().to_lowercase();
            let status = status.replace('_', " ");
            Some(format!("{} {status}", event.logical_resource_id()?))
        };
        Ok(answer.stack_events().first().and_then(told))
    }

    /// The first failure of the stack's last operation, with its reason. Events are ordered from
    /// the newest to the oldest.
    pub(crate) async fn first_failure(&self, id: &str) -> Result<Option<String>, DeployError> {
        let mut first = None;
        let mut token = None;
        for _ in 0..EVENT_PAGES {
            let answer = self
                .client
                .describe_stack_events()
                .stack_name(id)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| service_error("DescribeStackEvents", self.thing(id), &error))?;
            for event in answer.stack_events() {
                let status = event.resource_status().map(ResourceStatus::as_str);
                let status = status.unwrap_or_default();
                let is_stack = event.physical_resource_id() == event.stack_id();
                if is_stack && begins_operation(status) {
                    return Ok(first);
                }
                let reason = event.resource_status_reason().unwrap_or_default();
                if status.ends_with("_FAILED") && !reason.contains("cancelled") && !is_stack {
                    first = Some(format!(
                        "{} ({}): {}",
                        event.logical_resource_id().unwrap_or_default(),
                        event.resource_type().unwrap_or_default(),
                        if reason.is_empty() { status } else { reason }
                    ));
                }
            }
            token = answer.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(first)
    }

    fn stuck(&self, stack: &str, found: &Found, remedy: &str) -> DeployError {
        let reason = found.reason.as_deref().unwrap_or("no reason is given");
        DeployError::Failed {
            message: format!("{} is {}: {reason}", self.thing(stack), found.status),
            remedy: remedy.replace("STACK", stack),
        }
    }

    fn restless(&self, stack: &str) -> DeployError {
        DeployError::Failed {
            message: format!("{} changes all the time", self.thing(stack)),
            remedy: "see who else works on it, then run the command again".to_owned(),
        }
    }
}

/// True for the stack's own event with which an operation begins.
fn begins_operation(status: &str) -> bool {
    matches!(
        status,
        "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "REVIEW_IN_PROGRESS"
    )
}

fn found(stack: &Stack) -> Found {
    let parameters = stack.parameters().iter();
    let outputs = stack.outputs().iter();
    Found {
        id: stack.stack_id().unwrap_or_default().to_owned(),
        status: stack
            .stack_status()
            .cloned()
            .unwrap_or_else(|| StackStatus::from("UNKNOWN")),
        reason: stack.stack_status_reason().map(str::to_owned),
        parameters: parameters
            .filter_map(|one| {
                Some((
                    one.parameter_key()?.to_owned(),
                    one.parameter_value()?.to_owned(),
                ))
            })
            .collect(),
        outputs: outputs
            .filter_map(|one| Some((one.output_key()?.to_owned(), one.output_value()?.to_owned())))
            .collect(),
        is_protected: stack.enable_termination_protection().unwrap_or_default(),
    }
}
