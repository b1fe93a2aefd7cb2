//! Members that set rules of their own: what they choose, whether workers apply it, and what must
//! be left at rest because of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::{MemberMode, MemberRules, Quarantined};
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::{Action, ProductChange};
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_domain::time::later;
use pmp_sync_worker::Membership;

use super::event::ScheduledEvent;
use super::invariants::{Invariants, Violation, broken, our_name};
use super::rng::Rng;
use super::scene::{MOST_REQUESTS, installation};
use super::state::Simulator;
use super::task::WORKER_TIMEOUT;
use crate::reference::forbids;
use crate::worker as worker_of;
use pmp_sync_fakes::{ChangeSetRecord, World};

const DAY: i64 = 24 * 3600;

/// The modes that members choose, each with how likely it is. A new one goes to the end.
const MODES: [(MemberMode, u64); 3] = [
    (MemberMode::Suspended, 1),
    (MemberMode::AllowOnly, 1),
    (MemberMode::All, 2),
];

fn random_rules(rng: &mut Rng) -> MemberRules {
    let mode = rng.of("mode").pick_by(&MODES, |(_, weight)| *weight);
    let limited = rng.of("limited").once_in(2);
    let most = u32::try_from(rng.of("limit").below(9)).ok();
    MemberRules {
        mode: mode.map(|(mode, _)| mode.clone()).unwrap_or_default(),
        most_denies: most.filter(|_| limited),
    }
}

impl Simulator {
    /// Members change their parameters at any time.
    pub(crate) fn schedule_member_rules(&mut self) {
        if !self.profile.ruled {
            return;
        }
        for _ in 0..self.rng.of("rule-changes").count(1, 6) {
            let mut rng = self.rng.next("rules");
            let last = self.scene.members.len().saturating_sub(1);
            let member = rng.of("member").count(0, last);
            let when = if rng.of("from-the-beginning").once_in(3) {
                0
            } else {
                rng.of("when").between(0, self.profile.until)
            };
            self.schedule_at(when, ScheduledEvent::Rules(member, random_rules(&mut rng)));
        }
    }

    /// The stack of a member is updated: invocations that are under way end by the rules they began with.
    pub(crate) fn set_rules(&mut self, member: usize, rules: MemberRules) {
        let (Some(scene), Some(worker), Some(old)) = (
            self.scene.members.get(member),
            self.workers.get_mut(member),
            self.rules.get_mut(member),
        ) else {
            return;
        };
        let fresh = Membership::new(scene.account.clone(), WORKER_TIMEOUT)
            .of(installation())
            .with_most_requests(MOST_REQUESTS);
        *worker = Arc::new(worker_of(&self.world, fresh.with_rules(rules.clone())));
        if *old != rules {
            self.ruled.insert(member);
            *old = rules;
            self.stats.add("rules of members changed");
            // It may split a batch in two, or void it before it starts.
            self.invariants.disturb(Some(member), self.now);
        }
    }

    /// With everything else repaired the members lift their rules, or leave the modes as they are. A
    /// limit is lifted in any case: a lane that waits for it has not come to rest.
    pub(crate) fn repair_rules(&mut self) {
        for member in 0..self.rules.len() {
            let rules = self.rules.get(member).cloned().unwrap_or_default();
            let rules = if self.profile.stays {
                MemberRules {
                    most_denies: rules.most_denies.filter(|most| *most == 0),
                    ..rules
                }
            } else {
                MemberRules::default()
            };
            self.set_rules(member, rules);
        }
    }

    fn rules_of(&self, lane: &LaneId) -> MemberRules {
        let watched = self.invariants.lanes.get(lane);
        let rules = watched.and_then(|lane| self.rules.get(lane.member));
        rules.cloned().unwrap_or_default()
    }

    /// True if the lane's member has had rules at some time.
    pub(crate) fn was_ruled(&self, lane: &LaneId) -> bool {
        let watched = self.invariants.lanes.get(lane);
        watched.is_some_and(|lane| self.ruled.contains(&lane.member))
    }

    /// True if the lane's member forbids this change at present.
    pub(crate) fn is_kept_back(&self, lane: &LaneId, change: &ProductChange) -> bool {
        forbids(&self.rules_of(lane), change.action)
    }

    /// The newest run reports what the member's rules keep back, and nothing else.
    pub(crate) fn is_reported(
        &self,
        lane: &LaneId,
        kept: &[ProductChange],
    ) -> Result<(), Violation> {
        let (reported, quarantined) = self.world.ledger(|ledger| {
            let name = lane.to_string();
            let mut links = ledger.links.iter().rev();
            let newest = links.find(|((_, of), _)| *of == name);
            let left = newest.into_iter().flat_map(|(_, link)| &link.left_alone);
            let left = left.filter(|left| left.reason == Reason::MemberRules);
            let reported: BTreeSet<_> = left
                .map(|left| ProductChange {
                    product: left.product.clone(),
                    action: left.wanted,
                })
                .collect();
            let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
            let quarantined = items.filter_map(|(_, item)| item.quarantined.as_ref());
            let quarantined: BTreeSet<_> = quarantined.map(Quarantined::change).collect();
            (reported, quarantined)
        });
        let expected = kept.iter().filter(|change| !quarantined.contains(change));
        let expected: BTreeSet<_> = expected.cloned().collect();
        if reported == expected {
            return Ok(());
        }
        broken("member-rules", || {
            format!(
                "{lane} keeps back {expected:?} by {:?}, and the newest run reports {reported:?}",
                self.rules_of(lane)
            )
        })
    }

    /// True if the member of any lane keeps something back: runs ask such a lane for its rules.
    pub(crate) fn anything_is_kept_back(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rules| forbids(rules, Action::Deny))
    }
}

impl Invariants {
    /// A change set was started by an invocation with these rules.
    pub(crate) fn obeyed(
        &self,
        world: &World,
        set: &ChangeSetRecord,
        rules: &MemberRules,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let actions = || set.changes.iter().map(|(_, action)| *action);
        if actions().any(|action| forbids(rules, action)) {
            return broken("member-rules", || {
                format!("{} is started under {rules:?}: {:?}", set.name, set.changes)
            });
        }
        let denies = |changes: &[(_, Action)]| {
            let denies = changes.iter().filter(|(_, a)| *a == Action::Deny);
            denies.count()
        };
        let mine = denies(&set.changes);
        let Some(most) = rules.most_denies.filter(|_| mine > 0) else {
            return Ok(());
        };
        let earlier: usize = world.experiences(|experiences| {
            let sets = experiences.change_sets().iter().filter(|other| {
                other.experience == set.experience
                    && matches!(other.status, Some(ChangeSetStatus::Succeeded(_)))
                    && later(other.ends, DAY) > now
                    && our_name(other).is_some()
                    && !self.forgotten.contains(&other.name)
            });
            sets.map(|other| denies(&other.changes)).sum()
        });
        if earlier + mine > usize::try_from(most).unwrap_or(usize::MAX) {
            return broken("member-rules", || {
                format!(
                    "{} is started with {mine} denies after {earlier} of the last day, {most} are the most",
                    set.name
                )
            });
        }
        Ok(())
    }
}
