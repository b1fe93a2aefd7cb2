//! Whether the products that a plan would allow are live. A run asks AWS Marketplace, within bounds, and
//! keeps the answers in the ledger; whoever only looks goes by what is kept.

use std::collections::BTreeSet;

use futures::lock::Mutex;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, LinkError, ServiceError};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::listing::due;
use pmp_sync_domain::ports::{Discovery as _, ReadRuns, WriteRuns as _};
use pmp_sync_domain::records::{Answers, Listing, LiveRecord};
use pmp_sync_domain::time::elapsed;

use crate::run::begin::RESERVE;
use crate::{Ports, Producer};

/// Products that one invocation asks for at most, over all links. The others are asked for by the next
/// run; until then a link's `live_check` says what that means.
const MOST: usize = 50;
/// How long that takes at the service's 5 a second, in seconds: after this no more is asked, however
/// slowly it answers.
const LONGEST: f64 = 10.0;

/// Who knows whether products are live.
pub(crate) trait Informant: Sync {
    /// What is known of these products.
    fn answers(
        &self,
        products: &BTreeSet<ProductId>,
    ) -> impl Future<Output = Result<Answers, LinkError>> + Send;
}

/// The ledger alone: for looks, which ask nobody and write nothing.
#[derive(Debug)]
pub(crate) struct Kept<'a, L>(pub(crate) &'a L);

impl<L: ReadRuns> Informant for Kept<'_, L> {
    async fn answers(&self, products: &BTreeSet<ProductId>) -> Result<Answers, LinkError> {
        self.0.live(products).await.map_err(LinkError::Ledger)
    }
}

/// What an invocation has asked so far, for all its links.
#[derive(Debug)]
pub(crate) struct Inquiry {
    deadline: Timestamp,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    answers: Answers,
    /// Calls, those that failed included.
    calls: usize,
    since: Option<Timestamp>,
    /// Nobody can be asked for now.
    ended: bool,
}

impl Inquiry {
    /// Of an invocation that ends then.
    pub(crate) fn new(deadline: Timestamp) -> Self {
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

/// The ledger, and AWS Marketplace where it does not know: for runs. Without an inquiry nobody is asked:
/// what somebody has approved is executed as it was shown, and an answer could only add to it.
pub(crate) struct Asking<'a, P> {
    producer: &'a Producer<P>,
    inquiry: Option<&'a Inquiry>,
}

impl<P: Ports> Producer<P> {
    pub(crate) fn asking<'a>(&'a self, inquiry: Option<&'a Inquiry>) -> Asking<'a, P> {
        Asking {
            producer: self,
            inquiry,
        }
    }
}

impl<P: Ports> Informant for Asking<'_, P> {
    async fn answers(&self, products: &BTreeSet<ProductId>) -> Result<Answers, LinkError> {
        let ports = &self.producer.ports;
        let kept = ports.ledger().live(products).await;
        let mut answers = kept.map_err(LinkError::Ledger)?;
        let due = due(products, &answers, self.producer.now());
        let Some(inquiry) = self.inquiry.filter(|_| !due.is_empty()) else {
            return Ok(answers);
        };
        // One link at a time, so that a product is asked for once.
        let mut asked = inquiry.asked.lock().await;
        for product in due {
            if let Some(answer) = asked.answers.get(&product) {
                answers.insert(product, answer.clone());
                continue;
            }
            let now = self.producer.now();
            if !inquiry.may_go_on(&asked, now) {
                continue;
            }
            asked.since = asked.since.or(Some(now));
            asked.calls += 1;
            let listing = match ports.discovery().is_live(&product).await {
                Ok(true) => Listing::Live,
                Ok(false) => Listing::NotLive,
                Err(error) if error.kind == Kind::Refused => {
                    tracing::warn!(%product, %error, "AWS Marketplace does not say whether the product is live");
                    Listing::Refused
                }
                Err(error) => {
                    asked.ended = true;
                    tell(&error);
                    continue;
                }
            };
            let answer = LiveRecord::new(product.clone(), listing, self.producer.now());
            // What the plan goes by is kept: the next look is to come to the same plan.
            let stored = ports.ledger().put_live(&answer).await;
            stored.map_err(LinkError::Ledger)?;
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
        // The invocation ends at 120, and 45 s of it are for committing and sending.
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
            let inquiry = Inquiry::new(at(120));
            assert_eq!(inquiry.may_go_on(&asked, at(now)), may, "{asked:?} {now}");
        }
    }
}
