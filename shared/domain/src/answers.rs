//! The producer's answers to an operator's read-only questions.

pub mod dead_letters;
pub mod doctor;
pub mod left_out;
pub mod plan;
pub mod report;
pub mod why;
