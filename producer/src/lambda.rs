//! The producer on AWS: environment, adapters, and its two callers: the event source mapping of its
//! inbox, and the operator's looks and questions, which change nothing.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use pmp_sync_aws::bus::EventBus;
use pmp_sync_aws::catalog::ReadOnlyCatalog;
use pmp_sync_aws::config::sdk_config;
use pmp_sync_aws::dead_letters::DeadLetterQueue;
use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::logs;
use pmp_sync_aws::members::MemberRoles;
use pmp_sync_aws::queue::RequestsInbox;
use pmp_sync_aws::system::{SystemClock, SystemEntropy, variable};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::DoctorRequest;
use pmp_sync_domain::answers::report::ReportRequest;
use pmp_sync_domain::answers::why::WhyRequest;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{
    DEAD_LETTERS_REQUESTED, DOCTOR_REQUESTED, DeadLetterFilter, Envelope, PLAN_REQUESTED,
    REPORT_REQUESTED, SOURCE, Scope, Unreadable, WHY_REQUESTED,
};
use serde::Deserialize;
use serde_json::Value;
use tracing::Instrument as _;

use crate::{Disposition, Ports, Producer, Record};

/// How long the doctor begins with members, in seconds: the command waits for 45 s.
const LOOKING: i64 = 25;

struct Aws {
    ledger: Ledger,
    catalog: ReadOnlyCatalog,
    discovery: ProductDirectory,
    members: MemberRoles,
    inbox: RequestsInbox,
    dead_letters: DeadLetterQueue,
    bus: EventBus,
    clock: SystemClock,
    entropy: SystemEntropy,
}

impl Ports for Aws {
    type Ledger = Ledger;
    type Catalog = ReadOnlyCatalog;
    type Discovery = ProductDirectory;
    type Members = MemberRoles;
    type Inbox = RequestsInbox;
    type DeadLetters = DeadLetterQueue;
    type Bus = EventBus;
    type Clock = SystemClock;
    type Entropy = SystemEntropy;

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    fn catalog(&self) -> &ReadOnlyCatalog {
        &self.catalog
    }
    fn discovery(&self) -> &ProductDirectory {
        &self.discovery
    }
    fn members(&self) -> &MemberRoles {
        &self.members
    }
    fn inbox(&self) -> &RequestsInbox {
        &self.inbox
    }
    fn dead_letters(&self) -> &DeadLetterQueue {
        &self.dead_letters
    }
    fn bus(&self) -> &EventBus {
        &self.bus
    }
    fn clock(&self) -> &SystemClock {
        &self.clock
    }
    fn entropy(&self) -> &SystemEntropy {
        &self.entropy
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanDetail {
    #[serde(default)]
    scope: Scope,
}

async fn handle(producer: &Producer<Aws>, event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload.get("Records").is_none() {
        return look(producer, event.payload).await;
    }
    let deadline = i64::try_from(event.context.deadline)
        .map_or(Ok(Timestamp::MAX), Timestamp::from_millisecond);
    let batch: SqsEvent = serde_json::from_value(event.payload)?;
    let records: Vec<_> = batch
        .records
        .into_iter()
        .map(|message| Record {
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        })
        .collect();
    // Boxed: the future of a whole run is large.
    let dispositions = Box::pin(producer.handle(&records, deadline?)).await;
    let mut response = SqsBatchResponse::default();
    for (record, disposition) in records.into_iter().zip(dispositions) {
        if disposition == Disposition::Retry {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.id;
            response.batch_item_failures.push(failure);
        }
    }
    Ok(serde_json::to_value(response)?)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadLettersDetail {
    #[serde(default)]
    filter: DeadLetterFilter,
}

/// The operator's looks, the only ones who invoke the function themselves: they change nothing.
async fn look(producer: &Producer<Aws>, payload: Value) -> Result<Value, Error> {
    let envelope: Envelope = serde_json::from_value(payload)?;
    let answer = match (envelope.source.as_str(), envelope.detail_type.as_str()) {
        (SOURCE, PLAN_REQUESTED) => {
            let detail: PlanDetail = detail(envelope.detail)?;
            producer
                .preview(&detail.scope)
                .await
                .map(serde_json::to_value)
        }
        (SOURCE, DEAD_LETTERS_REQUESTED) => {
            let detail: DeadLettersDetail = detail(envelope.detail)?;
            producer
                .dead_letters(&detail.filter)
                .await
                .map(serde_json::to_value)
        }
        (SOURCE, WHY_REQUESTED) => {
            let request: WhyRequest = detail(envelope.detail)?;
            producer.why(&request).await.map(serde_json::to_value)
        }
        (SOURCE, REPORT_REQUESTED) => {
            let request: ReportRequest = detail(envelope.detail)?;
            producer.report(&request).await.map(serde_json::to_value)
        }
        (SOURCE, DOCTOR_REQUESTED) => {
            let request: DoctorRequest = detail(envelope.detail)?;
            let until = later(producer.now(), LOOKING);
            producer
                .doctor(&request, until)
                .await
                .map(serde_json::to_value)
        }
        _ => {
            let unknown = Unreadable::UnknownEvent {
                source_name: envelope.source,
                detail_type: envelope.detail_type,
            };
            tracing::error!(error = %unknown, code = "PMS-5001", "the invocation is refused");
            return Err(unknown.into());
        }
    };
    match answer {
        Ok(answer) => Ok(answer?),
        // An answer, so that the code and the remedy reach the operator as they are.
        Err(error) => Ok(serde_json::json!({ "fault": error.record() })),
    }
}

fn detail<T: Default + serde::de::DeserializeOwned>(detail: Value) -> Result<T, Error> {
    match detail {
        Value::Null => Ok(T::default()),
        detail => Ok(serde_json::from_value(detail)?),
    }
}

/// Serves the function until the environment is taken down.
pub async fn run() -> Result<(), Error> {
    logs::init();
    let config = sdk_config().await;
    let retention_days: u32 = variable("PMP_SYNC_RUN_RETENTION_DAYS")?;
    let ports = Aws {
        ledger: Ledger::new(
            &config,
            variable::<String>("PMP_SYNC_LEDGER_TABLE")?,
            retention_days,
        ),
        catalog: ReadOnlyCatalog::new(&config),
        discovery: ProductDirectory::new(&config),
        members: MemberRoles::new(config.clone(), variable::<String>("PMP_SYNC_NAME")?),
        inbox: RequestsInbox::new(&config, variable::<String>("PMP_SYNC_INBOX_URL")?),
        dead_letters: DeadLetterQueue::new(&config, variable::<String>("PMP_SYNC_INBOX_DLQ_URL")?),
        bus: EventBus::new(&config, variable::<String>("PMP_SYNC_BUS_NAME")?),
        clock: SystemClock,
        entropy: SystemEntropy,
    };
    let producer = &Producer::new(ports);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let span = tracing::info_span!("invocation", request_id = event.context.request_id);
        // Boxed: the future of a whole run is large.
        Box::pin(handle(producer, event)).instrument(span).await
    }))
    .await
}
