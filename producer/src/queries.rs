//! Read-only answers for the operator, from the same observation and decision as a run. Their ports
//! can neither write nor send.

mod cached;
mod dead_letters;
mod doctor;
mod if_acting;
mod overlaid;
mod plan;
mod report;
mod survey;
mod why;

pub use self::dead_letters::dead_letters;
pub use self::doctor::doctor;
pub use self::plan::{plan, plan_page};
pub use self::report::report;
pub(crate) use self::report::report_until;
pub use self::why::why;
