//! The two inboxes: any text is read or refused, and what is read is what stands on the wire.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::wire::{
    CATALOG_SOURCE, ChangeSetEvent, Event, SCHEDULE_SOURCE, Trigger, WorkerMessage,
    approval_requested, dead_letters_requested, lane_edited, lane_settled,
    product_request_received, sync_requested,
};
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = std::str::from_utf8(data) else {
        return;
    };
    worker(body);
    producer(body);
});

fn worker(body: &str) {
    let message = match WorkerMessage::parse(body) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = match &message {
        WorkerMessage::Change(change) => {
            check_lane(&change.lane());
            change.to_body()
        }
        WorkerMessage::Tick(tick) => {
            check_lane(&tick.lane());
            tick.to_body()
        }
        WorkerMessage::ChangeSet(event) => change_set_body(event),
        WorkerMessage::ProductRequest(event) => event.to_body(),
    };
    assert_eq!(
        WorkerMessage::parse(&written).as_ref(),
        Ok(&message),
        "{written}"
    );
}

fn producer(body: &str) {
    let trigger = match Trigger::parse(body) {
        Ok(trigger) => trigger,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = match trigger.clone() {
        Trigger::Schedule => {
            json!({"source": SCHEDULE_SOURCE, "detail-type": "Scheduled Sync", "detail": {}})
                .to_string()
        }
        Trigger::SyncRequested(request) => {
            // What the bus says of the sender is not ours to write.
            let (source, detail_type, detail) = sync_requested(request.clone());
            json!({"source": source, "detail-type": detail_type, "detail": detail,
                   "account": request.account})
            .to_string()
        }
        Trigger::Approval(request) => {
            let (source, detail_type, detail) = approval_requested(request.clone());
            json!({"source": source, "detail-type": detail_type, "detail": detail,
                   "account": request.account})
            .to_string()
        }
        Trigger::ManagementChangeSet(event) => change_set_body(&event),
        Trigger::LaneSettled { lane, run } => {
            check_lane(&lane);
            event_body(&lane_settled(&lane, run))
        }
        Trigger::LaneEdited { lane, change_set } => {
            check_lane(&lane);
            event_body(&lane_edited(&lane, &change_set))
        }
        Trigger::ProductRequestReceived { account } => {
            event_body(&product_request_received(&account))
        }
        Trigger::Continuation(rest) => rest.to_body(),
        Trigger::RetryScheduled(retry) => retry.to_scheduled(),
        Trigger::RetryDue(retry) => retry.to_due(),
        Trigger::DeadLetters(request) => event_body(&dead_letters_requested(request)),
    };
    assert_eq!(Trigger::parse(&written), Ok(trigger), "{written}");
}

fn check_lane(lane: &LaneId) {
    assert_eq!(lane.to_string().parse().as_ref(), Ok(lane));
}

fn event_body((source, detail_type, detail): &Event) -> String {
    json!({"source": source, "detail-type": detail_type, "detail": detail}).to_string()
}

fn change_set_body(event: &ChangeSetEvent) -> String {
    json!({
        "source": CATALOG_SOURCE,
        "detail-type": "Change Set Succeeded",
        "detail": {"ChangeSetId": event.id, "ChangeSetName": event.name},
    })
    .to_string()
}
