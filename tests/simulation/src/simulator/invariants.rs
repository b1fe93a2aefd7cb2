//! What must hold after every step: checked on each write of a lane's state and on each change set
//! that is started.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pmp_sync_domain::ids::{ChangeSetName, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{Intent, LaneState, Phase};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::ProductChange;
use pmp_sync_domain::records::LinkRecord;

use pmp_sync_fakes::{ChangeSetRecord, World, Written};

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// What was found instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

pub(crate) fn broken<T>(
    invariant: &'static str,
    what: impl FnOnce() -> String,
) -> Result<T, Violation> {
    Err(Violation {
        invariant,
        what: what(),
    })
}

/// A plan that was committed to a lane, with its change sets.
#[derive(Debug)]
pub(crate) struct PlanSeen {
    pub(crate) plan: Plan,
    /// Change sets that were started for it.
    pub(crate) sets: u64,
    /// Change sets that ended for another reason than their content: cancelled, failed by the
    /// service, vanished.
    pub(crate) odd: u64,
    /// The lane's disturbances when it was committed, and when a newer one took its place.
    pub(crate) from: u64,
    pub(crate) until: Option<u64>,
    /// The lane carried rules of the member's own meanwhile.
    pub(crate) ruled: bool,
    /// A change set of the plan before was under way with some of its changes when it was committed.
    pub(crate) overlaps: bool,
}

/// An intent as it was written.
#[derive(Debug)]
struct IntentSeen {
    intent: Intent,
    planned: RunId,
}

/// One lane as it was last seen.
#[derive(Debug, Default)]
pub(crate) struct LaneHistory {
    pub(crate) member: usize,
    pub(crate) state: LaneState,
    pub(crate) plans: BTreeMap<RunId, PlanSeen>,
    intents: BTreeMap<u64, IntentSeen>,
    /// Faults and delays that may have cost the lane another change set.
    pub(crate) disturbances: u64,
    /// Cancellations in a row.
    pub(crate) cancelled: u32,
    /// Messages that may each have sent the live Tick once more, since it has its number.
    guards: u64,
    /// The same, for the number before.
    earlier: u64,
    tick: u64,
    /// Recent disturbances, each of which may have left a Tick of any number.
    recent: u64,
    recent_before: u64,
    recent_since: i64,
}

/// The lanes and plans that are watched.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    pub(crate) lanes: BTreeMap<LaneId, LaneHistory>,
    names: BTreeSet<String>,
    /// Products that were bad at any time.
    pub(crate) bad: BTreeSet<ProductId>,
    /// Products of change sets that failed because their experience was archived just then: the
    /// service does not say so, and a worker that looks later cannot know.
    pub(crate) suspects: BTreeSet<ProductId>,
    pub(crate) forgotten: BTreeSet<String>,
}

/// Begin of the tokens of change sets that no lane of the world started.
pub(super) const FOREIGN: &str = "foreign-";

/// The name of a change set that a lane of the world started.
pub(super) fn our_name(set: &ChangeSetRecord) -> Option<ChangeSetName> {
    let name = set.name.parse().ok()?;
    (!set.token.starts_with(FOREIGN)).then_some(name)
}

/// The live Ticks of a lane beyond those that are explained.
const MOST_TICKS: u64 = 3;
/// How long a Tick may wait: its delay of 15 minutes, and once hidden, in milliseconds.
const TICKS_LAST: i64 = 20 * 60_000;

impl Invariants {
    /// A name that was used before the world began.
    pub(crate) fn reserve(&mut self, name: String) {
        self.names.insert(name);
    }

    /// A disturbance of the lanes of a member, or of every lane.
    pub(crate) fn disturb(&mut self, member: Option<usize>, now: i64) {
        for lane in self.lanes.values_mut() {
            if member.is_none_or(|member| member == lane.member) {
                lane.disturbances += 1;
                if now - lane.recent_since > TICKS_LAST {
                    lane.recent_before = lane.recent;
                    lane.recent = 0;
                    lane.recent_since = now;
                }
                lane.recent += 1;
            }
        }
    }

    /// A disturbance of the lanes of a member that leaves no Tick: an operation is denied to an
    /// invocation that has only Ticks. If it left one, each would leave another.
    pub(crate) fn hamper(&mut self, member: Option<usize>) {
        for lane in self.lanes.values_mut() {
            lane.disturbances += u64::from(member.is_none_or(|member| member == lane.member));
        }
    }

    /// A batch was given to a worker, or taken from it; or a run has looked at the lanes.
    pub(crate) fn delivered(&mut self, member: Option<usize>) {
        for lane in self.lanes.values_mut() {
            if member.is_none_or(|m| m == lane.member && lane.state.phase == Phase::Starting) {
                lane.guards += 1;
            }
        }
    }

    /// A lane's state was written.
    pub(crate) fn wrote(&mut self, world: &World, written: Written) -> Result<(), Violation> {
        let Written {
            lane: id,
            state: after,
            record,
        } = written;
        let id = &id;
        let lane = self.lanes.entry(id.clone()).or_default();
        let before = std::mem::replace(&mut lane.state, after);
        if lane.state.tick != lane.tick {
            // What was sent before has at most the number after: one step on it is still live.
            let one_step = lane.state.tick == lane.tick + 1;
            lane.earlier = lane.guards + if one_step { 0 } else { lane.earlier };
            lane.guards = 0;
            lane.tick = lane.state.tick;
        }
        if lane.state.planned_run() != before.planned_run() {
            lane.committed(id, &before, record)?;
        }
        if let Some(planned) = &lane.state.planned
            && planned.taken != planned.taken.at_most(planned.totals)
        {
            return broken("counted-once", || {
                format!(
                    "{:?} of {:?} changes of {id} are taken",
                    planned.taken, planned.totals
                )
            });
        }
        if lane.state.member.is_some()
            && let Some(run) = lane.state.planned_run()
            && let Some(plan) = lane.plans.get_mut(&run)
        {
            plan.ruled = true;
        }
        if lane.state.change_set != before.change_set {
            lane.adopted(world, id)?;
        }
        if lane.state.seq != before.seq {
            lane.intended(world, id, &before, &self.forgotten)?;
        }
        Ok(())
    }

    /// A change set was started.
    pub(crate) fn started(
        &mut self,
        world: &World,
        set: &ChangeSetRecord,
    ) -> Result<(), Violation> {
        let Some(name) = our_name(set) else {
            return Ok(());
        };
        if !self.names.insert(set.name.clone()) {
            return broken("one-at-a-time", || {
                format!("a second change set of the name {} is started", set.name)
            });
        }
        let mut lanes = self.lanes.iter_mut();
        let Some((id, lane)) = lanes.find(|(id, _)| id.experience == name.experience) else {
            return broken("no-unasked-deny", || {
                format!("{} is started on a lane without a state", set.name)
            });
        };
        let Some(seen) = lane.intents.get_mut(&name.seq) else {
            return broken("one-at-a-time", || {
                format!("{} is started without an intent", set.name)
            });
        };
        let changes = seen.intent.changes.iter();
        let of_intent: Vec<_> = changes.map(|c| (c.product.clone(), c.action)).collect();
        if set.changes != of_intent || set.token != seen.intent.token {
            return broken("one-at-a-time", || {
                format!(
                    "{} is started with another content than its intent",
                    set.name
                )
            });
        }
        let run = seen.planned;
        let record = world.ledger(|ledger| ledger.links.get(&(run, id.to_string())).cloned());
        let recorded = record.map(|record| record.plan()).unwrap_or_default();
        let mut wanted = set.changes.iter().map(|(product, action)| ProductChange {
            product: product.clone(),
            action: *action,
        });
        if let Some(change) = wanted.find(|change| !recorded.contains(change)) {
            return broken("no-unasked-deny", || {
                format!(
                    "{} is started with {change:?}, of which {run} has no record",
                    set.name
                )
            });
        }
        let Some(plan) = lane.plans.get_mut(&run) else {
            return broken("no-unasked-deny", || {
                format!(
                    "{} is started on {id} under {run}, which was not committed",
                    set.name
                )
            });
        };
        plan.sets += 1;
        Ok(())
    }

    /// The number of undelivered Ticks of a lane that would be taken for live.
    pub(crate) fn check_ticks(&self, world: &World) -> Result<(), Violation> {
        for (id, lane) in &self.lanes {
            let live = world.changes(&id.account, |queue| {
                let waiting = queue.waiting().filter_map(|(_, body)| number_of(body, id));
                waiting.filter(|number| *number >= lane.state.tick).count()
            });
            let live = u64::try_from(live).unwrap_or(u64::MAX);
            let explained = lane.guards + lane.earlier + lane.recent + lane.recent_before;
            if live > MOST_TICKS + explained {
                return broken("one-live-chain", || {
                    format!(
                        "{live} Ticks of {id} with the number {} or a newer one wait, {explained} of them explained",
                        lane.state.tick
                    )
                });
            }
        }
        Ok(())
    }
}

/// The number of a Tick of this lane. Bodies are ours, so they are not parsed as JSON for it.
pub(crate) fn number_of(body: &str, lane: &LaneId) -> Option<u64> {
    let (_, rest) = body.split_once("\"kind\":\"tick\",\"number\":")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let is_mine = body.contains(&format!("\"experience\":\"{}\"", lane.experience));
    is_mine.then(|| digits.parse().ok()).flatten()
}

impl LaneHistory {
    fn committed(
        &mut self,
        id: &LaneId,
        before: &LaneState,
        record: Option<LinkRecord>,
    ) -> Result<(), Violation> {
        let Some(planned) = &self.state.planned else {
            return broken("newest-wins", || format!("the plan of {id} is gone"));
        };
        let run = planned.run;
        if before.planned_run().is_some_and(|old| old >= run) {
            return broken("newest-wins", || {
                format!(
                    "{run} is committed to {id} after {:?}",
                    before.planned_run()
                )
            });
        }
        let nothing = planned.totals.total() == 0;
        let plan = match record {
            Some(record) if !nothing => record.plan(),
            _ => Plan::default(),
        };
        if plan.hash() != planned.hash {
            return broken("no-unasked-deny", || {
                format!("the plan of {run} for {id} is committed, and is not on record")
            });
        }
        if let Some(old) = before
            .planned_run()
            .and_then(|old| self.plans.get_mut(&old))
        {
            old.until = Some(self.disturbances);
        }
        let seen = PlanSeen {
            sets: 0,
            odd: 0,
            from: self.disturbances,
            until: None,
            ruled: false,
            overlaps: before.intent.as_ref().is_some_and(|intent| {
                let mut changes = intent.changes.iter();
                changes.any(|change| {
                    let (product, action) = (change.product.clone(), change.action);
                    plan.contains(&ProductChange { product, action })
                })
            }),
            plan,
        };
        self.plans.insert(run, seen);
        Ok(())
    }

    /// The change set that the lane takes for its own has the token and the content of its intent.
    fn adopted(&self, world: &World, id: &LaneId) -> Result<(), Violation> {
        let (Some(adopted), Some(intent)) = (&self.state.change_set, &self.state.intent) else {
            return Ok(());
        };
        let changes = intent.changes.iter();
        let of_intent: Vec<_> = changes.map(|c| (c.product.clone(), c.action)).collect();
        let is_ours = world.experiences(|all| {
            let mut sets = all.change_sets().iter();
            let set = sets.find(|set| set.id == *adopted);
            set.is_some_and(|set| set.token == intent.token && set.changes == of_intent)
        });
        if is_ours {
            return Ok(());
        }
        broken("own-sets", || {
            format!(
                "{id} takes {adopted} for the change set of its intent {}",
                self.state.seq
            )
        })
    }

    fn intended(
        &mut self,
        world: &World,
        id: &LaneId,
        before: &LaneState,
        forgotten: &BTreeSet<String>,
    ) -> Result<(), Violation> {
        let state = &self.state;
        if state.seq != before.seq + 1 {
            return broken("one-at-a-time", || {
                format!("{id} goes from intent {} to {}", before.seq, state.seq)
            });
        }
        let Some(intent) = state
            .intent
            .clone()
            .filter(|_| state.phase == Phase::Starting)
        else {
            return Ok(());
        };
        let Some(planned) = before.planned_run() else {
            return broken("no-unasked-deny", || {
                format!("{id} has an intent and no plan")
            });
        };
        if before.suspension.is_some() {
            return broken("suspended", || {
                format!("{id} is suspended, and intends change set {}", state.seq)
            });
        }
        if before.intent.is_some() {
            return broken("one-at-a-time", || {
                format!("{id} intends change set {} over another intent", state.seq)
            });
        }
        let plan = self.plans.get(&planned).map(|seen| &seen.plan);
        for change in &intent.changes {
            if change.run != planned {
                return broken("newest-wins", || {
                    format!(
                        "{id} intends {} {} of {} under {planned}",
                        change.action, change.product, change.run
                    )
                });
            }
            let wanted = ProductChange {
                product: change.product.clone(),
                action: change.action,
            };
            if !plan.is_some_and(|plan| plan.contains(&wanted)) {
                return broken("no-unasked-deny", || {
                    format!(
                        "{id} intends {} {}, which is not in the plan of {planned}",
                        change.action, change.product
                    )
                });
            }
        }
        let under_way = world.experiences(|experiences| {
            let mut sets = experiences.change_sets().iter().rev();
            sets.find(|set| {
                set.experience == id.experience
                    && set.status.is_none()
                    && our_name(set).is_some()
                    && !forgotten.contains(&set.name)
            })
            .map(|set| set.name.clone())
        });
        if let Some(name) = under_way {
            return broken("one-at-a-time", || {
                format!(
                    "{id} intends change set {} while {name} is under way",
                    state.seq
                )
            });
        }
        let seen = IntentSeen { intent, planned };
        self.intents.insert(state.seq, seen);
        Ok(())
    }
}

impl Invariants {
    /// The lane of a change set, and the run under whose plan it was started.
    pub(crate) fn origin(&self, set: &ChangeSetRecord) -> Option<(LaneId, RunId)> {
        let name = our_name(set)?;
        let mut lanes = self.lanes.iter();
        let (id, lane) = lanes.find(|(id, _)| id.experience == name.experience)?;
        let seen = lane.intents.get(&name.seq)?;
        Some((id.clone(), seen.planned))
    }

    /// True if a plan with this change was committed to the lane under that run.
    pub(crate) fn is_planned(&self, id: &LaneId, run: RunId, change: &ProductChange) -> bool {
        let plan = self.lanes.get(id).and_then(|lane| lane.plans.get(&run));
        plan.is_some_and(|seen| seen.plan.contains(change))
    }

    /// A change set has ended.
    pub(crate) fn ended(&mut self, set: &ChangeSetRecord, world: &World) {
        use pmp_sync_domain::ports::ChangeSetStatus;
        let Some(name) = our_name(set) else {
            return;
        };
        let mut lanes = self.lanes.iter_mut();
        let Some((_, lane)) = lanes.find(|(id, _)| id.experience == name.experience) else {
            return;
        };
        let blameless = world.experiences(|all| !set.changes.iter().any(|(p, _)| all.is_bad(p)));
        let odd = match &set.status {
            Some(ChangeSetStatus::Succeeded(_)) => {
                lane.cancelled = 0;
                self.forgotten.contains(&set.name)
            }
            Some(ChangeSetStatus::Failed(_)) if blameless => {
                let products = set.changes.iter().map(|(product, _)| product.clone());
                self.suspects.extend(products);
                true
            }
            // One that is forgotten is tried again as it was, for whatever it has failed.
            Some(ChangeSetStatus::Failed(_)) => self.forgotten.contains(&set.name),
            _ => true,
        };
        let planned = lane.intents.get(&name.seq).map(|seen| seen.planned);
        if let Some(plan) = planned.and_then(|run| lane.plans.get_mut(&run)) {
            plan.odd += u64::from(odd);
        }
    }
}
