//! Holds of all links, and how commands show them.

mod answer;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::{Ask, Hold};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{ExperienceId, LaneId, MemberName};
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::records::{LaneEntry, LinkState};
use pmp_sync_domain::time::{in_words, whole_seconds};

pub(crate) use self::answer::{HoldAnswer, Products, ReasonAnswer};
use super::configuration::serves;
use super::context::Context;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::output;

/// A link state, with what is known of its lane.
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

    /// The command that approves a hold of it.
    pub(crate) fn approve(&self, hold: &Hold, flags: &Flags) -> String {
        let member = self.member().filter(|_| self.is_ambiguous);
        flags.approve(hold, &self.lane.experience, member)
    }

    /// Its holds: the plan, and a rollback that was requested.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.link_state.hold.iter().chain(&self.link_state.restore)
    }
}

/// Reads the states of all links, ordered by member and experience. Removed links are left out,
/// because their holds cannot be approved.
pub(crate) async fn known(context: &Context) -> Result<Vec<Known>, Failure> {
    let entries = context.readable(context.ledger.lanes().await?);
    let mut entries: BTreeMap<_, _> = entries
        .into_iter()
        .map(|entry| (entry.lane.clone(), entry))
        .collect();
    let stored = context.if_readable(context.ledger.current_config().await)?;
    let config = stored
        .flatten()
        .and_then(|stored| Config::parse(&stored.text).ok());
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

/// A sentence that the link is frozen, and for how long.
pub(crate) fn frozen(known: &Known, now: Timestamp) -> Option<String> {
    let since = known.link_state.frozen_since?;
    Some(format!(
        "{} is frozen since {} ({})",
        known.name(),
        output::time(Some(since)),
        in_words(whole_seconds(since, now))
    ))
}

/// A hold in indented lines: what, why, who rejected it, and the command that approves it.
pub(crate) fn words(hold: &Hold, approve: &str) -> String {
    let mut text = format!(
        "  the plan    {} ({})",
        counts(hold.allow, hold.deny),
        output::count(hold.removals, "removal")
    );
    for reason in &hold.reasons {
        let _ = write!(
            text,
            "\n  {}    {reason}\n  what to do  {}",
            reason.code(),
            reason.remedy()
        );
    }
    if let Some(ask) = &hold.rejected {
        let _ = write!(text, "\n  rejected    {}", who(ask));
    }
    let _ = write!(text, "\n  to release  {approve}");
    text
}

/// The size of a plan, in words.
pub(crate) fn counts(allow: usize, deny: usize) -> String {
    format!(
        "{}, {}",
        output::count(allow, "allow"),
        match deny {
            1 => "1 deny".to_owned(),
            deny => format!("{deny} denies"),
        }
    )
}

/// Requester, account and time of a request, in words.
pub(crate) fn who(ask: &Ask) -> String {
    let by = ask.by.as_deref().unwrap_or("an unknown requester");
    let account = ask.account.as_ref();
    let account = account.map_or_else(String::new, |account| format!(", account {account}"));
    format!("by {by}{account}, at {}", output::time(Some(ask.at)))
}

/// Chooses the lane that the options name.
pub(crate) fn choose<T>(
    found: Vec<(Option<MemberName>, T)>,
    experience: &ExperienceId,
    member: Option<&MemberName>,
    hint: &str,
) -> Result<T, Failure> {
    let is_named = |name: Option<&MemberName>| member.is_none() || name == member;
    let mut found: Vec<_> = found
        .into_iter()
        .filter(|(name, _)| is_named(name.as_ref()))
        .collect();
    match (found.pop(), found.len()) {
        (Some((_, one)), 0) => Ok(one),
        (Some((last, _)), _) => {
            let names = found.iter().map(|(name, _)| name).chain([&last]);
            let mut names: Vec<_> = names.flatten().map(ToString::to_string).collect();
            names.sort();
            Err(Failure::Unknown {
                message: format!(
                    "several members have a link to {experience}: {}",
                    names.join(", ")
                ),
                remedy: "name one of them with --member".to_owned(),
            })
        }
        (None, _) => {
            let of = member.map_or_else(String::new, |name| format!(" of member {name}"));
            Err(Failure::Unknown {
                message: format!("nothing is known of a link to {experience}{of}"),
                remedy: hint.to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(account: char) -> (Option<MemberName>, char) {
        let name = if account == '2' { "emea" } else { "apac" };
        (Some(name.parse().unwrap()), account)
    }

    #[test]
    fn a_member_is_asked_for_only_where_several_have_that_experience() {
        let experience: ExperienceId = "exp-1".parse().unwrap();
        let emea: MemberName = "emea".parse().unwrap();
        let choose = |found, member| choose(found, &experience, member, "look");
        assert_eq!(choose(vec![lane('2')], None).unwrap(), '2');
        assert_eq!(
            choose(vec![lane('3'), lane('2')], Some(&emea)).unwrap(),
            '2'
        );
        let told = choose(vec![lane('3'), lane('2')], None).unwrap_err();
        assert!(told.to_string().ends_with("apac, emea"), "{told}");
        for found in [vec![], vec![lane('3')]] {
            let told = choose(found, Some(&emea)).unwrap_err();
            assert!(told.to_string().ends_with("of member emea"), "{told}");
        }
    }
}
