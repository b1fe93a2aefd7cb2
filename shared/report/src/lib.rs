//! The report of pmp-sync: the state of every member, as one self-contained HTML page. The operator's command makes it, and the
//! producer if it publishes it.
//!
//! [`Gathered`] is what they read, [`assemble`] makes the [`Model`] of it, and [`render`] creates the page. There is no I/O and no clock. The page
//! makes no network request, and its Content-Security-Policy forbids any.

mod assemble;
mod code;
mod commands;
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

pub use self::assemble::{Gathered, LaneFacts, Letters, assemble, lane_of};
pub use self::commands::{Commands, USUAL_NAME, shell};
pub use self::csv::to_csv;
pub use self::model::{
    Attention, AttentionKind, Changed, Concerned, Counts, Headline, Kind, Link, Model, Reason,
    Requested, SCHEMA, State, Week,
};
pub use self::page::render;
