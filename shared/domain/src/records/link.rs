//! Records of links in runs, and the list of lanes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Hold};
use crate::error::FaultRecord;
use crate::ids::{AccountId, LaneId, MemberName, PlanHash, ProductId, RunId};
use crate::link::Mode;
use crate::plan::{InvalidProducts, LeftAlone, Plan};
use crate::run::LinkStatus;
use crate::sources::Sources;

/// A lane that was ever planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Member account and member experience.
    pub lane: LaneId,
    /// The member's name at that time.
    pub member: MemberName,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// How far the link may go.
    pub mode: Mode,
    /// The last run that committed a plan to it, or failed on it.
    pub run: RunId,
}

/// The part of a plan that waits for approval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeldPart {
    /// Products to allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<ProductId>,
    /// Products to deny.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<ProductId>,
}

impl HeldPart {
    /// True if it has no change.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Number of its changes.
    pub fn len(&self) -> usize {
        self.allow.len() + self.deny.len()
    }

    /// The products that it mentions.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        self.allow.iter().chain(&self.deny)
    }

    /// Its changes.
    pub fn plan(&self) -> Plan {
        plan_of(&self.allow, &self.deny)
    }
}

impl From<&Plan> for HeldPart {
    fn from(plan: &Plan) -> Self {
        Self {
            allow: plan.allow().iter().cloned().collect(),
            deny: plan.deny().iter().cloned().collect(),
        }
    }
}

fn plan_of(allow: &[ProductId], deny: &[ProductId]) -> Plan {
    Plan::new(
        allow.iter().cloned().collect(),
        deny.iter().cloned().collect(),
    )
}

/// The ledger's item of a link in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkRecord {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Its id, a ULID.
    pub run: RunId,
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// Its lane. None for a `*` link that failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// How far the link may go.
    pub mode: Mode,
    /// Its status in the run.
    pub status: LinkStatus,
    /// Hash of the plan, without what is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<PlanHash>,
    /// Products to allow, without those that are held.
    #[serde(default)]
    pub allow: Vec<ProductId>,
    /// Products to deny, without those that are held.
    #[serde(default)]
    pub deny: Vec<ProductId>,
    /// The part of the plan that waits for approval. `hold` has its hash.
    #[serde(default, skip_serializing_if = "HeldPart::is_empty")]
    pub held: HeldPart,
    /// Number of these denies whose products were allowed at that time.
    #[serde(default)]
    pub removals: usize,
    /// Products that differ and are left alone.
    #[serde(default)]
    pub left_alone: Vec<LeftAlone>,
    /// Products that the management policy both allows and denies.
    #[serde(default)]
    pub contradictory: Vec<ProductId>,
    /// Products that differ because somebody edited them outside pmp-sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<ProductId>,
    /// When the first of these edits was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
    /// Why nothing was planned or sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
    /// The hold in which a part of the plan waits, or all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The request about a hold that this run served on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Number of allows of products that AWS Marketplace does not list, or for which it could not be
    /// asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchecked: usize,
    /// Products that differ and whose ids are not valid.
    #[serde(default, skip_serializing_if = "InvalidProducts::is_empty")]
    pub invalid: InvalidProducts,
    /// When the record was written.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl LinkRecord {
    /// The plan that was committed to the lane, or would have been if the link is suspended. Without what is held.
    pub fn plan(&self) -> Plan {
        match self.status {
            LinkStatus::Held | LinkStatus::Rejected | LinkStatus::Refused => Plan::default(),
            LinkStatus::InSync
            | LinkStatus::Committed
            | LinkStatus::Underway
            | LinkStatus::Failed
            | LinkStatus::Suspended
            | LinkStatus::Removed
            | LinkStatus::LeftOut
            | LinkStatus::NoTargets => plan_of(&self.allow, &self.deny),
        }
    }

    /// What an approval covers: the changes that the record shows as held.
    pub fn shown(&self) -> Plan {
        self.held.plan()
    }

    /// True if something waits for approval, whatever became of the rest of the plan, or if nothing can be planned
    /// because the management experience cannot be trusted.
    pub fn is_held(&self) -> bool {
        self.hold.is_some() || self.status == LinkStatus::Held
    }

    /// The products that the record mentions.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        let planned = self.allow.iter().chain(&self.deny);
        let left_alone = self.left_alone.iter().map(|left| &left.product);
        let others = self.edited.iter().chain(&self.contradictory);
        let held = self.held.products();
        planned.chain(held).chain(left_alone).chain(others)
    }
}
