//! The worker on AWS: environment, adapters, and the batch of its event source mapping.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use pmp_sync_aws::batch;
use pmp_sync_aws::bus::EventBus;
use pmp_sync_aws::catalog::Catalog;
use pmp_sync_aws::config::{in_role, sdk_config};
use pmp_sync_aws::dead_letters::DeadLetterQueue;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::logs;
use pmp_sync_aws::outbox::Outbox;
use pmp_sync_aws::queue::ChangesQueue;
use pmp_sync_aws::system::{System, variable};
use pmp_sync_domain::ids::{AccountId, InstallationId};
use pmp_sync_domain::lane::MemberRules;
use tracing::Instrument as _;

use crate::context::{Context, Membership};
use crate::inbox::handle;

type AwsContext = Context<Ledger, Catalog, Outbox<ChangesQueue>, System>;

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
    let table: String = variable("PMP_SYNC_LEDGER_TABLE")?;
    let installation = InstallationId::of_ledger(&table);
    let context = &AwsContext {
        // Of what the worker writes, the records of change sets expire.
        ledger: Ledger::new(&management, table, variable("PMP_SYNC_RUN_RETENTION_DAYS")?),
        catalog: Catalog::new(&config),
        outbox: Outbox {
            report: None,
            queue: ChangesQueue::new(&config, variable::<String>("PMP_SYNC_CHANGES_URL")?),
            dead_letters: DeadLetterQueue::new(&config, variable::<String>("PMP_SYNC_DLQ_URL")?),
            bus: EventBus::for_announcements(&management, variable::<String>("PMP_SYNC_BUS_NAME")?),
        },
        system: System,
        member: Membership::new(account, timeout_seconds)
            .of(installation)
            .with_rules(rules),
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
        let span = tracing::info_span!(
            "batch",
            request_id = event.context.request_id,
            messages = event.payload.records.len()
        );
        let serve = async |records: &[_], deadline| handle(context, records, deadline).await;
        // Boxed: the future of a batch is large.
        let response = Box::pin(batch::serve(event, serve)).instrument(span).await;
        Ok::<_, Error>(response)
    }))
    .await
}
