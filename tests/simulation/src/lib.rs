//! The real producer and the real workers over the fakes: the seeded simulator, and the explorer of small worlds.

pub mod explorer;
mod ports;
mod reference;
pub mod simulator;

pub use self::ports::{Producer, Worker, producer, worker};
