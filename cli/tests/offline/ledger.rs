//! A ledger's table in memory, as far as the command reads it, and records to put into it.

use std::collections::BTreeMap;

use pmp_sync_domain::approval::{Approval, ApprovalAction, Ask, Hold};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::product::ProductDetails;
use pmp_sync_domain::records::{
    HeldPart, LaneEntry, LinkRecord, LinkState, LiveRecord, Request, RunRecord, SetOutcome,
    SetRecord,
};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::setup::fixture;

/// The member experience that the fixture's configuration links.
pub(crate) const EXPERIENCE: &str = "exp-9d1kq27hs0abc";
/// One that its `*` covers.
pub(crate) const OTHER: &str = "exp-0000000000apac";
pub(crate) const NOON: &str = "2026-01-01T12:00:00Z";

/// The items by their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table(BTreeMap<(String, String), Value>);

impl Table {
    /// One with a configuration in force.
    pub(crate) fn with_config(text: &str) -> Self {
        let mut table = Self::default();
        table.put("CONFIG", "current", &json!({ "schema": 1, "version": 7 }));
        let version = json!({ "schema": 1, "version": 7, "text": text, "applied_at": "2026-01-01T00:00:00Z" });
        table.put("CONFIG", "v#00000007", &version);
        table
    }

    /// One with the fixture's configuration, and with the lanes that it links.
    pub(crate) fn linked() -> Self {
        let text = std::fs::read_to_string(fixture()).unwrap();
        Config::parse(&text).unwrap();
        let mut table = Self::with_config(&text);
        table.put_lane(&lane(), "emea");
        table.put_lane(&other_lane(), "apac");
        table
    }

    pub(crate) fn put(&mut self, pk: &str, sk: &str, record: &impl Serialize) {
        let Value::Object(mut fields) = serde_json::to_value(record).unwrap() else {
            panic!("an item is an object");
        };
        fields.insert("pk".to_owned(), pk.into());
        fields.insert("sk".to_owned(), sk.into());
        let item = fields
            .into_iter()
            .map(|(name, value)| (name, attribute(&value)));
        let item = Value::Object(item.collect());
        self.0.insert((pk.to_owned(), sk.to_owned()), item);
    }

    pub(crate) fn put_lane(&mut self, lane: &LaneId, member: &str) {
        let entry = LaneEntry {
            schema: 1,
            lane: lane.clone(),
            member: member.parse().unwrap(),
            sources: "exp-4s8kd0qmw1x2y".parse().unwrap(),
            mode: Mode::Mirror,
            run: run(1),
        };
        self.put("LANES", &key(lane), &entry);
    }

    pub(crate) fn put_link_state(&mut self, lane: &LaneId, link_state: &LinkState) {
        self.put("LINK_STATES", &key(lane), link_state);
    }

    pub(crate) fn put_run(&mut self, record: &RunRecord) {
        self.put("RUN", &record.run.to_string(), record);
    }

    pub(crate) fn put_link(&mut self, record: &LinkRecord) {
        let lane = record.lane.as_ref().unwrap();
        let sk = format!("LINK#{}", key(lane));
        self.put(&format!("RUN#{}", record.run), &sk, record);
    }

    pub(crate) fn put_set(&mut self, lane: &LaneId, set: &SetRecord) {
        let sk = format!("SET#{:012}", set.seq);
        self.put(&format!("LANE#{}", key(lane)), &sk, set);
    }

    /// What it answers to `GetItem`.
    pub(crate) fn get(&self, body: &Value) -> Value {
        let key = |name: &str| {
            body["Key"][name]["S"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        match self.0.get(&(key("pk"), key("sk"))) {
            Some(item) => json!({ "Item": item }),
            None => json!({}),
        }
    }

    /// What it answers to `BatchGetItem`.
    pub(crate) fn batch_get(&self, body: &Value) -> Value {
        let tables = body["RequestItems"].as_object().unwrap().iter();
        let answers = tables.map(|(name, wanted)| {
            let keys = wanted["Keys"].as_array().unwrap().iter();
            let found = keys.filter_map(|key| {
                let text = |name: &str| key[name]["S"].as_str().unwrap().to_owned();
                self.0.get(&(text("pk"), text("sk"))).cloned()
            });
            (name.clone(), Value::Array(found.collect()))
        });
        json!({ "Responses": Value::Object(answers.collect()), "UnprocessedKeys": {} })
    }

    /// A product that AWS Marketplace has, with its name and the id of its page.
    pub(crate) fn put_listing(&mut self, product: &str, name: &str, page: &str) {
        let details = ProductDetails {
            name: name.to_owned(),
            manufacturer: "Example Corp.".to_owned(),
            listing: page.to_owned(),
            ..ProductDetails::default()
        };
        let id = product.parse().unwrap();
        let record = LiveRecord::answered(id, Some(details), None, NOON.parse().unwrap());
        self.put("LIVE", product, &record);
    }

    /// What it answers to `Query`: whatever of the conditions of the command's own queries applies. As in the service, the limit
    /// counts what the filter leaves out.
    pub(crate) fn query(&self, body: &Value) -> Value {
        let value = |name: &str| body["ExpressionAttributeValues"][name]["S"].as_str();
        // The index of the requests that wait for an answer; those of other indexes are not kept here.
        let waits = pk_of(body).starts_with("PRODUCT_REQUESTS#");
        let index = body["IndexName"].is_string() && !waits;
        let pk = value(":pk").unwrap_or_default();
        let after = value(":after").or(value(":first"));
        let is_wanted = |sk: &str| {
            !index
                && after.is_none_or(|after| sk > after)
                && value(":beginning").is_none_or(|with| sk.starts_with(with))
                && (waits && body["IndexName"].is_string()
                    || value(":from").is_none_or(|from| sk >= from)
                        && value(":to").is_none_or(|to| sk <= to))
                && value(":before").is_none_or(|before| sk < before)
                && value(":prefix").is_none_or(|prefix| sk.starts_with(prefix))
        };
        let filter = body["FilterExpression"].as_str().unwrap_or_default();
        let passes = |item: &Value| {
            let is_of_run = !filter.contains("#run") || item["run"]["S"].as_str() == value(":run");
            is_of_run && !(filter.contains("#act") && item["act"].is_object())
        };
        let found = self
            .0
            .iter()
            .filter(|(key, _)| key.0 == pk && is_wanted(&key.1));
        let mut items: Vec<_> = found.map(|(_, item)| item.clone()).collect();
        if body["ScanIndexForward"] == false {
            items.reverse();
        }
        if let Some(start) = body["ExclusiveStartKey"]["sk"]["S"].as_str() {
            let before = items.iter().position(|item| item["sk"]["S"] == start);
            items.drain(..=before.unwrap());
        }
        let limit = body["Limit"]
            .as_u64()
            .map(|limit| usize::try_from(limit).unwrap());
        let limit = limit.unwrap_or(usize::MAX);
        let is_cut_off = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| is_cut_off);
        let last = last.map(|item| json!({ "pk": item["pk"], "sk": item["sk"] }));
        items.retain(passes);
        let mut answer = json!({ "Count": items.len(), "Items": items });
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = last;
        }
        answer
    }
}

fn pk_of(body: &Value) -> &str {
    let values = &body["ExpressionAttributeValues"];
    values[":pk"]["S"].as_str().unwrap_or_default()
}

/// A value as DynamoDB has it on the wire.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(is) => json!({ "BOOL": is }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(list) => json!({ "L": list.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), attribute(value)));
            json!({ "M": fields.collect::<Map<_, _>>() })
        }
    }
}

fn key(lane: &LaneId) -> String {
    format!("{}#{}", lane.account, lane.experience)
}

pub(crate) fn lane() -> LaneId {
    format!("222222222222/{EXPERIENCE}").parse().unwrap()
}

pub(crate) fn other_lane() -> LaneId {
    format!("333333333333/{OTHER}").parse().unwrap()
}

/// The run of that number: later ones sort after earlier ones.
pub(crate) fn run(number: i64) -> RunId {
    RunId::next(None, 1_767_268_800_000 + number * 3_600_000, 7)
}

pub(crate) fn products(ids: &[&str]) -> Vec<ProductId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// A hold of a plan that allows one product and denies two.
pub(crate) fn hold(number: i64) -> Hold {
    Hold {
        run: run(number),
        plan_hash: plan().hash(),
        reasons: vec![HoldReason::Removals {
            count: 12,
            of: 40,
            limit: 10,
            percent: 5,
            parts: None,
        }],
        allow: 1,
        deny: 2,
        removals: 2,
        since: NOON.parse().unwrap(),
        announced: true,
        rejected: None,
        approvals: Vec::new(),
        overrides: false,
    }
}

pub(crate) fn plan() -> Plan {
    let deny = products(&["prod-gone", "prod-lost"]);
    Plan::new(
        products(&["prod-new"]).into_iter().collect(),
        deny.into_iter().collect(),
    )
}

/// The command that releases a hold.
pub(crate) fn command(hold: &Hold) -> String {
    hold.approve(&EXPERIENCE.parse().unwrap()).to_string()
}

/// A run that has ended, of one request.
pub(crate) fn ended(number: i64, kind: &str, id: Option<&str>, status: RunStatus) -> RunRecord {
    let began = NOON.parse().unwrap();
    let mut record = RunRecord::new(run(number), 7, Vec::new(), began);
    record.requests = vec![Request {
        kind: kind.to_owned(),
        id: id.map(str::to_owned),
        requester: Some("arn:aws:sts::111111111111:assumed-role/Operator/alice".to_owned()),
        account: Some("111111111111".to_owned()),
        ..Request::default()
    }];
    record.status = status;
    record.planned_at = Some("2026-01-01T12:00:10Z".parse().unwrap());
    record.completed_at = Some("2026-01-01T12:01:00Z".parse().unwrap());
    record
}

/// What a run has on record of the link.
pub(crate) fn link(number: i64, status: LinkStatus) -> LinkRecord {
    let is_held = status == LinkStatus::Held;
    let plan = match status {
        LinkStatus::InSync | LinkStatus::Rejected | LinkStatus::Refused | LinkStatus::Held => {
            Plan::default()
        }
        _ => plan(),
    };
    LinkRecord {
        invalid: pmp_sync_domain::plan::InvalidProducts::default(),
        schema: 1,
        run: run(number),
        member: "emea".parse().unwrap(),
        account: "222222222222".parse().unwrap(),
        lane: Some(lane()),
        sources: "exp-4s8kd0qmw1x2y".parse().unwrap(),
        mode: Mode::Mirror,
        status,
        plan_hash: Some(plan.hash()),
        allow: plan.allow().iter().cloned().collect(),
        deny: plan.deny().iter().cloned().collect(),
        removals: plan.deny().len(),
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        fault: None,
        hold: is_held.then(|| hold(number)),
        approval: None,
        unchecked: 0,
        edited: Vec::new(),
        edited_since: None,
        at: "2026-01-01T12:00:05Z".parse().unwrap(),
        held: if is_held {
            HeldPart::from(&self::plan())
        } else {
            HeldPart::default()
        },
    }
}

/// A change set of a run on the lane.
pub(crate) fn set(seq: u64, number: i64) -> SetRecord {
    let plan = plan();
    SetRecord {
        schema: 1,
        seq,
        change_set: format!("cs-{seq}").parse().unwrap(),
        run: run(number),
        outcome: SetOutcome::Succeeded,
        detail: None,
        allow: plan.allow().iter().cloned().collect(),
        deny: plan.deny().iter().cloned().collect(),
        started_at: "2026-01-01T12:00:06Z".parse().unwrap(),
        ended_at: "2026-01-01T12:00:20Z".parse().unwrap(),
    }
}

/// What became of a request about a hold.
pub(crate) fn approval(action: ApprovalAction, of: i64, refused: Option<&str>) -> Approval {
    Approval {
        action,
        of: run(of),
        plan_hash: action.undo(run(of)).is_none().then(|| plan().hash()),
        ask: Ask {
            by: Some("arn:aws:sts::111111111111:assumed-role/Operator/alice".to_owned()),
            account: Some("111111111111".to_owned()),
            at: "2026-01-01T12:00:01Z".parse().unwrap(),
            reason: None,
        },
        refused: refused.map(str::to_owned),
        hints: Vec::new(),
        kept: pmp_sync_domain::approval::KeptProducts::default(),
        people: None,
    }
}
