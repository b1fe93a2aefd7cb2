//! The answers in words.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::{Stage, Why, WhyAnswer};
use crate::guard::HoldReason;
use crate::policy::Action;

fn joined(reasons: &[HoldReason]) -> String {
    let words: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    words.join("; ")
}

fn past(action: Action) -> &'static str {
    match action {
        Action::Allow => "allowed",
        Action::Deny => "denied",
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InSync { run: None, .. } => f.write_str("in sync"),
            Self::InSync {
                run: Some(run),
                change_set: Some(change_set),
                ..
            } => write!(f, "in sync by run {run}, change set {change_set}"),
            Self::InSync { run: Some(run), .. } => {
                write!(f, "in sync: already so when run {run} started")
            }
            Self::Open {
                action, stage, run, ..
            } => match stage {
                Stage::Sent => write!(f, "the {action} of run {run} has been sent"),
                Stage::Waiting => write!(f, "the {action} of run {run} waits for its change set"),
                Stage::InFlight => write!(f, "the {action} of run {run} is in flight"),
            },
            Self::Held { reasons, run, .. } => match run {
                Some(run) => write!(f, "held by run {run}: {}", joined(reasons)),
                None => write!(f, "the next run would hold it: {}", joined(reasons)),
            },
            Self::Excluded => f.write_str("excluded: the link never touches it"),
            Self::Protected => f.write_str("protected: the link never denies it"),
            Self::Observed => f.write_str("the link only observes"),
            Self::Additive => f.write_str("the link only allows"),
            Self::NotLive => f.write_str("AWS Marketplace does not have it"),
            Self::LiveUnknown => f.write_str("whether AWS Marketplace has it is not known yet"),
            Self::Quarantined {
                action,
                error_code,
                error_message,
                run,
                ..
            } => write!(
                f,
                "quarantined: the {action} of run {run} was rejected individually: {error_code}: {error_message}"
            ),
            Self::Blocked { reason, detail, .. } => {
                write!(f, "the lane is blocked: {reason}: {detail}")
            }
            Self::Suspended { by: Some(by), .. } => write!(f, "suspended by {by}"),
            Self::Suspended { by: None, .. } => f.write_str("suspended"),
            Self::Frozen { .. } => f.write_str("the link is frozen"),
            Self::LeftAlone { reason } => write!(f, "left alone: {reason}"),
            Self::Failing { code, message, .. } => write!(f, "{code}: {message}"),
            Self::Superseded { run, by: None, .. } => {
                write!(f, "the change of run {run} was superseded")
            }
            Self::Superseded {
                run, by: Some(by), ..
            } => write!(
                f,
                "the change of run {run} was superseded by the plan of run {by}"
            ),
            Self::Planned => f.write_str("it differs"),
        }
    }
}

impl WhyAnswer {
    /// The state of the product and the reason, as a sentence.
    pub fn words(&self) -> String {
        let mut words = match (self.standing, self.wanted) {
            (Some(standing), Some(wanted)) => {
                format!("{standing}, should be {}: {}", past(wanted), self.why)
            }
            (Some(standing), None) => format!("{standing}, {}", self.why),
            (None, _) => self.why.to_string(),
        };
        if let Some(since) = self.edited_since {
            // Rounded down to seconds.
            let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
            let _ = write!(words, "; edited outside since {since}");
        }
        words
    }

    /// What an operator can do about it. None if it is in sync.
    pub fn what_to_do(&self) -> Option<String> {
        let words = match &self.why {
            Why::InSync { .. } => return None,
            Why::Open { action, .. } if self.wanted != Some(*action) => {
                "nothing: it ends by itself, and the next run plans what is wanted now"
            }
            Why::Open { .. } => "nothing: it ends by itself",
            Why::Held {
                rejected: Some(_),
                command: Some(command),
                reasons,
                ..
            } => {
                let remedy = reasons.first().map_or("", HoldReason::remedy);
                return Some(format!(
                    "it was rejected: {remedy}; or after all: {command}"
                ));
            }
            Why::Held {
                command: Some(command),
                reasons,
                ..
            } => {
                let remedy = reasons.first().map_or("", HoldReason::remedy);
                return Some(format!("if the plan is right: {command}; if not: {remedy}"));
            }
            Why::Held { command: None, .. } => {
                "`pmp-sync plan` shows the plan; the run that holds it shows how to approve it"
            }
            Why::Excluded => "nothing, or take it out of `exclude` in the configuration",
            Why::Protected => "nothing, or take it out of `protect` in the configuration",
            Why::Observed => "nothing, or give the link another mode in the configuration",
            Why::Additive => "nothing, or give the link the mode `mirror` in the configuration",
            Why::NotLive => "take it out of the management experience",
            Why::LiveUnknown => "nothing: a later run asks again",
            Why::Quarantined { .. } => {
                return Some(format!(
                    "fix the cause, then `pmp-sync dlq replay --product {}`",
                    self.product
                ));
            }
            Why::Blocked { reason, .. } => reason.remedy(),
            Why::Suspended { .. } => "`pmp-sync resume`; `pmp-sync status` shows by which name",
            Why::Frozen { .. } => "nothing, or unfreeze the link in the configuration",
            Why::LeftAlone { .. } => "docs/semantics.md explains this reason",
            Why::Failing { remedy, .. } => return Some(remedy.clone()),
            Why::Superseded { .. } | Why::Planned => {
                "nothing: the next run plans it; `pmp-sync sync` asks for one now"
            }
        };
        Some(words.to_owned())
    }
}
