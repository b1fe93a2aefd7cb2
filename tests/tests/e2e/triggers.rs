//! What starts a run besides a request.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_marketplacecatalog::Client;
use aws_sdk_marketplacecatalog::types::{Change, Entity};
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_local::marketplace::Lists;

use crate::setup::{PATIENCE, block_on, embedded, ids, install, lists, mirror, until};

#[test]
fn the_end_of_a_management_change_set_alone_reaches_the_members() {
    block_on(async {
        let installation = install(11, 1, &[]).await;
        let wanted = ids("w", 2);
        let (source, experience) = mirror(
            &installation,
            lists(&wanted, &BTreeSet::new()),
            Lists::default(),
        )
        .await;
        installation.sync(PATIENCE).await.unwrap();
        let entity = Entity::builder()
            .r#type("Experience@1.0")
            .identifier(&source)
            .build()
            .unwrap();
        let details = serde_json::json!({ "Products": [{ "Ids": ["prod-approved"] }] }).to_string();
        let change = Change::builder()
            .change_type("AllowProductProcurement")
            .entity(entity)
            .details(details);
        Client::new(&embedded().catalog_config(&installation.management.account))
            .start_change_set()
            .catalog("AWSMarketplace")
            .change_set(change.build().unwrap())
            .send()
            .await
            .unwrap();
        until("the approval in the member", PATIENCE, || {
            installation
                .lists(&experience)
                .allow
                .contains("prod-approved")
        })
        .await;
        let runs = installation.ledger.newest_runs(10).await.unwrap().items;
        let kinds: Vec<_> = runs
            .iter()
            .flat_map(|run| &run.requests)
            .map(|request| request.kind.as_str())
            .collect();
        assert!(kinds.contains(&"management-change-set"), "{kinds:?}");
    });
}

#[test]
fn the_schedule_alone_reaches_the_members() {
    block_on(async {
        let installation = install(12, 1, &[("ScheduleExpression", "rate(1 minute)")]).await;
        let wanted = ids("w", 2);
        let (_, experience) = mirror(
            &installation,
            lists(&wanted, &BTreeSet::new()),
            Lists::default(),
        )
        .await;
        until("the scheduled sync", Duration::from_secs(150), || {
            installation.lists(&experience).allow == wanted
        })
        .await;
        let runs = installation.ledger.newest_runs(10).await.unwrap().items;
        let kinds: Vec<_> = runs
            .iter()
            .flat_map(|run| &run.requests)
            .map(|request| request.kind.as_str())
            .collect();
        assert!(kinds.contains(&"schedule"), "{kinds:?}");
    });
}
