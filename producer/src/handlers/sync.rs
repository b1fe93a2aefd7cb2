//! Requests for a run: the schedule, the operator, a change set in the management organization.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{ChangeSetId, LaneId, ProductId};
use pmp_sync_domain::ports::{Members, ReadRuns};
use pmp_sync_domain::records::Request;
use pmp_sync_domain::retry::still_missed;
use pmp_sync_domain::wire::{ChangeSetEvent, LinkRetry, Scope, SyncRequest};

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::receipts::Asked;
use crate::run::begin::begin_run;
use crate::run::retry::COMPARED;
use crate::setup::Setup;

/// The kind of a scheduled run among the requests of its record.
pub(super) const SCHEDULE: &str = "schedule";

/// The requests of one batch, which are served by one run.
#[derive(Debug, Default)]
pub(crate) struct SyncRequests {
    /// The scopes of the requests; the run covers what any of them covers.
    scopes: Vec<Scope>,
    requests: Vec<Request>,
    asked: Vec<Asked>,
    /// True if the schedule is among them.
    scheduled: bool,
    pub(crate) retries: Vec<(Asked, LinkRetry)>,
    /// Lanes whose experiences others have changed, each with the change set.
    pub(crate) edits: Vec<(Asked, LaneId, ChangeSetId)>,
}

impl SyncRequests {
    pub(crate) fn add_schedule(&mut self, asked: Asked) {
        self.scheduled = true;
        self.add_everything(asked, SCHEDULE, None);
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

    /// Adds the link of a lane that somebody else has changed.
    fn add_edit(&mut self, asked: Asked, change_set: &ChangeSetId, scope: Scope) {
        self.requests.push(Request {
            kind: "outside-edit".to_owned(),
            id: Some(change_set.to_string()),
            scope: Some(scope.clone()),
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

/// Adds the links of the lanes that others have changed. A change on an experience that no link serves is nobody's edit.
async fn add_edits<L: ReadRuns, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    sync: &mut SyncRequests,
) -> Result<(), RunError> {
    let edits = std::mem::take(&mut sync.edits);
    if edits.is_empty() {
        return Ok(());
    }
    let setup = match Setup::read(&context.ledger).await {
        Ok(setup) => setup,
        Err(error) if error.is_passing() => return Err(error),
        Err(error) => {
            tracing::error!(code = error.code(), %error, "an outside edit cannot be looked at");
            return Ok(());
        }
    };
    for (asked, lane, change_set) in edits {
        let Some(link) = setup.link_of(&lane) else {
            tracing::debug!(%lane, %change_set, "no link serves what somebody has changed");
            continue;
        };
        let scope = Scope {
            members: vec![link.member.name.clone()],
            experiences: vec![lane.experience],
        };
        sync.add_edit(asked, &change_set, scope);
    }
    Ok(())
}

/// Serves the requests with one run, if there are any. If a scheduled run is done by that, returns the products that
/// it found.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    mut sync: SyncRequests,
    deadline: Timestamp,
) -> Result<Option<BTreeSet<ProductId>>, RunError> {
    add_retries(context, &mut sync).await?;
    add_edits(context, &mut sync).await?;
    if sync.requests.is_empty() {
        return Ok(None);
    }
    let run = begin_run(context, &sync.asked, sync.scopes, sync.requests, deadline);
    let listed = run.await?;
    Ok(listed.filter(|_| sync.scheduled))
}
