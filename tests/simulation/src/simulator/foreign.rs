//! What others do: they purge dead letters, and start change sets with names of pmp-sync: those of an installation
//! that was destroyed and deployed again, of a second installation, and copies of a name.

use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, InstallationId, LaneId};
use pmp_sync_domain::lane::{ChangeError, Failed, OtherInstallation, Phase};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_fakes::{ChangeSetRecord, Written};

use super::invariants::{FOREIGN, Violation, broken};
use super::scene::{HOUR, MINUTE, at, installation};
use super::state::Simulator;

/// What the random part of an old name may be that is not random.
const NOT_RANDOM: u128 = 0;

fn another() -> InstallationId {
    InstallationId::of_ledger("the ledger of somebody else")
}

impl Simulator {
    /// What an earlier installation left on half of the experiences: its change sets have the numbers
    /// with which the lanes begin.
    pub(crate) fn add_old_sets(&mut self) {
        for (lane, _) in self.scene.lanes() {
            let mut rng = self.rng.next("old-sets");
            if rng.of("none").once_in(2) {
                continue;
            }
            for seq in 1..=rng.of("count").between(1, 6).unsigned_abs() {
                let name = if rng.of("short").once_in(2) {
                    ChangeSetName {
                        experience: lane.experience.clone(),
                        seq,
                        mark: None,
                    }
                } else {
                    ChangeSetName::new(lane.experience.clone(), seq, installation(), NOT_RANDOM)
                };
                let product = rng.of("product").pick(&self.scene.products).cloned();
                let action = if rng.of("deny").once_in(2) {
                    Action::Deny
                } else {
                    Action::Allow
                };
                let status = if rng.of("failed").once_in(2) {
                    let error = ChangeError {
                        action,
                        code: "INVALID_PRODUCT".to_owned(),
                        message: "of long ago".to_owned(),
                    };
                    ChangeSetStatus::Failed(Failed {
                        errors: vec![error],
                        description: None,
                    })
                } else {
                    ChangeSetStatus::Succeeded(Some(1))
                };
                self.invariants.reserve(name.to_string());
                let changes = product.map(|product| (product, action));
                self.add_foreign(&lane, &name, -HOUR, (-HOUR + MINUTE, Some(status)), |set| {
                    set.changes.extend(changes);
                });
            }
            self.stats.add("experiences with old change sets");
        }
    }

    fn add_foreign(
        &self,
        lane: &LaneId,
        name: &ChangeSetName,
        started: i64,
        (ends, status): (i64, Option<ChangeSetStatus>),
        edit: impl FnOnce(&mut ChangeSetRecord),
    ) {
        self.world.experiences(|all| {
            let number = all.change_sets().len() + 1;
            let Ok(id) = ChangeSetId::new(format!("other{number:08}")) else {
                return;
            };
            let mut set = ChangeSetRecord {
                id,
                name: name.to_string(),
                token: format!("{FOREIGN}{number}"),
                experience: lane.experience.clone(),
                changes: Vec::new(),
                creates_policy: false,
                started: at(started),
                ends: at(ends),
                status,
            };
            edit(&mut set);
            all.add_set(set);
        });
    }

    /// The dead letters of a member expire, or somebody purges the queue.
    pub(crate) fn lose_letters(&mut self) {
        let members = &self.scene.members;
        let picked = self.rng.of("lost-letters").pick(members);
        let Some(account) = picked.map(|member| member.account.clone()) else {
            return;
        };
        let lost = self
            .world
            .letters_of(&account, |letters| std::mem::take(letters).len());
        if lost > 0 {
            self.stats.add("dead-letter queues purged");
            self.letters_lost.insert(account);
        }
    }

    /// A second installation starts a change set on a member experience.
    pub(crate) fn start_another_installations(&mut self) {
        let lanes = self.scene.lanes();
        let Some((lane, _)) = self.rng.of("other-lane").pick(&lanes).cloned() else {
            return;
        };
        if self.is_locked(&lane.experience) {
            return;
        }
        self.stats.add("change sets of another installation");
        let random = u128::from(self.rng.of("other-name").draw());
        let name = ChangeSetName::new(lane.experience.clone(), 7, another(), random);
        let ends = self.now + self.rng.of("other-length").between(1_000, 60_000);
        self.add_foreign(&lane, &name, self.now, (ends, None), |_| {});
    }

    /// Somebody starts a change set with the name of an intent that has just been written, before the
    /// worker does: with other content, so that it is not the intent's.
    pub(crate) fn copy_name(&mut self, written: &Written) {
        let state = &written.state;
        let lane = &written.lane;
        let Some(name) = state.change_set_name(&lane.experience) else {
            return;
        };
        let known = self.invariants.lanes.get(lane);
        if state.phase != Phase::Starting
            || known.is_some_and(|known| known.state.seq == state.seq)
            || self.repaired
            || self.profile.calm
            || !self.rng.of("copied-name").once_in(40)
            || self.is_locked(&lane.experience)
        {
            return;
        }
        self.stats.add("change sets with a copied name");
        let ends = self.now + self.rng.of("copy-length").between(1_000, 60_000);
        self.add_foreign(lane, &name, self.now, (ends, None), |_| {});
    }

    /// An ended change set of another installation was reported to a lane that had a plan.
    pub(crate) fn saw_another(&mut self, lane: &LaneId, set: &ChangeSetRecord) {
        let name: Option<ChangeSetName> = set.name.parse().ok();
        let is_other = name.is_some_and(|name| {
            OtherInstallation::of(&name, &set.id, at(self.now), &installation()).is_some()
        });
        let planned = self.invariants.lanes.get(lane);
        if is_other && planned.is_some_and(|known| known.state.planned.is_some()) {
            self.contested.insert(lane.clone());
        }
    }

    /// Every lane that another installation was reported to knows it.
    pub(crate) fn others_are_known(&self) -> Result<(), Violation> {
        for lane in &self.contested {
            let state = self.world.ledger(|ledger| ledger.lanes.get(lane).cloned());
            let other = state.and_then(|state| state.other);
            if other.is_none_or(|other| other.installation != another()) {
                return broken("own-sets", || {
                    format!("another installation changes {lane}, and the lane does not know it")
                });
            }
        }
        Ok(())
    }
}
