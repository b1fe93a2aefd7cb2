//! `pmp-sync revert`: plans to take back what a run has changed, and nothing that came later, and holds it.

use clap::Args;
use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::wire::Scope;

use crate::client::context::Context;
use crate::client::product_list::change::reason;
use crate::client::rollback::{Lane, changing, has_changed, nothing_changed, plan};
use crate::client::{run, scope};
use crate::failure::Failure;
use crate::options::{Common, Narrowing, Patience, RunName};
use crate::output;

/// The most links that are reverted at once: each is a run of its own.
const MOST_LINKS: usize = 200;

/// The run to revert.
#[derive(Debug, Args)]
pub(crate) struct RevertOptions {
    /// The run whose changes are to be taken back: its id, the beginning of it, or `last`, which is the newest one that
    /// changed something there.
    pub(crate) run: RunName,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// Why. `pmp-sync holds`, `history` and the report show it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(common: &Common, options: &RevertOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let is_in = |link: &LinkRecord| is_in(link, &scope);
    let run = match &options.run {
        RunName::Last => changing(&context, is_in).await?,
        name => run::one(&context, name).await?.run,
    };
    let links = context.readable(context.ledger.links(run).await?);
    let lanes = changed(&links, &scope);
    if lanes.is_empty() {
        return Err(nothing_changed(
            run,
            links.iter().filter(|link| is_in(link)),
        ));
    }
    if lanes.len() > MOST_LINKS {
        return Err(Failure::CommandLine {
            message: format!(
                "run {run} changed {}, and at most {MOST_LINKS} are reverted at once",
                output::count(lanes.len(), "link")
            ),
            remedy: "name members with --member".to_owned(),
        });
    }
    let what = (ApprovalAction::Revert, run, options.reason.as_deref());
    plan(common, &context, what, &lanes, options.patience.timeout).await
}

fn is_in(link: &LinkRecord, scope: &Scope) -> bool {
    let lane = link.lane.as_ref();
    lane.is_some_and(|lane| scope.covers(&link.member, &lane.experience))
}

/// The links of the scope on which the run has committed something.
fn changed(links: &[LinkRecord], scope: &Scope) -> Vec<Lane> {
    let committed = links
        .iter()
        .filter(|link| is_in(link, scope) && has_changed(link));
    let lanes = committed.filter_map(|link| {
        let lane = link.lane.clone()?;
        let of = links.iter().filter_map(|link| link.lane.as_ref());
        let same = of.filter(|other| other.experience == lane.experience);
        Some(Lane {
            member: (same.count() > 1).then(|| link.member.clone()),
            lane,
        })
    });
    lanes.collect()
}
