//! The fingerprint of a state, which says when two states of a world are the same: what is hashed
//! of each thing, and relative to what.
//!
//! Counters and moments are taken relative to where the lane and the clock stand. The rules only
//! compare them with one another (`rev` for equality, Ticks and intents for order and equality, times
//! by their difference), so worlds that differ by a shift go on alike. Tokens are told apart only by
//! whom they equal. Fields that no rule reads (the last attempt and success, when an item was
//! written) are left out, and so are the hash and time of a plan: the plan is in the state itself, and
//! no small world lasts the three hours after which a plan is not trusted any more.

use std::hash::{Hash, Hasher};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName};
use pmp_sync_domain::lane::{
    Counts, Intent, LaneState, MOST_WAIT, NamedSet, OpenChange, first_tick,
};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{ChangeSetStatus, Quarantining};

use pmp_sync_fakes::Experiences;

/// 128 bits of digest: among ten million states a collision has a probability of about 1e-25.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(u128);

impl Digest {
    pub(super) fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    pub(super) fn word(&mut self, word: u64) {
        self.0 =
            (self.0 ^ u128::from(word)).wrapping_mul(0x2d99_787b_926d_46b1_5bd1_e995_9e37_79b9);
        self.0 ^= self.0 >> 67;
    }

    pub(super) fn add(&mut self, value: &impl Hash) {
        value.hash(self);
    }

    pub(super) fn value(self) -> u128 {
        let mut last = self;
        last.word(0x9e37_79b9);
        last.word(0x7f4a_7c15);
        last.0
    }

    /// Adds digests without regard to their order.
    pub(super) fn multiset(&mut self, mut digests: Vec<u128>) {
        digests.sort_unstable();
        self.add(&digests);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or_default()
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut()
                .zip(chunk)
                .for_each(|(to, from)| *to = *from);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.word(word);
    }

    fn write_u32(&mut self, word: u32) {
        self.word(u64::from(word));
    }

    fn write_u8(&mut self, word: u8) {
        self.word(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.word(word as u64);
    }
}

/// The base to which counters and times are relative.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) now: Timestamp,
    rev: u64,
    /// True if it matters which write is in conflict.
    pub(super) exact: bool,
    /// False for a worker, which does not read what runs leave for one another.
    of_runs: bool,
    tick: u64,
    seq: u64,
    token: Option<String>,
    /// The change sets: id, intent, token.
    sets: Vec<(ChangeSetId, u64, String)>,
}

impl Base {
    pub(super) fn new(
        now: Timestamp,
        lane: &LaneState,
        experiences: &Experiences,
        exact: bool,
    ) -> Self {
        let sets = experiences.change_sets().iter().map(|set| {
            let name: Option<ChangeSetName> = set.name.parse().ok();
            let seq = name.map_or(u64::MAX, |name| name.seq);
            (set.id.clone(), seq, set.token.clone())
        });
        Self {
            now,
            rev: lane.rev,
            exact,
            of_runs: true,
            tick: lane.tick,
            seq: lane.seq,
            token: lane.intent.as_ref().map(|intent| intent.token.clone()),
            sets: sets.collect(),
        }
    }

    pub(super) fn tick(&self, number: u64, out: &mut Digest) {
        out.word(number.wrapping_sub(self.tick));
    }

    /// The base for what a worker remembers.
    pub(super) fn of_worker(&self) -> Self {
        Self {
            of_runs: false,
            ..self.clone()
        }
    }

    /// True for a Tick that is not the live one, and will never be.
    pub(super) fn is_stale(&self, tick: u64) -> bool {
        tick < self.tick
    }

    pub(super) fn rev(&self, rev: u64, out: &mut Digest) {
        out.word(rev.wrapping_sub(self.rev));
    }

    pub(super) fn seq(&self, seq: u64, out: &mut Digest) {
        out.word(seq.wrapping_sub(self.seq));
    }

    /// True if no task can reach this intent any more.
    pub(super) fn is_past(&self, seq: u64) -> bool {
        seq < self.seq
    }

    pub(super) fn time(&self, at: Timestamp, out: &mut Digest) {
        out.word(at.duration_since(self.now).as_secs().cast_unsigned());
    }

    fn change_set(&self, id: &ChangeSetId, out: &mut Digest) {
        let set = self.sets.iter().find(|(of, ..)| of == id);
        self.seq(set.map_or(0, |(_, seq, _)| *seq), out);
    }

    pub(super) fn token(&self, token: &str, out: &mut Digest) {
        out.add(&(self.token.as_deref() == Some(token)));
        let set = self.sets.iter().find(|(.., of)| of == token);
        self.seq(set.map_or(0, |(_, seq, _)| *seq), out);
    }

    /// Adds the state of the lane. Times of what is over are left out.
    pub(super) fn lane(&self, state: &LaneState, out: &mut Digest) {
        let upcoming = |at: &Option<Timestamp>| at.filter(|at| *at > self.now);
        let state = LaneState {
            tick_at: upcoming(&state.tick_at),
            not_before: upcoming(&state.not_before),
            ..state.clone()
        };
        state.fingerprint(self, out);
    }

    /// Adds a claimed change. The age of one that has waited long enough is left out.
    pub(super) fn item(&self, change: &OpenChange, out: &mut Digest) {
        let oldest = pmp_sync_domain::time::later(self.now, -MOST_WAIT);
        let change = OpenChange {
            claimed_at: change.claimed_at.max(oldest),
            ..change.clone()
        };
        change.fingerprint(self, out);
    }
}

/// A value with a fingerprint.
pub(super) trait Fingerprint {
    /// Adds it to a digest.
    fn fingerprint(&self, base: &Base, out: &mut Digest);

    /// The intent of the lane, if the value contains it.
    fn seq(&self) -> Option<u64> {
        None
    }

    /// A short text for traces.
    fn brief(&self) -> String;
}

impl Fingerprint for () {
    fn fingerprint(&self, _: &Base, _: &mut Digest) {}
    fn brief(&self) -> String {
        "done".to_owned()
    }
}

impl Fingerprint for bool {
    fn fingerprint(&self, _: &Base, out: &mut Digest) {
        out.add(self);
    }
    fn brief(&self) -> String {
        self.to_string()
    }
}

fn counts(counts: Counts, out: &mut Digest) {
    out.add(&(counts.allow, counts.deny));
}

impl Fingerprint for Intent {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        base.token(&self.token, out);
        base.time(self.at, out);
        out.add(&self.creates_policy);
        out.word(self.changes.len() as u64);
        for change in &self.changes {
            out.add(&(&change.product, change.action, change.run, change.ordinal));
        }
    }
    fn brief(&self) -> String {
        let changes = self
            .changes
            .iter()
            .map(|change| format!("{} {}", change.action, change.product));
        changes.collect::<Vec<_>>().join(", ")
    }
}

fn optional<T>(value: Option<T>, out: &mut Digest, add: impl FnOnce(T, &mut Digest)) {
    out.add(&value.is_some());
    if let Some(value) = value {
        add(value, out);
    }
}

impl Fingerprint for LaneState {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        if base.exact {
            base.rev(self.rev, out);
        }
        out.word(self.phase as u64);
        base.seq(self.seq, out);
        base.tick(self.tick, out);
        optional(self.intent.as_ref(), out, |intent, out| {
            intent.fingerprint(base, out);
        });
        // The content of what is found by name is compared with the intent's, and its start with this.
        out.add(
            &self
                .intent
                .as_ref()
                .is_some_and(|intent| intent.name.is_none()),
        );
        optional(self.change_set.as_ref(), out, |id, out| {
            base.change_set(id, out);
        });
        optional(self.planned.as_ref(), out, |planned, out| {
            out.add(&(planned.run, &planned.proved));
            out.add(&(planned.sent && base.of_runs));
            counts(planned.totals, out);
            counts(planned.taken, out);
            out.add(&planned.counted);
        });
        if base.of_runs {
            out.add(&self.joined);
        }
        optional(self.tick_at, out, |at, out| base.time(at, out));
        optional(self.not_before, out, |at, out| base.time(at, out));
        out.add(&(self.back_off, self.cancelled, self.announced));
        // It is read only for the time of the first Tick.
        base.time(first_tick(self, base.now), out);
        // In a small world nothing is rejected individually or suspended, so these fields do not
        // change. If they do, all of their content counts.
        if !self.bisect.is_idle() || self.block.is_some() || self.suspension.is_some() {
            out.add(&format!(
                "{:?}{:?}{:?}{:?}{}",
                self.bisect, self.block, self.suspension, self.retry_at, self.retries
            ));
        }
        // Without member's rules the number of denies is never read.
        if let Some(member) = &self.member {
            out.add(&format!("{member:?}{:?}", self.denied));
        }
    }

    fn seq(&self) -> Option<u64> {
        Some(self.seq)
    }

    fn brief(&self) -> String {
        let run = self
            .planned
            .as_ref()
            .map(|planned| planned.run.to_string())
            .unwrap_or_default();
        let run = run.trim_start_matches('0').trim_end_matches('0').to_owned();
        let intent = self
            .intent
            .as_ref()
            .map(Fingerprint::brief)
            .unwrap_or_default();
        format!(
            "{} seq {} tick {} run {run} [{intent}]",
            self.phase, self.seq, self.tick
        )
    }
}

impl Fingerprint for OpenChange {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        out.add(&(&self.product, self.action, self.run, self.ordinal));
        base.time(self.claimed_at, out);
    }
    fn brief(&self) -> String {
        format!("{} {}", self.action, self.product)
    }
}

impl<T: Fingerprint> Fingerprint for Vec<T> {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        out.word(self.len() as u64);
        for value in self {
            value.fingerprint(base, out);
        }
    }
    fn brief(&self) -> String {
        let values: Vec<_> = self.iter().map(Fingerprint::brief).collect();
        format!("[{}]", values.join(", "))
    }
}

impl Fingerprint for Experience {
    fn fingerprint(&self, _: &Base, _: &mut Digest) {
        // Nobody edits it in a small world.
    }
    fn brief(&self) -> String {
        self.id.to_string()
    }
}

impl Fingerprint for PolicySnapshot {
    fn fingerprint(&self, _: &Base, out: &mut Digest) {
        out.add(self.allowed());
        out.add(self.denied());
    }
    fn brief(&self) -> String {
        let listed = |ids: &std::collections::BTreeSet<_>| {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            ids.join(" ")
        };
        format!(
            "allowed [{}] denied [{}]",
            listed(self.allowed()),
            listed(self.denied())
        )
    }
}

impl Fingerprint for ChangeSetId {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        base.change_set(self, out);
    }
    fn brief(&self) -> String {
        self.to_string()
    }
}

impl Fingerprint for Quarantining {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        match self {
            Self::Now => out.word(1),
            Self::Before(at) => base.time(*at, out),
            Self::Gone => out.word(2),
        }
    }
    fn brief(&self) -> String {
        format!("{self:?}")
    }
}

impl Fingerprint for NamedSet {
    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        // Content and start never change, so the id stands for them.
        self.id.fingerprint(base, out);
    }
    fn brief(&self) -> String {
        self.id.to_string()
    }
}

impl Fingerprint for ChangeSetStatus {
    fn fingerprint(&self, _: &Base, out: &mut Digest) {
        match self {
            Self::Underway => out.word(1),
            Self::Succeeded(seconds) => out.add(&(2, seconds)),
            other => out.add(&format!("{other:?}")),
        }
    }
    fn brief(&self) -> String {
        format!("{self:?}")
    }
}
