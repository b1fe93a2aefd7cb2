//! Publishes the report after a scheduled run, if the stack says where: when everything of the batch is served, and only while
//! nothing waits in the inbox.
//!
//! The page is for people. So nothing waits for it, and nothing fails for lack of it: why there is none is logged, and the next
//! scheduled run tries again.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::report::{LinkStandings, ManagementLists, ReportRequest};
use pmp_sync_domain::error::{NotPublished, ServiceError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::Members;
use pmp_sync_domain::records::{LinkState, names_of};
use pmp_sync_domain::time::{elapsed, later};
use pmp_sync_report::{Commands, Gathered, LaneFacts, assemble, lane_of, render};

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::queries::report_until;
use crate::requests::requests_of_report;
use crate::setup::Setup;

/// No publication begins if less than this is left of the invocation's time, in seconds.
const RESERVE: f64 = 60.0;
/// After this time no further member is looked at, in seconds. An operator's request waits for as long.
const LOOKING: i64 = 25;
/// The page is not sent if less than this is left, in seconds: the longest that the call takes, and the answer of the batch.
const SENDING: f64 = 20.0;
/// The largest page that is published, in bytes. Nobody reads a larger one.
const MOST_BYTES: usize = 8_000_000;
/// The number of runs on the page.
const RUNS: u16 = 100;
/// Lanes that are read concurrently.
const LANES_AT_ONCE: usize = 8;

/// Publishes the report, within bounds. The invocation ends at `deadline`.
pub(crate) async fn publish_report<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    deadline: Timestamp,
) {
    let Some(name) = context.outbox.publishes_for() else {
        return;
    };
    // Boxed, because the future of the whole report is large.
    match Box::pin(publish(context, name, deadline)).await {
        Ok(Some(bytes)) => tracing::info!(bytes, "the report is published"),
        Ok(None) => tracing::info!("the report waits: the producer is not idle"),
        Err(error) => {
            let (code, remedy) = (NotPublished::CODE, error.remedy());
            tracing::warn!(code, remedy, %error, "the report is not published");
        }
    }
}

/// Returns the size of the page, or none if the producer is not idle.
async fn publish<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    name: String,
    deadline: Timestamp,
) -> Result<Option<usize>, NotPublished> {
    let began = context.now();
    if elapsed(began, deadline) <= RESERVE {
        return Err(NotPublished::NoTime);
    }
    // If nobody knows, it counts as if a message waited.
    if context.outbox.is_anything_waiting().await.unwrap_or(true) {
        return Ok(None);
    }
    let gathered = gather(context, name, later(began, LOOKING)).await?;
    let page = render(&assemble(gathered));
    let (bytes, most) = (page.len(), MOST_BYTES);
    if bytes > most {
        return Err(NotPublished::TooLarge { bytes, most });
    }
    if elapsed(context.now(), deadline) <= SENDING {
        return Err(NotPublished::NoTime);
    }
    let published = context.outbox.publish(page).await;
    published.map_err(NotPublished::Unwritten)?;
    Ok(Some(bytes))
}

/// Everything that the page tells, except the dead letters: to look at them hides them from others for a moment.
async fn gather<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    name: String,
    until: Timestamp,
) -> Result<Gathered, NotPublished> {
    let ledger = &context.ledger;
    let part = report_until(context, &ReportRequest::default(), until).await?;
    let part = part.ok_or(NotPublished::NoTime)?;
    let read = stream::iter(part.links.iter().filter_map(lane_of)).map(|lane| async move {
        if context.now() > until {
            return Err(NotPublished::NoTime);
        }
        match facts(ledger, &lane).await {
            Ok((facts, link_state)) => Ok(Some((lane, facts, link_state))),
            // Its link says why it cannot be observed.
            Err(error) if error.is_unreadable() => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    let read: Vec<_> = read.buffered(LANES_AT_ONCE).collect().await;
    let (mut lanes, mut link_states) = (BTreeMap::new(), BTreeMap::new());
    for read in read {
        if let Some((lane, facts, link_state)) = read? {
            lanes.insert(lane.clone(), facts);
            link_states.insert(lane, link_state);
        }
    }
    let setup = Setup::read(ledger).await?;
    let mut runs = ledger.newest_runs(RUNS + 1).await?.items;
    let older_runs = runs.len() > usize::from(RUNS);
    runs.truncate(usize::from(RUNS));
    let (requests, dropped_requests) = requests_of_report(context, &setup.config).await?;
    let listed = part.management.iter().flat_map(ManagementLists::products);
    let differing = part.links.iter().flat_map(LinkStandings::products);
    let facts = || lanes.values();
    let quarantined = facts().flat_map(|facts: &LaneFacts| &facts.quarantined);
    let quarantined = quarantined.map(|one| &one.product);
    let edited = link_states
        .values()
        .flat_map(|of: &LinkState| of.edited.keys());
    let sets = facts().flat_map(|facts: &LaneFacts| facts.sets.iter().flatten());
    let changed = sets.flat_map(|set| set.allow.iter().chain(&set.deny));
    let products = listed.chain(differing).chain(quarantined);
    let products = products.chain(edited).chain(changed).cloned().collect();
    let names = names_of(&ledger.live(&products).await?.items);
    let links = &setup.config.links;
    Ok(Gathered {
        now: context.now(),
        commands: Commands::of_stacks(&name),
        name,
        config_version: part.config_version,
        stale_after_hours: links.first().map_or(0, |link| link.stale_after_hours),
        management: part
            .management
            .into_iter()
            .map(|lists| (lists.experience.clone(), lists))
            .collect(),
        links: part.links,
        names,
        left_out: part.left_out,
        letters: BTreeMap::new(),
        left: BTreeMap::new(),
        lanes,
        link_states,
        suspensions: setup.suspensions,
        runs,
        older_runs,
        requests,
        dropped_requests,
    })
}

async fn facts<L: Ledger>(
    ledger: &L,
    lane: &LaneId,
) -> Result<(LaneFacts, LinkState), ServiceError> {
    let facts = LaneFacts {
        state: ledger.state(lane).await?,
        open: ledger.open(lane).await?.items.len(),
        quarantined: ledger.quarantined(lane).await?.items,
        // Only for what changed this week: the page says if it is missing.
        sets: ledger.sets(lane, None).await.ok().map(|found| found.items),
    };
    Ok((facts, ledger.link_state(lane).await?))
}
