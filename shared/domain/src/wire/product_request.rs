//! The events of procurement requests, as EventBridge delivers them in a member's account, and the
//! worker's hint that one has arrived.
//!
//! AWS documents the names of the fields, not their forms. What is needed to find a request again
//! has to be there; everything else may be missing.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::envelope::{Envelope, Event, Unreadable, event, make_plain, shape};
use super::limits::{MOST_ID, MOST_REQUESTER, MOST_TITLE, text};
use super::names::{PRIVATE_MARKETPLACE_SOURCE, PRODUCT_REQUEST_RECEIVED};
use crate::ids::{AccountId, ExperienceId, ProductId, ProductRequestId};
use crate::request_state::RequestState;

/// One event of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRequestEvent {
    /// The request.
    pub request: ProductRequestId,
    /// Its state from then on.
    pub state: RequestState,
    /// When that happened, if the event says so.
    pub at: Option<Timestamp>,
    /// The product that is requested.
    pub product: ProductId,
    /// Its title.
    pub title: Option<String>,
    /// The name of its manufacturer.
    pub manufacturer: Option<String>,
    /// The experience of the user who requests it.
    pub experience: ExperienceId,
    /// The ARN of that user.
    pub requester: Option<String>,
    /// When the request expires.
    pub expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    request_id: ProductRequestId,
    product: Product,
    #[serde(default)]
    manufacturer: Option<Manufacturer>,
    experience_id: ExperienceId,
    #[serde(default)]
    requester_arn: Option<String>,
    #[serde(default)]
    expiration_date: Value,
}

#[derive(Deserialize)]
struct Product {
    id: ProductId,
    #[serde(default)]
    title: Option<String>,
}

#[derive(Deserialize)]
struct Manufacturer {
    #[serde(default)]
    name: Option<String>,
}

fn state_of(detail_type: &str) -> Option<RequestState> {
    let word = detail_type.strip_prefix("Product Request ")?;
    let mut states = RequestState::ALL.into_iter();
    states.find(|state| word_of(*state) == word)
}

impl ProductRequestEvent {
    /// Parses an event of [`PRIVATE_MARKETPLACE_SOURCE`].
    pub(super) fn of(mut envelope: Envelope) -> Result<Self, Unreadable> {
        let state = state_of(&envelope.detail_type);
        let is_known = envelope.source == PRIVATE_MARKETPLACE_SOURCE;
        let state = state
            .filter(|_| is_known)
            .ok_or_else(|| envelope.unknown())?;
        text("id", envelope.id.as_deref(), MOST_ID)?;
        make_plain(&mut envelope.detail);
        let detail = Detail::deserialize(&envelope.detail).map_err(shape)?;
        let manufacturer = detail
            .manufacturer
            .and_then(|manufacturer| manufacturer.name);
        text("product.title", detail.product.title.as_deref(), MOST_TITLE)?;
        text("manufacturer.name", manufacturer.as_deref(), MOST_TITLE)?;
        text(
            "requesterArn",
            detail.requester_arn.as_deref(),
            MOST_REQUESTER,
        )?;
        Ok(Self {
            request: detail.request_id,
            state,
            at: envelope.time,
            product: detail.product.id,
            title: named(detail.product.title),
            manufacturer: named(manufacturer),
            experience: detail.experience_id,
            requester: named(detail.requester_arn),
            expires_at: moment(&detail.expiration_date),
        })
    }
}

/// The last word of the type of an event.
fn word_of(state: RequestState) -> &'static str {
    match state {
        RequestState::Open => "Created",
        RequestState::Approved => "Approved",
        RequestState::Declined => "Declined",
        RequestState::Cancelled => "Cancelled",
        RequestState::Expired => "Expired",
    }
}

impl ProductRequestEvent {
    /// The `detail-type` of the event.
    pub fn detail_type(&self) -> String {
        format!("Product Request {}", word_of(self.state))
    }

    /// The detail of the event.
    pub fn detail(&self) -> Value {
        json!({
            "requestId": self.request,
            "expirationDate": self.expires_at,
            "product": { "id": self.product, "title": self.title },
            "manufacturer": { "name": self.manufacturer },
            "experienceId": self.experience,
            "requesterArn": self.requester,
        })
    }

    /// The event as EventBridge delivers it.
    pub fn to_body(&self) -> String {
        json!({
            "source": PRIVATE_MARKETPLACE_SOURCE,
            "detail-type": self.detail_type(),
            "time": self.at,
            "detail": self.detail(),
        })
        .to_string()
    }
}

/// A text that is there.
fn named(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// A moment in any of the forms in which AWS writes one: a timestamp, a date, which counts until it
/// is over, or seconds or milliseconds since 1970.
fn moment(value: &Value) -> Option<Timestamp> {
    /// More seconds than that are milliseconds: the year 5138.
    const MOST_SECONDS: i64 = 100_000_000_000;
    match value {
        Value::String(text) => text.parse().ok().or_else(|| {
            let date: Date = text.parse().ok()?;
            let begin: Timestamp = format!("{date}T00:00:00Z").parse().ok()?;
            begin.checked_add(SignedDuration::from_hours(24)).ok()
        }),
        Value::Number(number) => match number.as_i64()? {
            millis if millis > MOST_SECONDS => Timestamp::from_millisecond(millis).ok(),
            seconds => Timestamp::from_second(seconds).ok(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The detail of the worker's hint.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct ReceivedDetail {
    /// The member account.
    pub(super) account: AccountId,
}

/// Creates the hint that a request has arrived in an account.
pub fn product_request_received(account: &AccountId) -> Event {
    let detail = ReceivedDetail {
        account: account.clone(),
    };
    event(PRODUCT_REQUEST_RECEIVED, &detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Trigger, WorkerMessage};

    /// An event with every field that AWS documents. It stays.
    const CREATED: &str = include_str!("../../fixtures/product-request-created.json");
    /// An end with nothing but what is needed.
    const EXPIRED: &str = include_str!("../../fixtures/product-request-expired.json");

    fn parsed(body: &str) -> Result<ProductRequestEvent, Unreadable> {
        match WorkerMessage::parse(body)? {
            WorkerMessage::ProductRequest(event) => Ok(*event),
            other => panic!("{other:?}"),
        }
    }

    fn with(edit: impl FnOnce(&mut Value)) -> Result<ProductRequestEvent, Unreadable> {
        let mut body: Value = serde_json::from_str(CREATED).unwrap();
        edit(&mut body);
        parsed(&body.to_string())
    }

    #[test]
    fn an_event_is_read_with_all_its_fields() {
        let event = parsed(CREATED).unwrap();
        let expected = ProductRequestEvent {
            request: "pr-2b7kexample4ma".parse().unwrap(),
            state: RequestState::Open,
            at: Some("2026-11-02T09:30:00Z".parse().unwrap()),
            product: "prod-4s8kd0qmw1x2y".parse().unwrap(),
            title: Some("Example Database (annual)".to_owned()),
            manufacturer: Some("Example Inc.".to_owned()),
            experience: "exp-1m2n3o4p5q6r7".parse().unwrap(),
            requester: Some("arn:aws:sts::555555555555:assumed-role/Developer/ada".to_owned()),
            expires_at: Some("2026-12-02T09:30:00Z".parse().unwrap()),
        };
        assert_eq!(event, expected);
        assert_eq!(parsed(&event.to_body()), Ok(event));
    }

    #[test]
    fn an_end_needs_no_more_than_the_request_its_product_and_its_experience() {
        let event = parsed(EXPIRED).unwrap();
        assert_eq!(event.state, RequestState::Expired);
        let missing = (event.title, event.manufacturer, event.requester, event.at);
        assert_eq!(missing, (None, None, None, None));
        assert_eq!(event.expires_at, None);
    }

    #[test]
    fn every_type_of_event_has_its_state() {
        for (word, state) in [
            ("Created", RequestState::Open),
            ("Approved", RequestState::Approved),
            ("Declined", RequestState::Declined),
            ("Cancelled", RequestState::Cancelled),
            ("Expired", RequestState::Expired),
        ] {
            let event = with(|body| body["detail-type"] = format!("Product Request {word}").into());
            assert_eq!(event.unwrap().state, state);
        }
        let other = with(|body| body["detail-type"] = "Product Request Considered".into());
        assert!(matches!(other, Err(Unreadable::UnknownEvent { .. })));
    }

    #[test]
    fn a_field_that_is_too_large_is_refused_by_its_name() {
        let long = "x".repeat(MOST_REQUESTER + 1);
        for (field, edit) in [
            ("product.title", &["product", "title"][..]),
            ("manufacturer.name", &["manufacturer", "name"]),
            ("requesterArn", &["requesterArn"]),
        ] {
            let refused = with(|body| {
                let mut place = &mut body["detail"];
                for key in edit {
                    place = &mut place[*key];
                }
                *place = long.clone().into();
            });
            match refused {
                Err(Unreadable::TooLarge(too_large)) => assert_eq!(too_large.field, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_hint_of_a_request_names_the_account_of_the_worker() {
        let (source, detail_type, detail) =
            product_request_received(&"222222222222".parse().unwrap());
        assert_eq!(
            (source, detail_type),
            ("pmp-sync", "Product Request Received")
        );
        assert_eq!(detail, json!({ "schema": 1, "account": "222222222222" }));
        let body = json!({ "source": source, "detail-type": detail_type, "detail": detail });
        let account = "222222222222".parse().unwrap();
        assert_eq!(
            Trigger::parse(&body.to_string()),
            Ok(Trigger::ProductRequestReceived { account })
        );
    }

    #[test]
    fn what_names_no_request_product_or_experience_is_refused() {
        for (key, wrong) in [
            ("requestId", json!("a b")),
            ("requestId", json!("x".repeat(101))),
            ("requestId", json!(null)),
            ("experienceId", json!("exp-1#2")),
            ("product", json!("prod-1")),
            ("product", json!({ "id": "a\u{1b}b" })),
            ("product", json!({ "title": "no id" })),
        ] {
            let refused = with(|body| body["detail"][key] = wrong.clone());
            let error = refused.unwrap_err();
            assert_eq!(error.reason(), "unreadable", "{key} {wrong}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        let event = with(|body| {
            body["detail"]["product"]["title"] = "A\u{1b}]0;x\u{7}\u{202e}B ".into();
            body["detail"]["manufacturer"]["name"] = " \n ".into();
        });
        let event = event.unwrap();
        assert_eq!(event.title.as_deref(), Some("A ]0;x  B"));
        assert_eq!(event.manufacturer, None);
    }

    #[test]
    fn an_expiration_is_read_in_every_form_in_which_it_may_be_written() {
        for (form, expected) in [
            (
                json!("2026-12-02T09:30:00.5Z"),
                Some("2026-12-02T09:30:00.5Z"),
            ),
            (json!("2026-12-02"), Some("2026-12-03T00:00:00Z")),
            (json!(1_796_203_800), Some("2026-12-02T09:30:00Z")),
            (json!(1_796_203_800_000_i64), Some("2026-12-02T09:30:00Z")),
            (json!(100_000_000_000_i64), Some("5138-11-16T09:46:40Z")),
            (json!(100_000_000_001_i64), Some("1973-03-03T09:46:40.001Z")),
            (json!("in a month"), None),
            (json!(i64::MAX), None),
            (json!({}), None),
        ] {
            let event = with(|body| body["detail"]["expirationDate"] = form.clone());
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(event.unwrap().expires_at, expected, "{form}");
        }
    }
}
