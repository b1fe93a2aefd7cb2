//! The faults of the emulator, as the AWS SDK sees them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod world;

use std::time::{Duration, Instant};

use aws_sdk_marketplacecatalog::types::{ChangeStatus, FailureCode};
use pmp_sync_local::marketplace::{
    BadProduct, CallFaults, Fault, Faults, Lists, NewExperience, When,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::world::{ADMIN, OWNER, World, until};

const ALLOW: &str = "AllowProductProcurement";
const DENY: &str = "DenyProductProcurement";

#[tokio::test]
async fn the_next_calls_are_refused_and_later_ones_are_not() {
    let world = World::new(0.1).await;
    world.set(
        "ListChangeSets",
        CallFaults {
            throttle: When::next(1),
            server_error: When::next(1),
            unavailable: When::next(1),
            denied: When::next(1),
            ..CallFaults::default()
        },
    );
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(world.list().await.unwrap());
    }
    assert_eq!(seen, [429, 500, 503, 403, 200]);
    let faults: Vec<_> = world
        .emulator
        .calls()
        .iter()
        .map(|call| call.fault)
        .collect();
    assert_eq!(
        faults,
        [
            Some(Fault::Throttle),
            Some(Fault::ServerError),
            Some(Fault::Unavailable),
            Some(Fault::Denied),
            None
        ]
    );
    let left = &world.emulator.faults().operations["ListChangeSets"];
    assert_eq!(left, &CallFaults::default());
}

#[tokio::test]
async fn every_nth_call_of_any_operation_is_refused_by_the_rule_for_all() {
    let world = World::new(0.1).await;
    let throttle = When::every(3);
    world.set(
        "*",
        CallFaults {
            throttle,
            ..CallFaults::default()
        },
    );
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(world.list().await.unwrap());
        seen.push(world.describe("cs1").await.unwrap_err().unwrap());
    }
    assert_eq!(seen, [200, 404, 429, 404, 200, 429]);
}

#[tokio::test]
async fn chances_are_the_same_for_the_same_seed() {
    let world = World::new(0.1).await;
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let throttle = When::random(0.5);
        let mut faults = Faults::default().on(
            "ListChangeSets",
            CallFaults {
                throttle,
                ..CallFaults::default()
            },
        );
        faults.seed = seed;
        world.emulator.set_faults(faults).unwrap();
        let mut run = Vec::new();
        for _ in 0..40 {
            run.push(world.list().await.unwrap());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let refused = runs[0].iter().filter(|status| **status == 429).count();
    assert!((8..=32).contains(&refused), "{refused} of 40 with 0.5");
}

#[tokio::test]
async fn the_quota_is_used_up_for_starting_only_and_nothing_is_started() {
    let world = World::new(0.1).await;
    let quota = When::next(1);
    world.set(
        "*",
        CallFaults {
            quota,
            ..CallFaults::default()
        },
    );
    assert_eq!(world.list().await, Some(200));
    assert_eq!(world.start(&[(ALLOW, &["p"])]).await, Err(Some(402)));
    assert!(world.emulator.change_sets().is_empty());
    world.start(&[(ALLOW, &["p"])]).await.unwrap();
}

#[tokio::test]
async fn a_dropped_response_is_no_answer_and_the_change_set_is_there() {
    let world = World::new(0.1).await;
    world.set(
        "StartChangeSet",
        CallFaults {
            drop_response: When::next(1),
            ..CallFaults::default()
        },
    );
    // A call before it, so that the connection is one that has served already.
    assert_eq!(world.list().await, Some(200));
    assert_eq!(world.start(&[(ALLOW, &["p"])]).await, Err(None));
    let sets = world.emulator.change_sets();
    assert_eq!(sets.len(), 1);
    world.ended(&sets[0].id).await;
    let lists = world.emulator.lists(&world.experience).unwrap();
    assert!(lists.allow.contains("p"));
    let calls = world.emulator.calls();
    let call = calls
        .iter()
        .find(|call| call.operation == "StartChangeSet")
        .unwrap();
    assert_eq!((call.status, call.fault), (200, Some(Fault::DropResponse)));
}

#[tokio::test]
async fn a_dropped_response_has_not_a_single_byte() {
    let world = World::new(0.1).await;
    world.set(
        "DescribeEntity",
        CallFaults {
            drop_response: When::always(),
            ..CallFaults::default()
        },
    );
    let address = world.emulator.endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /DescribeEntity?catalog=AWSMarketplace&entityId={} HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential={ADMIN}/x\r\n\r\n",
        world.experience
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Once: a connection that is kept would not end.
    let _ = stream.read_buf(&mut answer).await;
    assert_eq!(String::from_utf8_lossy(&answer), "");
    assert_eq!(world.emulator.calls().len(), 1);
}

#[tokio::test]
async fn a_late_answer_comes_after_an_effect_that_does_not_wait() {
    let world = World::new(0.1).await;
    world.set(
        "StartChangeSet",
        CallFaults {
            delay: When::next(1),
            delay_ms: 600,
            ..CallFaults::default()
        },
    );
    let began = Instant::now();
    let changes: [(&str, &[&str]); 1] = [(ALLOW, &["p"])];
    let mut start = std::pin::pin!(world.start(&changes));
    tokio::select! {
        started = &mut start => panic!("answered before the effect was seen: {started:?}"),
        () = until("a change set", || world.emulator.change_sets().len() == 1) => {}
    }
    start.await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(600));
    assert_eq!(world.emulator.calls()[0].fault, Some(Fault::Delay));
}

#[tokio::test]
async fn a_bad_product_fails_its_whole_change_set_and_only_its_change_tells_why() {
    let world = World::new(0.1).await;
    let mut faults = Faults::default();
    let bad = BadProduct::new("INVALID_PRODUCT");
    faults.bad_products.insert("bad".to_owned(), bad);
    world.emulator.set_faults(faults).unwrap();

    let id = world
        .start(&[(ALLOW, &["good", "bad"]), (DENY, &["other"])])
        .await
        .unwrap();
    let set = world.ended(&id).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Failed));
    assert_eq!(set.failure_code(), Some(&FailureCode::ClientError));
    assert_eq!(set.failure_description(), None);
    let codes: Vec<Vec<_>> = set
        .change_set()
        .iter()
        .map(|change| {
            let errors = change.error_detail_list().iter();
            errors.map(|error| error.error_code().unwrap()).collect()
        })
        .collect();
    assert_eq!(codes, [vec!["INVALID_PRODUCT"], vec![]]);
    assert_eq!(
        world.emulator.lists(&world.experience),
        Some(Lists::default())
    );

    let id = world.start(&[(ALLOW, &["good"])]).await.unwrap();
    let set = world.ended(&id).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Succeeded));
}

#[tokio::test]
async fn an_unattributed_failure_is_told_of_the_whole_only() {
    let world = World::new(0.1).await;
    let mut faults = Faults {
        unattributed_failures: true,
        ..Faults::default()
    };
    let bad = BadProduct::new("INVALID_PRODUCT");
    faults.bad_products.insert("bad".to_owned(), bad);
    world.emulator.set_faults(faults).unwrap();
    let id = world.start(&[(DENY, &["bad"])]).await.unwrap();
    let set = world.ended(&id).await;
    assert_eq!(set.failure_code(), Some(&FailureCode::ClientError));
    assert_eq!(
        set.failure_description(),
        Some("INVALID_PRODUCT: The product is not valid")
    );
    assert!(set.change_set()[0].error_detail_list().is_empty());
}

#[tokio::test]
async fn the_next_change_sets_end_with_a_server_fault_and_apply_nothing() {
    let world = World::new(0.1).await;
    let faults = Faults {
        server_fault_next: 1,
        ..Faults::default()
    };
    world.emulator.set_faults(faults).unwrap();
    let id = world.start(&[(ALLOW, &["p"])]).await.unwrap();
    let set = world.ended(&id).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Failed));
    assert_eq!(set.failure_code(), Some(&FailureCode::ServerFault));
    assert_eq!(
        world.emulator.lists(&world.experience),
        Some(Lists::default())
    );
    assert_eq!(world.emulator.faults().server_fault_next, 0);
    let id = world.start(&[(ALLOW, &["p"])]).await.unwrap();
    let set = world.ended(&id).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Succeeded));
}

#[tokio::test]
async fn somebody_elses_change_set_holds_the_lock_for_its_time_and_changes_nothing() {
    let world = World::new(0.1).await;
    let faults = Faults {
        server_fault_next: 1,
        ..Faults::default()
    };
    world.emulator.set_faults(faults).unwrap();
    let id = world.emulator.foreign_lock(&world.experience, 0.5).unwrap();
    assert_eq!(world.start(&[(ALLOW, &["p"])]).await, Err(Some(423)));
    let again = world.emulator.foreign_lock(&world.experience, 0.5);
    assert_eq!(again.unwrap_err().name, "ResourceInUseException");
    let set = world.ended(&id).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Succeeded));
    let log = world.emulator.change_sets();
    assert_eq!(log[0].account, OWNER);
    assert_eq!((log[0].allow, log[0].deny), (0, 0));
    assert!(
        log[0]
            .ended
            .unwrap()
            .duration_since(log[0].started)
            .as_millis()
            >= 500
    );
    assert_eq!(
        world.emulator.lists(&world.experience),
        Some(Lists::default())
    );
    // The fault is kept for ours.
    assert_eq!(world.emulator.faults().server_fault_next, 1);
    world.start(&[(ALLOW, &["p"])]).await.unwrap();
}

#[tokio::test]
async fn a_change_set_that_has_vanished_is_not_found_and_still_ends() {
    let world = World::new(0.2).await;
    let id = world.start(&[(ALLOW, &["p"])]).await.unwrap();
    world.describe(&id).await.unwrap();
    world.emulator.vanish(&id).unwrap();
    assert_eq!(world.describe(&id).await.unwrap_err(), Some(404));
    let asked = world.client.list_change_sets().catalog("AWSMarketplace");
    let scope = aws_sdk_marketplacecatalog::types::Filter::builder()
        .name("Scope")
        .value_list("SharedWithMe")
        .build();
    let listed = asked.filter_list(scope).send().await.unwrap();
    assert!(listed.change_set_summary_list().is_empty());
    let told = world.emulator.calls();
    assert_eq!(told[2].fault, Some(Fault::Vanished));
    until("its end", || {
        world.emulator.change_sets()[0].status == "SUCCEEDED"
    })
    .await;
    let unknown = world.emulator.vanish("cs0").unwrap_err();
    assert_eq!(unknown.name, "ResourceNotFoundException");
}

#[tokio::test]
async fn an_administrator_cancels_what_is_preparing_and_not_what_is_applying() {
    let world = World::new(1.0).await;
    let first = world.start(&[(ALLOW, &["p"])]).await.unwrap();
    world.emulator.cancel(&first).unwrap();
    let set = world.ended(&first).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Cancelled));

    let second = world.start(&[(ALLOW, &["p"])]).await.unwrap();
    while world.describe(&second).await.unwrap().status() == Some(&ChangeStatus::Preparing) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = world.emulator.cancel(&second).unwrap_err();
    assert_eq!(refused.name, "ResourceInUseException");
    let set = world.ended(&second).await;
    assert_eq!(set.status(), Some(&ChangeStatus::Succeeded));
}

#[tokio::test]
async fn faults_are_set_over_http_and_what_is_not_understood_is_refused() {
    let world = World::new(1.0).await;
    let faults = r#"{"operations":{"ListChangeSets":{"throttle":{"next":1}}},"bad_products":{"p":{"code":"INVALID_PRODUCT"}}}"#;
    assert_eq!(world.control("PUT", "faults", faults).await.0, 200);
    assert_eq!(world.list().await, Some(429));
    let (status, told) = world.control("GET", "faults", "").await;
    assert_eq!(status, 200);
    let told: Faults = serde_json::from_str(&told).unwrap();
    assert_eq!(told, world.emulator.faults());
    assert_eq!(told.bad_products["p"], BadProduct::new("INVALID_PRODUCT"));

    for wrong in [
        r#"{"operation":{}}"#,
        r#"{"operations":{"NoSuchOperation":{}}}"#,
        r#"{"operations":{"*":{"throttle":{"probability":1.5}}}}"#,
        r#"{"operations":{"*":{"throttle":{"ever":1}}}}"#,
        r#"{"operations":{"*":{"delay_ms":5}}}"#,
        r#"{"operations":{"ListEntities":{"quota":{"next":1}}}}"#,
        r#"{"bad_products":{"p":{"code":"not a code"}}}"#,
    ] {
        let (status, told) = world.control("PUT", "faults", wrong).await;
        assert_eq!(status, 422, "{wrong}: {told}");
    }
    assert_eq!(told, world.emulator.faults(), "nothing of it is taken");
}

#[tokio::test]
async fn locking_vanishing_and_cancelling_are_asked_for_over_http() {
    let world = World::new(1.0).await;
    let lock = format!("experiences/{}/foreign-lock", world.experience);
    let (status, body) = world.control("POST", &lock, r#"{"seconds":5}"#).await;
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let id = body["change_set"].as_str().unwrap();
    assert_eq!(world.start(&[(ALLOW, &["p"])]).await, Err(Some(423)));
    let (status, _) = world.control("POST", &lock, r#"{"seconds":1e9}"#).await;
    assert_eq!(status, 422);

    let cancel = format!("change-sets/{id}/cancel");
    assert_eq!(world.control("POST", &cancel, "").await.0, 200);
    let set = world.describe(id).await.unwrap();
    assert_eq!(set.status(), Some(&ChangeStatus::Cancelled));
    assert_eq!(world.control("POST", &cancel, "").await.0, 423);

    let vanish = format!("change-sets/{id}/vanish");
    assert_eq!(world.control("POST", &vanish, "").await.0, 200);
    assert_eq!(world.describe(id).await.unwrap_err(), Some(404));
    let unknown = world.control("POST", "change-sets/cs0/vanish", "").await;
    assert_eq!(unknown.0, 404);
}

#[tokio::test]
async fn a_policy_is_told_short_and_stays_as_it_is() {
    let world = World::new(0.1).await;
    let ids: std::collections::BTreeSet<_> = (0..120).map(|n| format!("prod-{n:03}")).collect();
    let experience = world.emulator.add_experience(NewExperience {
        owner: OWNER.to_owned(),
        id: None,
        name: None,
        enabled: true,
        archived: false,
        lists: Some(Lists {
            allow: ids.clone(),
            ..Lists::default()
        }),
    });
    let asked = world.client.describe_entity().catalog("AWSMarketplace");
    let answer = asked.entity_id(&experience).send().await.unwrap();
    let details: serde_json::Value = serde_json::from_str(answer.details().unwrap()).unwrap();
    let policy = details["ProcurementPolicies"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let told = async || {
        let asked = world.client.describe_entity().catalog("AWSMarketplace");
        let answer = asked.entity_id(&policy).send().await.unwrap();
        answer.details().unwrap().matches("prod-").count()
    };
    assert_eq!(told().await, 120);
    let mut faults = Faults::default();
    faults.short_answers.insert(experience.clone(), 30);
    world.emulator.set_faults(faults).unwrap();
    assert_eq!(told().await, 30);
    assert_eq!(world.emulator.lists(&experience).unwrap().allow, ids);
    world.emulator.set_faults(Faults::default()).unwrap();
    assert_eq!(told().await, 120);
}
