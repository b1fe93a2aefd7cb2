//! An emulator of Private Marketplace over HTTP on loopback: the part of the AWS Marketplace
//! Catalog API that concerns experiences, `GetProduct`, `GetListing` and `SearchListings` of the Discovery API,
//! and the part of AWS Organizations that says which organization an account is in.
//!
//! It follows the contract of the service: entities belong to the organization's management account
//! and are shared with delegated administrators; an experience has one change set at a time; limits
//! are checked at once (422), other errors appear later; revisions are optimistic; tokens make
//! requests idempotent; events go to the default bus of the accounts concerned.

mod administrators;
mod calls;
mod changes;
mod control;
mod discovery;
mod entities;
mod error;
mod events;
mod faults;
mod http;
mod identity;
mod operations;
mod organizations;
mod pattern;
mod quotas;
mod requests;
mod search;
mod server;
mod shared;
mod store;

pub use self::calls::Call;
pub use self::changes::ChangeSetLog;
pub use self::entities::{Lists, NewExperience};
pub use self::faults::{BadProduct, CallFaults, Fault, Faults, Refused, When};
pub use self::quotas::Quotas;
pub use self::requests::NewProductRequest;
pub use self::server::Emulator;
pub use self::shared::Settings;
