//! What must hold once everything is repaired and the world has come to rest.

mod holds;
mod notices;

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::lane::{BlockReason, LaneState, Phase};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_domain::records::SetOutcome;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::wire::SCHEDULE_SOURCE;
use serde_json::json;

use super::event::envelope;
use super::guards::link_of;
use super::invariants::{PlanSeen, Violation, broken, our_name};
use super::scene::{HOUR, since_begin};
use super::state::{Simulator, Turn};
use crate::reference;

/// The product of a change message.
fn product_of(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let product = body.get("product").and_then(serde_json::Value::as_str);
    product.unwrap_or_default().to_owned()
}

/// True if a letter of the quarantined change is among these.
pub(crate) fn has_letter(
    letters: &[(String, BTreeMap<String, String>)],
    (lane, product): &(LaneId, ProductId),
) -> bool {
    letters.iter().any(|(body, _)| {
        product_of(body) == product.as_str() && body.contains(lane.experience.as_str())
    })
}

impl Simulator {
    /// Everything that must hold at rest.
    pub(crate) fn check_quiescence(&mut self) -> Result<(), Violation> {
        let text = self.world.ledger(|ledger| ledger.configs.last().cloned());
        let config = match Config::parse(&text.unwrap_or_default()) {
            Ok(config) => config,
            Err(error) => return broken("converged", || error.to_string()),
        };
        let mut helpless = BTreeSet::new();
        for (lane, _) in self.scene.lanes() {
            if self.is_helpless(&config, &lane)? {
                helpless.insert(lane);
            }
        }
        self.nothing_is_lost(&config, &helpless)?;
        self.every_set_is_on_record()?;
        self.others_are_known()?;
        self.letters_are_single()?;
        self.runs_have_ended(&helpless)?;
        self.requests_are_served_once()?;
        self.product_requests_are_known()?;
        self.links_are_retried()?;
        self.is_as_restored()?;
        self.is_frugal()
    }

    /// Converged: the member experience is what its link makes of the management experience. True if
    /// the lane is blocked because every change that it tries is bad: then it may have open ones.
    fn is_helpless(&self, config: &Config, lane: &LaneId) -> Result<bool, Violation> {
        let Some(link) = link_of(config, lane) else {
            return Ok(false);
        };
        let left = self.left_to_do(link, lane);
        // What the lane's mark forbids is in no plan, and so is not held. Nobody wakes a lane at rest to
        // hear of rules that are new.
        let state = self.state(lane);
        let forbidden = left.changes().filter(|change| {
            let rules = state.member.as_ref();
            rules.is_some_and(|rules| reference::forbids(rules, change.action))
        });
        let forbidden = forbidden.map(|change| change.product).collect();
        let planned = left.clone().without(&forbidden);
        if self.is_held(link, lane, &planned)? || left.is_empty() {
            return Ok(false);
        }
        let left: Vec<_> = left.changes().collect();
        let (kept, left): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|change| self.is_kept_back(lane, change));
        self.is_reported(lane, &kept)?;
        let state = self.state(lane);
        let is_bad = |product: &ProductId| self.world.experiences(|all| all.is_bad(product));
        let blocked = state.block.as_ref().map(|block| block.reason);
        let stuck = blocked == Some(BlockReason::ChangeSetFailed);
        let mut helpless = false;
        for change in &left {
            if stuck && is_bad(&change.product) {
                helpless = true;
                continue;
            }
            let key = (lane.clone(), change.product.clone());
            let quarantined = self.world.ledger(|ledger| {
                let item = ledger.items.get(&key);
                item.and_then(|item| {
                    item.quarantined
                        .as_ref()
                        .map(|quarantined| quarantined.action)
                })
            });
            let known = self.invariants.bad.contains(&change.product)
                || self.invariants.suspects.contains(&change.product);
            let excused = quarantined == Some(change.action) && known && !self.profile.healed;
            if !excused {
                return broken("converged", || {
                    format!(
                        "{lane} does not {} {}; quarantined {quarantined:?}, blocked {blocked:?}; {left:?}",
                        change.action, change.product
                    )
                });
            }
        }
        Ok(helpless)
    }

    /// What a run would do, had it nothing to consider but the two lists.
    fn left_to_do(&self, link: &Link, lane: &LaneId) -> Plan {
        let (desired, actual) = self.world.experiences(|all| {
            let lists = link.sources.iter().map(|id| {
                let management = all.experience(id);
                let has_policy = management.is_some_and(|experience| experience.policy.is_some());
                let lists = has_policy.then(|| all.policy(id));
                lists.unwrap_or_default()
            });
            let desired = reference::wanted(&lists.collect::<Vec<_>>(), link.conflict);
            (desired, all.policy(&lane.experience))
        });
        reference::left_to_do(&desired, &actual, &link.policy)
    }

    fn state(&self, lane: &LaneId) -> LaneState {
        self.world
            .ledger(|ledger| ledger.lanes.get(lane).cloned().unwrap_or_default())
    }

    fn nothing_is_lost(
        &self,
        config: &Config,
        helpless: &BTreeSet<LaneId>,
    ) -> Result<(), Violation> {
        let ledger = self.world.ledger(|ledger| ledger.clone());
        // A lane that no link serves keeps a block, a mark of the suspensions, or a quarantined change whose
        // letter was dropped: nothing looks at it until a link does again.
        let served = |lane: &LaneId| link_of(config, lane).is_some();
        for ((lane, product), item) in &ledger.items {
            if item.is_open() && !helpless.contains(lane) {
                return broken("nothing-lost", || {
                    format!("{lane} has an open change of {product}: {:?}", item.change)
                });
            }
        }
        for (lane, state) in &ledger.lanes {
            let at_work =
                state.intent.is_some() || matches!(state.phase, Phase::Starting | Phase::InFlight);
            if at_work || (state.phase != Phase::Idle && served(lane) && !helpless.contains(lane)) {
                return broken("nothing-lost", || {
                    format!("{lane} is {} with {:?}", state.phase, state.intent)
                });
            }
        }
        let mut letters = Vec::new();
        for member in &self.scene.members {
            letters.extend(self.world.dead_of(&member.account));
        }
        let explained = |product: &str| {
            let known = |set: &BTreeSet<ProductId>| set.iter().any(|bad| bad.as_str() == product);
            known(&self.invariants.bad) || known(&self.invariants.suspects)
        };
        for (body, attributes) in &letters {
            let reason = attributes.get("reason").map_or("", String::as_str);
            let fine = match reason {
                "unreadable" => self.garbage > 0,
                "quarantined" => explained(&product_of(body)),
                _ => false,
            };
            if !fine {
                return broken("nothing-lost", || {
                    format!("a dead letter that nothing explains: {body} {attributes:?}")
                });
            }
        }
        for (lane, product) in ledger
            .items
            .iter()
            .filter(|((lane, _), item)| item.quarantined.is_some() && served(lane))
            .map(|(key, _)| key)
        {
            let key = (lane.clone(), product.clone());
            let excused =
                self.letters_lost.contains(&lane.account) || self.unlettered.contains(&key);
            if !excused && !has_letter(&letters, &key) {
                return broken("nothing-lost", || {
                    format!("{product} of {lane} is quarantined and has no dead letter")
                });
            }
        }
        Ok(())
    }

    /// A quarantined change has one letter. Only a call whose answer was lost, or an interruption,
    /// explains a second one.
    fn letters_are_single(&self) -> Result<(), Violation> {
        for member in &self.scene.members {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for (body, attributes) in self.world.dead_of(&member.account) {
                if attributes.get("reason").map(String::as_str) == Some("quarantined") {
                    *counts.entry(body).or_default() += 1;
                }
            }
            let surplus: u64 = counts.values().map(|count| count - 1).sum();
            let lanes = self.invariants.lanes.iter();
            let of_member = lanes.filter(|(lane, _)| lane.account == member.account);
            let explained: u64 = of_member.map(|(_, lane)| lane.disturbances).sum();
            if surplus > explained {
                return broken("one-letter", || {
                    format!("{surplus} letters too many: {counts:?}")
                });
            }
        }
        Ok(())
    }

    /// The ledger alone says what each change set did.
    fn every_set_is_on_record(&self) -> Result<(), Violation> {
        let sets = self.world.experiences(|all| all.change_sets().to_vec());
        for set in sets {
            let Some(name) = our_name(&set) else {
                continue;
            };
            if self.invariants.forgotten.contains(&set.name) {
                continue;
            }
            let record = self.world.ledger(|ledger| {
                let mut records = ledger.sets.iter();
                let mine = |lane: &LaneId| lane.experience == name.experience;
                let found = records.find(|((lane, seq), _)| *seq == name.seq && mine(lane));
                found.map(|(_, record)| record.clone())
            });
            let of = |action| {
                let changes = set.changes.iter().filter(move |(_, of)| *of == action);
                changes.map(|(product, _)| product)
            };
            let outcome = match &set.status {
                Some(ChangeSetStatus::Succeeded(_)) => Some(SetOutcome::Succeeded),
                Some(ChangeSetStatus::Failed(_)) => Some(SetOutcome::Failed),
                Some(ChangeSetStatus::ServerFault(_)) => Some(SetOutcome::ServerFault),
                Some(ChangeSetStatus::Cancelled) => Some(SetOutcome::Cancelled),
                Some(ChangeSetStatus::Underway) | None => None,
            };
            let is_it = record.as_ref().is_some_and(|record| {
                record.change_set == set.id
                    && Some(record.outcome) == outcome
                    && record.allow.iter().eq(of(Action::Allow))
                    && record.deny.iter().eq(of(Action::Deny))
                    && record.started_at <= set.started
                    && record.ended_at > set.started
            });
            if !is_it {
                return broken("audited", || {
                    format!("{} is {outcome:?}, on record is {record:?}", set.name)
                });
            }
        }
        Ok(())
    }

    fn runs_have_ended(&self, helpless: &BTreeSet<LaneId>) -> Result<(), Violation> {
        let helpless: BTreeSet<_> = helpless.iter().map(LaneId::to_string).collect();
        let handed_on = self.world.handed_on();
        self.world.ledger(|ledger| {
            for run in ledger.runs.values() {
                // The inbox loses no continuation, so what was handed on goes on.
                if run.status == RunStatus::Superseded
                    && run.continued > 0
                    && handed_on.get(&run.run) >= Some(&run.continued)
                    && run.planned_at.is_none()
                {
                    return broken("runs-end", || {
                        format!("{} was handed on, and never went on", run.run)
                    });
                }
                let excused = run.status == RunStatus::Applying && run.open.is_subset(&helpless);
                if !run.status.is_final() && !excused {
                    return broken("runs-end", || {
                        format!(
                            "{} is {} since {}, open {:?}, cursor {:?}",
                            run.run,
                            run.status.as_str(),
                            since_begin(run.started_at),
                            run.open,
                            run.cursor
                        )
                    });
                }
            }
            Ok(())
        })
    }

    /// However often the event of a request arrives, and whatever fails, one run serves it.
    fn requests_are_served_once(&self) -> Result<(), Violation> {
        self.world.ledger(|ledger| {
            let mut served = BTreeSet::new();
            for run in ledger.runs.values().filter(|run| run.planned_at.is_some()) {
                let events = run
                    .requests
                    .iter()
                    .filter_map(|request| request.id.as_ref());
                for event in events.filter(|id| id.starts_with("event-")) {
                    if !served.insert(event) {
                        return broken("served-once", || {
                            format!("{} serves {event} once more", run.run)
                        });
                    }
                }
            }
            Ok(())
        })
    }

    /// No plan took more change sets than the fewest and what its disturbances explain; in a calm
    /// world every plan took exactly the fewest.
    fn is_frugal(&mut self) -> Result<(), Violation> {
        let (mut fewest, mut taken) = (0, 0);
        for (lane, seen) in &self.invariants.lanes {
            for (run, of) in &seen.plans {
                let least =
                    u64::try_from(reference::fewest_change_sets(&of.plan)).unwrap_or(u64::MAX);
                let most = least + of.odd + self.grant(of, seen.disturbances);
                // What somebody approves or wants back may take the place of a plan that is under way.
                let replaced = of.until.is_some();
                let fewer = of.sets < least && !replaced && !of.overlaps;
                if of.sets > most || (self.profile.calm && (of.sets > least || fewer)) {
                    return broken("frugal", || {
                        format!(
                            "{} change sets for the plan of {run} on {lane}, which needs {least} and may take {most}: {:?}",
                            of.sets, of.plan
                        )
                    });
                }
                fewest += least;
                taken += of.sets;
            }
        }
        self.stats.more("fewest change sets of all plans", fewest);
        self.stats.more("change sets taken by them", taken);
        Ok(())
    }

    /// What disturbances and bad products explain: each disturbance may cut one batch in two; a bad
    /// product is found by halving, of at most fifty.
    fn grant(&self, of: &PlanSeen, disturbances: u64) -> u64 {
        let disturbed = of.until.unwrap_or(disturbances) - of.from;
        let bad = of.plan.changes().filter(|change| {
            self.invariants.bad.contains(&change.product)
                || self.invariants.suspects.contains(&change.product)
        });
        let bad = u64::try_from(bad.count()).unwrap_or_default();
        let halvings = u64::from(of.plan.len().clamp(2, 50).next_power_of_two().ilog2());
        let unsure = if self.profile.unattributed { 2 } else { 0 };
        // By the member's rules allows and denies may have gone apart, and denies a few at a time.
        let apart = if of.ruled {
            of.plan.allow().len().div_ceil(50) + of.plan.deny().len().div_ceil(50)
        } else {
            0
        };
        let apart = u64::try_from(apart).unwrap_or_default();
        disturbed + bad * (2 * halvings + 1 + unsure) + apart
    }

    /// True if a rollback is blocked because all that is left of it fails: the next run gives it up, and
    /// plans what the management experience wants.
    fn goes_back_in_vain(&self) -> bool {
        self.world.ledger(|ledger| {
            let mut lanes = ledger.lanes.iter();
            lanes.any(|(lane, state)| {
                let link_state = ledger.link_states.get(lane);
                state.phase == Phase::Blocked
                    && link_state.is_some_and(|link_state| link_state.restored.is_some())
            })
        })
    }

    /// Idempotent: one more run of everything sends nothing and starts nothing.
    pub(crate) fn check_one_more_run(&mut self) -> Result<(), Violation> {
        let text = self.world.ledger(|ledger| ledger.configs.last().cloned());
        let config = Config::parse(&text.unwrap_or_default()).unwrap_or_default();
        let (mut helpless, mut blocked) = (BTreeSet::new(), BTreeSet::new());
        for (lane, _) in self.scene.lanes() {
            if self.is_helpless(&config, &lane)? {
                helpless.insert(lane.experience.clone());
                blocked.insert(lane);
            }
        }
        let count = |simulator: &Self| {
            let sets = simulator.world.experiences(|all| {
                let sets = all.change_sets().iter();
                sets.filter(|set| !helpless.contains(&set.experience))
                    .count()
            });
            // Changes, and whatever else goes to a queue: a world at rest is left in peace.
            // A lane that keeps something back is asked for its rules.
            let asked = simulator.anything_is_kept_back();
            let messages = simulator.world.failing(|failing| {
                let others = failing.calls("SendMessage");
                failing.calls("SendMessageBatch") + if asked { 0 } else { others }
            });
            let messages = if helpless.is_empty() { messages } else { 0 };
            (
                messages,
                sets,
                simulator.announcements(),
                simulator.what_stands(),
            )
        };
        if self.window_moves(&blocked) || self.goes_back_in_vain() {
            return Ok(());
        }
        let before = count(self);
        let asked = |simulator: &Self| {
            simulator
                .world
                .failing(|failing| failing.calls("GetProduct"))
        };
        let asked_before = asked(self);
        let (began, end) = (self.now, self.now + HOUR);
        let mut last_asked = began;
        self.ask(envelope(SCHEDULE_SOURCE, "Scheduled Sync", &json!({})));
        while let Some((when, turn)) = self.next_turn() {
            if (matches!(turn, Turn::Scheduled) && self.tasks.is_empty()) || when > end {
                break;
            }
            let so_far = asked(self);
            self.take(when, turn)?;
            if asked(self) != so_far {
                last_asked = self.now;
            }
        }
        let after = count(self);
        if after != before {
            return broken("idempotent", || {
                format!(
                    "messages, change sets, announcements and holds were {before:?}, and are {after:?} after one more run"
                )
            });
        }
        self.everything_is_reported(&blocked)?;
        // The names give way to what a lane that is blocked again announces.
        if helpless.is_empty() {
            self.names_are_known(&config, asked(self) - asked_before, last_asked - began)?;
        }
        for (lane, _) in self.scene.lanes() {
            let kept = link_of(&config, &lane).map_or(0, |link| {
                let left = self.left_to_do(link, &lane);
                let kept = left.changes().filter(|c| self.is_kept_back(&lane, c));
                kept.count()
            });
            let kept = u64::try_from(kept).unwrap_or_default();
            self.stats.more("kept back at the end", kept);
        }
        self.count_outcomes();
        Ok(())
    }

    fn count_outcomes(&mut self) {
        let (runs, messages, quarantined, replayed) = self.world.ledger(|ledger| {
            let runs = ledger.runs.len();
            let messages: usize = ledger.runs.values().map(|run| run.totals.messages).sum();
            let quarantined = ledger
                .items
                .values()
                .filter(|item| item.quarantined.is_some());
            (
                runs,
                messages,
                quarantined.count(),
                ledger.dead_letters.len(),
            )
        });
        let number = |count: usize| u64::try_from(count).unwrap_or_default();
        self.stats.more("runs", number(runs));
        self.stats.more("messages of runs", number(messages));
        self.stats
            .more("quarantined at the end", number(quarantined));
        self.stats.more("dead letters looked at", number(replayed));
        let (taken, back, held) = self.guards.counts();
        self.stats.more("approvals taken", taken);
        self.stats.more("rollbacks that were gone", back);
        self.stats.more("lanes held at the end", held);
        let calls = self.world.failing(|failing| failing.total());
        self.stats.more("calls", calls);
        self.stats.more(
            "virtual minutes",
            u64::try_from(self.now / 60_000).unwrap_or(0),
        );
    }
}
