//! Which holds the options of `approve` and `reject` mean.

use std::str::FromStr;

use clap::{ArgGroup, Args};
use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::ids::{PlanHash, RunId};
use pmp_sync_domain::ports::ReadRuns as _;

use crate::client::context::Context;
use crate::client::holds::{Known, known};
use crate::client::product_list::change::reason;
use crate::client::{run, scope};
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::{Narrowing, Patience, RunName};
use crate::output;

/// The fewest digits that name a plan. Two plans of one run never share them.
const FEWEST_DIGITS: usize = 8;
/// The most commands that a failure offers.
const MOST_OFFERED: usize = 3;

/// What is approved or rejected.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["members", "experiences", "plan"]).required(true).multiple(true)))]
pub(crate) struct ApprovalOptions {
    /// Only what this run has held: its id, as `pmp-sync holds` shows it, or the beginning of it.
    pub(crate) run: Option<RunName>,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// Only this plan, on all links that have it: its hash, or at least the first 8 digits.
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: Option<HashDigits>,
    /// Why. `pmp-sync holds`, `history` and the report show it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    /// Do not ask. A command that names the run, the link and the plan does not ask either.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// The hash of a plan, or the beginning of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashDigits(String);

impl HashDigits {
    /// True if the hash begins with these digits.
    pub(crate) fn names(&self, hash: &PlanHash) -> bool {
        hash.to_string().starts_with(&self.0)
    }

    /// The hash, if all of its digits are given.
    pub(crate) fn whole(&self) -> Option<PlanHash> {
        self.0.parse().ok()
    }
}

impl FromStr for HashDigits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_one = (FEWEST_DIGITS..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_one {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(
                "the 64 hexadecimal digits of a plan's hash are expected, or at least the first 8"
                    .to_owned(),
            )
        }
    }
}

/// What one link is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meant {
    /// The place of the link among those that are known.
    pub(crate) place: usize,
    /// The run whose plan was shown.
    pub(crate) run: RunId,
    /// The hash of that plan.
    pub(crate) hash: PlanHash,
}

/// What the options mean, on at most one plan of each link.
#[derive(Debug)]
pub(crate) struct AllMeant {
    /// Every link.
    pub(crate) known: Vec<Known>,
    /// In the order of the links.
    pub(crate) meant: Vec<Meant>,
}

impl AllMeant {
    /// The links that are meant, with what each is asked about.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Known, &Meant)> {
        let meant = self.meant.iter();
        meant.filter_map(|meant| Some((self.known.get(meant.place)?, meant)))
    }
}

/// Finds the holds that the options mean. An error if there is none.
pub(crate) async fn meant(
    context: &Context,
    options: &ApprovalOptions,
) -> Result<AllMeant, Failure> {
    let scope = scope::of(&options.narrowing, context).await?;
    let known = known(context).await?;
    let in_scope: Vec<_> = known
        .iter()
        .enumerate()
        .filter(|(_, known)| known.is_in(&scope))
        .collect();
    let run = match &options.run {
        None => None,
        Some(name) => Some(named_run(context, &in_scope, name).await?),
    };
    let digits = options.plan.as_ref();
    let mut found = Vec::new();
    for (place, known) in &in_scope {
        let of_link = held(known, run, digits);
        match of_link.as_slice() {
            [] => {}
            [hold] => found.push(Meant {
                place: *place,
                run: hold.run,
                hash: hold.plan_hash.clone(),
            }),
            _ => return Err(several(known, &of_link)),
        }
    }
    if found.is_empty() {
        for (place, known) in &in_scope {
            if let Some((run, hash)) = approved(context, known, run, digits).await? {
                found.push(Meant {
                    place: *place,
                    run,
                    hash,
                });
            }
        }
    }
    if found.is_empty() {
        let in_scope: Vec<_> = in_scope.into_iter().map(|(_, known)| known).collect();
        return Err(stale(&in_scope, options));
    }
    Ok(AllMeant {
        known,
        meant: found,
    })
}

/// The holds of a link that a run and a hash name.
fn held<'a>(known: &'a Known, run: Option<RunId>, digits: Option<&HashDigits>) -> Vec<&'a Hold> {
    let holds = known.holds().filter(|hold| {
        run.is_none_or(|run| hold.run == run)
            && digits.is_none_or(|digits| digits.names(&hold.plan_hash))
    });
    holds.collect()
}

/// The run that a name means: one of those whose plans are held, before any other.
async fn named_run(
    context: &Context,
    in_scope: &[(usize, &Known)],
    name: &RunName,
) -> Result<RunId, Failure> {
    if let RunName::Beginning(beginning) = name {
        let holds = in_scope.iter().flat_map(|(_, known)| known.holds());
        let mut held: Vec<_> = holds
            .map(|hold| hold.run)
            .filter(|run| run.to_string().starts_with(beginning))
            .collect();
        held.sort();
        held.dedup();
        if let [one] = held.as_slice() {
            return Ok(*one);
        }
    }
    run::id(context, name).await
}

/// The plan of a link that was approved and is not done yet, if the hash names it. A repeated request is allowed.
async fn approved(
    context: &Context,
    known: &Known,
    run: Option<RunId>,
    digits: Option<&HashDigits>,
) -> Result<Option<(RunId, PlanHash)>, Failure> {
    let (Some(grant), Some(digits)) = (&known.link_state.grant, digits) else {
        return Ok(None);
    };
    let earlier = grant.before.iter().rev().map(|earlier| earlier.run);
    let granted = std::iter::once(grant.run).chain(earlier);
    for granted in granted.filter(|granted| run.is_none_or(|run| *granted == run)) {
        let record = context.ledger.link(granted, &known.lane).await?;
        let hash = match record {
            Some(record) => Some(record.shown().hash()),
            // Without its record only the run says that it is this plan.
            None => digits.whole().filter(|_| run.is_some()),
        };
        if let Some(hash) = hash.filter(|hash| digits.names(hash)) {
            return Ok(Some((granted, hash)));
        }
    }
    Ok(None)
}

/// The error that a link has two holds, and the options do not say which one is meant.
fn several(known: &Known, holds: &[&Hold]) -> Failure {
    let holds = holds.iter().copied();
    Failure::Unknown {
        message: format!(
            "{} has a plan that is held and a rollback that is held",
            known.name()
        ),
        remedy: format!("name one of them with --plan: {}", offered(known, holds)),
    }
}

/// The commands that approve holds of a link. The options that are in force come with the rest of the text.
fn offered<'a>(known: &Known, holds: impl Iterator<Item = &'a Hold>) -> String {
    let commands = holds.map(|hold| format!("`{}`", known.approve(hold, &Flags::default())));
    commands.collect::<Vec<_>>().join(" or ")
}

/// The error that something else is held, or nothing, with the next step.
fn stale(in_scope: &[&Known], options: &ApprovalOptions) -> Failure {
    let of = match in_scope {
        [] => "there".to_owned(),
        [only] => format!("on {}", only.name()),
        several => format!("on any of {}", output::count(several.len(), "link")),
    };
    let held: Vec<_> = in_scope
        .iter()
        .filter(|known| known.holds().next().is_some())
        .collect();
    if held.is_empty() || (options.run.is_none() && options.plan.is_none()) {
        return Failure::Stale {
            message: format!("nothing is held {of}"),
            remedy: "`pmp-sync holds` lists what is held, `pmp-sync history` what became of it"
                .to_owned(),
        };
    }
    let commands: Vec<_> = held
        .iter()
        .take(MOST_OFFERED)
        .map(|known| offered(known, known.holds()))
        .collect();
    Failure::Stale {
        message: format!("what is held {of} is not the plan that was named"),
        remedy: format!(
            "look at `pmp-sync holds --products`; to release what is held: {}",
            commands.join(" or ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pmp_sync_domain::guard::HoldReason;
    use pmp_sync_domain::plan::Plan;
    use pmp_sync_domain::records::LinkState;

    use super::*;

    fn hold(run: RunId, products: &[&str]) -> Hold {
        let deny = products.iter().map(|id| id.parse().unwrap()).collect();
        Hold {
            run,
            plan_hash: Plan::new(BTreeSet::new(), deny).hash(),
            reasons: vec![HoldReason::ManagementEmpty { experience: None }],
            allow: 0,
            deny: products.len(),
            removals: products.len(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            announced: true,
            rejected: None,
            approvals: Vec::new(),
            overrides: false,
        }
    }

    #[test]
    fn what_is_held_is_found_by_its_run_its_hash_or_both() {
        let (first, second) = (RunId::next(None, 1, 0), RunId::next(None, 2, 0));
        let (plan, rollback) = (hold(first, &["prod-a"]), hold(second, &["prod-b"]));
        let known = Known {
            lane: "222222222222/exp-1".parse().unwrap(),
            link_state: LinkState {
                hold: Some(plan.clone()),
                restore: Some(rollback.clone()),
                ..LinkState::default()
            },
            entry: None,
            is_ambiguous: false,
        };
        let digits = |hold: &Hold| -> HashDigits {
            let hash = hold.plan_hash.to_string();
            hash.get(..8).unwrap().parse().unwrap()
        };
        let (of_plan, of_rollback) = (digits(&plan), digits(&rollback));
        let held = |run, digits| held(&known, run, digits);
        assert_eq!(held(Some(first), Some(&of_plan)), [&plan]);
        assert_eq!(held(Some(second), Some(&of_rollback)), [&rollback]);
        assert!(held(Some(second), Some(&of_plan)).is_empty());
        assert!(held(Some(first), Some(&of_rollback)).is_empty());
        assert_eq!(held(Some(first), None), [&plan]);
        assert_eq!(held(None, Some(&of_rollback)), [&rollback]);
        assert_eq!(held(None, None).len(), 2);
    }

    #[test]
    fn a_plan_is_named_by_its_hash_or_the_beginning_of_it() {
        let hash = Plan::default().hash();
        let text = hash.to_string();
        for good in [&text, &text.to_uppercase(), text.get(..8).unwrap()] {
            let digits: HashDigits = good.parse().unwrap();
            assert!(digits.names(&hash), "{good}");
            assert_eq!(digits.whole().is_some(), good.len() == 64);
        }
        let other: HashDigits = "00000000".parse().unwrap();
        assert!(!other.names(&hash));
        let too_long = format!("{text}0");
        for wrong in ["", text.get(..7).unwrap(), "0123456g", too_long.as_str()] {
            assert!(wrong.parse::<HashDigits>().is_err(), "{wrong}");
        }
    }
}
