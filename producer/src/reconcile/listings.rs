//! Whether the products that a plan would allow are live. A run asks AWS Marketplace, within
//! bounds, and stores the answers in the ledger. Queries use the stored answers.

use std::collections::BTreeSet;

use futures::lock::Mutex;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, LinkError, ServiceError};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::listing::due;
use pmp_sync_domain::ports::{Clock, Discovery, ReadRuns, WriteRuns};
use pmp_sync_domain::records::{Answers, LiveRecord, UnreadableItem};
use pmp_sync_domain::time::elapsed;

use crate::context::Context;

/// No further link begins if less than this is left of the invocation's time, in seconds. A link
/// with thousands of changes takes some of it.
pub(crate) const RESERVE: f64 = 45.0;
/// The most products that one invocation asks for, over all links. The next run asks for the
/// others. Until then the link's `live_check` decides.
const MOST: usize = 50;
/// The duration of that at the service's 5 a second, in seconds. After this time nothing more is
/// asked, however slowly the service answers.
const LONGEST: f64 = 10.0;

/// A source of listings.
pub trait Listings: Sync {
    /// The listings of these products.
    fn answers(
        &self,
        products: &BTreeSet<ProductId>,
    ) -> impl Future<Output = Result<Answers, LinkError>> + Send;
}

/// The stored listings only. Queries use them, and approvals: an approval executes what was shown,
/// and a new answer could only change that.
#[derive(Debug)]
pub struct CachedListings<'a, L>(pub &'a L);

impl<L: ReadRuns> Listings for CachedListings<'_, L> {
    async fn answers(&self, products: &BTreeSet<ProductId>) -> Result<Answers, LinkError> {
        let stored = self.0.live(products).await;
        Ok(by_product(stored.map_err(LinkError::Ledger)?.items))
    }
}

fn by_product(records: Vec<LiveRecord>) -> Answers {
    let records = records.into_iter();
    records
        .map(|record| (record.product.clone(), record))
        .collect()
}

/// The stored listings, and AWS Marketplace for the others. One invocation shares it over all
/// links.
#[derive(Debug)]
pub(crate) struct ListingLookup<'a, L, D, K> {
    ledger: &'a L,
    discovery: &'a D,
    clock: &'a K,
    bounds: Bounds,
}

#[derive(Debug)]
struct Bounds {
    deadline: Timestamp,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    answers: Answers,
    /// Listings that cannot be read. Their products are asked for anew.
    unreadable: Vec<UnreadableItem>,
    /// The number of calls, including failed ones.
    calls: usize,
    since: Option<Timestamp>,
    /// True if AWS Marketplace cannot be asked for now.
    ended: bool,
}

impl Bounds {
    fn new(deadline: Timestamp) -> Self {
        Self {
            deadline,
            asked: Mutex::default(),
        }
    }

    fn may_go_on(&self, asked: &Asked, now: Timestamp) -> bool {
        let in_time = asked
            .since
            .is_none_or(|since| elapsed(since, now) < LONGEST);
        !asked.ended && asked.calls < MOST && in_time && elapsed(now, self.deadline) > RESERVE
    }
}

impl<'a, L, D, K> ListingLookup<'a, L, D, K> {
    /// For an invocation that ends at `deadline`.
    pub(crate) fn new<M, O>(context: &'a Context<L, D, M, O, K>, deadline: Timestamp) -> Self {
        Self {
            ledger: &context.ledger,
            discovery: &context.marketplace,
            clock: &context.system,
            bounds: Bounds::new(deadline),
        }
    }

    /// The listings that could not be read.
    pub(crate) async fn unreadable(&self) -> Vec<UnreadableItem> {
        self.bounds.asked.lock().await.unreadable.clone()
    }
}

impl<L: WriteRuns, D: Discovery, K: Clock> Listings for ListingLookup<'_, L, D, K> {
    async fn answers(&self, products: &BTreeSet<ProductId>) -> Result<Answers, LinkError> {
        let kept = self.ledger.live(products).await;
        let kept = kept.map_err(LinkError::Ledger)?;
        let mut answers = by_product(kept.items);
        if !kept.unreadable.is_empty() {
            let mut asked = self.bounds.asked.lock().await;
            for item in kept.unreadable {
                if !asked.unreadable.contains(&item) {
                    asked.unreadable.push(item);
                }
            }
        }
        let due = due(products, &answers, self.clock.now());
        if due.is_empty() {
            return Ok(answers);
        }
        // One link at a time, so that each product is asked for once.
        let mut asked = self.bounds.asked.lock().await;
        for product in due {
            if let Some(answer) = asked.answers.get(&product) {
                answers.insert(product, answer.clone());
                continue;
            }
            let now = self.clock.now();
            if !self.bounds.may_go_on(&asked, now) {
                continue;
            }
            asked.since = asked.since.or(Some(now));
            asked.calls += 1;
            let said = self.discovery.product(&product).await;
            let (before, now) = (answers.get(&product), self.clock.now());
            let answer = match said {
                Ok(said) => LiveRecord::answered(product.clone(), said, before, now),
                Err(error) if error.kind == Kind::Refused => {
                    tracing::warn!(%product, %error, "AWS Marketplace does not say whether the product is live");
                    LiveRecord::refused(product.clone(), before, now)
                }
                Err(error) => {
                    asked.ended = true;
                    tell(&error);
                    continue;
                }
            };
            // The answer is stored, so that the next observation makes the same plan.
            match self.ledger.put_live(&answer).await {
                // It counts for this run.
                Err(error) if error.is_unreadable() => {}
                stored => stored.map_err(LinkError::Ledger)?,
            }
            asked.answers.insert(product.clone(), answer.clone());
            answers.insert(product, answer);
        }
        Ok(answers)
    }
}

fn tell(error: &ServiceError) {
    tracing::warn!(%error, "AWS Marketplace cannot be asked whether products are live; the run stops asking");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn asking_ends_in_time_for_what_is_to_be_done_with_the_answers() {
        let fresh = Asked::default;
        let since = |seconds| Asked {
            since: Some(at(seconds)),
            ..fresh()
        };
        // The invocation ends at 120 s, and 45 s of it are reserved for committing and sending.
        for (asked, now, may) in [
            (fresh(), 0, true),
            (fresh(), 74, true),
            (fresh(), 75, false),
            (since(0), 9, true),
            (since(0), 10, false),
            (since(70), 74, true),
            (
                Asked {
                    calls: MOST,
                    ..fresh()
                },
                0,
                false,
            ),
            (
                Asked {
                    ended: true,
                    ..fresh()
                },
                0,
                false,
            ),
        ] {
            let bounds = Bounds::new(at(120));
            assert_eq!(bounds.may_go_on(&asked, at(now)), may, "{asked:?} {now}");
        }
    }
}
