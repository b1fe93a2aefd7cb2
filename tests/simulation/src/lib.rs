//! The real producer and the real workers over the fakes: the seeded simulator, and the explorer of small worlds.

pub mod explore;
mod ports;
pub mod sim;

pub use self::ports::{Producer, WorkerPorts, producer};
