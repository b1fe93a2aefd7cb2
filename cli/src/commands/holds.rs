//! `pmp-sync holds`: plans that wait for approval, why, and the command that approves each.

mod without_plan;

use std::collections::BTreeSet;

use clap::Args;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, ProductId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::Clock as _;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::time::whole_seconds;
use schemars::JsonSchema;
use serde::Serialize;

use self::without_plan::{HeldWithoutPlan, without_plan};
use crate::client::context::Context;
use crate::client::holds::left::{self, AllLeft, ListChanges};
use crate::client::holds::{self, Group, HoldAnswer, Known, Products, grouped, known};
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
    /// The links that are held and for which no plan can be made. There is nothing to approve.
    without_plan: Vec<HeldWithoutPlan>,
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

/// Equal plans, with their products if they are wanted.
struct Shown<'a> {
    group: Group<'a>,
    /// None if they were not asked for, or are not on record any more.
    plan: Option<Plan>,
    left: AllLeft,
}

pub(crate) async fn run(common: &Common, options: &HoldsOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let all = known(&context).await?;
    let groups = grouped(&all, |known, _| known.is_in(&scope));
    let mut shown = Vec::new();
    for group in groups {
        let plan = if options.products {
            plan_of(&context, &group).await?
        } else {
            None
        };
        shown.push(Shown {
            group,
            plan,
            left: AllLeft::new(),
        });
    }
    find_left(&context, &mut shown).await?;
    let without_plan = without_plan(&context, &scope, &all).await?;
    let plans = shown.iter().filter_map(|shown| shown.plan.as_ref());
    let names = names(&context, &plans.flat_map(products_of).cloned().collect()).await;
    let frozen: Vec<_> = all.iter().filter(|known| known.is_in(&scope)).collect();
    let held: usize = shown.iter().map(|shown| shown.group.holds.len()).sum();
    let unplanned = without_plan.len();
    if common.json {
        let now = SystemClock.now();
        let frozen = frozen
            .iter()
            .filter_map(|known| Some(Frozen::new(known, known.link_state.frozen_since?, now)));
        output::json(&HoldsAnswer {
            holds: answers(&context, options, &shown),
            without_plan,
            frozen: frozen.collect(),
            names,
        })?;
    } else {
        for shown in &shown {
            show(shown, options.products, &names, &context.flags)?;
        }
        for held in &without_plan {
            output::line(&held.words())?;
        }
        if held + unplanned == 0 {
            output::line("nothing is held")?;
        }
        for words in frozen.into_iter().filter_map(holds::frozen) {
            output::line(&words)?;
        }
    }
    let waiting = match held {
        0 => None,
        1 => Some("1 plan waits for approval".to_owned()),
        count => Some(format!("{count} plans wait for approval")),
    };
    let unplanned = (unplanned > 0)
        .then(|| format!("{} held without a plan", output::count(unplanned, "link")));
    let words: Vec<_> = waiting.into_iter().chain(unplanned).collect();
    if words.is_empty() {
        Ok(())
    } else {
        Err(Failure::Held(words.join(", ")))
    }
}

/// The plan of a group: what the record of one of its runs shows. None once all have expired.
async fn plan_of(context: &Context, group: &Group<'_>) -> Result<Option<Plan>, Failure> {
    for (known, hold) in &group.holds {
        if let Some(plan) = holds::shown(context, hold, &known.lane).await? {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

/// Finds how the products that would be denied left the management lists.
async fn find_left(context: &Context, shown: &mut [Shown<'_>]) -> Result<(), Failure> {
    let denying = shown.iter().filter(|shown| {
        let denies = shown
            .plan
            .as_ref()
            .is_some_and(|plan| !plan.deny().is_empty());
        denies && !shown.is_rollback()
    });
    let until = denying.filter_map(|shown| shown.since()).max();
    let Some(until) = until else { return Ok(()) };
    let changes = ListChanges::read(context, until).await?;
    for shown in shown {
        if let (Some(plan), Some(since), false) = (&shown.plan, shown.since(), shown.is_rollback())
        {
            let left = changes.of(plan.deny(), &shown.sources(), since);
            shown.left = left;
        }
    }
    Ok(())
}

impl Shown<'_> {
    /// When the first of the holds began.
    fn since(&self) -> Option<Timestamp> {
        self.group.holds.iter().map(|(_, hold)| hold.since).min()
    }

    /// The management list says nothing about what a rollback denies.
    fn is_rollback(&self) -> bool {
        let first = self.group.first();
        first.is_some_and(|(_, hold)| hold.undo().is_some())
    }

    /// The management experiences that the links follow.
    fn sources(&self) -> BTreeSet<&ExperienceId> {
        let entries = self.group.holds.iter();
        let entries = entries.filter_map(|(known, _)| known.entry.as_ref());
        entries.flat_map(|entry| entry.sources.iter()).collect()
    }
}

/// The holds as JSON, in the order of the links.
fn answers(context: &Context, options: &HoldsOptions, shown: &[Shown<'_>]) -> Vec<HoldAnswer> {
    let mut answers = Vec::new();
    for shown in shown {
        let all = shown.group.approve_all(&context.flags);
        for (known, hold) in &shown.group.holds {
            let mut answer = HoldAnswer::new(known, hold, &context.flags);
            answer.approve_all.clone_from(&all);
            answer.products = options.products.then(|| {
                let plan = shown.plan.as_ref();
                plan.map(|plan| Products::new(plan, shown.left.clone()))
            });
            answers.push(((known.name(), hold.undo().is_some()), answer));
        }
    }
    answers.sort_by(|(one, _), (other, _)| one.cmp(other));
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The products of a plan.
fn products_of(plan: &Plan) -> impl Iterator<Item = &ProductId> {
    plan.allow().iter().chain(plan.deny())
}

fn show(shown: &Shown<'_>, products: bool, names: &Names, flags: &Flags) -> Result<(), Failure> {
    for (known, hold) in &shown.group.holds {
        output::line(&known.held(hold))?;
    }
    output::line(&shown.group.words(flags))?;
    if !products {
        return Ok(());
    }
    let Some(plan) = &shown.plan else {
        return output::line("  the products are not on record any more; the next run holds anew");
    };
    let lines = left::words(plan.deny(), &shown.left);
    lines.iter().try_for_each(|line| output::line(line))?;
    for change in plan.changes() {
        let product = names.label(&change.product);
        output::line(&format!("  {} {product}", change.action))?;
    }
    Ok(())
}
