//! The reasons for a hold, each with its code and remedy.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::GuardName;
use crate::ids::{ExperienceId, RunId};
use crate::lane::BATCH;
use crate::text::{count as counted, noun_of, one_or};
use crate::undo::Undo;

/// What a count of removals is made of. A product that is in two of the parts counts in the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemovalParts {
    /// Removals of the plan.
    pub planned: usize,
    /// Removals that are claimed and not applied yet.
    pub open: usize,
    /// Removals of earlier plans that nobody approved.
    pub earlier: usize,
    /// Since when removals count: 24 hours ago, or when the link was first in sync.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Number of products that the member allows now.
    pub allowed: usize,
}

/// Why a plan is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum HoldReason {
    /// The management policy allows nothing, so everything would be denied. One of several management
    /// experiences is empty if it lists nothing, and all together if they allow nothing.
    ManagementEmpty {
        /// The management experience, if the link follows several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        experience: Option<ExperienceId>,
    },
    /// The management experience has no procurement policy. It allows everything, and lists
    /// nothing.
    ManagementNoPolicy {
        /// The management experience, if the link follows several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        experience: Option<ExperienceId>,
    },
    /// The management experience is not enabled.
    ManagementDisabled {
        /// Its status in the words of the service.
        status: String,
        /// The management experience, if the link follows several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        experience: Option<ExperienceId>,
    },
    /// The management experience is archived.
    ManagementArchived {
        /// The management experience, if the link follows several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        experience: Option<ExperienceId>,
    },
    /// Too many removals for the length of the list.
    Removals {
        /// Removals that are planned, open, or were made in the last 24 hours.
        count: usize,
        /// Number of products that were allowed when the 24 hours began.
        of: usize,
        /// This many removals hold no plan.
        limit: usize,
        /// More removals hold a plan from this percentage on.
        percent: usize,
        /// What the count is made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parts: Option<RemovalParts>,
    },
    /// Too many removals, however long the list.
    MostRemovals {
        /// Removals that are planned, open, or were made in the last 24 hours.
        count: usize,
        /// The limit.
        limit: usize,
        /// What the count is made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parts: Option<RemovalParts>,
    },
    /// The management list is much shorter than when the link was last planned for.
    Shrink {
        /// Number of products that it allowed then.
        from: usize,
        /// Number of products that it allows now.
        to: usize,
        /// The percentage that it may lose.
        percent: usize,
    },
    /// The plan does again what somebody has taken back, by a restore or a revert.
    Restored {
        /// The run that shows the rollback, the last one if there were several.
        run: RunId,
        /// Number of changes that reverse the restore.
        count: usize,
    },
    /// A live member experience without a policy allows everything. Its first policy would block
    /// everything that is not in it, and one change set can contain only 50 products.
    FirstPolicy {
        /// Number of products that the plan allows.
        allow: usize,
    },
    /// The link was never observed, so nobody has seen yet what its first plan would remove.
    FirstMirror {
        /// Number of removals.
        removals: usize,
        /// Number of products that the member allows.
        allowed: usize,
    },
    /// Somebody rejected these removals, and they are still wanted.
    Rejected {
        /// Number of such removals that no guard holds.
        count: usize,
    },
    /// An operator requested a rollback to the lists before a run.
    Restore {
        /// Its id, a ULID.
        run: RunId,
    },
    /// An operator requested that what a run changed is taken back.
    Revert {
        /// Its id, a ULID.
        run: RunId,
    },
}

impl HoldReason {
    /// The guard that objects. None for a rollback, which is always held, and for what somebody rejected.
    pub fn guard(&self) -> Option<GuardName> {
        Some(match self {
            Self::ManagementEmpty { .. } => GuardName::ManagementEmpty,
            Self::ManagementNoPolicy { .. } => GuardName::ManagementNoPolicy,
            Self::ManagementDisabled { .. } => GuardName::ManagementDisabled,
            Self::ManagementArchived { .. } => GuardName::ManagementArchived,
            Self::Removals { .. } => GuardName::Removals,
            Self::MostRemovals { .. } => GuardName::MostRemovals,
            Self::Shrink { .. } => GuardName::Shrink,
            Self::Restored { .. } => GuardName::Restored,
            Self::FirstPolicy { .. } => GuardName::FirstPolicy,
            Self::FirstMirror { .. } => GuardName::FirstMirror,
            Self::Rejected { .. } | Self::Restore { .. } | Self::Revert { .. } => return None,
        })
    }

    /// What is taken back, if it is the reason of a rollback.
    pub fn undo(&self) -> Option<Undo> {
        match self {
            Self::Restore { run } => Some(Undo::Restore(*run)),
            Self::Revert { run } => Some(Undo::Revert(*run)),
            Self::ManagementEmpty { .. }
            | Self::ManagementNoPolicy { .. }
            | Self::ManagementDisabled { .. }
            | Self::ManagementArchived { .. }
            | Self::Removals { .. }
            | Self::MostRemovals { .. }
            | Self::Shrink { .. }
            | Self::Restored { .. }
            | Self::FirstPolicy { .. }
            | Self::FirstMirror { .. }
            | Self::Rejected { .. } => None,
        }
    }

    /// The management experience that it is about, if the link follows several.
    pub fn source(&self) -> Option<&ExperienceId> {
        match self {
            Self::ManagementEmpty { experience }
            | Self::ManagementNoPolicy { experience }
            | Self::ManagementDisabled { experience, .. }
            | Self::ManagementArchived { experience } => experience.as_ref(),
            Self::Removals { .. }
            | Self::MostRemovals { .. }
            | Self::Shrink { .. }
            | Self::Restored { .. }
            | Self::FirstPolicy { .. }
            | Self::FirstMirror { .. }
            | Self::Rejected { .. }
            | Self::Restore { .. }
            | Self::Revert { .. } => None,
        }
    }

    /// The same condition, as that of one of several management experiences.
    #[must_use]
    pub fn about(mut self, source: &ExperienceId) -> Self {
        match &mut self {
            Self::ManagementEmpty { experience }
            | Self::ManagementNoPolicy { experience }
            | Self::ManagementDisabled { experience, .. }
            | Self::ManagementArchived { experience } => *experience = Some(source.clone()),
            Self::Removals { .. }
            | Self::MostRemovals { .. }
            | Self::Shrink { .. }
            | Self::Restored { .. }
            | Self::FirstPolicy { .. }
            | Self::FirstMirror { .. }
            | Self::Rejected { .. }
            | Self::Restore { .. }
            | Self::Revert { .. } => {}
        }
        self
    }

    /// What makes it the same reason whatever its numbers are: the code, and what it is about.
    pub fn identity(&self) -> (&'static str, Option<&ExperienceId>) {
        (self.code(), self.source())
    }

    /// What to do if the plan is a mistake.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ManagementEmpty { .. } | Self::ManagementNoPolicy { .. } => {
                "allow at least one product in the management experience; nothing is denied until then"
            }
            Self::ManagementDisabled { .. } => {
                "make the management experience live, or name another one in the configuration"
            }
            Self::ManagementArchived { .. } => {
                "reactivate the management experience, or name another one in the configuration"
            }
            Self::Removals { .. } | Self::MostRemovals { .. } | Self::Shrink { .. } => {
                "re-allow products that were removed from the management experience by mistake"
            }
            Self::Restored { .. } => {
                "to keep what was taken back, allow and deny the same products in the management experience; to follow the management experience again, release this plan"
            }
            Self::FirstPolicy { .. } => {
                "fill the list while the member experience is Disabled, and enable it then"
            }
            Self::FirstMirror { .. } => {
                "allow in the management experience what the member should keep, or let the link observe until the lists agree"
            }
            Self::Rejected { .. } => {
                "allow in the management experience what the member should keep; to remove it after all, release this plan"
            }
            Self::Restore { .. } | Self::Revert { .. } => {
                "look at the denies of the plan first; if it is not what you want, reject it"
            }
        }
    }

    /// The stable code. docs/errors has a page for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ManagementArchived { .. } => "PMS-2002",
            Self::ManagementDisabled { .. } => "PMS-2003",
            Self::ManagementNoPolicy { .. } => "PMS-2004",
            Self::ManagementEmpty { .. } => "PMS-2005",
            Self::Removals { .. } => "PMS-7001",
            Self::MostRemovals { .. } => "PMS-7002",
            Self::Shrink { .. } => "PMS-7003",
            Self::Restored { .. } => "PMS-7004",
            Self::Restore { .. } => "PMS-7005",
            Self::Revert { .. } => "PMS-7007",
            Self::FirstPolicy { .. } => "PMS-3004",
            Self::FirstMirror { .. } => "PMS-7006",
            Self::Rejected { .. } => "PMS-7008",
        }
    }
}

impl Undo {
    /// The reason for which its plan is held.
    pub fn reason(self) -> HoldReason {
        match self {
            Self::Restore(run) => HoldReason::Restore { run },
            Self::Revert(run) => HoldReason::Revert { run },
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManagementEmpty { experience: None } => {
                f.write_str("the management policy allows nothing")
            }
            Self::ManagementEmpty {
                experience: Some(experience),
            } => write!(f, "the management experience {experience} lists nothing"),
            Self::ManagementNoPolicy { experience } => write!(
                f,
                "the management experience{} has no procurement policy",
                Named(experience.as_ref())
            ),
            Self::ManagementDisabled { status, experience } => write!(
                f,
                "the management experience{} is not enabled (its status is {status})",
                Named(experience.as_ref())
            ),
            Self::ManagementArchived { experience } => write!(
                f,
                "the management experience{} is archived",
                Named(experience.as_ref())
            ),
            Self::Removals {
                count,
                of,
                limit,
                percent,
                parts,
            } => {
                let is_whole = parts
                    .as_ref()
                    .is_none_or(|parts| parts.planned == *count && parts.allowed == *of);
                if is_whole {
                    return write!(
                        f,
                        "would remove {count} of {of} allowed {} within 24 hours: more than {limit}, and at least {percent} %",
                        noun_of(*of, "product")
                    );
                }
                would_remove(f, *count, parts.as_ref())?;
                write!(
                    f,
                    ": more than {limit}, and at least {percent} % of the {of} that were allowed when these hours began"
                )
            }
            Self::MostRemovals {
                count,
                limit,
                parts,
            } => {
                would_remove(f, *count, parts.as_ref())?;
                write!(f, ", more than {limit}")
            }
            Self::Shrink { from, to, percent } => write!(
                f,
                "the management experience allows {}, {from} when the link was last planned for: it lost at least {percent} %",
                counted(*to, "product")
            ),
            Self::Restored { run, count } => write!(
                f,
                "{} would do again what was taken back (by the rollback that run {run} shows)",
                counted(*count, "change")
            ),
            Self::FirstPolicy { allow } => write!(
                f,
                "the member experience is live and has no procurement policy, so everything is allowed there; its first policy would block all but {} at once, and then all but {allow}",
                counted((*allow).min(BATCH), "product")
            ),
            Self::FirstMirror { removals, allowed } => write!(
                f,
                "no run has observed this link before, and its first plan would remove {removals} of the {} that the member allows",
                counted(*allowed, "product")
            ),
            Self::Rejected { count } => write!(
                f,
                "{} {} rejected before and {} still wanted",
                counted(*count, "removal"),
                one_or(*count, "was", "were"),
                one_or(*count, "is", "are")
            ),
            Self::Restore { run } => {
                write!(f, "the lists return to what they were before run {run}")
            }
            Self::Revert { run } => write!(
                f,
                "what run {run} changed is taken back, and nothing that came later"
            ),
        }
    }
}

/// The id of an experience after its kind. Nothing if there is only one that can be meant.
struct Named<'a>(Option<&'a ExperienceId>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |id| write!(f, " {id}"))
    }
}

/// The count of removals, with its parts if there is more than the plan.
fn would_remove(
    f: &mut fmt::Formatter<'_>,
    count: usize,
    parts: Option<&RemovalParts>,
) -> fmt::Result {
    let removed = counted(count, "allowed product");
    write!(f, "would remove {removed} within 24 hours")?;
    let Some(parts) = parts.filter(|parts| parts.planned != count) else {
        return Ok(());
    };
    let RemovalParts {
        planned,
        open,
        earlier,
        since,
        ..
    } = parts;
    let since = since.strftime("%Y-%m-%dT%H:%MZ");
    write!(f, " ({planned} by this plan")?;
    if *open > 0 {
        write!(f, ", {open} under way")?;
    }
    if *earlier > 0 {
        write!(f, ", {earlier} without approval since {since}")?;
    }
    f.write_str(")")
}

#[cfg(test)]
mod tests;
