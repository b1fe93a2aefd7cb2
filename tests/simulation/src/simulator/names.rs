//! The names of products: they stay once they are known, they are looked up for every listed product, and they change nothing
//! and delay nothing else.

use std::collections::BTreeSet;

use pmp_sync_domain::config::Config;
use pmp_sync_domain::product::ProductDetails;
use pmp_sync_domain::records::{LIVE_FOR, Listing, LiveRecord};

use super::invariants::{Violation, broken};
use super::scene::{HOUR, at};
use super::state::Simulator;

/// The most products that one run asks for.
const MOST: u64 = 100;
/// The most products that are looked up while a message waits: the inbox is looked at again after so many.
const MOST_IN_A_ROW: u32 = 5;
/// No look-up begins in the last seconds of an invocation.
const RESERVE: i64 = 45;
/// The time of one look-up at most, in milliseconds, while nothing is slow.
const LOOK_UP: i64 = 1_000;

impl Simulator {
    /// What AWS Marketplace said of some products a while ago: they are due to be asked for again in the life of the world. Some of
    /// them are gone by now.
    pub(crate) fn add_old_listings(&mut self) {
        let mut rng = self.rng.next("old-listings");
        if !rng.of("has").once_in(3) {
            return;
        }
        for product in self.scene.products.clone() {
            if !rng.of("known").once_in(2) {
                continue;
            }
            let asked = at(-LIVE_FOR * 1_000 + rng.of("age").between(0, 6 * HOUR));
            let details = ProductDetails {
                name: format!("Product {product}"),
                ..ProductDetails::default()
            };
            let record = LiveRecord::answered(product.clone(), Some(details), None, asked);
            self.world
                .ledger(|ledger| ledger.live.insert(product.clone(), record));
            self.stats.add("old listings");
            if rng.of("gone").once_in(3) {
                self.world.set_live(&product, false);
                self.delisted.insert(product);
            }
        }
    }

    /// AWS Marketplace lists some products no longer; one that it did not list is listed again.
    pub(super) fn delist(&mut self) {
        self.stats.add("products delisted");
        let count = self.rng.of("delisted-count").count(1, 3);
        for _ in 0..count {
            let product = self.rng.of("delisted").pick(&self.scene.products);
            let Some(product) = product.cloned() else {
                continue;
            };
            let is_gone = self.delisted.insert(product.clone());
            if !is_gone {
                self.delisted.remove(&product);
            }
            self.world.set_live(&product, !is_gone);
            self.trace
                .line(self.now, || format!("{product} is listed: {}", !is_gone));
        }
    }

    /// Looks at every listing that was written.
    pub(super) fn see_listings(&mut self) -> Result<(), Violation> {
        let written = self
            .world
            .ledger(|ledger| ledger.watched_listings.as_mut().map(std::mem::take));
        for (before, record) in written.into_iter().flatten() {
            keeps_the_name(before.as_ref(), &record)?;
            keeps_the_answer(before.as_ref(), &record)?;
            self.stats.add("listings written");
        }
        let most = self.world.most_idle_look_ups();
        if most > MOST_IN_A_ROW {
            return broken("names-give-way", || {
                format!("{most} names were looked up in a row while a message waited")
            });
        }
        Ok(())
    }

    /// After an undisturbed scheduled run, which asked for so many products in so many milliseconds: each product of a management
    /// experience that can be read was asked for, unless it was one too many or the time was short.
    pub(super) fn names_are_known(
        &self,
        config: &Config,
        count: u64,
        took: i64,
    ) -> Result<(), Violation> {
        let time = (self.profile.patience - RESERVE) * 1_000;
        if count >= MOST || took + LOOK_UP > time {
            return Ok(());
        }
        let experiences: BTreeSet<_> = config
            .links
            .iter()
            .flat_map(|link| link.sources.iter())
            .collect();
        let asked = self.world.ledger(|ledger| ledger.live.clone());
        for id in experiences {
            let listed = self.world.experiences(|all| {
                let experience = all.experience(id);
                let is_read = experience.is_some_and(|of| of.policy.is_some() && of.is_live());
                is_read.then(|| all.policy(id))
            });
            let Some(listed) = listed else { continue };
            for (product, _) in listed.iter() {
                if !asked.contains_key(product) {
                    return broken("named", || {
                        format!("nobody has asked for the name of {product}, which {id} lists")
                    });
                }
            }
        }
        Ok(())
    }
}

/// A name stays when a later answer has none.
fn keeps_the_name(before: Option<&LiveRecord>, record: &LiveRecord) -> Result<(), Violation> {
    let known = before.and_then(LiveRecord::name);
    if known.is_some() && record.name().is_none() {
        return broken("named", || {
            format!("the name of {} is forgotten: {known:?}", record.product)
        });
    }
    Ok(())
}

/// A look-up of a name that failed leaves the answer that counts, or none.
fn keeps_the_answer(before: Option<&LiveRecord>, record: &LiveRecord) -> Result<(), Violation> {
    let failed = record.failed_at.is_some()
        && record.failed_at != before.and_then(|before| before.failed_at);
    if !failed {
        return Ok(());
    }
    let stays = match before {
        Some(before) => {
            let answer = |of: &LiveRecord| (of.listing, of.asked_at, of.until);
            answer(before) == answer(record)
        }
        None => record.listing == Listing::Refused && record.until <= record.asked_at,
    };
    if stays {
        return Ok(());
    }
    broken("named", || {
        format!("a failed look-up of a name changed {before:?} to {record:?}")
    })
}
