//! The history for programs: one JSON object on a line for each event, oldest first.

use pmp_sync_domain::run::{LinkRecord, LinkStatus};
use pmp_sync_domain::{SCHEMA, Timestamp};
use serde_json::{Value, json};

use super::{Whole, verdict};
use crate::context::Context;
use crate::failure::Failure;
use crate::holds::{reasons_json, way_back};
use crate::output;

/// Runs that are read at once: no more is kept in memory.
const PAGE: u16 = 25;

/// Writes the events of every run that is kept.
pub(super) async fn all(context: &Context) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let runs = context.ledger.runs_after(after, PAGE).await?;
        let Some(last) = runs.last().map(|run| run.run) else {
            return Ok(());
        };
        after = Some(last);
        for run in runs {
            write(&Whole::read(context, run).await?)?;
        }
    }
}

/// Writes the events of one run.
pub(super) fn write(whole: &Whole) -> Result<(), Failure> {
    for event in events(whole) {
        output::json(&event)?;
    }
    Ok(())
}

/// The events of a run, as they are written, with the time of each.
struct Events<'a> {
    whole: &'a Whole,
    found: Vec<(Timestamp, Value)>,
}

impl Events<'_> {
    /// Adds one; what is told of it besides is in `fields`.
    fn add(&mut self, event: &str, at: Timestamp, link: Option<&LinkRecord>, fields: Value) {
        let lane = link.and_then(|link| link.lane.as_ref());
        let mut value = json!({
            "schema": SCHEMA,
            "at": at,
            "run": self.whole.run.run,
            "event": event,
            "lane": lane.map(ToString::to_string),
            "member": link.map(|link| &link.member),
        });
        if let (Value::Object(all), Value::Object(fields)) = (&mut value, fields) {
            all.extend(fields);
        }
        self.found.push((at, value));
    }

    fn requests(&mut self) {
        let run = &self.whole.run;
        for request in &run.requests {
            let fields = json!({
                "kind": request.kind,
                "request_id": request.id,
                "requester": request.requester,
                "account": request.account,
                "override_reason": request.override_reason,
                "override_scope": request.scope,
                "config_version": run.config_version,
            });
            self.add("requested", run.started_at, None, fields);
        }
    }

    fn link(&mut self, link: &LinkRecord) {
        if let Some(consent) = &link.consent {
            let verdict = verdict(link).unwrap_or_default();
            // Of a failure the event below tells.
            if verdict != "failed" {
                let fields = json!({
                    "wanted": consent.action,
                    "of": consent.of,
                    "plan_hash": consent.plan_hash,
                    "requester": consent.ask.by,
                    "account": consent.ask.account,
                    "why": consent.refused,
                });
                self.add(verdict, consent.ask.at, Some(link), fields);
            }
        }
        if link.plan_hash.is_some() {
            let fields = json!({
                "management_experience": link.management_experience,
                "mode": link.mode,
                "status": link.status,
                "plan_hash": link.plan_hash,
                "allow": link.allow,
                "deny": link.deny,
                "removals": link.removals,
                "left_alone": link.left_alone,
                "contradictory": link.contradictory,
            });
            self.add("planned", link.at, Some(link), fields);
        }
        let counts = json!({
            "plan_hash": link.plan_hash,
            "allow": link.allow.len(),
            "deny": link.deny.len(),
        });
        match link.status {
            LinkStatus::Held => self.held(link),
            LinkStatus::Committed => self.add("committed", link.at, Some(link), counts),
            LinkStatus::Underway => self.add("underway", link.at, Some(link), counts),
            LinkStatus::Stopped => self.add("stopped", link.at, Some(link), counts),
            LinkStatus::Removed => self.add("removed", link.at, Some(link), json!({})),
            LinkStatus::Failed => {
                self.add(
                    "failed",
                    link.at,
                    Some(link),
                    json!({ "fault": link.fault }),
                );
            }
            // Of requests about holds the event above tells.
            LinkStatus::InStep | LinkStatus::Rejected | LinkStatus::Refused => {}
        }
        let whole = self.whole;
        for set in whole.changes_on(link) {
            let fields = json!({
                "seq": set.seq,
                "change_set": set.change_set,
                "outcome": set.outcome,
                "detail": set.detail,
                "allow": set.allow,
                "deny": set.deny,
                "started_at": set.started_at,
            });
            self.add("change-set", set.ended_at, Some(link), fields);
        }
    }

    fn held(&mut self, link: &LinkRecord) {
        let hold = link.hold.as_ref();
        let fields = json!({
            "held_by": hold.map(|hold| hold.run),
            "since": hold.map(|hold| hold.since),
            "plan_hash": hold.map(|hold| &hold.plan_hash),
            "allow": hold.map(|hold| hold.allow),
            "deny": hold.map(|hold| hold.deny),
            "removals": hold.map(|hold| hold.removals),
            "restores": hold.and_then(way_back),
            "reasons": hold.map(|hold| reasons_json(&hold.reasons)),
            "fault": link.fault,
        });
        self.add("held", link.at, Some(link), fields);
    }

    fn letters(&mut self) {
        for letter in &self.whole.letters {
            let lane = letter.lane.as_ref().map(ToString::to_string);
            let fields = json!({ "lane": lane, "member": letter.member, "letter": letter });
            self.add("dead-letter", letter.at, None, fields);
        }
    }

    fn end(&mut self) {
        let run = &self.whole.run;
        if let Some(at) = run.completed_at {
            let fields = json!({
                "status": run.status,
                "totals": run.totals,
                "fault": run.fault,
            });
            self.add("ended", at, None, fields);
        }
    }
}

fn events(whole: &Whole) -> Vec<Value> {
    let mut events = Events {
        whole,
        found: Vec::new(),
    };
    events.requests();
    for link in &whole.links {
        events.link(link);
    }
    events.letters();
    events.end();
    // Those of one moment stay in the order in which one leads to the other.
    events.found.sort_by_key(|(at, _)| *at);
    events.found.into_iter().map(|(_, event)| event).collect()
}
