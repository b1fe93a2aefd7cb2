//! The dead letters for the operator: what each contains, and what a replay would do with it now.

use std::collections::BTreeSet;

use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::link::{Link, Member};
use pmp_sync_domain::ports::{Clock, Lanes, Members, ReadCatalog, ReadRuns};
use pmp_sync_domain::reconcile::decide_plan;
use pmp_sync_domain::records::{DeadLetterOutcome, LinkRecord};
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterFilter};

use super::survey::{LaneQuery, observe_lane};
use crate::context::Context;
use crate::letters::{Read, by_lane, fate, put_back, receive};
use crate::reach::{connect, desired_for, read_management};
use crate::reconcile::outcome::{blank, observed};
use crate::setup::Setup;

/// Lists the dead letters that the filter selects. They are hidden from other receivers in the
/// meantime.
pub async fn dead_letters<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    filter: &DeadLetterFilter,
) -> Result<DeadLetterList, RunError>
where
    L: Lanes + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let setup = Setup::read(&context.ledger).await?;
    let mut list = DeadLetterList {
        schema: SCHEMA,
        letters: Vec::new(),
        faults: Vec::new(),
    };
    for member in setup.config.members.values() {
        if !filter.members.is_empty() && !filter.members.contains(&member.name) {
            continue;
        }
        match list_letters(context, &setup, member, filter).await {
            Ok(letters) => list.letters.extend(letters),
            Err(error) => list.faults.push((member.name.clone(), error.record())),
        }
    }
    Ok(list)
}

async fn list_letters<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    member: &Member,
    filter: &DeadLetterFilter,
) -> Result<Vec<ListedLetter>, LinkError>
where
    L: Lanes + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let connection = connect(&context.members, member).await?;
    let reads = receive(&connection, member, filter).await;
    let unreadable = |error| LinkError::MemberUnreadable(member.account.clone(), error);
    let reads = reads.map_err(unreadable)?;
    let (lanes, others) = by_lane(reads.clone());
    let mut letters = Vec::new();
    let mut add = |read: &Read, fate| {
        letters.push(ListedLetter {
            letter: read.record(member, fate, context.now()),
            body: read.letter.body.clone(),
        });
    };
    for read in &others {
        let why = read.change.as_ref().err().cloned().unwrap_or_default();
        add(read, (DeadLetterOutcome::Kept, why));
    }
    for (lane, changes) in lanes {
        let Some(link) = setup.link_of(&lane) else {
            let why = "no link of the configuration serves its experience";
            for (read, _) in &changes {
                add(read, (DeadLetterOutcome::Dropped, why.to_owned()));
            }
            continue;
        };
        let record = would_reconcile(context, setup, link, &lane, &changes, &connection).await;
        for (read, change) in &changes {
            add(read, fate(change, &record));
        }
    }
    put_back(&connection, &reads).await;
    Ok(letters)
}

/// The outcome that reconciling the lane would have.
async fn would_reconcile<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    link: &Link,
    lane: &LaneId,
    changes: &[(Read, ChangeMessage)],
    connection: &C,
) -> LinkRecord
where
    L: Lanes + ReadRuns,
    A: ReadCatalog,
    S: Clock,
    C: ReadCatalog,
{
    // There is no run, because nothing is written.
    let run = RunId::next(None, 0, 0);
    let lifted = changes.iter().map(|(_, change)| change.product.clone());
    let observed = async {
        let management = read_management(&context.marketplace, [link]).await;
        let of = LaneQuery {
            setup,
            link,
            experience: &lane.experience,
            desired: desired_for(link, &management)?,
            lifted: &lifted.collect::<BTreeSet<_>>(),
        };
        let policy = of.policy();
        let goal = of.goal(&policy);
        let seen = observe_lane(&context.ledger, connection, goal, context.now()).await?;
        let status = decide_plan(&goal, &seen, None).status();
        Ok::<_, LinkError>(observed(run, link, &seen, status, context.now()))
    };
    observed.await.unwrap_or_else(|error| LinkRecord {
        fault: Some(error.record()),
        ..blank(run, link, context.now())
    })
}
