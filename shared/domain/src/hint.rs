//! Hints: next steps as typed commands, so that the operator's command can render them with the
//! options in force. Texts that are read without the command, such as mail, contain the usual form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, MemberName, PlanHash, ProductId, ProductRequestId, RunId};

/// A command as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "command", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hint {
    /// Store a configuration.
    ConfigApply,
    /// Preview the next run.
    Plan(Place),
    /// Show outside edits, and who made them.
    Drift(Place),
    /// Print a service control policy that keeps others from changing member experiences.
    Scp,
    /// Start a run.
    Sync(Place),
    /// Show runs and lanes, or one run.
    Status {
        /// Its id, a ULID. None for the overview.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// Show holds with their products.
    Holds,
    /// Execute a held plan.
    Approve {
        /// The run whose record shows the plan.
        run: RunId,
        /// The member's name. Needed if several members have an experience with that id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberName>,
        /// The member experience.
        experience: ExperienceId,
        /// The hash of the plan.
        plan_hash: PlanHash,
    },
    /// Start no more change sets.
    Suspend(Place),
    /// End a suspension.
    Resume(Place),
    /// List the procurement requests of all members.
    Requests,
    /// Allow the product of a procurement request.
    ApproveRequest {
        /// The request.
        request: ProductRequestId,
    },
    /// List dead letters and changes in quarantine.
    DeadLettersList(Place),
    /// Replay dead letters.
    DeadLettersReplay {
        /// The member's name in the configuration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberName>,
        /// Its id in AWS Marketplace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<ProductId>,
    },
}

/// The scope of a command. Without member and experience it is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// The member's name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberName>,
    /// The member experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience: Option<ExperienceId>,
}

impl Place {
    /// One member.
    pub fn member(member: &MemberName) -> Self {
        Self {
            member: Some(member.clone()),
            experience: None,
        }
    }

    /// One experience of a member.
    pub fn link(member: &MemberName, experience: &ExperienceId) -> Self {
        Self {
            member: Some(member.clone()),
            experience: Some(experience.clone()),
        }
    }
}

impl Hint {
    /// The arguments after `pmp-sync`. None of them needs quotes.
    pub fn arguments(&self) -> Vec<String> {
        let words = Arguments::default();
        let words = match self {
            Self::ConfigApply => words.all("config apply FILE"),
            Self::Plan(place) => words.all("plan").place(place),
            Self::Drift(place) => words.all("drift").place(place),
            Self::Scp => words.all("scp"),
            Self::Sync(place) => words.all("sync").place(place),
            Self::Status { run } => words.all("status").option("--run", run.as_ref()),
            Self::Holds => words.all("holds --products"),
            Self::Approve {
                run,
                member,
                experience,
                plan_hash,
            } => words
                .all("approve")
                .all(&run.to_string())
                .option("--experience", Some(experience))
                .option("--plan", Some(plan_hash))
                .option("--member", member.as_ref()),
            Self::Suspend(place) => words.all("suspend").place(place),
            Self::Resume(place) => words.all("resume").place(place),
            Self::Requests => words.all("requests"),
            Self::ApproveRequest { request } => words.all("requests approve").all(request.as_str()),
            Self::DeadLettersList(place) => words.all("dlq list").place(place),
            Self::DeadLettersReplay { member, product } => words
                .all("dlq replay")
                .option("--member", member.as_ref())
                .option("--product", product.as_ref()),
        };
        words.0
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pmp-sync {}", self.arguments().join(" "))
    }
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn all(mut self, words: &str) -> Self {
        self.0.extend(words.split(' ').map(ToOwned::to_owned));
        self
    }

    fn option(mut self, name: &str, value: Option<&impl fmt::Display>) -> Self {
        self.0.extend(
            value
                .into_iter()
                .flat_map(|value| [name.to_owned(), value.to_string()]),
        );
        self
    }

    fn place(self, place: &Place) -> Self {
        self.option("--member", place.member.as_ref())
            .option("--experience", place.experience.as_ref())
    }
}

/// One thing to do, in words and as a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do, as a clause.
    pub words: String,
    /// The command that does it.
    pub hint: Option<Hint>,
}

/// What to do: alternatives or steps, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice(Vec<Step>);

impl Advice {
    /// A step without a command.
    pub fn new(words: impl Into<String>) -> Self {
        Self::default().or(words)
    }

    /// A step with its command.
    pub fn by(words: impl Into<String>, hint: Hint) -> Self {
        Self::default().or_by(words, hint)
    }

    /// Adds a step without a command.
    #[must_use]
    pub fn or(mut self, words: impl Into<String>) -> Self {
        self.0.push(Step {
            words: words.into(),
            hint: None,
        });
        self
    }

    /// Adds a step with its command.
    #[must_use]
    pub fn or_by(mut self, words: impl Into<String>, hint: Hint) -> Self {
        self.0.push(Step {
            words: words.into(),
            hint: Some(hint),
        });
        self
    }

    /// The commands of all steps.
    pub fn hints(&self) -> Vec<Hint> {
        self.0.iter().filter_map(|step| step.hint.clone()).collect()
    }

    /// Formats it as text. `command` formats each command.
    pub fn text(&self, command: impl Fn(&Hint) -> String) -> String {
        let step = |step: &Step| match &step.hint {
            Some(hint) => format!("{}: `{}`", step.words, command(hint)),
            None => step.words.clone(),
        };
        self.0.iter().map(step).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Hint::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_written_with_what_it_is_narrowed_to() {
        let member: MemberName = "emea".parse().unwrap();
        let experience: ExperienceId = "exp-1".parse().unwrap();
        let run = RunId::next(None, 1, 1);
        let hash = "a".repeat(64);
        let approve = Hint::Approve {
            run,
            member: Some(member.clone()),
            experience: experience.clone(),
            plan_hash: hash.parse().unwrap(),
        };
        for (hint, expected) in [
            (Hint::ConfigApply, "config apply FILE".to_owned()),
            (Hint::Plan(Place::default()), "plan".to_owned()),
            (
                Hint::Sync(Place::link(&member, &experience)),
                "sync --member emea --experience exp-1".to_owned(),
            ),
            (
                Hint::Status { run: Some(run) },
                format!("status --run {run}"),
            ),
            (Hint::Holds, "holds --products".to_owned()),
            (
                approve,
                format!("approve {run} --experience exp-1 --plan {hash} --member emea"),
            ),
            (
                Hint::Suspend(Place::link(&member, &experience)),
                "suspend --member emea --experience exp-1".to_owned(),
            ),
            (
                Hint::Resume(Place::member(&member)),
                "resume --member emea".to_owned(),
            ),
            (Hint::Requests, "requests".to_owned()),
            (
                Hint::ApproveRequest {
                    request: "pr-1".parse().unwrap(),
                },
                "requests approve pr-1".to_owned(),
            ),
            (
                Hint::DeadLettersList(Place::default()),
                "dlq list".to_owned(),
            ),
            (
                Hint::DeadLettersReplay {
                    member: None,
                    product: Some("prod-1".parse().unwrap()),
                },
                "dlq replay --product prod-1".to_owned(),
            ),
        ] {
            assert_eq!(hint.to_string(), format!("pmp-sync {expected}"));
            let stored = serde_json::to_value(&hint).unwrap();
            assert_eq!(serde_json::from_value::<Hint>(stored).unwrap(), hint);
        }
    }

    #[test]
    fn advice_has_its_commands_where_they_are_wanted() {
        let status = Hint::Status { run: None };
        let advice = Advice::new("wait").or_by("see how it goes", status.clone());
        assert_eq!(
            advice.to_string(),
            "wait; see how it goes: `pmp-sync status`"
        );
        assert_eq!(
            advice.text(|_| "x".to_owned()),
            "wait; see how it goes: `x`"
        );
        assert_eq!(advice.hints(), [status]);
    }
}
