//! Requests for a run: the schedule, the operator, a change set in the management organization.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ports::{Members, ReadRuns};
use pmp_sync_domain::records::Request;
use pmp_sync_domain::retry::still_missed;
use pmp_sync_domain::wire::{ChangeSetEvent, LinkRetry, Scope, SyncRequest};

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::receipts::Asked;
use crate::run::begin::begin_run;
use crate::run::retry::COMPARED;

/// The requests of one batch, which are served by one run.
#[derive(Debug, Default)]
pub(crate) struct SyncRequests {
    /// The scopes of the requests; the run covers what any of them covers.
    scopes: Vec<Scope>,
    requests: Vec<Request>,
    asked: Vec<Asked>,
    pub(crate) retries: Vec<(Asked, LinkRetry)>,
}

impl SyncRequests {
    pub(crate) fn add_schedule(&mut self, asked: Asked) {
        self.add_everything(asked, "schedule", None);
    }

    pub(crate) fn add_request(&mut self, asked: Asked, request: SyncRequest) {
        let overrides = request.override_reason.is_some();
        self.requests.push(Request {
            kind: "sync-requested".to_owned(),
            id: request.request_id,
            requester: request.requester,
            account: request.account,
            scope: overrides.then(|| request.scope.clone()),
            override_reason: request.override_reason,
            retry: 0,
        });
        self.scopes.push(request.scope);
        self.asked.push(asked);
    }

    pub(crate) fn add_change_set(&mut self, asked: Asked, event: &ChangeSetEvent) {
        self.add_everything(asked, "management-change-set", Some(event.id.to_string()));
    }

    /// Adds a retry with what is left of its scope.
    fn add_retry(&mut self, asked: Asked, retry: &LinkRetry, scope: Scope) {
        self.requests.push(Request {
            kind: "retry".to_owned(),
            id: retry.run.map(|run| run.to_string()),
            scope: Some(scope.clone()),
            retry: retry.number,
            ..Request::default()
        });
        self.scopes.push(scope);
        self.asked.push(asked);
    }

    fn add_everything(&mut self, asked: Asked, kind: &str, id: Option<String>) {
        self.asked.push(asked);
        self.scopes.push(Scope::default());
        self.requests.push(Request {
            kind: kind.to_owned(),
            id,
            ..Request::default()
        });
    }
}

/// Adds the retries of which something is left that no run has tried since.
async fn add_retries<L: ReadRuns, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    sync: &mut SyncRequests,
) -> Result<(), RunError> {
    let retries = std::mem::take(&mut sync.retries);
    if retries.is_empty() {
        return Ok(());
    }
    let runs = context.ledger.newest_runs(COMPARED).await?.items;
    for (asked, retry) in retries {
        match still_missed(&retry, &runs) {
            Some(scope) => sync.add_retry(asked, &retry, scope),
            None => {
                tracing::info!(id = retry.id, "a newer run has tried the links of a retry");
            }
        }
    }
    Ok(())
}

/// Serves the requests with one run, if there are any.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    mut sync: SyncRequests,
    deadline: Timestamp,
) -> Result<(), RunError> {
    add_retries(context, &mut sync).await?;
    if sync.requests.is_empty() {
        return Ok(());
    }
    begin_run(context, &sync.asked, sync.scopes, sync.requests, deadline).await
}
