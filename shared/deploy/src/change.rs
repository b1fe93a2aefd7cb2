//! The change set of a stack: CloudFormation computes it, the command shows it, asks, and executes
//! it.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    Capability, Change, ChangeSetStatus, ChangeSetType, Parameter, StackStatus, Tag,
};
use pmp_sync_aws::service_error;
use pmp_sync_aws::system::SystemEntropy;
use pmp_sync_domain::ports::Entropy as _;
use serde::Serialize;

use crate::DeployError;
use crate::stack::{Found, Pause, Stacks};
use crate::step::Step;
use crate::template::Template;

/// Prefix of the names of our change sets. Others are left alone.
pub(crate) const PREFIX: &str = "pmp-sync-";
/// The most pages of changes that are read, with about 100 changes each.
const PAGES: usize = 50;

/// The wanted state of a stack.
#[derive(Debug)]
pub struct Wanted {
    /// The name of the stack.
    pub stack: String,
    /// The template to deploy.
    pub template: Template,
    /// Parameters that the command or the operator sets. Others keep their value.
    pub parameters: BTreeMap<String, String>,
    /// The name of the installation, with which every stack is tagged.
    pub name: String,
}

/// What the command did with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The stack was created.
    Created,
    /// The stack was updated.
    Updated,
    /// The stack was as wanted already.
    Unchanged,
}

/// A stack that was deployed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeployedStack {
    /// The name of the stack.
    pub stack: String,
    /// The account of the stack.
    pub account: String,
    /// What the command did.
    pub outcome: Outcome,
    /// Its status in the words of CloudFormation.
    pub status: String,
    /// The changes that were executed.
    pub changes: Vec<ResourceChange>,
    /// The outputs of the stack.
    pub outputs: BTreeMap<String, String>,
}

/// A change of a resource, as CloudFormation reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceChange {
    /// `Add`, `Modify` or `Remove`.
    pub action: String,
    /// The name of the resource in the template.
    pub resource: String,
    /// Its type, such as `AWS::SQS::Queue`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the resource is replaced: `True`, `False`, `Conditional`, or null if that does not
    /// apply.
    pub replacement: Option<String>,
}

/// A deployment before it is executed.
#[derive(Debug)]
pub struct Review<'a> {
    /// The name of the stack.
    pub stack: &'a str,
    /// The stack in words, with its account.
    pub thing: String,
    /// True if the stack is created.
    pub is_new: bool,
    /// The changes that would be executed.
    pub changes: &'a [ResourceChange],
}

impl Stacks<'_> {
    /// Brings a stack to the wanted state, and waits until it is there. It executes nothing that
    /// `review` refuses. `prepare` makes what the stack needs, such as its code, after the review.
    pub async fn deploy<E: From<DeployError>>(
        &self,
        wanted: &Wanted,
        review: impl FnOnce(&Review<'_>) -> Result<(), E>,
        prepare: impl AsyncFnOnce() -> Result<(), DeployError>,
    ) -> Result<DeployedStack, E> {
        let stack = wanted.stack.as_str();
        let (step, standing) = self.prepare(stack).await?;
        let is_new = step == Step::Create;
        if let Some(standing) = &standing
            && standing.status != StackStatus::DeleteComplete
        {
            self.delete_left_over(stack, &standing.id).await?;
        }
        self.progress
            .step(format!("computing what changes in the stack {stack}"));
        let known = standing.as_ref().filter(|_| !is_new);
        let change_set = self.create(wanted, known).await?;
        let Some(changes) = self.changes(stack, &change_set).await? else {
            self.discard(stack, &change_set).await?;
            return Ok(self.done(stack, Outcome::Unchanged, Vec::new()).await?);
        };
        let reviewed = review(&Review {
            stack,
            thing: self.thing(stack),
            is_new,
            changes: &changes,
        });
        let prepared = match reviewed {
            Ok(()) => prepare().await.map_err(E::from),
            refused => refused,
        };
        if let Err(refusal) = prepared {
            self.discard(stack, &change_set).await?;
            if is_new {
                // Only the name exists.
                self.remove(stack).await?;
            }
            return Err(refusal);
        }
        Ok(self.execute(stack, &change_set, changes, is_new).await?)
    }

    async fn execute(
        &self,
        stack: &str,
        change_set: &str,
        changes: Vec<ResourceChange>,
        is_new: bool,
    ) -> Result<DeployedStack, DeployError> {
        let doing = if is_new { "creating" } else { "updating" };
        self.progress.step(format!("{doing} the stack {stack}"));
        self.client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(change_set)
            .client_request_token(change_set.rsplit('/').next().unwrap_or_default())
            .send()
            .await
            .map_err(|error| service_error("ExecuteChangeSet", self.thing(stack), &error))?;
        let id = self.find(stack).await?.map(|found| found.id);
        let id = id.unwrap_or_else(|| stack.to_owned());
        let ended = self.settle(stack, &id).await?;
        let (expected, outcome) = if is_new {
            (StackStatus::CreateComplete, Outcome::Created)
        } else {
            (StackStatus::UpdateComplete, Outcome::Updated)
        };
        match ended {
            Some(found) if found.status == expected => self.done(stack, outcome, changes).await,
            other => {
                let status = other.map(|found| found.status.to_string());
                let reason = self.first_failure(&id).await?;
                Err(DeployError::Failed {
                    message: format!(
                        "{doing} {} failed ({}): {}",
                        self.thing(stack),
                        status.as_deref().unwrap_or("it is gone"),
                        reason.unwrap_or_else(|| "no reason is given".to_owned())
                    ),
                    remedy: "deal with that, then run the command again: it goes on from here"
                        .to_owned(),
                })
            }
        }
    }

    /// Deletes change sets of ours that were never executed.
    pub(crate) async fn delete_left_over(&self, stack: &str, id: &str) -> Result<(), DeployError> {
        let answer = self
            .client
            .list_change_sets()
            .stack_name(id)
            .send()
            .await
            .map_err(|error| service_error("ListChangeSets", self.thing(stack), &error))?;
        let ids = answer.summaries().iter().filter(|one| {
            one.change_set_name()
                .is_some_and(|name| name.starts_with(PREFIX))
        });
        for id in ids.filter_map(|one| one.change_set_id()) {
            self.discard(stack, id).await?;
        }
        Ok(())
    }

    async fn discard(&self, stack: &str, change_set: &str) -> Result<(), DeployError> {
        self.client
            .delete_change_set()
            .stack_name(stack)
            .change_set_name(change_set)
            .send()
            .await
            .map_err(|error| service_error("DeleteChangeSet", self.thing(stack), &error))?;
        Ok(())
    }

    /// Creates a change set and returns its id. `known` is the stack if it exists.
    async fn create(&self, wanted: &Wanted, known: Option<&Found>) -> Result<String, DeployError> {
        let tag = Tag::builder().key("pmp-sync:name").value(&wanted.name);
        let kind = match known {
            Some(_) => ChangeSetType::Update,
            None => ChangeSetType::Create,
        };
        let answer = self
            .client
            .create_change_set()
            .stack_name(&wanted.stack)
            .change_set_name(format!("{PREFIX}{:032x}", SystemEntropy.bits()))
            .change_set_type(kind)
            .template_body(wanted.template.body)
            .set_parameters(Some(parameters(wanted, known)))
            .capabilities(Capability::CapabilityNamedIam)
            .tags(tag.build())
            .send()
            .await
            .map_err(|error| service_error("CreateChangeSet", self.thing(&wanted.stack), &error))?;
        answer
            .id()
            .map(str::to_owned)
            .ok_or_else(|| DeployError::Failed {
                message: format!("CloudFormation tells no change set for {}", wanted.stack),
                remedy: "run the command again".to_owned(),
            })
    }

    /// Waits until the changes of a change set are known. None if there are none.
    pub(crate) async fn changes(
        &self,
        stack: &str,
        change_set: &str,
    ) -> Result<Option<Vec<ResourceChange>>, DeployError> {
        let mut pause = Pause::new();
        let mut changes = Vec::new();
        let mut token = None;
        let mut pages = 0;
        loop {
            let answer = self
                .client
                .describe_change_set()
                .stack_name(stack)
                .change_set_name(change_set)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(|error| service_error("DescribeChangeSet", self.thing(stack), &error))?;
            let reason = answer.status_reason().unwrap_or_default();
            match answer.status() {
                Some(ChangeSetStatus::CreateComplete) => {}
                Some(ChangeSetStatus::Failed) if is_empty(reason) => return Ok(None),
                Some(ChangeSetStatus::Failed) => {
                    return Err(DeployError::Failed {
                        message: format!(
                            "CloudFormation cannot tell what would change in {}: {reason}",
                            self.thing(stack)
                        ),
                        remedy: "deal with that, then run the command again".to_owned(),
                    });
                }
                _ if pause.take().await => continue,
                _ => {
                    return Err(DeployError::Late(format!(
                        "the change set of {} was not computed in time",
                        self.thing(stack)
                    )));
                }
            }
            changes.extend(answer.changes().iter().filter_map(change));
            token = answer.next_token().map(str::to_owned);
            pages += 1;
            if token.is_none() {
                return Ok(Some(changes));
            }
            if pages >= PAGES {
                return Err(DeployError::Failed {
                    message: format!(
                        "the change set of {} has more than {} changes, which cannot all be shown",
                        self.thing(stack),
                        changes.len()
                    ),
                    remedy: "look at the stack in the console: it is none of pmp-sync's".to_owned(),
                });
            }
        }
    }

    async fn done(
        &self,
        stack: &str,
        outcome: Outcome,
        changes: Vec<ResourceChange>,
    ) -> Result<DeployedStack, DeployError> {
        let found = self.find(stack).await?.ok_or_else(|| DeployError::Failed {
            message: format!("{} is gone: somebody has deleted it", self.thing(stack)),
            remedy: "run the command again".to_owned(),
        })?;
        Ok(DeployedStack {
            stack: stack.to_owned(),
            account: self.account.to_string(),
            outcome,
            status: found.status.to_string(),
            changes,
            outputs: found.outputs,
        })
    }
}

/// Every parameter of the template: the value that is set, or the current one, or the default.
fn parameters(wanted: &Wanted, known: Option<&Found>) -> Vec<Parameter> {
    let one = |name: &'static str| {
        let new = Parameter::builder().parameter_key(name);
        if let Some(value) = wanted.parameters.get(name) {
            return Some(new.parameter_value(value).build());
        }
        // A parameter that is new in this release gets its default.
        let stands = known?.parameters.contains_key(name);
        stands.then(|| new.use_previous_value(true).build())
    };
    wanted
        .template
        .parameters()
        .into_iter()
        .filter_map(one)
        .collect()
}

/// CloudFormation reports an empty change set as a failure, with one of two messages.
fn is_empty(reason: &str) -> bool {
    ["didn't contain changes", "No updates are to be performed"]
        .iter()
        .any(|words| reason.contains(words))
}

fn change(change: &Change) -> Option<ResourceChange> {
    let change = change.resource_change()?;
    Some(ResourceChange {
        action: change.action()?.as_str().to_owned(),
        resource: change.logical_resource_id()?.to_owned(),
        kind: change.resource_type().unwrap_or_default().to_owned(),
        replacement: change.replacement().map(|word| word.as_str().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::MEMBER;

    fn wanted(parameters: &[(&str, &str)]) -> Wanted {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Wanted {
            stack: "pmp-sync-member".to_owned(),
            template: MEMBER,
            parameters: parameters.iter().map(own).collect(),
            name: "pmp-sync".to_owned(),
        }
    }

    #[test]
    fn what_is_not_given_stays_and_what_is_new_has_its_default() {
        let known = Found {
            id: String::new(),
            status: StackStatus::CreateComplete,
            reason: None,
            parameters: [("MemberMode", "suspended"), ("Gone", "x"), ("Name", "old")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            outputs: BTreeMap::new(),
            is_protected: false,
        };
        let told: Vec<_> = parameters(&wanted(&[("Name", "new")]), Some(&known))
            .iter()
            .map(|one| {
                let value = one.parameter_value().map(str::to_owned);
                (
                    one.parameter_key().unwrap().to_owned(),
                    value,
                    one.use_previous_value(),
                )
            })
            .collect();
        let expected = [
            ("Name".to_owned(), Some("new".to_owned()), None),
            ("MemberMode".to_owned(), None, Some(true)),
        ];
        assert_eq!(told, expected);
        assert_eq!(parameters(&wanted(&[("Name", "new")]), None).len(), 1);
    }

    #[test]
    fn a_change_set_without_changes_is_told_from_one_that_failed() {
        assert!(is_empty(
            "The submitted information didn't contain changes. Submit ..."
        ));
        assert!(is_empty("No updates are to be performed."));
        assert!(!is_empty("Parameters: [CodeBucket] must have values"));
    }
}
