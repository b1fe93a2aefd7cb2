//! AWS on one machine: ministack under supervision, an emulator of Private Marketplace beside it,
//! and the templates of infra/ deployed there with the real Lambda binaries.
//!
//! It depends on no code of the Lambda functions. Everything listens on loopback, and ends with the
//! process that started it.

pub mod embedded;
pub mod marketplace;
mod process;
pub mod products;
pub mod proxy;
pub mod scenario;
