//! Lists in both scopes: what is shared with the account, and what it owns.

use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_aws::catalog::{Catalog, ReadOnlyCatalog};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetName, ExperienceId};
use pmp_sync_domain::lane::{NamedSet, SetContent};
use pmp_sync_domain::ports::{ChangeSets as _, ReadCatalog as _};
use serde_json::{Value, json};

use crate::script::Script;

type Answer = (u16, Option<&'static str>, Value);

fn entities(ids: &[&str], next: Option<&str>) -> Answer {
    let list: Vec<_> = ids.iter().map(|id| json!({ "EntityId": id })).collect();
    let body = json!({ "EntitySummaryList": list, "NextToken": next });
    (200, None, body)
}

fn refused(status: u16, error: &'static str) -> Answer {
    (
        status,
        Some(error),
        json!({ "Message": "in its own words" }),
    )
}

fn shared() -> Value {
    json!({ "Name": "Scope", "ValueList": ["SharedWithMe"] })
}

async fn experiences(answers: Vec<Answer>) -> (Script, Result<Vec<String>, Kind>) {
    let (script, config) = Script::new(answers).await;
    let listed = ReadOnlyCatalog::new(&config).experiences().await;
    let names = |ids: Vec<ExperienceId>| ids.iter().map(ToString::to_string).collect();
    (script, listed.map(names).map_err(|error| error.kind))
}

#[tokio::test]
async fn experiences_are_listed_to_the_last_page_in_both_scopes() {
    let (script, listed) = experiences(vec![
        entities(&["exp-1"], Some("more")),
        entities(&["exp-2"], None),
        entities(&[], None),
    ])
    .await;
    assert_eq!(listed.unwrap(), ["exp-1", "exp-2"]);
    let seen = script.seen();
    let filters = |call: usize| seen[call].body["FilterList"].clone();
    assert_eq!(filters(0), json!([shared()]));
    assert_eq!(filters(1), json!([shared()]));
    assert_eq!(filters(2), Value::Null);
    assert_eq!(
        (&seen[0].body["EntityType"], &seen[1].body["NextToken"]),
        (&json!("Experience"), &json!("more"))
    );
}

#[tokio::test]
async fn a_management_account_that_owns_its_experiences_sees_them() {
    let (_, listed) = experiences(vec![entities(&[], None), entities(&["exp-1"], None)]).await;
    assert_eq!(listed.unwrap(), ["exp-1"]);
}

#[tokio::test]
async fn an_experience_in_both_scopes_is_listed_once() {
    let both = vec![
        entities(&["exp-1", "exp-2"], None),
        entities(&["exp-2", "exp-3"], None),
    ];
    let (_, listed) = experiences(both).await;
    assert_eq!(listed.unwrap(), ["exp-1", "exp-2", "exp-3"]);
}

#[tokio::test]
async fn a_refused_scope_counts_as_empty_only_if_the_other_one_has_something() {
    let validation = || refused(422, "ValidationException");
    let (_, listed) = experiences(vec![validation(), entities(&["exp-1"], None)]).await;
    assert_eq!(listed.unwrap(), ["exp-1"]);
    let (_, listed) = experiences(vec![entities(&["exp-1"], None), validation()]).await;
    assert_eq!(listed.unwrap(), ["exp-1"]);
    let (_, listed) = experiences(vec![validation(), entities(&[], None)]).await;
    assert_eq!(listed, Err(Kind::Refused));
    for (status, error, kind) in [
        (403, "AccessDeniedException", Kind::Denied),
        (429, "ThrottlingException", Kind::Throttled),
        (500, "InternalServiceException", Kind::Retryable),
    ] {
        let answers = vec![entities(&["exp-1"], None), refused(status, error)];
        let (_, listed) = experiences(answers).await;
        assert_eq!(listed, Err(kind), "half a list is no list");
    }
}

#[tokio::test]
async fn an_experience_whose_id_is_not_valid_does_not_hide_the_others() {
    let answers = vec![entities(&["", "exp-1"], None), entities(&[], None)];
    let (_, listed) = experiences(answers).await;
    assert_eq!(listed.unwrap(), ["exp-1"]);
}

#[tokio::test]
async fn a_change_set_is_found_whoever_owns_the_experience() {
    let name: ChangeSetName = "pmp-sync:exp-1:7".parse().unwrap();
    let named = |name: &str| {
        let set = json!({ "ChangeSetId": "cs1", "ChangeSetName": name });
        (200, None, json!({ "ChangeSetSummaryList": [set] }))
    };
    let none = || (200, None, json!({ "ChangeSetSummaryList": [] }));
    let change = |kind: &str, ids: &[&str]| json!({ "ChangeType": kind, "Details": json!({ "Products": [{ "Ids": ids }] }).to_string() });
    let whole = || {
        let sets = [
            change("AllowProductProcurement", &["a", "b"]),
            change("DenyProductProcurement", &["c"]),
        ];
        (
            200,
            None,
            json!({ "ChangeSetId": "cs1", "StartTime": "2026-01-01T00:00:00Z", "ChangeSet": sets }),
        )
    };
    let own = vec![none(), named(&name.to_string())];
    let theirs = vec![named(&name.to_string())];
    let refused = vec![
        refused(422, "ValidationException"),
        named(&name.to_string()),
    ];
    for mut answers in [own, theirs, refused] {
        let calls = answers.len();
        answers.push(whole());
        let (script, config) = Script::new(answers).await;
        let found = Catalog::new(&config).named(&name).await.unwrap();
        let products = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect();
        let expected = NamedSet {
            id: "cs1".parse().unwrap(),
            started: "2026-01-01T00:00:00Z".parse().ok(),
            content: Some(SetContent {
                allow: products(&["a", "b"]),
                deny: products(&["c"]),
                ..SetContent::default()
            }),
        };
        assert_eq!(found, [expected]);
        let seen = script.seen();
        let scoped = |call: usize| {
            let filters = seen[call].body["FilterList"].as_array().unwrap();
            filters.contains(&shared())
        };
        assert_eq!(seen.len(), calls + 1);
        assert!(scoped(0) && (calls == 1 || !scoped(1)));
    }
    let (_, config) = Script::new(vec![named("another"), none()]).await;
    assert_eq!(Catalog::new(&config).named(&name).await.unwrap(), []);
}

fn page(name: Option<&str>, next: Option<&str>) -> Answer {
    let set = |name| json!({ "ChangeSetId": "cs1", "ChangeSetName": name });
    let sets: Vec<_> = name.map(set).into_iter().collect();
    let body = json!({ "ChangeSetSummaryList": sets, "NextToken": next });
    (200, None, body)
}

/// Whoever takes a list that was cut off for an empty one starts the change set once more.
#[tokio::test]
async fn a_change_set_that_is_not_on_the_pages_that_were_read_is_not_taken_for_one_that_is_not_there()
 {
    let name: ChangeSetName = "pmp-sync:exp-1:7".parse().unwrap();
    let endless = || vec![page(None, Some("more")); 40];
    let both = [endless(), endless()].concat();
    let (_, config) = Script::new(both.clone()).await;
    let error = Catalog::new(&config).named(&name).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    assert!(error.message.contains("40 pages"), "{error}");
    let (_, config) = Script::new(both.clone()).await;
    assert!(
        Catalog::new(&config)
            .newest(&name.experience)
            .await
            .is_err()
    );
    let (_, config) = Script::new(both).await;
    assert!(CatalogAdmin::new(&config).newest("wanted").await.is_err());
    // The other scope has nothing, to its end: what was cut off may still have it.
    let one = [endless(), vec![page(None, None)]].concat();
    let (_, config) = Script::new(one).await;
    assert!(Catalog::new(&config).named(&name).await.is_err());
    // It has it.
    let text = name.to_string();
    let found = vec![
        page(Some(&text), None),
        (200, None, json!({ "ChangeSetId": "cs1" })),
    ];
    let (_, config) = Script::new([endless(), found].concat()).await;
    assert_eq!(Catalog::new(&config).named(&name).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_set_is_looked_for_on_the_pages_after_an_empty_one() {
    let answers = vec![page(None, Some("more")), page(Some("wanted"), None)];
    let (script, config) = Script::new(answers).await;
    let found = CatalogAdmin::new(&config).newest("wanted").await.unwrap();
    assert_eq!(found.map(|found| found.id), "cs1".parse().ok());
    assert_eq!(script.seen()[1].body["NextToken"], "more");
}
