//! The worker on AWS: environment, adapters, and the batch of its event source mapping.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use pmp_sync_aws::bus::EventBus;
use pmp_sync_aws::catalog::Catalog;
use pmp_sync_aws::config::{in_role, sdk_config};
use pmp_sync_aws::dead_letters::DeadLetterQueue;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::logs;
use pmp_sync_aws::queue::ChangesQueue;
use pmp_sync_aws::system::{SystemClock, SystemEntropy, variable};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::lane::MemberRules;
use tracing::Instrument as _;

use crate::{Disposition, Ports, Record, Worker};

struct Aws {
    ledger: Ledger,
    catalog: Catalog,
    queue: ChangesQueue,
    dead_letters: DeadLetterQueue,
    bus: EventBus,
    clock: SystemClock,
    entropy: SystemEntropy,
}

impl Ports for Aws {
    type Ledger = Ledger;
    type Catalog = Catalog;
    type Queue = ChangesQueue;
    type DeadLetters = DeadLetterQueue;
    type Bus = EventBus;
    type Clock = SystemClock;
    type Entropy = SystemEntropy;

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    fn catalog(&self) -> &Catalog {
        &self.catalog
    }
    fn queue(&self) -> &ChangesQueue {
        &self.queue
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

async fn handle(worker: &Worker<Aws>, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
    let records: Vec<_> = event
        .payload
        .records
        .into_iter()
        .map(|message| Record {
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        })
        .collect();
    let span = tracing::info_span!(
        "batch",
        request_id = event.context.request_id,
        messages = records.len()
    );
    // An unreadable deadline must not stop the work.
    let deadline = i64::try_from(event.context.deadline)
        .ok()
        .and_then(|deadline| Timestamp::from_millisecond(deadline).ok())
        .unwrap_or(Timestamp::MAX);
    let dispositions = worker.handle(&records, deadline).instrument(span).await;
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

/// Serves the function until Lambda ends the environment.
pub async fn run() -> Result<(), Error> {
    logs::init();
    let account: AccountId = variable("PMP_SYNC_ACCOUNT")?;
    let timeout_seconds: u16 = variable("PMP_SYNC_TIMEOUT_SECONDS")?;
    let config = sdk_config().await;
    let role: String = variable("PMP_SYNC_LANE_ROLE_ARN")?;
    let external_id: String = variable("PMP_SYNC_EXTERNAL_ID")?;
    let management = in_role(&config, &role, &external_id, "pmp-sync-worker").await;
    // A worker that cannot read the member's rules does nothing, whatever the management account
    // sends.
    let rules = MemberRules::parse(
        &variable::<String>("PMP_SYNC_MEMBER_MODE")?,
        &variable::<String>("PMP_SYNC_MEMBER_MOST_DENIES")?,
    )?;
    let ports = Aws {
        // Only the records of change sets expire of what the worker writes.
        ledger: Ledger::new(
            &management,
            variable::<String>("PMP_SYNC_LEDGER_TABLE")?,
            variable("PMP_SYNC_RUN_RETENTION_DAYS")?,
        ),
        catalog: Catalog::new(&config),
        queue: ChangesQueue::new(&config, variable::<String>("PMP_SYNC_CHANGES_URL")?),
        dead_letters: DeadLetterQueue::new(&config, variable::<String>("PMP_SYNC_DLQ_URL")?),
        bus: EventBus::new(&management, variable::<String>("PMP_SYNC_BUS_NAME")?),
        clock: SystemClock,
        entropy: SystemEntropy,
    };
    let worker = &Worker::new(ports, account, timeout_seconds).with_member_rules(rules);
    lambda_runtime::run(service_fn(|event| async move {
        Ok::<_, Error>(handle(worker, event).await)
    }))
    .await
}
