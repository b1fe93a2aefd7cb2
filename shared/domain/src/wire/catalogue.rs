//! Every event on the bus, with the JSON Schema of its detail: docs/events.md and docs/schemas/events are
//! generated from it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::announced::{Announced, Digest, NotificationTest};
use super::approval::ApprovalDetail;
use super::dead_letters::DeadLetterDetail;
use super::events::{
    Blocked, Contested, EditedOutside, Held, MemberStale, ProductRequested, Quarantined, Recovered,
    SyncCompleted,
};
use super::names::{
    APPROVAL_REQUESTED, BLOCKED, CONTESTED, DIGEST, DISCARD_REQUESTED, EDITED_OUTSIDE, HELD,
    LANE_EDITED, LANE_SETTLED, MEMBER_STALE, NOTIFICATION_TEST, PRODUCT_REQUEST_RECEIVED,
    PRODUCT_REQUESTED, QUARANTINED, RECOVERED, REJECTION_REQUESTED, REPLAY_REQUESTED,
    RESTORE_REQUESTED, REVERT_REQUESTED, SYNC_COMPLETED, SYNC_REQUESTED,
};
use super::product_request::ReceivedDetail;
use super::request::{EditedDetail, SettledDetail, SyncDetail};
use crate::SCHEMA;
use crate::schema::tidy;

/// The sender of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The producer, for any receiver.
    Producer,
    /// An operator, for the producer.
    Operator,
    /// A member's worker, for the producer.
    Worker,
}

/// One kind of event.
#[derive(Debug, Clone)]
pub struct EventKind {
    /// `detail-type` of the event.
    pub detail_type: &'static str,
    /// Who puts it on the bus.
    pub by: By,
    /// The occasion, as the end of a sentence that begins with "When".
    pub when: &'static str,
    /// The JSON Schema of its detail.
    pub schema: Schema,
}

impl EventKind {
    /// The name of the file of its schema: `member-stale`.
    pub fn file(&self) -> String {
        self.detail_type.to_lowercase().replace(' ', "-")
    }
}

/// Every kind of event.
pub fn all() -> Vec<EventKind> {
    let told = |detail_type, when, schema| EventKind {
        detail_type,
        by: By::Producer,
        when,
        schema,
    };
    let asked = |detail_type, when, schema| EventKind {
        detail_type,
        by: By::Operator,
        when,
        schema: request(schema),
    };
    let decided = |detail_type, when| {
        let mut kind = asked(detail_type, when, read::<ApprovalDetail>());
        if !matches!(detail_type, RESTORE_REQUESTED | REVERT_REQUESTED)
            && let Some(Value::Array(required)) = kind.schema.get_mut("required")
        {
            required.push(json!("plan_hash"));
        }
        kind
    };
    vec![
        told(
            HELD,
            "a plan is held, another one takes the place of what was held, or the management experience cannot be trusted",
            written::<Held>(),
        ),
        told(
            BLOCKED,
            "a lane is found blocked, or blocked for another reason than before",
            written::<Blocked>(),
        ),
        told(
            QUARANTINED,
            "changes were quarantined on a lane that had none in quarantine before",
            written::<Quarantined>(),
        ),
        told(
            CONTESTED,
            "another installation of pmp-sync, or yet another one, was seen to change the same experience",
            written::<Contested>(),
        ),
        told(
            EDITED_OUTSIDE,
            "somebody else has changed products of a member experience, or further ones",
            written::<EditedOutside>(),
        ),
        told(
            MEMBER_STALE,
            "a link was last known in sync longer ago than `[notify] stale_after_hours`",
            written::<MemberStale>(),
        ),
        told(
            RECOVERED,
            "one of these conditions has ended",
            written::<Recovered>(),
        ),
        told(
            SYNC_COMPLETED,
            "a run that sent changes has ended",
            written::<SyncCompleted>(),
        ),
        told(
            PRODUCT_REQUESTED,
            "a user of a member organization requests a product",
            written::<ProductRequested>(),
        ),
        told(
            DIGEST,
            "several announcements of one kind and reason are made at once",
            written::<Digest>(),
        ),
        told(
            NOTIFICATION_TEST,
            "`pmp-sync notify test`, which puts it on the bus itself",
            written::<NotificationTest>(),
        ),
        asked(
            SYNC_REQUESTED,
            "`pmp-sync sync`, or by hand",
            read::<SyncDetail>(),
        ),
        asked(
            REPLAY_REQUESTED,
            "`pmp-sync dlq replay`",
            read::<DeadLetterDetail>(),
        ),
        asked(
            DISCARD_REQUESTED,
            "`pmp-sync dlq discard`",
            read::<DeadLetterDetail>(),
        ),
        decided(APPROVAL_REQUESTED, "`pmp-sync approve`"),
        decided(REJECTION_REQUESTED, "`pmp-sync reject`"),
        decided(RESTORE_REQUESTED, "`pmp-sync restore`"),
        decided(REVERT_REQUESTED, "`pmp-sync revert`"),
        EventKind {
            by: By::Worker,
            ..asked(
                LANE_SETTLED,
                "a lane rests, or its member's own rules have changed",
                read::<SettledDetail>(),
            )
        },
        EventKind {
            by: By::Worker,
            ..asked(
                LANE_EDITED,
                "a change set that pmp-sync did not start has changed a member experience",
                read::<EditedDetail>(),
            )
        },
        EventKind {
            by: By::Worker,
            ..asked(
                PRODUCT_REQUEST_RECEIVED,
                "a user's request for a product is on record",
                read::<ReceivedDetail>(),
            )
        },
    ]
}

/// What is announced, as it is written.
fn written<T: JsonSchema>() -> Schema {
    let settings = || SchemaSettings::draft2020_12().for_serialize();
    let mut schema = schema_of::<Announced<T>>(settings());
    // That of the detail itself.
    if let Some(words) = schema_of::<T>(settings()).remove("description") {
        schema.insert("description".to_owned(), words);
    }
    schema
}

/// What is requested, as it is read: a request by hand leaves out what has a default.
fn read<T: JsonSchema>() -> Schema {
    schema_of::<T>(SchemaSettings::draft2020_12())
}

fn schema_of<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    tidy(&mut schema);
    schema
}

/// Every event contains the schema number.
fn request(mut schema: Schema) -> Schema {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let number = json!({
            "type": "integer",
            "const": SCHEMA,
            "description": "The schema of the detail; this one if it is left out."
        });
        properties.insert("schema".to_owned(), number);
    }
    schema
}
