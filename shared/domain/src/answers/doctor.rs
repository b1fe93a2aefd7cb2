//! The operator's question whether the producer reaches everything that it needs, and the answer:
//! read-only checks, each with its result. The command interprets them.

use serde::{Deserialize, Serialize};

use crate::error::{FaultRecord, Kind, ServiceError};
use crate::experience::Experience;
use crate::ids::{AccountId, ExperienceId, MemberName};
use crate::lane::OtherInstallation;
use crate::link::Mode;
use crate::policy::PolicySnapshot;
use crate::ports::Depth;
use crate::sources::Sources;

/// The request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorRequest {
    /// The members to check. All if none is named.
    #[serde(default)]
    pub members: Vec<MemberName>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look<T> {
    /// What was seen.
    Seen(T),
    /// The check failed.
    Failed(Trouble),
    /// The check was not made, for this reason.
    Skipped(String),
}

impl<T> Look<T> {
    /// Converts the result of a call.
    pub fn of(answer: Result<T, ServiceError>) -> Self {
        match answer {
            Ok(seen) => Self::Seen(seen),
            Err(error) => Self::Failed(Trouble::of(&error)),
        }
    }

    /// Converts what was seen.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Look<U> {
        match self {
            Self::Seen(seen) => Look::Seen(make(seen)),
            Self::Failed(trouble) => Look::Failed(trouble),
            Self::Skipped(because) => Look::Skipped(because),
        }
    }
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What the caller can do about it.
    pub kind: Kind,
    /// What failed, in words.
    pub message: String,
}

impl Trouble {
    /// Converts the error of a call.
    pub fn of(error: &ServiceError) -> Self {
        Self {
            kind: error.kind,
            message: error.to_string(),
        }
    }
}

/// What the producer saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorAnswer {
    /// Schema number of the release that made it.
    pub schema: u32,
    /// The release of the producer.
    pub release: String,
    /// The version of the configuration that was used.
    pub config_version: u64,
    /// The management experiences of the links that were checked.
    pub management: Vec<ManagementLook>,
    /// Whether AWS Marketplace answers for a product.
    pub discovery: Look<()>,
    /// The members.
    pub members: Vec<MemberLook>,
}

/// A management experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementLook {
    /// Its id.
    pub id: ExperienceId,
    /// Its details.
    pub experience: Look<ExperienceSeen>,
    /// Its procurement policy.
    pub policy: Look<PolicySeen>,
    /// True if each link that follows it follows others as well. Then it may only deny.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub among_others: bool,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLook {
    /// Its name.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// Whether its role can be assumed.
    pub role: Look<()>,
    /// How many experiences its organization lists.
    pub experiences: Look<usize>,
    /// Depth of its changes queue.
    pub changes: Look<Depth>,
    /// Depth of its dead-letter queue.
    pub dead_letters: Look<Depth>,
    /// Whether its dead letters can be received. True if one was seen.
    pub receive: Look<bool>,
    /// Its lanes as the ledger has them, compared with its dead letters. None in answers of earlier
    /// releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<Look<LanesLook>>,
    /// Its experiences that links serve.
    pub links: Vec<LinkLook>,
    /// Duration of its checks, in milliseconds.
    pub milliseconds: u64,
}

/// The lanes of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanesLook {
    /// Number of quarantined changes.
    pub quarantined: usize,
    /// Number of quarantined changes of which no dead letter was found.
    pub without_letter: usize,
    /// Number of dead letters of quarantined changes that are not quarantined.
    pub without_quarantine: usize,
    /// True if not all dead letters were looked at.
    pub unseen: bool,
    /// Experiences on which another installation of pmp-sync was active within a day.
    pub contested: Vec<(ExperienceId, OtherInstallation)>,
}

/// A member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkLook {
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// Its id. None for a `*` link whose experiences are unknown.
    pub id: Option<ExperienceId>,
    /// How far the link may go.
    pub mode: Mode,
    /// Its details.
    pub experience: Look<ExperienceSeen>,
    /// Its procurement policy.
    pub policy: Look<PolicySeen>,
    /// What needs attention and is no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<FaultRecord>,
}

/// The details of an experience that matter for a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExperienceSeen {
    /// Its name.
    pub name: String,
    /// Its status in the words of the service.
    pub status: String,
    /// True if it is archived.
    pub archived: bool,
    /// True if it has a procurement policy.
    pub has_policy: bool,
}

impl From<&Experience> for ExperienceSeen {
    fn from(experience: &Experience) -> Self {
        Self {
            name: experience.name.clone(),
            status: experience.status.as_str().to_owned(),
            archived: experience.archived,
            has_policy: experience.policy.is_some(),
        }
    }
}

/// The size of a procurement policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySeen {
    /// Number of products that it allows.
    pub allowed: usize,
    /// Number of products that it denies.
    pub denied: usize,
    /// Number of products whose ids are not valid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invalid: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<&PolicySnapshot> for PolicySeen {
    fn from(policy: &PolicySnapshot) -> Self {
        Self {
            allowed: policy.allowed_count(),
            invalid: policy.invalid().len(),
            denied: policy.denied().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of earlier releases stay readable.
    #[test]
    fn the_answer_keeps_its_shape() {
        let text = include_str!("../../fixtures/doctor-1.json");
        let answer: DoctorAnswer = serde_json::from_str(text).unwrap();
        let again: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&answer).unwrap(), again);
        let member = &answer.members[0];
        assert_eq!(member.receive, Look::Seen(true));
        assert!(matches!(&member.changes, Look::Failed(trouble) if trouble.kind == Kind::Denied));
        assert!(matches!(&member.links[0].policy, Look::Skipped(_)));
    }

    #[test]
    fn products_whose_ids_are_not_valid_are_counted_unless_there_are_none() {
        let seen = |invalid| PolicySeen {
            allowed: 1,
            denied: 2,
            invalid,
        };
        assert_eq!(serde_json::to_value(seen(3)).unwrap()["invalid"], 3);
        let none = serde_json::to_value(seen(0)).unwrap();
        assert_eq!(none, serde_json::json!({"allowed": 1, "denied": 2}));
    }

    #[test]
    fn a_question_about_nobody_is_about_everybody_and_an_unknown_one_is_refused() {
        let asked: DoctorRequest = serde_json::from_str("{}").unwrap();
        assert_eq!(asked, DoctorRequest::default());
        assert!(serde_json::from_str::<DoctorRequest>(r#"{"member":[]}"#).is_err());
    }
}
