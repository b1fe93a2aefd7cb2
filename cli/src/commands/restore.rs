//! `pmp-sync restore`: plans a rollback to the lists before a run, and holds it.

use clap::Args;
use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::run::LinkStatus;

use crate::client::approval::{request, serve};
use crate::client::context::Context;
use crate::client::holds::{choose, words};
use crate::client::run::{self, ended_well};
use crate::failure::Failure;
use crate::options::{Common, LinkOption, Patience};
use crate::output;

/// The rollback to plan.
#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// The run before which the lists were as they should be again.
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) link: LinkOption,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(common: &Common, options: &RestoreOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let entries = context.readable(context.ledger.lanes().await?).into_iter();
    let found = entries
        .filter(|entry| entry.lane.experience == options.link.experience)
        .map(|entry| (Some(entry.member), entry.lane))
        .collect();
    let member = options.link.member.as_ref();
    let hint = "`pmp-sync status` lists the lanes that were ever planned for";
    let lane = choose(found, &options.link.experience, member, hint)?;
    run::one(&context, options.run).await?;
    let served = serve(
        common,
        &context,
        request(ApprovalAction::Restore, &lane, options.run, None),
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
        let run = options.run;
        return output::line(&format!(
            "{name}: nothing to restore, its lists are what they were before run {run}"
        ));
    };
    if !common.json {
        output::line(&format!(
            "{name}: the rollback before run {} is planned and held",
            options.run
        ))?;
        for change in link.shown().changes() {
            output::line(&format!("  {} {}", change.action, change.product))?;
        }
        let approve = context
            .flags
            .approve(hold, &lane.experience, options.link.member.as_ref());
        output::line(&words(hold, &approve))?;
    }
    Err(Failure::Held("the rollback waits for approval".to_owned()))
}
