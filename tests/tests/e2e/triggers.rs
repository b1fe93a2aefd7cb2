//! What starts a run besides a request.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_marketplacecatalog::Client;
use aws_sdk_marketplacecatalog::types::{Change, Entity};
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_local::marketplace::Lists;
use pmp_sync_local::scenario::link_to_several;

use crate::setup::{PATIENCE, block_on, embedded, ids, install, lists, mirror, mirror_with, until};

/// Starts a change set by hand, as an administrator does.
async fn change(account: &str, experience: &str, kind: &str, product: &str) {
    let entity = Entity::builder()
        .r#type("Experience@1.0")
        .identifier(experience)
        .build()
        .unwrap();
    let details = serde_json::json!({ "Products": [{ "Ids": [product] }] }).to_string();
    let change = Change::builder()
        .change_type(kind)
        .entity(entity)
        .details(details);
    Client::new(&embedded().catalog_config(account))
        .start_change_set()
        .catalog("AWSMarketplace")
        .change_set(change.build().unwrap())
        .send()
        .await
        .unwrap();
}

/// The schedule of these installations is an hour away.
const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn an_edit_by_hand_in_a_member_is_changed_back_within_a_minute() {
    block_on(async {
        let installation = install(13, 1, &[]).await;
        let wanted = ids("w", 2);
        let (_, experience) = mirror(
            &installation,
            lists(&wanted, &BTreeSet::new()),
            Lists::default(),
        )
        .await;
        installation.sync(PATIENCE).await.unwrap();
        until("the sync", PATIENCE, || {
            installation.lists(&experience).allow == wanted
        })
        .await;
        // Within a minute of the sync, of a product that pmp-sync never changed.
        let member = installation.members[0].account.clone();
        change(
            &member,
            &experience,
            "AllowProductProcurement",
            "prod-of-somebody",
        )
        .await;
        until("the edit", MINUTE, || {
            installation
                .lists(&experience)
                .allow
                .contains("prod-of-somebody")
        })
        .await;
        until("the list as it was", MINUTE, || {
            installation.lists(&experience).allow == wanted
        })
        .await;
        let runs = installation.ledger.newest_runs(10).await.unwrap().items;
        let of_edit = runs.iter().find(|run| {
            run.requests
                .iter()
                .any(|request| request.kind == "outside-edit")
        });
        let of_edit = of_edit.expect("a run for the edit");
        let links = installation.ledger.links(of_edit.run).await.unwrap().items;
        let told: Vec<_> = links
            .iter()
            .flat_map(|link| &link.edited)
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["prod-of-somebody"]);
    });
}

#[test]
fn an_edit_by_hand_in_a_member_that_is_only_observed_is_reported_within_a_minute() {
    block_on(async {
        let installation = install(14, 1, &[]).await;
        let wanted = ids("w", 2);
        let lists = || lists(&wanted, &BTreeSet::new());
        let (_, experience) =
            mirror_with(&installation, lists(), lists(), "mode = \"observe\"").await;
        installation.sync(PATIENCE).await.unwrap();
        let member = installation.members[0].account.clone();
        change(
            &member,
            &experience,
            "AllowProductProcurement",
            "prod-of-somebody",
        )
        .await;
        let begun = Instant::now();
        let edited = loop {
            let states = installation.ledger.link_states().await.unwrap().items;
            let edited: Vec<_> = states
                .iter()
                .flat_map(|(_, state)| state.edited.keys().map(ToString::to_string))
                .collect();
            if !edited.is_empty() {
                break edited;
            }
            assert!(begun.elapsed() < MINUTE, "nothing is reported");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(edited, ["prod-of-somebody"]);
        assert!(
            installation
                .lists(&experience)
                .allow
                .contains("prod-of-somebody")
        );
    });
}

#[test]
fn a_member_follows_a_base_and_a_regional_list_and_a_change_of_either_reaches_it() {
    block_on(async {
        let installation = install(15, 1, &[]).await;
        let (base, regional) = (ids("base", 60), ids("regional", 3));
        let contested: BTreeSet<_> = base.iter().take(2).cloned().collect();
        let management = &installation.management;
        let sources = [
            installation.add_experience(management, lists(&base, &BTreeSet::new())),
            installation.add_experience(management, lists(&regional, &contested)),
        ];
        let experience = installation.add_experience(&installation.members[0], Lists::default());
        let config = installation.config()
            + &link_to_several(&[&sources[0], &sources[1]], "m1", &experience, "");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.totals.allow, run.totals.deny), (61, 2));
        let mut allowed: BTreeSet<_> = base.union(&regional).cloned().collect();
        allowed.retain(|product| !contested.contains(product));
        assert_eq!(installation.lists(&experience), lists(&allowed, &contested));
        for (source, product) in sources.iter().zip(["prod-of-base", "prod-of-region"]) {
            change(
                &management.account,
                source,
                "AllowProductProcurement",
                product,
            )
            .await;
            until(product, PATIENCE, || {
                installation.lists(&experience).allow.contains(product)
            })
            .await;
        }
    });
}

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
        change(
            &installation.management.account,
            &source,
            "AllowProductProcurement",
            "prod-approved",
        )
        .await;
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
