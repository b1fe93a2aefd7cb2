//! What the emulator says of products: the search of the Discovery API, and the notes of listed products.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::time::Duration;

use pmp_sync_aws::catalog::admin::{AdminChange, AdminChangeSet, CatalogAdmin, Noted};
use pmp_sync_aws::discovery::search::ListingSearch;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_local::embedded::Clients;
use pmp_sync_local::marketplace::{Emulator, Lists, NewExperience, Quotas, Settings};

const OWNER: &str = "999999999999";
const ADMIN: &str = "222222222222";

async fn emulator() -> Emulator {
    let settings = Settings {
        change_set_seconds: 0.2,
        events: false,
        quotas: Quotas::default(),
    };
    let emulator = Emulator::start(settings).await.unwrap();
    emulator.add_org(OWNER, [ADMIN.to_owned()]);
    emulator
}

#[tokio::test]
async fn listings_are_searched_by_words_page_by_page_and_only_those_that_are_live() {
    let emulator = emulator().await;
    let config = Clients::new(&emulator.endpoint()).config(ADMIN);
    let search = ListingSearch::new(&config);
    let found = search.search("claude SONNET", 50).await.unwrap();
    assert!(found.products.len() > 3 && !found.is_cut_off, "{found:?}");
    assert!(found.products.iter().all(|one| one.name.contains("Sonnet")));
    let first = &found.products[0];
    assert!(first.product.as_str().starts_with("prod-") && !first.manufacturer.is_empty());
    // Page by page, it is the same.
    let two = search.search("claude sonnet", 2).await.unwrap();
    assert_eq!(
        (two.products.as_slice(), two.is_cut_off),
        (&found.products[..2], true)
    );
    assert_eq!(two.listings, found.listings);
    emulator.set_live(first.product.as_str(), false);
    let fewer = search.search("claude sonnet", 50).await.unwrap();
    assert_eq!(fewer.products, found.products[1..]);
    assert_eq!(
        search.search("no such thing", 50).await.unwrap().products,
        []
    );
    let error = search.search(&"x".repeat(513), 50).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("ValidationException"))
    );
}

#[tokio::test]
async fn notes_of_products_are_kept_until_they_are_listed_anew() {
    let emulator = emulator().await;
    let config = Clients::new(&emulator.endpoint()).config(ADMIN);
    let admin = CatalogAdmin::new(&config);
    let experience: ExperienceId = emulator
        .add_experience(NewExperience {
            owner: OWNER.to_owned(),
            id: None,
            name: None,
            enabled: true,
            archived: false,
            lists: Some(Lists::default()),
        })
        .parse()
        .unwrap();
    let policy = admin.experience(&experience).await.unwrap().policy.unwrap();
    let list = async |action: Action, products: &[&str], notes: Option<&str>, token: &str| {
        let noted = Noted {
            products: products.iter().map(|id| id.parse().unwrap()).collect(),
            notes: notes.map(str::to_owned),
        };
        let set = AdminChangeSet {
            name: format!("pmp-sync-list:{token}"),
            token: token.to_owned(),
            experience: Some(experience.clone()),
            changes: vec![AdminChange::List(action, vec![noted])],
        };
        let id = admin.start(&set).await?;
        while admin.status(&id).await? == ChangeSetStatus::Underway {
            assert_eq!(
                admin.newest_on(&experience).await?.map(|found| found.id),
                Some(id.clone())
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let newest = admin.newest_on(&experience).await?.unwrap();
        assert!(!newest.is_under_way && newest.name == set.name);
        admin.noted_policy(&policy).await
    };
    let (lists, notes) = list(Action::Allow, &["prod-a", "prod-b"], Some("ours"), "1")
        .await
        .unwrap();
    assert!(lists.allowed().len() >= 2);
    let of = |id: &str| {
        notes
            .get(&id.parse::<ProductId>().unwrap())
            .map(String::as_str)
    };
    assert_eq!((of("prod-a"), of("prod-b")), (Some("ours"), Some("ours")));
    let (_, notes) = list(Action::Deny, &["prod-a"], None, "2").await.unwrap();
    assert_eq!(notes.len(), 1);
    let long = "x".repeat(51);
    let refused = list(Action::Allow, &["prod-a"], Some(&long), "3")
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
}
