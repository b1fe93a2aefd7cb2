//! `pmp-sync stop`: the emergency brake. After it has returned no change set is started on what it names;
//! those in flight are left to end.

use pmp_sync_aws::edge::SystemClock;
use pmp_sync_domain::lane::Stop;
use pmp_sync_domain::ports::Clock as _;

use crate::client::context::Context;
use crate::client::suspension::{
    BrakeOptions, Done, Target, change, check, mark, put_on, report, wait_for_starts,
};
use crate::failure::Failure;
use crate::options::Common;
use crate::progress::Progress;

pub(crate) type SuspendOptions = BrakeOptions;

/// `stop`
pub(crate) async fn run(common: &Common, options: &BrakeOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let target = Target::new(options);
    check(&context, &target).await?;
    let stop = Stop {
        by: context.requester().await,
        since: SystemClock.now(),
    };
    let progress = Progress::new();
    progress.step("stopping");
    let stopped = async {
        let brake = change(&context, |brake| {
            put_on(brake, &target, &stop);
            Ok(())
        })
        .await?;
        let mut lanes = mark(&context, &brake).await?;
        wait_for_starts(&context, &mut lanes, &progress).await?;
        Ok::<_, Failure>((brake, lanes))
    }
    .await;
    progress.finish();
    let (brake, lanes) = stopped?;
    report(common, Done::Stopped, &target, &brake, &lanes)
}
