//! Experiences and their procurement policies, in the form of DescribeEntity.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The Allow and the Deny list of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// Ids of the allowed products.
    #[serde(default)]
    pub allow: BTreeSet<String>,
    /// Ids of the denied products.
    #[serde(default)]
    pub deny: BTreeSet<String>,
}

/// An experience to create without a change set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewExperience {
    /// The account that owns it: the organization's management account.
    pub owner: String,
    /// Its id. None generates one.
    #[serde(default)]
    pub id: Option<String>,
    /// None gives it a default name.
    #[serde(default)]
    pub name: Option<String>,
    /// True for Enabled.
    #[serde(default)]
    pub enabled: bool,
    /// True for an archived experience.
    #[serde(default)]
    pub archived: bool,
    /// The lists of its policy. None creates no policy.
    #[serde(default)]
    pub lists: Option<Lists>,
}

/// `AdminStatus` of an experience that can be changed.
const EDITABLE: &str = "Editable";
/// `AdminStatus` of an archived experience. The real value is not documented; this is an
/// assumption.
const RESTRICTED: &str = "Restricted";
/// Products in one resource of a statement. How the service groups them is not documented. Several
/// resources make sure that readers flatten them.
const IDS_IN_A_RESOURCE: usize = 50;

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) requests: Option<String>,
    pub(crate) lists: Lists,
    /// Notes of listed products.
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) modified: Timestamp,
}

/// The principals that an experience governs.
#[derive(Debug, Clone)]
pub(crate) struct Audience {
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) principals: BTreeSet<String>,
    pub(crate) modified: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Experience {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) revision: u64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) archived: bool,
    pub(crate) policy: Option<Policy>,
    /// It is kept even if it is empty, because entities are never deleted.
    pub(crate) audience: Option<Audience>,
    pub(crate) modified: Timestamp,
}

/// An entity in the form of DescribeEntity.
pub(crate) struct Described {
    pub(crate) entity_type: &'static str,
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) owner: String,
    pub(crate) modified: Timestamp,
    pub(crate) details: Value,
}

pub(crate) fn arn(owner: &str, kind: &str, id: &str) -> String {
    format!("arn:aws:aws-marketplace:us-east-1:{owner}:AWSMarketplace/{kind}/{id}")
}

/// Formats a time without a fraction, as the service does.
pub(crate) fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

impl Experience {
    pub(crate) fn describe(&self) -> Described {
        let mut details = json!({
            "Name": self.name,
            "Status": if self.enabled { "Enabled" } else { "Disabled" },
            "AdminStatus": if self.archived { RESTRICTED } else { EDITABLE },
            "ProcurementPolicies": self.policy.iter().map(|policy| policy.id.clone()).collect::<Vec<_>>(),
            "DiscoveryPolicies": [],
            "BrandingSettings": [],
        });
        if let (Some(text), Value::Object(fields)) = (&self.description, &mut details) {
            fields.insert("Description".to_owned(), json!(text));
        }
        Described {
            entity_type: "Experience",
            id: self.id.clone(),
            revision: self.revision,
            owner: self.owner.clone(),
            modified: self.modified,
            details,
        }
    }

    pub(crate) fn describe_audience(&self) -> Option<Described> {
        let audience = self.audience.as_ref()?;
        let mut details = json!({
            "Name": audience.name.clone().unwrap_or_else(|| format!("{} audience", self.name)),
            "ExperienceId": self.id,
            "Principals": audience.principals,
        });
        if let (Some(text), Value::Object(fields)) = (&audience.description, &mut details) {
            fields.insert("Description".to_owned(), json!(text));
        }
        Some(Described {
            entity_type: "Audience",
            id: audience.id.clone(),
            revision: audience.revision,
            owner: self.owner.clone(),
            modified: audience.modified,
            details,
        })
    }

    pub(crate) fn governs(&self, principal: &str) -> bool {
        let audience = self.audience.as_ref();
        audience.is_some_and(|audience| audience.principals.contains(principal))
    }

    pub(crate) fn describe_policy(&self) -> Option<Described> {
        let policy = self.policy.as_ref()?;
        let mut statements = vec![
            statement("Allow", &policy.lists.allow, &policy.notes),
            statement("Deny", &policy.lists.deny, &policy.notes),
        ];
        // The order of the statements is not fixed.
        if policy.revision % 2 == 0 {
            statements.reverse();
        }
        let mut details = json!({
            "Name": policy.name.clone().unwrap_or_else(|| format!("{} policy", self.name)),
            "Statements": statements,
            "Configuration": { "PolicyResourceRequests": policy.requests.clone().unwrap_or_else(|| "Deny".to_owned()) },
        });
        if let (Some(text), Value::Object(fields)) = (&policy.description, &mut details) {
            fields.insert("Description".to_owned(), json!(text));
        }
        Some(Described {
            entity_type: "ProcurementPolicy",
            id: policy.id.clone(),
            revision: policy.revision,
            owner: self.owner.clone(),
            modified: policy.modified,
            details,
        })
    }
}

fn statement(effect: &str, ids: &BTreeSet<String>, notes: &BTreeMap<String, String>) -> Value {
    let (noted, plain): (Vec<_>, Vec<_>) = ids.iter().partition(|id| notes.contains_key(*id));
    let plain = plain.chunks(IDS_IN_A_RESOURCE);
    let plain = plain.map(|ids| json!({ "Type": "Product", "Ids": ids }));
    let noted = noted
        .iter()
        .map(|id| json!({ "Type": "Product", "Ids": [id], "Notes": notes.get(*id) }));
    let resources: Vec<_> = plain.chain(noted).collect();
    json!({ "Effect": effect, "Resources": resources })
}

impl Described {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "EntityType": format!("{}@1.0", self.entity_type),
            "EntityIdentifier": format!("{}@{}", self.id, self.revision),
            "EntityArn": arn(&self.owner, self.entity_type, &self.id),
            "LastModifiedDate": seconds(self.modified),
            "DetailsDocument": self.details,
        })
    }
}
