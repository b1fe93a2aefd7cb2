//! `pmp-sync suspend`: after it has returned, no change set is started on what it names. Change
//! sets in flight are left to end.

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::lane::Suspension;
use pmp_sync_domain::ports::Clock as _;

use crate::client::context::Context;
pub(crate) use crate::client::suspension::SuspendOptions;
use crate::client::suspension::{
    Done, Target, change, check, mark, put_on, report, wait_for_starts,
};
use crate::failure::Failure;
use crate::options::Common;
use crate::progress::Progress;

pub(crate) async fn run(common: &Common, options: &SuspendOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let target = Target::new(options);
    check(&context, &target).await?;
    let suspension = Suspension {
        by: context.requester().await,
        since: SystemClock.now(),
    };
    let progress = Progress::new();
    progress.step("stopping");
    let suspended = async {
        let suspensions = change(&context, |suspensions| {
            put_on(suspensions, &target, &suspension);
            Ok(())
        })
        .await?;
        let mut lanes = mark(&context, &suspensions).await?;
        wait_for_starts(&context, &mut lanes, &progress).await?;
        Ok::<_, Failure>((suspensions, lanes))
    }
    .await;
    progress.finish();
    let (suspensions, lanes) = suspended?;
    report(common, Done::Suspended, &target, &suspensions, &lanes)
}
