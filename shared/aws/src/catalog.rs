//! The AWS Marketplace Catalog API.

pub mod admin;
mod sets;
mod terms;

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_marketplacecatalog::Client;
use aws_sdk_marketplacecatalog::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_marketplacecatalog::types::{Change, ChangeStatus, Entity, FailureCode, Filter};
use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, ExperienceId, PolicyId, ProductId};
use pmp_sync_domain::lane::{ChangeError, Failed, Intent, NamedSet, StartedSet};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::{ChangeSetStatus, ChangeSets, ReadCatalog, Result};
use pmp_sync_domain::text::one_line;
use serde_json::json;

use self::terms::{
    ALLOW, CATALOG, CREATE_POLICY, DENY, EXPERIENCE, MOST_PAGES, is_no_scope, scopes, to_json,
};
use crate::service_error;

/// Read-only access to experiences and policies.
#[derive(Debug, Clone)]
pub struct ReadOnlyCatalog {
    client: Client,
}

impl ReadOnlyCatalog {
    /// The catalog as the credentials of `config` see it.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    async fn details(&self, id: &str, entity_type: &str) -> Result<String> {
        let entity = self
            .client
            .describe_entity()
            .catalog(CATALOG)
            .entity_id(id)
            .send()
            .await
            .map_err(|error| service_error("DescribeEntity", id, &error))?;
        let refused =
            |message: String| ServiceError::new("DescribeEntity", id, Kind::Refused, message);
        let found = entity.entity_type().unwrap_or_default();
        if found.split('@').next() != Some(entity_type) {
            return Err(refused(format!(
                "the entity is of type {found:?}, not {entity_type}"
            )));
        }
        match (entity.details(), entity.details_document()) {
            (Some(details), _) if !details.is_empty() => Ok(details.to_owned()),
            (_, Some(document)) => Ok(to_json(document).to_string()),
            _ => Err(refused("the entity has no details".to_owned())),
        }
    }

    /// Lists the entities that are shared with the account, and those that it owns, each once.
    async fn entities(&self, entity_type: &str) -> Result<Vec<Listed>> {
        let mut found: Vec<Listed> = Vec::new();
        let mut refused = None;
        for scope in scopes() {
            match self.entities_in(entity_type, scope).await {
                Ok(entities) => {
                    for entity in entities {
                        if !found.iter().any(|known| known.id == entity.id) {
                            found.push(entity);
                        }
                    }
                }
                Err(error) if is_no_scope(&error) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        // With nothing found, the refused scope may be the one that has something.
        match refused {
            Some(error) if found.is_empty() => Err(error),
            Some(error) => {
                tracing::debug!(%error, "one scope is refused, and the other has entities");
                Ok(found)
            }
            None => Ok(found),
        }
    }

    async fn entities_in(&self, entity_type: &str, scope: Option<Filter>) -> Result<Vec<Listed>> {
        let filters = scope.map(|scope| vec![scope]);
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let page = self
                .client
                .list_entities()
                .catalog(CATALOG)
                .entity_type(entity_type)
                .set_filter_list(filters.clone())
                .max_results(50)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| service_error("ListEntities", entity_type, &error))?;
            found.extend(page.entity_summary_list().iter().map(|summary| Listed {
                id: summary.entity_id().unwrap_or_default().to_owned(),
                name: summary.name().unwrap_or_default().to_owned(),
            }));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(found);
            }
        }
        let words = format!("there are more than {} entities", found.len());
        let kind = Kind::Refused;
        Err(ServiceError::new("ListEntities", entity_type, kind, words))
    }
}

/// An entity of a list.
#[derive(Debug, Clone)]
struct Listed {
    id: String,
    name: String,
}

impl ReadCatalog for ReadOnlyCatalog {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        let details = self.details(id.as_str(), "Experience").await?;
        Experience::from_details(id.clone(), &details).map_err(|error| {
            ServiceError::new(
                "DescribeEntity",
                id.as_str(),
                Kind::Refused,
                error.to_string(),
            )
        })
    }

    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        let details = self.details(id.as_str(), "ProcurementPolicy").await?;
        PolicySnapshot::from_details(&details).map_err(|error| {
            ServiceError::new(
                "DescribeEntity",
                id.as_str(),
                Kind::Refused,
                error.to_string(),
            )
        })
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        let entities = self.entities("Experience").await?;
        let ids = entities.into_iter().filter_map(|entity| {
            let id = ExperienceId::new(entity.id);
            // A link cannot name it, and the others are listed.
            id.inspect_err(|error| {
                tracing::warn!(%error, "an experience is left out: its id is not valid");
            })
            .ok()
        });
        Ok(ids.collect())
    }
}

/// The catalog with change sets, for the worker.
#[derive(Debug, Clone)]
pub struct Catalog {
    read: ReadOnlyCatalog,
}

impl Catalog {
    /// The catalog as the credentials of `config` see it.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            read: ReadOnlyCatalog::new(config),
        }
    }
}

impl ReadCatalog for Catalog {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        self.read.experience(id).await
    }
    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        self.read.policy(id).await
    }
    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.read.experiences().await
    }
}

/// At most one Allow and one Deny change: a change set may contain a change type only once for each
/// entity.
fn to_changes(name: &ChangeSetName, intent: &Intent) -> Result<Vec<Change>> {
    let refused = |message: String| {
        ServiceError::new("StartChangeSet", name.to_string(), Kind::Refused, message)
    };
    let entity = Entity::builder()
        .r#type(EXPERIENCE)
        .identifier(name.experience.as_str())
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let mut list = Vec::new();
    if intent.creates_policy {
        // The guide's example sends only a name.
        let change = Change::builder()
            .change_type(CREATE_POLICY)
            .entity(entity.clone())
            .details(json!({ "Name": "pmp-sync" }).to_string())
            .build();
        list.push(change.map_err(|error| refused(error.to_string()))?);
    }
    for (action, change_type) in [(Action::Allow, ALLOW), (Action::Deny, DENY)] {
        let ids: Vec<_> = intent.products(action).map(ProductId::as_str).collect();
        if ids.is_empty() {
            continue;
        }
        let details = json!({ "Products": [{ "Ids": ids }] }).to_string();
        let change = Change::builder()
            .change_type(change_type)
            .entity(entity.clone())
            .details(details)
            .build();
        list.push(change.map_err(|error| refused(error.to_string()))?);
    }
    Ok(list)
}

impl ChangeSets for Catalog {
    async fn start(&self, name: &ChangeSetName, intent: &Intent) -> Result<ChangeSetId> {
        let changes = to_changes(name, intent)?;
        sets::start(&self.read.client, &name.to_string(), &intent.token, changes).await
    }

    async fn status(&self, id: &ChangeSetId) -> Result<ChangeSetStatus> {
        status(&self.read.client, id).await
    }

    async fn named(&self, name: &ChangeSetName) -> Result<Vec<NamedSet>> {
        sets::named(&self.read.client, name).await
    }

    async fn newest(&self, experience: &ExperienceId) -> Result<Vec<StartedSet>> {
        sets::newest(&self.read.client, experience).await
    }

    async fn changed_by(&self, id: &ChangeSetId) -> Result<BTreeSet<ExperienceId>> {
        let set = sets::describe(&self.read.client, id).await?;
        Ok(sets::experiences(&set))
    }
}

/// The status of a change set.
async fn status(client: &Client, id: &ChangeSetId) -> Result<ChangeSetStatus> {
    let answer = sets::describe(client, id).await?;
    match answer.status() {
        Some(ChangeStatus::Preparing | ChangeStatus::Applying) => Ok(ChangeSetStatus::Underway),
        Some(ChangeStatus::Succeeded) => Ok(ChangeSetStatus::Succeeded(duration(&answer))),
        Some(ChangeStatus::Cancelled) => Ok(ChangeSetStatus::Cancelled),
        Some(ChangeStatus::Failed) => Ok(match answer.failure_code() {
            Some(FailureCode::ServerFault) => {
                ChangeSetStatus::ServerFault(failure(&answer).to_string())
            }
            _ => ChangeSetStatus::Failed(failure(&answer)),
        }),
        other => {
            let message = format!("the status {other:?} is not known");
            Err(ServiceError::new(
                "DescribeChangeSet",
                id.as_str(),
                Kind::Refused,
                message,
            ))
        }
    }
}

fn duration(answer: &DescribeChangeSetOutput) -> Option<u32> {
    let at = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
    let seconds = at(answer.end_time())?
        .duration_since(at(answer.start_time())?)
        .as_secs();
    u32::try_from(seconds).ok()
}

/// What the service says about the failure, of the whole set and of each change.
fn failure(answer: &DescribeChangeSetOutput) -> Failed {
    let errors = answer.change_set().iter().flat_map(|change| {
        let action = match change.change_type() {
            Some(ALLOW) => Some(Action::Allow),
            Some(DENY) => Some(Action::Deny),
            _ => None,
        };
        change.error_detail_list().iter().filter_map(move |detail| {
            Some(ChangeError {
                action: action?,
                code: detail.error_code().unwrap_or("UNKNOWN").to_owned(),
                message: one_line(detail.error_message().unwrap_or_default()),
            })
        })
    });
    Failed {
        errors: errors.collect(),
        description: answer.failure_description().map(str::to_owned),
    }
}
