//! Holds with equal plans: they are shown together, and one command answers all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::PlanHash;

use super::{Known, answers, plan_line};
use crate::hint::Flags;
use crate::output;

/// Holds whose plans are equal, on one link each.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// The links and their holds, in the order of the links.
    pub(crate) holds: Vec<(&'a Known, &'a Hold)>,
    /// True if no other link has a hold with this plan, so that its hash names these and no others.
    is_whole: bool,
}

/// Groups the holds of the links that are shown, in the order of their first links. `all` are those of the installation.
pub(crate) fn grouped<'a>(
    all: &'a [Known],
    is_shown: impl Fn(&Known, &Hold) -> bool,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut places: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    let mut others: Vec<&PlanHash> = Vec::new();
    for known in all {
        for hold in known.holds() {
            if !is_shown(known, hold) {
                others.push(&hold.plan_hash);
                continue;
            }
            let undo = hold.undo().map(|undo| undo.to_string());
            let key = (hold.plan_hash.to_string(), undo);
            let place = *places.entry(key).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.holds.push((known, hold)),
                None => groups.push(Group {
                    holds: vec![(known, hold)],
                    is_whole: true,
                }),
            }
        }
    }
    let hashes: Vec<_> = groups
        .iter()
        .filter_map(|group| group.hash().cloned())
        .collect();
    for group in &mut groups {
        let of_group = group.hash().cloned();
        let times = hashes
            .iter()
            .filter(|hash| Some(*hash) == of_group.as_ref());
        group.is_whole =
            times.count() == 1 && !others.iter().any(|hash| Some(*hash) == of_group.as_ref());
    }
    groups
}

impl<'a> Group<'a> {
    /// The first of its holds: all show the same plan.
    pub(crate) fn first(&self) -> Option<(&'a Known, &'a Hold)> {
        self.holds.first().copied()
    }

    fn hash(&self) -> Option<&PlanHash> {
        self.first().map(|(_, hold)| &hold.plan_hash)
    }

    /// The command that approves all of them. None if there is one only, or if it would approve others as well.
    pub(crate) fn approve_all(&self, flags: &Flags) -> Option<String> {
        let hash = self
            .hash()
            .filter(|_| self.is_whole && self.holds.len() > 1)?;
        Some(flags.command(&format!("approve --plan {hash}")))
    }

    /// The commands that approve them: one for all, or one for each link.
    fn commands(&self, flags: &Flags) -> Vec<String> {
        let each = self.holds.iter();
        let each = each.map(|(known, hold)| known.approve(hold, flags));
        match self.approve_all(flags) {
            Some(all) => vec![all],
            None => each.collect(),
        }
    }

    /// The plan, why it is held, who rejected it where, and the commands that approve it, in indented lines.
    pub(crate) fn words(&self, flags: &Flags) -> String {
        let mut text = self.plan_and_reasons();
        for command in self.commands(flags) {
            let _ = write!(text, "\n  to release  {command}");
        }
        text
    }

    /// The plan, why it is held, and who rejected it where, in indented lines.
    pub(crate) fn plan_and_reasons(&self) -> String {
        let Some((_, first)) = self.first() else {
            return String::new();
        };
        let mut text = plan_line(first);
        for reason in self.reasons() {
            for words in reason.words {
                let _ = write!(text, "\n  {}    {words}", reason.code);
            }
            let _ = write!(text, "\n  what to do  {}", reason.remedy);
        }
        for (known, hold) in &self.holds {
            let of = self.of(known);
            for line in answers(hold) {
                let _ = write!(text, "\n{}", line.of(&of));
            }
        }
        text
    }

    /// The name of a link before what is said of it alone. Nothing if there is one only.
    fn of(&self, known: &Known) -> String {
        if self.holds.len() > 1 {
            format!("{}: ", known.name())
        } else {
            String::new()
        }
    }

    /// The reasons of all links: each text once if all have it, or with the links that have it.
    fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        for (_, hold) in &self.holds {
            for reason in &hold.reasons {
                let is_known = reasons.iter().any(|known| known.is_like(reason));
                if !is_known {
                    reasons.push(self.reason(reason));
                }
            }
        }
        reasons
    }

    fn reason(&self, like: &HoldReason) -> Reason {
        let mut said: Vec<(String, Vec<String>)> = Vec::new();
        for (known, hold) in &self.holds {
            let of_hold = hold.reasons.iter();
            let of_hold =
                of_hold.filter(|one| (one.code(), one.remedy()) == (like.code(), like.remedy()));
            for one in of_hold {
                let words = output::with_times(&one.to_string()).into_owned();
                match said.iter_mut().find(|(said, _)| *said == words) {
                    Some((_, of)) => of.push(known.name()),
                    None => said.push((words, vec![known.name()])),
                }
            }
        }
        let words = said.into_iter().map(|(words, of)| {
            if of.len() >= self.holds.len() {
                words
            } else {
                format!("{}: {words}", of.join(", "))
            }
        });
        Reason {
            code: like.code(),
            remedy: like.remedy(),
            words: words.collect(),
        }
    }
}

/// A reason, in the words of each link.
#[derive(Debug)]
struct Reason {
    code: &'static str,
    remedy: &'static str,
    words: Vec<String>,
}

impl Reason {
    fn is_like(&self, reason: &HoldReason) -> bool {
        (self.code, self.remedy) == (reason.code(), reason.remedy())
    }
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::ids::RunId;
    use pmp_sync_domain::plan::Plan;
    use pmp_sync_domain::records::LinkState;

    use super::*;

    fn hold(product: &str, allowed: usize) -> Hold {
        let deny = [product.parse().unwrap()].into();
        Hold {
            run: RunId::next(None, 1, 0),
            plan_hash: Plan::new(std::collections::BTreeSet::new(), deny).hash(),
            reasons: vec![HoldReason::FirstMirror {
                removals: 1,
                allowed,
            }],
            allow: 0,
            deny: 1,
            removals: 1,
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            announced: true,
            rejected: None,
            approvals: Vec::new(),
            overrides: false,
        }
    }

    fn known(experience: &str, hold: Hold) -> Known {
        Known {
            lane: format!("222222222222/{experience}").parse().unwrap(),
            link_state: LinkState {
                hold: Some(hold),
                ..LinkState::default()
            },
            entry: None,
            is_ambiguous: false,
        }
    }

    fn three() -> Vec<Known> {
        vec![
            known("exp-1", hold("a", 9)),
            known("exp-2", hold("b", 9)),
            known("exp-3", hold("a", 8)),
        ]
    }

    #[test]
    fn equal_plans_have_one_command() {
        let (all, flags) = (three(), Flags::default());
        let groups = grouped(&all, |_, _| true);
        let sizes: Vec<_> = groups.iter().map(|group| group.holds.len()).collect();
        assert_eq!(sizes, [2, 1]);
        let words = groups[0].words(&flags);
        let hash = &hold("a", 9).plan_hash;
        assert_eq!(words.matches("to release").count(), 1, "{words}");
        assert!(
            words.ends_with(&format!("to release  pmp-sync approve --plan {hash}")),
            "{words}"
        );
        // Their numbers differ, and what to do is said once.
        assert_eq!(words.matches("PMS-7006").count(), 2, "{words}");
        assert_eq!(words.matches("what to do").count(), 1, "{words}");
        assert!(groups[1].words(&flags).contains("--experience exp-2"));
        assert_eq!(groups[1].approve_all(&flags), None);
    }

    #[test]
    fn a_hash_that_others_have_too_names_no_group() {
        let (all, flags) = (three(), Flags::default());
        let groups = grouped(&all, |known, _| known.lane.experience.as_str() != "exp-3");
        assert_eq!(groups[0].approve_all(&flags), None);
        assert!(groups[0].words(&flags).contains("--experience exp-1"));
    }
}
