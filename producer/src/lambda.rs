//! The producer on AWS: environment, adapters, and its callers: the event source mappings of its
//! inbox and its retries, and the operator's read-only queries.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use pmp_sync_aws::batch;
use pmp_sync_aws::bus::EventBus;
use pmp_sync_aws::config::sdk_config;
use pmp_sync_aws::dead_letters::DeadLetterQueue;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::logs;
use pmp_sync_aws::marketplace::Marketplace;
use pmp_sync_aws::members::MemberRoles;
use pmp_sync_aws::outbox::Outbox;
use pmp_sync_aws::queue::RequestsInbox;
use pmp_sync_aws::report_object::ReportObject;
use pmp_sync_aws::system::{System, variable};
use pmp_sync_domain::answers::doctor::DoctorRequest;
use pmp_sync_domain::answers::plan::PlanRequest;
use pmp_sync_domain::answers::report::ReportRequest;
use pmp_sync_domain::answers::why::WhyRequest;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{
    DEAD_LETTERS_REQUESTED, DOCTOR_REQUESTED, DeadLetterFilter, Envelope, PLAN_REQUESTED,
    REPORT_REQUESTED, SOURCE, Unreadable, WHY_REQUESTED,
};
use serde::Deserialize;
use serde_json::Value;
use tracing::Instrument as _;

use crate::context::{Context, Unannounced};
use crate::dispatch::dispatch;
use crate::queries;

/// After this time the doctor begins with no further member, in seconds. The command waits for 45
/// s.
const LOOKING: i64 = 25;
/// After this time the dead letters of no further member are read, in seconds. The shortest timeout
/// of the function is 90 s, and what was read is still compared and made visible again.
const LOOKING_AT_LETTERS: i64 = 40;

type AwsContext = Context<Ledger, Marketplace, MemberRoles, Outbox<RequestsInbox>, System>;

async fn handle(context: &AwsContext, event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload.get("Records").is_none() {
        return answer(context, event.payload).await;
    }
    let payload: SqsEvent = serde_json::from_value(event.payload)?;
    let event = LambdaEvent::new(payload, event.context);
    let serve = async |records: &[_], deadline| dispatch(context, records, deadline).await;
    // Boxed, because the future of a whole run is large.
    let response = Box::pin(batch::serve(event, serve)).await;
    Ok(serde_json::to_value(response)?)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadLettersDetail {
    #[serde(default)]
    filter: DeadLetterFilter,
}

/// Answers the operator's queries, which invoke the function directly and change nothing.
async fn answer(context: &AwsContext, payload: Value) -> Result<Value, Error> {
    let envelope: Envelope = serde_json::from_value(payload)?;
    let answered = match (envelope.source.as_str(), envelope.detail_type.as_str()) {
        (SOURCE, PLAN_REQUESTED) => {
            let request: PlanRequest = detail(envelope.detail)?;
            request.check()?;
            let answer = queries::plan_page(context, &request).await;
            answer.map(serde_json::to_value)
        }
        (SOURCE, DEAD_LETTERS_REQUESTED) => {
            let detail: DeadLettersDetail = detail(envelope.detail)?;
            detail.filter.check()?;
            let until = later(context.now(), LOOKING_AT_LETTERS);
            let answer = queries::dead_letters(context, &detail.filter, until).await;
            answer.map(serde_json::to_value)
        }
        (SOURCE, WHY_REQUESTED) => {
            let request: WhyRequest = detail(envelope.detail)?;
            queries::why(context, &request)
                .await
                .map(serde_json::to_value)
        }
        (SOURCE, REPORT_REQUESTED) => {
            let request: ReportRequest = detail(envelope.detail)?;
            request.scope.check()?;
            let answer = queries::report(context, &request).await;
            answer.map(serde_json::to_value)
        }
        (SOURCE, DOCTOR_REQUESTED) => {
            let request: DoctorRequest = detail(envelope.detail)?;
            let until = later(context.now(), LOOKING);
            let answer = queries::doctor(context, &request, until).await;
            answer.map(serde_json::to_value)
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
    match answered {
        Ok(answer) => Ok(answer?),
        // A regular answer, so that the code and the remedy reach the operator.
        Err(error) => Ok(serde_json::json!({ "fault": error.record() })),
    }
}

fn detail<T: Default + serde::de::DeserializeOwned>(detail: Value) -> Result<T, Error> {
    match detail {
        Value::Null => Ok(T::default()),
        detail => Ok(serde_json::from_value(detail)?),
    }
}

/// Serves the function until Lambda ends the environment.
pub async fn run() -> Result<(), Error> {
    logs::init();
    let config = sdk_config().await;
    let name: String = variable("PMP_SYNC_NAME")?;
    let context = &AwsContext {
        ledger: Ledger::new(
            &config,
            variable::<String>("PMP_SYNC_LEDGER_TABLE")?,
            variable("PMP_SYNC_RUN_RETENTION_DAYS")?,
        ),
        marketplace: Marketplace::new(&config),
        members: MemberRoles::new(config.clone(), name.clone()),
        outbox: Outbox {
            queue: RequestsInbox::new(
                &config,
                variable::<String>("PMP_SYNC_INBOX_URL")?,
                variable::<String>("PMP_SYNC_RETRIES_URL")?,
            ),
            dead_letters: DeadLetterQueue::new(
                &config,
                variable::<String>("PMP_SYNC_INBOX_DLQ_URL")?,
            ),
            bus: EventBus::for_announcements(&config, variable::<String>("PMP_SYNC_BUS_NAME")?),
            // A stack of an earlier release has no such variable.
            report: ReportObject::at(
                &config,
                name,
                std::env::var("PMP_SYNC_REPORT_BUCKET").unwrap_or_default(),
            ),
        },
        system: System,
        unannounced: Unannounced::default(),
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let span = tracing::info_span!("invocation", request_id = event.context.request_id);
        // Boxed, because the future of a whole run is large.
        Box::pin(handle(context, event)).instrument(span).await
    }))
    .await
}
