//! What a lane is reconciled to.

use std::collections::BTreeSet;

use crate::guard::HoldReason;
use crate::ids::{ExperienceId, ProductId};
use crate::lane::Suspension;
use crate::link::{Link, LinkPolicy};
use crate::policy::PolicySnapshot;

/// What a member experience is to equal.
#[derive(Debug, Clone)]
pub struct DesiredState {
    /// The lists.
    pub policy: PolicySnapshot,
    /// Conditions of the experience that they come from: nothing is changed under them without approval.
    pub conditions: Vec<HoldReason>,
}

/// What one lane is reconciled to, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The link.
    pub link: &'a Link,
    /// What the link may do in this run.
    pub policy: &'a LinkPolicy,
    /// The member experience.
    pub experience: &'a ExperienceId,
    /// What it is to equal.
    pub desired: &'a DesiredState,
    /// Products that are to be tried again although they are quarantined.
    pub lifted: &'a BTreeSet<ProductId>,
    /// True for a rollback, which no guard looks at: it is held or approved by itself. Nobody is asked
    /// whether its products are live either, which were allowed before.
    pub rollback: bool,
    /// The operator's suspension of the lane.
    pub suspension: Option<&'a Suspension>,
}
