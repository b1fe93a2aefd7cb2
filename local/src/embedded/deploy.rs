//! Deploys an installation to the emulated AWS: the stacks in the order management, member-access,
//! member.

use futures::StreamExt as _;
use futures::TryStreamExt as _;
use pmp_sync_deploy::binaries::Binaries;
use pmp_sync_deploy::bucket::{Bucket, default_name};
use pmp_sync_deploy::change::Wanted;
use pmp_sync_deploy::installation::{self, Code, Outputs};
use pmp_sync_deploy::package::Package;
use pmp_sync_deploy::progress::Progress;
use pmp_sync_deploy::{Account, DeployError};

use super::Embedded;

/// Members that are deployed concurrently.
const AT_ONCE: usize = 8;

/// The management stack, and parameters that are not the templates' defaults.
#[derive(Debug, Clone)]
pub struct ManagementStack {
    /// The management account.
    pub account: String,
    /// `Name` of every stack.
    pub name: String,
    /// Parameters in addition to those that the deployment derives.
    pub parameters: Vec<(String, String)>,
}

/// A member to deploy.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// The member account.
    pub account: String,
    /// The external id that its roles require.
    pub external_id: String,
    /// Parameters of member.yaml in addition to those that the deployment derives.
    pub parameters: Vec<(String, String)>,
}

/// A deployed member.
#[derive(Debug, Clone)]
pub struct MemberStack {
    /// The member account.
    pub account: String,
    /// The external id that its roles require.
    pub external_id: String,
    /// Outputs of member-access.yaml and member.yaml.
    pub outputs: Outputs,
}

/// All stacks of one installation.
#[derive(Debug, Clone)]
pub struct Stacks {
    /// The management stack.
    pub management: ManagementStack,
    /// Outputs of management.yaml.
    pub outputs: Outputs,
    /// The members.
    pub members: Vec<MemberStack>,
}

/// A deployment to an emulated AWS.
#[derive(Debug)]
pub struct Deployment<'a> {
    embedded: &'a Embedded,
    binaries: &'a Binaries,
}

impl<'a> Deployment<'a> {
    /// Deploys these binaries.
    pub fn new(embedded: &'a Embedded, binaries: &'a Binaries) -> Self {
        Self { embedded, binaries }
    }

    /// Deploys a management account and its members.
    pub async fn deploy(
        &self,
        management: ManagementStack,
        members: &[NewMember],
        progress: &Progress,
    ) -> Result<Stacks, DeployError> {
        progress.step(format!(
            "deploying the management account {}",
            management.account
        ));
        let account = self.account(&management.account)?;
        let name = &management.name;
        let code = store(&account, name, &self.binaries.producer).await?;
        let wanted = installation::management(name, &code, &management.parameters);
        let outputs = create(&account, &wanted).await?;
        let mut deployed = Stacks {
            management,
            outputs,
            members: Vec::new(),
        };
        let each = members.iter().enumerate().map(|(number, member)| {
            progress.step(format!(
                "deploying the member account {} ({} of {})",
                member.account,
                number + 1,
                members.len()
            ));
            self.deploy_member(&deployed, member)
        });
        let each = futures::stream::iter(each).buffered(AT_ONCE);
        deployed.members = each.try_collect().await?;
        Ok(deployed)
    }

    /// Deploys one member: its role in the management account, then its own account.
    pub async fn deploy_member(
        &self,
        stacks: &Stacks,
        member: &NewMember,
    ) -> Result<MemberStack, DeployError> {
        let name = &stacks.management.name;
        let management = self.account(&stacks.management.account)?;
        let account = self.account(&member.account)?;
        let wanted =
            installation::member_access(name, &account.id, &member.external_id, &stacks.outputs);
        let mut outputs = create(&management, &wanted).await?;
        let code = store(&account, name, &self.binaries.worker).await?;
        let wanted = installation::member(
            name,
            &member.external_id,
            &stacks.outputs,
            &outputs,
            &code,
            &member.parameters,
        );
        outputs.extend(create(&account, &wanted).await?);
        Ok(MemberStack {
            account: member.account.clone(),
            external_id: member.external_id.clone(),
            outputs,
        })
    }

    fn account(&self, number: &str) -> Result<Account, DeployError> {
        let id = number.parse().map_err(|error| DeployError::Invalid {
            message: format!("{number} is no account: {error}"),
            remedy: "take a number of twelve digits".to_owned(),
        })?;
        Ok(Account {
            id,
            config: self.embedded.config(number),
        })
    }
}

async fn store(account: &Account, name: &str, package: &Package) -> Result<Code, DeployError> {
    let bucket = Bucket::new(account, default_name(name, account), name);
    bucket.store(package).await
}

/// Deploys a stack without showing its changes.
async fn create(account: &Account, wanted: &Wanted) -> Result<Outputs, DeployError> {
    let progress = Progress::none();
    let stacks = pmp_sync_deploy::stack::Stacks::new(account, &progress);
    let deployed = stacks
        .deploy(wanted, |_| Ok::<_, DeployError>(()), async || Ok(()))
        .await?;
    Ok(deployed.outputs)
}
