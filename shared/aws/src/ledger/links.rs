//! Records of links, in parts below the 400 KB limit of an item.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::plan::LeftAlone;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, HeldPart, LinkRecord, UnreadableItem};
use serde::{Deserialize, Serialize};

use super::{Item, Ledger, NOT_NEWER, SCHEMA_FIELD, from_item, schema, text};
use crate::keys::{self, PK, SK};
use crate::service_error;

/// Entries of the lists in one part: an entry has at most 200 bytes, so a part has at most 300 KB.
const ENTRIES: usize = 1_500;

/// Another part of a link's lists.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    schema: u32,
    #[serde(default)]
    allow: Vec<ProductId>,
    #[serde(default)]
    deny: Vec<ProductId>,
    #[serde(default, skip_serializing_if = "HeldPart::is_empty")]
    held: HeldPart,
    #[serde(default)]
    left_alone: Vec<LeftAlone>,
    #[serde(default)]
    contradictory: Vec<ProductId>,
    #[serde(default)]
    edited: Vec<ProductId>,
}

/// The first part: everything except the lists, and the number of parts that follow.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(flatten)]
    record: LinkRecord,
    #[serde(default)]
    parts: usize,
    /// True if the failure that it records did not stand. The producer may not delete items.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    void: bool,
}

impl Part {
    fn of(record: &LinkRecord) -> Self {
        Self {
            schema: record.schema,
            allow: record.allow.clone(),
            deny: record.deny.clone(),
            held: record.held.clone(),
            left_alone: record.left_alone.clone(),
            contradictory: record.contradictory.clone(),
            edited: record.edited.clone(),
        }
    }

    fn len(&self) -> usize {
        let plan = self.allow.len() + self.deny.len() + self.held.len();
        plan + self.left_alone.len() + self.contradictory.len() + self.edited.len()
    }

    /// Splits the lists into parts.
    fn cut(mut self, most: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        while self.len() > 0 {
            let mut room = most;
            let allow = head(&mut self.allow, &mut room);
            let deny = head(&mut self.deny, &mut room);
            let held = HeldPart {
                allow: head(&mut self.held.allow, &mut room),
                deny: head(&mut self.held.deny, &mut room),
            };
            let left_alone = head(&mut self.left_alone, &mut room);
            let contradictory = head(&mut self.contradictory, &mut room);
            let edited = head(&mut self.edited, &mut room);
            parts.push(Self {
                schema: self.schema,
                allow,
                deny,
                held,
                left_alone,
                contradictory,
                edited,
            });
        }
        parts
    }

    fn add_to(self, record: &mut LinkRecord) {
        record.allow.extend(self.allow);
        record.deny.extend(self.deny);
        record.held.allow.extend(self.held.allow);
        record.held.deny.extend(self.held.deny);
        record.left_alone.extend(self.left_alone);
        record.contradictory.extend(self.contradictory);
        record.edited.extend(self.edited);
    }
}

fn head<T>(list: &mut Vec<T>, room: &mut usize) -> Vec<T> {
    let count = list.len().min(*room);
    *room -= count;
    list.drain(..count).collect()
}

/// Splits a record into its head and its parts.
pub(super) fn split(record: &LinkRecord, most: usize) -> (Head, Vec<Part>) {
    let parts = Part::of(record).cut(most);
    let record = LinkRecord {
        allow: Vec::new(),
        deny: Vec::new(),
        held: HeldPart::default(),
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        edited: Vec::new(),
        ..record.clone()
    };
    (
        Head {
            record,
            parts: parts.len(),
            void: false,
        },
        parts,
    )
}

/// Joins a head and its parts, which are in order, to a record.
pub(super) fn join(head: Head, parts: Vec<Part>) -> Result<LinkRecord> {
    let mut record = head.record;
    if parts.len() < head.parts {
        let message = format!("{} of {} parts are there", parts.len(), head.parts);
        return Err(ServiceError::new(
            "Query",
            record.run.to_string(),
            Kind::Unreadable,
            message,
        ));
    }
    parts
        .into_iter()
        .take(head.parts)
        .for_each(|part| part.add_to(&mut record));
    Ok(record)
}

fn sort_key(account: &AccountId, experience: Option<&ExperienceId>) -> String {
    format!(
        "LINK#{account}#{}",
        experience.map_or("*", ExperienceId::as_str)
    )
}

impl Ledger {
    pub(super) async fn put_link_parts(&self, record: &LinkRecord, now: Timestamp) -> Result<()> {
        let pk = keys::run_links(record.run);
        let sk = sort_key(
            &record.account,
            record.lane.as_ref().map(|lane| &lane.experience),
        );
        let expires_at = Some(self.expiry(now));
        let (head, parts) = split(record, ENTRIES);
        // Writes the head last: if it exists, its parts exist.
        for (part, number) in parts.iter().zip(1..) {
            self.put(&pk, &format!("{sk}#{number:04}"), part, expires_at)
                .await?;
        }
        self.put(&pk, &sk, &head, expires_at).await
    }

    pub(super) async fn link_of(&self, run: RunId, lane: &LaneId) -> Result<Option<LinkRecord>> {
        let sk = sort_key(&lane.account, Some(&lane.experience));
        let items = self
            .between(&keys::run_links(run), &sk, &format!("{sk}#~"))
            .await?;
        let Found { items, unreadable } = assemble(items);
        match unreadable.into_iter().next() {
            Some(unreadable) => Err(unreadable.error),
            None => Ok(items.into_iter().next()),
        }
    }

    pub(super) async fn void_record(&self, run: RunId, account: &AccountId) -> Result<()> {
        let sk = sort_key(account, None);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::run_links(run)))
            .key(SK, text(&sk))
            .update_expression("SET #void = :void")
            .condition_expression(format!("attribute_exists(#pk) AND ({NOT_NEWER})"))
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#void", "void")
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .expression_attribute_values(":void", AttributeValue::Bool(true))
            .send()
            .await;
        match sent.map_err(|error| service_error("UpdateItem", &sk, &error)) {
            Ok(_) => Ok(()),
            // There is none.
            Err(error) if error.kind == Kind::Conflict => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the records of a run's links, except those that were idle.
    pub async fn links(&self, run: RunId) -> Result<Found<LinkRecord>> {
        let pk = keys::run_links(run);
        Ok(assemble(self.between(&pk, "LINK#", "LINK#~").await?))
    }
}

/// Groups heads with their parts. A record of which one item cannot be read cannot be read.
fn assemble(items: Vec<Item>) -> Found<LinkRecord> {
    let mut grouped: BTreeMap<String, Vec<(bool, Item)>> = BTreeMap::new();
    for item in items {
        let sk = item
            .get(SK)
            .and_then(|value| value.as_s().ok())
            .cloned()
            .unwrap_or_default();
        // The sort keys are LINK#account#experience and LINK#account#experience#part.
        let mut fields = sk.splitn(4, '#');
        let key = fields.by_ref().take(3).collect::<Vec<_>>().join("#");
        let is_part = fields.next().is_some();
        grouped.entry(key).or_default().push((is_part, item));
    }
    let records = grouped
        .into_values()
        .filter_map(|of| record_of(of).transpose());
    records
        .map(|read| read.map_err(UnreadableItem::from))
        .collect()
}

/// The record of a head and its parts. None without a head, which is written last.
fn record_of(items: Vec<(bool, Item)>) -> Result<Option<LinkRecord>> {
    let (mut head, mut parts) = (None, Vec::new());
    for (is_part, item) in items {
        if is_part {
            parts.push(from_item("Query", item)?);
        } else {
            head = Some(from_item("Query", item)?);
        }
    }
    let head = head.filter(|head: &Head| !head.void);
    head.map(|head| join(head, parts)).transpose()
}
