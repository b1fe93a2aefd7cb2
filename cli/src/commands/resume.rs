//! `pmp-sync resume`: ends a suspension, and starts a sync.

use pmp_sync_domain::ports::Bus as _;
use pmp_sync_domain::wire::{Scope, SyncRequest, sync_requested};

use crate::client::context::{Context, request_id};
use crate::client::suspension::{Done, SuspendOptions, Target, change, mark, report, take_off};
use crate::failure::Failure;
use crate::options::Common;

pub(crate) type ResumeOptions = SuspendOptions;

pub(crate) async fn run(common: &Common, options: &SuspendOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let target = Target::new(options);
    let suspensions = change(&context, |suspensions| take_off(suspensions, &target)).await?;
    let lanes = mark(&context, &suspensions).await?;
    // What was kept back is planned now, not with the next hourly run.
    let scopes = if target.is_everything() {
        vec![Scope::default()]
    } else {
        let of_members = Scope {
            members: target.members.to_vec(),
            ..Scope::default()
        };
        let of_links = Scope {
            experiences: target.links.to_vec(),
            ..Scope::default()
        };
        let narrow = [of_members, of_links];
        let narrow = narrow.into_iter().filter(|scope| !scope.is_everything());
        narrow.collect()
    };
    let requester = context.requester().await;
    for scope in scopes {
        context
            .bus
            .put(sync_requested(SyncRequest {
                scope,
                request_id: Some(request_id()),
                requester: requester.clone(),
                ..SyncRequest::default()
            }))
            .await?;
    }
    report(common, Done::Resumed, &target, &suspensions, &lanes)
}
