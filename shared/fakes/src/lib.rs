//! Stateful fakes of pmp-sync's ports: a virtual clock, organizations with experiences, the ledger,
//! queues, and a bus. Writes can be read back, conditions hold, change sets take time and lock
//! their experience.
//!
//! Nothing here needs a runtime, so any executor can drive it, and tests are deterministic.

mod catalog;
mod experiences;
mod fail;
mod fifo;
mod ledger;
pub mod limits;
mod member;
mod queue;
mod world;

pub use self::catalog::OrgCatalog;
pub use self::experiences::{ChangeSetRecord, Experiences, Observed};
pub use self::fail::{Call, Failing, Fate};
pub use self::fifo::FifoQueue;
pub use self::ledger::{ItemKey, ItemState, Kept, MemoryLedger, Written};
pub use self::member::{MemberAccess, MemberSide};
pub use self::queue::{Delivery, Queue};
pub use self::world::{SentRetry, World};
