//! The answers in words.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::{Stage, Why, WhyAnswer};
use crate::guard::HoldReason;
use crate::hint::{Advice, Hint, Place};
use crate::policy::Action;
use crate::sources::in_words;

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
            Self::LeftAlone { reason, .. } => f.write_str(reason.explanation()),
            Self::Failing(fault) | Self::Untrusted(fault) => {
                write!(f, "{}: {}", fault.code, fault.message)
            }
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
        if !self.listed_by.is_empty() {
            let _ = write!(words, "; {}", in_words(&self.listed_by));
        }
        if let Some(since) = self.edited_since {
            // Rounded down to seconds.
            let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
            let _ = write!(words, "; edited outside since {since}");
        } else if self.edited_unseen {
            words.push_str("; edited outside, and no run has seen it yet");
        }
        words
    }

    /// What an operator can do about it. None if it is in sync.
    pub fn what_to_do(&self) -> Option<Advice> {
        Some(match &self.why {
            Why::InSync { .. } => return None,
            Why::Open { action, .. } if self.wanted != Some(*action) => {
                Advice::new("nothing: it ends by itself, and the next run plans what is wanted now")
            }
            Why::Open { .. } => Advice::new("nothing: it ends by itself"),
            Why::Held {
                rejected,
                approve: Some(approve),
                reasons,
                ..
            } => {
                let remedy = reasons.first().map_or("", HoldReason::remedy);
                let approve = approve.clone();
                match rejected {
                    Some(_) => Advice::new(format!("it was rejected: {remedy}"))
                        .or_by("to release it after all", approve),
                    None => Advice::by("if the plan is right", approve)
                        .or(format!("if it is not, {remedy}")),
                }
            }
            Why::Held { approve: None, .. } => {
                Advice::by("look at the plan", Hint::Plan(Place::default()))
                    .or("the run that holds it shows how to approve it")
            }
            Why::LeftAlone { reason, .. } => Advice::new(reason.remedy()),
            Why::Quarantined { .. } => Advice::by(
                "fix the cause, then replay it",
                Hint::DeadLettersReplay {
                    member: None,
                    product: Some(self.product.clone()),
                },
            ),
            Why::Blocked { reason, .. } => Advice::new(reason.remedy()),
            // Without a name, `resume` ends every suspension.
            Why::Suspended { .. } => Advice::by(
                "see by which name it is suspended, and resume it by that",
                Hint::Status { run: None },
            ),
            Why::Failing(fault) | Why::Untrusted(fault) => fault.advice(),
            Why::Superseded { .. } | Why::Planned => Advice::new("nothing: the next run plans it")
                .or_by("to start one now", Hint::Sync(Place::default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunId;

    #[test]
    fn what_is_held_is_told_with_every_reason() {
        let reasons = vec![
            HoldReason::ManagementArchived { experience: None },
            HoldReason::ManagementEmpty { experience: None },
        ];
        let words = reasons.iter().map(ToString::to_string).collect::<Vec<_>>();
        let [archived, empty] = words.as_slice() else {
            panic!("{words:?}")
        };
        assert_ne!(archived, empty);
        let id = RunId::next(None, 0, 33);
        for (run, begins) in [
            (Some(id), format!("held by run {id}: ")),
            (None, "the next run would hold it: ".to_owned()),
        ] {
            let held = Why::Held {
                reasons: reasons.clone(),
                run,
                since: None,
                approve: None,
                rejected: None,
            };
            assert_eq!(held.to_string(), format!("{begins}{archived}; {empty}"));
        }
    }

    #[test]
    fn a_change_under_way_that_is_not_what_is_wanted_now_is_told_to_be_planned_again() {
        let told = |wanted| {
            let answer = WhyAnswer {
                product: "prod-1".parse().unwrap(),
                desired: None,
                standing: None,
                wanted,
                why: Why::Open {
                    action: Action::Allow,
                    stage: Stage::Sent,
                    run: RunId::next(None, 1, 1),
                    since: Timestamp::UNIX_EPOCH,
                    change_set: None,
                    not_before: None,
                },
                edited_since: None,
                edited_unseen: false,
                listed_by: Vec::new(),
            };
            answer.what_to_do().unwrap().to_string()
        };
        let ends = "nothing: it ends by itself";
        assert_eq!(told(Some(Action::Allow)), ends);
        for other in [Some(Action::Deny), None] {
            let expected = format!("{ends}, and the next run plans what is wanted now");
            assert_eq!(told(other), expected, "{other:?}");
        }
    }
}
