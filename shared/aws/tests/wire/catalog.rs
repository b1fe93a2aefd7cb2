//! What the worker sends to the catalog, and what answers and errors become.

use pmp_sync_aws::catalog::{Catalog, ReadOnlyCatalog};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetName, ExperienceId};
use pmp_sync_domain::lane::{ChangeError, Failed, Intent, IntentChange};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{ChangeSetStatus, ChangeSets as _, ReadCatalog as _};
use serde_json::json;

use crate::change;
use crate::script::Script;

fn name() -> ChangeSetName {
    ChangeSetName {
        experience: ExperienceId::new("exp-1").unwrap(),
        seq: 4,
        mark: None,
    }
}

fn intent(changes: impl IntoIterator<Item = IntentChange>) -> Intent {
    Intent {
        token: "token".to_owned(),
        name: None,
        written_at: None,
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        creates_policy: false,
        changes: changes.into_iter().collect(),
    }
}

#[tokio::test]
async fn the_first_policy_is_created_with_what_goes_into_it() {
    let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
    let intent = Intent {
        creates_policy: true,
        ..intent([change("a", Action::Allow)])
    };
    Catalog::new(&config).start(&name(), &intent).await.unwrap();
    let sent = script.seen().remove(0).body;
    let types: Vec<_> = sent["ChangeSet"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["ChangeType"].clone())
        .collect();
    assert_eq!(
        types,
        ["CreateProcurementPolicy", "AllowProductProcurement"]
    );
    assert_eq!(sent["ChangeSet"][0]["Details"], "{\"Name\":\"pmp-sync\"}");
}

#[tokio::test]
async fn a_change_set_is_one_allow_and_one_deny_with_token_and_name() {
    let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
    let changes = [
        change("a2", Action::Allow),
        change("d1", Action::Deny),
        change("a1", Action::Allow),
    ];
    let id = Catalog::new(&config)
        .start(&name(), &intent(changes))
        .await
        .unwrap();
    assert_eq!(id.as_str(), "cs1");
    let expected = json!({
        "Catalog": "AWSMarketplace",
        "ChangeSetName": "pmp-sync:exp-1:4",
        "ClientRequestToken": "token",
        "ChangeSet": [
            {
                "ChangeType": "AllowProductProcurement",
                "Entity": { "Type": "Experience@1.0", "Identifier": "exp-1" },
                "Details": "{\"Products\":[{\"Ids\":[\"a2\",\"a1\"]}]}",
            },
            {
                "ChangeType": "DenyProductProcurement",
                "Entity": { "Type": "Experience@1.0", "Identifier": "exp-1" },
                "Details": "{\"Products\":[{\"Ids\":[\"d1\"]}]}",
            },
        ],
    });
    assert_eq!(script.seen()[0].path, "/StartChangeSet");
    assert_eq!(script.seen()[0].body, expected);
}

#[tokio::test]
async fn errors_become_what_is_to_be_done_about_them() {
    for (status, error, kind) in [
        (423, "ResourceInUseException", Kind::Locked),
        (402, "ServiceQuotaExceededException", Kind::Throttled),
        (429, "ThrottlingException", Kind::Throttled),
        (403, "AccessDeniedException", Kind::Denied),
        (404, "ResourceNotFoundException", Kind::NotFound),
        (422, "ValidationException", Kind::Refused),
        (500, "InternalServiceException", Kind::Retryable),
    ] {
        let (_script, config) = Script::new([(
            status,
            Some(error),
            json!({ "Message": "in its own words" }),
        )])
        .await;
        let failed = Catalog::new(&config)
            .start(&name(), &intent([change("a", Action::Allow)]))
            .await
            .unwrap_err();
        assert_eq!(
            (failed.kind, failed.code.as_deref(), failed.message.as_str()),
            (kind, Some(error), "in its own words")
        );
    }
}

#[tokio::test]
async fn the_end_of_a_change_set_tells_how_long_it_took_or_why_it_failed() {
    let succeeded = json!({
        "Status": "SUCCEEDED", "StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-01T00:01:30Z",
        "FailureCode": null, "FailureDescription": null, "ChangeSet": [{ "ErrorDetailList": [] }],
    });
    let failed = json!({
        "Status": "FAILED", "FailureCode": "CLIENT_ERROR",
        "ChangeSet": [{ "ChangeType": "AllowProductProcurement", "ErrorDetailList": [{ "ErrorCode": "ENTITY_NOT_FOUND", "ErrorMessage": "no policy" }] }],
    });
    let fault = json!({ "Status": "FAILED", "FailureCode": "SERVER_FAULT", "FailureDescription": "try again" });
    let (_script, config) = Script::new([
        (200, None, succeeded),
        (200, None, failed),
        (200, None, fault),
    ])
    .await;
    let catalog = Catalog::new(&config);
    let id = "cs1".parse().unwrap();
    assert_eq!(
        catalog.status(&id).await.unwrap(),
        ChangeSetStatus::Succeeded(Some(90))
    );
    let told = Failed {
        errors: vec![ChangeError {
            action: Action::Allow,
            code: "ENTITY_NOT_FOUND".to_owned(),
            message: "no policy".to_owned(),
        }],
        description: None,
    };
    assert_eq!(
        catalog.status(&id).await.unwrap(),
        ChangeSetStatus::Failed(told)
    );
    assert_eq!(
        catalog.status(&id).await.unwrap(),
        ChangeSetStatus::ServerFault("try again".to_owned())
    );
}

#[tokio::test]
async fn an_entity_without_text_details_is_read_from_its_document() {
    let entity = json!({
        "EntityType": "ProcurementPolicy@1.0", "EntityIdentifier": "procpolicy-1@3",
        "DetailsDocument": { "Statements": [{ "Effect": "Deny", "Resources": [{ "Type": "Product", "Ids": ["d"] }] }] },
    });
    let (_script, config) = Script::new([(200, None, entity)]).await;
    let policy = ReadOnlyCatalog::new(&config)
        .policy(&"procpolicy-1".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(policy.denied().len(), 1);
}
