//! What takes the steps of one world, and what they can be.

use std::cell::RefCell;
use std::sync::Arc;

use pmp_sync_domain::delivery::Disposition;
use pmp_sync_domain::error::LinkError;
use pmp_sync_fakes::{Experiences, MemoryLedger};

use super::ports::{Fakes, Outbox};
use super::scheduler::{Running, Said};
use super::state::State;
use super::world::Setting;

/// The timeout of a function, in seconds.
pub(super) const TIMEOUT: u16 = 30;

/// What happened beside the new state.
pub(super) struct Happened {
    pub(super) state: State,
    pub(super) outbox: Outbox,
    /// The step in words, if wanted.
    pub(super) words: Vec<String>,
}

/// A task that is left where it stands, with its last answer.
type Left = (Arc<dyn Said>, Running<Came>);

/// Takes steps in one world.
pub(super) struct Stepper<'a> {
    pub(super) setting: &'a Setting,
    pub(super) fakes: Fakes,
    /// What the fakes hold.
    pub(super) loaded: RefCell<Option<(Arc<MemoryLedger>, Arc<Experiences>)>>,
    /// The task that made the last step, with the answer by which it is told.
    pub(super) left: RefCell<Option<Left>>,
    pub(super) verbose: bool,
}

impl<'a> Stepper<'a> {
    pub(super) fn new(setting: &'a Setting) -> Self {
        Self {
            setting,
            fakes: Fakes::new(&setting.lane.account),
            loaded: RefCell::new(None),
            left: RefCell::new(None),
            verbose: false,
        }
    }
}

/// One thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// A task makes a call.
    Go(usize, usize),
    /// A task's call fails without effect.
    Refuse(usize, usize),
    /// A task's call takes effect, and its answer is lost.
    Lose(usize, usize),
    /// A task ends here. Its messages are delivered again.
    Crash(usize),
    /// These waiting messages go to a worker; one of them may stay and be delivered again.
    Deliver(Vec<usize>, Option<usize>),
    /// The producer begins a run.
    Begin,
    /// The change set under way ends, and its event arrives or does not.
    End(bool),
    /// The clock moves to the next due time.
    Move(bool),
}

/// The result of a task's step.
pub(super) enum Came {
    Dispositions(Vec<Disposition>),
    Served(Result<(), LinkError>),
}
