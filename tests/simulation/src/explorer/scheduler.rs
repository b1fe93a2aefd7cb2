//! The scheduler: every call of a task through its ports waits here until the explorer lets it go. So a
//! task goes on one call at a time, and what it was answered is remembered: a fresh task that is
//! given the same answers in the same order comes to stand where the first one stood, because a task
//! is deterministic but for its answers, the time at which it got them, and its tokens.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, ProductId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::ports::Result;

use super::fingerprint::{Base, Digest, Fingerprint};
use pmp_sync_fakes::Fate;

/// A call that a task is about to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// Reads the lane's state.
    State,
    /// Reads the lane's claimed changes.
    Open,
    /// Writes the lane's state on condition of this `rev`.
    Store(u64),
    /// Claims a product.
    Claim(ProductId, RunId),
    /// Closes a product.
    Close(ProductId, RunId),
    /// Reads the experience.
    Experience,
    /// Reads its policy.
    Policy,
    /// Starts a change set with this token, named after the intent.
    Start(String, u64),
    /// Asks how a change set stands.
    Status(ChangeSetId),
    /// Looks for the change set of this intent.
    Find(u64),
    /// Sends a Tick.
    Tick(u64),
    /// Puts Lane Settled on the bus.
    Announce,
    /// Dead-letters a message, or quarantine a change.
    DeadLetter,
    /// Records a plan. Only the producer reads it.
    Keep,
    /// Sends a change.
    Send(ProductId),
}

impl Call {
    /// True if the call may have an effect that others see.
    pub(super) fn writes(&self) -> bool {
        !matches!(
            self,
            Self::State
                | Self::Open
                | Self::Experience
                | Self::Policy
                | Self::Status(_)
                | Self::Find(_)
        )
    }
}

impl Call {
    /// Adds the kind of the call to a digest, without its content.
    pub(super) fn kind(&self, out: &mut Digest) {
        let (number, product) = match self {
            Self::State => (1, None),
            Self::Open => (2, None),
            Self::Store(_) => (3, None),
            Self::Claim(product, _) => (4, Some(product)),
            Self::Close(product, _) => (5, Some(product)),
            Self::Experience => (6, None),
            Self::Policy => (7, None),
            Self::Start(..) => (8, None),
            Self::Status(_) => (9, None),
            Self::Find(_) => (10, None),
            Self::Tick(_) => (11, None),
            Self::Announce => (12, None),
            Self::DeadLetter => (13, None),
            Self::Keep => (14, None),
            Self::Send(product) => (15, Some(product)),
        };
        out.word(number);
        out.add(&product);
        if let Self::Claim(_, run) | Self::Close(_, run) = self {
            out.add(run);
        }
    }

    /// Adds it to a digest.
    pub(super) fn fingerprint(&self, base: &Base, out: &mut Digest) {
        self.kind(out);
        match self {
            // Whether it is in conflict does not matter; see `Stepper::go`.
            Self::Store(_) if !base.exact => {}
            Self::Store(rev) => base.rev(*rev, out),
            Self::Start(token, seq) => {
                base.token(token, out);
                base.seq(*seq, out);
            }
            Self::Status(id) => id.fingerprint(base, out),
            Self::Find(seq) => base.seq(*seq, out),
            Self::Tick(number) => base.tick(*number, out),
            _ => {}
        }
    }
}

/// The answer to a call, of any type.
pub(super) trait Said: Send + Sync {
    /// The answer itself, to check its type.
    fn any(&self) -> &dyn Any;
    /// Adds it to a digest.
    fn fingerprint(&self, base: &Base, out: &mut Digest);
    /// The intent of the lane, if the answer contains it.
    fn seq(&self) -> Option<u64>;
    /// The kind of error, if it is one.
    fn failure(&self) -> Option<Kind>;
    /// A short text for traces.
    fn brief(&self) -> String;
}

impl<T: Fingerprint + Send + Sync + 'static> Said for Result<T> {
    fn any(&self) -> &dyn Any {
        self
    }

    fn fingerprint(&self, base: &Base, out: &mut Digest) {
        match self {
            Ok(value) => {
                out.word(1);
                value.fingerprint(base, out);
            }
            // The code depends on the kind only.
            Err(error) => {
                out.word(2);
                out.add(&error.kind);
            }
        }
    }

    fn seq(&self) -> Option<u64> {
        self.as_ref().ok().and_then(Fingerprint::seq)
    }

    fn failure(&self) -> Option<Kind> {
        self.as_ref().err().map(|error| error.kind)
    }

    fn brief(&self) -> String {
        match self {
            Ok(value) => value.brief(),
            Err(error) => format!("{:?}", error.kind),
        }
    }
}

/// One answered call of a task.
#[derive(Clone)]
pub(super) struct Answered {
    /// The number of the call, in the order in which the task made them.
    pub(super) call: usize,
    /// The call.
    pub(super) what: Arc<Call>,
    /// When it was answered.
    pub(super) at: Timestamp,
    /// The intent of the lane at that time. Tokens derive from it.
    pub(super) seq: u64,
    /// The answer.
    pub(super) said: Arc<dyn Said>,
    /// The lane after a write.
    pub(super) left: Option<Arc<LaneState>>,
}

enum Grant {
    Again(Arc<dyn Said>),
    Now(Fate),
}

struct Inner {
    now: Timestamp,
    seq: u64,
    calls: usize,
    waiting: Vec<(usize, Arc<Call>, Waker)>,
    grant: Option<(usize, Grant)>,
    said: Option<Arc<dyn Said>>,
}

/// A handle on the scheduler of one task.
#[derive(Clone)]
pub(super) struct Scheduler(Arc<Mutex<Inner>>);

impl Scheduler {
    fn new(now: Timestamp, seq: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now,
            seq,
            calls: 0,
            waiting: Vec::new(),
            grant: None,
            said: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the task's last step.
    pub(super) fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// The intent of the lane at the task's last step.
    pub(super) fn seq(&self) -> u64 {
        self.lock().seq
    }

    /// Waits for its turn, then takes effect or gets the earlier answer.
    pub(super) async fn call<T, F>(&self, call: Call, effect: impl FnOnce() -> F) -> Result<T>
    where
        T: Fingerprint + Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>>,
    {
        let mut mine = None;
        let mut call = Some(call);
        let grant = std::future::poll_fn(|context| {
            let mut inner = self.lock();
            let Some(id) = mine else {
                let id = inner.calls;
                inner.calls += 1;
                mine = Some(id);
                if let Some(call) = call.take() {
                    inner
                        .waiting
                        .push((id, Arc::new(call), context.waker().clone()));
                }
                return Poll::Pending;
            };
            match inner.grant.take() {
                Some((granted, grant)) if granted == id => Poll::Ready(grant),
                other => {
                    inner.grant = other;
                    Poll::Pending
                }
            }
        })
        .await;
        let fate = match grant {
            Grant::Again(said) => {
                if let Some(answer) = said.any().downcast_ref::<Result<T>>() {
                    return answer.clone();
                }
                // The program has changed: the explorer finds a task in another place.
                return Err(failed("of another type"));
            }
            Grant::Now(fate) => fate,
        };
        let answer = match fate {
            Fate::Go => effect().await,
            Fate::Refuse(_) => Err(failed("made to fail")),
            Fate::Lose(_) => effect().await.and(Err(failed("the answer was lost"))),
        };
        self.lock().said = Some(Arc::new(answer.clone()));
        answer
    }
}

fn failed(words: &str) -> ServiceError {
    ServiceError::new("call", "the explorer", Kind::Retryable, words)
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A running task.
pub(super) struct Running<T> {
    scheduler: Scheduler,
    woken: Arc<Flag>,
    task: Pin<Box<dyn Future<Output = T>>>,
    ended: Option<T>,
}

impl<T> Running<T> {
    /// Starts a task at `now`, with the lane at intent `seq`, and gives it its earlier answers.
    pub(super) fn again(
        begun: (Timestamp, u64),
        history: &[Answered],
        task: impl FnOnce(Scheduler) -> Pin<Box<dyn Future<Output = T>>>,
    ) -> Self {
        let scheduler = Scheduler::new(begun.0, begun.1);
        let mut running = Self {
            task: task(scheduler.clone()),
            scheduler,
            woken: Arc::new(Flag(AtomicBool::new(true))),
            ended: None,
        };
        running.poll();
        for answered in history {
            running.set(answered.at, answered.seq);
            running.let_go(answered.call, Grant::Again(Arc::clone(&answered.said)));
        }
        running
    }

    fn set(&self, now: Timestamp, seq: u64) {
        let mut inner = self.scheduler.lock();
        inner.now = now;
        inner.seq = seq;
    }

    /// Executes a call at `now`, with the lane at intent `seq`. Returns the answer.
    pub(super) fn go(
        &mut self,
        call: usize,
        fate: Fate,
        now: Timestamp,
        seq: u64,
    ) -> Option<Arc<dyn Said>> {
        self.set(now, seq);
        self.let_go(call, Grant::Now(fate));
        self.scheduler.lock().said.take()
    }

    fn let_go(&mut self, call: usize, grant: Grant) {
        let mut inner = self.scheduler.lock();
        let place = inner.waiting.iter().position(|(id, ..)| *id == call);
        let Some(place) = place else { return };
        let (_, _, waker) = inner.waiting.remove(place);
        inner.grant = Some((call, grant));
        drop(inner);
        waker.wake();
        self.poll();
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        while self.ended.is_none() && self.woken.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(outcome) = self.task.as_mut().poll(&mut context) {
                self.ended = Some(outcome);
            }
        }
    }

    /// The calls that wait for their turn.
    pub(super) fn waiting(&self) -> Vec<(usize, Arc<Call>)> {
        let inner = self.scheduler.lock();
        let waiting = inner.waiting.iter();
        waiting
            .map(|(id, call, _)| (*id, Arc::clone(call)))
            .collect()
    }

    /// True if the task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// The result of the task, if it has ended.
    pub(super) fn ended(self) -> Option<T> {
        self.ended
    }
}
