//! `/_control`: what the real service has no API for: organizations, experiences without change
//! sets, the emulator's behaviour, its logs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes::ChangeSet;
use super::entities::{Lists, NewExperience};
use super::error::ApiError;
use super::faults::Faults;
use super::requests::NewProductRequest;
use super::shared::{Settings, Shared, now};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrg {
    management_account: String,
    #[serde(default)]
    delegated_admins: Vec<String>,
    /// True if the organization trusts Private Marketplace. None leaves it unchanged.
    trusted_access: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignLock {
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductState {
    /// Whether the Discovery API has it. None leaves that unchanged.
    live: Option<bool>,
    /// Its name. None leaves that unchanged.
    name: Option<String>,
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_control/orgs", post(add_org))
        .route(
            "/_control/experiences",
            get(experiences).post(add_experience),
        )
        .route(
            "/_control/experiences/{id}/lists",
            get(lists).put(set_lists),
        )
        .route("/_control/settings", get(settings).put(set_settings))
        .route("/_control/products", post(add_products))
        .route("/_control/products/{id}", put(set_product))
        .route("/_control/change-sets", get(change_sets))
        .route("/_control/calls", get(calls))
        .route("/_control/faults", get(faults).put(set_faults))
        .route(
            "/_control/experiences/{id}/foreign-lock",
            post(foreign_lock),
        )
        .route("/_control/change-sets/{id}/vanish", post(vanish))
        .route("/_control/change-sets/{id}/cancel", post(cancel))
        .route("/_control/product-requests", post(product_request))
}

async fn add_org(State(shared): State<Arc<Shared>>, Json(org): Json<NewOrg>) -> Json<Value> {
    shared.with(|store| {
        store.add_org(&org.management_account, org.delegated_admins);
        let mut orgs = store.orgs.iter_mut();
        let known = orgs.find(|known| known.management_account == org.management_account);
        if let (Some(known), Some(trusted)) = (known, org.trusted_access) {
            known.trusted_access = trusted;
        }
    });
    Json(json!({}))
}

async fn experiences(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let all: Vec<_> = shared.with(|store| {
        let each = store.experiences.values();
        each.map(|e| json!({ "id": e.id, "owner": e.owner, "name": e.name, "enabled": e.enabled, "archived": e.archived, "lists": e.policy.as_ref().map(|policy| &policy.lists), "principals": e.audience.as_ref().map(|audience| &audience.principals) })).collect()
    });
    Json(json!(all))
}

async fn add_experience(
    State(shared): State<Arc<Shared>>,
    Json(new): Json<NewExperience>,
) -> Json<Value> {
    let id = shared.with(|store| store.add_experience(new, now()));
    Json(json!({ "id": id }))
}

async fn lists(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match shared.with(|store| store.lists(&id)) {
        Some(lists) => Json(lists).into_response(),
        None => ApiError::not_found(format!("{id} has no policy")).into_response(),
    }
}

async fn set_lists(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(lists): Json<Lists>,
) -> Json<Value> {
    shared.with(|store| store.set_lists(&id, lists, now()));
    Json(json!({}))
}

async fn settings(State(shared): State<Arc<Shared>>) -> Json<Settings> {
    Json(shared.settings())
}

async fn set_settings(
    State(shared): State<Arc<Shared>>,
    Json(settings): Json<Settings>,
) -> Json<Value> {
    shared.set(settings);
    Json(json!({}))
}

async fn add_products(
    State(shared): State<Arc<Shared>>,
    Json(ids): Json<Vec<String>>,
) -> Json<Value> {
    shared.with(|store| ids.iter().for_each(|id| store.set_live(id, true)));
    Json(json!({}))
}

async fn set_product(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(ProductState { live, name }): Json<ProductState>,
) -> Json<Value> {
    shared.with(|store| {
        if let Some(live) = live {
            store.set_live(&id, live);
        }
        if let Some(name) = name {
            store.names.insert(id, name);
        }
    });
    Json(json!({}))
}

async fn change_sets(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let all: Vec<_> = shared.with(|store| {
        store
            .started
            .iter()
            .filter_map(|id| store.change_sets.get(id))
            .map(ChangeSet::log)
            .collect()
    });
    Json(json!(all))
}

async fn calls(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!(shared.with(|store| store.calls.all())))
}

async fn faults(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    Json(shared.with(|store| store.faults.get().clone()))
}

async fn set_faults(
    State(shared): State<Arc<Shared>>,
    Json(faults): Json<Faults>,
) -> Result<Json<Value>, ApiError> {
    shared.with(|store| store.faults.set(faults))?;
    Ok(Json(json!({})))
}

async fn foreign_lock(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(lock): Json<ForeignLock>,
) -> Result<Json<Value>, ApiError> {
    let change_set = shared.foreign_lock(&id, lock.seconds)?;
    Ok(Json(json!({ "change_set": change_set })))
}

async fn vanish(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    shared.with(|store| store.vanish(&id))?;
    Ok(Json(json!({})))
}

async fn cancel(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    shared.cancel(&id)?;
    Ok(Json(json!({})))
}

async fn product_request(
    State(shared): State<Arc<Shared>>,
    Json(event): Json<NewProductRequest>,
) -> Result<Json<Value>, ApiError> {
    let request = shared.product_request(event).await?;
    Ok(Json(json!({ "request": request })))
}
