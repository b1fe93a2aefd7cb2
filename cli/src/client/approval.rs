//! Requests about holds. Each becomes a run of its own on one lane, and the command waits for it.

use std::str::FromStr;

use clap::Args;
use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest, Hold};
use pmp_sync_domain::ids::{LaneId, PlanHash, RunId};
use pmp_sync_domain::ports::{Bus as _, ReadRuns as _};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, LinkState, RunRecord};
use pmp_sync_domain::wire::approval_requested;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, request_id};
use super::holds::{Candidate, HoldAnswer, Known, choose, known};
use super::products::names;
use super::run::{self, tell_failures, wait};
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::{Common, LinkOption, Patience, RunName};
use crate::output;

/// The fewest digits that name a plan. Two plans of one run never share them.
const FEWEST_DIGITS: usize = 8;

/// What is approved or rejected.
#[derive(Debug, Args)]
pub(crate) struct ApprovalOptions {
    /// The run that made the plan, as `pmp-sync holds` shows it, or the beginning of its id.
    pub(crate) run: RunName,
    #[command(flatten)]
    pub(crate) link: LinkOption,
    /// The plan's hash, or at least its first 8 digits.
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: HashDigits,
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

/// The result of a request about a hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ApprovalAnswer<'a> {
    /// The run that served it.
    run: &'a RunRecord,
    /// The record of the link in that run; `approval.refused` has the text of a refusal. Null if the
    /// run failed earlier.
    link: Option<&'a LinkRecord>,
    /// The current hold of the link.
    hold: Option<HoldAnswer>,
    /// The names of the products in this answer, by id. A product whose name is not known is left out.
    names: Names,
}

/// The result of a request.
pub(crate) struct Served {
    pub(crate) run: RunRecord,
    pub(crate) link: LinkRecord,
}

impl Served {
    /// The link as text: member and experience.
    pub(crate) fn name(&self) -> String {
        output::link_name(&self.link)
    }
}

/// The plan that the options name.
pub(crate) struct Named {
    pub(crate) context: Context,
    pub(crate) known: Known,
    pub(crate) run: RunId,
    pub(crate) hash: PlanHash,
}

/// Finds the lane and the plan hash that the options name. An error if this is not what is held.
pub(crate) async fn named(common: &Common, options: &ApprovalOptions) -> Result<Named, Failure> {
    let context = Context::new(common).await?;
    let found = known(&context).await?.into_iter();
    let found = found
        .map(|known| Candidate {
            member: known.member().cloned(),
            experience: known.lane.experience.clone(),
            lane: known,
        })
        .collect();
    let hint = "`pmp-sync holds` lists what is held";
    let known = choose(found, &options.link, hint)?;
    let run = held_run(&context, &known, &options.run).await?;
    match held(&known.link_state, run, &options.plan) {
        Some(hold) => {
            let hash = hold.plan_hash.clone();
            Ok(Named {
                context,
                known,
                run,
                hash,
            })
        }
        None => match approved(&context, &known, run, &options.plan).await? {
            Some(hash) => Ok(Named {
                context,
                known,
                run,
                hash,
            }),
            None => Err(stale(&known)),
        },
    }
}

/// The run that a name means: one of those whose plans are held, before any other.
async fn held_run(context: &Context, known: &Known, name: &RunName) -> Result<RunId, Failure> {
    if let RunName::Beginning(beginning) = name {
        let is_meant = |run: &RunId| run.to_string().starts_with(beginning);
        let held: Vec<_> = known
            .holds()
            .map(|hold| hold.run)
            .filter(is_meant)
            .collect();
        if let [one] = held.as_slice() {
            return Ok(*one);
        }
    }
    run::id(context, name).await
}

fn held<'a>(link_state: &'a LinkState, run: RunId, digits: &HashDigits) -> Option<&'a Hold> {
    let mut holds = link_state.hold.iter().chain(&link_state.restore);
    holds.find(|hold| hold.run == run && digits.names(&hold.plan_hash))
}

/// The hash of a plan that was approved and is not done yet. A repeated request is allowed.
async fn approved(
    context: &Context,
    known: &Known,
    run: RunId,
    digits: &HashDigits,
) -> Result<Option<PlanHash>, Failure> {
    let grant = known.link_state.grant.as_ref();
    if grant.is_none_or(|grant| grant.run != run) {
        return Ok(None);
    }
    let record = context.ledger.link(run, &known.lane).await?;
    let hash = match record {
        Some(record) => record.plan_hash,
        None => digits.whole(),
    };
    Ok(hash.filter(|hash| digits.names(hash)))
}

/// The error that something else is held, or nothing, with the next step.
fn stale(known: &Known) -> Failure {
    let name = known.name();
    let commands: Vec<_> = known
        .holds()
        // The options that are in force come with the rest of the text.
        .map(|hold| format!("`{}`", known.approve(hold, &Flags::default())))
        .collect();
    if commands.is_empty() {
        return Failure::Stale {
            message: format!("nothing is held on {name}"),
            remedy: "`pmp-sync holds` lists what is held, `pmp-sync history` what became of it"
                .to_owned(),
        };
    }
    Failure::Stale {
        message: format!("what is held on {name} is not the plan that was named"),
        remedy: format!(
            "look at `pmp-sync holds --products`; to release what is held: {}",
            commands.join(" or ")
        ),
    }
}

pub(crate) fn request(
    action: ApprovalAction,
    lane: &LaneId,
    run: RunId,
    plan_hash: Option<PlanHash>,
) -> ApprovalRequest {
    ApprovalRequest {
        action,
        lane: lane.clone(),
        run,
        plan_hash,
        request_id: None,
        requester: None,
        // The bus adds it.
        account: None,
        reason: None,
    }
}

/// Sends the request, waits for its run, and returns what the run recorded. A refusal or a failure
/// is an error.
pub(crate) async fn serve(
    common: &Common,
    context: &Context,
    request: ApprovalRequest,
    timeout: u64,
) -> Result<Served, Failure> {
    let lane = request.lane.clone();
    let id = ask(context, request).await?;
    let outcome = outcome(context, &id, &lane, timeout).await?;
    if common.json {
        output::json(&ApprovalAnswer::of(context, &outcome).await)?;
    }
    outcome.served(context).await
}

/// Sends the request. Returns its id.
pub(crate) async fn ask(context: &Context, request: ApprovalRequest) -> Result<String, Failure> {
    let id = request_id();
    let request = ApprovalRequest {
        request_id: Some(id.clone()),
        requester: context.requester().await,
        ..request
    };
    request.check()?;
    context.bus.put(approval_requested(request)).await?;
    Ok(id)
}

/// What came of a request.
pub(crate) struct Outcome {
    lane: LaneId,
    run: RunRecord,
    link: Option<LinkRecord>,
}

/// Waits for the run that serves a request.
pub(crate) async fn outcome(
    context: &Context,
    id: &str,
    lane: &LaneId,
    timeout: u64,
) -> Result<Outcome, Failure> {
    let run = wait(context, id, timeout).await?;
    let link = context.ledger.link(run.run, lane).await?;
    Ok(Outcome {
        lane: lane.clone(),
        run,
        link,
    })
}

impl<'a> ApprovalAnswer<'a> {
    /// What came of a request, as it is printed.
    pub(crate) async fn of(context: &Context, outcome: &'a Outcome) -> Self {
        let Outcome { lane, run, link } = outcome;
        let known = Known {
            lane: lane.clone(),
            link_state: LinkState::default(),
            entry: None,
            is_ambiguous: false,
        };
        let hold = link.as_ref().and_then(|link| link.hold.as_ref());
        let products = link.iter().flat_map(LinkRecord::products);
        Self {
            run,
            link: link.as_ref(),
            hold: hold.map(|hold| HoldAnswer::new(&known, hold, &context.flags)),
            names: names(context, &products.cloned().collect()).await,
        }
    }
}

impl Outcome {
    /// What the run recorded. A refusal or a failure is an error.
    pub(crate) async fn served(self, context: &Context) -> Result<Served, Failure> {
        let Self { run, link, .. } = self;
        let Some(link) = link.filter(|_| run.fault.is_none()) else {
            tell_failures(context, &run).await?;
            return Err(Failure::Partial(format!("run {} has failed", run.run)));
        };
        if link.fault.is_some() {
            tell_failures(context, &run).await?;
            let name = output::link_name(&link);
            return Err(Failure::Partial(format!("{name} has failed")));
        }
        if let Some(why) = link
            .approval
            .as_ref()
            .and_then(pmp_sync_domain::approval::Approval::refusal)
        {
            // Shows what is held instead.
            tell_failures(context, &run).await?;
            return Err(Failure::Refused(why.to_string()));
        }
        Ok(Served { run, link })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmp_sync_domain::guard::HoldReason;
    use pmp_sync_domain::plan::Plan;

    fn hold(run: RunId, products: &[&str]) -> Hold {
        let deny = products.iter().map(|id| id.parse().unwrap()).collect();
        Hold {
            run,
            plan_hash: Plan::new(std::collections::BTreeSet::new(), deny).hash(),
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
    fn what_is_held_is_found_by_its_run_and_its_hash_together() {
        let (first, second) = (RunId::next(None, 1, 0), RunId::next(None, 2, 0));
        let link_state = LinkState {
            hold: Some(hold(first, &["prod-a"])),
            restore: Some(hold(second, &["prod-b"])),
            ..LinkState::default()
        };
        let digits = |hold: &Option<Hold>| -> HashDigits {
            let hash = hold.as_ref().unwrap().plan_hash.to_string();
            hash.get(..8).unwrap().parse().unwrap()
        };
        let (of_hold, of_restore) = (digits(&link_state.hold), digits(&link_state.restore));
        assert_eq!(held(&link_state, first, &of_hold), link_state.hold.as_ref());
        assert_eq!(
            held(&link_state, second, &of_restore),
            link_state.restore.as_ref()
        );
        assert_eq!(held(&link_state, second, &of_hold), None);
        assert_eq!(held(&link_state, first, &of_restore), None);
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
