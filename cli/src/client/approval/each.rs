//! One request for each link, a few at a time, and the wait for all of their runs.

use futures::stream::{self, StreamExt as _};
use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ports::ReadRuns as _;

use super::meant::{AllMeant, Meant};
use super::{Outcome, ask, request};
use crate::client::context::Context;
use crate::client::holds::Known;
use crate::client::run::live::Live;
use crate::client::run::wait_for;
use crate::client::signals::goes_on;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Requests that wait for their runs at the same time: the run of each must be among the newest.
const AT_ONCE: usize = 8;

/// What is asked about each link.
pub(crate) struct Question<'a> {
    /// Approve or reject.
    pub(crate) action: ApprovalAction,
    /// Why, for the record.
    pub(crate) reason: Option<&'a str>,
    /// The longest time to wait for each run, in seconds.
    pub(crate) timeout: u64,
    /// What is meant.
    pub(crate) all: &'a AllMeant,
}

/// What came of the request about one link.
pub(crate) struct Asked<'a> {
    /// The link.
    pub(crate) known: &'a Known,
    /// What was asked about it.
    pub(crate) meant: &'a Meant,
    /// What its run recorded. None if there is no such run, or if it was not waited for to its end.
    pub(crate) outcome: Option<Outcome>,
    /// Why not.
    pub(crate) failure: Option<Failure>,
}

/// Asks about each link, and waits for all of them.
pub(crate) async fn ask_each<'a>(context: &Context, question: &Question<'a>) -> Vec<Asked<'a>> {
    let progress = Progress::new();
    let count = question.all.meant.len();
    let live = if count == 1 {
        progress.step("waiting for the run");
        Live::new(&progress)
    } else {
        progress.step(format!("waiting for {}", output::count(count, "run")));
        Live::of_several(&progress)
    };
    let _goes_on = goes_on(
        "what was requested goes on, and the same command asks for the rest: `pmp-sync status --watch` shows the runs, `pmp-sync suspend` starts no further change set",
    );
    let asked = stream::iter(question.all.links())
        .map(|(known, meant)| {
            let live = &live;
            async move {
                let asked = ask_one(context, question, (known, meant), live).await;
                let (outcome, failure) = match asked {
                    Ok(outcome) => (Some(outcome), None),
                    Err(failure) => (None, Some(failure)),
                };
                Asked {
                    known,
                    meant,
                    outcome,
                    failure,
                }
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    progress.finish();
    asked
}

async fn ask_one(
    context: &Context,
    question: &Question<'_>,
    (known, meant): (&Known, &Meant),
    live: &Live<'_>,
) -> Result<Outcome, Failure> {
    let hash = Some(meant.hash.clone());
    let reason = question.reason;
    let request = request(question.action, &known.lane, meant.run, hash, reason);
    let id = ask(context, request).await?;
    let run = wait_for(context, &id, question.timeout, live).await?;
    let link = context.ledger.link(run.run, &known.lane).await?;
    Ok(Outcome {
        lane: known.lane.clone(),
        run,
        link,
    })
}
