//! Why the report is not published.

use super::{RunError, ServiceError};
use crate::text::count;

/// Why the report is not published after a scheduled run. Nothing else fails for it, and the next scheduled run tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// There was not enough time to look at all members.
    #[error("there was not enough time to look at all member experiences")]
    NoTime,
    /// The page is too large.
    #[error("the page has {}, and {most} are published at most", count(*bytes, "byte"))]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest page.
        most: usize,
    },
    /// What the page tells cannot be read.
    #[error("what it tells cannot be read: {0}")]
    Unread(#[from] RunError),
    /// The page cannot be written.
    #[error("it cannot be written: {0}")]
    Unwritten(ServiceError),
}

impl NotPublished {
    /// The stable code.
    pub const CODE: &'static str = "PMS-8002";

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoTime => {
                "give the producer more time with ProducerTimeoutSeconds; if its runs are long as it is, make the page with the command `report`"
            }
            Self::TooLarge { .. } => {
                "make pages of fewer members with the command `report`, or end the differences"
            }
            Self::Unread(_) => "see the message; the run that is affected says more",
            Self::Unwritten(_) => {
                "check that the bucket of the parameter ReportBucket exists in this account and in us-east-1, and that its policy and its key let the producer write"
            }
        }
    }
}

impl From<ServiceError> for NotPublished {
    fn from(error: ServiceError) -> Self {
        Self::Unread(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn each_cause_says_what_to_do_about_it() {
        let failed = || ServiceError::new("PutObject", "the bucket", Kind::Unreadable, "no");
        for (cause, says) in [
            (NotPublished::NoTime, "ProducerTimeoutSeconds"),
            (
                NotPublished::TooLarge { bytes: 9, most: 8 },
                "pages of fewer members",
            ),
            (failed().into(), "see the message"),
            (NotPublished::Unwritten(failed()), "ReportBucket"),
        ] {
            let remedy = cause.remedy();
            assert!(remedy.contains(says), "{cause}: {remedy}");
        }
    }
}
