//! AWS on one machine: ministack under supervision, an emulator of Private Marketplace beside it,
//! and the templates of infra/ deployed there with the very Lambda binaries.
//!
//! Depends on none of the Lambdas' code. Everything listens on loopback and ends with the process
//! that started it.

pub mod embedded;
pub mod marketplace;
mod process;
pub mod products;
pub mod proxy;
pub mod scenario;
