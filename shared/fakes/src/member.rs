//! Member accounts: what their workers have, and what the producer reaches there.

use std::collections::BTreeMap;

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{AccountId, ExperienceId, PolicyId};
use pmp_sync_domain::link::Member;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Bus, DeadLetter, DeadLetterBox, DeadLetters, Depth, LookAtQueues, Members, NotSent, ReadBounds,
    ReadCatalog, Received, Result, SendChanges, SendTicks,
};
use pmp_sync_domain::wire::{ChangeMessage, Event, TickMessage};

use crate::catalog::OrgCatalog;
use crate::limits::check_letter;
use crate::queue::Queue;
use crate::world::{World, owned};

impl World {
    /// The worker's side of a member account: its queue and its dead-letter queue.
    pub fn member(&self, account: &AccountId) -> MemberSide {
        MemberSide {
            world: self.clone(),
            account: account.clone(),
        }
    }
}

/// The worker's side of a member account.
#[derive(Debug, Clone)]
pub struct MemberSide {
    world: World,
    account: AccountId,
}

impl DeadLetters for MemberSide {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let effect = self.world.call("SendMessage", "dead letters").await?;
        check_letter(body, attributes)?;
        let mut inner = self.world.lock();
        inner.dead_lettered += 1;
        let (now, number) = (inner.now, inner.dead_lettered);
        let letter = DeadLetter {
            id: format!("dead-{number}"),
            receipt: format!("receipt-{number}"),
            body: body.to_owned(),
            attributes: owned(attributes),
        };
        let letters = inner.boxes.entry(self.account.clone()).or_default();
        letters.push((now, letter));
        effect.answer(())
    }
}

impl Bus for MemberSide {
    async fn put(&self, event: Event) -> Result<()> {
        self.world.put(event).await
    }
}

impl SendTicks for MemberSide {
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        let effect = self.world.call("SendMessage", "tick").await?;
        let mut inner = self.world.lock();
        let due = pmp_sync_domain::time::later(inner.now, i64::from(delay_seconds));
        let queue = inner.changes.entry(tick.account.clone()).or_default();
        queue.push(tick.to_body(), due);
        effect.answer(())
    }
}

impl Members for World {
    type Connection = MemberAccess;

    async fn connect(&self, member: &Member) -> Result<MemberAccess> {
        let thing = format!("the role of {}", member.account);
        let effect = self.call("AssumeRole", &thing).await?;
        let (closed, allowed) = {
            let inner = self.lock();
            let door = inner.doors.get(&member.account);
            (
                inner.closed.contains(&member.account),
                door.is_some_and(|id| id == member.external_id.as_str()),
            )
        };
        if closed {
            let words = "the account does not answer";
            return Err(ServiceError::new(
                "AssumeRole",
                thing,
                Kind::Retryable,
                words,
            ));
        }
        if !allowed {
            let words = "not authorized to perform sts:AssumeRole";
            return Err(ServiceError::new("AssumeRole", thing, Kind::Denied, words));
        }
        effect.answer(MemberAccess {
            catalog: self.observed_catalog(&member.account),
        })
    }
}

/// What the producer reaches in a member account.
#[derive(Debug, Clone)]
pub struct MemberAccess {
    catalog: OrgCatalog,
}

impl ReadCatalog for MemberAccess {
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

impl SendChanges for MemberAccess {
    async fn send(&self, changes: &[ChangeMessage]) -> Result<(), NotSent> {
        let world = &self.catalog.world;
        for (sent, change) in changes.iter().enumerate() {
            let not_sent = |error| NotSent {
                count: changes.len() - sent,
                error,
            };
            let call = world.call("SendMessageBatch", change.product.as_str());
            let effect = call.await.map_err(not_sent)?;
            {
                let mut inner = world.lock();
                let now = inner.now;
                let queue = inner.changes.entry(change.account.clone()).or_default();
                queue.push(change.to_body(), now);
            }
            effect.answer(()).map_err(not_sent)?;
        }
        Ok(())
    }

    async fn wake(&self, tick: &TickMessage) -> Result<()> {
        let side = self.catalog.world.member(&self.catalog.account);
        side.tick(tick, 0).await
    }
}

impl LookAtQueues for MemberAccess {
    async fn changes_depth(&self) -> Result<Depth> {
        let world = &self.catalog.world;
        let effect = world.call("GetQueueAttributes", "changes").await?;
        let inner = world.lock();
        let queue = inner.changes.get(&self.catalog.account);
        let waiting = queue.map_or(0, Queue::len);
        effect.answer(Depth {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            ..Depth::default()
        })
    }

    async fn dead_letters_depth(&self) -> Result<Depth> {
        let world = &self.catalog.world;
        let effect = world.call("GetQueueAttributes", "dead letters").await?;
        let inner = world.lock();
        let now = inner.now;
        let letters = inner.boxes.get(&self.catalog.account);
        let letters = letters.map(Vec::as_slice).unwrap_or_default();
        let visible = letters.iter().filter(|(at, _)| *at <= now).count();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        effect.answer(Depth {
            waiting: number(visible),
            in_flight: number(letters.len() - visible),
            delayed: 0,
        })
    }

    async fn glance(&self) -> Result<bool> {
        let world = &self.catalog.world;
        let effect = world.call("ReceiveMessage", "a dead letter").await?;
        let inner = world.lock();
        let letters = inner.boxes.get(&self.catalog.account);
        let mut letters = letters.into_iter().flatten();
        let seen = letters.any(|(at, _)| *at <= inner.now);
        effect.answer(seen)
    }
}

/// How long a received dead letter is hidden, in seconds.
const HIDDEN: i64 = 180;

impl DeadLetterBox for MemberAccess {
    async fn dead_letters(&self, bounds: ReadBounds) -> Result<Received> {
        let effect = self.catalog.world.call("ReceiveMessage", "dead letters");
        let effect = effect.await?;
        let mut inner = self.catalog.world.lock();
        let now = inner.now;
        let letters = inner.boxes.entry(self.catalog.account.clone()).or_default();
        let mut visible = letters.iter_mut().filter(|(at, _)| *at <= now);
        let received = visible.by_ref().take(bounds.messages);
        let received: Vec<_> = received
            .map(|(at, letter)| {
                *at = pmp_sync_domain::time::later(now, HIDDEN);
                letter.clone()
            })
            .collect();
        // Like the service, which is not asked again after the last message that is wanted.
        let cut_off = received.len() >= bounds.messages;
        effect.answer(Received {
            letters: received,
            cut_off,
        })
    }

    async fn delete_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        let effect = self.catalog.world.call("DeleteMessage", &letter.id).await?;
        let mut inner = self.catalog.world.lock();
        if let Some(letters) = inner.boxes.get_mut(&self.catalog.account) {
            letters.retain(|(_, kept)| kept.receipt != letter.receipt);
        }
        effect.answer(())
    }

    async fn put_dead_letter_back(&self, letter: &DeadLetter) -> Result<()> {
        let call = self
            .catalog
            .world
            .call("ChangeMessageVisibility", &letter.id);
        let effect = call.await?;
        let mut inner = self.catalog.world.lock();
        let now = inner.now;
        let letters = inner.boxes.entry(self.catalog.account.clone()).or_default();
        let same = letters
            .iter_mut()
            .filter(|(_, kept)| kept.receipt == letter.receipt);
        same.for_each(|(at, _)| *at = now);
        effect.answer(())
    }
}
