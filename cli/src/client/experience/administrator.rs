//! Brings an experience to the wanted state: reads what exists, starts the next change set, waits
//! for it, and reads again. After an interruption it continues from what exists.

pub(crate) mod lists;

use std::time::Duration;

use aws_config::SdkConfig;
use pmp_sync_aws::catalog::admin::{AdminChange, AdminChangeSet, CatalogAdmin, Ended, Found};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::{Experience, Status};
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::decide::{self, Next, Wanted};
use super::named::read;
use crate::client::signals::{GoesOn, goes_on};
use crate::failure::Failure;
use crate::progress::Progress;

/// Prefix of the names of these change sets. It differs from the worker's prefix, whose events are
/// for the lanes.
const PREFIX: &str = "pmp-sync-admin";
/// The most change sets for one step. One that fails because of the service is tried again.
const MOST_STARTS: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The catalog of one account, in the hands of an operator.
pub(crate) struct Administrator<'a> {
    pub(crate) catalog: CatalogAdmin,
    progress: &'a Progress,
    seconds: u64,
    ends: Instant,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) experience: ExperienceId,
    /// False if the state was as wanted already.
    pub(crate) changed: bool,
}

/// A signal ends only the command.
fn continues(change_set: &ChangeSetId) -> GoesOn {
    goes_on(format!(
        "AWS Marketplace continues with the change set {change_set}; the same command waits for it, and does what is left"
    ))
}

/// A growing pause.
struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    fn new() -> Self {
        Self::up_to(LONGEST_PAUSE)
    }

    fn up_to(longest: Duration) -> Self {
        Self {
            next: FIRST_PAUSE,
            longest,
        }
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.longest);
    }
}

impl<'a> Administrator<'a> {
    /// `seconds` limits the total wait.
    pub(crate) fn new(config: &SdkConfig, progress: &'a Progress, seconds: u64) -> Self {
        Self {
            catalog: CatalogAdmin::new(config),
            progress,
            seconds,
            ends: Instant::now() + Duration::from_secs(seconds),
        }
    }

    /// Brings an experience to the wanted state. `which` may be none only if the experience is to
    /// be created.
    pub(crate) async fn settle(
        &self,
        which: Option<&ExperienceId>,
        wanted: &Wanted,
    ) -> Result<Settled, Failure> {
        let subject = match (which, wanted) {
            (Some(id), _) => id.to_string(),
            (None, Wanted::Made { name }) => name.clone(),
            (None, _) => String::new(),
        };
        let name = format!("{PREFIX}:{}:{subject}", wanted.verb());
        let (mut starts, mut changed) = (0, false);
        let mut pause = Pause::new();
        loop {
            // Read before the entities, so that what has ended by now is visible in them.
            let newest = self.catalog.newest(&name).await?;
            let mut ended = None;
            if let Some(found) = &newest {
                if found.is_under_way {
                    self.progress.step(format!("waiting for {name}"));
                }
                // Also reads what the change set created, because a list may not have it yet.
                let may_have_made = which.is_none();
                if found.is_under_way || may_have_made {
                    ended = Some(self.wait(&found.id, &name).await?);
                }
            }
            let (id, changes) = match self.next(which, wanted, ended.as_ref()).await? {
                Next::Done(experience) => {
                    let changed = changed || newest.is_some_and(|found| found.is_under_way);
                    return Ok(Settled {
                        experience,
                        changed,
                    });
                }
                Next::Refuse { message, remedy } => {
                    return Err(Failure::CommandLine { message, remedy });
                }
                Next::Start(id, changes) => (id, changes),
            };
            if starts >= MOST_STARTS {
                return Err(Failure::NotWell(format!(
                    "{starts} change sets named {name} have not brought it about"
                )));
            }
            let set = AdminChangeSet {
                token: token(&name, id.as_ref(), &changes, newest.as_ref()),
                name: name.clone(),
                experience: id,
                changes,
            };
            self.progress.step(format!("{}: {subject}", wanted.verb()));
            let started = match self.catalog.start(&set).await {
                Err(error) if error.kind == Kind::Locked => {
                    self.in_time("another change set is under way", &name)?;
                    self.progress.detail("another change set is under way");
                    pause.wait().await;
                    continue;
                }
                started => started?,
            };
            starts += 1;
            changed = true;
            match self.wait(&started, &name).await? {
                Ended::Succeeded(_) => {}
                Ended::Failed(errors) if is_busy(&errors) => {
                    starts -= 1;
                    self.in_time("the audience is being changed", &name)?;
                    pause.wait().await;
                }
                // Somebody else was faster. If the state is as wanted, nothing is left to do.
                Ended::Failed(errors) if exists(&errors) => {
                    let next = self.next(which, wanted, None).await?;
                    if matches!(next, Next::Start(..)) {
                        return Err(refused(&name, &started, &errors));
                    }
                }
                Ended::Failed(errors) => return Err(refused(&name, &started, &errors)),
                Ended::ServerFault(_) => pause.wait().await,
                Ended::Cancelled => {
                    return Err(Failure::NotWell(format!(
                        "the change set {started} ({name}) was cancelled by an administrator"
                    )));
                }
            }
        }
    }

    /// Takes principals out of the audience of an experience, also of an archived one, which is
    /// archived again afterwards. Returns false if nothing was to be done.
    pub(crate) async fn release(
        &self,
        id: &ExperienceId,
        principals: &[String],
    ) -> Result<bool, Failure> {
        let archived = read(&self.catalog, id).await?.archived;
        let mut opened = !archived && self.is_open(id).await?;
        let audiences = self.catalog.audiences().await?;
        let there = decide::principals(&audiences, id);
        let mut changed = false;
        if principals.iter().any(|one| there.contains(one)) {
            if archived {
                // An archived experience cannot be changed.
                self.settle(Some(id), &Wanted::Opened).await?;
                opened = true;
            }
            let wanted = Wanted::NoAudience {
                principals: principals.to_vec(),
            };
            changed |= self.settle(Some(id), &wanted).await?.changed;
        }
        if opened && read(&self.catalog, id).await?.status == Status::Disabled {
            changed |= self.settle(Some(id), &Wanted::Closed).await?.changed;
        }
        Ok(changed)
    }

    /// True if an experience was taken out of the archive by [`Self::release`] and is not archived
    /// again, because the command was interrupted.
    pub(crate) async fn is_open(&self, id: &ExperienceId) -> Result<bool, Failure> {
        let name = |wanted: Wanted| format!("{PREFIX}:{}:{id}", wanted.verb());
        let Some(opened) = self.catalog.newest(&name(Wanted::Opened)).await? else {
            return Ok(false);
        };
        let closed = self.catalog.newest(&name(Wanted::Closed)).await?;
        Ok(closed.is_none_or(|closed| closed.started < opened.started))
    }

    /// Decides the next step from what exists.
    async fn next(
        &self,
        which: Option<&ExperienceId>,
        wanted: &Wanted,
        ended: Option<&Ended>,
    ) -> Result<Next, Failure> {
        let there = match which {
            Some(id) => Some(read(&self.catalog, id).await?),
            None => None,
        };
        let lost = || {
            let message = "no experience is named".to_owned();
            let remedy = "name it with --experience".to_owned();
            Next::Refuse { message, remedy }
        };
        Ok(match (wanted, &there) {
            (Wanted::Made { name }, Some(one)) => decide::made(name, std::slice::from_ref(one)),
            (Wanted::Made { name }, None) => decide::made(name, &self.named(name, ended).await?),
            (Wanted::Audience { principals }, Some(one)) => {
                decide::audience(one, &self.catalog.audiences().await?, principals)
            }
            (Wanted::NoAudience { principals }, Some(one)) => {
                decide::no_audience(one, &self.catalog.audiences().await?, principals)
            }
            (Wanted::Enabled(wanted), Some(one)) => decide::enabled(one, *wanted),
            (Wanted::Archived | Wanted::Closed, Some(one)) => decide::archived(one),
            (Wanted::Revived | Wanted::Opened, Some(one)) => decide::revived(one),
            (_, None) => lost(),
        })
    }

    /// Finds every experience with that name. One that a change set just created may be missing in
    /// the list.
    async fn named(&self, name: &str, ended: Option<&Ended>) -> Result<Vec<Experience>, Failure> {
        let all = self.catalog.names().await?.into_iter();
        let mut ids: Vec<_> = all
            .filter(|(_, other)| other == name)
            .map(|(id, _)| id)
            .collect();
        if let Some(Ended::Succeeded(made)) = ended {
            let unseen: Vec<_> = made
                .iter()
                .filter(|id| !ids.contains(id))
                .cloned()
                .collect();
            ids.extend(unseen);
        }
        let mut found = Vec::new();
        for id in ids {
            let experience = self.catalog.experience(&id).await?;
            // It may have been renamed since then.
            if experience.name == name {
                found.push(experience);
            }
        }
        Ok(found)
    }

    /// Waits until a change set has ended.
    async fn wait(&self, id: &ChangeSetId, name: &str) -> Result<Ended, Failure> {
        let _goes_on = continues(id);
        let mut pause = Pause::new();
        loop {
            if let Some(ended) = self.catalog.ended(id).await? {
                return Ok(ended);
            }
            self.in_time(&format!("the change set {id} is under way"), name)?;
            self.progress
                .detail(format!("{name}: the change set {id} is under way"));
            pause.wait().await;
        }
    }

    fn in_time(&self, what: &str, name: &str) -> Result<(), Failure> {
        if Instant::now() < self.ends {
            return Ok(());
        }
        Err(Failure::Late(format!(
            "{what} after {} s ({name}); the same command goes on with it",
            self.seconds
        )))
    }
}

/// The token of a step. It stays the same until its change set has ended, so that a repetition
/// after a crash starts nothing twice.
fn token(
    name: &str,
    experience: Option<&ExperienceId>,
    changes: &[AdminChange],
    after: Option<&Found>,
) -> String {
    let after = after.map(|found| found.id.as_str());
    let content = format!("{name}\n{experience:?}\n{changes:?}\n{after:?}");
    let mut text = String::new();
    for byte in Sha256::digest(content) {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn has_code(errors: &[(String, String)], wanted: &str) -> bool {
    !errors.is_empty() && errors.iter().all(|(code, _)| code == wanted)
}

fn is_busy(errors: &[(String, String)]) -> bool {
    has_code(errors, "ENTITY_IN_USE")
}

fn exists(errors: &[(String, String)]) -> bool {
    has_code(errors, "ENTITY_ALREADY_EXISTS")
}

fn refused(name: &str, id: &ChangeSetId, errors: &[(String, String)]) -> Failure {
    let words: Vec<_> = errors
        .iter()
        .map(|(code, message)| format!("{code}: {message}"))
        .collect();
    let message = format!("the change set {id} failed: {}", words.join("; "));
    Failure::Service(ServiceError::new(
        "StartChangeSet",
        name,
        Kind::Refused,
        message,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_until_something_has_ended() {
        let changes = [AdminChange::SetEnabled(true)];
        let id = "exp-1".parse().unwrap();
        let found = Found {
            id: "cs1".parse().unwrap(),
            name: "name".to_owned(),
            is_under_way: false,
            started: String::new(),
        };
        let first = token("name", Some(&id), &changes, None);
        assert_eq!(first, token("name", Some(&id), &changes, None));
        assert!((1..=64).contains(&first.len()));
        for other in [
            token("other", Some(&id), &changes, None),
            token("name", None, &changes, None),
            token("name", Some(&id), &[AdminChange::SetEnabled(false)], None),
            token("name", Some(&id), &changes, Some(&found)),
        ] {
            assert_ne!(first, other);
        }
    }
}
