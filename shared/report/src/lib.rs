//! The report of pmp-sync: the state of every member, as one self-contained HTML page.
//!
//! [`Model`] is the data, and [`render`] creates the page. There is no I/O and no clock. The page
//! makes no network request, and its Content-Security-Policy forbids any.

mod code;
mod csv;
mod edits;
mod headline;
mod html;
mod members;
mod model;
mod page;
mod plot;
mod requests;
mod week;

pub use self::csv::to_csv;
pub use self::model::{
    Attention, AttentionKind, Changed, Concerned, Counts, Headline, Kind, Link, Model, Reason,
    Requested, SCHEMA, State, Week,
};
pub use self::page::render;
