//! Management lists that want something, take it back while it is held, and want it again; and runs that override a freeze.

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::wire::{SOURCE, SYNC_REQUESTED};
use serde_json::json;

use crate::simulator::event::{ScheduledEvent, envelope};
use crate::simulator::guards::link_of;
use crate::simulator::scene::{HOUR, LinkScene, MINUTE};
use crate::simulator::state::Simulator;

fn opposite(action: Action) -> Action {
    match action {
        Action::Allow => Action::Deny,
        Action::Deny => Action::Allow,
    }
}

impl Simulator {
    /// The management lists of a lane take back a part of what is held there, or all of it, and may want it again later.
    pub(crate) fn waver(&mut self, lane: &LaneId) {
        let shown = self.guards.lanes.get(lane).and_then(|guard| {
            let hold = guard.hold.as_ref();
            hold.map(|standing| standing.shown.clone())
        });
        let text = self.world.ledger(|ledger| ledger.configs.last().cloned());
        let config = Config::parse(&text.unwrap_or_default()).unwrap_or_default();
        let (Some(shown), Some(link)) = (shown, link_of(&config, lane)) else {
            return;
        };
        let all = self.rng.of("wavers-in-all").once_in(3);
        let mut changes = Vec::new();
        for change in shown.changes() {
            if all || self.rng.of("wavers-in").once_in(2) {
                changes.push((change.product, change.action));
            }
        }
        if changes.is_empty() {
            return;
        }
        self.stats.add("holds taken back in part");
        let back: Vec<_> = changes
            .iter()
            .map(|(product, action)| (product.clone(), opposite(*action)))
            .collect();
        let relapses = self.rng.of("relapses").once_in(2);
        let when = self.now + self.rng.of("relapse-after").between(MINUTE, 2 * HOUR);
        for id in link.sources.iter() {
            self.overlay(id, &back);
            if relapses {
                self.schedule_at(when, ScheduledEvent::Relapses(id.clone(), changes.clone()));
            }
        }
        self.send_management_event();
    }

    /// A management list wants again what it has taken back.
    pub(crate) fn relapse(&mut self, id: &ExperienceId, changes: &[(ProductId, Action)]) {
        self.overlay(id, changes);
        self.send_management_event();
    }

    fn overlay(&mut self, id: &ExperienceId, changes: &[(ProductId, Action)]) {
        let old = self.world.experiences(|all| all.policy(id));
        let new = old.overlaid(changes.iter().map(|(product, action)| (product, *action)));
        self.trace.line(self.now, || format!("{id}: {new:?}"));
        self.world
            .experiences(|all| all.edit(id, |_, policy| policy.clone_from(&new)));
        self.fill_management(id);
    }

    /// An operator overrides the freeze of a link, whose management list may be shorter by then. If none is frozen, one is, and
    /// somebody overrides it later.
    pub(crate) fn override_a_freeze(&mut self) {
        let is_frozen = |link: &LinkScene| link.freeze;
        let follows = |link: &LinkScene| link.mode == Mode::Mirror;
        let places = |of: &dyn Fn(&LinkScene) -> bool| -> Vec<usize> {
            let links = self.scene.links.iter().enumerate();
            let some = links.filter(|(_, link)| of(link));
            some.map(|(place, _)| place).collect()
        };
        let (frozen, others) = (places(&is_frozen), places(&follows));
        let Some(place) = self.rng.of("overridden-link").pick(&frozen).copied() else {
            let place = self.rng.of("frozen-link").pick(&others).copied();
            if let Some(link) = place.and_then(|place| self.scene.links.get_mut(place)) {
                link.freeze = true;
                self.put_config();
                let later = self.rng.of("override-after").between(10 * MINUTE, HOUR);
                self.schedule_at(self.now + later, ScheduledEvent::FreezeOverridden);
            }
            return;
        };
        let Some(link) = self.scene.links.get(place) else {
            return;
        };
        let member = self.scene.members.get(link.member);
        let Some((name, experience)) = member.map(|member| {
            let experience = link.experience;
            let experience = experience.and_then(|place| member.experiences.get(place));
            (member.name, experience.cloned())
        }) else {
            return;
        };
        let management = self.scene.management.get(link.management).cloned();
        if let Some(management) = management
            && self.rng.of("shrink-first").once_in(2)
        {
            self.shrink_management(&management);
        }
        self.stats.add("overrides");
        let scope = match experience {
            Some(experience) => json!({ "experiences": [experience] }),
            None => json!({ "members": [name] }),
        };
        let id = format!("override-{}", self.now);
        let detail = json!({
            "schema": 1, "scope": scope, "request_id": id, "override_reason": "it has to be now",
        });
        let scope = serde_json::from_value(scope).unwrap_or_default();
        self.guards.overrides.insert(id, scope);
        self.ask(envelope(SOURCE, SYNC_REQUESTED, &detail));
    }
}
