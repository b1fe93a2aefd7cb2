//! Access to the members' accounts, through the role that each member's stack has for the producer.

use aws_config::SdkConfig;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ExperienceId, PolicyId};
use pmp_sync_domain::link::Member;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    DeadLetter, DeadLetterBox, Depth, LookAtQueues, Members, NotSent, ReadBounds, ReadCatalog,
    Received, Result, SendChanges,
};
use pmp_sync_domain::wire::{ChangeMessage, TickMessage};

use crate::catalog::ReadOnlyCatalog;
use crate::config::{REGION, assume_role};
use crate::dead_letters::DeadLetterQueue;
use crate::queue::ChangesQueue;

/// The members of one installation.
#[derive(Debug, Clone)]
pub struct MemberRoles {
    config: SdkConfig,
    name: String,
}

impl MemberRoles {
    /// `name` is the stacks' parameter `Name`, from which the names of roles and queues derive.
    pub fn new(config: SdkConfig, name: impl Into<String>) -> Self {
        Self {
            config,
            name: name.into(),
        }
    }

    /// ARN of the role that the producer assumes in a member's account.
    pub fn role_arn(&self, member: &Member) -> String {
        member
            .role
            .clone()
            .unwrap_or_else(|| format!("arn:aws:iam::{}:role/{}-member", member.account, self.name))
    }

    /// URL of a member's changes queue.
    pub fn queue_url(&self, member: &Member) -> String {
        member.queue.clone().unwrap_or_else(|| {
            format!(
                "https://sqs.{REGION}.amazonaws.com/{}/{}-changes",
                member.account, self.name
            )
        })
    }
}

impl MemberRoles {
    /// URL of a member's dead-letter queue: that of the changes queue with the suffix `-dlq`.
    pub fn dead_letters_url(&self, member: &Member) -> String {
        format!("{}-dlq", self.queue_url(member))
    }
}

impl Members for MemberRoles {
    type Connection = MemberAccount;

    async fn connect(&self, member: &Member) -> Result<MemberAccount> {
        let external_id = member.external_id.as_str();
        let config = assume_role(
            &self.config,
            &self.role_arn(member),
            external_id,
            "pmp-sync-producer",
        )
        .await?;
        Ok(MemberAccount {
            catalog: ReadOnlyCatalog::new(&config),
            queue: ChangesQueue::new(&config, self.queue_url(member)),
            dead_letters: DeadLetterQueue::new(&config, self.dead_letters_url(member)),
        })
    }
}

/// What the producer reaches in a member's account.
#[derive(Debug, Clone)]
pub struct MemberAccount {
    catalog: ReadOnlyCatalog,
    queue: ChangesQueue,
    dead_letters: DeadLetterQueue,
}

impl ReadCatalog for MemberAccount {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        self.catalog.experience(id).await
    }
    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        self.catalog.policy(id).await
    }
    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.catalog.experiences().await
    }
}

impl SendChanges for MemberAccount {
    async fn send(&self, changes: &[ChangeMessage]) -> Result<(), NotSent> {
        self.queue.send(changes).await
    }
    async fn wake(&self, tick: &TickMessage) -> Result<()> {
        self.queue.wake(tick).await
    }
}

impl DeadLetterBox for MemberAccount {
    async fn dead_letters(&self, bounds: ReadBounds) -> Result<Received> {
        self.dead_letters.dead_letters(bounds).await
    }
    async fn delete_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        self.dead_letters.delete_dead_letter(letter).await
    }
    async fn put_dead_letter_back(&self, letter: &DeadLetter) -> Result<()> {
        self.dead_letters.put_dead_letter_back(letter).await
    }
}

impl LookAtQueues for MemberAccount {
    async fn changes_depth(&self) -> Result<Depth> {
        self.queue.depth().await
    }
    async fn dead_letters_depth(&self) -> Result<Depth> {
        self.dead_letters.depth().await
    }
    async fn glance(&self) -> Result<bool> {
        self.dead_letters.glance().await
    }
}
