//! An emulator of Private Marketplace: the AWS Marketplace Catalog API as far as experiences go, and
//! `GetProduct` of the Discovery API, over HTTP on loopback; and as much of AWS Organizations as tells
//! which organization an account is in.
//!
//! It keeps the service's contract: entities that belong to the organization's management account and
//! are shared with delegated administrators, one change set at a time on each experience, limits that
//! are checked at once (422) and errors that show up later, optimistic revisions, idempotency tokens,
//! and events to the default bus of the accounts concerned.

mod administrators;
mod calls;
mod changes;
mod control;
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
mod server;
mod shared;
mod store;

pub use self::calls::Call;
pub use self::changes::ChangeSetLog;
pub use self::entities::{Lists, NewExperience};
pub use self::faults::{BadProduct, CallFaults, Fault, Faults, Refused, When};
pub use self::quotas::Quotas;
pub use self::server::Emulator;
pub use self::shared::Settings;
