//! `pmp-sync status`: the last runs, and the state of each lane.

mod answer;
mod lane;
mod overview;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use pmp_sync_domain::approval::Approval;
use pmp_sync_domain::records::{LinkRecord, RunRecord};

pub(crate) use self::answer::StatusAnswer;
use self::overview::Overview;
use crate::client::context::Context;
use crate::client::holds;
use crate::client::products::names;
use crate::client::run::{tell_failures, tell_warnings};
use crate::client::watch::watch;
use crate::failure::Failure;
use crate::options::{Common, RunName};
use crate::output::{self, column};

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// Show one run, with what it planned for each link: its id, the beginning of it, or `last`.
    #[arg(long)]
    pub(crate) run: Option<RunName>,
    /// The number of runs to show.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) runs: u16,
    /// Read again and again until Ctrl-C. Redraws on a terminal, and prints a block for each change otherwise.
    #[arg(long, conflicts_with = "run")]
    pub(crate) watch: bool,
    /// The time between two reads, such as 5s or 1m.
    #[arg(long, default_value = "5s", requires = "watch", value_parser = pmp_sync_deploy::local::duration)]
    pub(crate) interval: Duration,
}

pub(crate) async fn run(common: &Common, options: &StatusOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    if let Some(run) = &options.run {
        let record = crate::client::run::one(&context, run).await?;
        let links = context.readable(context.ledger.links(record.run).await?);
        return show_run(common, &context, &record, &links).await;
    }
    if let Some(interval) = options.watch.then_some(options.interval) {
        let once = "pmp-sync status --json";
        let read = async || Ok(Overview::read(&context, options.runs).await?.told());
        return watch(common, &context, interval, once, read).await;
    }
    let overview = Overview::read(&context, options.runs).await?;
    if common.json {
        return output::json(&overview.answer());
    }
    overview.told().show(&context)
}

async fn show_run(
    common: &Common,
    context: &Context,
    run: &RunRecord,
    links: &[LinkRecord],
) -> Result<(), Failure> {
    if common.json {
        let products = links.iter().flat_map(LinkRecord::products);
        let names = names(context, &products.cloned().collect()).await;
        return output::json(&StatusAnswer::Run { run, links, names });
    }
    let lines = overview::runs(std::slice::from_ref(run));
    lines.iter().try_for_each(output::shown)?;
    output::line("")?;
    let columns = [
        column("MEMBER"),
        column("EXPERIENCE"),
        column("STATUS").state(),
        column("ALLOW").number(),
        column("DENY").number(),
        column("REMOVALS").number(),
        column("LEFT ALONE").number(),
        column("EDITED OUTSIDE").folds(),
    ];
    let rows = links.iter().map(|link| {
        vec![
            link.member.to_string(),
            output::or_star(link.lane.as_ref().map(|lane| &lane.experience)),
            link.result().to_owned(),
            link.allow.len().to_string(),
            link.deny.len().to_string(),
            link.removals.to_string(),
            link.left_alone.len().to_string(),
            output::edited(link.edited.len(), link.edited_since),
        ]
    });
    output::table(columns, rows)?;
    for link in links.iter().filter(|link| link.unchecked > 0) {
        output::note(&format!(
            "{}: {} allowed unchecked: AWS Marketplace does not list them, or did not answer",
            output::link_name(link),
            output::count(link.unchecked, "product")
        ));
    }
    for link in links {
        if let Some(told) = output::invalid(&output::link_name(link), &link.invalid) {
            output::note(&told);
        }
        let approval = link.approval.as_ref();
        if let Some(why) = approval.and_then(Approval::refusal) {
            context.note(&format!("{} is refused: {why}", output::link_name(link)));
        }
    }
    tell_warnings(context, run);
    tell_failures(context, run).await?;
    tell_gone(context, links).await
}

/// Holds already announced that no longer wait for approval.
async fn tell_gone(context: &Context, links: &[LinkRecord]) -> Result<(), Failure> {
    let held = |link: &&LinkRecord| link.hold.is_some();
    if !links.iter().any(|link| held(&link)) {
        return Ok(());
    }
    let known = holds::known(context).await?;
    let present: BTreeSet<_> = known
        .iter()
        .flat_map(|known| known.holds().map(|hold| (known.lane.clone(), hold.run)))
        .collect();
    for link in links.iter().filter(held) {
        let key = link.lane.clone().zip(link.hold.as_ref());
        if key.is_some_and(|(lane, hold)| !present.contains(&(lane, hold.run))) {
            context.note(&format!(
                "{} is not held by this plan any more; `pmp-sync holds` lists what is",
                output::link_name(link)
            ));
        }
    }
    Ok(())
}
