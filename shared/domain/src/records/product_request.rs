//! Procurement requests of a member's users. The worker writes them as their events arrive: twice,
//! late, in any order, or never.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::ids::{AccountId, ExperienceId, ProductId, ProductRequestId};
use crate::request_state::RequestState;
use crate::text::{beginning, one_line};
use crate::time::later;
use crate::wire::ProductRequestEvent;
use crate::wire::limits::{MOST_REQUESTER, MOST_TITLE};

/// How long a request is open if nothing says so, in seconds: AWS lets requests expire after 30 days.
pub const OPEN_FOR: i64 = 30 * 24 * 3600;
/// How long a request is kept after its last event, in seconds: until it would have expired, and 60
/// days.
pub const REQUEST_KEPT: i64 = OPEN_FOR + 60 * 24 * 3600;
/// The most open requests of a member.
pub const MOST_OPEN_REQUESTS: usize = 500;
/// The most requests that are kept of a member, open or not.
pub const MOST_REQUESTS: usize = 2_000;

/// How many requests of a member are recorded. Invocations that record at the same time may each
/// exceed it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestBounds {
    /// The most that wait for an answer.
    pub open: usize,
    /// The most that are kept.
    pub kept: usize,
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self {
            open: MOST_OPEN_REQUESTS,
            kept: MOST_REQUESTS,
        }
    }
}

/// The ledger's item of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductRequest {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Number of writes by the worker. Each write is conditioned on the number that was read.
    pub rev: u64,
    /// The member account.
    pub account: AccountId,
    /// The request.
    pub request: ProductRequestId,
    /// Its state, as its events say.
    pub state: RequestState,
    /// The product that is requested.
    pub product: ProductId,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The name of its manufacturer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The experience of the user who requests it.
    pub experience: ExperienceId,
    /// The ARN of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// When it was made. None if only its end has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub requested_at: Option<Timestamp>,
    /// When it expires, if an event said so. The table has a field `expires_at` of its own, for what it may remove.
    #[serde(rename = "until", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub ended_at: Option<Timestamp>,
    /// When the worker last wrote it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub recorded_at: Timestamp,
    /// When the producer announced it. None if that is still to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub announced_at: Option<Timestamp>,
}

impl ProductRequest {
    /// The request after an event. None if the event adds nothing to what is known.
    ///
    /// The state does not depend on the order of the events: an end stays, and of two ends the later
    /// one counts.
    pub fn after(
        known: Option<&Self>,
        account: &AccountId,
        event: &ProductRequestEvent,
        now: Timestamp,
    ) -> Option<Self> {
        // A clock that is ahead does not outdo every later event.
        let at = event.at.map_or(now, |at| at.min(now));
        let mut next = known.cloned().unwrap_or_else(|| Self {
            schema: SCHEMA,
            rev: 0,
            account: account.clone(),
            request: event.request.clone(),
            state: RequestState::Open,
            product: event.product.clone(),
            title: None,
            manufacturer: None,
            experience: event.experience.clone(),
            requester: None,
            requested_at: None,
            expires_at: None,
            ended_at: None,
            recorded_at: now,
            announced_at: None,
        });
        let add = |known: &mut Option<String>, new: &Option<String>| {
            if known.is_none() {
                known.clone_from(new);
            }
        };
        add(&mut next.title, &event.title);
        add(&mut next.manufacturer, &event.manufacturer);
        add(&mut next.requester, &event.requester);
        next.expires_at = next.expires_at.or(event.expires_at);
        if event.state == RequestState::Open {
            // An event without a time that is delivered again is not an earlier request.
            let earlier = event.at.map(|_| at);
            next.requested_at = match (next.requested_at, earlier) {
                (Some(known), Some(at)) => Some(known.min(at)),
                (known, _) => known.or(Some(at)),
            };
        } else {
            let is_later = match (next.ended_at, event.at) {
                (None, _) => true,
                // Without a time it may be the same event once more.
                (Some(_), None) => false,
                (Some(ended), Some(_)) => (at, event.state) > (ended, next.state),
            };
            if is_later {
                next.state = event.state;
                next.ended_at = Some(at);
            }
        }
        if known == Some(&next) {
            return None;
        }
        next.schema = SCHEMA;
        next.recorded_at = now;
        Some(next)
    }

    /// The request as it is read from the items of `account`. Whoever has the member's role can write
    /// them without the worker, so neither their words nor their sizes are trusted.
    #[must_use]
    pub fn read_from(self, account: &AccountId) -> Self {
        let plain = |text: Option<String>, most| text.map(|text| one_line(beginning(&text, most)));
        Self {
            account: account.clone(),
            title: plain(self.title, MOST_TITLE),
            manufacturer: plain(self.manufacturer, MOST_TITLE),
            requester: plain(self.requester, MOST_REQUESTER),
            ..self
        }
    }

    /// Until when it waits for an answer, if no end arrives.
    pub fn open_until(&self) -> Timestamp {
        let begin = self.requested_at.unwrap_or(self.recorded_at);
        // No request is open for longer than it is kept.
        let expires_at = self.expires_at.unwrap_or_else(|| later(begin, OPEN_FOR));
        expires_at.min(self.forgotten_at())
    }

    /// Its state now: its end may have been lost.
    pub fn state_at(&self, now: Timestamp) -> RequestState {
        if self.state == RequestState::Open && self.open_until() <= now {
            return RequestState::Expired;
        }
        self.state
    }

    /// True while it waits for an answer.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state_at(now) == RequestState::Open
    }

    /// When the ledger may forget it.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.recorded_at, REQUEST_KEPT)
    }

    /// Its product in words: the title if it is known, with the id.
    pub fn product_words(&self) -> String {
        match &self.title {
            Some(title) => format!("{title} ({})", self.product),
            None => self.product.to_string(),
        }
    }
}

/// How many requests of a member the ledger has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Those that wait for an answer.
    pub open: usize,
    /// All of them.
    pub kept: usize,
}

impl RequestCounts {
    /// True if there is room for one more in this state.
    pub fn have_room(self, state: RequestState, most: RequestBounds) -> bool {
        let is_open = state == RequestState::Open;
        self.kept < most.kept && (!is_open || self.open < most.open)
    }
}

/// The ledger's item of the requests of a member for which there was no room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRequests {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// About how many there were: an event that is delivered twice counts twice.
    pub dropped: u64,
    /// When the last of them arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn account() -> AccountId {
        "222222222222".parse().unwrap()
    }

    fn event(state: RequestState, seconds: Option<i64>) -> ProductRequestEvent {
        ProductRequestEvent {
            request: "pr-1".parse().unwrap(),
            state,
            at: seconds.map(at),
            product: "prod-1".parse().unwrap(),
            title: None,
            manufacturer: None,
            experience: "exp-1".parse().unwrap(),
            requester: None,
            expires_at: None,
        }
    }

    /// The request after these events, all of which arrive at `now`.
    fn after(events: &[ProductRequestEvent], now: i64) -> Option<ProductRequest> {
        events.iter().fold(None, |known, event| {
            ProductRequest::after(known.as_ref(), &account(), event, at(now)).or(known)
        })
    }

    #[test]
    fn an_end_that_arrives_before_its_creation_stays_and_the_creation_adds_what_it_knows() {
        let created = ProductRequestEvent {
            title: Some("Database".to_owned()),
            ..event(RequestState::Open, Some(10))
        };
        let declined = event(RequestState::Declined, Some(20));
        let known = after(&[declined, created], 100).unwrap();
        assert_eq!(known.state, RequestState::Declined);
        assert_eq!(known.ended_at, Some(at(20)));
        assert_eq!(known.requested_at, Some(at(10)));
        assert_eq!(known.title.as_deref(), Some("Database"));
    }

    #[test]
    fn an_event_that_is_delivered_again_adds_nothing() {
        for state in RequestState::ALL {
            for seconds in [Some(10), None] {
                let known = after(&[event(state, seconds)], 100).unwrap();
                let again = event(state, seconds);
                let next = ProductRequest::after(Some(&known), &account(), &again, at(200));
                assert_eq!(next, None, "{state} {seconds:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_ahead_outdoes_no_later_end() {
        let known = after(&[event(RequestState::Expired, Some(9_999_999))], 100).unwrap();
        assert_eq!(known.ended_at, Some(at(100)));
        let approved = event(RequestState::Approved, Some(150));
        let next = ProductRequest::after(Some(&known), &account(), &approved, at(200));
        assert_eq!(next.unwrap().state, RequestState::Approved);
    }

    #[test]
    fn a_request_whose_end_is_lost_expires_by_itself() {
        let open = after(&[event(RequestState::Open, Some(0))], 60).unwrap();
        assert!(open.is_open(at(OPEN_FOR - 1)));
        assert_eq!(open.state_at(at(OPEN_FOR)), RequestState::Expired);
        assert!(!open.is_open(at(OPEN_FOR)));
        let far = ProductRequestEvent {
            expires_at: Some(Timestamp::MAX),
            ..event(RequestState::Open, Some(0))
        };
        let far = after(&[far], 60).unwrap();
        assert_eq!(far.open_until(), at(60 + REQUEST_KEPT), "whatever it says");
    }

    /// A member's role may write any item in the partition of its requests.
    #[test]
    fn what_is_read_of_a_member_is_bounded_plain_and_its_own() {
        let other: AccountId = "333333333333".parse().unwrap();
        let evil = ProductRequest {
            title: Some(format!("\u{1b}[2J{}", "x".repeat(MOST_TITLE))),
            requester: Some("a\u{202e}b".to_owned()),
            manufacturer: Some("c\u{1b}d".to_owned()),
            ..after(&[event(RequestState::Open, Some(0))], 60).unwrap()
        };
        let read = evil.read_from(&other);
        assert_eq!(read.account, other);
        let title = read.title.unwrap();
        assert_eq!(title.len(), MOST_TITLE);
        assert!(title.starts_with(" [2J"), "{title}");
        assert_eq!(read.requester.as_deref(), Some("a b"));
        assert_eq!(read.manufacturer.as_deref(), Some("c d"));
    }

    #[test]
    fn there_is_room_up_to_the_bounds() {
        let counts = |open, kept| RequestCounts { open, kept };
        let (open, ended) = (RequestState::Open, RequestState::Expired);
        let most = RequestBounds::default();
        assert!(counts(499, 1_999).have_room(open, most));
        assert!(!counts(500, 500).have_room(open, most));
        assert!(counts(500, 500).have_room(ended, most));
        assert!(!counts(0, 2_000).have_room(ended, most));
    }

    /// An item of this release. A newer release must read it.
    #[test]
    fn an_item_of_this_release_stays_readable() {
        let fixture = include_str!("../../fixtures/product-request-1.json");
        let item: ProductRequest = serde_json::from_str(fixture).unwrap();
        let written = serde_json::to_value(&item).unwrap();
        let stored: serde_json::Value = serde_json::from_str(fixture).unwrap();
        assert_eq!(written, stored);
        let mut newer = stored;
        newer["added"] = 1.into();
        serde_json::from_value::<ProductRequest>(newer).unwrap();
    }

    fn any_events() -> impl Strategy<Value = Vec<ProductRequestEvent>> {
        let state = prop::sample::select(RequestState::ALL.to_vec());
        prop::collection::vec((state, 0_i64..5), 1..8).prop_map(|all| {
            all.into_iter()
                .map(|(state, at)| event(state, Some(at)))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_of_the_events_does_not_matter(
            events in any_events(),
            order in any::<prop::sample::Index>(),
            twice in any::<prop::sample::Index>(),
        ) {
            let mut others = events.clone();
            others.rotate_left(order.index(events.len()));
            others.reverse();
            others.push(twice.get(&events).clone());
            let (one, other) = (after(&events, 100).unwrap(), after(&others, 100).unwrap());
            prop_assert_eq!(one.state, other.state);
            prop_assert_eq!(one.ended_at, other.ended_at);
            prop_assert_eq!(one.requested_at, other.requested_at);
            let has_ended = events.iter().any(|event| event.state != RequestState::Open);
            prop_assert_eq!(one.state != RequestState::Open, has_ended);
        }
    }
}
