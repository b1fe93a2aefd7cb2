//! Edits the product lists of an experience, in the fewest change sets. After an interruption the same
//! edit waits for the change set that is under way and continues with what is left.

use std::collections::BTreeMap;
use std::time::Duration;

use pmp_sync_aws::catalog::admin::{AdminChange, AdminChangeSet, Noted};
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, PolicyId, ProductId};
use pmp_sync_domain::lane::Failed;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{ChangeSetStatus, Clock as _};
use pmp_sync_domain::product_list::{Edit, MOST_NOTE, Refusal, Wanted, difference};
use pmp_sync_domain::records::ListEdit;
use sha2::{Digest as _, Sha256};

use super::{Administrator, Pause, continues};
use crate::failure::Failure;

/// Prefix of the names of these change sets. Events of them start a run, unlike those of the worker's.
const PREFIX: &str = "pmp-sync-list";
/// How often the lists may differ again although everything was applied: somebody else changes them.
const MOST_ROUNDS: usize = 5;
/// How often a change set may fail in sequence because of the service.
const MOST_FAULTS: usize = 5;
/// A change set takes about 4 s, so a longer pause would delay a long edit.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// What the lists should be.
pub(crate) struct ListGoal<'a> {
    /// The experience.
    pub(crate) experience: &'a ExperienceId,
    /// Its policy.
    pub(crate) policy: &'a PolicyId,
    /// The wanted products.
    pub(crate) wanted: &'a Wanted,
    /// True if nothing else is to be allowed.
    pub(crate) exact: bool,
    /// The note of products without one.
    pub(crate) note: Option<&'a str>,
}

/// The result of an edit.
pub(crate) struct EditedLists {
    /// Products that AWS Marketplace rejected individually.
    pub(crate) refused: Vec<Refusal>,
    /// The number of changes that were given up because everything was rejected.
    pub(crate) given_up: usize,
}

/// The record of an edit, which is kept while its command is at work.
pub(crate) struct Kept<'a> {
    /// The ledger that keeps it.
    pub(crate) ledger: &'a Ledger,
    /// The record.
    pub(crate) record: &'a mut ListEdit,
}

impl Kept<'_> {
    async fn keep(&mut self) -> Result<(), Failure> {
        self.record.goes_on(SystemClock.now());
        Ok(self.ledger.put_edit(self.record).await?)
    }

    /// Says from time to time that the command is at work.
    async fn goes_on(&mut self) -> Result<(), Failure> {
        if self.record.is_to_be_repeated(SystemClock.now()) {
            self.keep().await?;
        }
        Ok(())
    }
}

/// How far an edit got with the difference that was read.
enum Progressed {
    /// Every change set of it has ended.
    Through,
    /// Another change set has the lock, or this one has to be tried again.
    Again,
}

impl Administrator<'_> {
    /// Brings the lists to the goal. The record counts the change sets and what they have applied, and is stored with each.
    pub(crate) async fn edit_lists(
        &self,
        goal: &ListGoal<'_>,
        kept: &mut Kept<'_>,
    ) -> Result<EditedLists, Failure> {
        let mut edit = Edit::default();
        let mut pause = Pause::new();
        let mut rounds = 0;
        loop {
            self.wait_for_lock(goal.experience, kept).await?;
            let lists = self.catalog.policy(goal.policy).await?;
            edit.replan(difference(&lists, goal.wanted, goal.exact).plan);
            if edit.todo().is_empty() || edit.is_hopeless() {
                return Ok(EditedLists {
                    given_up: edit.todo().len(),
                    refused: edit.refused().to_vec(),
                });
            }
            if rounds >= MOST_ROUNDS {
                return Err(Failure::NotWell(format!(
                    "{} is not as wanted after {rounds} rounds: somebody else changes it",
                    goal.experience
                )));
            }
            match self.work_through(goal, &mut edit, kept).await? {
                Progressed::Through => rounds += 1,
                Progressed::Again => {
                    self.in_time("another change set is under way", PREFIX)?;
                    kept.goes_on().await?;
                    pause.wait().await;
                }
            }
        }
    }

    /// Starts one change set after the other.
    async fn work_through(
        &self,
        goal: &ListGoal<'_>,
        edit: &mut Edit,
        kept: &mut Kept<'_>,
    ) -> Result<Progressed, Failure> {
        let all = edit.todo().len();
        let mut faults = 0;
        while let Some(batch) = edit.next_set() {
            let done = all - edit.todo().len();
            self.progress.step(format!(
                "changing {}: {done} of {all} done",
                goal.experience
            ));
            let number = kept.record.change_sets.len() + 1;
            let name = format!("{PREFIX}:{}:{number}", kept.record.edit);
            let set = to_set(goal, &batch, name);
            let started = match self.catalog.start(&set).await {
                Err(error) if error.kind == Kind::Locked => {
                    edit.again(batch);
                    return Ok(Progressed::Again);
                }
                started => started?,
            };
            kept.record.started(&started);
            kept.keep().await?;
            match self.wait_for_status(&started, &set.name, kept).await? {
                ChangeSetStatus::Succeeded(_) => {
                    faults = 0;
                    kept.record.has_applied(&batch);
                    edit.applied(&batch);
                }
                ChangeSetStatus::Failed(failed) if is_busy(&failed) => {
                    edit.again(batch);
                    return Ok(Progressed::Again);
                }
                ChangeSetStatus::Failed(failed) => edit.rejected(&batch, &failed, &started),
                ChangeSetStatus::ServerFault(said) => {
                    faults += 1;
                    if faults >= MOST_FAULTS {
                        return Err(Failure::NotWell(format!(
                            "{faults} change sets failed because of a fault of the service: {said}"
                        )));
                    }
                    edit.again(batch);
                }
                ChangeSetStatus::Cancelled => {
                    return Err(Failure::NotWell(format!(
                        "the change set {started} was cancelled by an administrator; the same command goes on"
                    )));
                }
                ChangeSetStatus::Underway => edit.again(batch),
            }
            if edit.is_hopeless() {
                break;
            }
        }
        Ok(Progressed::Through)
    }

    /// Waits until nobody's change set is under way on the experience.
    async fn wait_for_lock(
        &self,
        experience: &ExperienceId,
        kept: &mut Kept<'_>,
    ) -> Result<(), Failure> {
        let newest = self.catalog.newest_on(experience).await?;
        let Some(found) = newest.filter(|found| found.is_under_way) else {
            return Ok(());
        };
        self.progress.step(format!("waiting for {}", found.name));
        let ended = self.wait_for_status(&found.id, &found.name, kept).await;
        ended.map(drop)
    }

    async fn wait_for_status(
        &self,
        id: &ChangeSetId,
        name: &str,
        kept: &mut Kept<'_>,
    ) -> Result<ChangeSetStatus, Failure> {
        let _goes_on = continues(id);
        let mut pause = Pause::up_to(LONGEST_LOOK);
        loop {
            match self.catalog.status(id).await? {
                ChangeSetStatus::Underway => {}
                ended => return Ok(ended),
            }
            self.in_time(&format!("the change set {id} is under way"), name)?;
            kept.goes_on().await?;
            pause.wait().await;
        }
    }
}

fn is_busy(failed: &Failed) -> bool {
    let mut codes = failed.errors.iter().map(|error| error.code.as_str());
    !failed.errors.is_empty() && codes.all(|code| code == "ENTITY_IN_USE")
}

/// The change set of a batch. Its token is that of its name and content.
fn to_set(goal: &ListGoal<'_>, batch: &Plan, name: String) -> AdminChangeSet {
    let part = |action: Action, products: Vec<ProductId>| {
        (!products.is_empty()).then(|| AdminChange::List(action, noted(goal, products)))
    };
    let allow = part(Action::Allow, batch.allow().iter().cloned().collect());
    let deny = part(Action::Deny, batch.deny().iter().cloned().collect());
    let changes: Vec<_> = allow.into_iter().chain(deny).collect();
    let digest = Sha256::digest(format!("{name}\n{}\n{changes:?}", goal.experience));
    let token = digest.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    });
    AdminChangeSet {
        name,
        token,
        experience: Some(goal.experience.clone()),
        changes,
    }
}

/// The products by their notes, each cut to what the service takes.
fn noted(goal: &ListGoal<'_>, products: Vec<ProductId>) -> Vec<Noted> {
    let mut by_note: BTreeMap<Option<String>, Vec<ProductId>> = BTreeMap::new();
    for product in products {
        let own = goal.wanted.products.get(&product);
        let own = own.and_then(|wanted| wanted.notes.as_deref()).or(goal.note);
        let note = own.map(|note| note.chars().take(MOST_NOTE).collect::<String>());
        let note = note.map(|note| note.trim().to_owned());
        let note = note.filter(|note| !note.is_empty());
        by_note.entry(note).or_default().push(product);
    }
    let by_note = by_note.into_iter();
    by_note
        .map(|(notes, products)| Noted { products, notes })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, exact: bool) -> AdminChangeSet {
        let id = "exp-1".parse().unwrap();
        let policy = "procpolicy-1".parse().unwrap();
        let rows = pmp_sync_domain::product_list::read(text.as_bytes())
            .unwrap()
            .rows;
        let wanted = Wanted::new(rows.into_iter().map(|row| {
            let product = row.product.parse().unwrap();
            (row, product)
        }));
        let wanted = wanted.unwrap();
        let goal = ListGoal {
            experience: &id,
            policy: &policy,
            wanted: &wanted,
            exact,
            note: Some("the reason"),
        };
        let plan = difference(
            &pmp_sync_domain::policy::PolicySnapshot::default(),
            &wanted,
            exact,
        )
        .plan;
        to_set(&goal, &plan, "pmp-sync-list:x:1".to_owned())
    }

    #[test]
    fn products_have_their_own_note_or_the_reason_and_no_note_is_too_long() {
        let long = format!("{} and more", "\u{e9}".repeat(50));
        let of = set(
            &format!(
                "id,standing,notes\na,allowed,ours\nb,allowed,\nc,allowed,{long}\nd,denied,ours\n"
            ),
            false,
        );
        let noted = |products: &[&str], notes: &str| Noted {
            products: products.iter().map(|id| id.parse().unwrap()).collect(),
            notes: Some(notes.to_owned()),
        };
        let allowed = vec![
            noted(&["a"], "ours"),
            noted(&["b"], "the reason"),
            noted(&["c"], &"\u{e9}".repeat(50)),
        ];
        assert_eq!(
            of.changes,
            [
                AdminChange::List(Action::Allow, allowed),
                AdminChange::List(Action::Deny, vec![noted(&["d"], "ours")]),
            ]
        );
    }

    #[test]
    fn a_token_is_that_of_the_content() {
        let first = set("a\n", false);
        assert_eq!(first.token.len(), 64);
        assert_eq!(first.token, set("a\n", true).token);
        assert_ne!(first.token, set("b\n", false).token);
    }
}
