//! Who started a change set, as CloudTrail tells it: the management events StartChangeSet of one account.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use pmp_sync_aws::service_error;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{CHANGE_SET_PREFIX, ChangeSetId, ExperienceId, ProductId};
use pmp_sync_domain::text::{count, one_line};
use serde_json::Value;

use crate::failure::Failure;
use crate::progress::Progress;

/// Events in one page (CloudTrail reference of `LookupEvents`).
const PAGE: i32 = 50;
/// The most pages that `drift` reads. Older events are not looked at, and that is told.
pub(crate) const MOST_PAGES: u32 = 40;
/// Two calls a second are allowed for each account and region (CloudTrail quotas).
const APART: Duration = Duration::from_millis(500);

/// A change set, and who started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) at: Timestamp,
    /// The ARN of the principal, or what CloudTrail has of it.
    pub(crate) by: String,
    pub(crate) change_set: Option<ChangeSetId>,
    pub(crate) experiences: BTreeSet<ExperienceId>,
    /// The products that it allows or denies. Empty if the event does not tell them.
    pub(crate) products: BTreeSet<ProductId>,
}

/// What was found, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    pub(crate) started: Vec<Started>,
    /// True if there are older events that were not read.
    pub(crate) cut_off: bool,
}

impl Trail {
    /// The last change set on the experience that others started before a run saw the product edited.
    pub(crate) fn of(
        &self,
        experience: &ExperienceId,
        product: &ProductId,
        seen: Timestamp,
    ) -> Option<&Started> {
        let of_experience = self.started.iter();
        let mut of_experience =
            of_experience.filter(|set| set.at <= seen && set.experiences.contains(experience));
        of_experience.find(|set| set.products.is_empty() || set.products.contains(product))
    }

    /// Who started a change set.
    pub(crate) fn by(&self, change_set: &str) -> Option<&str> {
        let mut sets = self.started.iter();
        let is_it = |set: &&Started| {
            set.change_set
                .as_ref()
                .is_some_and(|id| id.as_str() == change_set)
        };
        sets.find(is_it).map(|set| set.by.as_str())
    }
}

/// Looks up the change sets that others have started since then, or until then.
pub(crate) async fn look_up(
    config: &SdkConfig,
    (since, until): (Timestamp, Option<Timestamp>),
    most_pages: u32,
    progress: &Progress,
) -> Result<Trail, Failure> {
    let client = Client::new(config);
    let by_name = LookupAttribute::builder()
        .attribute_key(LookupAttributeKey::EventName)
        .attribute_value("StartChangeSet")
        .build()
        .map_err(|error| Failure::NotWell(error.to_string()))?;
    let mut trail = Trail::default();
    let mut token = None;
    for page in 0..most_pages {
        if page > 0 {
            tokio::time::sleep(APART).await;
        }
        progress.step(format!(
            "CloudTrail: {} of others",
            count(trail.started.len(), "change set")
        ));
        let answer = client
            .lookup_events()
            .lookup_attributes(by_name.clone())
            .start_time(DateTime::from_secs(since.as_second()))
            .set_end_time(until.map(|until| DateTime::from_secs(until.as_second())))
            .max_results(PAGE)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| service_error("LookupEvents", "StartChangeSet", &error))?;
        let events = answer.events.unwrap_or_default();
        let texts = events.iter().filter_map(|event| event.cloud_trail_event());
        trail.started.extend(texts.filter_map(read));
        token = answer.next_token;
        if token.is_none() {
            return Ok(trail);
        }
    }
    trail.cut_off = true;
    Ok(trail)
}

/// Reads one event. None if it failed, is one of pmp-sync's own, or tells no experience.
fn read(text: &str) -> Option<Started> {
    let event: Value = serde_json::from_str(text).ok()?;
    let request = field(&event, "requestParameters")?;
    let name = field(request, "changeSetName").and_then(Value::as_str);
    let is_ours = name.is_some_and(|name| name.starts_with(CHANGE_SET_PREFIX));
    if is_ours || field(&event, "errorCode").is_some_and(Value::is_string) {
        return None;
    }
    let changes = field(request, "changeSet").and_then(Value::as_array)?;
    let identifiers = changes.iter().filter_map(|change| {
        let entity = field(change, "entity")?;
        let identifier = field(entity, "identifier")?.as_str()?;
        ExperienceId::new(identifier.split('@').next()?).ok()
    });
    let experiences: BTreeSet<_> = identifiers.collect();
    if experiences.is_empty() {
        return None;
    }
    let mut products = BTreeSet::new();
    for change in changes {
        match (field(change, "details"), field(change, "detailsDocument")) {
            (Some(Value::String(text)), _) => {
                if let Ok(details) = serde_json::from_str(text) {
                    add_products(&details, &mut products);
                }
            }
            (Some(details), _) | (None, Some(details)) => add_products(details, &mut products),
            (None, None) => {}
        }
    }
    let response = field(&event, "responseElements");
    let id = response.and_then(|response| field(response, "changeSetId")?.as_str());
    Some(Started {
        at: field(&event, "eventTime")?.as_str()?.parse().ok()?,
        by: principal(field(&event, "userIdentity")?),
        change_set: id.and_then(|id| ChangeSetId::new(id).ok()),
        experiences,
        products,
    })
}

fn add_products(details: &Value, products: &mut BTreeSet<ProductId>) {
    let groups = field(details, "products").and_then(Value::as_array);
    for group in groups.into_iter().flatten() {
        let ids = field(group, "ids").and_then(Value::as_array);
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        products.extend(ids.filter_map(|id| ProductId::new(id).ok()));
    }
}

fn principal(identity: &Value) -> String {
    let names = ["arn", "principalId", "invokedBy", "type"];
    let mut names = names
        .iter()
        .filter_map(|name| field(identity, name)?.as_str());
    one_line(
        names
            .next()
            .unwrap_or("somebody that CloudTrail does not name"),
    )
}

/// A field by its name, whatever the case of its letters: no page of AWS shows such an event whole.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    fields.get(name).or_else(|| {
        let mut fields = fields.iter();
        fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, details: &Value) -> Value {
        json!({
            "eventTime": "2026-01-02T03:04:05Z",
            "eventName": "StartChangeSet",
            "userIdentity": { "type": "AssumedRole", "arn": "arn:aws:sts::222222222222:assumed-role/Admin/kim" },
            "requestParameters": {
                "catalog": "AWSMarketplace",
                "changeSetName": name,
                "changeSet": [{
                    "changeType": "DenyProductProcurement",
                    "entity": { "type": "Experience@1.0", "identifier": "exp-1@7" },
                    "details": details,
                }],
            },
            "responseElements": { "changeSetId": "cs-1" },
        })
    }

    fn p(text: &str) -> ProductId {
        text.parse().unwrap()
    }

    #[test]
    fn an_event_tells_who_changed_which_products_of_which_experience() {
        let details = json!({ "Products": [{ "Ids": ["prod-a", "prod-b"] }] });
        for details in [details.clone(), json!(details.to_string())] {
            let read = read(&event("by hand", &details).to_string()).unwrap();
            assert_eq!(read.by, "arn:aws:sts::222222222222:assumed-role/Admin/kim");
            assert_eq!(read.change_set, Some("cs-1".parse().unwrap()));
            assert_eq!(read.experiences, BTreeSet::from(["exp-1".parse().unwrap()]));
            assert_eq!(read.products, BTreeSet::from([p("prod-a"), p("prod-b")]));
        }
    }

    #[test]
    fn what_is_ours_has_failed_or_is_of_no_experience_tells_nothing() {
        let none = json!({});
        assert_eq!(
            read(&event("pmp-sync:exp-1:4:abc-def", &none).to_string()),
            None
        );
        let mut failed = event("by hand", &none);
        failed["errorCode"] = json!("AccessDenied");
        assert_eq!(read(&failed.to_string()), None);
        let mut create = event("by hand", &none);
        create["requestParameters"]["changeSet"][0]["entity"] = json!({ "type": "Experience@1.0" });
        assert_eq!(read(&create.to_string()), None);
        for odd in ["", "[]", "{}", "{\"requestParameters\":null}"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_edit_is_of_the_last_change_set_with_its_product_before_it_was_seen() {
        let details = |product: &str| json!({ "Products": [{ "Ids": [product] }] });
        let at = |minute: u32, product: &str| {
            let mut event = event("by hand", &details(product));
            event["eventTime"] = json!(format!("2026-01-02T03:{minute:02}:00Z"));
            read(&event.to_string()).unwrap()
        };
        let started = vec![
            at(9, "prod-a"),
            at(5, "prod-b"),
            at(4, "prod-a"),
            at(1, "prod-a"),
        ];
        let trail = Trail {
            started,
            cut_off: false,
        };
        let seen = "2026-01-02T03:06:00Z".parse().unwrap();
        let of = |product: &str| trail.of(&"exp-1".parse().unwrap(), &p(product), seen);
        assert_eq!(
            of("prod-a").map(|set| set.at),
            "2026-01-02T03:04:00Z".parse().ok()
        );
        assert_eq!(of("prod-c"), None);
        assert_eq!(
            trail.of(&"exp-2".parse().unwrap(), &p("prod-a"), seen),
            None
        );
    }

    #[test]
    fn the_words_of_an_event_are_shown_plainly() {
        let mut event = event("by hand", &json!({}));
        event["userIdentity"]["arn"] = json!("arn:\u{1b}[31mroot\nok");
        let by = read(&event.to_string()).unwrap().by;
        assert!(!by.chars().any(char::is_control), "{by:?}");
    }
}
