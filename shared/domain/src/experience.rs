//! An experience as the catalog describes it, and whether it may be mirrored or kept in sync.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, PolicyId};

/// Whether an experience governs its audience (`Status` of the entity).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It governs its audience.
    Enabled,
    /// It keeps its lists, and governs nobody.
    Disabled,
    /// A value that this release does not know.
    Other(String),
}

impl Status {
    /// The text of the service.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::Other(status) => status,
        }
    }
}

/// An experience, without its products: those are in its procurement policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experience {
    /// Its id, without a revision.
    pub id: ExperienceId,
    /// The name shown in the console.
    pub name: String,
    /// Whether it governs its audience.
    pub status: Status,
    /// True if it is archived, or in an administrative state that is not known to be editable.
    pub archived: bool,
    /// Its procurement policy. Without one every product is procurable.
    pub policy: Option<PolicyId>,
}

/// The principals that an experience governs once it is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The experience.
    pub experience: ExperienceId,
    /// Organizations, organizational units and accounts. Each can be in one audience only.
    pub principals: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AudienceDetails {
    experience_id: String,
    #[serde(default)]
    principals: BTreeSet<String>,
}

impl Audience {
    /// Parses the details of an `Audience@1.0` entity.
    pub fn from_details(details: &str) -> Result<Self, ExperienceError> {
        let details: AudienceDetails = serde_json::from_str(details)?;
        let id = details.experience_id.split('@').next().unwrap_or_default();
        Ok(Self {
            experience: ExperienceId::new(id).map_err(ExperienceError::Experience)?,
            principals: details.principals,
        })
    }
}

/// The details of an entity cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum ExperienceError {
    /// They are not JSON in the documented shape.
    #[error("the experience's details are not of the documented shape: {0}")]
    Shape(#[from] serde_json::Error),
    /// They contain a policy id that is not valid.
    #[error("the experience names its procurement policy wrongly")]
    Policy(#[from] crate::ids::InvalidId),
    /// They contain an experience id that is not valid.
    #[error("the audience names its experience wrongly")]
    Experience(#[source] crate::ids::InvalidId),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    #[serde(default)]
    name: String,
    status: Option<String>,
    admin_status: Option<String>,
    procurement_policies: Option<Vec<String>>,
}

impl Experience {
    /// Parses the details of an `Experience@1.0` entity.
    ///
    /// The value of `AdminStatus` of an archived experience is not documented. An absent or empty
    /// value and `Editable` count as editable, anything else as archived.
    pub fn from_details(id: ExperienceId, details: &str) -> Result<Self, ExperienceError> {
        let details: Details = serde_json::from_str(details)?;
        let status = match details.status.as_deref() {
            Some("Enabled") => Status::Enabled,
            // A new experience is Disabled, so an absent status does not count as live.
            Some("Disabled") | None => Status::Disabled,
            Some(other) => Status::Other(other.to_owned()),
        };
        let archived = !matches!(
            details.admin_status.as_deref(),
            None | Some("" | "Editable")
        );
        let policy = details
            .procurement_policies
            .unwrap_or_default()
            .into_iter()
            .next()
            .map(|text| PolicyId::new(text.split('@').next().unwrap_or_default()))
            .transpose()?;
        Ok(Self {
            id,
            name: details.name,
            status,
            archived,
            policy,
        })
    }

    /// True if `*` covers this experience: it is enabled, not archived, and has a policy.
    pub fn is_live(&self) -> bool {
        self.status == Status::Enabled && !self.archived && self.policy.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(details: &str) -> Experience {
        Experience::from_details(ExperienceId::new("exp-1").unwrap(), details).unwrap()
    }

    #[test]
    fn a_live_experience_is_read() {
        let live = read(
            r#"{"Name":"N","Status":"Enabled","AdminStatus":"Editable","ProcurementPolicies":["procpolicy-1@4"],"BrandingSettings":["brandsettings-1"]}"#,
        );
        assert!(live.is_live());
        assert_eq!(
            live.policy.as_ref().map(PolicyId::as_str),
            Some("procpolicy-1")
        );
    }

    #[test]
    fn a_status_is_shown_in_the_words_of_the_service() {
        for word in ["Enabled", "Disabled", "Paused"] {
            let experience = read(&format!(r#"{{"Status":"{word}"}}"#));
            assert_eq!(experience.status.as_str(), word);
        }
    }

    #[test]
    fn an_audience_is_read_with_or_without_a_revision() {
        let read = |details| Audience::from_details(details).unwrap();
        let audience = read(r#"{"Name":"N","ExperienceId":"exp-1@3","Principals":["o-1","2"]}"#);
        assert_eq!(audience.experience.as_str(), "exp-1");
        assert!(audience.principals.contains("o-1") && audience.principals.len() == 2);
        assert!(read(r#"{"ExperienceId":"exp-1"}"#).principals.is_empty());
        assert!(Audience::from_details(r#"{"ExperienceId":"x"}"#).is_err());
        assert!(Audience::from_details("{}").is_err());
    }

    #[test]
    fn an_unknown_admin_status_counts_as_archived() {
        assert!(read(r#"{"Status":"Enabled","AdminStatus":"Restricted"}"#).archived);
        assert!(!read(r#"{"Status":"Enabled","AdminStatus":""}"#).archived);
        assert!(!read(r#"{"Status":"Enabled"}"#).archived);
    }

    #[test]
    fn without_a_status_or_with_an_unknown_one_it_is_not_live() {
        assert_eq!(read("{}").status, Status::Disabled);
        assert_eq!(
            read(r#"{"Status":"Paused"}"#).status,
            Status::Other("Paused".to_owned())
        );
        assert!(!read(r#"{"Status":"Enabled"}"#).is_live());
    }
}
