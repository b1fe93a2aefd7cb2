//! Stateful fakes of pmp-sync's ports: a virtual clock, organizations with experiences, the ledger, queues and
//! a bus. What is written is read back, conditions hold, change sets take time and lock their experience.
//!
//! Nothing here is asynchronous underneath, so any executor drives it, and a test is deterministic.

mod catalog;
mod fail;
mod ledger;
mod queue;
mod world;

pub use self::catalog::{ChangeSetRecord, Experiences, OrgCatalog, Told};
pub use self::fail::{Call, Failing, Fate};
pub use self::ledger::{ItemState, Kept, MemoryLedger, Written};
pub use self::queue::{Delivery, Queue};
pub use self::world::{MemberAccess, MemberSide, World};
