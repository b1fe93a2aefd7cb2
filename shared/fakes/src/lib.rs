//! Stateful fakes of pmp-sync's ports: a virtual clock, organizations with experiences, the ledger,
//! queues, and a bus. Writes can be read back, conditions hold, change sets take time and lock
//! their experience.
//!
//! Nothing here needs a runtime, so any executor can drive it, and tests are deterministic.

mod catalog;
mod fail;
mod ledger;
mod queue;
mod world;

pub use self::catalog::{ChangeSetRecord, Experiences, Observed, OrgCatalog};
pub use self::fail::{Call, Failing, Fate};
pub use self::ledger::{ItemState, Kept, MemoryLedger, Written};
pub use self::queue::{Delivery, Queue};
pub use self::world::{MemberAccess, MemberSide, World};
