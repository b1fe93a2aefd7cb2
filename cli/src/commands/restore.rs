//! `pmp-sync restore`: plans a rollback to the lists before a run, and holds it.

use clap::Args;
use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::run::LinkStatus;

use crate::client::approval::{request, serve};
use crate::client::context::Context;
use crate::client::holds::{Candidate, choose, words};
use crate::client::products::names;
use crate::client::run::{self, ended_well};
use crate::failure::Failure;
use crate::options::{Common, LinkOption, Patience, RunName};
use crate::output;

/// The rollback to plan.
#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// The run before which the lists were as they should be again: its id, the beginning of it, or `last`.
    pub(crate) run: RunName,
    #[command(flatten)]
    pub(crate) link: LinkOption,
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
    let run = run::one(&context, &options.run).await?.run;
    let served = serve(
        common,
        &context,
        request(ApprovalAction::Restore, &lane, run, None),
        options.patience.timeout,
    )
    .await?;
    let (name, link) = (served.name(), &served.link);
    let Some(hold) = link
        .hold
        .as_ref()
        .filter(|_| link.status == LinkStatus::Held)
    else {
        if link.status != LinkStatus::InSync {
            return ended_well(&served.run);
        }
        if common.json {
            return Ok(());
        }
        return output::line(&format!(
            "{name}: nothing to restore, its lists are what they were before run {run}"
        ));
    };
    if !common.json {
        output::line(&format!(
            "{name}: the rollback before run {run} is planned and held"
        ))?;
        let names = names(&context, &link.products().cloned().collect()).await;
        for change in link.shown().changes() {
            let product = names.label(&change.product);
            output::line(&format!("  {} {product}", change.action))?;
        }
        let approve = context
            .flags
            .approve(hold, &lane.experience, options.link.member.as_ref());
        output::line(&words(hold, &approve))?;
    }
    Err(Failure::Held("the rollback waits for approval".to_owned()))
}
