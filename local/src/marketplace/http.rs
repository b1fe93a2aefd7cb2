//! The HTTP layer: paths and methods of the operations, the caller, the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::calls::Call;
use super::error::ApiError;
use super::faults::{Drawn, Fault};
use super::shared::{Shared, now};

/// The largest request that is read, in bytes: 20 changes of 16 KB with their envelope.
const MOST_BYTES: usize = 1 << 20;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let body = |operation: &'static str| -> MethodRouter<Arc<Shared>> {
        post(
            move |State(shared): State<Arc<Shared>>, headers: HeaderMap, bytes: Bytes| async move {
                match serde_json::from_slice(&bytes) {
                    Ok(input) => answer(&shared, operation, &headers, input).await,
                    Err(_) => refuse(
                        &shared,
                        operation,
                        ApiError::validation("The request is not JSON"),
                    ),
                }
            },
        )
    };
    let query = |operation: &'static str| {
        move |State(shared): State<Arc<Shared>>,
              headers: HeaderMap,
              Query(input): Query<BTreeMap<String, String>>| async move {
            answer(&shared, operation, &headers, json!(input)).await
        }
    };
    Router::new()
        .route("/StartChangeSet", body("StartChangeSet"))
        .route("/DescribeChangeSet", get(query("DescribeChangeSet")))
        .route("/CancelChangeSet", patch(query("CancelChangeSet")))
        .route("/ListChangeSets", body("ListChangeSets"))
        .route("/DescribeEntity", get(query("DescribeEntity")))
        .route("/BatchDescribeEntities", body("BatchDescribeEntities"))
        .route("/ListEntities", body("ListEntities"))
        .route("/2026-02-05/getProduct", body("GetProduct"))
        .route("/2026-02-05/searchListings", body("SearchListings"))
        .route("/2026-02-05/getListing", body("GetListing"))
        .fallback(|State(shared): State<Arc<Shared>>| async move {
            refuse(
                &shared,
                "Unknown",
                ApiError::not_found("There is no such operation"),
            )
        })
        .merge(super::control::router())
        .merge(super::organizations::router())
        .layer(axum::extract::DefaultBodyLimit::max(MOST_BYTES))
        .with_state(shared)
}

/// The entity or change set of a call, for the log.
fn thing(input: &Value) -> String {
    let named = [
        "entityId",
        "changeSetId",
        "productId",
        "searchText",
        "listingId",
        "ChangeSetName",
        "EntityType",
    ];
    let direct = named
        .iter()
        .find_map(|name| input.get(name).and_then(Value::as_str));
    let first_entity = || {
        input
            .pointer("/ChangeSet/0/Entity/Identifier")
            .and_then(Value::as_str)
    };
    first_entity().or(direct).unwrap_or_default().to_owned()
}

async fn answer(
    shared: &Arc<Shared>,
    operation: &'static str,
    headers: &HeaderMap,
    input: Value,
) -> Response {
    let authorization = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let caller = shared.caller(authorization).await;
    let mut drawn = Drawn::default();
    let outcome = caller.as_ref().map_err(Clone::clone).and_then(|caller| {
        shared.with(|store| {
            drawn = store.faults.draw(operation, &input);
            match drawn.refusal.take() {
                Some(refusal) => Err(refusal),
                None => store.operate(operation, caller, &input, now()),
            }
        })
    });
    let call = Call {
        at: now(),
        account: caller.unwrap_or_default(),
        operation,
        thing: thing(&input),
        status: outcome.as_ref().map_or_else(|error| error.status, |_| 200),
        error: outcome.as_ref().err().map(|error| error.name),
        fault: drawn.fault,
    };
    shared.with(|store| store.calls.push(call));
    let response = match outcome {
        Ok(answer) => {
            if let Some(id) = answer.started {
                shared.run(id);
            }
            if let Some(set) = answer.cancelled {
                let shared = Arc::clone(shared);
                tokio::spawn(async move { shared.announce(&set).await });
            }
            Json(answer.body).into_response()
        }
        Err(error) => error.into_response(),
    };
    // After the effect, so that a caller that no longer waits finds it done.
    if let Some(delay) = drawn.delay {
        tokio::time::sleep(delay).await;
    }
    if drawn.fault == Some(Fault::DropResponse) {
        return broken();
    }
    response
}

/// A response whose body fails at once. The server closes the connection before it has sent
/// anything, even the head.
fn broken() -> Response {
    let failing =
        futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("a fault")) });
    Response::new(Body::from_stream(failing))
}

fn refuse(shared: &Shared, operation: &'static str, error: ApiError) -> Response {
    let call = Call {
        at: now(),
        account: String::new(),
        operation,
        thing: String::new(),
        status: error.status,
        error: Some(error.name),
        fault: None,
    };
    shared.with(|store| store.calls.push(call));
    error.into_response()
}
