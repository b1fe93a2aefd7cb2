//! `pmp-sync holds`: plans that wait for approval, why, and the command that approves each.

use clap::Args;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, MemberName, ProductId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Clock as _, ReadRuns as _};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::time::whole_seconds;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::holds::{HoldAnswer, Known, Products, frozen, known, words};
use crate::client::products::names;
use crate::client::scope;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::{Common, Narrowing};
use crate::output;

/// Which holds are shown; everything that is not narrowed is.
#[derive(Debug, Args)]
pub(crate) struct HoldsOptions {
    #[command(flatten)]
    narrowing: Narrowing,
    /// List every product.
    #[arg(long)]
    pub(crate) products: bool,
}

/// Holds and frozen links.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HoldsAnswer {
    /// The plans that wait for approval.
    holds: Vec<HoldAnswer>,
    /// The links that are frozen.
    frozen: Vec<Frozen>,
    /// The names of the products in this answer, by id. A product whose name is not known is left out.
    names: Names,
}

/// A link that is frozen.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Frozen {
    /// The member; null if its lane was never planned for.
    member: Option<MemberName>,
    /// The member account.
    account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// When a run first saw it frozen.
    #[schemars(with = "Time")]
    since: Timestamp,
    /// How long it has been frozen, in seconds.
    seconds: i64,
}

impl Frozen {
    fn new(known: &Known, since: Timestamp, now: Timestamp) -> Self {
        Self {
            member: known.member().cloned(),
            account: known.lane.account.clone(),
            experience: known.lane.experience.clone(),
            since,
            seconds: whole_seconds(since, now),
        }
    }
}

pub(crate) async fn run(common: &Common, options: &HoldsOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let mut known = known(&context).await?;
    known.retain(|known| known.is_in(&scope));
    let mut held = Vec::new();
    for known in &known {
        for hold in known.holds() {
            let products = if options.products {
                shown(&context, hold, &known.lane).await?
            } else {
                None
            };
            held.push((known, hold, products));
        }
    }
    let plans = held.iter().filter_map(|(_, _, plan)| plan.as_ref());
    let names = names(&context, &plans.flat_map(products_of).cloned().collect()).await;
    let now = SystemClock.now();
    if common.json {
        let holds: Vec<_> = held
            .iter()
            .map(|(known, hold, plan)| {
                let mut told = HoldAnswer::new(known, hold, &context.flags);
                told.products = options.products.then(|| plan.as_ref().map(Products::new));
                told
            })
            .collect();
        let frozen: Vec<_> = known
            .iter()
            .filter_map(|known| Some(Frozen::new(known, known.link_state.frozen_since?, now)))
            .collect();
        output::json(&HoldsAnswer {
            holds,
            frozen,
            names,
        })?;
    } else {
        for (known, hold, plan) in &held {
            show(known, hold, &context.flags)?;
            if options.products {
                show_products(plan.as_ref(), &names)?;
            }
        }
        if held.is_empty() {
            output::line("nothing is held")?;
        }
        for known in &known {
            if let Some(words) = frozen(known) {
                output::line(&words)?;
            }
        }
    }
    match held.len() {
        0 => Ok(()),
        1 => Err(Failure::Held("1 plan waits for approval".to_owned())),
        count => Err(Failure::Held(format!("{count} plans wait for approval"))),
    }
}

/// The plan that an approval would execute: what the record of its run shows. None once that has
/// expired.
async fn shown(context: &Context, hold: &Hold, lane: &LaneId) -> Result<Option<Plan>, Failure> {
    let record = context.ledger.link(hold.run, lane).await?;
    let plan = record.map(|record| record.shown());
    Ok(plan.filter(|plan| plan.hash() == hold.plan_hash))
}

/// The products of a plan.
fn products_of(plan: &Plan) -> impl Iterator<Item = &ProductId> {
    plan.allow().iter().chain(plan.deny())
}

fn show_products(plan: Option<&Plan>, names: &Names) -> Result<(), Failure> {
    let Some(plan) = plan else {
        return output::line("  the products are not on record any more; the next run holds anew");
    };
    for change in plan.changes() {
        let product = names.label(&change.product);
        output::line(&format!("  {} {product}", change.action))?;
    }
    Ok(())
}

fn show(known: &Known, hold: &Hold, flags: &Flags) -> Result<(), Failure> {
    let what = match hold.undo() {
        Some(undo) => format!("{undo} is held"),
        None => "held".to_owned(),
    };
    output::line(&format!(
        "{}: {what} since {}",
        known.name(),
        output::time(Some(hold.since))
    ))?;
    output::line(&words(hold, &known.approve(hold, flags)))
}
