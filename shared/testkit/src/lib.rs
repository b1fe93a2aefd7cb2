//! A whole world in memory: a virtual clock, organizations with experiences, the ledger, queues and
//! a bus, behind pmp-sync's ports. Stateful fakes, not recorded calls: what is written is read back,
//! conditions hold, change sets take time and lock their experience.
//!
//! Nothing here is asynchronous underneath, so any executor drives it, and a test is deterministic.

mod catalog;
pub mod explore;
mod fail;
mod ledger;
mod ports;
mod queue;
pub mod sim;
mod world;

pub use self::catalog::{ChangeSetRecord, Experiences, OrgCatalog, Told};
pub use self::fail::{Call, Failing, Fate};
pub use self::ledger::{ItemState, Kept, MemoryLedger, Written};
pub use self::ports::{ProducerPorts, WorkerPorts};
pub use self::queue::{Delivery, Queue};
pub use self::world::{MemberAccess, MemberSide, World};
