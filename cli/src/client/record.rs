//! The record of what an operator did that is no run: who, when, and why. `pmp-sync history` shows it.

use pmp_sync_aws::system::{SystemClock, SystemEntropy};
use pmp_sync_domain::ids::{AccountId, EditId};
use pmp_sync_domain::ports::{Clock as _, Entropy as _};
use pmp_sync_domain::records::{ActKind, OperatorAct};
use pmp_sync_domain::wire::Scope;

use super::context::Context;
use crate::output;

/// Records what was done. It is done whether or not that can be recorded, so a failure is a note.
pub(crate) async fn record(context: &Context, kind: ActKind, scope: &Scope, reason: Option<&str>) {
    write(context, new(kind).on(scope), reason).await;
}

/// Records what was done to a member account.
pub(crate) async fn record_account(
    context: &Context,
    kind: ActKind,
    account: &AccountId,
    scope: &Scope,
    reason: Option<&str>,
) {
    write(context, new(kind).on(scope).of_account(account), reason).await;
}

fn new(kind: ActKind) -> OperatorAct {
    let now = SystemClock.now();
    let id = EditId::generate(now.as_millisecond(), SystemEntropy.bits());
    OperatorAct::new(id, kind, now)
}

async fn write(context: &Context, act: OperatorAct, reason: Option<&str>) {
    let by = context.requester().await;
    let act = act.asked(by.as_deref(), reason);
    if let Err(error) = context.ledger.put_act(&act).await {
        output::note(&format!(
            "it is done, and could not be recorded for `pmp-sync history`: {error}"
        ));
    }
}
