//! `pmp-sync restore`: plans a rollback to the lists before a run, and holds it.

use clap::Args;
use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::records::LinkRecord;

use crate::client::context::Context;
use crate::client::holds::{Candidate, choose};
use crate::client::product_list::change::reason;
use crate::client::rollback::{Lane, changing, has_changed, nothing_changed, plan};
use crate::client::run;
use crate::failure::Failure;
use crate::options::{Common, LinkOption, Patience, RunName};

/// The rollback to plan.
#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// The run before which the lists were as they should be again: its id, the beginning of it, or `last`, which is the
    /// newest one that changed something there.
    pub(crate) run: RunName,
    #[command(flatten)]
    pub(crate) link: LinkOption,
    /// Why. `pmp-sync holds`, `history` and the report show it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(common: &Common, options: &RestoreOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let entries = context.readable(context.ledger.lanes().await?).into_iter();
    let found = entries
        .map(|entry| Candidate {
            member: Some(entry.member),
            experience: entry.lane.experience.clone(),
            lane: entry.lane,
        })
        .collect();
    let hint = "`pmp-sync status` lists the lanes that were ever planned for";
    let lane = choose(found, &options.link, hint)?;
    let is_meant = |link: &LinkRecord| link.lane.as_ref() == Some(&lane);
    let run = match &options.run {
        RunName::Last => changing(&context, is_meant).await?,
        name => run::one(&context, name).await?.run,
    };
    let links = context.readable(context.ledger.links(run).await?);
    let record = links.iter().find(|link| is_meant(link));
    // Without a record the producer knows whether there is something to return to.
    if record.is_some_and(|record| !has_changed(record)) {
        return Err(nothing_changed(run, record.into_iter()));
    }
    let lanes = [Lane {
        lane,
        member: options.link.member.clone(),
    }];
    let what = (ApprovalAction::Restore, run, options.reason.as_deref());
    plan(common, &context, what, &lanes, options.patience.timeout).await
}
