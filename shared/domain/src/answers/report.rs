//! The data of the operator's report: the lists of the management experiences, and for each member
//! experience only what differs. The producer answers in parts, one for each scope.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answers::left_out::LeftOutLink;
use crate::answers::why::{Seen, Why, why_of};
use crate::error::FaultRecord;
use crate::guard::reason::HoldReason;
use crate::ids::{AccountId, ExperienceId, MemberName, ProductId};
use crate::link::Mode;
use crate::plan::InvalidProducts;
use crate::policy::{Action, PolicySnapshot, Standing};
use crate::sources::{Conflict, Sources};
use crate::sync_state::SyncState;
use crate::wire::Scope;

/// The request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// The member experiences that the part covers.
    #[serde(default)]
    pub scope: Scope,
}

/// The lists of a management experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ManagementLists {
    /// The experience.
    pub experience: ExperienceId,
    /// The products that it allows.
    #[serde(default)]
    pub allowed: Vec<ProductId>,
    /// The products that it denies.
    #[serde(default)]
    pub denied: Vec<ProductId>,
    /// Its conditions: reasons to hold what follows from it.
    #[serde(default)]
    pub oddities: Vec<HoldReason>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
}

impl ManagementLists {
    /// The products that it lists.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        self.allowed.iter().chain(&self.denied)
    }
}

/// A product that differs from what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Differing {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Its standing in the member experience.
    pub standing: Standing,
    /// The change that it needs.
    pub wanted: Action,
    /// The reason why it differs: an index into the reasons that come with it.
    pub why: usize,
    /// When an outside edit of it was first seen, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
}

/// Where a member experience differs from its management experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStandings {
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// Its experience. None for a `*` link that cannot be observed.
    pub experience: Option<ExperienceId>,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// What applies to a product that one of them allows and another denies.
    #[serde(default, skip_serializing_if = "Conflict::is_default")]
    pub conflict: Conflict,
    /// How far the link may go.
    pub mode: Mode,
    /// The state of the experience as a whole. None from a producer of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SyncState>,
    /// The products that differ, ordered by id.
    #[serde(default)]
    pub differing: Vec<Differing>,
    /// The reasons, each once.
    #[serde(default)]
    pub whys: Vec<Why>,
    /// Products that it denies and the management experience does not list. These are in sync,
    /// because there is no un-list.
    #[serde(default)]
    pub denied_besides: Vec<ProductId>,
    /// Why a run would hold the plan.
    #[serde(default)]
    pub held_for: Vec<HoldReason>,
    /// Products that differ and whose ids are not valid.
    #[serde(default, skip_serializing_if = "InvalidProducts::is_empty")]
    pub invalid: InvalidProducts,
    /// Why the link could not be observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
}

impl LinkStandings {
    /// The products that it mentions.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        let differing = self.differing.iter().map(|differing| &differing.product);
        differing.chain(&self.denied_besides)
    }
}

/// One part of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPart {
    /// Schema number of the release that made it.
    pub schema: u32,
    /// The version of the configuration that was used.
    pub config_version: u64,
    /// The management experiences that the links follow.
    pub management: Vec<ManagementLists>,
    /// The member experiences, in the order of the configuration.
    pub links: Vec<LinkStandings>,
    /// Experiences that `*` leaves out. They follow nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOutLink>,
}

/// Where a member experience differs, without the link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings {
    /// The products that differ.
    pub differing: Vec<Differing>,
    /// The reasons, each once.
    pub whys: Vec<Why>,
    /// Products that are denied here and listed nowhere else.
    pub denied_besides: Vec<ProductId>,
}

/// Compares a member experience with what is wanted, and explains each difference.
pub fn standings(seen: &Seen<'_>) -> Standings {
    let plans = [seen.plan, seen.held].into_iter();
    let planned = plans.flat_map(|plan| plan.allow().iter().chain(plan.deny()));
    let products: std::collections::BTreeSet<_> = planned.chain(seen.left_alone.keys()).collect();
    let mut found = Standings {
        denied_besides: besides(seen.desired, seen.actual),
        ..Standings::default()
    };
    for product in products {
        let answer = why_of(product, seen);
        let Some((standing, wanted)) = answer.standing.zip(answer.wanted) else {
            continue;
        };
        // Neighbours mostly have the same reason, so the search begins at the last one.
        let known = found.whys.iter().rposition(|known| *known == answer.why);
        let why = known.unwrap_or_else(|| {
            found.whys.push(answer.why);
            found.whys.len() - 1
        });
        found.differing.push(Differing {
            product: product.clone(),
            standing,
            wanted,
            why,
            edited_since: answer.edited_since,
        });
    }
    found
}

fn besides(desired: &PolicySnapshot, actual: &PolicySnapshot) -> Vec<ProductId> {
    let denied = actual.denied().iter();
    denied
        .filter(|product| desired.standing(product) == Standing::Unlisted)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::drift::Edited;
    use crate::lane::{LaneState, LaneView};
    use crate::link::LinkPolicy;
    use crate::plan::{Reason, plan};
    use crate::records::LinkState;

    /// A part as this release and every earlier one writes it. A newer release must read it.
    const PART: &str = include_str!("../../fixtures/report-part-1.json");

    #[test]
    fn a_part_of_this_release_stays_readable() {
        let part: ReportPart = serde_json::from_str(PART).unwrap();
        let written = serde_json::to_value(&part).unwrap();
        let fixture: serde_json::Value = serde_json::from_str(PART).unwrap();
        assert_eq!(written, fixture);
    }

    #[test]
    fn what_newer_releases_add_is_no_obstacle() {
        let mut part: serde_json::Value = serde_json::from_str(PART).unwrap();
        part["links"][0]["added"] = 1.into();
        part["management"][0]["added"] = 1.into();
        part["added"] = 1.into();
        serde_json::from_value::<ReportPart>(part).unwrap();
    }

    /// The management experience allows `a`, `b` and `c`; the member allows `b` and `d`. `c` is excluded.
    #[test]
    fn each_product_that_differs_is_listed_with_its_reason_and_each_reason_once() {
        let id = |text: &str| ProductId::new(text).unwrap();
        let desired = PolicySnapshot::new([id("a"), id("b"), id("c")], []);
        let actual = PolicySnapshot::new([id("b"), id("d")], [id("x")]);
        let link = LinkPolicy {
            exclude: [id("c")].into(),
            ..LinkPolicy::default()
        };
        let (plan, report) = plan(&desired, &actual, &LaneView::default(), &link);
        let left = report.left_alone.into_iter();
        let left = left.map(|left| (left.product.clone(), left)).collect();
        let found = standings(&Seen {
            experience: &"exp-1".parse().unwrap(),
            desired: &desired,
            sources: &[],
            actual: &actual,
            state: &LaneState::default(),
            last: &BTreeMap::new(),
            plan: &plan,
            held: &crate::plan::Plan::default(),
            left_alone: &left,
            committed: None,
            held_for: &[],
            goes_on: false,
            link_state: &LinkState::default(),
            suspension: None,
            edited: &Edited::default(),
            at: Timestamp::UNIX_EPOCH,
        });
        let excluded = Why::LeftAlone {
            reason: Reason::Excluded,
            since: None,
        };
        let listed = found.differing.iter();
        let listed: Vec<_> = listed
            .map(|one| {
                (
                    one.product.as_str(),
                    one.standing,
                    one.wanted,
                    &found.whys[one.why],
                )
            })
            .collect();
        assert_eq!(
            listed,
            [
                ("a", Standing::Unlisted, Action::Allow, &Why::Planned),
                ("c", Standing::Unlisted, Action::Allow, &excluded),
                ("d", Standing::Allowed, Action::Deny, &Why::Planned),
            ]
        );
        assert_eq!(found.whys.len(), 2, "{:?}", found.whys);
        assert_eq!(found.denied_besides, [id("x")]);
    }

    #[test]
    fn what_is_denied_besides_is_what_the_management_experience_does_not_list() {
        let id = |text: &str| ProductId::new(text).unwrap();
        let desired = PolicySnapshot::new([id("a")], [id("d")]);
        let actual = PolicySnapshot::new([id("n")], [id("a"), id("d"), id("x")]);
        assert_eq!(besides(&desired, &actual), [id("x")]);
    }
}
