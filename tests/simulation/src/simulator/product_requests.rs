//! Users' requests for products. Their events come twice, late, in any order, as something that cannot
//! be read, or never. At rest each that was delivered is on record once, in its newest state, as far
//! as there was room; and each that waits for an answer is announced.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::ids::{AccountId, ProductRequestId};
use pmp_sync_domain::records::{ProductRequest, RequestState};
use pmp_sync_domain::wire::{PRODUCT_REQUESTED, ProductRequestEvent};

use super::invariants::{Violation, broken};
use super::scene::{MINUTE, MOST_REQUESTS, at};
use super::state::Simulator;

/// Invocations of one member that may record at the same time.
const AT_ONCE: usize = 2;

/// Requests of one rush.
const RUSH: usize = 8;

/// How a request may end.
const ENDS: [RequestState; 4] = [
    RequestState::Expired,
    RequestState::Cancelled,
    RequestState::Declined,
    RequestState::Approved,
];

/// The later of two ends counts; of two at the same moment the one that grants more.
fn rank(state: RequestState) -> u8 {
    match state {
        RequestState::Open => 0,
        RequestState::Expired => 1,
        RequestState::Cancelled => 2,
        RequestState::Declined => 3,
        RequestState::Approved => 4,
    }
}

/// The state of a request after these events, whatever their order.
fn newest(events: &[ProductRequestEvent]) -> RequestState {
    let ends = events
        .iter()
        .filter(|event| event.state != RequestState::Open);
    let last = ends.max_by_key(|event| (event.at, rank(event.state)));
    last.map_or(RequestState::Open, |event| event.state)
}

impl Simulator {
    /// Users of the member request a product each: one, or more of them than there is room for.
    pub(crate) fn request_products(&mut self, member: usize) {
        let is_rush = self.rng.of("request-rush").once_in(8);
        for _ in 0..if is_rush { RUSH } else { 1 } {
            self.request_product(member);
        }
    }

    /// A user of the member requests a product. The request may end, even twice.
    fn request_product(&mut self, member: usize) {
        let Some(scene) = self.scene.members.get(member) else {
            return;
        };
        let (account, experience) = (scene.account.clone(), scene.experiences.first().cloned());
        let mut rng = self.rng.next("product-request");
        let product = rng.of("product").pick(&self.scene.products).cloned();
        let id = ProductRequestId::new(format!("pr-{}", self.scheduled)).ok();
        let (Some(experience), Some(product), Some(id)) = (experience, product, id) else {
            return;
        };
        self.scheduled += 1;
        self.stats.add("procurement requests");
        let mut events = vec![(self.now, RequestState::Open)];
        let mut when = self.now;
        while rng.of("ends").once_in(2) && events.len() < 3 {
            when += rng.of("end-after").between(0, 20 * MINUTE);
            let state = rng.of("end").pick(&ENDS).copied();
            events.extend(state.map(|state| (when, state)));
        }
        for (when, state) in events {
            let event = ProductRequestEvent {
                request: id.clone(),
                state,
                at: Some(at(when)),
                product: product.clone(),
                title: Some("A product".to_owned()),
                manufacturer: None,
                experience: experience.clone(),
                requester: None,
                expires_at: None,
            };
            if rng.of("lost").percent(self.profile.lose_events / 2) {
                self.stats.add("events of procurement requests lost");
                continue;
            }
            if rng.of("unreadable").once_in(16) {
                self.stats.add("events of procurement requests unreadable");
                self.garbage += 1;
                let body = event.to_body().replace(id.as_str(), "no id");
                self.world
                    .changes(&account, |queue| queue.push(body, at(when)));
                continue;
            }
            let times = if rng.of("twice").percent(self.profile.duplicate) {
                2
            } else {
                1
            };
            for _ in 0..times {
                // An event may overtake the one before it.
                let due = at(when + rng.of("delay").between(0, 30 * MINUTE));
                let body = event.to_body();
                self.world.changes(&account, |queue| queue.push(body, due));
            }
            let key = (account.clone(), id.clone());
            self.product_requests.entry(key).or_default().push(event);
        }
    }

    /// Checks what is on record, and what is announced.
    pub(crate) fn product_requests_are_known(&self) -> Result<(), Violation> {
        let (recorded, dropped) = self.world.ledger(|ledger| {
            (
                ledger.product_requests.clone(),
                ledger.dropped_requests.clone(),
            )
        });
        let mut missing: BTreeMap<&AccountId, u64> = BTreeMap::new();
        for (key, events) in &self.product_requests {
            match recorded.get(key) {
                Some(request) if request.state != newest(events) => {
                    return broken("requests", || {
                        format!("{request:?} is not what {events:?} say")
                    });
                }
                Some(_) => {}
                None => *missing.entry(&key.0).or_default() += 1,
            }
        }
        for (account, count) in missing {
            let dropped = dropped.get(account).map_or(0, |dropped| dropped.dropped);
            if count > dropped {
                return broken("requests", || {
                    format!(
                        "{count} requests of {account} are not on record, and {dropped} had no room"
                    )
                });
            }
        }
        if let Some(key) = recorded
            .keys()
            .find(|key| !self.product_requests.contains_key(*key))
        {
            return broken("requests", || format!("nobody has made {key:?}"));
        }
        self.product_requests_are_bounded(&recorded)?;
        self.product_requests_are_announced(&recorded)
    }

    fn product_requests_are_bounded(
        &self,
        recorded: &BTreeMap<(AccountId, ProductRequestId), ProductRequest>,
    ) -> Result<(), Violation> {
        for member in &self.scene.members {
            let of = recorded
                .values()
                .filter(|one| one.account == member.account);
            let of: Vec<_> = of.collect();
            let open = of
                .iter()
                .filter(|one| one.state == RequestState::Open)
                .count();
            let (most_open, most) = (
                MOST_REQUESTS.open + AT_ONCE - 1,
                MOST_REQUESTS.kept + AT_ONCE - 1,
            );
            if open > most_open || of.len() > most {
                return broken("requests", || {
                    format!(
                        "{} has {open} open requests of {}",
                        member.account,
                        of.len()
                    )
                });
            }
        }
        Ok(())
    }

    /// Each that waits is announced. Only those that were delivered are, each by one id.
    fn product_requests_are_announced(
        &self,
        recorded: &BTreeMap<(AccountId, ProductRequestId), ProductRequest>,
    ) -> Result<(), Violation> {
        let events = self.world.events();
        let ids: BTreeSet<String> = events
            .iter()
            .filter(|(_, detail_type, _)| *detail_type == PRODUCT_REQUESTED)
            .filter_map(|(_, _, detail)| Some(detail.get("id")?.as_str()?.to_owned()))
            .collect();
        let id =
            |(account, request): &(AccountId, ProductRequestId)| format!("{account}/{request}");
        let known: BTreeSet<_> = self.product_requests.keys().map(id).collect();
        if let Some(id) = ids.difference(&known).next() {
            return broken("requests", || {
                format!("{id} is announced, and nobody has made it")
            });
        }
        let mut waiting = recorded
            .iter()
            .filter(|(_, one)| one.state == RequestState::Open);
        match waiting.find(|(key, _)| !ids.contains(&id(key))) {
            Some((key, request)) => broken("requests", || {
                format!("{key:?} waits for an answer, and is not announced: {request:?}")
            }),
            None => Ok(()),
        }
    }
}
