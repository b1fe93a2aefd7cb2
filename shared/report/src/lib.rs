//! The report of pmp-sync: the state of every member, as one self-contained HTML page.
//!
//! [`Model`] is the data, and [`render`] creates the page. There is no I/O and no clock. The page
//! makes no network request, and its Content-Security-Policy forbids any.

mod code;
mod html;
mod members;
mod model;
mod page;
mod plot;
mod requests;

pub use self::model::{
    Attention, AttentionKind, Counts, Kind, Link, Model, Reason, Requested, SCHEMA, State,
};
pub use self::page::render;
