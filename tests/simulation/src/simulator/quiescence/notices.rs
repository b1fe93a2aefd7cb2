//! What a receiver of all events knows, compared with the real state.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::{LaneState, Phase};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::wire::{
    BLOCKED, CONTESTED, DIGEST, EDITED_OUTSIDE, HELD, MEMBER_STALE, QUARANTINED, RECOVERED,
    SYNC_COMPLETED,
};
use serde_json::Value;

use crate::reference::is_expected_in_sync;
use crate::simulator::guards::lane::{DAY, LaneGuard};
use crate::simulator::guards::link_of;
use crate::simulator::invariants::{Violation, broken};
use crate::simulator::scene::{HOUR, since_begin};
use crate::simulator::state::Simulator;

/// What a receiver knows of one link.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    /// The run and the hash of the plan that is held.
    held: Option<(String, String)>,
    /// The code of the fault that counts as a hold.
    distrusted: Option<String>,
    blocked: Option<String>,
    /// Each product with the run that its change was claimed under.
    quarantined: BTreeMap<String, String>,
    /// Products that were quarantined, however long ago: those that end are not reported one by one.
    is_quarantined: bool,
    /// Number of those that an event counts and does not name: it names 50 at most.
    quarantined_unnamed: usize,
    /// The other installation.
    contested: Option<String>,
    /// Each product with the time of the first run that saw the edit.
    edited: BTreeMap<String, String>,
    is_edited: bool,
    /// Number of those that an event counts and does not name: it names 50 at most.
    edited_unnamed: usize,
    stale: bool,
}

fn text(value: &Value, field: &str) -> String {
    let text = value.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    let list = value.get(field).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// Number of the new products that the event counts and does not name.
fn unnamed(detail: &Value) -> usize {
    let new = detail.get("new").and_then(Value::as_u64);
    let new = new.and_then(|new| usize::try_from(new).ok());
    new.unwrap_or_default()
        .saturating_sub(list(detail, "products").len())
}

impl Known {
    /// Receives an event. Returns false if it says what is known already.
    fn hear(&mut self, name: &str, detail: &Value) -> bool {
        match name {
            HELD if detail.get("run").is_some_and(Value::is_string) => {
                let reported = Some((text(detail, "run"), text(detail, "plan_hash")));
                std::mem::replace(&mut self.held, reported.clone()) != reported
            }
            HELD => {
                let reported = Some(text(detail, "reason"));
                std::mem::replace(&mut self.distrusted, reported.clone()) != reported
            }
            BLOCKED => {
                let reported = Some(text(detail, "reason"));
                std::mem::replace(&mut self.blocked, reported.clone()) != reported
            }
            QUARANTINED => {
                self.is_quarantined = true;
                self.quarantined_unnamed += unnamed(detail);
                let reported = list(detail, "products").iter();
                let new = reported.filter(|reported| {
                    let run = text(reported, "run");
                    let known = self
                        .quarantined
                        .insert(text(reported, "product"), run.clone());
                    known.as_ref() != Some(&run)
                });
                new.count() == list(detail, "products").len()
            }
            CONTESTED => {
                let reported = Some(text(detail, "installation"));
                std::mem::replace(&mut self.contested, reported.clone()) != reported
            }
            EDITED_OUTSIDE => {
                self.is_edited = true;
                self.edited_unnamed += unnamed(detail);
                let new = list(detail, "products").iter().filter(|reported| {
                    let since = text(reported, "since");
                    let known = self.edited.insert(text(reported, "product"), since.clone());
                    known.as_ref() != Some(&since)
                });
                new.count() == list(detail, "products").len()
            }
            MEMBER_STALE => !std::mem::replace(&mut self.stale, true),
            RECOVERED => {
                let ended = list(detail, "recovered").iter();
                let ended: Vec<_> = ended.map(|ended| self.end(ended)).collect();
                !ended.is_empty() && ended.into_iter().all(|stood| stood)
            }
            _ => true,
        }
    }

    /// Receives the end of a state. Returns false if the state was not known.
    fn end(&mut self, ended: &Value) -> bool {
        let reason = text(ended, "reason");
        match text(ended, "condition").as_str() {
            "held" if self.distrusted.as_ref() == Some(&reason) => {
                self.distrusted = None;
                true
            }
            "held" => self.held.take().is_some(),
            "blocked" => self.blocked.take() == Some(reason),
            "quarantined" => {
                self.quarantined.clear();
                self.quarantined_unnamed = 0;
                std::mem::take(&mut self.is_quarantined)
            }
            "edited" => {
                self.edited.clear();
                self.edited_unnamed = 0;
                std::mem::take(&mut self.is_edited)
            }
            "contested" => self.contested.take().is_some(),
            "stale" => std::mem::take(&mut self.stale),
            _ => false,
        }
    }
}

impl Simulator {
    /// A receiver of all events knows the real state, and received nothing twice except with the
    /// same id.
    pub(crate) fn everything_is_reported(
        &mut self,
        helpless: &BTreeSet<LaneId>,
    ) -> Result<(), Violation> {
        let mut ids = BTreeMap::new();
        let mut links: BTreeMap<String, Known> = BTreeMap::new();
        let mut runs = BTreeSet::new();
        let mut digested = BTreeSet::new();
        for mut event in self.world.events() {
            if event.1 == DIGEST {
                self.stats.add("notices: digests");
                let id = text(&event.2, "id");
                let told = list(&event.2, "announcements").iter();
                digested.extend(told.map(|told| (id.clone(), text(told, "id"))));
                continue;
            }
            self.is_told(&mut event.2, &digested)?;
            let (_, name, detail) = &event;
            let is_notice = [
                HELD,
                BLOCKED,
                QUARANTINED,
                CONTESTED,
                EDITED_OUTSIDE,
                MEMBER_STALE,
                RECOVERED,
                SYNC_COMPLETED,
            ];
            if !is_notice.contains(name) {
                continue;
            }
            let id = text(detail, "id");
            if let Some(first) = ids.get(&id) {
                self.stats.add("notices repeated");
                if *first != event {
                    return broken("reported-once", || {
                        format!("{id} is {event:?}, and was {first:?}")
                    });
                }
                continue;
            }
            ids.insert(id, event.clone());
            if *name == SYNC_COMPLETED {
                runs.insert(text(detail, "run"));
                continue;
            }
            self.stats.add(match *name {
                HELD => "notices: held",
                BLOCKED => "notices: blocked",
                QUARANTINED => "notices: quarantined",
                CONTESTED => "notices: contested",
                EDITED_OUTSIDE => "notices: edited outside",
                MEMBER_STALE => "notices: stale",
                _ => "notices: recovered",
            });
            let lane = format!("{}/{}", text(detail, "account"), text(detail, "experience"));
            self.is_worth_telling(&lane, name, detail)?;
            let known = links.entry(lane).or_default();
            if !known.hear(name, detail) {
                return broken("reported-once", || {
                    format!("it was known already: {name} {detail}, {known:?}")
                });
            }
        }
        self.ends_are_reported(&runs)?;
        let texts = self.world.ledger(|ledger| ledger.configs.last().cloned());
        let config = Config::parse(&texts.unwrap_or_default()).unwrap_or_default();
        for (lane, _) in self.scene.lanes() {
            let known = links.remove(&lane.to_string()).unwrap_or_default();
            self.is_what_stands(&lane, &known, link_of(&config, &lane), helpless)?;
        }
        Ok(())
    }

    /// People are told what a digest tells by the digest alone: it has to be on the bus before. After an interruption the rest of what it
    /// told is told by itself, or by another digest, so the mark is no part of the event.
    fn is_told(
        &mut self,
        detail: &mut Value,
        digested: &BTreeSet<(String, String)>,
    ) -> Result<(), Violation> {
        let mark = detail.as_object_mut().and_then(|of| of.remove("digest"));
        let Some(mark) = mark else {
            return Ok(());
        };
        self.stats.add("notices: told by a digest");
        let told = (
            mark.as_str().unwrap_or_default().to_owned(),
            text(detail, "id"),
        );
        if !digested.contains(&told) {
            return broken("told", || {
                let (digest, id) = &told;
                format!("{id} is left to the digest {digest}, which does not tell it")
            });
        }
        Ok(())
    }

    /// A hold is not announced if all of it was rejected when it began.
    fn is_worth_telling(&self, lane: &str, name: &str, detail: &Value) -> Result<(), Violation> {
        let mut lanes = self.guards.lanes.iter();
        let guard = lanes.find(|(id, _)| id.to_string() == lane);
        let is_silent = guard.is_some_and(|(_, guard)| {
            let (run, hash) = (text(detail, "run"), text(detail, "plan_hash"));
            guard.rejections.is_silent(&run, &hash)
        });
        if name != HELD || !is_silent {
            return Ok(());
        }
        broken("rejected", || {
            format!("{lane} is announced as held, and all of that was rejected: {detail}")
        })
    }

    /// Every run that sent something and has ended was reported, and no other.
    fn ends_are_reported(&self, reported: &BTreeSet<String>) -> Result<(), Violation> {
        let ended = self.world.ledger(|ledger| {
            let runs = ledger.runs.values();
            let ended = runs.filter(|run| run.status.is_final() && run.totals.messages > 0);
            ended
                .map(|run| run.run.to_string())
                .collect::<BTreeSet<_>>()
        });
        if ended != *reported {
            let differ: Vec<_> = ended.symmetric_difference(reported).collect();
            return broken("reported", || {
                format!(
                    "runs that have ended and were not reported, or the other way round: {differ:?}"
                )
            });
        }
        Ok(())
    }

    fn is_what_stands(
        &self,
        lane: &LaneId,
        known: &Known,
        link: Option<&Link>,
        helpless: &BTreeSet<LaneId>,
    ) -> Result<(), Violation> {
        let state = self
            .world
            .ledger(|ledger| ledger.lanes.get(lane).cloned().unwrap_or_default());
        let mut stands = Known {
            stale: known.stale,
            contested: known.contested.clone(),
            quarantined_unnamed: known.quarantined_unnamed,
            edited_unnamed: known.edited_unnamed,
            ..Known::default()
        };
        if let Some(link) = link {
            let guard = self.guards.lanes.get(lane);
            let hold = guard.and_then(|guard| guard.hold.as_ref());
            stands.held = hold.map(|standing| {
                let hold = &standing.hold;
                (hold.run.to_string(), hold.plan_hash.to_string())
            });
            let is_muted = |guard: &LaneGuard| {
                hold.is_some_and(|standing| guard.rejections.is_muted(&standing.hold))
            };
            if guard.is_some_and(is_muted) {
                stands.held.clone_from(&known.held);
            }
            let block = state
                .block
                .as_ref()
                .filter(|_| state.phase == Phase::Blocked);
            stands.blocked = block.map(|block| block.reason.to_string());
            if helpless.contains(lane) {
                // It tries again with each run, and is blocked again by the end of it.
                stands.blocked.clone_from(&known.blocked);
                if known.blocked.is_none() {
                    return broken("reported", || {
                        format!("{lane} is blocked, and this was not reported")
                    });
                }
            }
            let quarantined: BTreeMap<_, _> = self.world.ledger(|ledger| {
                let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
                let quarantined = items.filter_map(|(_, item)| item.quarantined.as_ref());
                quarantined
                    .map(|quarantined| {
                        (quarantined.product.to_string(), quarantined.run.to_string())
                    })
                    .collect()
            });
            stands.is_quarantined = !quarantined.is_empty();
            // The end of some of them is not reported while others remain.
            let is_known =
                |(product, run): (&String, &String)| known.quarantined.get(product) == Some(run);
            let unknown = quarantined.iter().filter(|one| !is_known(*one)).count();
            if unknown <= known.quarantined_unnamed && stands.is_quarantined {
                stands.quarantined.clone_from(&known.quarantined);
            } else {
                stands.quarantined = quarantined;
            }
            let edited: BTreeMap<_, _> = self.world.ledger(|ledger| {
                let link_state = ledger.link_states.get(lane);
                let edited = link_state.into_iter().flat_map(|of| &of.edited);
                let edited =
                    edited.map(|(product, since)| (product.to_string(), since.to_string()));
                edited.collect()
            });
            stands.is_edited = !edited.is_empty();
            let is_known =
                |(product, since): (&String, &String)| known.edited.get(product) == Some(since);
            let unknown = edited.iter().filter(|one| !is_known(*one)).count();
            if unknown <= known.edited_unnamed && stands.is_edited || helpless.contains(lane) {
                stands.edited.clone_from(&known.edited);
                stands.is_edited = known.is_edited;
            } else {
                stands.edited = edited;
            }
            self.is_rightly_stale(lane, known, link, &state)?;
            self.is_rightly_contested(lane, known, &state)?;
        } else {
            stands.stale = false;
            stands.contested = None;
            stands.is_edited = false;
        }
        if stands != *known {
            return broken("reported", || {
                format!("{lane} is reported as {known:?}, and stands as {stands:?}")
            });
        }
        Ok(())
    }

    /// For a day after the last change set of another installation, with two hours to notice it and its
    /// end.
    fn is_rightly_contested(
        &self,
        lane: &LaneId,
        known: &Known,
        state: &LaneState,
    ) -> Result<(), Violation> {
        let other = state.other.as_ref();
        let installation = other.map(|other| other.installation.to_string());
        let age = other.map(|other| self.now - since_begin(other.seen));
        let wrong = if known.contested.is_some() {
            known.contested != installation || age.is_none_or(|age| age > DAY + 2 * HOUR)
        } else {
            age.is_some_and(|age| age > 2 * HOUR && age < DAY)
        };
        if wrong {
            return broken("reported", || {
                let known = &known.contested;
                format!("{lane} is reported contested by {known:?}, and is by {other:?}")
            });
        }
        Ok(())
    }

    /// Stale by the ledger's stamp, with two hours to notice it: runs are hourly.
    fn is_rightly_stale(
        &self,
        lane: &LaneId,
        known: &Known,
        link: &Link,
        state: &LaneState,
    ) -> Result<(), Violation> {
        let limit = i64::from(link.stale_after_hours) * HOUR;
        let watched = state.suspension.is_none() && is_expected_in_sync(&link.policy);
        // Before the repair it may not have been watched.
        let last = state.last_in_sync.map(since_begin);
        let at_least = self.now - last.unwrap_or(0).max(self.profile.until);
        let at_most = self.now - last.unwrap_or(0);
        let wrong = if known.stale {
            !watched || at_most <= limit
        } else {
            watched && at_least > limit + 2 * HOUR
        };
        if wrong {
            let stale = known.stale;
            return broken("reported", || {
                format!(
                    "{lane} is reported stale: {stale}; watched: {watched}; last in sync {last:?} of {}, limit {limit}",
                    self.now
                )
            });
        }
        Ok(())
    }
}
