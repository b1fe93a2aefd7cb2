//! The transitions of a lane: pure functions of its state.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::bisect::MOST_ALONE;
use super::change::{Intent, OpenChange, counts};
use super::state::{
    Block, BlockReason, Ending, LaneState, LaneView, OtherInstallation, Phase, Planned, Rejected,
    Suspension,
};
use crate::error::RETRY_AFTER;
use crate::ids::{ChangeSetId, ChangeSetName, ExperienceId, ProductId, RunId};
use crate::policy::ProductChange;
use crate::time::{elapsed, later};

/// Consecutive cancellations after which a lane is blocked, because somebody does not want the
/// change set.
const MOST_CANCELLED: u32 = 3;

impl LaneState {
    /// Commits a plan (producer rule 3). Rejected unless the plan is newer.
    ///
    /// A blocked lane tries again under the new plan. A suspended lane stays suspended.
    pub fn committed(&self, planned: Planned) -> Result<Self, Rejected> {
        if self
            .planned
            .as_ref()
            .is_some_and(|old| old.run >= planned.run)
        {
            return Err(Rejected::NotNewer);
        }
        let mut next = self.clone();
        let old = next.planned.replace(planned);
        next.joined.clear();
        next.retries = 0;
        next.bisect
            .end(&old.map(|old| old.proved).unwrap_or_default());
        if self.phase == Phase::Blocked {
            next.unblock();
        }
        Ok(next)
    }

    /// True if the plan creates the first policy of the member experience.
    pub fn creates_policy(&self) -> bool {
        let planned = self.planned.as_ref();
        planned.is_some_and(|planned| planned.creates_policy)
    }

    /// Records that the last message of the run's plan has been sent.
    pub fn sent(&self, run: RunId) -> Result<Self, Rejected> {
        let mut next = self.clone();
        match &mut next.planned {
            Some(planned) if planned.run == run => planned.sent = true,
            _ => return Err(Rejected::Plan),
        }
        Ok(next)
    }

    /// Adds a run that waits for the plan that the lane works on.
    pub fn joined(&self, run: RunId, planned: RunId) -> Result<Self, Rejected> {
        if self.planned_run() != Some(planned) {
            return Err(Rejected::Plan);
        }
        let mut next = self.clone();
        next.joined.insert(run);
        Ok(next)
    }

    /// Records that the producer found nothing to do and the lane at rest. `equal` is false if
    /// products differ and the configuration does not want it so. The lane is then at rest but not in sync.
    #[must_use]
    pub fn in_sync(&self, equal: bool, now: Timestamp) -> Self {
        let mut next = self.clone();
        if equal {
            next.last_in_sync = Some(now);
        }
        next.joined.clear();
        next
    }

    /// Writes an intent that was chosen at `seq` under the plan of run `planned`, from the claimed changes `open`, of which `holding`
    /// hold already. `seq` grows even if all chosen changes hold already. Each change is counted as taken once, however often it is
    /// found before its item is closed.
    pub fn intending(
        &self,
        seq: u64,
        planned: RunId,
        intent: Intent,
        (holding, open): (&[OpenChange], &[OpenChange]),
        tick_at: Timestamp,
    ) -> Result<Self, Rejected> {
        self.at(seq, &[Phase::Idle])?;
        // The mark may be newer than the rules that the choice used.
        if !self.permits(&intent, intent.at) {
            return Err(Rejected::Member);
        }
        let mut next = self.clone();
        match &mut next.planned {
            Some(plan) if plan.run == planned => {
                plan.take(&intent, holding, open);
            }
            _ => return Err(Rejected::Plan),
        }
        next.seq += 1;
        if !intent.changes.is_empty() {
            next.phase = Phase::Starting;
            next.tick += 1;
            next.tick_at = Some(tick_at);
            next.last_attempt = Some(intent.at);
            next.intent = Some(intent);
            next.change_set = None;
        }
        Ok(next)
    }

    /// Takes the intent `seq`, which was last tried at `tried`, in order to start it again at
    /// `now`.
    ///
    /// Only one invocation may do so. If a second one started it too and was refused, it would free
    /// the lane while the first one's call succeeds. So the intent counts as written at `now`, and
    /// no other invocation starts it before this one has certainly ended.
    pub fn restarting(&self, seq: u64, tried: Timestamp, now: Timestamp) -> Result<Self, Rejected> {
        self.at(seq, &[Phase::Starting])?;
        let mut next = self.clone();
        match &mut next.intent {
            Some(intent) if intent.at == tried => {
                intent.written_at.get_or_insert(tried);
                intent.at = now;
            }
            _ => return Err(Rejected::Phase),
        }
        next.last_attempt = Some(now);
        Ok(next)
    }

    /// Records that the change set of intent `seq` was started.
    pub fn started(&self, seq: u64, change_set: ChangeSetId) -> Result<Self, Rejected> {
        self.at(seq, &[Phase::Starting])?;
        let mut next = self.clone();
        next.phase = Phase::InFlight;
        next.change_set = Some(change_set);
        next.not_before = None;
        Ok(next)
    }

    /// Frees the lane: the change set of intent `seq` has ended, or was never started.
    pub fn ended(&self, seq: u64, ending: Ending, now: Timestamp) -> Result<Self, Rejected> {
        self.at(seq, &[Phase::Starting, Phase::InFlight])?;
        let mut next = self.clone();
        let intent = next.intent.take();
        next.change_set = None;
        next.phase = self.at_rest();
        let succeeded = matches!(ending, Ending::Succeeded { .. });
        if succeeded {
            next.last_success = Some(now);
            next.back_off = 0;
            next.cancelled = 0;
            next.retries = 0;
            next.not_before = None;
        }
        match ending {
            Ending::Succeeded { duration_seconds } => {
                next.last_duration_seconds = duration_seconds.or(next.last_duration_seconds);
                if let Some(intent) = &intent {
                    next.denied.add(intent.counts().deny, now);
                    next.bisect.succeeded(intent);
                    let proved = intent.changes.iter().map(|change| change.action);
                    if let Some(planned) = &mut next.planned {
                        planned.proved.extend(proved);
                    }
                }
            }
            Ending::Failed { change_set, failed } => {
                next.back_off = 0;
                let planned = self.planned_run();
                // Under a newer plan these changes are void, and need no bisect.
                if let Some(mut intent) = intent.filter(|intent| {
                    let mut changes = intent.changes.iter();
                    changes.all(|change| Some(change.run) == planned)
                }) {
                    let alone = next.bisect.failed(&intent, &change_set, &failed);
                    intent.changes.retain(|change| !alone.contains(change));
                    next.give_back(Some(&intent));
                    next.give_up(now);
                }
            }
            Ending::Cancelled { change_set, until } => {
                next.give_back(intent.as_ref());
                next.cancelled = next.cancelled.saturating_add(1);
                if next.cancelled >= MOST_CANCELLED {
                    next.block(Block {
                        reason: BlockReason::Cancelled,
                        detail: format!(
                            "{} change sets in a row were cancelled, the last one is {change_set}",
                            next.cancelled
                        ),
                        since: now,
                    });
                } else {
                    next.hold_off(until);
                }
            }
            Ending::Blocked(block) => {
                next.give_back(intent.as_ref());
                next.block(block);
            }
            Ending::BackOff(until) => {
                next.give_back(intent.as_ref());
                next.hold_off(until);
            }
            Ending::Vanished(until) => {
                // Counts as applied. At worst, denies wait for a day that need not.
                let denies = intent.as_ref().map_or(0, |intent| intent.counts().deny);
                next.denied.add(denies, now);
                next.give_back(intent.as_ref());
                next.hold_off(until);
            }
        }
        Ok(next)
    }

    /// Blocks the lane because of something that was found at `seq` under the plan of run `planned`, before an intent was written.
    /// Rejected if either has moved: the block may not hold for another plan, and an empty plan would never lift it.
    pub fn blocked(
        &self,
        seq: u64,
        planned: Option<RunId>,
        block: Block,
    ) -> Result<Self, Rejected> {
        self.at(seq, &[Phase::Idle])?;
        if self.planned_run() != planned {
            return Err(Rejected::Plan);
        }
        let mut next = self.clone();
        next.block(block);
        Ok(next)
    }

    /// Unblocks a lane that was denied access and may try again by itself at `now`.
    pub fn retried(&self, now: Timestamp) -> Result<Self, Rejected> {
        if self.phase != Phase::Blocked || self.retry_at.is_none_or(|at| at > now) {
            return Err(Rejected::Phase);
        }
        let mut next = self.clone();
        next.unblock();
        next.retries = self.retries.saturating_add(1);
        Ok(next)
    }

    /// Backs off: nothing is tried before `until`.
    pub fn back_off(&self, until: Timestamp) -> Result<Self, Rejected> {
        if self.phase != Phase::Idle {
            return Err(Rejected::Phase);
        }
        let mut next = self.clone();
        next.hold_off(until);
        Ok(next)
    }

    /// Removes changes that failed alone and are quarantined with their dead letter, or were claimed again.
    pub fn quarantined(&self, done: &[(ProductId, RunId)]) -> Result<Self, Rejected> {
        let mut next = self.clone();
        next.bisect.forget(done);
        if next == *self {
            return Err(Rejected::Plan);
        }
        Ok(next)
    }

    /// Suspends the lane: no change set starts from now on. One that is starting or in flight ends
    /// first.
    pub fn suspended(&self, suspension: Suspension) -> Result<Self, Rejected> {
        if self.suspension.is_some() {
            return Err(Rejected::Phase);
        }
        let mut next = self.clone();
        next.suspension = Some(suspension);
        if matches!(self.phase, Phase::Idle | Phase::Blocked) {
            next.phase = Phase::Suspended;
            next.block = None;
            next.retry_at = None;
        }
        Ok(next)
    }

    /// Resumes the lane. The next run plans anew.
    pub fn resumed(&self) -> Result<Self, Rejected> {
        if self.suspension.is_none() {
            return Err(Rejected::Phase);
        }
        let mut next = self.clone();
        next.suspension = None;
        if self.phase == Phase::Suspended {
            next.phase = Phase::Idle;
        }
        if let Some(planned) = &mut next.planned {
            // The chain of Ticks may have ended, so the plan does not count as under way.
            planned.sent = false;
        }
        Ok(next)
    }

    /// Makes Tick `number` the live one, due at `at`.
    pub fn ticked(&self, number: u64, at: Timestamp) -> Result<Self, Rejected> {
        if number <= self.tick {
            return Err(Rejected::Tick);
        }
        let mut next = self.clone();
        next.tick = number;
        next.tick_at = Some(at);
        Ok(next)
    }

    /// Records that Lane Settled was put on the bus for this run.
    #[must_use]
    pub fn announced(&self, run: RunId) -> Self {
        let mut next = self.clone();
        next.announced = Some(run);
        next
    }

    /// The run of the committed plan.
    pub fn planned_run(&self) -> Option<RunId> {
        self.planned.as_ref().map(|planned| planned.run)
    }

    /// True while the lane is starting exactly this intent.
    pub fn is_at(&self, intent: &Intent) -> bool {
        self.phase == Phase::Starting
            && self
                .intent
                .as_ref()
                .is_some_and(|mine| mine.token == intent.token)
    }

    /// The name of the change set of the current intent.
    pub fn change_set_name(&self, experience: &ExperienceId) -> Option<ChangeSetName> {
        let intent = self.intent.as_ref()?;
        Some(intent.name.clone().unwrap_or_else(|| ChangeSetName {
            experience: experience.clone(),
            seq: self.seq,
            mark: None,
        }))
    }

    /// The other installation on the experience, while it counts as active.
    pub fn contested_by(&self, now: Timestamp) -> Option<&OtherInstallation> {
        let other = self.other.as_ref();
        other.filter(|other| other.is_active(now))
    }

    /// Records that another installation starts change sets on the experience. Rejected if that was
    /// recorded within the last hour.
    pub fn contested(&self, other: OtherInstallation) -> Result<Self, Rejected> {
        let known = self.other.as_ref().is_some_and(|known| {
            known.installation == other.installation && elapsed(known.seen, other.seen) < 3600.0
        });
        if known {
            return Err(Rejected::Known);
        }
        let mut next = self.clone();
        next.other = Some(other);
        Ok(next)
    }

    /// The lane as a plan needs it.
    pub fn view(&self, quarantined: Vec<ProductChange>) -> LaneView {
        let in_flight = self
            .intent
            .iter()
            .flat_map(|intent| &intent.changes)
            .map(|change| ProductChange {
                product: change.product.clone(),
                action: change.action,
            });
        LaneView {
            in_flight: in_flight.collect(),
            quarantined,
            unreadable: BTreeSet::new(),
            member: self.member.clone(),
        }
    }

    /// When a lane that backs off tries again: after up to 5 s, doubled each consecutive time, 15
    /// minutes at most. `random` spreads the lanes over the second half of that time.
    pub fn back_off_until(&self, now: Timestamp, random: u128) -> Timestamp {
        let most = 5_000_i64
            .saturating_mul(1_i64 << self.back_off.min(10))
            .min(900_000);
        let half = most / 2;
        let spread = i64::try_from(random % 1_000).unwrap_or_default();
        let wait = half + half * spread / 1_000;
        now.checked_add(jiff::SignedDuration::from_millis(wait))
            .unwrap_or(Timestamp::MAX)
    }

    /// The phase of a lane that has nothing under way.
    fn at_rest(&self) -> Phase {
        if self.suspension.is_some() {
            Phase::Suspended
        } else {
            Phase::Idle
        }
    }

    /// A suspended lane stays suspended. What blocks it is found again once it is resumed.
    fn block(&mut self, block: Block) {
        if self.suspension.is_none() {
            self.phase = Phase::Blocked;
            let is_denied = block.reason == BlockReason::AccessDenied;
            let after = RETRY_AFTER.get(self.retries as usize);
            let retry_at = after.map(|seconds| later(block.since, i64::from(*seconds)));
            self.retry_at = retry_at.filter(|_| is_denied);
            self.block = Some(block);
        }
    }

    fn unblock(&mut self) {
        self.phase = self.at_rest();
        self.block = None;
        self.retry_at = None;
        self.not_before = None;
        self.back_off = 0;
        self.cancelled = 0;
    }

    fn hold_off(&mut self, until: Timestamp) {
        self.not_before = Some(until);
        self.back_off = self.back_off.saturating_add(1);
    }

    /// Blocks the lane if too many changes have failed alone and none succeeded.
    fn give_up(&mut self, now: Timestamp) {
        if let Some(block) = self.hopeless(MOST_ALONE, now) {
            self.block(block);
        }
    }

    /// The block of a lane on which `most` changes of a kind failed alone and none succeeded.
    pub(super) fn hopeless(&self, most: usize, now: Timestamp) -> Option<Block> {
        let proved = |action| {
            let planned = self.planned.as_ref();
            planned.is_some_and(|planned| planned.proved.contains(action))
        };
        let last = self
            .bisect
            .alone()
            .iter()
            .rev()
            .find(|failed| !proved(&failed.change.action))?;
        let count = self.bisect.alone_of(last.change.action);
        (count >= most).then(|| Block {
            reason: BlockReason::ChangeSetFailed,
            detail: format!(
                "{count} changes were rejected individually and none of their kind succeeded; the last one, {} {}: {}: {}",
                last.change.action, last.change.product, last.code, last.message
            ),
            since: now,
        })
    }

    fn at(&self, seq: u64, phases: &[Phase]) -> Result<(), Rejected> {
        if self.seq != seq {
            Err(Rejected::Seq)
        } else if phases.contains(&self.phase) {
            Ok(())
        } else {
            Err(Rejected::Phase)
        }
    }

    /// Returns the changes of an intent that had no effect to the plan, if it is still the
    /// committed one.
    fn give_back(&mut self, intent: Option<&Intent>) {
        if let (Some(planned), Some(intent)) = (&mut self.planned, intent) {
            let mine = intent
                .changes
                .iter()
                .filter(|change| change.run == planned.run);
            planned.taken = planned.taken.less(counts(mine.map(|change| change.action)));
        }
    }
}
