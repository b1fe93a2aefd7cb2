//! AWS on one machine.
pub mod embedded;
pub mod marketplace;
