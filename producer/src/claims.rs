//! Which lane has an experience that `*` links of several members can see. The id of an experience is
//! unique in the whole service, but it may be visible to more than one account, such as to the
//! management account of an organization and to its delegated administrator. Two lanes of one experience
//! would change the same lists, each with its own queue and its own plan. So the first lane keeps it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures::lock::Mutex;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::ports::ReadRuns;
use pmp_sync_domain::records::{Found, LaneEntry};

use crate::setup::Setup;
use crate::targets::Targets;

/// The experiences that the `*` links of one invocation have taken. Runs are serial, and a lane is
/// entered into the ledger before a plan is committed to it. So this and the entries of the ledger
/// are complete.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The lanes of the ledger, once they are needed.
    entries: Option<Found<LaneEntry>>,
    taken: BTreeMap<ExperienceId, AccountId>,
}

impl Claims {
    /// Leaves out the experiences that are of another member's lane, and takes the others.
    pub(crate) async fn take<L: ReadRuns>(
        &self,
        ledger: &L,
        setup: &Setup,
        link: &Link,
        mut targets: Targets,
    ) -> Result<Targets, LinkError> {
        if !may_share(setup, link) {
            return Ok(targets);
        }
        let mut known = self.0.lock().await;
        let mut mine = Vec::new();
        for experience in targets.experiences {
            let refused = known.refuse(ledger, setup, link, &experience).await?;
            if let Some(error) = refused {
                targets.left_out.push((experience, error));
                continue;
            }
            let account = link.member.account.clone();
            known.taken.insert(experience.clone(), account);
            mine.push(experience);
        }
        targets.experiences = mine;
        Ok(targets)
    }

    /// Fails if the experience is of another member's lane.
    pub(crate) async fn check<L: ReadRuns>(
        &self,
        ledger: &L,
        setup: &Setup,
        link: &Link,
        experience: &ExperienceId,
    ) -> Result<(), LinkError> {
        if !may_share(setup, link) {
            return Ok(());
        }
        let mut known = self.0.lock().await;
        let refused = known.refuse(ledger, setup, link, experience).await?;
        refused.map_or(Ok(()), Err)
    }
}

impl Known {
    async fn refuse<L: ReadRuns>(
        &mut self,
        ledger: &L,
        setup: &Setup,
        link: &Link,
        experience: &ExperienceId,
    ) -> Result<Option<LinkError>, LinkError> {
        let entries = match self.entries.take() {
            Some(entries) => entries,
            None => ledger.lanes().await.map_err(LinkError::Ledger)?,
        };
        let entries = self.entries.insert(entries);
        let account = &link.member.account;
        let of_entry = owner(setup, &entries.items, experience).map(|entry| &entry.lane.account);
        // When these lanes were planned for is not known.
        let unreadable = entries.unreadable.iter().filter_map(|item| {
            let lane = item.lane()?;
            let may_own = lane.experience == *experience && setup.serves(lane);
            may_own.then_some((&lane.account, item))
        });
        let mut owner = self.taken.get(experience).or(of_entry);
        if !self.taken.contains_key(experience) {
            for (account, item) in unreadable {
                if owner.is_some_and(|owner| owner != account) {
                    return Ok(Some(LinkError::Ledger(item.error.clone())));
                }
                owner = Some(account);
            }
        }
        Ok(owner.filter(|owner| *owner != account).and_then(|owner| {
            let members = &mut setup.config.members.values();
            let owner = members.find(|member| member.account == *owner)?;
            Some(LinkError::Shared(experience.clone(), owner.name.clone()))
        }))
    }
}

/// The lane that has the experience, of those that links still serve: the one that was planned for
/// last.
pub(crate) fn owner<'e>(
    setup: &Setup,
    entries: &'e [LaneEntry],
    experience: &ExperienceId,
) -> Option<&'e LaneEntry> {
    let of_lanes = entries.iter();
    let of_lanes = of_lanes.filter(|entry| entry.lane.experience == *experience);
    let served = of_lanes.filter(|entry| setup.serves(&entry.lane));
    served.max_by_key(|entry| (entry.run, Reverse(entry.lane.account.clone())))
}

/// True if the lane is of a `*` link, and the experience is of another member's lane.
pub(crate) fn is_anothers(setup: &Setup, entries: &[LaneEntry], lane: &LaneId) -> bool {
    let owner = owner(setup, entries, &lane.experience);
    owner.is_some_and(|entry| entry.lane.account != lane.account)
}

/// True if `*` of another member might cover the same experiences. What a link names is no one
/// else's.
fn may_share(setup: &Setup, link: &Link) -> bool {
    let is_other = |other: &Link| {
        other.target == Target::EveryLive && other.member.account != link.member.account
    };
    link.target == Target::EveryLive && setup.config.links.iter().any(is_other)
}
