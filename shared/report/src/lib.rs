//! The report of pmp-sync: where every member stands, as one self-contained HTML page.
//!
//! [`Model`] says what is known, [`render`] makes the page of it. No I/O and no clock; the page asks no network
//! for anything, and its Content-Security-Policy forbids it to.

mod code;
mod html;
mod members;
mod model;
mod page;
mod plot;

pub use self::model::{
    Action, Attention, AttentionKind, Cell, Counts, Fault, Kind, Link, Management, Mode, Model,
    Reason, Run, SCHEMA, Standing, State, Suspension,
};
pub use self::page::render;
