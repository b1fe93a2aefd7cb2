//! 500 changes over three members with everything going wrong at once.

use std::time::Duration;

use pmp_sync_domain::wire::Scope;
use pmp_sync_local::marketplace::{CallFaults, Faults, When};
use pmp_sync_local::proxy::{Filter, Moment, Times};

use crate::setup::{
    PATIENCE, alone, assert_serial, aws_proxy, catalog_proxy, emulator, ids, install, lists,
    mirror, until_equal,
};

#[test]
fn five_hundred_changes_get_through_whatever_goes_wrong() {
    let installation = install(31, 3);
    alone(async {
        let (allow, old) = (ids("a", 120), ids("o", 47));
        let nothing = ids("", 0);
        let (_, experiences) = mirror(
            &installation,
            lists(&allow, &nothing),
            &lists(&old, &nothing),
        )
        .await;
        let faults = Faults {
            seed: 7,
            server_fault_next: 3,
            ..Faults::default()
        };
        let any = CallFaults {
            throttle: When::random(0.1),
            server_error: When::random(0.05),
            unavailable: When::random(0.03),
            drop_response: When::random(0.05),
            delay: When::random(0.1),
            delay_ms: 300,
            ..CallFaults::default()
        };
        let start = CallFaults {
            quota: When::every(5),
            drop_response: When::every(3),
            ..CallFaults::default()
        };
        emulator()
            .set_faults(faults.on("*", any).on("StartChangeSet", start))
            .unwrap();
        emulator().foreign_lock(&experiences[0], 8.0).unwrap();
        let mine = || Filter::any().environment("PMP_SYNC_NAME=pmp-chaos-31\n");
        aws_proxy().rules(|rules| {
            rules.cut(mine(), Times::Every(23));
            rules.drop_answer(mine(), Times::Every(19));
            rules.delay(mine(), Times::Every(7), Duration::from_millis(120));
            for n in [40, 90, 160] {
                rules.kill_after(mine(), n, Moment::After);
            }
        });
        catalog_proxy().rules(|rules| {
            rules.cut(mine(), Times::Every(11));
            rules.drop_answer(mine(), Times::Every(13));
        });
        let first = tokio::time::Instant::now();
        installation.request(Scope::default()).await.unwrap();
        let wanted = lists(&allow, &old);
        // A run that fails is repeated, as the schedule would.
        let storm = Duration::from_secs(45);
        let again = Duration::from_secs(15);
        let mut next = again;
        let is_equal = |experience: &String| installation.lists(experience) == wanted;
        // As long as there is something left to disturb.
        while first.elapsed() < storm && !experiences.iter().all(is_equal) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if first.elapsed() >= next {
                next += again;
                let _ = installation.request(Scope::default()).await;
            }
        }
        emulator().set_faults(Faults::default()).unwrap();
        aws_proxy().rules(pmp_sync_local::proxy::Rules::clear);
        catalog_proxy().rules(pmp_sync_local::proxy::Rules::clear);
        installation.request(Scope::default()).await.unwrap();
        until_equal(&installation, &experiences, &wanted).await;
        for experience in &experiences {
            assert_serial(experience);
        }
        // A further run finds nothing to do.
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(run.totals.messages, 0, "{run:?}");
    });
}
