//! The operations of the API on the store. The input of an operation is the body of the request, or
//! its query as an object.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::changes::{ChangeSet, Status, Target, parse_all};
use super::error::ApiError;
use super::store::Store;

/// The answer to a call, and the change set that the call has started or cancelled.
pub(crate) struct Answer {
    pub(crate) body: Value,
    pub(crate) started: Option<String>,
    pub(crate) cancelled: Option<ChangeSet>,
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self {
            body,
            started: None,
            cancelled: None,
        }
    }
}

pub(super) fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    input
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| ApiError::validation(format!("{name} is required")))
}

fn check_catalog(input: &Value, name: &str) -> Result<(), ApiError> {
    match required(input, name)? {
        "AWSMarketplace" => Ok(()),
        other => Err(ApiError::validation(format!(
            "Catalog {other} does not exist"
        ))),
    }
}

/// The values of a filter of the request.
fn filter<'a>(input: &'a Value, name: &str) -> Option<Vec<&'a str>> {
    let filters = input.get("FilterList").and_then(Value::as_array)?;
    let found = filters
        .iter()
        .find(|filter| filter.get("Name").and_then(Value::as_str) == Some(name))?;
    Some(
        found
            .get("ValueList")
            .and_then(Value::as_array)?
            .iter()
            .filter_map(Value::as_str)
            .collect(),
    )
}

fn check_filters(input: &Value, known: &[&str]) -> Result<(), ApiError> {
    let filters = input
        .get("FilterList")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if filters.len() > 8 {
        return Err(ApiError::validation(
            "FilterList must have at most 8 filters",
        ));
    }
    for filter in filters {
        let name = required(filter, "Name")?;
        if !known.contains(&name) {
            return Err(ApiError::validation(format!(
                "The filter {name} is not supported"
            )));
        }
        let values = filter
            .get("ValueList")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        if !(1..=10).contains(&values) {
            return Err(ApiError::validation(format!(
                "The filter {name} must have 1 to 10 values"
            )));
        }
    }
    Ok(())
}

/// True when the request wants what is shared with the caller by the owner.
fn wants_shared(input: &Value) -> bool {
    filter(input, "Scope").is_some_and(|values| values.contains(&"SharedWithMe"))
}

/// One page of a list.
fn page(input: &Value, list: &str, most: usize, items: Vec<Value>) -> Result<Value, ApiError> {
    let size = match input.get("MaxResults") {
        None | Some(Value::Null) => 20.min(most),
        Some(value) => value
            .as_u64()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| (1..=most).contains(size))
            .ok_or_else(|| ApiError::validation(format!("MaxResults must be 1 to {most}")))?,
    };
    let start = match input.get("NextToken").and_then(Value::as_str) {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|start| start.parse::<usize>().ok())
            .ok_or_else(|| ApiError::validation("NextToken is not valid"))?,
    };
    let total = items.len();
    let mut answer = Map::new();
    let shown: Vec<_> = items.into_iter().skip(start).take(size).collect();
    if start + shown.len() < total {
        answer.insert(
            "NextToken".to_owned(),
            json!(format!("page-{}", start + shown.len())),
        );
    }
    answer.insert(list.to_owned(), Value::Array(shown));
    Ok(Value::Object(answer))
}

impl Store {
    /// Answers one call.
    pub(crate) fn operate(
        &mut self,
        operation: &'static str,
        caller: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Answer, ApiError> {
        if self.quotas.rates {
            self.rates.check(caller, operation, now)?;
        }
        match operation {
            "GetProduct" => self.get_product(input).map(Answer::from),
            "SearchListings" => self.search_listings(input).map(Answer::from),
            "GetListing" => self.get_listing(input).map(Answer::from),
            "StartChangeSet" => self.start_change_set(caller, input, now),
            "DescribeChangeSet" => self.describe_change_set(caller, input).map(Answer::from),
            "CancelChangeSet" => self.cancel_change_set(caller, input, now),
            "ListChangeSets" => self.list_change_sets(caller, input).map(Answer::from),
            "DescribeEntity" => self.describe_entity(caller, input).map(Answer::from),
            "BatchDescribeEntities" => self.batch_describe(caller, input).map(Answer::from),
            "ListEntities" => self.list_entities(caller, input).map(Answer::from),
            other => Err(ApiError::not_supported(format!("{other} is not emulated"))),
        }
    }

    fn start_change_set(
        &mut self,
        caller: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Answer, ApiError> {
        check_catalog(input, "Catalog")?;
        let owner = self.org(caller)?.management_account.clone();
        let name = input.get("ChangeSetName").and_then(Value::as_str);
        let valid = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_+=.:@-".contains(c);
        if name.is_some_and(|name| !(1..=100).contains(&name.len()) || !name.chars().all(valid)) {
            return Err(ApiError::validation(
                "ChangeSetName must have 1 to 100 characters of [\\w\\s+=.:@-]",
            ));
        }
        if !matches!(
            input.get("Intent").and_then(Value::as_str),
            None | Some("APPLY")
        ) {
            return Err(ApiError::validation(
                "The intent is not supported for experiences",
            ));
        }
        let token = input.get("ClientRequestToken").and_then(Value::as_str);
        if token.is_some_and(|token| {
            !(1..=64).contains(&token.len()) || !token.bytes().all(|b| b.is_ascii_graphic())
        }) {
            return Err(ApiError::validation(
                "ClientRequestToken must have 1 to 64 visible characters",
            ));
        }
        let key = token.map(|token| (caller.to_owned(), token.to_owned()));
        if let Some((before, id)) = key.as_ref().and_then(|key| self.tokens.get(key)) {
            let Some(set) = self.change_sets.get(id).filter(|_| before == input) else {
                return Err(ApiError::validation(
                    "ClientRequestToken was used for another request",
                ));
            };
            return Ok(json!({ "ChangeSetId": id, "ChangeSetArn": set.arn() }).into());
        }
        let raw = input
            .get("ChangeSet")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let changes = parse_all(raw)?;
        for change in &changes {
            if let Target::Existing { id, revision } = &change.experience {
                self.check_target(caller, id, *revision)?;
            }
        }
        let open = self
            .change_sets
            .values()
            .filter(|set| set.account == caller && !set.status.is_final())
            .count();
        if open >= self.quotas.open_change_sets {
            return Err(ApiError::quota("Too many open change sets"));
        }
        let id = self.make_id("cs").replace('-', "");
        let set = ChangeSet {
            name: name.map_or_else(|| format!("change-set-{id}"), str::to_owned),
            id: id.clone(),
            account: caller.to_owned(),
            owner,
            changes,
            status: Status::Preparing,
            failure: None,
            started: now,
            ended: None,
            foreign: false,
        };
        if let Some(key) = key {
            self.tokens.insert(key, (input.clone(), id.clone()));
        }
        let body = json!({ "ChangeSetId": id, "ChangeSetArn": set.arn() });
        self.change_sets.insert(id.clone(), set);
        self.started.push(id.clone());
        Ok(Answer {
            body,
            started: Some(id),
            cancelled: None,
        })
    }

    fn check_target(&self, caller: &str, id: &str, revision: Option<u64>) -> Result<(), ApiError> {
        let entity = self.describe(caller, id)?;
        if entity.entity_type != "Experience" {
            return Err(ApiError::validation(format!("{id} is not an Experience")));
        }
        if revision.is_some_and(|revision| revision != entity.revision) {
            let message = format!("The latest revision of {id} is {}", entity.revision);
            return Err(ApiError::validation(message));
        }
        match self.lock_on(id) {
            Some(lock) => Err(ApiError::in_use(format!(
                "{id} is locked by the change set {}",
                lock.id
            ))),
            None => Ok(()),
        }
    }

    fn change_set(&self, caller: &str, input: &Value) -> Result<&ChangeSet, ApiError> {
        check_catalog(input, "catalog")?;
        let id = required(input, "changeSetId")?;
        let org = self.org(caller)?;
        let set = self
            .change_sets
            .get(id)
            .filter(|_| !self.faults.vanished.contains(id))
            .ok_or_else(|| ApiError::not_found(format!("Change set {id} does not exist")))?;
        if set.owner == org.management_account {
            Ok(set)
        } else {
            Err(ApiError::denied(format!(
                "{caller} is not authorized to access {id}"
            )))
        }
    }

    fn describe_change_set(&self, caller: &str, input: &Value) -> Result<Value, ApiError> {
        let set = self.change_set(caller, input)?;
        Ok(set.describe(|id| {
            self.experiences
                .get(id)
                .map(|experience| experience.revision)
        }))
    }

    pub(super) fn cancel_change_set(
        &mut self,
        caller: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Answer, ApiError> {
        let mut set = self.change_set(caller, input)?.clone();
        if set.status != Status::Preparing {
            return Err(ApiError::in_use(format!(
                "{} can only be cancelled while it is PREPARING",
                set.id
            )));
        }
        set.status = Status::Cancelled;
        set.ended = Some(now);
        self.change_sets.insert(set.id.clone(), set.clone());
        let body = json!({ "ChangeSetId": set.id, "ChangeSetArn": set.arn() });
        Ok(Answer {
            body,
            started: None,
            cancelled: Some(set),
        })
    }

    fn list_change_sets(&self, caller: &str, input: &Value) -> Result<Value, ApiError> {
        check_catalog(input, "Catalog")?;
        let times = [
            "BeforeStartTime",
            "AfterStartTime",
            "BeforeEndTime",
            "AfterEndTime",
        ];
        check_filters(
            input,
            &[
                &["ChangeSetName", "Status", "EntityId", "Scope"],
                &times[..],
            ]
            .concat(),
        )?;
        let org = self.org(caller)?;
        // Shared entities belong to the organization and are owned by another account.
        let visible = (org.management_account != caller) == wants_shared(input);
        let bound = |name: &str| {
            filter(input, name).and_then(|values| values.first()?.parse::<Timestamp>().ok())
        };
        let (before_start, after_start) = (bound("BeforeStartTime"), bound("AfterStartTime"));
        let (before_end, after_end) = (bound("BeforeEndTime"), bound("AfterEndTime"));
        let matching = |set: &&ChangeSet| {
            let one_of = |name: &str, value: &str| {
                filter(input, name).is_none_or(|values| values.contains(&value))
            };
            visible
                && !self.faults.vanished.contains(&set.id)
                && set.owner == org.management_account
                && one_of("ChangeSetName", &set.name)
                && one_of("Status", set.status.as_str())
                && filter(input, "EntityId").is_none_or(|ids| {
                    set.experiences()
                        .iter()
                        .any(|id| ids.contains(&id.as_str()))
                })
                && before_start.is_none_or(|at| set.started < at)
                && after_start.is_none_or(|at| set.started > at)
                && before_end.is_none_or(|at| set.ended.is_some_and(|ended| ended < at))
                && after_end.is_none_or(|at| set.ended.is_some_and(|ended| ended > at))
        };
        let sets = self
            .started
            .iter()
            .filter_map(|id| self.change_sets.get(id));
        let mut summaries: Vec<_> = sets.filter(matching).map(ChangeSet::summary).collect();
        let order = input
            .get("Sort")
            .and_then(|sort| sort.get("SortOrder"))
            .and_then(Value::as_str);
        if order != Some("ASCENDING") {
            summaries.reverse();
        }
        page(input, "ChangeSetSummaryList", 20, summaries)
    }

    fn describe_entity(&self, caller: &str, input: &Value) -> Result<Value, ApiError> {
        check_catalog(input, "catalog")?;
        let id = required(input, "entityId")?;
        if id.contains('@') {
            return Err(ApiError::validation("entityId must match [\\w\\-]+"));
        }
        let mut entity = self.describe(caller, id)?;
        let has_policy = |experience: &&super::entities::Experience| {
            let policy = experience.policy.as_ref();
            policy.is_some_and(|policy| policy.id == id)
        };
        if let Some(of) = self.experiences.values().find(has_policy) {
            self.faults.shorten(&of.id, &mut entity.details);
        }
        let mut answer = entity.to_json();
        if let Value::Object(fields) = &mut answer {
            fields.insert("Details".to_owned(), json!(entity.details.to_string()));
        }
        Ok(answer)
    }

    fn batch_describe(&self, caller: &str, input: &Value) -> Result<Value, ApiError> {
        let requests = input
            .get("EntityRequestList")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !(1..=20).contains(&requests.len()) {
            return Err(ApiError::validation(
                "EntityRequestList must have 1 to 20 entries",
            ));
        }
        let (mut details, mut errors) = (Map::new(), Map::new());
        for request in requests {
            check_catalog(request, "Catalog")?;
            let id = required(request, "EntityId")?;
            match self.describe(caller, id) {
                Ok(entity) => {
                    details.insert(id.to_owned(), entity.to_json());
                }
                Err(error) => {
                    errors.insert(
                        id.to_owned(),
                        json!({ "ErrorCode": error.name, "ErrorMessage": error.message }),
                    );
                }
            }
        }
        Ok(json!({ "EntityDetails": details, "Errors": errors }))
    }

    fn list_entities(&self, caller: &str, input: &Value) -> Result<Value, ApiError> {
        check_catalog(input, "Catalog")?;
        check_filters(input, &["EntityId", "Scope"])?;
        let kind = required(input, "EntityType")?;
        let org = self.org(caller)?;
        let visible = (org.management_account != caller) == wants_shared(input);
        let mine = self
            .experiences
            .values()
            .filter(|experience| visible && experience.owner == org.management_account);
        let mut found: Vec<_> = match kind {
            "Experience" => mine.map(super::entities::Experience::describe).collect(),
            "Audience" => mine
                .filter_map(super::entities::Experience::describe_audience)
                .collect(),
            "ProcurementPolicy" => mine
                .filter_map(super::entities::Experience::describe_policy)
                .collect(),
            // Types with an @ and a version are unknown too.
            other => {
                return Err(ApiError::not_found(format!(
                    "The entity type {other} does not exist"
                )));
            }
        };
        if let Some(ids) = filter(input, "EntityId") {
            found.retain(|entity| ids.contains(&entity.id.as_str()));
        }
        let sort = |name: &str| {
            input
                .get("Sort")
                .and_then(|sort| sort.get(name))
                .and_then(Value::as_str)
        };
        if sort("SortBy") == Some("EntityId") {
            found.sort_by(|one, other| one.id.cmp(&other.id));
        } else {
            found.sort_by_key(|entity| entity.modified);
        }
        if sort("SortOrder") != Some("ASCENDING") {
            found.reverse();
        }
        let summaries = found
            .into_iter()
            .map(|entity| {
                json!({
                    "Name": entity.details.get("Name"),
                    "EntityType": entity.entity_type,
                    "EntityId": entity.id,
                    "EntityArn": super::entities::arn(&entity.owner, entity.entity_type, &entity.id),
                    "LastModifiedDate": super::entities::seconds(entity.modified),
                })
            })
            .collect();
        page(input, "EntitySummaryList", 50, summaries)
    }
}
