//! What operators do: edit lists in either organization, hold locks, suspend, request runs.

mod holds;
mod wavering;

use pmp_sync_domain::ids::{ExperienceId, LaneId, PolicyId, ProductId};
use pmp_sync_domain::lane::{LaneState, Suspension};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::wire::{SOURCE, SYNC_REQUESTED};
use serde_json::json;

use super::event::{ScheduledEvent, envelope};
use super::scene::{HOUR, at};
use super::state::Simulator;

impl Simulator {
    pub(crate) fn request_sync(&mut self) {
        self.stats.add("requests: sync");
        let member = self
            .rng
            .of("sync-member")
            .pick(&self.scene.members)
            .cloned();
        let scope = match (self.rng.of("sync-scope").below(3), member) {
            (0, Some(member)) => json!({ "members": [member.name] }),
            (1, Some(member)) => json!({ "experiences": member.experiences }),
            _ => json!({}),
        };
        let id = format!("request-{}", self.now);
        let mut detail = json!({ "schema": 1, "scope": scope, "request_id": id });
        if self.rng.of("override").once_in(4) {
            self.stats.add("overrides");
            let scope = serde_json::from_value(scope).unwrap_or_default();
            self.guards.overrides.insert(id, scope);
            if let Some(detail) = detail.as_object_mut() {
                detail.insert("override_reason".to_owned(), json!("it has to be now"));
            }
        }
        self.ask(envelope(SOURCE, SYNC_REQUESTED, &detail));
    }

    /// A few products, in a big world sometimes many.
    fn some_products(&mut self) -> Vec<ProductId> {
        let most = if self.profile.big && self.rng.of("many-products").once_in(2) {
            self.scene.products.len()
        } else {
            3
        };
        let count = self.rng.of("product-count").count(1, most);
        (0..count)
            .filter_map(|_| self.rng.of("product").pick(&self.scene.products).cloned())
            .collect()
    }

    pub(crate) fn edit_management(&mut self) {
        let Some(id) = self
            .rng
            .of("edited-management")
            .pick(&self.scene.management)
            .cloned()
        else {
            return;
        };
        self.stats.add("management lists changed");
        let old = self.world.experiences(|all| all.policy(&id));
        let (mut allowed, mut denied) = (old.allowed().clone(), old.denied().clone());
        for product in self.some_products() {
            allowed.remove(&product);
            denied.remove(&product);
            match self.rng.of("management-standing").below(5) {
                0 | 1 => allowed.insert(product),
                2 | 3 => denied.insert(product),
                _ => false,
            };
        }
        let new = PolicySnapshot::new(allowed, denied);
        self.trace.line(self.now, || format!("{id}: {new:?}"));
        self.world
            .experiences(|all| all.edit(&id, |_, policy| *policy = new));
        if !self.rng.of("fill-edited").once_in(6) {
            self.fill_management(&id);
        }
        self.send_management_event();
    }

    /// Without its policy, an experience allows everything and lists nothing.
    pub(crate) fn lose_policy(&mut self, id: &ExperienceId, gone: bool) {
        self.stats
            .more("management policies gone for a while", u64::from(gone));
        let policy = PolicyId::new(id.as_str().replacen("exp-", "procpolicy-", 1)).ok();
        let policy = policy.filter(|_| !gone);
        self.world
            .experiences(|all| all.edit(id, |experience, _| experience.policy = policy));
    }

    pub(crate) fn read_short(&mut self, id: &ExperienceId) {
        self.stats.add("management lists read short");
        let allowed = self.world.experiences(|all| all.policy(id).allowed().len());
        let most = self
            .rng
            .of("short-read")
            .count(0, allowed.saturating_sub(1));
        self.world.experiences(|all| all.read_short(id, most));
        if self.rng.of("short-read-event").once_in(2) {
            self.send_management_event();
        }
    }

    /// A list loses every other product or so.
    pub(crate) fn shrink_management(&mut self, id: &ExperienceId) {
        self.stats.add("management lists shrunk");
        let old = self.world.experiences(|all| all.policy(id));
        let keep = self.rng.of("shrink-keep").below(101);
        let mut kept = old.allowed().clone();
        kept.retain(|_| self.rng.of("shrink-product").percent(keep));
        let new = PolicySnapshot::new(kept, old.denied().iter().cloned());
        self.trace.line(self.now, || format!("{id}: {new:?}"));
        self.world
            .experiences(|all| all.edit(id, |_, policy| *policy = new));
        if !self.rng.of("fill-shrunk").once_in(4) {
            self.fill_management(id);
        }
        self.send_management_event();
    }

    /// A list loses one product, and another one in an hour.
    pub(crate) fn erode_management(&mut self, id: ExperienceId) {
        let old = self.world.experiences(|all| all.policy(&id));
        let allowed: Vec<_> = old.allowed().iter().collect();
        if let Some(gone) = self
            .rng
            .of("eroded-product")
            .pick(&allowed)
            .filter(|_| allowed.len() > 1)
        {
            self.stats.add("management lists eroded");
            let deny = [(*gone, Action::Deny)];
            let new = old.overlaid(deny);
            self.world
                .experiences(|all| all.edit(&id, |_, policy| *policy = new));
        } else {
            let new = self.scene.random_policy(self.rng.next("random-lists"));
            self.world
                .experiences(|all| all.edit(&id, |_, policy| *policy = new));
        }
        let next = self.now + HOUR;
        self.schedule_at(next, ScheduledEvent::Erodes(id));
    }

    /// An emptied list is taken for a mistake, and must deny nothing; it comes back within the hour.
    pub(crate) fn empty_management(&mut self, id: &ExperienceId) {
        let policy = self.world.experiences(|all| all.policy(id));
        let is_empty = policy.allowed().is_empty();
        let new = if is_empty {
            self.scene.random_policy(self.rng.next("random-lists"))
        } else {
            self.stats.add("management lists emptied");
            let back = self.now + self.rng.of("emptied-for").between(1_000, 40 * 60_000);
            self.schedule_at(back, ScheduledEvent::ManagementEmptied(id.clone()));
            PolicySnapshot::default()
        };
        self.world
            .experiences(|all| all.edit(id, |_, policy| *policy = new));
        self.send_management_event();
    }

    /// A management list allows one product at least.
    pub(crate) fn fill_management(&mut self, id: &ExperienceId) {
        let first = self.scene.products.first().cloned();
        self.world.experiences(|all| {
            all.edit(id, |_, policy| {
                if policy.allowed().is_empty() {
                    let filled = policy.overlaid(first.iter().map(|p| (p, Action::Allow)));
                    *policy = filled;
                }
            });
        });
    }

    pub(crate) fn is_locked(&self, id: &ExperienceId) -> bool {
        self.world.experiences(|all| {
            let mut sets = all.change_sets().iter();
            sets.any(|set| set.experience == *id && set.status.is_none())
        })
    }

    pub(crate) fn edit_member(&mut self) {
        let lanes = self.scene.lanes();
        let Some((lane, _)) = self.rng.of("edited-member").pick(&lanes).cloned() else {
            return;
        };
        if self.is_locked(&lane.experience) {
            return;
        }
        self.stats.add("member lists changed by hand");
        let products = self.some_products();
        let changes: Vec<_> = products
            .into_iter()
            .map(|product| {
                let allow = self.rng.of("member-standing").once_in(2);
                (product, if allow { Action::Allow } else { Action::Deny })
            })
            .collect();
        self.trace.line(self.now, || format!("{lane}: {changes:?}"));
        self.edit_by_hand(&lane, changes);
    }

    pub(crate) fn lock_member(&mut self) {
        let lanes = self.scene.lanes();
        let Some((lane, _)) = self.rng.of("locked-member").pick(&lanes).cloned() else {
            return;
        };
        if self.is_locked(&lane.experience) {
            return;
        }
        self.stats.add("foreign locks");
        let ends = self.now + self.rng.of("lock-length").between(1_000, 600_000);
        self.world
            .experiences(|all| all.lock_until(&lane.experience, at(self.now), at(ends)));
    }

    /// Like the operator's command: first the item, then the marks of the known lanes.
    pub(crate) fn suspend(&mut self) {
        self.stats.add("suspensions");
        let suspension = Suspension {
            by: Some("operator".to_owned()),
            since: at(self.now),
        };
        let lanes = self.scene.lanes();
        let Some((lane, member)) = self.rng.of("suspended-lane").pick(&lanes).cloned() else {
            return;
        };
        let kind = self.rng.of("suspended-kind").below(3);
        let name = self.scene.members.get(member).map(|m| m.name.parse());
        self.world.ledger(|ledger| {
            ledger.suspensions.rev += 1;
            match (kind, name) {
                (0, Some(Ok(name))) => {
                    ledger.suspensions.members.insert(name, suspension.clone());
                }
                (1, _) => {
                    let experience = lane.experience.clone();
                    ledger
                        .suspensions
                        .links
                        .insert(experience, suspension.clone());
                }
                _ => ledger.suspensions.all = Some(suspension.clone()),
            }
        });
        let held = |id: &LaneId| match kind {
            0 => id.account == lane.account,
            1 => *id == lane,
            _ => true,
        };
        self.mark_known(held, Some(&suspension));
    }

    pub(crate) fn resume(&mut self) {
        let was_on = self.world.ledger(|ledger| {
            let suspensions = &mut ledger.suspensions;
            suspensions.rev += 1;
            let links = !std::mem::take(&mut suspensions.links).is_empty();
            let members = !std::mem::take(&mut suspensions.members).is_empty();
            suspensions.all.take().is_some() || links || members
        });
        if was_on {
            self.mark_known(|_| true, None);
        }
    }

    /// The command may die before it has marked every lane: the next run does it then.
    fn mark_known(&mut self, held: impl Fn(&LaneId) -> bool, suspension: Option<&Suspension>) {
        let known: Vec<_> = self
            .world
            .ledger(|ledger| ledger.entries.keys().cloned().collect());
        let mut when = self.now;
        for lane in known.into_iter().filter(held) {
            if !self.repaired && self.rng.of("cut-off-command").once_in(6) {
                return;
            }
            when += self.rng.of("command-pace").between(1, 200);
            self.schedule_at(when, ScheduledEvent::Mark(lane, suspension.cloned()));
        }
    }

    pub(crate) fn mark(&mut self, lane: &LaneId, suspension: Option<&Suspension>) {
        self.world.ledger(|ledger| {
            let state = ledger.lanes.get(lane).cloned().unwrap_or_default();
            let marked = match suspension {
                Some(suspension) => state.suspended(suspension.clone()),
                None => state.resumed(),
            };
            if let Ok(marked) = marked {
                let next = LaneState {
                    rev: state.rev + 1,
                    updated_at: Some(at(self.now)),
                    ..marked
                };
                ledger.put_lane(lane, next);
            }
        });
    }
}
