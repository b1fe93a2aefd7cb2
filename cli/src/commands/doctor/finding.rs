//! Findings: what a check saw, and what to do about it.

use pmp_sync_domain::answers::doctor::{Look, Trouble};
use pmp_sync_domain::error::{Kind, UNREADABLE_ITEM};
use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Area, Check};
use super::look::Timed;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// The expectation is met.
    Ok,
    /// It could not be looked at.
    Unknown,
    /// An operator should look at it. Syncs continue.
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

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// The check.
    pub(crate) id: Check,
    /// The area of the check.
    pub(crate) area: Area,
    /// The thing concerned, if there are several: a member, an experience, a stack.
    pub(crate) subject: Option<String>,
    /// The result.
    pub(crate) status: Status,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do, if anything.
    pub(crate) fix: Option<String>,
    /// Duration of the check, in milliseconds.
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

    /// A check that was not made, because of another finding.
    pub(crate) fn because(id: Check, because: &str) -> Self {
        Self::new(id, Status::Unknown, format!("not looked at: {because}"))
    }

    /// A check that failed without saying anything about its subject.
    pub(crate) fn trouble(id: Check, trouble: &Trouble) -> Self {
        // It stays so until somebody does something about it.
        if trouble.kind == Kind::Unreadable {
            let seen = format!("{UNREADABLE_ITEM}: {}", trouble.message);
            let fix = "bring every stack to the newest release that is in use";
            return Self::new(id, Status::Fail, seen).with_fix(fix);
        }
        let found = Self::new(id, Status::Unknown, trouble.message.clone());
        let reads = id.reads();
        match trouble.kind {
            Kind::Denied if !reads.is_empty() => {
                found.with_fix(format!("let the credentials do {reads}"))
            }
            Kind::Retryable | Kind::Throttled => found.with_fix("try again"),
            Kind::Denied
            | Kind::Locked
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Refused
            | Kind::Unreadable => found,
        }
    }

    /// Judges the result of a look, if it was answered.
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

/// Judges the result of a look, and notes how long it took.
pub(crate) fn of<T>(check: Check, seen: &Timed<T>, judge: impl FnOnce(&T) -> Finding) -> Finding {
    Finding::of(check, &seen.look, judge).took(seen.milliseconds)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Asserts that a finding has this status and contains all parts, and a fix if it needs one.
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
