//! How a world runs: the next thing happens, until everything rests.

use super::event::ScheduledEvent;
use super::invariants::{Violation, broken};
use super::scene::{HOUR, since_begin};
use super::state::{Simulator, Turn};
use super::task::Held;

/// After this many steps a world counts as never coming to rest.
const MOST_STEPS: u64 = 200_000;
/// Everything must be in its place within this many hours after the repair.
const MOST_HOURS: i64 = 12;
/// The waiting Ticks are counted every so many steps.
const TICKS_EVERY: u64 = 64;

impl Simulator {
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        let mut outcome = Ok(());
        let end = self.profile.until + MOST_HOURS * HOUR;
        for step in 0..MOST_STEPS {
            let Some((when, turn)) = self.next_turn() else {
                return broken("quiesces", || "nothing is left to happen".to_owned());
            };
            if self.is_quiet(turn) {
                // Only the schedule is left: everything should be in its place.
                outcome = self.check_quiescence();
                if outcome.is_ok() {
                    self.check_one_more_run()?;
                    return self.check_unreadable_item();
                }
            }
            if when > end {
                break;
            }
            self.take(when, turn)?;
            if step % TICKS_EVERY == 0 {
                self.invariants.check_ticks(&self.world)?;
            }
        }
        outcome?;
        broken("quiesces", || {
            let waiting: Vec<_> = self.schedule.values().collect();
            format!(
                "{} invocations, {waiting:?} and {} change sets after all that time",
                self.tasks.len(),
                self.under_way.len()
            )
        })
    }

    /// Lets the next thing happen.
    pub(crate) fn take(&mut self, when: i64, turn: Turn) -> Result<(), Violation> {
        self.advance(when.max(self.now));
        match turn {
            Turn::Task(place) => self.go_on(place)?,
            Turn::Deliver(member) => {
                let pause = self.rng.of("poll").between(1, 20);
                if let Some(poll) = self.polls.get_mut(member) {
                    *poll = self.now + pause;
                }
                self.deliver(member)?;
            }
            Turn::Requests => self.serve_requests(),
            Turn::Retries => self.hand_over_retries(),
            Turn::SetEnds => {}
            Turn::Scheduled => self.happen()?,
        }
        self.found.take().map_or(Ok(()), Err)
    }

    /// The next thing to happen, and when.
    pub(crate) fn next_turn(&self) -> Option<(i64, Turn)> {
        let mut next: Option<(i64, Turn)> = None;
        let mut offer = |when: i64, turn: Turn| {
            if next.is_none_or(|(earliest, _)| when < earliest) {
                next = Some((when, turn));
            }
        };
        let mut producing = false;
        for (place, task) in self.tasks.iter().enumerate() {
            producing |= matches!(task.held, Held::Requests(_));
            offer(task.ready.min(task.deadline), Turn::Task(place));
        }
        for member in 0..self.scene.members.len() {
            if let Some(when) = self.next_delivery(member) {
                offer(when, Turn::Deliver(member));
            }
        }
        if !producing && let Some(visible) = self.world.inbox(|inbox| inbox.next_visible()) {
            offer(since_begin(visible).max(self.now), Turn::Requests);
        }
        if let Some(due) = self.world.retries(|queue| queue.next_due()) {
            offer(since_begin(due).max(self.now), Turn::Retries);
        }
        if let Some(when) = self.next_end() {
            offer(when, Turn::SetEnds);
        }
        if let Some(((when, _), _)) = self.schedule.first_key_value() {
            offer(*when, Turn::Scheduled);
        }
        next
    }

    fn next_end(&self) -> Option<i64> {
        if self.under_way.is_empty() {
            return None;
        }
        self.world.experiences(|experiences| {
            let sets = experiences.change_sets();
            let ends = self.under_way.iter().filter_map(|place| sets.get(*place));
            ends.map(|set| since_begin(set.ends)).min()
        })
    }

    /// True when nothing is under way and only the schedule is to come.
    pub(crate) fn is_quiet(&self, turn: Turn) -> bool {
        matches!(turn, Turn::Scheduled)
            && self.repaired
            && self.since_repair > 0
            && self.tasks.is_empty()
            && self.world.inbox(|inbox| inbox.is_empty())
            && self.world.retries(|queue| queue.is_empty())
            && self.under_way.is_empty()
            && self
                .schedule
                .values()
                .all(|h| matches!(h, ScheduledEvent::HourlyRun | ScheduledEvent::Approvals))
            && self
                .scene
                .members
                .iter()
                .all(|m| self.world.changes(&m.account, |queue| queue.is_empty()))
    }
}
