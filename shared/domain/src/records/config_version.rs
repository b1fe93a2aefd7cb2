//! Who stored a version of the configuration, when and why, and what it changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::closed_list::closed_list;
use crate::text::beginning;
use crate::wire::limits::{MOST_REASON, MOST_REQUESTER};

/// The most bytes of the summary of a version.
pub const MOST_SUMMARY: usize = 2_000;

/// The command that stored a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfigOrigin {
    /// A file was applied.
    Apply,
    /// An earlier version was applied again.
    Rollback,
    /// A member was added.
    MemberAdd,
    /// The mode of links was changed.
    MemberMode,
    /// A member was removed.
    MemberRemove,
}

closed_list!(ConfigOrigin, "origin of a configuration", {
    Apply => "apply",
    Rollback => "rollback",
    MemberAdd => "member_add",
    MemberMode => "member_mode",
    MemberRemove => "member_remove",
});

/// A version of the configuration, without its text. The ledger keeps it with the text in one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigVersion {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// The version, from 1.
    pub version: u64,
    /// When it was stored.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub applied_at: Timestamp,
    /// The command that stored it. None for a version of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ConfigOrigin>,
    /// The version that was applied again, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_version: Option<u64>,
    /// Who stored it: the ARN of the principal, as the command says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Why, in the requester's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it changed, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl ConfigVersion {
    /// A version that is to be stored after this one.
    pub fn after(seen: Option<u64>, origin: ConfigOrigin, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            version: seen.unwrap_or_default() + 1,
            applied_at: now,
            origin: Some(origin),
            of_version: None,
            requester: None,
            reason: None,
            summary: None,
        }
    }

    /// With who asked for it and why. Longer texts are cut.
    #[must_use]
    pub fn asked(self, requester: Option<&str>, reason: Option<&str>) -> Self {
        let cut = |text: Option<&str>, most| text.map(|text| beginning(text, most).to_owned());
        Self {
            requester: cut(requester, MOST_REQUESTER),
            reason: cut(reason, MOST_REASON),
            ..self
        }
    }

    /// With what it changes. A longer text is cut.
    #[must_use]
    pub fn changing(self, summary: &str) -> Self {
        Self {
            summary: Some(beginning(summary, MOST_SUMMARY).to_owned()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An item as this release writes it, without the text. A newer release must read it.
    const VERSION: &str = include_str!("../../fixtures/config-version-1.json");
    /// An item as the releases before it wrote it.
    const OLDER: &str = r#"{ "schema": 1, "version": 3, "text": "schema = 1", "applied_at": "2026-01-01T00:00:00Z" }"#;

    #[test]
    fn a_version_of_this_release_stays_readable_and_one_of_an_earlier_release_has_no_author() {
        let version: ConfigVersion = serde_json::from_str(VERSION).unwrap();
        let written = serde_json::to_value(&version).unwrap();
        let fixture: serde_json::Value = serde_json::from_str(VERSION).unwrap();
        assert_eq!(written, fixture);
        assert_eq!(version.origin, Some(ConfigOrigin::Rollback));
        let older: ConfigVersion = serde_json::from_str(OLDER).unwrap();
        assert_eq!((older.version, older.requester), (3, None));
    }

    #[test]
    fn what_is_stored_of_people_is_bounded() {
        let long = "x".repeat(10_000);
        let version = ConfigVersion::after(Some(2), ConfigOrigin::Apply, Timestamp::UNIX_EPOCH)
            .asked(Some(&long), Some(&long))
            .changing(&long);
        assert_eq!(version.version, 3);
        let bytes = |text: Option<String>| text.unwrap().len();
        assert_eq!(bytes(version.requester), MOST_REQUESTER);
        assert_eq!(bytes(version.reason), MOST_REASON);
        assert_eq!(bytes(version.summary), MOST_SUMMARY);
    }
}
