//! The edge between an event source mapping and the code that serves its messages, for both Lambda
//! functions.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::LambdaEvent;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};

fn record(message: SqsMessage) -> Record {
    let number = |name: &str| message.attributes.get(name)?.parse::<i64>().ok();
    let deliveries = number("ApproximateReceiveCount").and_then(|count| u32::try_from(count).ok());
    let first = number("ApproximateFirstReceiveTimestamp");
    Record {
        deliveries: deliveries.unwrap_or_default(),
        first_delivered: first.and_then(|first| Timestamp::from_millisecond(first).ok()),
        id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
    }
}

/// Serves a batch. `handle` gets the messages and the end of the invocation, and returns one
/// disposition for each message, in their order.
pub async fn serve(
    event: LambdaEvent<SqsEvent>,
    handle: impl AsyncFnOnce(&[Record], Timestamp) -> Vec<Disposition>,
) -> SqsBatchResponse {
    // An unreadable deadline must not stop the work.
    let deadline = i64::try_from(event.context.deadline)
        .ok()
        .and_then(|deadline| Timestamp::from_millisecond(deadline).ok())
        .unwrap_or(Timestamp::MAX);
    let records: Vec<_> = event.payload.records.into_iter().map(record).collect();
    let dispositions = handle(&records, deadline).await;
    let mut response = SqsBatchResponse::default();
    for (record, disposition) in records.into_iter().zip(dispositions) {
        if disposition == Disposition::Retry {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.id;
            response.batch_item_failures.push(failure);
        }
    }
    response
}
