//! The operator's look at dead letters: what each is, and what a replay would do with it now. Deletes
//! nothing and sends nothing.

use std::collections::BTreeSet;

use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::link::{Link, Member};
use pmp_sync_domain::ports::Members as _;
use pmp_sync_domain::records::{DeadLetterOutcome, LinkRecord};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterFilter};

use crate::letters::{Read, by_lane, fate, link_of, put_back, receive};
use crate::reconcile::Connection;
use crate::reconcile::listings::Kept;
use crate::reconcile::observe::{View, inspect, read_management};
use crate::run::begin::Setup;
use crate::{Ports, Producer};

impl<P: Ports> Producer<P> {
    /// The dead letters that the filter is about.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<DeadLetterList, RunError> {
        let setup = self.setup().await?;
        let mut list = DeadLetterList {
            schema: SCHEMA,
            letters: Vec::new(),
            faults: Vec::new(),
        };
        for member in setup.config.members.values() {
            if !filter.members.is_empty() && !filter.members.contains(&member.name) {
                continue;
            }
            match self.list_letters(&setup, member, filter).await {
                Ok(letters) => list.letters.extend(letters),
                Err(error) => list.faults.push((member.name.clone(), error.record())),
            }
        }
        Ok(list)
    }

    async fn list_letters(
        &self,
        setup: &Setup,
        member: &Member,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<ListedLetter>, LinkError> {
        let account = || member.account.clone();
        let connection = self.ports.members().connect(member).await;
        let connection =
            connection.map_err(|error| LinkError::MemberUnreachable(account(), error))?;
        let reads = receive(&connection, member, filter).await;
        let reads = reads.map_err(|error| LinkError::MemberUnreadable(account(), error))?;
        let (lanes, others) = by_lane(reads.clone());
        let mut letters = Vec::new();
        let mut add = |read: &Read, fate| {
            letters.push(ListedLetter {
                letter: read.record(member, fate, self.now()),
                body: read.letter.body.clone(),
            });
        };
        for read in &others {
            let why = read.change.as_ref().err().cloned().unwrap_or_default();
            add(read, (DeadLetterOutcome::Kept, why));
        }
        for (lane, changes) in lanes {
            let Some(link) = link_of(&setup.config, &lane) else {
                let why = "no link of the configuration serves its experience";
                for (read, _) in &changes {
                    add(read, (DeadLetterOutcome::Dropped, why.to_owned()));
                }
                continue;
            };
            let seen = self
                .would_serve(setup, link, &lane, &changes, &connection)
                .await;
            for (read, change) in &changes {
                add(read, fate(change, &seen));
            }
        }
        put_back(&connection, &reads).await;
        Ok(letters)
    }

    /// What serving the lane would come to.
    async fn would_serve(
        &self,
        setup: &Setup,
        link: &Link,
        lane: &LaneId,
        changes: &[(Read, ChangeMessage)],
        connection: &Connection<P>,
    ) -> LinkRecord {
        let lifted: BTreeSet<_> = changes
            .iter()
            .map(|(_, change)| change.product.clone())
            .collect();
        let looked = async {
            let id = link.management_experience.clone();
            let management = read_management(self.ports.catalog(), BTreeSet::from([id.clone()]));
            let desired = management.await.remove(&id);
            let desired = desired.unwrap_or(Err(LinkError::ManagementNotFound(id)))?;
            inspect(
                self.ports.ledger(),
                connection,
                &Kept(self.ports.ledger()),
                View {
                    link,
                    policy: &setup.policy(link, &lane.experience),
                    experience: &lane.experience,
                    desired: &desired,
                    lifted: &lifted,
                    rollback: false,
                },
                self.now(),
            )
            .await
        };
        // No run: nothing is written.
        let blank = self.blank(pmp_sync_domain::ids::RunId::next(None, 0, 0), link);
        match looked.await {
            Err(error) => LinkRecord {
                fault: Some(error.record()),
                ..blank
            },
            Ok(seen) => LinkRecord {
                status: match seen.decision {
                    Decision::InSync => LinkStatus::InSync,
                    _ if setup.suspensions.holds(&link.member.name, lane).is_some() => {
                        LinkStatus::Suspended
                    }
                    _ if !seen.reasons.is_empty() => LinkStatus::Held,
                    Decision::Underway(_) => LinkStatus::Underway,
                    Decision::Commit => LinkStatus::Committed,
                },
                allow: seen.plan.allow().iter().cloned().collect(),
                deny: seen.plan.deny().iter().cloned().collect(),
                left_alone: seen.report.left_alone,
                ..blank
            },
        }
    }
}
