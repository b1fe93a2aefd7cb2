//! AWS stands still for seconds in the middle of a sync.

use std::time::Duration;

use pmp_sync_domain::wire::Scope;

use crate::setup::{
    PATIENCE, alone, assert_serial, catalog_proxy, change_sets, embedded, ids, install, lists,
    mirror, until_equal,
};

#[test]
fn a_pause_of_the_server_and_of_the_catalog_only_takes_longer() {
    let installation = install(21, 2);
    alone(async {
        let (allow, deny) = (ids("a", 170), ids("d", 60));
        let wanted = lists(&allow, &deny);
        let nothing = lists(&ids("", 0), &ids("", 0));
        let (_, experiences) = mirror(&installation, wanted.clone(), &nothing).await;
        installation.request(Scope::default()).await.unwrap();
        // In the middle: after the first change set has been started.
        let started = async {
            while change_sets(&experiences[0]).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, started).await.unwrap();
        embedded()
            .pause_server(Duration::from_secs(6))
            .await
            .unwrap();
        catalog_proxy().pause(Duration::from_secs(5));
        until_equal(&installation, &experiences, &wanted).await;
        for experience in &experiences {
            assert_serial(experience);
        }
    });
}
