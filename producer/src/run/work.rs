//! Reconciles the links of a run with bounded concurrency. A failure stays with its link. Links
//! that do not fit into the invocation are handed to the next one.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::{Inbox, Members};
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{Continuation, Scope};

use super::finish::{add_outcomes, finish_run, warn_of_items};
use crate::claims::Claims;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::reach::{DesiredStates, read_management};
use crate::reconcile::listings::{ListingLookup, RESERVE};
use crate::reconcile::outcome::LinkOutcome;
use crate::reconcile::prune::prune;
use crate::reconcile::{RunScope, reconcile_link};
use crate::requests::{announce_open, read_open};
use crate::setup::{Setup, in_scope};

/// Links that are reconciled concurrently.
const LINKS_AT_ONCE: usize = 8;

/// Reconciles the links at these indexes of the configuration, as far as the run's scopes cover
/// them. If none is left, returns the products that it found: those of the management lists, and those that differ.
pub(crate) async fn work_through<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    mut record: RunRecord,
    setup: &Setup,
    links: Vec<usize>,
    deadline: Timestamp,
) -> Result<Option<BTreeSet<ProductId>>, RunError> {
    let (run, scopes) = (record.run, &record.scopes);
    let chosen = links
        .iter()
        .filter_map(|place| setup.config.links.get(*place))
        .filter(|link| in_scope(link, scopes));
    let desired = &read_management(&context.marketplace, chosen).await;
    let of = &RunScope {
        run,
        setup,
        scopes,
        desired,
        claims: &Claims::default(),
        is_continued: record.continued > 0,
    };
    let listings = &ListingLookup::new(context, deadline);
    let served: Vec<_> = stream::iter(links)
        .map(|place| async move {
            let link = setup.config.links.get(place)?;
            if !in_scope(link, scopes) {
                return None;
            }
            // A slow link delays no other, and no link begins that might be interrupted.
            if elapsed(context.now(), deadline) <= RESERVE {
                return Some(Err(place));
            }
            Some(Ok(reconcile_link(context, of, link, listings).await))
        })
        .buffer_unordered(LINKS_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let (mut outcomes, mut left) = (Vec::new(), Vec::new());
    for served in served {
        match served {
            Ok(of_link) => outcomes.extend(of_link),
            Err(place) => left.push(place),
        }
    }
    left.sort_unstable();
    warn_of_items(&mut record, &listings.unreadable().await);
    let listed = listed(desired, &outcomes);
    add_outcomes(context, &mut record, outcomes).await?;
    if left.is_empty() {
        let requests = read_open(context, &setup.config).await;
        warn_of_items(&mut record, &requests.unreadable);
        if record.scopes.iter().any(Scope::is_everything) {
            let pruned = prune(context, run, setup).await;
            warn_of_items(&mut record, &pruned.unreadable);
            add_outcomes(context, &mut record, pruned.outcomes).await?;
        }
        finish_run(context, record).await?;
        announce_open(context, setup, &requests).await;
        return Ok(Some(listed));
    }
    tracing::info!(%run, links = left.len(), "the run goes on in another invocation");
    record.cursor = left;
    record.continued = record.continued.saturating_add(1);
    context.ledger.put_run(&record).await?;
    hand_on(context, &record).await?;
    Ok(None)
}

/// The products of the management lists, and those that differ on a member experience.
fn listed(desired: &DesiredStates, outcomes: &[LinkOutcome]) -> BTreeSet<ProductId> {
    let sources = desired.sources.values();
    let management = sources.filter_map(|source| source.as_ref().ok());
    let management = management.flat_map(|source| source.policy.iter());
    let mut listed: BTreeSet<_> = management.map(|(product, _)| product.clone()).collect();
    for LinkOutcome { record, .. } in outcomes {
        listed.extend(record.products().cloned());
    }
    listed
}

/// Sends the rest of a run to the next invocation, as its record says.
pub(crate) async fn hand_on<L, A, M, O: Inbox, S>(
    context: &Context<L, A, M, O, S>,
    record: &RunRecord,
) -> Result<(), RunError> {
    let rest = Continuation {
        run: record.run,
        config_version: record.config_version,
        links: record.cursor.clone(),
        scopes: record.scopes.clone(),
        number: record.continued,
    };
    Ok(context.outbox.go_on(&rest).await?)
}
