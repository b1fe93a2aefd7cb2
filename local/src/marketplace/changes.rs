//! Change sets: which changes a request may combine, and what each change does.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::entities::{Audience, Experience, Lists, Policy, arn, seconds};
use super::error::ApiError;

const MOST_IDS: usize = 50;
/// The most characters of the notes of a product.
const MOST_NOTE: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Preparing,
    Applying,
    Succeeded,
    Failed,
    Cancelled,
}

impl Status {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "PREPARING",
            Self::Applying => "APPLYING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// One change of a request.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    /// The experience that is changed, or [`Target::New`].
    pub(crate) experience: Target,
    pub(crate) details: Value,
    pub(crate) errors: Vec<(String, String)>,
}

/// Ids for the entities that a change may create.
pub(crate) struct MadeIds {
    pub(crate) policy: String,
    pub(crate) audience: String,
}

/// The entity of a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The change creates it.
    New,
    /// It exists. The revision is the one that the change expects.
    Existing { id: String, revision: Option<u64> },
    /// An earlier change with that name in the same set creates it.
    Made(String),
}

#[derive(Debug, Clone)]
pub(crate) struct ChangeSet {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) owner: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) status: Status,
    pub(crate) failure: Option<(&'static str, Option<String>)>,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// True for a change set of `foreign_lock`, which belongs to another administrator.
    pub(crate) foreign: bool,
}

/// A change set in the log, with times in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeSetLog {
    /// As the API returned it.
    pub id: String,
    /// As the request named it.
    pub name: String,
    /// The account that started it.
    pub account: String,
    /// Ids of its experiences.
    pub experiences: Vec<String>,
    /// The number of products to allow.
    pub allow: usize,
    /// The number of products to deny.
    pub deny: usize,
    /// Its status in the words of the API, such as `PREPARING`.
    pub status: &'static str,
    /// When it was started.
    pub started: Timestamp,
    /// None while it is under way.
    pub ended: Option<Timestamp>,
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

impl Change {
    /// Parses a change of a request, and checks everything that does not depend on the entities.
    pub(crate) fn parse(raw: &Value) -> Result<Self, ApiError> {
        let kind = text(raw, "ChangeType")
            .ok_or_else(|| ApiError::validation("ChangeType is required"))?;
        let entity = raw
            .get("Entity")
            .ok_or_else(|| ApiError::validation("Entity is required"))?;
        if text(entity, "Type") != Some("Experience@1.0") {
            return Err(ApiError::validation(format!(
                "Entity type {:?} does not take changes",
                text(entity, "Type")
            )));
        }
        let experience = match text(entity, "Identifier") {
            None => Target::New,
            Some(reference) if reference.starts_with('$') => {
                let made = reference
                    .strip_prefix('$')
                    .and_then(|rest| rest.strip_suffix(".Entity.Identifier"));
                Target::Made(
                    made.ok_or_else(|| {
                        ApiError::validation(format!("Invalid reference {reference}"))
                    })?
                    .to_owned(),
                )
            }
            Some(identifier) => {
                let (id, revision) = match identifier.split_once('@') {
                    Some((id, revision)) => {
                        let revision = revision.parse().map_err(|_| {
                            ApiError::validation(format!(
                                "Invalid revision in the identifier {identifier}"
                            ))
                        })?;
                        (id, Some(revision))
                    }
                    None => (identifier, None),
                };
                Target::Existing {
                    id: id.to_owned(),
                    revision,
                }
            }
        };
        if (kind == "CreateExperience") != (experience == Target::New) {
            return Err(ApiError::validation(format!(
                "{kind} with this Entity.Identifier is not possible"
            )));
        }
        let details = match (raw.get("Details"), raw.get("DetailsDocument")) {
            (Some(Value::String(details)), None) => {
                if !(2..=16_384).contains(&details.len()) {
                    return Err(ApiError::validation(
                        "Details must have 2 to 16384 characters",
                    ));
                }
                serde_json::from_str(details)
                    .map_err(|_| ApiError::validation("Document not valid JSON format"))?
            }
            (None, Some(details)) => details.clone(),
            _ => {
                return Err(ApiError::validation(
                    "Exactly one of Details and DetailsDocument is required",
                ));
            }
        };
        if !details.is_object() {
            return Err(ApiError::validation("Document not valid JSON format"));
        }
        let change = Self {
            kind: kind.to_owned(),
            name: text(raw, "ChangeName").map(str::to_owned),
            experience,
            details,
            errors: Vec::new(),
        };
        change.check_details()?;
        Ok(change)
    }

    fn check_details(&self) -> Result<(), ApiError> {
        match self.kind.as_str() {
            "AllowProductProcurement" | "DenyProductProcurement" => self.check_products(),
            "CreateExperience" => match text(&self.details, "Name") {
                Some(name) if (1..=50).contains(&name.len()) => Ok(()),
                _ => Err(ApiError::validation("Name must have 1 to 50 characters")),
            },
            "UpdateExperience" => match text(&self.details, "Status") {
                None | Some("Enabled" | "Disabled") => Ok(()),
                Some(other) => Err(ApiError::validation(format!(
                    "Status {other:?} is not one of Enabled, Disabled"
                ))),
            },
            "AssociateAudience" | "DisassociateAudience" => self.check_principals(),
            "RestrictExperience"
            | "ReviveExperience"
            | "CreateProcurementPolicy"
            | "UpdateProcurementPolicy" => Ok(()),
            other => Err(ApiError::validation(format!(
                "The change type {other} is not supported"
            ))),
        }
    }

    fn check_principals(&self) -> Result<(), ApiError> {
        let given = self.details.get("Principals").and_then(Value::as_array);
        let principals = self.principals();
        // Values that are no strings were left out.
        if given.map(Vec::len) == Some(principals.len())
            && (1..=MOST_IDS).contains(&principals.len())
        {
            return Ok(());
        }
        Err(ApiError::validation(
            "Principals must have 1 to 50 elements",
        ))
    }

    pub(crate) fn principals(&self) -> Vec<String> {
        let principals = self.details.get("Principals").and_then(Value::as_array);
        let texts = principals.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    pub(crate) fn is_association(&self) -> bool {
        self.kind == "AssociateAudience"
    }

    fn check_products(&self) -> Result<(), ApiError> {
        let products = self
            .details
            .get("Products")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !(1..=MOST_IDS).contains(&products.len()) {
            return Err(ApiError::validation("Products must have 1 to 50 elements"));
        }
        for notes in products.iter().filter_map(|product| product.get("Notes")) {
            let length = notes.as_str().map(|notes| notes.chars().count());
            if !length.is_some_and(|length| (1..=MOST_NOTE).contains(&length)) {
                return Err(ApiError::validation("Notes must have 1 to 50 characters"));
            }
        }
        let lists = products
            .iter()
            .map(|product| product.get("Ids").and_then(Value::as_array));
        let Some(lists) = lists.collect::<Option<Vec<_>>>() else {
            return Err(ApiError::validation("Ids is required"));
        };
        let ids: Option<Vec<_>> = lists.into_iter().flatten().map(Value::as_str).collect();
        let Some(ids) = ids.filter(|ids| ids.iter().all(|id| (1..=50).contains(&id.len()))) else {
            return Err(ApiError::validation(
                "Each of the Ids must be text of 1 to 50 characters",
            ));
        };
        if ids.len() > MOST_IDS {
            let message =
                "Cumulative number of values in Ids array must be less than or equal to 50";
            return Err(ApiError::validation(message));
        }
        if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
            return Err(ApiError::validation("Values in Ids array must be unique"));
        }
        Ok(())
    }

    pub(crate) fn products(&self) -> Vec<String> {
        let products = self
            .details
            .get("Products")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let ids = products
            .filter_map(|product| product.get("Ids").and_then(Value::as_array))
            .flatten();
        ids.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The notes of its products.
    fn notes(&self) -> Vec<(String, String)> {
        let products = self.details.get("Products").and_then(Value::as_array);
        let noted = products.into_iter().flatten().filter_map(|product| {
            let ids = product.get("Ids")?.as_array()?;
            Some((ids, text(product, "Notes")?))
        });
        noted
            .flat_map(|(ids, notes)| {
                let ids = ids.iter().filter_map(Value::as_str);
                ids.map(move |id| (id.to_owned(), notes.to_owned()))
            })
            .collect()
    }

    pub(crate) fn is_allow(&self) -> bool {
        self.kind == "AllowProductProcurement"
    }

    /// Applies the change. An error is a code and a message for the change's `ErrorDetailList`.
    pub(crate) fn apply(
        &self,
        experience: &mut Experience,
        made: MadeIds,
        now: Timestamp,
    ) -> Result<(), (String, String)> {
        let fail = |code: &str, message: &str| Err((code.to_owned(), message.to_owned()));
        if experience.archived && self.kind != "ReviveExperience" {
            // It is documented that this fails, but not with which code.
            return fail("ENTITY_RESTRICTED", "The experience is archived");
        }
        let own = |name: &str| text(&self.details, name).map(str::to_owned);
        match self.kind.as_str() {
            "CreateExperience" => {}
            "UpdateExperience" => {
                experience.name = own("Name").unwrap_or_else(|| experience.name.clone());
                experience.description = own("Description").or(experience.description.take());
                experience.enabled =
                    own("Status").map_or(experience.enabled, |status| status == "Enabled");
            }
            "RestrictExperience" if experience.enabled => {
                return fail("ENTITY_IN_USE", "The experience must be disabled first");
            }
            "RestrictExperience" => experience.archived = true,
            "ReviveExperience" => experience.archived = false,
            "CreateProcurementPolicy" if experience.policy.is_some() => {
                return fail(
                    "ENTITY_ALREADY_EXISTS",
                    "The experience has a procurement policy already",
                );
            }
            "CreateProcurementPolicy" => {
                experience.policy = Some(Policy {
                    id: made.policy,
                    revision: 0,
                    name: own("Name"),
                    description: own("Description"),
                    requests: requests(&self.details),
                    lists: Lists::default(),
                    notes: BTreeMap::new(),
                    modified: now,
                });
            }
            "AssociateAudience" => {
                let new = || Audience {
                    id: made.audience,
                    revision: 0,
                    name: None,
                    description: None,
                    principals: BTreeSet::new(),
                    modified: now,
                };
                let audience = experience.audience.get_or_insert_with(new);
                audience.name = own("Name").or(audience.name.take());
                audience.description = own("Description").or(audience.description.take());
                audience.principals.extend(self.principals());
                audience.revision += 1;
                audience.modified = now;
            }
            "DisassociateAudience" => {
                let gone = self.principals();
                let Some(audience) = experience
                    .audience
                    .as_mut()
                    .filter(|audience| gone.iter().all(|one| audience.principals.contains(one)))
                else {
                    return fail("ENTITY_NOT_FOUND", "The audience does not have them all");
                };
                audience.principals.retain(|one| !gone.contains(one));
                audience.revision += 1;
                audience.modified = now;
            }
            _ => {
                let Some(policy) = &mut experience.policy else {
                    return fail(
                        "ENTITY_NOT_FOUND",
                        "The experience has no procurement policy",
                    );
                };
                if self.kind == "UpdateProcurementPolicy" {
                    policy.name = own("Name").or(policy.name.take());
                    policy.description = own("Description").or(policy.description.take());
                    policy.requests = requests(&self.details).or(policy.requests.take());
                } else {
                    let lists = &mut policy.lists;
                    let (to, from) = if self.is_allow() {
                        (&mut lists.allow, &mut lists.deny)
                    } else {
                        (&mut lists.deny, &mut lists.allow)
                    };
                    for id in self.products() {
                        from.remove(&id);
                        policy.notes.remove(&id);
                        to.insert(id);
                    }
                    policy.notes.extend(self.notes());
                }
            }
        }
        if let Some(policy) = &mut experience.policy {
            policy.revision += 1;
            policy.modified = now;
        }
        experience.revision += 1;
        experience.modified = now;
        Ok(())
    }
}

fn requests(details: &Value) -> Option<String> {
    details
        .get("Configuration")
        .and_then(|configuration| text(configuration, "PolicyResourceRequests"))
        .map(str::to_owned)
}

/// Parses all changes of a request, and checks them against each other.
pub(crate) fn parse_all(raw: &[Value]) -> Result<Vec<Change>, ApiError> {
    if !(1..=20).contains(&raw.len()) {
        return Err(ApiError::validation("ChangeSet must have 1 to 20 changes"));
    }
    let changes: Vec<_> = raw.iter().map(Change::parse).collect::<Result<_, _>>()?;
    let mut types = HashSet::new();
    let mut made = BTreeSet::new();
    let mut products: HashSet<(Option<String>, String)> = HashSet::new();
    for change in &changes {
        let key = match &change.experience {
            Target::New => None,
            Target::Existing { id, .. } => Some(id.clone()),
            Target::Made(name) if made.contains(name) => Some(format!("${name}")),
            Target::Made(name) => {
                return Err(ApiError::validation(format!(
                    "No earlier change is named {name}"
                )));
            }
        };
        if key.is_some() && !types.insert((key.clone(), change.kind.clone())) {
            return Err(ApiError::validation(format!(
                "{} may stand only once for an entity",
                change.kind
            )));
        }
        for product in change.products() {
            if !products.insert((key.clone(), product)) {
                return Err(ApiError::validation("Values in Ids array must be unique"));
            }
        }
        if change.experience == Target::New {
            made.extend(change.name.clone());
        }
    }
    Ok(changes)
}

impl ChangeSet {
    pub(crate) fn arn(&self) -> String {
        arn(&self.owner, "ChangeSet", &self.id)
    }

    pub(crate) fn experiences(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for change in &self.changes {
            if let Target::Existing { id, .. } = &change.experience
                && !ids.contains(id)
            {
                ids.push(id.clone());
            }
        }
        ids
    }

    pub(crate) fn log(&self) -> ChangeSetLog {
        let count = |allow| {
            let of_kind = self
                .changes
                .iter()
                .filter(|change| change.is_allow() == allow);
            of_kind.map(|change| change.products().len()).sum()
        };
        ChangeSetLog {
            id: self.id.clone(),
            name: self.name.clone(),
            account: self.account.clone(),
            experiences: self.experiences(),
            allow: count(true),
            deny: count(false),
            status: self.status.as_str(),
            started: self.started,
            ended: self.ended,
        }
    }

    pub(crate) fn summary(&self) -> Value {
        json!({
            "ChangeSetId": self.id,
            "ChangeSetArn": self.arn(),
            "ChangeSetName": self.name,
            "StartTime": seconds(self.started),
            "EndTime": self.ended.map(seconds),
            "Status": self.status,
            "EntityIdList": self.experiences(),
            "FailureCode": self.failure.as_ref().map(|(code, _)| *code),
        })
    }

    pub(crate) fn describe(&self, revision: impl Fn(&str) -> Option<u64>) -> Value {
        let changes: Vec<_> = self
            .changes
            .iter()
            .map(|change| {
                let identifier = match &change.experience {
                    Target::Existing { id, .. } if self.status == Status::Succeeded => {
                        revision(id).map(|revision| format!("{id}@{revision}"))
                    }
                    Target::Existing { id, .. } => Some(id.clone()),
                    Target::Made(name) => Some(format!("${name}.Entity.Identifier")),
                    Target::New => None,
                };
                let errors: Vec<_> = change
                    .errors
                    .iter()
                    .map(|(code, message)| json!({ "ErrorCode": code, "ErrorMessage": message }))
                    .collect();
                json!({
                    "ChangeType": change.kind,
                    "ChangeName": change.name,
                    "Entity": { "Type": "Experience@1.0", "Identifier": identifier },
                    "Details": change.details.to_string(),
                    "DetailsDocument": change.details,
                    "ErrorDetailList": errors,
                })
            })
            .collect();
        json!({
            "ChangeSetId": self.id,
            "ChangeSetArn": self.arn(),
            "ChangeSetName": self.name,
            "Intent": "APPLY",
            "StartTime": seconds(self.started),
            "EndTime": self.ended.map(seconds),
            "Status": self.status,
            "FailureCode": self.failure.as_ref().map(|(code, _)| *code),
            "FailureDescription": self.failure.as_ref().and_then(|(_, text)| text.clone()),
            "ChangeSet": changes,
        })
    }
}
