//! Notices: which changes of a link's state are announced on the bus.
//!
//! Nothing is announced twice for the same state, and nothing is lost. [`Notices::after`] compares
//! what has been announced with what was observed. The notices that follow are written into the
//! link state together with the new record, before they are put on the bus. If the producer is
//! interrupted in between, it finds them there. Pure.

mod details;
mod digest;
mod requested;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::approval::Hold;
use crate::error::FaultRecord;
use crate::ids::{AccountId, ExperienceId, LaneId, MemberName, ProductId};
use crate::lane;
use crate::lane::{LaneState, OtherInstallation, Phase};
use crate::notify::details::{EDITED, QUARANTINED};
use crate::policy::PolicySnapshot;
use crate::records::{EditMark, HeldMark, Mark, Notices, QuarantineMark};
use crate::sources::Sources;
use crate::time::elapsed;
use crate::wire::events::{About, Condition, EditedProduct, Ended, EndedBy, Notice, Recovered};

pub use self::digest::{DIGEST_FROM, Digests, digest_of_requests, digests};
pub use self::requested::{Demand, MOST_REQUESTS_ANNOUNCED, demand, to_announce};

/// The most quarantined products of one link that are remembered. Others are only counted.
pub const MOST_QUARANTINED: usize = 500;

/// The most outside edits of one link that are remembered as announced. Others are only counted.
pub const MOST_EDITS: usize = 500;

/// The most notices of one link that wait for the bus. While there are so many, nothing more is
/// compared. What has changed by then is found once they are on the bus.
pub const MOST_PENDING: usize = 10;

/// The link of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The member's name in the configuration.
    pub member: MemberName,
    /// Member account and member experience.
    pub lane: LaneId,
    /// The management experiences that it follows.
    pub sources: Sources,
}

impl Subject {
    fn account(&self) -> &AccountId {
        &self.lane.account
    }

    fn experience(&self) -> &ExperienceId {
        &self.lane.experience
    }
}

/// The outside edits of a link.
#[derive(Debug, Clone, Copy)]
pub struct Edits<'a> {
    /// The products that are remembered, each with the time of the first run that saw the edit.
    pub since: &'a BTreeMap<ProductId, Timestamp>,
    /// Number of others.
    pub beyond: usize,
    /// The lists of the member experience.
    pub actual: &'a PolicySnapshot,
}

/// What was observed of a link.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The link.
    pub subject: &'a Subject,
    /// When it was observed.
    pub now: Timestamp,
    /// The hold, after the observation was recorded.
    pub hold: Option<&'a Hold>,
    /// Why the link could not be observed, if it could not.
    pub fault: Option<&'a FaultRecord>,
    /// True if the fault counts as a hold, because the management experience cannot be trusted.
    pub is_guarded: bool,
    /// Member account and member experience.
    pub state: &'a LaneState,
    /// True if nothing is claimed, under way, or announced and on its way.
    pub is_done: bool,
    /// The quarantined changes, if they were read.
    pub quarantined: Option<&'a [lane::Quarantined]>,
    /// The outside edits, if the experience was observed.
    pub edits: Option<Edits<'a>>,
    /// True if the member experience was found in sync.
    pub in_sync: bool,
    /// Hours out of sync after which the link is stale. None if it is not expected to be in sync.
    pub stale_after_hours: Option<u32>,
}

impl Seen<'_> {
    /// True if the lane has ended what it tried. Only then is it known that a problem is gone,
    /// because a lane that tries again may be blocked again.
    fn rests(&self) -> bool {
        self.state.phase == Phase::Idle && self.is_done
    }
}

impl Notices {
    /// The record after this observation, with the notices that follow from the difference in
    /// `pending`.
    #[must_use]
    pub fn after(&self, seen: &Seen<'_>) -> Self {
        if self.pending.len() >= MOST_PENDING {
            return self.clone();
        }
        let mut draft = Draft::new(self, seen.subject, seen.now);
        draft.watch(seen);
        draft.end_hold(seen);
        draft.end_block(seen);
        draft.end_quarantine(seen);
        draft.end_contest(seen);
        draft.end_edits(seen);
        draft.end_staleness(seen);
        draft.recover();
        draft.begin_hold(seen);
        draft.begin_block(seen);
        draft.begin_quarantine(seen);
        draft.begin_contest(seen);
        draft.begin_edits(seen);
        draft.begin_staleness(seen);
        draft.next
    }

    /// The record after the link was removed from the configuration: every announced state ends.
    #[must_use]
    pub fn removed(&self, subject: &Subject, now: Timestamp) -> Self {
        if self.pending.len() >= MOST_PENDING {
            return self.clone();
        }
        let mut draft = Draft::new(self, subject, now);
        draft.end_everything(EndedBy::Removed);
        draft.recover();
        // If the link is added again, it is watched from then on.
        draft.next.since = None;
        draft.next
    }

    /// Takes over a hold that an earlier release has announced.
    #[must_use]
    pub fn with_announced(mut self, hold: Option<&Hold>) -> Self {
        let is_old = self.is_blank() && hold.is_some_and(|hold| hold.announced);
        if let Some(hold) = hold.filter(|_| is_old) {
            self.held = Some(held_mark(hold));
        }
        self
    }
}

/// Since when a link was not in sync, if that is longer than allowed. `since` is when it was first
/// watched; time before that does not count.
pub fn stale_since(
    state: &LaneState,
    since: Timestamp,
    after_hours: u32,
    now: Timestamp,
) -> Option<Timestamp> {
    let last = state.last_in_sync.map_or(since, |last| last.max(since));
    (elapsed(last, now) > f64::from(after_hours) * 3600.0).then_some(last)
}

fn held_mark(hold: &Hold) -> HeldMark {
    let reason = hold.reasons.first();
    HeldMark {
        run: hold.run,
        plan_hash: hold.plan_hash.clone(),
        reason: reason.map_or_else(String::new, |reason| reason.code().to_owned()),
        since: hold.since,
    }
}

/// The next record, while it is computed.
struct Draft<'a> {
    next: Notices,
    subject: &'a Subject,
    now: Timestamp,
    ended: Vec<Ended>,
}

impl<'a> Draft<'a> {
    fn new(old: &Notices, subject: &'a Subject, now: Timestamp) -> Self {
        Self {
            next: old.clone(),
            subject,
            now,
            ended: Vec::new(),
        }
    }

    fn end(&mut self, condition: Condition, reason: &str, since: Timestamp, ended_by: EndedBy) {
        self.ended.push(Ended {
            condition,
            reason: reason.to_owned(),
            since,
            ended_by,
        });
    }

    fn end_everything(&mut self, by: EndedBy) {
        if let Some(held) = self.next.held.take() {
            self.end(Condition::Held, &held.reason, held.since, by);
        }
        if let Some(mark) = self.next.distrusted.take() {
            self.end(Condition::Held, &mark.reason, mark.since, by);
        }
        if let Some(mark) = self.next.blocked.take() {
            let reason = mark.reason.to_string();
            self.end(Condition::Blocked, &reason, mark.since, by);
        }
        if let Some(mark) = self.next.quarantined.take() {
            self.end(Condition::Quarantined, QUARANTINED, mark.since, by);
        }
        if let Some(mark) = self.next.contested.take() {
            let code = OtherInstallation::CODE;
            self.end(Condition::Contested, code, mark.since, by);
        }
        if let Some(mark) = self.next.edited.take() {
            self.end(Condition::Edited, EDITED, mark.since, by);
        }
        if let Some(mark) = self.next.stale.take() {
            self.end(Condition::Stale, &mark.reason, mark.since, by);
        }
    }

    fn watch(&mut self, seen: &Seen<'_>) {
        self.next.since = match seen.stale_after_hours {
            Some(_) => self.next.since.or(Some(self.now)),
            None => None,
        };
    }

    fn end_hold(&mut self, seen: &Seen<'_>) {
        if seen.hold.is_none()
            && let Some(held) = self.next.held.take()
        {
            self.end(Condition::Held, &held.reason, held.since, EndedBy::Resolved);
        }
        // A fault of another kind says nothing about the management experience.
        if seen.fault.is_none()
            && let Some(mark) = self.next.distrusted.take()
        {
            self.end(Condition::Held, &mark.reason, mark.since, EndedBy::Resolved);
        }
    }

    fn end_block(&mut self, seen: &Seen<'_>) {
        if seen.rests()
            && let Some(mark) = self.next.blocked.take()
        {
            let reason = mark.reason.to_string();
            self.end(Condition::Blocked, &reason, mark.since, EndedBy::Resolved);
        }
    }

    fn end_quarantine(&mut self, seen: &Seen<'_>) {
        // A replayed change has also ended if the lane is blocked now.
        let is_over = seen.rests() || seen.state.phase == Phase::Blocked;
        if is_over
            && seen.quarantined.is_some_and(<[_]>::is_empty)
            && let Some(mark) = self.next.quarantined.take()
        {
            self.end(
                Condition::Quarantined,
                QUARANTINED,
                mark.since,
                EndedBy::Resolved,
            );
        }
    }

    /// The other installation, while it counts as active.
    fn other<'s>(&self, seen: &'s Seen<'_>) -> Option<&'s OtherInstallation> {
        seen.state.contested_by(self.now)
    }

    fn end_contest(&mut self, seen: &Seen<'_>) {
        if self.other(seen).is_none()
            && let Some(mark) = self.next.contested.take()
        {
            let code = OtherInstallation::CODE;
            self.end(Condition::Contested, code, mark.since, EndedBy::Resolved);
        }
    }

    /// While what was edited is changed back, it does not differ for a moment, and may differ again.
    fn end_edits(&mut self, seen: &Seen<'_>) {
        let is_over = |edits: Edits<'_>| edits.since.is_empty() && edits.beyond == 0;
        if seen.is_done
            && seen.edits.is_some_and(is_over)
            && let Some(mark) = self.next.edited.take()
        {
            self.end(Condition::Edited, EDITED, mark.since, EndedBy::Resolved);
        }
    }

    fn end_staleness(&mut self, seen: &Seen<'_>) {
        let Some(mark) = self.next.stale.take() else {
            return;
        };
        let in_sync = seen.in_sync || seen.state.last_in_sync > Some(mark.since);
        if in_sync {
            self.end(
                Condition::Stale,
                &mark.reason,
                mark.since,
                EndedBy::Resolved,
            );
        } else if self.is_stale(seen).is_none() {
            self.end(
                Condition::Stale,
                &mark.reason,
                mark.since,
                EndedBy::NotExpected,
            );
        } else {
            self.next.stale = Some(mark);
        }
    }

    fn is_stale(&self, seen: &Seen<'_>) -> Option<Timestamp> {
        let (hours, since) = seen.stale_after_hours.zip(self.next.since)?;
        let stale = || stale_since(seen.state, since, hours, self.now);
        (!seen.in_sync).then(stale).flatten()
    }

    /// Announces the states that have ended, in one notice.
    fn recover(&mut self) {
        let ended = std::mem::take(&mut self.ended);
        let Some(since) = ended.iter().map(|ended| ended.since).min() else {
            return;
        };
        let standing: Vec<_> = self.next.standing().into_iter().collect();
        let about = details::recovered_about(self.about(), &ended, &standing);
        self.next.pending.push(Notice::Recovered(Recovered {
            about,
            since,
            reason: ended
                .first()
                .map_or_else(String::new, |ended| ended.reason.clone()),
            recovered: ended,
            standing,
        }));
    }

    fn begin_hold(&mut self, seen: &Seen<'_>) {
        if let Some(fault) = seen.fault.filter(|_| seen.is_guarded)
            && self
                .next
                .distrusted
                .as_ref()
                .is_none_or(|mark| mark.reason != fault.code)
        {
            self.next.distrusted = Some(Mark {
                reason: fault.code.clone(),
                since: self.now,
            });
            let about = self.about();
            let held = details::held_by_fault(about, fault, self.now);
            self.next.pending.push(Notice::Held(held));
        }
        // Who has rejected all of it need not be asked again.
        let Some(hold) = seen.hold.filter(|hold| !hold.is_rejected()) else {
            return;
        };
        let mark = held_mark(hold);
        let is_told = |old: &HeldMark| old.run == mark.run && old.plan_hash == mark.plan_hash;
        if self.next.held.as_ref().is_some_and(is_told) {
            return;
        }
        self.next.held = Some(mark);
        let about = self.about();
        let held = details::held(about, hold);
        self.next.pending.push(Notice::Held(held));
    }

    fn begin_block(&mut self, seen: &Seen<'_>) {
        let is_blocked = seen.state.phase == Phase::Blocked;
        let Some(block) = seen.state.block.as_ref().filter(|_| is_blocked) else {
            return;
        };
        let blocked = self.next.blocked.as_ref();
        if blocked.is_some_and(|mark| mark.reason == block.reason) {
            return;
        }
        self.next.blocked = Some(Mark {
            reason: block.reason,
            since: block.since,
        });
        let about = self.about();
        let blocked = details::blocked(about, block);
        self.next.pending.push(Notice::Blocked(blocked));
    }

    fn begin_quarantine(&mut self, seen: &Seen<'_>) {
        let Some(quarantined) = seen
            .quarantined
            .filter(|quarantined| !quarantined.is_empty())
        else {
            return;
        };
        let old = self.next.quarantined.take();
        let (known, beyond, since) = match &old {
            Some(mark) => (mark.products.clone(), mark.beyond, Some(mark.since)),
            None => (BTreeMap::new(), 0, None),
        };
        let is_known = |quarantined: &&lane::Quarantined| {
            known.get(&quarantined.product) == Some(&quarantined.run)
        };
        let (kept, others): (Vec<_>, Vec<_>) = quarantined.iter().partition(is_known);
        let first = others
            .iter()
            .map(|quarantined| quarantined.quarantined_at)
            .min();
        let remembered = kept.iter().chain(&others).take(MOST_QUARANTINED);
        let products = remembered.map(|quarantined| (quarantined.product.clone(), quarantined.run));
        let products: BTreeMap<_, _> = products.collect();
        self.next.quarantined = Some(QuarantineMark {
            since: since.or(first).unwrap_or(self.now),
            beyond: quarantined.len().saturating_sub(products.len()),
            products,
        });
        // Products that are only counted are not known individually.
        let new = others.len().saturating_sub(beyond);
        if new > 0 {
            let about = self.about();
            let since = first.unwrap_or(self.now);
            let quarantined = details::quarantined(about, &others, (new, quarantined.len()), since);
            self.next.pending.push(Notice::Quarantined(quarantined));
        }
    }

    fn begin_contest(&mut self, seen: &Seen<'_>) {
        let Some(other) = self.other(seen) else {
            return;
        };
        let contested = self.next.contested.as_ref();
        if contested.is_some_and(|mark| mark.reason == other.installation) {
            return;
        }
        self.next.contested = Some(Mark {
            reason: other.installation.clone(),
            since: other.seen,
        });
        let about = self.about();
        let contested = details::contested(about, other);
        self.next.pending.push(Notice::Contested(contested));
    }

    fn begin_edits(&mut self, seen: &Seen<'_>) {
        let edits = seen.edits.filter(|edits| !edits.since.is_empty());
        let Some(edits) = edits else {
            return;
        };
        let old = self.next.edited.take();
        let (known, beyond, since) = match &old {
            Some(mark) => (mark.products.clone(), mark.beyond, Some(mark.since)),
            None => (BTreeMap::new(), 0, None),
        };
        let is_known =
            |(product, since): &(&ProductId, &Timestamp)| known.get(*product) == Some(*since);
        let (kept, others): (Vec<_>, Vec<_>) = edits.since.iter().partition(is_known);
        let first = others.iter().map(|(_, since)| **since).min();
        let remembered = kept.iter().chain(&others).take(MOST_EDITS);
        let products: BTreeMap<_, _> = remembered
            .map(|(product, since)| ((*product).clone(), **since))
            .collect();
        let count = edits.since.len() + edits.beyond;
        self.next.edited = Some(EditMark {
            since: since.or(first).unwrap_or(self.now),
            beyond: count.saturating_sub(products.len()),
            products,
        });
        // Products that are only counted are not known individually.
        let new = (others.len() + edits.beyond).saturating_sub(beyond);
        if new > 0 {
            let about = self.about();
            let products = others.iter().map(|(product, since)| EditedProduct {
                product: (*product).clone(),
                // It is added where the notice is put on the bus.
                name: None,
                allowed: edits.actual.allowed().contains(*product),
                since: **since,
            });
            let since = first.unwrap_or(self.now);
            let edited = details::edited(about, products.collect(), (new, count), since);
            self.next.pending.push(Notice::EditedOutside(edited));
        }
    }

    fn begin_staleness(&mut self, seen: &Seen<'_>) {
        if self.next.stale.is_some() {
            return;
        }
        let Some(since) = self.is_stale(seen) else {
            return;
        };
        let standing = self.next.standing();
        let standing = standing.first().map(|condition| condition.as_str());
        let fault = seen.fault.map(|fault| fault.code.as_str());
        let reason = fault.or(standing).unwrap_or("differs").to_owned();
        self.next.stale = Some(Mark {
            reason: reason.clone(),
            since,
        });
        let about = self.about();
        let hours = seen.stale_after_hours.unwrap_or_default();
        let stale = details::stale(about, reason, since, hours, seen.fault);
        self.next.pending.push(Notice::MemberStale(stale));
    }

    fn about(&mut self) -> About {
        self.next.number += 1;
        About {
            schema: crate::SCHEMA,
            id: format!("{}/{}", self.subject.lane, self.next.number),
            at: self.now,
            member: self.subject.member.clone(),
            account: self.subject.account().clone(),
            experience: self.subject.experience().clone(),
            sources: self.subject.sources.clone(),
            message: String::new(),
            what_to_do: String::new(),
            hints: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
