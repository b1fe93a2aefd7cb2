//! Requests for a run: the schedule, the operator, a change set in the management organization.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ports::Members;
use pmp_sync_domain::records::Request;
use pmp_sync_domain::wire::{ChangeSetEvent, Scope, SyncRequest};

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::receipts::Asked;
use crate::run::begin::begin_run;

/// The requests of one batch, which are served by one run.
#[derive(Debug, Default)]
pub(crate) struct SyncRequests {
    /// The scopes of the requests; the run covers what any of them covers.
    scopes: Vec<Scope>,
    requests: Vec<Request>,
    asked: Vec<Asked>,
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
        });
        self.scopes.push(request.scope);
        self.asked.push(asked);
    }

    pub(crate) fn add_change_set(&mut self, asked: Asked, event: &ChangeSetEvent) {
        self.add_everything(asked, "management-change-set", Some(event.id.to_string()));
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

/// Serves the requests with one run, if there are any.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    sync: SyncRequests,
    deadline: Timestamp,
) -> Result<(), RunError> {
    if sync.requests.is_empty() {
        return Ok(());
    }
    begin_run(context, &sync.asked, sync.scopes, sync.requests, deadline).await
}
