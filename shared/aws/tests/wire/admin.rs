//! The operator's side of the catalog on the wire.

use pmp_sync_aws::catalog::admin::{AdminChange, AdminChangeSet, CatalogAdmin, Ended, Noted};
use pmp_sync_domain::policy::Action;
use serde_json::{Value, json};

use crate::script::Script;

fn set(experience: Option<&str>, changes: Vec<AdminChange>) -> AdminChangeSet {
    AdminChangeSet {
        name: "pmp-sync-admin:create:Ours".to_owned(),
        token: "token".to_owned(),
        experience: experience.map(|id| id.parse().unwrap()),
        changes,
    }
}

#[tokio::test]
async fn an_experience_and_its_policy_are_made_in_one_change_set() {
    let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
    let name = "Ours".to_owned();
    let changes = vec![
        AdminChange::Create { name: name.clone() },
        AdminChange::CreatePolicy { name },
    ];
    let admin = CatalogAdmin::new(&config);
    let id = admin.start(&set(None, changes)).await.unwrap();
    assert_eq!(id.as_str(), "cs1");
    let expected = json!({
        "Catalog": "AWSMarketplace",
        "ChangeSetName": "pmp-sync-admin:create:Ours",
        "ClientRequestToken": "token",
        "ChangeSet": [
            {
                "ChangeType": "CreateExperience",
                "ChangeName": "NewExperience",
                "Entity": { "Type": "Experience@1.0" },
                "Details": "{\"Name\":\"Ours\"}",
            },
            {
                "ChangeType": "CreateProcurementPolicy",
                "Entity": {
                    "Type": "Experience@1.0",
                    "Identifier": "$NewExperience.Entity.Identifier",
                },
                "Details": "{\"Name\":\"Ours\"}",
            },
        ],
    });
    assert_eq!(script.seen()[0].path, "/StartChangeSet");
    assert_eq!(script.seen()[0].body, expected);
}

#[tokio::test]
async fn each_change_is_asked_for_with_its_details() {
    let cases = [
        (
            AdminChange::Associate {
                principals: vec!["o-1".to_owned()],
            },
            "AssociateAudience",
            "{\"Principals\":[\"o-1\"]}",
        ),
        (
            AdminChange::Disassociate {
                principals: vec!["o-1".to_owned()],
            },
            "DisassociateAudience",
            "{\"Principals\":[\"o-1\"]}",
        ),
        (
            AdminChange::SetEnabled(true),
            "UpdateExperience",
            "{\"Status\":\"Enabled\"}",
        ),
        (
            AdminChange::SetEnabled(false),
            "UpdateExperience",
            "{\"Status\":\"Disabled\"}",
        ),
        (AdminChange::Restrict, "RestrictExperience", "{}"),
        (AdminChange::Revive, "ReviveExperience", "{}"),
    ];
    for (change, kind, details) in cases {
        let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
        let admin = CatalogAdmin::new(&config);
        admin
            .start(&set(Some("exp-1"), vec![change]))
            .await
            .unwrap();
        let sent = &script.seen()[0].body["ChangeSet"][0];
        let expected = json!({
            "ChangeType": kind,
            "Entity": { "Type": "Experience@1.0", "Identifier": "exp-1" },
            "Details": details,
        });
        assert_eq!(*sent, expected);
    }
}

#[tokio::test]
async fn a_change_set_is_found_by_its_name_whoever_owns_it() {
    let summary = |name: &str, status: &str| json!({ "ChangeSetId": "cs1", "ChangeSetName": name, "Status": status });
    let list = |sets: &[Value]| (200, None, json!({ "ChangeSetSummaryList": sets }));
    for (status, is_under_way) in [("PREPARING", true), ("APPLYING", true), ("FAILED", false)] {
        let (script, config) = Script::new([
            list(&[summary("another", "APPLYING")]),
            list(&[summary("wanted", status)]),
        ])
        .await;
        let found = CatalogAdmin::new(&config).newest("wanted").await.unwrap();
        assert_eq!(found.unwrap().is_under_way, is_under_way);
        let filters = |index: usize| script.seen()[index].body["FilterList"].clone();
        let by_name = json!({ "Name": "ChangeSetName", "ValueList": ["wanted"] });
        let scope = json!({ "Name": "Scope", "ValueList": ["SharedWithMe"] });
        assert_eq!(filters(0), json!([by_name, scope]));
        assert_eq!(filters(1), json!([by_name]));
    }
    let (_, config) = Script::new([list(&[]), list(&[])]).await;
    let found = CatalogAdmin::new(&config).newest("wanted").await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn the_end_of_a_change_set_tells_what_was_made_or_why_nothing_was() {
    let ends = async |answer: Value| {
        let (_, config) = Script::new([(200, None, answer)]).await;
        let id = "cs1".parse().unwrap();
        CatalogAdmin::new(&config).ended(&id).await.unwrap()
    };
    let change = |errors: Value| {
        json!([{
            "ChangeType": "CreateExperience",
            "Entity": { "Type": "Experience@1.0", "Identifier": "exp-1@2" },
            "ErrorDetailList": errors,
        }])
    };
    let applying = ends(json!({ "Status": "APPLYING" })).await;
    assert_eq!(applying, None);
    let succeeded = ends(json!({ "Status": "SUCCEEDED", "ChangeSet": change(json!([])) })).await;
    assert_eq!(
        succeeded,
        Some(Ended::Succeeded(vec!["exp-1".parse().unwrap()]))
    );
    let errors = json!([{ "ErrorCode": "ENTITY_IN_USE", "ErrorMessage": "Later" }]);
    let answer =
        json!({ "Status": "FAILED", "FailureCode": "CLIENT_ERROR", "ChangeSet": change(errors) });
    let told = vec![("ENTITY_IN_USE".to_owned(), "Later".to_owned())];
    assert_eq!(ends(answer).await, Some(Ended::Failed(told)));
    let answer = json!({ "Status": "FAILED", "FailureCode": "CLIENT_ERROR", "FailureDescription": "Something" });
    let told = vec![("UNKNOWN".to_owned(), "Something".to_owned())];
    assert_eq!(ends(answer).await, Some(Ended::Failed(told)));
    let answer =
        json!({ "Status": "FAILED", "FailureCode": "SERVER_FAULT", "FailureDescription": "Ours" });
    assert_eq!(
        ends(answer).await,
        Some(Ended::ServerFault("Ours".to_owned()))
    );
    let cancelled = ends(json!({ "Status": "CANCELLED" })).await;
    assert_eq!(cancelled, Some(Ended::Cancelled));
}

#[tokio::test]
async fn products_are_listed_with_their_notes() {
    let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
    let noted = |products: &[&str], notes: Option<&str>| Noted {
        products: products.iter().map(|id| id.parse().unwrap()).collect(),
        notes: notes.map(str::to_owned),
    };
    let changes = vec![
        AdminChange::List(
            Action::Allow,
            vec![
                noted(&["prod-a", "prod-b"], Some("ours")),
                noted(&["prod-c"], None),
            ],
        ),
        AdminChange::List(Action::Deny, vec![noted(&["prod-d"], None)]),
    ];
    let admin = CatalogAdmin::new(&config);
    admin.start(&set(Some("exp-1"), changes)).await.unwrap();
    let sent = &script.seen()[0].body["ChangeSet"];
    let of = |place: usize| {
        let change = &sent[place];
        let details: Value = serde_json::from_str(change["Details"].as_str().unwrap()).unwrap();
        (
            change["ChangeType"].clone(),
            change["Entity"]["Identifier"].clone(),
            details,
        )
    };
    assert_eq!(
        of(0),
        (
            json!("AllowProductProcurement"),
            json!("exp-1"),
            json!({ "Products": [{ "Ids": ["prod-a", "prod-b"], "Notes": "ours" }, { "Ids": ["prod-c"] }] })
        )
    );
    assert_eq!(
        of(1),
        (
            json!("DenyProductProcurement"),
            json!("exp-1"),
            json!({ "Products": [{ "Ids": ["prod-d"] }] })
        )
    );
}
