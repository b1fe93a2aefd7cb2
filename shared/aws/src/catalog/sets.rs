//! Change sets of the Catalog API that are looked for: by their name, and the newest ones.

use std::collections::BTreeSet;

use aws_sdk_marketplacecatalog::Client;
use aws_sdk_marketplacecatalog::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_marketplacecatalog::types::{
    Change, ChangeSetSummaryListItem, ChangeSummary, Filter, Sort, SortOrder,
};
use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, ExperienceId, ProductId};
use pmp_sync_domain::lane::{NamedSet, SetContent, StartedSet};
use pmp_sync_domain::ports::Result;
use serde::Deserialize;

use super::terms::{ALLOW, CATALOG, CREATE_POLICY, DENY, MOST_PAGES, is_no_scope, scopes, to_json};
use crate::service_error;

pub(super) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).value_list(value).build()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

pub(super) fn id_of(found: &ChangeSetSummaryListItem, thing: &str) -> Result<ChangeSetId> {
    let id = found.change_set_id().unwrap_or_default();
    ChangeSetId::new(id).map_err(|error| {
        ServiceError::new("ListChangeSets", thing, Kind::Refused, error.to_string())
    })
}

/// The first list of change sets that is not empty, of what is shared with the account and of what
/// it owns. A list ends at the first page with a change set that `is_wanted`. Fails if nothing is
/// found and a list was cut off: what follows may have it.
pub(super) async fn list(
    client: &Client,
    thing: &str,
    filters: &[Filter],
    is_wanted: impl Fn(&ChangeSetSummaryListItem) -> bool,
) -> Result<Vec<ChangeSetSummaryListItem>> {
    let mut refused = Vec::new();
    let mut cut_off = None;
    for scope in scopes() {
        let filters: Vec<_> = filters.iter().cloned().chain(scope).collect();
        match list_in(client, thing, &filters, &is_wanted).await {
            Ok(ListedSets::Found(found)) => return Ok(found),
            Ok(ListedSets::Nothing) => {}
            Ok(ListedSets::CutOff) => cut_off = Some(is_cut_off(thing)),
            Err(error) if is_no_scope(&error) => refused.push(error),
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = cut_off {
        return Err(error);
    }
    if refused.len() < scopes().len() {
        return Ok(Vec::new());
    }
    refused.pop().map_or(Ok(Vec::new()), Err)
}

/// What one list has.
enum ListedSets {
    /// The wanted change sets of its first page with any.
    Found(Vec<ChangeSetSummaryListItem>),
    /// None, to its end.
    Nothing,
    /// None on the pages that were read, and there are more.
    CutOff,
}

/// A worker that takes "not found on these pages" for "not started" would start its change set a
/// second time, or give up one that is under way.
fn is_cut_off(thing: &str) -> ServiceError {
    let words =
        format!("it is not among the change sets of {MOST_PAGES} pages, and there are more");
    ServiceError::new("ListChangeSets", thing, Kind::Refused, words)
}

async fn list_in(
    client: &Client,
    thing: &str,
    filters: &[Filter],
    is_wanted: &impl Fn(&ChangeSetSummaryListItem) -> bool,
) -> Result<ListedSets> {
    let newest_first = Sort::builder()
        .sort_by("StartTime")
        .sort_order(SortOrder::Descending)
        .build();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = client
            .list_change_sets()
            .catalog(CATALOG)
            .set_filter_list(Some(filters.to_vec()))
            .sort(newest_first.clone())
            .max_results(20)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| service_error("ListChangeSets", thing, &error))?;
        token = page.next_token().map(str::to_owned);
        let sets = page.change_set_summary_list.unwrap_or_default();
        let found: Vec<_> = sets.into_iter().filter(|set| is_wanted(set)).collect();
        if !found.is_empty() {
            return Ok(ListedSets::Found(found));
        }
        if token.is_none() {
            return Ok(ListedSets::Nothing);
        }
    }
    Ok(ListedSets::CutOff)
}

/// The change sets of that name, each read as a whole.
pub(super) async fn named(client: &Client, name: &ChangeSetName) -> Result<Vec<NamedSet>> {
    let thing = name.to_string();
    let filters = [
        filter("EntityId", name.experience.as_str()),
        filter("ChangeSetName", &thing),
    ];
    let is_wanted = |set: &ChangeSetSummaryListItem| set.change_set_name() == Some(thing.as_str());
    let mut named = Vec::new();
    for found in list(client, &thing, &filters, is_wanted).await? {
        let id = id_of(&found, &thing)?;
        let set = describe(client, &id).await?;
        named.push(NamedSet {
            started: time(set.start_time()),
            content: content(&set),
            id,
        });
    }
    Ok(named)
}

/// Reads a change set as a whole.
pub(super) async fn describe(client: &Client, id: &ChangeSetId) -> Result<DescribeChangeSetOutput> {
    client
        .describe_change_set()
        .catalog(CATALOG)
        .change_set_id(id.as_str())
        .send()
        .await
        .map_err(|error| service_error("DescribeChangeSet", id.as_str(), &error))
}

/// Starts a change set, and returns its id.
pub(super) async fn start(
    client: &Client,
    name: &str,
    token: &str,
    changes: Vec<Change>,
) -> Result<ChangeSetId> {
    let answer = client
        .start_change_set()
        .catalog(CATALOG)
        .change_set_name(name)
        .client_request_token(token)
        .set_change_set(Some(changes))
        .send()
        .await
        .map_err(|error| service_error("StartChangeSet", name, &error))?;
    let id = answer.change_set_id().unwrap_or_default();
    ChangeSetId::new(id).map_err(|error| {
        ServiceError::new("StartChangeSet", name, Kind::Retryable, error.to_string())
    })
}

/// The newest change sets on the experience: one page.
pub(super) async fn newest(client: &Client, experience: &ExperienceId) -> Result<Vec<StartedSet>> {
    let thing = experience.as_str();
    let sets = list(client, thing, &[filter("EntityId", thing)], |_| true).await?;
    let sets = sets.iter().map(|summary| {
        Ok(StartedSet {
            id: id_of(summary, thing)?,
            name: summary.change_set_name().unwrap_or_default().to_owned(),
            started: time(summary.start_time()),
        })
    });
    sets.collect()
}

/// The details of a change that allows or denies.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    #[serde(default)]
    products: Vec<Products>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Products {
    #[serde(default)]
    ids: BTreeSet<ProductId>,
}

fn products(change: &ChangeSummary) -> Option<BTreeSet<ProductId>> {
    let details: Details = match (change.details(), change.details_document()) {
        (Some(text), _) if !text.is_empty() => serde_json::from_str(text).ok()?,
        (_, Some(document)) => serde_json::from_value(to_json(document)).ok()?,
        _ => return None,
    };
    Some(details.products.into_iter().flat_map(|of| of.ids).collect())
}

/// The experiences that the change set changes. Its entities have a revision behind the id once it has succeeded.
pub(super) fn experiences(answer: &DescribeChangeSetOutput) -> BTreeSet<ExperienceId> {
    let entities = answer.change_set().iter().filter_map(ChangeSummary::entity);
    let of_experience =
        entities.filter(|entity| entity.r#type().split('@').next() == Some("Experience"));
    let ids = of_experience.filter_map(|entity| entity.identifier());
    let ids = ids.filter_map(|id| ExperienceId::new(id.split('@').next()?).ok());
    ids.collect()
}

/// What the change set changes. None if the answer does not say it.
fn content(answer: &DescribeChangeSetOutput) -> Option<SetContent> {
    if answer.change_set().is_empty() {
        return None;
    }
    let mut content = SetContent::default();
    for change in answer.change_set() {
        match change.change_type() {
            Some(ALLOW) => content.allow.extend(products(change)?),
            Some(DENY) => content.deny.extend(products(change)?),
            Some(CREATE_POLICY) => content.creates_policy = true,
            _ => content.is_more = true,
        }
    }
    Some(content)
}
