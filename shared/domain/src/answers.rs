//! What the producer answers an operator's read-only questions with.

pub mod dead_letters;
pub mod doctor;
pub mod plan;
pub mod report;
pub mod why;
