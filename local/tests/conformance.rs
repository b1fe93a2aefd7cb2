//! The emulator keeps the service's contract: driven by the AWS SDK, and by the unmodified boto3 client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::time::Duration;

use aws_sdk_marketplacecatalog::Client;
use aws_sdk_marketplacecatalog::error::ProvideErrorMetadata as _;
use aws_sdk_marketplacecatalog::types::{Change, ChangeStatus, ChangeSummary, Entity, Filter};
use pmp_sync_aws::catalog::{Catalog, ReadOnlyCatalog};
use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_deploy::progress::Progress;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetName, ExperienceId, ProductId, RunId};
use pmp_sync_domain::lane::{Intent, IntentChange};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{ChangeSetStatus, ChangeSets as _, Discovery as _, ReadCatalog as _};
use pmp_sync_local::embedded::{Clients, python};
use pmp_sync_local::marketplace::{
    CallFaults, Emulator, Faults, Lists, NewExperience, Quotas, Settings, When,
};

const OWNER: &str = "999999999999";
const ADMIN: &str = "222222222222";

async fn emulator(settings: Settings) -> Emulator {
    let emulator = Emulator::start(settings).await.unwrap();
    emulator.add_org(OWNER, [ADMIN.to_owned()]);
    emulator
}

fn experience(emulator: &Emulator, lists: Option<Lists>, archived: bool) -> String {
    emulator.add_experience(NewExperience {
        owner: OWNER.to_owned(),
        id: None,
        name: None,
        enabled: true,
        archived,
        lists,
    })
}

fn client(emulator: &Emulator, account: &str) -> Client {
    let config = Clients::new(&emulator.endpoint()).config(account);
    let once =
        aws_sdk_marketplacecatalog::config::retry::RetryConfig::standard().with_max_attempts(1);
    Client::from_conf(
        aws_sdk_marketplacecatalog::config::Builder::from(&config)
            .retry_config(once)
            .build(),
    )
}

fn change(kind: &str, id: &str, products: &[&str]) -> Change {
    let entity = Entity::builder()
        .r#type("Experience@1.0")
        .identifier(id)
        .build()
        .unwrap();
    let details = serde_json::json!({ "Products": [{ "Ids": products }] }).to_string();
    Change::builder()
        .change_type(kind)
        .entity(entity)
        .details(details)
        .build()
        .unwrap()
}

async fn start(client: &Client, changes: Vec<Change>) -> Result<String, (String, u16)> {
    let answer = client
        .start_change_set()
        .catalog("AWSMarketplace")
        .set_change_set(Some(changes))
        .send()
        .await;
    answer
        .map(|answer| answer.change_set_id().unwrap().to_owned())
        .map_err(|error| {
            let status = error
                .raw_response()
                .map_or(0, |response| response.status().as_u16());
            (error.code().unwrap_or_default().to_owned(), status)
        })
}

async fn ended(client: &Client, id: &str) -> (ChangeStatus, Option<String>) {
    for _ in 0..200 {
        let set = client
            .describe_change_set()
            .catalog("AWSMarketplace")
            .change_set_id(id)
            .send()
            .await
            .unwrap();
        match set.status().unwrap() {
            ChangeStatus::Preparing | ChangeStatus::Applying => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            status => {
                let mut errors = set
                    .change_set()
                    .iter()
                    .flat_map(ChangeSummary::error_detail_list);
                return (
                    status.clone(),
                    errors
                        .find_map(|error| error.error_code())
                        .map(str::to_owned),
                );
            }
        }
    }
    panic!("the change set {id} did not end");
}

fn quick() -> Settings {
    Settings {
        change_set_seconds: 0.2,
        events: false,
        quotas: Quotas::default(),
    }
}

#[tokio::test]
async fn the_unmodified_boto3_client_is_served() {
    let emulator = emulator(Settings {
        change_set_seconds: 1.0,
        ..quick()
    })
    .await;
    let with = experience(&emulator, Some(Lists::default()), false);
    let without = experience(&emulator, None, false);
    emulator.set_live("gone", false);
    let python = python(&Progress::none()).await.unwrap();
    let output = tokio::process::Command::new(python)
        .args([
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3_conformance.py"),
            &emulator.endpoint(),
            ADMIN,
            &with,
            &without,
        ])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn an_experience_is_locked_until_its_change_set_has_ended_and_others_are_not() {
    let emulator = emulator(quick()).await;
    let [one, other] = [0, 1].map(|_| experience(&emulator, Some(Lists::default()), false));
    let client = client(&emulator, ADMIN);
    let first = start(
        &client,
        vec![change("AllowProductProcurement", &one, &["p"])],
    )
    .await
    .unwrap();
    let refused = start(
        &client,
        vec![change("DenyProductProcurement", &one, &["p"])],
    )
    .await;
    assert_eq!(refused, Err(("ResourceInUseException".to_owned(), 423)));
    start(
        &client,
        vec![change("AllowProductProcurement", &other, &["p"])],
    )
    .await
    .unwrap();
    assert_eq!(ended(&client, &first).await.0, ChangeStatus::Succeeded);
    start(
        &client,
        vec![change("DenyProductProcurement", &one, &["p"])],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn allow_and_deny_move_products_between_the_lists() {
    let emulator = emulator(quick()).await;
    let before = Lists {
        allow: ["a".into(), "b".into()].into(),
        deny: ["c".into()].into(),
    };
    let id = experience(&emulator, Some(before), false);
    let client = client(&emulator, ADMIN);
    let changes = vec![
        change("AllowProductProcurement", &id, &["c", "n"]),
        change("DenyProductProcurement", &id, &["a"]),
    ];
    let set = start(&client, changes).await.unwrap();
    assert_eq!(ended(&client, &set).await.0, ChangeStatus::Succeeded);
    let after = Lists {
        allow: ["b".into(), "c".into(), "n".into()].into(),
        deny: ["a".into()].into(),
    };
    assert_eq!(emulator.lists(&id), Some(after));
}

#[tokio::test]
async fn archived_and_policy_less_experiences_fail_in_the_end_and_change_nothing() {
    let emulator = emulator(quick()).await;
    let archived = experience(&emulator, Some(Lists::default()), true);
    let without = experience(&emulator, None, false);
    let client = client(&emulator, ADMIN);
    let set = start(
        &client,
        vec![change("AllowProductProcurement", &archived, &["p"])],
    )
    .await
    .unwrap();
    assert_eq!(ended(&client, &set).await.0, ChangeStatus::Failed);
    assert_eq!(emulator.lists(&archived), Some(Lists::default()));
    let set = start(
        &client,
        vec![change("AllowProductProcurement", &without, &["p"])],
    )
    .await
    .unwrap();
    assert_eq!(
        ended(&client, &set).await,
        (ChangeStatus::Failed, Some("ENTITY_NOT_FOUND".to_owned()))
    );
}

/// A change of an experience with these details.
fn detailed(kind: &str, id: &str, details: &serde_json::Value) -> Change {
    let entity = Entity::builder().r#type("Experience@1.0").identifier(id);
    Change::builder()
        .change_type(kind)
        .entity(entity.build().unwrap())
        .details(details.to_string())
        .build()
        .unwrap()
}

fn associate(id: &str, principal: &str) -> Change {
    let details = serde_json::json!({ "Principals": [principal] });
    detailed("AssociateAudience", id, &details)
}

#[tokio::test]
async fn an_audience_is_of_the_organization_and_of_one_experience() {
    let emulator = emulator(quick()).await;
    emulator.add_org("888888888888", ["333333333333".to_owned()]);
    let [one, other] = [0, 1].map(|_| experience(&emulator, None, false));
    let client = client(&emulator, ADMIN);
    let ends = async |change: Change| {
        let set = start(&client, vec![change]).await.unwrap();
        ended(&client, &set).await
    };
    let failed = |code: &str| (ChangeStatus::Failed, Some(code.to_owned()));
    let own = "o-999999999999";
    for foreign in ["o-888888888888", "333333333333", "anything"] {
        let outcome = ends(associate(&one, foreign)).await;
        assert_eq!(outcome, failed("CALLER_NOT_AUTHORIZED"), "{foreign}");
    }
    assert_eq!(ends(associate(&one, own)).await.0, ChangeStatus::Succeeded);
    // Once more is as good, and the other one does not get it.
    assert_eq!(ends(associate(&one, own)).await.0, ChangeStatus::Succeeded);
    let outcome = ends(associate(&other, own)).await;
    assert_eq!(outcome, failed("ENTITY_ALREADY_EXISTS"));
    assert_eq!(
        ends(associate(&one, ADMIN)).await.0,
        ChangeStatus::Succeeded
    );

    let audiences = client
        .list_entities()
        .catalog("AWSMarketplace")
        .entity_type("Audience")
        .filter_list(
            Filter::builder()
                .name("Scope")
                .value_list("SharedWithMe")
                .build(),
        )
        .send()
        .await
        .unwrap();
    let [audience] = audiences.entity_summary_list() else {
        panic!("{audiences:?}");
    };
    let described = client
        .describe_entity()
        .catalog("AWSMarketplace")
        .entity_id(audience.entity_id().unwrap())
        .send()
        .await
        .unwrap();
    let details: serde_json::Value = serde_json::from_str(described.details().unwrap()).unwrap();
    assert_eq!(details["ExperienceId"], one.as_str());
    assert_eq!(details["Principals"], serde_json::json!([ADMIN, own]));

    let gone = serde_json::json!({ "Principals": [own] });
    let leave = || detailed("DisassociateAudience", &one, &gone);
    assert_eq!(ends(leave()).await.0, ChangeStatus::Succeeded);
    assert_eq!(ends(leave()).await, failed("ENTITY_NOT_FOUND"));
    assert_eq!(
        ends(associate(&other, own)).await.0,
        ChangeStatus::Succeeded
    );
}

#[tokio::test]
async fn one_audience_is_changed_by_one_change_set_at_a_time() {
    let emulator = emulator(quick()).await;
    let [one, other] = [0, 1].map(|_| experience(&emulator, None, false));
    let client = client(&emulator, ADMIN);
    let first = start(&client, vec![associate(&one, ADMIN)]).await.unwrap();
    let second = start(&client, vec![associate(&other, ADMIN)])
        .await
        .unwrap();
    let outcome = ended(&client, &first).await;
    assert_eq!(
        outcome,
        (ChangeStatus::Failed, Some("ENTITY_IN_USE".to_owned()))
    );
    assert_eq!(ended(&client, &second).await.0, ChangeStatus::Succeeded);
}

#[tokio::test]
async fn only_a_disabled_experience_is_archived() {
    let emulator = emulator(quick()).await;
    let id = experience(&emulator, Some(Lists::default()), false);
    let client = client(&emulator, ADMIN);
    let nothing = serde_json::json!({});
    let ends = async |kind: &str, details: &serde_json::Value| {
        let changes = vec![detailed(kind, &id, details)];
        let set = start(&client, changes).await.unwrap();
        ended(&client, &set).await.0
    };
    assert_eq!(
        ends("RestrictExperience", &nothing).await,
        ChangeStatus::Failed
    );
    let disable = serde_json::json!({ "Status": "Disabled" });
    for (kind, details, expected) in [
        ("UpdateExperience", &disable, ChangeStatus::Succeeded),
        ("RestrictExperience", &nothing, ChangeStatus::Succeeded),
        ("UpdateExperience", &disable, ChangeStatus::Failed),
        ("ReviveExperience", &nothing, ChangeStatus::Succeeded),
    ] {
        assert_eq!(ends(kind, details).await, expected, "{kind}");
    }
}

#[tokio::test]
async fn rates_and_open_change_sets_are_limited_when_asked() {
    let quotas = Quotas {
        rates: true,
        open_change_sets: 1,
    };
    let emulator = emulator(Settings {
        quotas,
        change_set_seconds: 30.0,
        ..quick()
    })
    .await;
    let [one, other] = [0, 1].map(|_| experience(&emulator, Some(Lists::default()), false));
    let client = client(&emulator, ADMIN);
    start(
        &client,
        vec![change("AllowProductProcurement", &one, &["p"])],
    )
    .await
    .unwrap();
    let refused = start(
        &client,
        vec![change("AllowProductProcurement", &other, &["p"])],
    )
    .await;
    assert_eq!(
        refused,
        Err(("ServiceQuotaExceededException".to_owned(), 402))
    );
    let mut throttled = 0;
    for _ in 0..6 {
        let answer = client
            .list_change_sets()
            .catalog("AWSMarketplace")
            .send()
            .await;
        throttled +=
            usize::from(answer.is_err_and(|error| error.code() == Some("ThrottlingException")));
    }
    assert!(throttled >= 1, "six lists in a second are one too many");
}

#[tokio::test]
async fn the_owner_lists_without_and_the_administrator_with_the_scope() {
    let emulator = emulator(quick()).await;
    let id = experience(&emulator, Some(Lists::default()), false);
    for (account, scope, expected) in [
        (OWNER, false, 1),
        (OWNER, true, 0),
        (ADMIN, false, 0),
        (ADMIN, true, 1),
    ] {
        let filter = scope.then(|| {
            vec![
                Filter::builder()
                    .name("Scope")
                    .value_list("SharedWithMe")
                    .build(),
            ]
        });
        let answer = client(&emulator, account)
            .list_entities()
            .catalog("AWSMarketplace")
            .entity_type("Experience")
            .set_filter_list(filter)
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.entity_summary_list().len(),
            expected,
            "{account}, scope {scope}"
        );
        assert!(
            answer
                .entity_summary_list()
                .iter()
                .all(|summary| summary.entity_id() == Some(&id))
        );
    }
    // The adapter asks in both scopes, so each of them finds the experience and its change sets.
    for (seq, account) in [(1, OWNER), (2, ADMIN)] {
        let config = Clients::new(&emulator.endpoint()).config(account);
        let listed = ReadOnlyCatalog::new(&config).experiences().await.unwrap();
        assert_eq!(listed, [ExperienceId::new(&id).unwrap()], "{account}");
        let catalog = Catalog::new(&config);
        let name: ChangeSetName = format!("pmp-sync:{id}:{seq}").parse().unwrap();
        assert_eq!(catalog.named(&name).await.unwrap(), []);
        let intent = Intent {
            token: seq.to_string(),
            name: Some(name.clone()),
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            written_at: None,
            creates_policy: false,
            changes: vec![IntentChange {
                product: ProductId::new("p").unwrap(),
                action: Action::Allow,
                run: RunId::next(None, 1, 1),
                ordinal: 0,
            }],
        };
        let set = catalog.start(&name, &intent).await.unwrap();
        let named = catalog.named(&name).await.unwrap();
        assert_eq!(named.len(), 1);
        assert_eq!(named[0].id, set);
        assert!(intent.is_started_by(&named[0]), "{named:?}");
        let newest = catalog.newest(&name.experience).await.unwrap();
        assert_eq!((&newest[0].id, newest[0].name.parse()), (&set, Ok(name)));
        while catalog.status(&set).await.unwrap() == ChangeSetStatus::Underway {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_discovery_api_has_every_product_unless_it_is_told_otherwise() {
    let emulator = emulator(quick()).await;
    let config = Clients::new(&emulator.endpoint()).config(ADMIN);
    let directory = ProductDirectory::new(&config);
    let product = ProductId::new("prod-made-up").unwrap();
    let is_live = async || {
        directory
            .product(&product)
            .await
            .map(|found| found.is_some())
    };
    assert_eq!(is_live().await, Ok(true));
    emulator.set_live(product.as_str(), false);
    assert_eq!(is_live().await, Ok(false));
    emulator.set_live(product.as_str(), true);
    assert_eq!(is_live().await, Ok(true));
    let denied = CallFaults {
        denied: When::next(1),
        ..CallFaults::default()
    };
    emulator
        .set_faults(Faults::default().on("GetProduct", denied))
        .unwrap();
    let refused = directory.product(&product).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Denied);
    assert_eq!(is_live().await, Ok(true));
}

#[tokio::test]
async fn the_discovery_api_answers_names_and_the_products_of_pages() {
    let emulator = emulator(quick()).await;
    let config = Clients::new(&emulator.endpoint()).config(ADMIN);
    let directory = ProductDirectory::new(&config);
    let of = |id: &str| ProductId::new(id).unwrap();
    let real = directory.product(&of("prod-dr2vpvd4k73aq")).await.unwrap();
    let real = real.unwrap();
    assert_eq!(real.name, "AI21 Jamba-Instruct");
    assert_eq!(real.listing, "prodview-dr2vpvd4k73aq");
    assert_eq!(real.manufacturer, "Emulated seller");
    let page = directory.products_of_listing(&real.listing).await.unwrap();
    let page = page.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(
        (page[0].id.as_str(), &page[0].name),
        ("prod-dr2vpvd4k73aq", &real.name)
    );
    emulator.set_name("prod-mongo", "MongoDB Atlas");
    let named = directory.product(&of("prod-mongo")).await.unwrap().unwrap();
    assert_eq!(named.name, "MongoDB Atlas");
    let none = directory.products_of_listing("prodview-nothing").await;
    assert_eq!(none, Ok(None));
}
