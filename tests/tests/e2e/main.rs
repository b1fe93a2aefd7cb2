//! End to end: the deployed Lambdas, the real templates, real queues. One embedded AWS for the whole
//! binary, accounts of its own for each test.

mod isolation;
mod setup;
mod sync;
mod triggers;
mod trouble;
