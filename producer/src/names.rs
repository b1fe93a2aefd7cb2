//! Looks up the names of listed products while the producer has nothing else to do: after a scheduled run, and
//! only until a message waits in the inbox.
//!
//! A name is for people. So nothing waits for it, and nothing fails for lack of it.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::listing::nameless;
use pmp_sync_domain::ports::{Clock, Discovery, Entropy, Inbox, WriteRuns};
use pmp_sync_domain::records::{Answers, LiveRecord};
use pmp_sync_domain::time::elapsed;

use crate::context::Context;

/// The most products of which one invocation reads what is known.
const WINDOW: usize = 1_000;
/// The most products that one invocation asks AWS Marketplace for.
const MOST: usize = 100;
/// After this time nothing more is asked, in seconds: the duration of that at the service's 5 a second.
const LONGEST: f64 = 20.0;
/// No look-up begins if less than this is left of the invocation's time, in seconds.
const RESERVE: f64 = 45.0;
/// How many look-ups are made before the inbox is looked at again: one second's.
const BETWEEN_LOOKS: usize = 5;
/// After so many failures of the service no more is asked.
const MOST_FAILURES: usize = 3;

/// Why it ends before everything is looked up.
enum End {
    /// The service, or the ledger, does not answer.
    Failing(ServiceError),
    /// Something else is to be done.
    Busy,
}

/// Looks up names of these products, within bounds. The invocation ends at `deadline`.
pub(crate) async fn look_up_names<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    listed: &BTreeSet<ProductId>,
    deadline: Timestamp,
) where
    L: WriteRuns,
    A: Discovery,
    O: Inbox,
    S: Clock + Entropy,
{
    if listed.is_empty() {
        return;
    }
    match look_up(context, listed, deadline).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "names of products are looked up"),
        Err(End::Busy) => tracing::debug!("names of products wait: the producer is not idle"),
        Err(End::Failing(error)) => {
            tracing::warn!(%error, "names of products cannot be looked up for now");
        }
    }
}

async fn look_up<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    listed: &BTreeSet<ProductId>,
    deadline: Timestamp,
) -> Result<usize, End>
where
    L: WriteRuns,
    A: Discovery,
    O: Inbox,
    S: Clock + Entropy,
{
    let began = context.now();
    let may_go_on = |now| elapsed(began, now) < LONGEST && elapsed(now, deadline) > RESERVE;
    if !may_go_on(began) {
        return Ok(0);
    }
    is_idle(context).await?;
    let window = window(listed, context.system.bits());
    let stored = context.ledger.live(&window).await.map_err(End::Failing)?;
    // What cannot be read cannot be written either.
    let unreadable = stored.unreadable.iter().filter_map(|item| item.product());
    let unreadable: BTreeSet<_> = unreadable.cloned().collect();
    let window: BTreeSet<_> = window.difference(&unreadable).cloned().collect();
    let known: Answers = stored
        .items
        .into_iter()
        .map(|record| (record.product.clone(), record))
        .collect();
    let (mut count, mut failures) = (0, 0);
    for product in nameless(&window, &known, began).into_iter().take(MOST) {
        if count > 0 && count % BETWEEN_LOOKS == 0 {
            is_idle(context).await?;
        }
        if !may_go_on(context.now()) {
            break;
        }
        count += 1;
        let before = known.get(&product);
        let said = context.marketplace.product(&product).await;
        let now = context.now();
        let (record, failed) = match said {
            Ok(said) => (LiveRecord::answered(product, said, before, now), None),
            Err(error) if error.kind == Kind::Refused => {
                (LiveRecord::refused(product, before, now), None)
            }
            // It is about all products.
            Err(error) if matches!(error.kind, Kind::Denied | Kind::Throttled) => {
                return Err(End::Failing(error));
            }
            Err(error) => (LiveRecord::failed(product, before, now), Some(error)),
        };
        let stored = context.ledger.put_live(&record).await;
        stored.map_err(End::Failing)?;
        if let Some(error) = failed {
            failures += 1;
            if failures == MOST_FAILURES {
                return Err(End::Failing(error));
            }
        }
    }
    Ok(count)
}

/// An error if a message waits in the inbox, or nobody knows.
async fn is_idle<L, A, M, O: Inbox, S>(context: &Context<L, A, M, O, S>) -> Result<(), End> {
    match context.outbox.is_anything_waiting().await {
        Ok(false) => Ok(()),
        Ok(true) => Err(End::Busy),
        Err(error) => Err(End::Failing(error)),
    }
}

/// Up to [`WINDOW`] products from a random one on, in a circle. So each is looked at after some runs.
fn window(listed: &BTreeSet<ProductId>, random: u128) -> BTreeSet<ProductId> {
    if listed.len() <= WINDOW {
        return listed.clone();
    }
    let count = u128::try_from(listed.len()).unwrap_or(u128::MAX);
    let begin = usize::try_from(random % count).unwrap_or_default();
    let circle = listed.iter().cycle().skip(begin);
    circle.take(WINDOW).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(count: usize) -> BTreeSet<ProductId> {
        let ids = (0..count).map(|number| format!("prod-{number:05}"));
        ids.map(|id| ProductId::new(id).unwrap()).collect()
    }

    #[test]
    fn a_window_is_bounded_and_reaches_every_product() {
        let few = products(WINDOW);
        assert_eq!(window(&few, 77), few);
        let many = products(2_500);
        let mut seen = BTreeSet::new();
        for random in [0, 1_000, 2_000, 2_499, u128::MAX] {
            let window = window(&many, random);
            assert_eq!(window.len(), WINDOW);
            seen.extend(window);
        }
        assert_eq!(seen, many);
    }
}
