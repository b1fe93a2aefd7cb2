//! Holds of all links, and how commands show them.

mod answer;
mod group;
pub(crate) mod left;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pmp_sync_domain::approval::{Ask, Hold};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{ExperienceId, LaneId, MemberName};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::records::{LaneEntry, LinkState};
use pmp_sync_domain::suggest::did_you_mean;
use pmp_sync_domain::text::one_line;
use pmp_sync_domain::wire::Scope;

pub(crate) use self::answer::{HoldAnswer, Products, ReasonAnswer, restores, reverts};
pub(crate) use self::group::{Group, grouped};
use super::configuration::serves;
use super::context::Context;
use super::scope::elsewhere;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::LinkOption;
use crate::output;

/// A link state, with what is known of its lane.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) lane: LaneId,
    pub(crate) link_state: LinkState,
    pub(crate) entry: Option<LaneEntry>,
    /// True if another member has an experience of that id.
    pub(crate) is_ambiguous: bool,
}

impl Known {
    pub(crate) fn member(&self) -> Option<&MemberName> {
        self.entry.as_ref().map(|entry| &entry.member)
    }

    /// The member's name, or its account if the lane was never planned for.
    pub(crate) fn name(&self) -> String {
        let member = self.member().map(ToString::to_string);
        let member = member.unwrap_or_else(|| self.lane.account.to_string());
        format!("{member} {}", self.lane.experience)
    }

    /// True if the scope covers it. One whose lane was never planned for has no member that could be named.
    pub(crate) fn is_in(&self, scope: &Scope) -> bool {
        let of_member = self
            .member()
            .is_some_and(|name| scope.members.contains(name));
        (scope.members.is_empty() || of_member)
            && (scope.experiences.is_empty() || scope.experiences.contains(&self.lane.experience))
    }

    /// The command that approves a hold of it.
    pub(crate) fn approve(&self, hold: &Hold, flags: &Flags) -> String {
        let member = self.member().filter(|_| self.is_ambiguous);
        flags.approve(hold, &self.lane.experience, member)
    }

    /// The line before a hold of it: what is held, and since when.
    pub(crate) fn held(&self, hold: &Hold) -> String {
        let what = match hold.undo() {
            Some(undo) => format!("{undo} is held"),
            None => "held".to_owned(),
        };
        format!(
            "{}: {what} since {}",
            self.name(),
            output::time(Some(hold.since))
        )
    }

    /// Its holds: the plan, and a rollback that was requested.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.link_state.holds()
    }
}

/// Reads the states of all links, ordered by member and experience. Removed links are left out,
/// because their holds cannot be approved.
pub(crate) async fn known(context: &Context) -> Result<Vec<Known>, Failure> {
    let entries = context.readable(context.ledger.lanes().await?);
    context.memory.saw_lanes(&entries);
    let mut entries: BTreeMap<_, _> = entries
        .into_iter()
        .map(|entry| (entry.lane.clone(), entry))
        .collect();
    let stored = context.if_readable(context.ledger.current_config().await)?;
    let config = stored
        .flatten()
        .and_then(|stored| Config::parse(&stored.text).ok());
    if let Some(config) = &config {
        context.memory.saw_config(config);
    }
    let link_states = context
        .readable(context.ledger.link_states().await?)
        .into_iter();
    let mut known: Vec<_> = link_states
        .filter(|(lane, _)| {
            config
                .as_ref()
                .is_none_or(|config| config.links.iter().any(|link| serves(link, lane)))
        })
        .map(|(lane, link_state)| Known {
            entry: entries.remove(&lane),
            is_ambiguous: false,
            lane,
            link_state,
        })
        .collect();
    known.sort_by_key(Known::name);
    let mut times: BTreeMap<ExperienceId, usize> = BTreeMap::new();
    for known in &known {
        *times.entry(known.lane.experience.clone()).or_default() += 1;
    }
    for known in &mut known {
        known.is_ambiguous = times.get(&known.lane.experience) > Some(&1);
    }
    Ok(known)
}

/// A sentence that the link is frozen, and since when.
pub(crate) fn frozen(known: &Known) -> Option<String> {
    let since = known.link_state.frozen_since?;
    Some(format!(
        "{} is frozen since {}",
        known.name(),
        output::time(Some(since))
    ))
}

/// A hold in indented lines: what, why, who rejected it, and the command that approves it.
pub(crate) fn words(hold: &Hold, approve: &str) -> String {
    let mut text = plan_line(hold);
    for reason in &hold.reasons {
        let _ = write!(
            text,
            "\n  {}    {}\n  what to do  {}",
            reason.code(),
            output::with_times(&reason.to_string()),
            reason.remedy()
        );
    }
    for line in answers(hold) {
        let _ = write!(text, "\n{}", line.of(""));
    }
    let _ = write!(text, "\n  to release  {approve}");
    text
}

/// The plan that an approval would execute: what the record of its run shows. None once that has expired.
pub(crate) async fn shown(
    context: &Context,
    hold: &Hold,
    lane: &LaneId,
) -> Result<Option<Plan>, Failure> {
    let record = context.ledger.link(hold.run, lane).await?;
    let plan = record.map(|record| record.shown());
    Ok(plan.filter(|plan| plan.hash() == hold.plan_hash))
}

/// The size of what is held, as an indented line.
fn plan_line(hold: &Hold) -> String {
    format!(
        "  the plan    {} ({})",
        counts(hold.allow, hold.deny),
        output::count(hold.removals, "removal")
    )
}

/// An indented line about an answer to a hold.
struct AnswerLine {
    what: &'static str,
    words: String,
}

impl AnswerLine {
    /// The line, with the name of the link if it is of one of several.
    fn of(&self, link: &str) -> String {
        format!("  {:<11} {link}{}", self.what, self.words)
    }
}

/// What people have answered so far, and what an approval does in spite of a freeze.
fn answers(hold: &Hold) -> Vec<AnswerLine> {
    let mut lines = Vec::new();
    if hold.overrides {
        lines.push(AnswerLine {
            what: "override",
            words: "an approval executes it although the link is frozen".to_owned(),
        });
    }
    if let Some(part) = &hold.rejected {
        let words = who(&part.ask);
        lines.push(AnswerLine {
            what: "rejected",
            words: if hold.is_rejected() {
                words
            } else {
                let changes = output::count(hold.changes(), "change");
                format!("{} of {changes}, {words}", part.changes)
            },
        });
    }
    if !hold.approvals.is_empty() {
        let by: Vec<_> = hold.approvals.iter().map(who).collect();
        lines.push(AnswerLine {
            what: "approved",
            words: format!("{}; a second person runs the same command", by.join("; ")),
        });
    }
    lines
}

/// The size of a plan, in words.
pub(crate) fn counts(allow: usize, deny: usize) -> String {
    format!(
        "{}, {}",
        output::count(allow, "allow"),
        output::count(deny, "deny")
    )
}

/// Requester, account, time and reason of a request, in words.
pub(crate) fn who(ask: &Ask) -> String {
    let by = ask.by.as_deref().unwrap_or("an unknown requester");
    let account = ask.account.as_ref();
    let account = account.map_or_else(String::new, |account| format!(", account {account}"));
    let reason = ask.reason.as_deref().map(one_line);
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "by {by}{account}, at {}{reason}",
        output::time(Some(ask.at))
    )
}

/// A lane that options may name.
pub(crate) struct Candidate<T> {
    pub(crate) member: Option<MemberName>,
    pub(crate) experience: ExperienceId,
    pub(crate) lane: T,
}

impl<T> Candidate<T> {
    fn name(&self) -> String {
        let member = self.member.as_ref().map(MemberName::as_str);
        format!("{} {}", member.unwrap_or("-"), self.experience)
    }
}

/// Chooses the lane that the options name: by its experience, by its member if that has only one, or by
/// both.
pub(crate) fn choose<T>(
    all: Vec<Candidate<T>>,
    link: &LinkOption,
    hint: &str,
) -> Result<T, Failure> {
    let (experience, member) = (link.experience.as_ref(), link.member.as_ref());
    let is_named = |one: &Candidate<T>| {
        experience.is_none_or(|experience| *experience == one.experience)
            && (member.is_none() || one.member.as_ref() == member)
    };
    let (mut found, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_named);
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one.lane),
        (Some(last), _) => {
            let mut names: Vec<_> = found.iter().chain([&last]).map(Candidate::name).collect();
            names.sort();
            let (message, option) = match (experience, member) {
                (None, Some(member)) => {
                    (format!("{member} has several experiences"), "--experience")
                }
                (Some(experience), _) => (
                    format!("several members have a link to {experience}"),
                    "--member",
                ),
                (None, None) => ("several links could be meant".to_owned(), "--experience"),
            };
            Err(Failure::Unknown {
                message: format!("{message}: {}", names.join(", ")),
                remedy: format!("name one of them with {option}"),
            })
        }
        (None, _) => {
            let to = experience.map_or_else(String::new, |id| format!(" to {id}"));
            let of = member.map_or_else(String::new, |name| format!(" of member {name}"));
            let experiences = others.iter().map(|one| one.experience.as_str());
            let members = others.iter().filter_map(|one| one.member.as_ref());
            // The experience is there: the member is what is misspelt.
            let is_there = |id: &&ExperienceId| others.iter().any(|one| one.experience == **id);
            let misspelt = experience.filter(|id| !is_there(id));
            let similar = misspelt.map(|id| did_you_mean(id.as_str(), experiences));
            let similar = similar.filter(|words| !words.is_empty());
            let similar = similar.or_else(|| {
                let members = members.map(MemberName::as_str);
                Some(did_you_mean(member?.as_str(), members))
            });
            if let (Some(id), Some(name), Some("")) = (experience, member, similar.as_deref()) {
                let owners = others.iter().filter(|one| one.experience == *id);
                let owners: BTreeSet<_> = owners
                    .filter_map(|one| Some(one.member.as_ref()?.as_str()))
                    .collect();
                let owners: Vec<_> = owners.into_iter().collect();
                if !owners.is_empty() {
                    return Err(elsewhere(id, &owners.join(" and "), name.as_str()));
                }
            }
            Err(Failure::Unknown {
                message: format!(
                    "nothing is known of a link{to}{of}{}",
                    similar.unwrap_or_default()
                ),
                remedy: hint.to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(account: char) -> Candidate<char> {
        let name = if account == '2' { "emea" } else { "apac" };
        Candidate {
            member: Some(name.parse().unwrap()),
            experience: "exp-1".parse().unwrap(),
            lane: account,
        }
    }

    fn link(experience: Option<&str>, member: Option<&str>) -> LinkOption {
        LinkOption {
            experience: experience.map(|id| id.parse().unwrap()),
            member: member.map(|name| name.parse().unwrap()),
        }
    }

    #[test]
    fn a_member_is_asked_for_only_where_several_have_that_experience() {
        let choose = |found, member| choose(found, &link(Some("exp-1"), member), "look");
        assert_eq!(choose(vec![lane('2')], None).unwrap(), '2');
        assert_eq!(
            choose(vec![lane('3'), lane('2')], Some("emea")).unwrap(),
            '2'
        );
        let told = choose(vec![lane('3'), lane('2')], None).unwrap_err();
        assert!(
            told.to_string().ends_with("apac exp-1, emea exp-1"),
            "{told}"
        );
        let told = choose(vec![], Some("emea")).unwrap_err();
        assert!(told.to_string().ends_with("of member emea"), "{told}");
        let told = choose(vec![lane('3')], Some("emea")).unwrap_err();
        assert_eq!(
            told.to_string(),
            "exp-1 is an experience of apac, not of emea"
        );
    }

    #[test]
    fn the_only_experience_of_a_member_is_meant_by_its_name() {
        let choose = |found, member| choose(found, &link(None, Some(member)), "look");
        assert_eq!(choose(vec![lane('3'), lane('2')], "emea").unwrap(), '2');
        let second = Candidate {
            experience: "exp-2".parse().unwrap(),
            ..lane('2')
        };
        let told = choose(vec![lane('2'), second], "emea").unwrap_err();
        assert_eq!(told.exit_code(), 5);
        assert!(
            told.to_string().contains("emea exp-1, emea exp-2"),
            "{told}"
        );
    }

    #[test]
    fn a_misspelt_link_is_a_question() {
        for (experience, member, question) in [
            (Some("exp-2"), None, "did you mean exp-1?"),
            (None, Some("emae"), "did you mean emea?"),
            (Some("exp-1"), Some("apca"), "did you mean apac?"),
        ] {
            let link = link(experience, member);
            let told = choose(vec![lane('3'), lane('2')], &link, "look").unwrap_err();
            assert_eq!(told.exit_code(), 5);
            assert!(told.to_string().ends_with(question), "{told}");
        }
    }
}
