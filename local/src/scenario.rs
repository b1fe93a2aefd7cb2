//! A complete installation for tests and the demo: stacks, organizations, experiences, a
//! configuration, and the requests of an operator.

use std::time::Duration;

use pmp_sync_aws::bus::EventBus;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::system::{SystemClock, SystemEntropy};
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::ports::{Bus as _, Clock as _, Entropy as _, Lanes as _};
use pmp_sync_domain::records::{ConfigOrigin, ConfigVersion, RunRecord};
use pmp_sync_domain::wire::{Scope, SyncRequest, sync_requested};

use crate::embedded::{
    Binaries, Deployment, Embedded, EmbeddedError, ManagementStack, NewMember, Stacks,
};
use crate::marketplace::{Lists, NewExperience};
use pmp_sync_deploy::progress::Progress;

/// The default `Name` of the stacks.
pub const NAME: &str = "pmp-sync";

/// An organization in a scenario, with the account where pmp-sync runs and the account that owns
/// the experiences.
#[derive(Debug, Clone)]
pub struct Organization {
    /// The name in the configuration.
    pub name: String,
    /// The delegated administrator, where the stack is deployed.
    pub account: String,
    /// The organization's management account, which owns its experiences.
    pub owner: String,
    /// The external id of its roles; unused for the management organization.
    pub external_id: String,
}

impl Organization {
    /// The organization with that number. Each number has its own accounts.
    pub fn numbered(name: &str, number: u64) -> Self {
        Self {
            name: name.to_owned(),
            account: format!("1{number:011}"),
            owner: format!("9{number:011}"),
            external_id: format!("external-id-of-{number}"),
        }
    }
}

/// Parameters of the stacks that are not the templates' defaults.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parameters<'a> {
    /// Of management.yaml.
    pub management: &'a [(&'a str, &'a str)],
    /// Of every member.yaml.
    pub member: &'a [(&'a str, &'a str)],
}

/// A deployed installation.
#[derive(Debug)]
pub struct Installation<'a> {
    /// The emulated AWS that it runs on.
    pub embedded: &'a Embedded,
    /// The management organization.
    pub management: Organization,
    /// The member organizations.
    pub members: Vec<Organization>,
    /// The stacks.
    pub stacks: Stacks,
    /// The ledger, with the rights of the management account's root.
    pub ledger: Ledger,
}

/// An error of a scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The emulated AWS failed.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A call of the operator failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A request was not done in time.
    #[error("{0} did not happen within {1} s")]
    Late(String, u64),
}

impl<'a> Installation<'a> {
    /// Deploys everything, and adds the organizations to the emulator.
    pub async fn deploy(
        embedded: &'a Embedded,
        binaries: &Binaries,
        name: &str,
        management: Organization,
        members: Vec<Organization>,
        parameters: &[(&str, &str)],
        progress: &Progress,
    ) -> Result<Self, ScenarioError> {
        let parameters = Parameters {
            management: parameters,
            member: &[],
        };
        Self::deploy_with(
            embedded, binaries, name, management, members, parameters, progress,
        )
        .await
    }

    /// Like [`Self::deploy`], with parameters of the members' stacks.
    pub async fn deploy_with(
        embedded: &'a Embedded,
        binaries: &Binaries,
        name: &str,
        management: Organization,
        members: Vec<Organization>,
        parameters: Parameters<'_>,
        progress: &Progress,
    ) -> Result<Self, ScenarioError> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let stack = ManagementStack {
            account: management.account.clone(),
            name: name.to_owned(),
            parameters: parameters.management.iter().map(own).collect(),
        };
        let new: Vec<_> = members
            .iter()
            .map(|member| NewMember {
                account: member.account.clone(),
                external_id: member.external_id.clone(),
                parameters: parameters.member.iter().map(own).collect(),
            })
            .collect();
        let stacks = Deployment::new(embedded, binaries)
            .deploy(stack, &new, progress)
            .await
            .map_err(EmbeddedError::from)?;
        if let Some(emulator) = embedded.emulator() {
            for org in members.iter().chain([&management]) {
                emulator.add_org(&org.owner, [org.account.clone()]);
            }
        }
        let ledger = Ledger::new(
            &embedded.config(&management.account),
            format!("{name}-ledger"),
            90,
        );
        Ok(Self {
            embedded,
            management,
            members,
            stacks,
            ledger,
        })
    }

    /// Creates a live experience of an organization with these lists. Returns its id.
    pub fn add_experience(&self, org: &Organization, lists: Lists) -> String {
        let new = NewExperience {
            owner: org.owner.clone(),
            id: None,
            name: Some(format!("{} products", org.name)),
            enabled: true,
            archived: false,
            lists: Some(lists),
        };
        self.embedded
            .emulator()
            .map(|emulator| emulator.add_experience(new))
            .unwrap_or_default()
    }

    /// The current lists of an experience.
    pub fn lists(&self, experience: &str) -> Lists {
        self.embedded
            .emulator()
            .and_then(|emulator| emulator.lists(experience))
            .unwrap_or_default()
    }

    /// The beginning of a configuration: the members, without links.
    pub fn config(&self) -> String {
        let mut text = "schema = 1\n".to_owned();
        for member in &self.members {
            let member = format!(
                "\n[[member]]\nname = \"{}\"\naccount = \"{}\"\nexternal_id = \"{}\"\n",
                member.name, member.account, member.external_id
            );
            text.push_str(&member);
        }
        text
    }

    /// Stores a configuration as the newest version, and returns its number.
    pub async fn apply(&self, config: &str) -> Result<u64, ScenarioError> {
        let seen = self
            .ledger
            .current_config()
            .await?
            .map(|stored| stored.version);
        let about = ConfigVersion::after(seen, ConfigOrigin::Apply, SystemClock.now());
        Ok(self.ledger.put_config(config, &about, seen).await?)
    }

    /// Requests a run. Returns the id of the request.
    pub async fn request(&self, scope: Scope) -> Result<String, ScenarioError> {
        let id = format!("{:032x}", SystemEntropy.bits());
        let bus = EventBus::new(
            &self.embedded.config(&self.management.account),
            &self.stacks.management.name,
        );
        bus.put(sync_requested(SyncRequest {
            scope,
            request_id: Some(id.clone()),
            requester: Some("scenario".to_owned()),
            ..SyncRequest::default()
        }))
        .await?;
        Ok(id)
    }

    /// Waits until the run that serves a request has ended.
    pub async fn wait(&self, request: &str, most: Duration) -> Result<RunRecord, ScenarioError> {
        let waiting = async {
            loop {
                let run = self.ledger.run_of_request(request, 50).await?;
                if let Some(run) = run.filter(|run| run.status.is_final()) {
                    return Ok::<_, ScenarioError>(run);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let late = || {
            ScenarioError::Late(
                format!("the end of the run for request {request}"),
                most.as_secs(),
            )
        };
        tokio::time::timeout(most, waiting)
            .await
            .map_err(|_| late())?
    }

    /// Requests a run over everything, and waits for its end.
    pub async fn sync(&self, most: Duration) -> Result<RunRecord, ScenarioError> {
        let request = self.request(Scope::default()).await?;
        self.wait(&request, most).await
    }

    /// Reads the state of a lane.
    pub async fn lane(&self, lane: &LaneId) -> Result<LaneState, ScenarioError> {
        Ok(self.ledger.state(lane).await?)
    }
}

/// A link of a configuration as TOML.
pub fn link(
    management_experience: &str,
    member: &str,
    member_experience: &str,
    more: &str,
) -> String {
    let follows = format!("management_experience = \"{management_experience}\"");
    link_that(&follows, member, member_experience, more)
}

/// The same of one that follows several management experiences.
pub fn link_to_several(
    management_experiences: &[&str],
    member: &str,
    member_experience: &str,
    more: &str,
) -> String {
    let follows = format!("management_experiences = {management_experiences:?}");
    link_that(&follows, member, member_experience, more)
}

fn link_that(follows: &str, member: &str, member_experience: &str, more: &str) -> String {
    format!(
        "\n[[link]]\n{follows}\nmember = \"{member}\"\nmember_experience = \"{member_experience}\"\n{more}\n"
    )
}
