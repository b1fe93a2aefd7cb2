//! The goal of a lane.

use std::collections::BTreeSet;

use crate::guard::HoldReason;
use crate::ids::{ExperienceId, ProductId};
use crate::lane::Suspension;
use crate::link::{Link, LinkPolicy};
use crate::policy::PolicySnapshot;

/// The lists that a member experience should have.
#[derive(Debug, Clone)]
pub struct DesiredState {
    /// The wanted lists.
    pub policy: PolicySnapshot,
    /// Conditions of the experience from which they come. With a condition nothing is changed
    /// without approval.
    pub conditions: Vec<HoldReason>,
}

/// What one lane is reconciled to, and within which limits.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The link of the configuration.
    pub link: &'a Link,
    /// What the link may do in this run.
    pub policy: &'a LinkPolicy,
    /// The member experience.
    pub experience: &'a ExperienceId,
    /// The lists that it should have.
    pub desired: &'a DesiredState,
    /// Quarantined products that should be tried again.
    pub lifted: &'a BTreeSet<ProductId>,
    /// True for a rollback, which no guard judges, because it is always held and approved on its
    /// own. AWS Marketplace is not asked for its products either, because they were allowed before.
    pub rollback: bool,
    /// The operator's suspension of the lane.
    pub suspension: Option<&'a Suspension>,
}
