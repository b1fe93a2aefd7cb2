//! Requests for a run: the schedule, the operator, a change set in the management organization.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ports::Members;
use pmp_sync_domain::records::Request;
use pmp_sync_domain::wire::{ChangeSetEvent, Scope, SyncRequest};

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::run::begin::begin_run;

/// The requests of one batch, which are served by one run.
#[derive(Debug, Default)]
pub(crate) struct SyncRequests {
    /// The scopes of the requests; the run covers what any of them covers.
    scopes: Vec<Scope>,
    requests: Vec<Request>,
}

impl SyncRequests {
    pub(crate) fn add_schedule(&mut self) {
        self.add_everything("schedule", None);
    }

    pub(crate) fn add_request(&mut self, asked: SyncRequest) {
        self.requests.push(Request {
            kind: "sync-requested".to_owned(),
            id: asked.request_id,
            requester: asked.requester,
            account: asked.account,
            scope: asked.override_reason.as_ref().map(|_| asked.scope.clone()),
            override_reason: asked.override_reason,
        });
        self.scopes.push(asked.scope);
    }

    pub(crate) fn add_change_set(&mut self, event: &ChangeSetEvent) {
        if event.is_ours() {
            tracing::debug!(change_set = %event.id, "a change set of our own triggers nothing");
        } else {
            self.add_everything("management-change-set", Some(event.id.to_string()));
        }
    }

    fn add_everything(&mut self, kind: &str, id: Option<String>) {
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
    asked: SyncRequests,
    deadline: Timestamp,
) -> Result<(), RunError> {
    if asked.requests.is_empty() {
        return Ok(());
    }
    begin_run(context, asked.scopes, asked.requests, deadline).await
}
