//! What a deleted stack has kept on purpose: the ledger and dead-letter queues. Their names are those
//! that a new stack would give, so the new stack begins with an import of them.

use std::collections::HashMap;

use aws_sdk_cloudformation::types::{
    Capability, ChangeSetType, Parameter, ResourceToImport, StackStatus,
};
use aws_sdk_dynamodb::types::KeySchemaElement;
use pmp_sync_aws::system::SystemEntropy;
use pmp_sync_aws::{if_there, service_error};
use pmp_sync_domain::ports::Entropy as _;

use crate::Account;
use crate::DeployError;
use crate::change::{PREFIX, Wanted};
use crate::stack::Stacks;
use crate::step::{Step, Wish, next};

/// The attribute of resources that outlive their stack, in our templates.
const RETAINED: &str = "DeletionPolicy: RetainExceptOnCreate";
/// In a template for an import it is this, because an import that is rolled back must not delete.
const IMPORTED: &str = "DeletionPolicy: Retain";
/// Where an operator reads how it is done by hand.
const MANUAL: &str = "see \"A ledger without its stack\" in docs/operations.md for the import by hand. Do not delete the table: it has the configuration, the approvals, the history and what is quarantined";

/// A kind of resource that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Queue,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Table, Self::Queue];

    fn cloudformation(self) -> &'static str {
        match self {
            Self::Table => "AWS::DynamoDB::Table",
            Self::Queue => "AWS::SQS::Queue",
        }
    }

    /// The property with its name.
    fn name(self) -> &'static str {
        match self {
            Self::Table => "TableName",
            Self::Queue => "QueueName",
        }
    }

    /// The property that identifies it in an import.
    fn identifier(self) -> &'static str {
        match self {
            Self::Table => "TableName",
            Self::Queue => "QueueUrl",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Queue => "queue",
        }
    }
}

/// A resource of a template that outlives its stack.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    kind: Kind,
    /// Its name in the template.
    logical: String,
    /// Its name in the account.
    name: String,
    /// Its text in the template.
    text: String,
}

/// A resource that is there without its stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    kept: Kept,
    identifier: String,
}

impl Retained {
    /// In words, for an operator.
    pub fn words(&self) -> String {
        format!("the {} {}", self.kept.kind.word(), self.kept.name)
    }
}

/// The resources of a template that outlive its stack. This relies on the layout of our templates.
fn kept(template: &str, installation: &str) -> Vec<Kept> {
    let lines = template.lines();
    let section = lines.skip_while(|line| *line != "Resources:").skip(1);
    let section = section.take_while(|line| line.is_empty() || line.starts_with(' '));
    let mut blocks: Vec<(String, String)> = Vec::new();
    for line in section {
        let name = line
            .strip_prefix("  ")
            .and_then(|rest| rest.strip_suffix(':'));
        if let Some(name) = name.filter(|name| !name.starts_with([' ', '#'])) {
            blocks.push((name.to_owned(), String::new()));
        }
        if let Some((_, text)) = blocks.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    let property = |text: &str, name: &str| {
        let start = format!("{name}: ");
        let mut lines = text.lines().map(str::trim);
        let value = lines.find_map(|line| line.strip_prefix(start.as_str()).map(str::to_owned));
        value.map(|value| {
            let value = value
                .trim_start_matches("!Sub ")
                .trim_matches('"')
                .to_owned();
            value.replace("${Name}", installation)
        })
    };
    let one = |(logical, text): (String, String)| {
        let kind = property(&text, "Type")?;
        let kind = Kind::ALL
            .into_iter()
            .find(|one| one.cloudformation() == kind)?;
        let name = property(&text, kind.name())?;
        text.contains(RETAINED).then_some(Kept {
            kind,
            logical,
            name,
            text,
        })
    };
    blocks.into_iter().filter_map(one).collect()
}

/// A template with these resources alone. An import may do nothing else.
fn import_template(retained: &[Retained]) -> String {
    let blocks = retained.iter().map(|one| one.kept.text.as_str());
    let blocks: String = blocks.collect();
    format!(
        "AWSTemplateFormatVersion: \"2010-09-09\"\nParameters:\n  Name:\n    Type: String\nResources:\n{}",
        blocks.replace(RETAINED, IMPORTED)
    )
}

impl Stacks<'_> {
    /// What an earlier stack of that name has kept, if the stack does not exist now.
    pub async fn retained(
        &self,
        account: &Account,
        wanted: &Wanted,
    ) -> Result<Vec<Retained>, DeployError> {
        let standing = self.find(&wanted.stack).await?;
        let status = standing.as_ref().map(|found| &found.status);
        if next(status, Wish::Deployed) != Step::Create {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for kept in kept(wanted.template.body, &wanted.name) {
            let identifier = match kept.kind {
                Kind::Table => table(account, &kept.name).await?,
                Kind::Queue => queue(account, &kept.name).await?,
            };
            all.extend(identifier.map(|identifier| Retained { kept, identifier }));
        }
        Ok(all)
    }

    /// Creates the stack by an import of these resources. Nothing of them changes. The deployment
    /// that follows adds everything else.
    pub async fn import(&self, wanted: &Wanted, retained: &[Retained]) -> Result<(), DeployError> {
        let stack = wanted.stack.as_str();
        let failed = |reason: &str| DeployError::Failed {
            message: format!(
                "{} could not take over what an earlier stack has kept: {reason}",
                self.thing(stack)
            ),
            remedy: MANUAL.to_owned(),
        };
        let (_, standing) = self.prepare(stack).await?;
        if let Some(standing) = &standing
            && standing.status != StackStatus::DeleteComplete
        {
            self.delete_left_over(stack, &standing.id).await?;
        }
        self.progress
            .step(format!("importing into the stack {stack}"));
        let name = Parameter::builder().parameter_key("Name");
        let resources = retained.iter().map(|one| {
            let (key, value) = (one.kept.kind.identifier(), one.identifier.clone());
            ResourceToImport::builder()
                .resource_type(one.kept.kind.cloudformation())
                .logical_resource_id(&one.kept.logical)
                .set_resource_identifier(Some(HashMap::from([(key.to_owned(), value)])))
                .build()
        });
        let created = self
            .client
            .create_change_set()
            .stack_name(stack)
            .change_set_name(format!("{PREFIX}{:032x}", SystemEntropy.bits()))
            .change_set_type(ChangeSetType::Import)
            .template_body(import_template(retained))
            .parameters(name.parameter_value(&wanted.name).build())
            .set_resources_to_import(Some(resources.collect()))
            .capabilities(Capability::CapabilityNamedIam)
            .send()
            .await
            .map_err(|error| service_error("CreateChangeSet", self.thing(stack), &error))
            .map_err(|error| failed(&error.to_string()))?;
        let change_set = created.id().unwrap_or_default();
        let changes = self.changes(stack, change_set).await;
        changes.map_err(|error| failed(&error.to_string()))?;
        self.client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(change_set)
            .send()
            .await
            .map_err(|error| service_error("ExecuteChangeSet", self.thing(stack), &error))?;
        let id = self.find(stack).await?.map(|found| found.id);
        let id = id.unwrap_or_else(|| stack.to_owned());
        match self.settle(stack, &id).await? {
            Some(found) if found.status == StackStatus::ImportComplete => Ok(()),
            other => {
                let status = other.map(|found| found.status.to_string());
                let status = status.unwrap_or_else(|| "it is gone".to_owned());
                let reason = self.first_failure(&id).await?;
                Err(failed(&reason.unwrap_or(status)))
            }
        }
    }
}

/// The identifier of a table of ours. None if there is none.
async fn table(account: &Account, name: &str) -> Result<Option<String>, DeployError> {
    let client = aws_sdk_dynamodb::Client::new(&account.config);
    let answer = client.describe_table().table_name(name).send().await;
    let thing = format!("table {name} of account {}", account.id);
    let answer = answer.map_err(|error| service_error("DescribeTable", thing.as_str(), &error));
    let Some(table) = if_there(answer)?.and_then(|answer| answer.table) else {
        return Ok(None);
    };
    let keys = table.key_schema().iter();
    let keys = keys.map(KeySchemaElement::attribute_name);
    if keys.eq(["pk", "sk"]) {
        return Ok(Some(name.to_owned()));
    }
    Err(DeployError::Failed {
        message: format!("{thing} is no ledger of pmp-sync, and has the name of one"),
        remedy: "choose another name for the installation with --name".to_owned(),
    })
}

/// The URL of a queue. None if there is none.
async fn queue(account: &Account, name: &str) -> Result<Option<String>, DeployError> {
    let client = aws_sdk_sqs::Client::new(&account.config);
    let answer = client.get_queue_url().queue_name(name).send().await;
    let thing = format!("queue {name} of account {}", account.id);
    let answer = answer.map_err(|error| service_error("GetQueueUrl", thing, &error));
    Ok(if_there(answer)?.and_then(|answer| answer.queue_url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{MANAGEMENT, MEMBER, MEMBER_ACCESS};

    fn names(template: &str) -> Vec<(String, String)> {
        let kept = kept(template, "x").into_iter();
        kept.map(|one| (one.logical, one.name)).collect()
    }

    #[test]
    fn what_outlives_a_stack_is_found_in_its_template_by_its_name() {
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let management = [
            pair("Ledger", "x-ledger"),
            pair("InboxDeadLetters", "x-requests-dlq.fifo"),
        ];
        assert_eq!(names(MANAGEMENT.body), management);
        let member = [pair("DeadLetters", "x-changes-dlq")];
        assert_eq!(names(MEMBER.body), member);
        assert_eq!(names(MEMBER_ACCESS.body), []);
        // Nothing else is kept: what is not found would prevent a new stack.
        for template in [MANAGEMENT, MEMBER, MEMBER_ACCESS] {
            let all = template.body.matches("DeletionPolicy: Retain").count();
            assert_eq!(all, names(template.body).len(), "{}", template.file);
        }
    }

    #[test]
    fn a_template_for_an_import_has_these_resources_alone_and_keeps_them() {
        for template in [MANAGEMENT, MEMBER] {
            let all: Vec<_> = kept(template.body, "x")
                .into_iter()
                .map(|kept| Retained {
                    kept,
                    identifier: String::new(),
                })
                .collect();
            let text = import_template(&all);
            assert!(!text.contains(RETAINED), "{text}");
            assert_eq!(text.matches(IMPORTED).count(), all.len());
            assert_eq!(text.matches("\n    Type: AWS::").count(), all.len());
            // It has one parameter and no other resource to refer to.
            assert!(
                !text.contains("!Ref") && !text.contains("!GetAtt"),
                "{text}"
            );
            let parameters = text.matches("${").count();
            assert_eq!(parameters, text.matches("${Name}").count());
        }
    }
}
