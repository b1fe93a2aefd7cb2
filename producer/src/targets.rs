//! The member experiences of a link, once its member account was asked.

use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::ExperienceId;

/// The member experiences of a link.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// Those that it covers.
    pub(crate) experiences: Vec<ExperienceId>,
    /// Those that `*` leaves out because of other links, each with the error that says why.
    pub(crate) left_out: Vec<(ExperienceId, LinkError)>,
}

impl Targets {
    /// True if the link covers nothing, and leaves out nothing either.
    pub(crate) fn is_nothing(&self) -> bool {
        self.experiences.is_empty() && self.left_out.is_empty()
    }
}
