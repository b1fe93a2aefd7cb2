//! The catalog operations of an operator: create experiences, give them an audience, enable,
//! disable, archive and revive them. Neither Lambda function has them.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_marketplacecatalog::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_marketplacecatalog::types::{
    Change, ChangeSetSummaryListItem, ChangeStatus, ChangeSummary, Entity, FailureCode,
};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::{Audience, Experience};
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, PolicyId, ProductId};
use pmp_sync_domain::policy::{Action, PolicySnapshot, notes};
use pmp_sync_domain::ports::{ChangeSetStatus, ReadCatalog as _, Result};
use pmp_sync_domain::text::one_line;
use serde_json::{Value, json};

use super::sets::{self, filter, id_of, list};
use super::terms::{ALLOW, CREATE_POLICY, DENY, EXPERIENCE};
use super::{Listed, ReadOnlyCatalog};

/// The name of the change that creates an experience, by which other changes of its change set
/// refer to it.
const NEW: &str = "NewExperience";

/// One step on an experience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminChange {
    /// Create it: disabled, without a policy, without an audience.
    Create {
        /// 1 to 50 letters, digits, spaces, _ or -.
        name: String,
    },
    /// Create its procurement policy, which allows nothing yet.
    CreatePolicy {
        /// As shown in the console.
        name: String,
    },
    /// Add principals to its audience.
    Associate {
        /// ARNs of organizations, organizational units or accounts.
        principals: Vec<String>,
    },
    /// Take principals out of its audience.
    Disassociate {
        /// As [`Self::Associate`] has them.
        principals: Vec<String>,
    },
    /// Make it govern its audience, or stop it.
    SetEnabled(bool),
    /// Archive it.
    Restrict,
    /// Restore it from the archive.
    Revive,
    /// Put products on one of its lists, each with a note.
    List(Action, Vec<Noted>),
}

/// Products with the same note: at most 50 in one change, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The products.
    pub products: Vec<ProductId>,
    /// 1 to 50 characters.
    pub notes: Option<String>,
}

impl AdminChange {
    fn change_type(&self) -> &'static str {
        match self {
            Self::Create { .. } => "CreateExperience",
            Self::CreatePolicy { .. } => CREATE_POLICY,
            Self::Associate { .. } => "AssociateAudience",
            Self::Disassociate { .. } => "DisassociateAudience",
            Self::SetEnabled(_) => "UpdateExperience",
            Self::Restrict => "RestrictExperience",
            Self::Revive => "ReviveExperience",
            Self::List(Action::Allow, _) => ALLOW,
            Self::List(Action::Deny, _) => DENY,
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Create { name } | Self::CreatePolicy { name } => json!({ "Name": name }),
            Self::Associate { principals } | Self::Disassociate { principals } => {
                json!({ "Principals": principals })
            }
            Self::SetEnabled(true) => json!({ "Status": "Enabled" }),
            Self::SetEnabled(false) => json!({ "Status": "Disabled" }),
            Self::Restrict | Self::Revive => json!({}),
            Self::List(_, noted) => {
                let products = noted.iter().map(|noted| {
                    let ids: Vec<_> = noted.products.iter().map(ProductId::as_str).collect();
                    match &noted.notes {
                        Some(notes) => json!({ "Ids": ids, "Notes": notes }),
                        None => json!({ "Ids": ids }),
                    }
                });
                json!({ "Products": products.collect::<Vec<_>>() })
            }
        }
    }
}

/// A change set to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminChangeSet {
    /// Unique name, by which the change set is found again.
    pub name: String,
    /// `ClientRequestToken`: the service starts one change set for each token.
    pub token: String,
    /// None if the first change creates the experience.
    pub experience: Option<ExperienceId>,
    /// In the order of the request.
    pub changes: Vec<AdminChange>,
}

/// How a change set of an operator ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every change was applied, to these experiences.
    Succeeded(Vec<ExperienceId>),
    /// Nothing was applied. Error codes with their messages.
    Failed(Vec<(String, String)>),
    /// Nothing was applied, because of a fault of the service. The service's description.
    ServerFault(String),
    /// An administrator cancelled it; nothing was applied.
    Cancelled,
}

/// A change set that was found by its name, or by its experience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As the service assigned it.
    pub id: ChangeSetId,
    /// As the request named it.
    pub name: String,
    /// True until it has ended.
    pub is_under_way: bool,
    /// When it was started, in the words of the service, which sort by time.
    pub started: String,
}

/// The catalog with the operations of an operator.
#[derive(Debug, Clone)]
pub struct CatalogAdmin {
    read: ReadOnlyCatalog,
}

impl CatalogAdmin {
    /// A client with the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            read: ReadOnlyCatalog::new(config),
        }
    }

    /// Reads an experience.
    pub async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        self.read.experience(id).await
    }

    /// Reads the product lists of a procurement policy.
    pub async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        self.read.policy(id).await
    }

    /// Lists every experience that the account may administer, with its name.
    pub async fn names(&self) -> Result<Vec<(ExperienceId, String)>> {
        let entities = self.read.entities("Experience").await?;
        let named = entities.into_iter();
        Ok(named
            .filter_map(|entity| Some((ExperienceId::new(entity.id).ok()?, entity.name)))
            .collect())
    }

    /// Lists every audience that the account may administer.
    pub async fn audiences(&self) -> Result<Vec<Audience>> {
        let mut audiences = Vec::new();
        for Listed { id, .. } in self.read.entities("Audience").await? {
            let details = self.read.details(&id, "Audience").await?;
            audiences.push(Audience::from_details(&details).map_err(|error| {
                let words = error.to_string();
                ServiceError::new("DescribeEntity", id, Kind::Refused, words)
            })?);
        }
        Ok(audiences)
    }

    /// Finds the newest change set with that name.
    pub async fn newest(&self, name: &str) -> Result<Option<Found>> {
        let by_name = [filter("ChangeSetName", name)];
        let is_wanted = |set: &ChangeSetSummaryListItem| set.change_set_name() == Some(name);
        let found = list(&self.read.client, name, &by_name, is_wanted).await?;
        found
            .first()
            .map(|newest| to_found(newest, name))
            .transpose()
    }

    /// Finds the newest change set on an experience, whoever started it: an experience has one at a
    /// time.
    pub async fn newest_on(&self, experience: &ExperienceId) -> Result<Option<Found>> {
        let thing = experience.as_str();
        let on_it = [filter("EntityId", thing)];
        let found = list(&self.read.client, thing, &on_it, |_| true).await?;
        found
            .first()
            .map(|newest| to_found(newest, thing))
            .transpose()
    }

    /// Reads the product lists of a procurement policy, and the notes of products.
    pub async fn noted_policy(
        &self,
        id: &PolicyId,
    ) -> Result<(PolicySnapshot, BTreeMap<ProductId, String>)> {
        let details = self.read.details(id.as_str(), "ProcurementPolicy").await?;
        let read = PolicySnapshot::from_details(&details);
        let policy = read.map_err(|error| {
            let words = error.to_string();
            ServiceError::new("DescribeEntity", id.as_str(), Kind::Refused, words)
        })?;
        Ok((policy, notes(&details)))
    }

    /// The status of a change set, with the errors of each kind of change if it failed.
    pub async fn status(&self, id: &ChangeSetId) -> Result<ChangeSetStatus> {
        super::status(&self.read.client, id).await
    }

    /// Starts a change set, and returns its id.
    pub async fn start(&self, set: &AdminChangeSet) -> Result<ChangeSetId> {
        sets::start(&self.read.client, &set.name, &set.token, changes(set)?).await
    }

    /// Describes how a change set ended. None while it is under way.
    pub async fn ended(&self, id: &ChangeSetId) -> Result<Option<Ended>> {
        let answer = sets::describe(&self.read.client, id).await?;
        Ok(match answer.status() {
            Some(ChangeStatus::Preparing | ChangeStatus::Applying) => None,
            Some(ChangeStatus::Succeeded) => Some(Ended::Succeeded(experiences(&answer))),
            Some(ChangeStatus::Cancelled) => Some(Ended::Cancelled),
            Some(ChangeStatus::Failed) => Some(failed(&answer)),
            other => {
                let words = format!("the status {other:?} is not known");
                let operation = "DescribeChangeSet";
                return Err(ServiceError::new(
                    operation,
                    id.as_str(),
                    Kind::Refused,
                    words,
                ));
            }
        })
    }
}

fn to_found(set: &ChangeSetSummaryListItem, thing: &str) -> Result<Found> {
    Ok(Found {
        id: id_of(set, thing)?,
        name: set.change_set_name().unwrap_or_default().to_owned(),
        is_under_way: is_under_way(set),
        started: set.start_time().unwrap_or_default().to_owned(),
    })
}

fn is_under_way(set: &ChangeSetSummaryListItem) -> bool {
    matches!(
        set.status(),
        Some(ChangeStatus::Preparing | ChangeStatus::Applying)
    )
}

fn changes(set: &AdminChangeSet) -> Result<Vec<Change>> {
    let refused = |error: &dyn std::fmt::Display| {
        let words = error.to_string();
        ServiceError::new("StartChangeSet", &set.name, Kind::Refused, words)
    };
    let change = |change: &AdminChange| {
        let entity = Entity::builder().r#type(EXPERIENCE);
        let makes = matches!(change, AdminChange::Create { .. });
        let entity = match &set.experience {
            Some(id) => entity.identifier(id.as_str()),
            None if makes => entity,
            None => entity.identifier(format!("${NEW}.Entity.Identifier")),
        };
        Change::builder()
            .change_type(change.change_type())
            .set_change_name(makes.then(|| NEW.to_owned()))
            .entity(entity.build().map_err(|error| refused(&error))?)
            .details(change.details().to_string())
            .build()
            .map_err(|error| refused(&error))
    };
    set.changes.iter().map(change).collect()
}

/// The experiences of a change set, each once. The service names them with their revisions.
fn experiences(answer: &DescribeChangeSetOutput) -> Vec<ExperienceId> {
    let entities = answer
        .change_set()
        .iter()
        .filter_map(|change| change.entity());
    let named = entities.filter_map(|entity| entity.identifier()?.split('@').next());
    let mut ids: Vec<_> = named.filter_map(|id| ExperienceId::new(id).ok()).collect();
    ids.dedup();
    ids
}

fn failed(answer: &DescribeChangeSetOutput) -> Ended {
    let description = answer.failure_description().unwrap_or_default();
    if answer.failure_code() == Some(&FailureCode::ServerFault) {
        return Ended::ServerFault(description.to_owned());
    }
    let details = answer.change_set().iter();
    let mut errors: Vec<_> = details
        .flat_map(ChangeSummary::error_detail_list)
        .map(|detail| {
            let text = |text: Option<&str>| one_line(text.unwrap_or_default());
            (text(detail.error_code()), text(detail.error_message()))
        })
        .collect();
    if errors.is_empty() {
        errors.push(("UNKNOWN".to_owned(), description.to_owned()));
    }
    Ended::Failed(errors)
}
