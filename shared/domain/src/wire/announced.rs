//! What is announced besides the state of single links: digests and tests; and what every
//! announcement carries besides its detail.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chat::{Chat, Said};
use super::envelope::{Event, event};
use super::events::{Notice, ProductRequested, SyncCompleted};
use super::names::{
    BLOCKED, CONTESTED, DIGEST, EDITED_OUTSIDE, HELD, MEMBER_STALE, NOTIFICATION_TEST,
    PRODUCT_REQUESTED, QUARANTINED, RECOVERED, SYNC_COMPLETED,
};
use crate::hint::Hint;
use crate::ids::{AccountId, ExperienceId, MemberName};

/// The most announcements that a digest names. Others are only counted.
pub const MOST_DIGESTED: usize = 50;

/// An announcement as it is put on the bus.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Announced<T> {
    /// The detail.
    #[serde(flatten)]
    pub(super) detail: T,
    /// The same as a message for Slack or Microsoft Teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<Chat>,
    /// The id of the digest that tells it, if it is one of many that say the same. People are told the digest alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

fn announced<T: Serialize>(
    what: &'static str,
    detail: &T,
    said: Said<'_>,
    digest: Option<&str>,
) -> Event {
    let chat = Some(Chat::of(said));
    let digest = digest.map(ToOwned::to_owned);
    let announced = Announced {
        detail,
        chat,
        digest,
    };
    event(what, &announced)
}

/// One announcement in a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Digested {
    /// The id of the announcement.
    pub id: String,
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// What happened, in a sentence, cut to 300 characters.
    pub message: String,
}

/// `Digest`: several announcements of one kind and reason that were made at once. Each of them is on the bus as well, with the id of
/// this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Digest {
    /// Schema number of the detail.
    pub schema: u32,
    /// Stays the same if the same announcements are put on the bus again.
    pub id: String,
    /// When it was made.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// The `detail-type` of the announcements.
    pub event: String,
    /// Their reason code. None for requests of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Number of the announcements.
    pub count: usize,
    /// Number of members that they are about.
    pub members: usize,
    /// The announcements, 50 at most.
    pub announcements: Vec<Digested>,
    /// What happened, in a sentence.
    pub message: String,
    /// The next step, with its command.
    pub what_to_do: String,
    /// The commands of `what_to_do`, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

impl Digest {
    /// Converts it to an event.
    pub fn event(&self) -> Event {
        let things = if self.event == PRODUCT_REQUESTED {
            "requests"
        } else {
            "member experiences"
        };
        let about = format!("{} {things}", self.count);
        let said = Said {
            what: &self.event,
            id: &self.id,
            about: &about,
            message: &self.message,
            what_to_do: &self.what_to_do,
            thread: &self.id,
            reason: self.reason.as_deref().unwrap_or_default(),
            resources: &[],
        };
        announced(DIGEST, self, said, None)
    }
}

/// `Notification Test`: an operator tests whether announcements arrive. It says nothing about any member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotificationTest {
    /// Schema number of the detail.
    pub schema: u32,
    /// Its id.
    pub id: String,
    /// When it was sent.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// The requester: an ARN if the operator's command sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// What it is, in a sentence.
    pub message: String,
    /// What to do: nothing.
    pub what_to_do: String,
}

impl NotificationTest {
    /// A test with this id.
    pub fn new(id: String, requester: Option<String>, at: Timestamp) -> Self {
        let by = requester
            .as_deref()
            .map_or_else(String::new, |who| format!(", sent by {who}"));
        Self {
            schema: crate::SCHEMA,
            message: format!(
                "This is a test of the notifications of pmp-sync{by}. Nothing has happened."
            ),
            id,
            at,
            requester,
            what_to_do: "nothing".to_owned(),
        }
    }

    /// Converts it to an event.
    pub fn event(&self) -> Event {
        let said = Said {
            what: NOTIFICATION_TEST,
            id: &self.id,
            about: "nothing has happened",
            message: &self.message,
            what_to_do: &self.what_to_do,
            thread: &self.id,
            reason: "",
            resources: &[],
        };
        announced(NOTIFICATION_TEST, self, said, None)
    }
}

impl SyncCompleted {
    /// Converts it to an event.
    pub fn event(&self) -> Event {
        let (run, status) = (self.run.to_string(), self.status.as_str());
        let said = Said {
            what: SYNC_COMPLETED,
            id: &run,
            about: status,
            message: &self.message,
            what_to_do: &self.what_to_do,
            thread: &run,
            reason: "",
            resources: &[&run],
        };
        announced(SYNC_COMPLETED, self, said, None)
    }
}

impl ProductRequested {
    /// Converts it to an event. `digest` is the id of the digest that tells it, if one does.
    pub fn event(&self, digest: Option<&str>) -> Event {
        let about = self.title.as_deref().unwrap_or(self.product.as_str());
        let said = Said {
            what: PRODUCT_REQUESTED,
            id: &self.id,
            about,
            message: &self.message,
            what_to_do: &self.what_to_do,
            thread: &self.id,
            reason: "",
            resources: &[
                self.account.as_str(),
                self.experience.as_str(),
                self.product.as_str(),
            ],
        };
        announced(PRODUCT_REQUESTED, self, said, digest)
    }
}

impl Notice {
    /// The `detail-type` of its event.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Held(_) => HELD,
            Self::Blocked(_) => BLOCKED,
            Self::Quarantined(_) => QUARANTINED,
            Self::Contested(_) => CONTESTED,
            Self::EditedOutside(_) => EDITED_OUTSIDE,
            Self::MemberStale(_) => MEMBER_STALE,
            Self::Recovered(_) => RECOVERED,
        }
    }

    /// Its reason code.
    pub fn reason(&self) -> &str {
        match self {
            Self::Held(detail) => &detail.reason,
            Self::Blocked(detail) => detail.reason.as_str(),
            Self::Quarantined(detail) => &detail.reason,
            Self::Contested(detail) => &detail.reason,
            Self::EditedOutside(detail) => &detail.reason,
            Self::MemberStale(detail) => &detail.reason,
            Self::Recovered(detail) => &detail.reason,
        }
    }

    /// Converts it to an event. `digest` is the id of the digest that tells it, if one does.
    pub fn event(&self, digest: Option<&str>) -> Event {
        let (about, name) = (self.about(), self.name());
        let link = format!("{} {}", about.member, about.experience);
        let thread = format!("{}/{}", about.account, about.experience);
        let said = Said {
            what: name,
            id: &about.id,
            about: &link,
            message: &about.message,
            what_to_do: &about.what_to_do,
            thread: &thread,
            reason: self.reason(),
            resources: &[about.account.as_str(), about.experience.as_str()],
        };
        match self {
            Self::Held(detail) => announced(name, detail, said, digest),
            Self::Blocked(detail) => announced(name, detail, said, digest),
            Self::Quarantined(detail) => announced(name, detail, said, digest),
            Self::Contested(detail) => announced(name, detail, said, digest),
            Self::EditedOutside(detail) => announced(name, detail, said, digest),
            Self::MemberStale(detail) => announced(name, detail, said, digest),
            Self::Recovered(detail) => announced(name, detail, said, digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_counts_requests_or_member_experiences() {
        let title = |event: &str| {
            let digest = Digest {
                schema: crate::SCHEMA,
                id: "d-1".to_owned(),
                at: Timestamp::UNIX_EPOCH,
                event: event.to_owned(),
                reason: None,
                count: 3,
                members: 2,
                announcements: Vec::new(),
                message: "three at once".to_owned(),
                what_to_do: "nothing".to_owned(),
                hints: Vec::new(),
            };
            let (_, kind, detail) = digest.event();
            assert_eq!(kind, DIGEST);
            detail["chat"]["content"]["title"].clone()
        };
        let about = |what: &str, things: &str| format!("{what}: 3 {things}");
        assert_eq!(
            title(PRODUCT_REQUESTED),
            about(PRODUCT_REQUESTED, "requests")
        );
        assert_eq!(title(BLOCKED), about(BLOCKED, "member experiences"));
    }
}
