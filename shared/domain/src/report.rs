//! What the operator's report is made of: the lists that management experiences want, and of each member
//! experience only where it stands otherwise. The producer answers in parts, one for each scope that it is
//! asked about.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::guard::HoldReason;
use crate::ids::{AccountId, ExperienceId, MemberName, ProductId};
use crate::link::Mode;
use crate::message::Scope;
use crate::policy::{Action, PolicySnapshot, Standing};
use crate::why::{Seen, Why, why_of};

/// The question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// On which member experiences.
    #[serde(default)]
    pub scope: Scope,
}

/// What a management experience wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementLists {
    /// The experience.
    pub experience: ExperienceId,
    /// The products that it allows.
    #[serde(default)]
    pub allowed: Vec<ProductId>,
    /// The products that it denies.
    #[serde(default)]
    pub denied: Vec<ProductId>,
    /// What is odd about it: nothing is done because of it without approval.
    #[serde(default)]
    pub oddities: Vec<HoldReason>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
}

/// A product that stands otherwise than it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differing {
    /// The product.
    pub product: ProductId,
    /// Where it stands in the member experience.
    pub standing: Standing,
    /// What is to be done to it.
    pub wanted: Action,
    /// Why it stands so: a place in [`LinkStandings::whys`].
    pub why: usize,
    /// Since when an outside edit of it has been seen, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_since: Option<Timestamp>,
}

/// Where a member experience stands otherwise than its management experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStandings {
    /// The member.
    pub member: MemberName,
    /// Its account.
    pub account: AccountId,
    /// Its experience; none of a `*` link that cannot be looked at.
    pub experience: Option<ExperienceId>,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// The products that differ, in the order of their ids.
    #[serde(default)]
    pub differing: Vec<Differing>,
    /// Why: each reason once.
    #[serde(default)]
    pub whys: Vec<Why>,
    /// Products that it denies and the management experience does not list: these are in sync, there is no
    /// un-list.
    #[serde(default)]
    pub denied_besides: Vec<ProductId>,
    /// Why a run would hold the plan.
    #[serde(default)]
    pub held_for: Vec<HoldReason>,
    /// Why nothing of this is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
}

/// One part of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPart {
    /// The schema of the release that made it.
    pub schema: u32,
    /// The version of the configuration that it went by.
    pub config_version: u64,
    /// The management experiences that the links follow.
    pub management: Vec<ManagementLists>,
    /// The member experiences, in the order of the configuration.
    pub links: Vec<LinkStandings>,
}

/// Where a member experience stands otherwise, as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings {
    /// The products that differ.
    pub differing: Vec<Differing>,
    /// Why.
    pub whys: Vec<Why>,
    /// Products that are denied here and listed nowhere else.
    pub denied_besides: Vec<ProductId>,
}

/// Where a member experience stands otherwise, and why.
pub fn standings(seen: &Seen<'_>) -> Standings {
    let planned = seen.plan.allow().iter().chain(seen.plan.deny());
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
        // Neighbours mostly have the same reason: the last one is looked at first.
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
    use super::*;

    /// As this release and every earlier one has written it: a newer one has to read it.
    const PART: &str = include_str!("../fixtures/report-part-1.json");

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

    #[test]
    fn what_is_denied_besides_is_what_the_management_experience_does_not_list() {
        let id = |text: &str| ProductId::new(text).unwrap();
        let desired = PolicySnapshot::new([id("a")], [id("d")]);
        let actual = PolicySnapshot::new([id("n")], [id("a"), id("d"), id("x")]);
        assert_eq!(besides(&desired, &actual), [id("x")]);
    }
}
