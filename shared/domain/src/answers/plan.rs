//! The plan that a run would make now, as the producer returns it and the command prints it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::config::MOST_BYTES;
use crate::error::FaultRecord;
use crate::guard::reason::HoldReason;
use crate::ids::{AccountId, ExperienceId, MemberName, PlanHash, ProductId};
use crate::link::Mode;
use crate::plan::{InvalidProducts, LeftAlone};
use crate::policy::Action;
use crate::reconcile::Decision;
use crate::records::HeldPart;
use crate::sources::{Conflict, Origin, Sources};
use crate::sync_state::SyncState;
use crate::wire::Scope;
use crate::wire::limits::TooLarge;

/// What a run would do with the plan of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PreviewDecision {
    /// Nothing to do.
    InSync,
    /// The lane already works on this plan.
    Underway,
    /// It would commit and send the plan.
    Commit,
    /// It would hold a part of the plan until it is approved, and make the rest.
    Held,
    /// The link is suspended: nothing would be sent.
    Suspended,
    /// Nothing can be planned.
    Failed,
    /// `*` leaves the experience out, because another link follows or names it.
    LeftOut,
    /// The link is to every live experience of the member, and there is none.
    NoTargets,
    /// The member is new in the configuration that is previewed, and its role cannot be assumed yet.
    NotYet,
}

closed_list!(PreviewDecision, "decision", {
    InSync => "in_sync",
    Underway => "underway",
    Commit => "commit",
    Held => "held",
    Suspended => "suspended",
    Failed => "failed",
    LeftOut => "left_out",
    NoTargets => "no_targets",
    NotYet => "not_yet",
});

impl PreviewDecision {
    /// What a decision is called in a preview.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::InSync => Self::InSync,
            Decision::MarkSuspension | Decision::Suspended => Self::Suspended,
            Decision::Hold { .. } => Self::Held,
            Decision::Underway(_) | Decision::ResumeRollback(_) => Self::Underway,
            Decision::Commit => Self::Commit,
            Decision::RefuseRollback | Decision::AnothersPlan => Self::Failed,
        }
    }
}

/// The request for a plan, or for its next page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// The member experiences that it covers.
    #[serde(default)]
    pub scope: Scope,
    /// Where the page begins. None for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PlanCursor>,
    /// Changes of a management experience that are taken as made. The answer then has only the links
    /// that follow it. A producer that does not know the field refuses the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<Overlay>,
    /// The text of a configuration that is taken as applied. A producer that does not know the field
    /// refuses the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

impl PlanRequest {
    /// Checks its size.
    pub fn check(&self) -> Result<(), TooLarge> {
        self.scope.check()?;
        let changes = self.overlay.as_ref().map_or(0, Overlay::len);
        if changes > MOST_OVERLAID {
            return Err(TooLarge {
                field: "overlay",
                found: changes,
                most: MOST_OVERLAID,
                unit: "entries",
            });
        }
        let bytes = self.config.as_ref().map_or(0, String::len);
        if bytes > MOST_BYTES {
            return Err(TooLarge {
                field: "config",
                found: bytes,
                most: MOST_BYTES,
                unit: "bytes",
            });
        }
        Ok(())
    }
}

/// The most changes of an overlay. Their JSON has less than 3 MB; a request to Lambda has up to 6 MB.
pub const MOST_OVERLAID: usize = 50_000;

/// Changes of a management experience that nobody has made yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// The management experience.
    pub management_experience: ExperienceId,
    /// Products that would be allowed.
    #[serde(default)]
    pub allow: BTreeSet<ProductId>,
    /// Products that would be denied.
    #[serde(default)]
    pub deny: BTreeSet<ProductId>,
}

impl Overlay {
    /// Each change. A product on both lists is denied.
    pub fn changes(&self) -> impl Iterator<Item = (&ProductId, Action)> {
        let allow = self.allow.iter().map(|product| (product, Action::Allow));
        allow.chain(self.deny.iter().map(|product| (product, Action::Deny)))
    }

    /// The number of changes.
    fn len(&self) -> usize {
        self.allow.len() + self.deny.len()
    }
}

/// The place in a plan where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCursor {
    /// The version of the configuration that the plan uses.
    pub config_version: u64,
    /// The index of the link among those of the scope.
    pub link: usize,
    /// The number of its member experiences that are on earlier pages.
    pub lane: usize,
}

/// A page of a plan: an answer of Lambda has a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPage {
    /// The links of the page.
    #[serde(flatten)]
    pub preview: Preview,
    /// Where the next page begins. None for the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<PlanCursor>,
}

/// What a run would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Preview {
    /// Schema number of the release that made it.
    pub schema: u32,
    /// The version of the configuration that was used.
    pub config_version: u64,
    /// One for each member experience, or link that failed.
    pub links: Vec<PreviewLink>,
}

impl PreviewLink {
    /// The products that it mentions.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        let planned = self.allow.iter().chain(&self.deny);
        let planned = planned.chain(self.held.products());
        let left_alone = self.left_alone.iter().map(|left| &left.product);
        let others = self.edited.iter().chain(&self.contradictory);
        let if_acting = self.if_acting.iter().flat_map(IfActing::products);
        let conflicts = self.conflicts.iter().flat_map(|origin| &origin.products);
        let others = others.chain(conflicts);
        planned.chain(left_alone).chain(others).chain(if_acting)
    }

    /// True if there is nothing that could be planned, which is no failure: it is told, and has no exit code
    /// of its own.
    pub fn is_warning(&self) -> bool {
        match self.decision {
            PreviewDecision::NoTargets | PreviewDecision::LeftOut | PreviewDecision::NotYet => true,
            PreviewDecision::InSync
            | PreviewDecision::Underway
            | PreviewDecision::Commit
            | PreviewDecision::Held
            | PreviewDecision::Suspended
            | PreviewDecision::Failed => false,
        }
    }

    /// The state in words, or why there is none.
    pub fn state_words(&self) -> &'static str {
        match self.decision {
            PreviewDecision::LeftOut => "left out",
            PreviewDecision::NoTargets => "no targets",
            PreviewDecision::NotYet => "not yet",
            PreviewDecision::InSync
            | PreviewDecision::Underway
            | PreviewDecision::Commit
            | PreviewDecision::Held
            | PreviewDecision::Suspended
            | PreviewDecision::Failed => self.sync_state().words(),
        }
    }

    /// The state of the experience, also in the answer of a producer of an earlier release.
    pub fn sync_state(&self) -> SyncState {
        self.state.unwrap_or(match self.decision {
            PreviewDecision::InSync
            | PreviewDecision::LeftOut
            | PreviewDecision::NoTargets
            | PreviewDecision::NotYet => SyncState::InSync,
            PreviewDecision::Underway => SyncState::Underway,
            PreviewDecision::Commit => SyncState::Planned,
            PreviewDecision::Held => SyncState::Held,
            PreviewDecision::Suspended => SyncState::Suspended,
            PreviewDecision::Failed => SyncState::Unreachable,
        })
    }
}

/// What a run would now do to one member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviewLink {
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// Its experience. None for a `*` link that failed as a whole.
    pub experience: Option<ExperienceId>,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// How far the link may go.
    pub mode: Mode,
    /// The state of the experience as a whole. None if `*` leaves it out or covers none, and from a producer of
    /// an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SyncState>,
    /// What a run would do.
    pub decision: PreviewDecision,
    /// The products that would be allowed, without those that are held.
    pub allow: Vec<ProductId>,
    /// The products that would be denied, without those that are held.
    pub deny: Vec<ProductId>,
    /// Number of these denies whose products are allowed now.
    pub removals: usize,
    /// The fewest change sets that this takes.
    pub fewest_change_sets: usize,
    /// Hash of the plan.
    pub plan_hash: Option<PlanHash>,
    /// Products that differ and would be left alone.
    pub left_alone: Vec<LeftAlone>,
    /// Products that the management policy both allows and denies.
    pub contradictory: Vec<ProductId>,
    /// The products of these lists by the management experiences that list them. Empty if the link follows
    /// one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// Products that one management experience allows and another denies, whether they differ or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Origin>,
    /// Number of products whose management experiences are not among these: only so many combinations are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub origins_beyond: usize,
    /// What applies to these.
    #[serde(default, skip_serializing_if = "Conflict::is_default")]
    pub conflict: Conflict,
    /// Products that differ and whose ids are not valid.
    #[serde(default, skip_serializing_if = "InvalidProducts::is_empty")]
    pub invalid: InvalidProducts,
    /// Number of allows of products of which it is not known that AWS Marketplace lists them. A run
    /// asks first.
    #[serde(default)]
    pub unchecked: usize,
    /// Products that differ because somebody edited them outside pmp-sync.
    #[serde(default)]
    pub edited: Vec<ProductId>,
    /// When the first of these edits was first seen.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
    /// Number of entries of these lists beyond those that are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beyond: usize,
    /// What a run would hold until it is approved.
    #[serde(default, skip_serializing_if = "HeldPart::is_empty")]
    pub held: HeldPart,
    /// Why a run would hold it.
    #[serde(default)]
    pub held_for: Vec<HoldReason>,
    /// Why nothing can be planned.
    pub fault: Option<FaultRecord>,
    /// What would change if the link acted. Only of a link that changes nothing because of its mode or a
    /// freeze, and no run does it while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_acting: Option<IfActing>,
}

/// What a run would do on a link that changes nothing now, if it acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IfActing {
    /// The mode of which this is the plan: `mirror` for a link that only observes, and otherwise that of
    /// the link.
    pub mode: Mode,
    /// What a run would do then: `held` if a guard would hold the plan.
    pub decision: PreviewDecision,
    /// The products that would be allowed, without those that are held.
    pub allow: Vec<ProductId>,
    /// The products that would be denied, without those that are held.
    pub deny: Vec<ProductId>,
    /// Number of these denies whose products are allowed now.
    pub removals: usize,
    /// The fewest change sets that this takes.
    pub fewest_change_sets: usize,
    /// Products that differ and would be left alone then.
    pub left_alone: Vec<LeftAlone>,
    /// What a run would hold then, until it is approved.
    #[serde(default, skip_serializing_if = "HeldPart::is_empty")]
    pub held: HeldPart,
    /// Why a run would hold it.
    #[serde(default)]
    pub held_for: Vec<HoldReason>,
}

impl IfActing {
    /// The products that it mentions.
    fn products(&self) -> impl Iterator<Item = &ProductId> {
        let left_alone = self.left_alone.iter().map(|left| &left.product);
        let planned = self.allow.iter().chain(&self.deny);
        planned.chain(self.held.products()).chain(left_alone)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The most entries of the lists of one member experience. Their JSON has less than 5.5 MB.
pub const MOST_ENTRIES: usize = 25_000;

impl PreviewLink {
    /// Drops the entries of its lists beyond the most that an answer may have, and counts them.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let mut room = MOST_ENTRIES;
        let mut beyond = 0;
        let mut cut = |length: usize| {
            let kept = length.min(room);
            room -= kept;
            beyond += length - kept;
            kept
        };
        self.allow.truncate(cut(self.allow.len()));
        self.deny.truncate(cut(self.deny.len()));
        self.held.allow.truncate(cut(self.held.allow.len()));
        self.held.deny.truncate(cut(self.held.deny.len()));
        self.left_alone.truncate(cut(self.left_alone.len()));
        self.contradictory.truncate(cut(self.contradictory.len()));
        self.edited.truncate(cut(self.edited.len()));
        if let Some(acting) = &mut self.if_acting {
            acting.allow.truncate(cut(acting.allow.len()));
            acting.deny.truncate(cut(acting.deny.len()));
            acting.held.allow.truncate(cut(acting.held.allow.len()));
            acting.held.deny.truncate(cut(acting.held.deny.len()));
            acting.left_alone.truncate(cut(acting.left_alone.len()));
        }
        for origin in &mut self.conflicts {
            origin.products.truncate(cut(origin.products.len()));
        }
        self.conflicts.retain(|origin| !origin.products.is_empty());
        if beyond > 0 {
            self.keep_origins_of_listed();
        }
        self.beyond = beyond;
        self
    }

    /// Drops the origins of products that are not listed any more.
    fn keep_origins_of_listed(&mut self) {
        let left = self.left_alone.iter().map(|left| &left.product);
        let planned = self.allow.iter().chain(&self.deny);
        let planned = planned.chain(self.held.products());
        let listed: BTreeSet<_> = planned.chain(left).collect();
        for origin in &mut self.origins {
            origin.products.retain(|product| listed.contains(product));
        }
        self.origins.retain(|origin| !origin.products.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(allow: usize, deny: usize, edited: usize) -> PreviewLink {
        let products = |prefix: &str, count: usize| -> Vec<ProductId> {
            let ids = (0..count).map(|number| format!("{prefix}-{number}").parse());
            ids.map(Result::unwrap).collect()
        };
        PreviewLink {
            member: "emea".parse().unwrap(),
            account: "222222222222".parse().unwrap(),
            experience: None,
            sources: "exp-0".parse().unwrap(),
            mode: Mode::Mirror,
            decision: PreviewDecision::InSync,
            allow: products("a", allow),
            deny: products("d", deny),
            held: HeldPart::default(),
            removals: 0,
            fewest_change_sets: 0,
            plan_hash: None,
            left_alone: Vec::new(),
            contradictory: Vec::new(),
            origins: Vec::new(),
            origins_beyond: 0,
            conflicts: Vec::new(),
            conflict: Conflict::default(),
            invalid: InvalidProducts::default(),
            unchecked: 0,
            edited: products("e", edited),
            edited_since: None,
            beyond: 0,
            held_for: Vec::new(),
            fault: None,
            state: None,
            if_acting: None,
        }
    }

    #[test]
    fn an_answer_lists_so_many_entries_of_a_link_and_counts_the_others() {
        let all = link(2, 3, 4);
        assert_eq!(all.clone().bounded(), all);
        let full = link(MOST_ENTRIES - 3, 1, 2);
        assert_eq!(full.clone().bounded(), full);
        let cut = link(MOST_ENTRIES - 3, 5, 7).bounded();
        let kept = (cut.allow.len(), cut.deny.len(), cut.edited.len());
        assert_eq!(kept, (MOST_ENTRIES - 3, 3, 0));
        assert_eq!(cut.beyond, 2 + 7);
        assert_eq!(cut.deny, link(0, 3, 0).deny, "the first ones");
    }

    #[test]
    fn a_request_with_an_overlay_is_bounded_and_one_of_an_earlier_release_has_none() {
        let old: PlanRequest = serde_json::from_str(r#"{"scope": {}}"#).unwrap();
        assert_eq!(old, PlanRequest::default());
        let of = |count: usize| {
            let ids = (0..count).map(|number| format!("p{number}").parse().unwrap());
            let overlay = Overlay {
                management_experience: "exp-m".parse().unwrap(),
                allow: BTreeSet::new(),
                deny: ids.collect(),
            };
            PlanRequest {
                overlay: Some(overlay),
                ..PlanRequest::default()
            }
        };
        assert_eq!(of(MOST_OVERLAID).check(), Ok(()));
        assert_eq!(
            of(MOST_OVERLAID + 1).check().map_err(|error| error.field),
            Err("overlay")
        );
        let text = serde_json::to_string(&of(1)).unwrap();
        assert_eq!(serde_json::from_str::<PlanRequest>(&text).unwrap(), of(1));
    }

    #[test]
    fn a_request_with_a_configuration_is_bounded() {
        let of = |bytes: usize| PlanRequest {
            config: Some("x".repeat(bytes)),
            ..PlanRequest::default()
        };
        assert_eq!(of(MOST_BYTES).check(), Ok(()));
        let refused = of(MOST_BYTES + 1).check().map_err(|error| error.field);
        assert_eq!(refused, Err("config"));
    }

    #[test]
    fn what_would_be_done_if_the_link_acted_is_bounded_too() {
        let mut all = link(0, 0, 0);
        let acting = link(MOST_ENTRIES, 2, 0);
        all.if_acting = Some(IfActing {
            mode: Mode::Mirror,
            decision: PreviewDecision::Held,
            allow: acting.allow,
            deny: acting.deny,
            removals: 2,
            fewest_change_sets: 1,
            left_alone: Vec::new(),
            held: HeldPart::default(),
            held_for: Vec::new(),
        });
        assert_eq!(all.products().count(), MOST_ENTRIES + 2);
        let cut = all.bounded();
        assert_eq!(cut.beyond, 2);
        let acting = cut.if_acting.unwrap();
        assert_eq!((acting.allow.len(), acting.deny.len()), (MOST_ENTRIES, 0));
    }

    #[test]
    fn what_is_not_listed_has_no_origin_either_and_conflicts_are_counted() {
        let mut all = link(MOST_ENTRIES - 1, 3, 0);
        let origin = |products: Vec<ProductId>| Origin {
            allowed_by: vec!["exp-0".parse().unwrap()],
            denied_by: vec!["exp-1".parse().unwrap()],
            products,
        };
        all.origins = vec![origin(all.allow.clone()), origin(all.deny.clone())];
        all.conflicts = vec![origin(all.deny.clone())];
        // Their names are shown, whether or not anything is planned.
        assert_eq!(all.products().count(), MOST_ENTRIES + 2 + 3);
        let cut = all.bounded();
        let counts: Vec<_> = cut.origins.iter().map(|of| of.products.len()).collect();
        assert_eq!(counts, [MOST_ENTRIES - 1, 1]);
        assert!(cut.conflicts.is_empty());
        assert_eq!(cut.beyond, 2 + 3);
    }

    #[test]
    fn the_number_of_entries_beyond_is_told_unless_there_are_none() {
        let shown = |beyond| {
            serde_json::to_value(PreviewLink {
                beyond,
                ..link(0, 0, 0)
            })
            .unwrap()
        };
        assert_eq!(shown(3)["beyond"], 3);
        assert_eq!(shown(0).get("beyond"), None);
    }

    #[test]
    fn a_decision_has_its_words_and_is_a_warning_if_nothing_could_be_planned() {
        for (decision, words, is_warning) in [
            (PreviewDecision::InSync, "in sync", false),
            (PreviewDecision::Underway, "under way", false),
            (PreviewDecision::Commit, "planned", false),
            (PreviewDecision::Held, "held", false),
            (PreviewDecision::Suspended, "suspended", false),
            (PreviewDecision::Failed, "unreachable", false),
            (PreviewDecision::LeftOut, "left out", true),
            (PreviewDecision::NoTargets, "no targets", true),
            (PreviewDecision::NotYet, "not yet", true),
        ] {
            let link = PreviewLink {
                decision,
                ..link(0, 0, 0)
            };
            let told = (link.state_words(), link.is_warning());
            assert_eq!(told, (words, is_warning), "{decision}");
        }
        let blocked = PreviewLink {
            state: Some(SyncState::Blocked),
            ..link(0, 0, 0)
        };
        assert_eq!(blocked.state_words(), "blocked");
    }

    #[test]
    fn origins_stay_as_they_are_while_every_entry_is_listed() {
        let mut all = link(2, 0, 1);
        all.origins = vec![Origin {
            allowed_by: vec!["exp-0".parse().unwrap()],
            denied_by: Vec::new(),
            products: all.edited.clone(),
        }];
        assert_eq!(all.clone().bounded(), all);
    }
}
