//! Findings: what a check saw, and what to do about it.

use pmp_sync_domain::answers::doctor::{Look, Trouble};
use pmp_sync_domain::error::Kind;
use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Area, Check};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It is right.
    Ok,
    /// It could not be looked at.
    Unknown,
    /// Somebody should look at it; syncs go on.
    Warn,
    /// Something does not work.
    Fail,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// The check.
    pub(crate) id: Check,
    /// What it is about.
    pub(crate) area: Area,
    /// The thing concerned, if there are several: a member, an experience, a stack.
    pub(crate) subject: Option<String>,
    /// How it came out.
    pub(crate) status: Status,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do, if something is to be done.
    pub(crate) fix: Option<String>,
    /// How long the look took that it rests on.
    pub(crate) milliseconds: u64,
}

impl Finding {
    fn new(id: Check, status: Status, seen: impl Into<String>) -> Self {
        Self {
            id,
            area: id.area(),
            subject: None,
            status,
            seen: seen.into(),
            fix: None,
            milliseconds: 0,
        }
    }

    pub(crate) fn ok(id: Check, seen: impl Into<String>) -> Self {
        Self::new(id, Status::Ok, seen)
    }

    pub(crate) fn warn(id: Check, seen: impl Into<String>) -> Self {
        Self::new(id, Status::Warn, seen).with_fix(id.fix())
    }

    pub(crate) fn fail(id: Check, seen: impl Into<String>) -> Self {
        Self::new(id, Status::Fail, seen).with_fix(id.fix())
    }

    /// Not looked at, because of something else that is found as well.
    pub(crate) fn because(id: Check, because: &str) -> Self {
        Self::new(id, Status::Unknown, format!("not looked at: {because}"))
    }

    /// A look that failed in a way that says nothing about what was to be seen.
    pub(crate) fn trouble(id: Check, trouble: &Trouble) -> Self {
        let found = Self::new(id, Status::Unknown, trouble.message.clone());
        let reads = id.reads();
        match trouble.kind {
            Kind::Denied if !reads.is_empty() => {
                found.with_fix(format!("let the credentials do {reads}"))
            }
            Kind::Retryable | Kind::Throttled => found.with_fix("try again"),
            _ => found,
        }
    }

    /// What a look came to: judged if it was answered.
    pub(crate) fn of<T>(id: Check, look: &Look<T>, judge: impl FnOnce(&T) -> Self) -> Self {
        match look {
            Look::Seen(seen) => judge(seen),
            Look::Failed(trouble) => Self::trouble(id, trouble),
            Look::Skipped(because) => Self::because(id, because),
        }
    }

    pub(crate) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    pub(crate) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    pub(crate) fn took(mut self, milliseconds: u64) -> Self {
        self.milliseconds = milliseconds;
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// That a finding is of this status and tells all of this, and has a fix if it needs one.
    #[track_caller]
    pub(crate) fn tells(found: &Finding, status: Status, parts: &[&str]) {
        assert_eq!(found.status, status, "{found:?}");
        let told = format!(
            "{} {}",
            found.seen,
            found.fix.as_deref().unwrap_or_default()
        );
        for part in parts {
            assert!(told.contains(part), "{part:?} is not in {found:?}");
        }
        if status > Status::Unknown {
            assert!(found.fix.is_some(), "{found:?}");
        }
    }

    pub(crate) fn failed<T>(kind: Kind, message: &str) -> Look<T> {
        Look::Failed(Trouble {
            kind,
            message: message.to_owned(),
        })
    }

    #[test]
    fn what_may_not_be_looked_at_is_told_with_the_permission_that_it_takes() {
        let denied = Finding::of(Check::Schedule, &failed::<()>(Kind::Denied, "no"), |()| {
            Finding::ok(Check::Schedule, "")
        });
        tells(&denied, Status::Unknown, &["no", "scheduler:GetSchedule"]);
        let skipped = Look::<()>::Skipped("of the flood".to_owned());
        let skipped = Finding::of(Check::Schedule, &skipped, |()| {
            Finding::ok(Check::Schedule, "")
        });
        tells(&skipped, Status::Unknown, &["not looked at: of the flood"]);
    }
}
