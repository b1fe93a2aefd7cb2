//! The configuration of a run, and the suspensions.

use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{ExperienceId, LaneId};
use pmp_sync_domain::lane::Suspension;
use pmp_sync_domain::link::{Link, LinkPolicy, Target};
use pmp_sync_domain::ports::{ReadRuns, StoredConfig};
use pmp_sync_domain::records::Suspensions;
use pmp_sync_domain::wire::Scope;

/// A configuration with its version and the suspensions.
pub(crate) struct Setup {
    pub(crate) version: u64,
    pub(crate) config: Config,
    pub(crate) suspensions: Suspensions,
    /// Scopes that are planned as if they were not frozen.
    pub(crate) overridden: Vec<Scope>,
}

impl Setup {
    /// Reads the newest configuration.
    pub(crate) async fn read<L: ReadRuns>(ledger: &L) -> Result<Self, RunError> {
        let stored = ledger.config().await?.ok_or(RunError::NoConfig)?;
        Self::of(ledger, &stored).await
    }

    pub(crate) async fn of<L: ReadRuns>(
        ledger: &L,
        stored: &StoredConfig,
    ) -> Result<Self, RunError> {
        let config = Config::parse(&stored.text)
            .map_err(|error| RunError::Config(stored.version, error.to_string()))?;
        Ok(Self {
            version: stored.version,
            config,
            suspensions: ledger.suspensions().await?,
            overridden: Vec::new(),
        })
    }

    /// What a link may do on one experience in this run.
    pub(crate) fn policy(&self, link: &Link, experience: &ExperienceId) -> LinkPolicy {
        let mut scopes = self.overridden.iter();
        let overridden = scopes.any(|scope| scope.covers(&link.member.name, experience));
        LinkPolicy {
            frozen: link.policy.frozen && !overridden,
            ..link.policy.clone()
        }
    }

    /// The suspension of the link on one experience.
    pub(crate) fn suspension(&self, link: &Link, experience: &ExperienceId) -> Option<&Suspension> {
        let lane = link.lane_of(experience);
        self.suspensions.holds(&link.member.name, &lane)
    }

    /// The links of which the scopes may cover something.
    pub(crate) fn links_in<'a>(&'a self, scopes: &[Scope]) -> Vec<&'a Link> {
        let links = self.config.links.iter();
        links.filter(|link| in_scope(link, scopes)).collect()
    }

    /// True if a link names the lane, or may cover it with `*`.
    pub(crate) fn serves(&self, lane: &LaneId) -> bool {
        let mut links = self.config.links.iter();
        links.any(|link| {
            link.member.account == lane.account
                && match &link.target {
                    Target::One(experience) => *experience == lane.experience,
                    Target::EveryLive => self.config.is_free(&lane.experience),
                }
        })
    }

    /// The link that may serve a lane. A link that names it takes precedence over `*`.
    pub(crate) fn link_of(&self, lane: &LaneId) -> Option<&Link> {
        let of_member = || {
            let links = self.config.links.iter();
            links.filter(|link| link.member.account == lane.account)
        };
        let is_free = self.config.is_free(&lane.experience);
        of_member()
            .find(|link| link.target == Target::One(lane.experience.clone()))
            .or_else(|| of_member().find(|link| is_free && link.target == Target::EveryLive))
    }
}

/// True if any of the scopes may cover something of the link.
pub(crate) fn in_scope(link: &Link, scopes: &[Scope]) -> bool {
    scopes.iter().any(|scope| match &link.target {
        Target::One(experience) => scope.covers(&link.member.name, experience),
        Target::EveryLive => scope.members.is_empty() || scope.members.contains(&link.member.name),
    })
}
