//! Invocations: batches for the real producer and workers, whose futures advance one call at a
//! time, are dropped in the middle, or exceed their time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::policy::ProductChange;
use pmp_sync_domain::wire::WorkerMessage;
use pmp_sync_producer::dispatch;
use pmp_sync_worker::handle;

use super::fault_plan;
use super::invariants::{Violation, broken};
use super::scene::{at, since_begin};
use super::state::Simulator;
use super::task::{Handling, Held, Task, Trouble, WORKER_TIMEOUT};
use pmp_sync_fakes::Delivery;

/// How long a message is hidden from others while an invocation has it, in milliseconds.
const WORKER_VISIBILITY: i64 = 180_000;
/// The same for the producer, in seconds.
const PRODUCER_VISIBILITY: i64 = 720;
/// The same for a batch of retries, in milliseconds.
const RETRIES_VISIBILITY: i64 = 120_000;
/// The operation that announces.
const PUT_EVENTS: &str = "PutEvents";
/// Invocations of one worker at a time.
const WORKERS_AT_ONCE: usize = 2;

impl Simulator {
    /// Gives the producer up to ten requests.
    pub(crate) fn serve_requests(&mut self) {
        let records = self.world.receive_requests(PRODUCER_VISIBILITY);
        if records.is_empty() {
            return;
        }
        let kept = records.clone();
        let deadline = self.now + self.profile.patience * 1_000;
        let producer = Arc::clone(&self.producer);
        let ends = at(deadline);
        let handling = async move {
            let dispositions = dispatch(&producer, &records, ends).await;
            let again = |disposition| disposition == Disposition::Retry;
            dispositions.into_iter().map(again).collect()
        };
        self.stats.add("producer invocations");
        self.invariants.delivered(None);
        self.begin(
            Box::pin(handling),
            Held::Requests(kept),
            PRODUCER_VISIBILITY * 1_000,
            deadline,
        );
    }

    /// Gives the producer up to ten retries that are due. It hands them to its inbox, perhaps while
    /// another invocation serves that.
    pub(crate) fn hand_over_retries(&mut self) {
        let now = at(self.now);
        let mut kept = self.world.retries(|queue| queue.take(now, 10));
        if !self.repaired && self.rng.of("retry-twice").percent(self.profile.duplicate) {
            self.stats.add("retries delivered twice");
            let again = self.now + self.rng.of("retry-again-after").between(0, 300_000);
            let copies = kept.clone();
            self.world.retries(|queue| {
                for copy in copies {
                    queue.put_back(copy, at(again));
                }
            });
        }
        if self.rng.of("retry-order").percent(self.profile.reorder) {
            self.rng.of("order-of-retries").shuffle(&mut kept);
        }
        self.stats.add("batches of retries");
        let records: Vec<_> = kept.iter().map(record_of_retry).collect();
        let deadline = self.now + self.profile.patience * 1_000;
        let producer = Arc::clone(&self.producer);
        let ends = at(deadline);
        let handling = async move {
            let dispositions = dispatch(&producer, &records, ends).await;
            let again = |disposition| disposition == Disposition::Retry;
            dispositions.into_iter().map(again).collect()
        };
        self.begin(
            Box::pin(handling),
            Held::Retries(kept),
            RETRIES_VISIBILITY,
            deadline,
        );
    }

    /// Gives a worker up to ten messages that are due.
    pub(crate) fn deliver(&mut self, member: usize) -> Result<(), Violation> {
        let Some(account) = self.scene.members.get(member).map(|m| m.account.clone()) else {
            return Ok(());
        };
        let reorder = self.rng.of("reorder").percent(self.profile.reorder);
        let most = if self.rng.of("small-batch").once_in(3) {
            self.rng.of("batch-size").count(1, 10)
        } else {
            10
        };
        let now = at(self.now);
        let reach = if reorder { 40 } else { most };
        let mut batch = self.world.changes(&account, |queue| queue.take(now, reach));
        if reorder {
            self.rng.of("order").shuffle(&mut batch);
        }
        let mut back: Vec<_> = batch
            .drain(most.min(batch.len())..)
            .map(|delivery| (delivery, self.now))
            .collect();
        let mut kept = Vec::new();
        for delivery in batch {
            if self.rng.of("delay").percent(self.profile.delay) && !self.repaired {
                self.stats.add("messages delayed");
                self.invariants.disturb(Some(member), self.now);
                back.push((
                    delivery,
                    self.now + self.rng.of("delay-length").between(1_000, 900_000),
                ));
                continue;
            }
            if self.rng.of("duplicate").percent(self.profile.duplicate) && !self.repaired {
                self.stats.add("messages doubled");
                // The copy may come long before the batch with the other one does, if that is delayed.
                self.invariants.disturb(Some(member), self.now);
                let again = self.now + self.rng.of("duplicate-after").between(0, 300_000);
                back.push((delivery.clone(), again));
            }
            kept.push(delivery);
        }
        self.world.changes(&account, |queue| {
            for (delivery, due) in back {
                queue.put_back(delivery, at(due));
            }
        });
        for delivery in &kept {
            self.was_asked_for(&delivery.body)?;
        }
        if kept.is_empty() {
            return Ok(());
        }
        self.stats.add("worker invocations");
        self.stats
            .more("messages delivered", u64::try_from(kept.len()).unwrap_or(0));
        self.invariants.delivered(Some(member));
        let records: Vec<_> = kept
            .iter()
            .map(|delivery| Record {
                id: delivery.id.to_string(),
                body: delivery.body.clone(),
                ..Record::default()
            })
            .collect();
        let deadline = self.now + i64::from(WORKER_TIMEOUT) * 1_000;
        let Some(worker) = self.workers.get(member).map(Arc::clone) else {
            return Ok(());
        };
        let ends = at(deadline);
        let handling = async move {
            let dispositions = handle(&worker, &records, ends).await;
            let again = |disposition| disposition == Disposition::Retry;
            dispositions.into_iter().map(again).collect()
        };
        self.begin(
            Box::pin(handling),
            Held::Deliveries(member, kept),
            WORKER_VISIBILITY,
            deadline,
        );
        Ok(())
    }

    /// Checks that what is sent is in a plan that was committed before, and not in a held one.
    fn was_asked_for(&self, body: &str) -> Result<(), Violation> {
        let Ok(WorkerMessage::Change(change)) = WorkerMessage::parse(body) else {
            return Ok(());
        };
        let wanted = ProductChange {
            product: change.product.clone(),
            action: change.action,
        };
        if self
            .invariants
            .is_planned(&change.lane(), change.run, &wanted)
        {
            return Ok(());
        }
        broken("held-is-not-sent", || {
            format!("a message asks for what was not committed: {body}")
        })
    }

    fn begin(&mut self, handling: Handling, held: Held, visibility: i64, deadline: i64) {
        self.begun += 1;
        let rules = match &held {
            Held::Requests(_) | Held::Retries(_) => None,
            Held::Deliveries(member, _) => self.rules.get(*member).cloned(),
        };
        let task = Task {
            number: self.begun,
            handling,
            rules: rules.unwrap_or_default(),
            held,
            visible: self.now + visibility,
            deadline,
            ready: self.now + self.rng.of("first-call-time").between(1, self.profile.pace),
            trouble: Trouble::default(),
            renewed: BTreeSet::new(),
        };
        self.trace.line(self.now, || {
            let what = match &task.held {
                Held::Requests(kept) => {
                    let bodies: Vec<_> = kept.iter().map(|kept| kept.body.as_str()).collect();
                    format!("the producer takes {bodies:#?}")
                }
                Held::Retries(kept) => {
                    let bodies: Vec<_> = kept.iter().map(|kept| kept.body.as_str()).collect();
                    format!("the producer hands over {bodies:#?}")
                }
                Held::Deliveries(member, kept) => {
                    let bodies: Vec<_> = kept.iter().map(|kept| kept.body.as_str()).collect();
                    format!("a worker of member {member} takes {bodies:#?}")
                }
            };
            format!("#{} {what}", task.number)
        });
        self.tasks.push(task);
    }

    /// An invocation makes its next call, crashes before it, or has exceeded its time.
    pub(crate) fn go_on(&mut self, place: usize) -> Result<(), Violation> {
        let member = self.tasks.get(place).and_then(Task::member);
        let sent_before = self.sent_to(member);
        let Some(task) = self.tasks.get_mut(place) else {
            return Ok(());
        };
        let number = task.number;
        if self.now >= task.deadline {
            self.stats.add("invocations out of time");
            self.drop_task(place, "runs out of time");
            return Ok(());
        }
        if !self.repaired && self.rng.of("crash").of_million(self.profile.crash) {
            self.stats.add("crashes");
            self.drop_task(place, "crashes");
            return Ok(());
        }
        let mut context = Context::from_waker(Waker::noop());
        // What others have called in the meantime.
        fault_plan::with(&self.fault_plan, |fault_plan| fault_plan.refused.clear());
        let answer = task.handling.as_mut().poll(&mut context);
        let (last, refused) = fault_plan::with(&self.fault_plan, |fault_plan| {
            (fault_plan.last, std::mem::take(&mut fault_plan.refused))
        });
        task.trouble.events |= refused.contains(&PUT_EVENTS);
        task.trouble.others |= refused.iter().any(|operation| *operation != PUT_EVENTS);
        // An answer that was lost is no answer.
        if refused.is_empty() && self.sent_to(member) > sent_before {
            self.see_renewed(place, sent_before);
        }
        // One call of the fake stands for a tenth of a batch, or for one of many at the same time.
        let quick = matches!(last, "SendMessageBatch" | "Close" | "Claim" | "Quarantine");
        let mut took = self
            .rng
            .of("call-time")
            .between(1, if quick { 2 } else { self.profile.pace });
        let mut slow = false;
        if !self.repaired && self.rng.of("slow").of_million(self.profile.slow) {
            self.stats.add("slow calls");
            slow = true;
            let most = if self.rng.of("very-slow").once_in(4) {
                60_000
            } else {
                15_000
            };
            took = self.rng.of("slow-time").between(1_000, most);
        }
        if let Some(task) = self.tasks.get_mut(place) {
            task.ready = self.now + took;
            task.trouble.others |= slow;
        }
        if member.is_none() && (slow || !refused.is_empty()) {
            self.producer_troubles.push(self.now);
        }
        self.observe(member, number)?;
        if slow {
            // What the call has done, a commit for one, is disturbed by how long its answer takes.
            self.invariants.disturb(member, self.now);
        }
        if let Poll::Ready(again) = answer {
            self.holds_nothing_back(place, &again)?;
            if let Some(task) = self.tasks.get(place) {
                task.takes_no_tick_back(&again)?;
            }
            self.finish(place, &again);
        }
        Ok(())
    }

    /// Checks that no message comes again because an event was not accepted.
    fn holds_nothing_back(&self, place: usize, again: &[bool]) -> Result<(), Violation> {
        let Some(task) = self.tasks.get(place) else {
            return Ok(());
        };
        if !task.trouble.events || task.trouble.others || !again.contains(&true) {
            return Ok(());
        }
        broken("announced-apart", || {
            format!(
                "#{}: messages come again although only events were not accepted",
                task.number
            )
        })
    }

    fn drop_task(&mut self, place: usize, how: &str) {
        let task = self.tasks.swap_remove(place);
        let number = task.number;
        self.trace.line(self.now, || format!("#{number} {how}"));
        self.invariants.disturb(task.member(), self.now);
        self.invariants.delivered(task.member());
        if task.member().is_none() {
            self.producer_troubles.push(self.now);
            self.producer_crashes.push(self.now);
        }
        let visible = task.visible;
        match task.held {
            // They are visible again when their visibility timeout is over.
            Held::Requests(_) => {}
            Held::Retries(kept) => self.put_retries_back(kept, visible),
            Held::Deliveries(member, kept) => self.put_back(member, kept, visible),
        }
    }

    fn finish(&mut self, place: usize, again: &[bool]) {
        let task = self.tasks.swap_remove(place);
        let number = task.number;
        self.trace.line(self.now, || {
            let count = again.iter().filter(|again| **again).count();
            format!("#{number} ends, {count} messages are to come again")
        });
        self.invariants.delivered(task.member());
        let only_ticks = task.has_only_ticks();
        let visible = task.visible;
        let is_again = |place: usize| again.get(place).copied().unwrap_or(true);
        let disposition_of = |place| {
            if is_again(place) {
                Disposition::Retry
            } else {
                Disposition::Acknowledge
            }
        };
        match task.held {
            Held::Requests(kept) => {
                let dispositions: Vec<_> = (0..kept.len()).map(disposition_of).collect();
                if !self.world.settle_requests(&kept, &dispositions) {
                    self.stats.add("batches of the producer that come again");
                    self.invariants.disturb(None, self.now);
                }
            }
            Held::Retries(kept) => {
                let back = kept.into_iter().enumerate();
                let back = back.filter(|(place, _)| is_again(*place));
                self.put_retries_back(back.map(|(_, kept)| kept).collect(), visible);
            }
            Held::Deliveries(member, kept) => {
                let back: Vec<_> = kept
                    .into_iter()
                    .enumerate()
                    .filter(|(place, _)| is_again(*place))
                    .map(|(_, delivery)| delivery)
                    .collect();
                if !back.is_empty() {
                    self.stats.add("batches of a worker that come again");
                    if only_ticks {
                        self.invariants.hamper(Some(member));
                    } else {
                        self.invariants.disturb(Some(member), self.now);
                    }
                    self.put_back(member, back, visible);
                }
            }
        }
    }

    fn put_retries_back(&mut self, retries: Vec<Delivery>, visible: i64) {
        if retries.is_empty() {
            return;
        }
        self.stats.add("batches of retries that come again");
        self.invariants.disturb(None, self.now);
        self.world.retries(|queue| {
            for retry in retries {
                queue.put_back(retry, at(visible));
            }
        });
    }

    fn put_back(&mut self, member: usize, messages: Vec<Delivery>, visible: i64) {
        let Some(account) = self.scene.members.get(member).map(|m| &m.account) else {
            return;
        };
        self.world.changes(account, |queue| {
            for message in messages {
                queue.put_back(message, at(visible));
            }
        });
    }

    /// When a worker of this member is given its next batch.
    pub(crate) fn next_delivery(&self, member: usize) -> Option<i64> {
        let busy = self.tasks.iter().filter(|t| t.member() == Some(member));
        if busy.count() >= WORKERS_AT_ONCE {
            return None;
        }
        let account = &self.scene.members.get(member)?.account;
        let due = self.world.changes(account, |queue| queue.next_due())?;
        let polled = self.polls.get(member).copied().unwrap_or_default();
        Some(since_begin(due).max(polled))
    }
}

fn record_of_retry(delivery: &Delivery) -> Record {
    Record {
        id: format!("retry-{}", delivery.id),
        body: delivery.body.clone(),
        ..Record::default()
    }
}
