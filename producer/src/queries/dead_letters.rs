//! The dead letters for the operator: what each contains, and what a replay would do with it now.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::link::{Link, Member};
use pmp_sync_domain::ports::{Clock, Lanes, Members, Products, ReadCatalog, ReadRuns};
use pmp_sync_domain::reconcile::decide_plan;
use pmp_sync_domain::records::{DeadLetterOutcome, LettersLeft, LinkRecord};
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterFilter};
use pmp_sync_domain::{SCHEMA, Timestamp};

use super::survey::{LaneQuery, observe_lane};
use crate::context::Context;
use crate::letters::{LOOKING, Read, Selected, by_lane, fate, put_back, receive};
use crate::quarantine::quarantined_of;
use crate::reach::{connect, desired_for, read_management};
use crate::reconcile::outcome::{blank, observed};
use crate::setup::Setup;

/// Members whose queues are read concurrently.
const MEMBERS_AT_ONCE: usize = 8;
/// The most bytes of letters in one answer. Lambda's limit for all of it is 6 MB.
const MOST_BYTES: usize = 5_000_000;

/// Lists the dead letters that the filter selects, and says what it did not look at until `until`.
/// They are hidden from other receivers in the meantime.
pub async fn dead_letters<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    filter: &DeadLetterFilter,
    until: Timestamp,
) -> Result<DeadLetterList, RunError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let setup = &Setup::read(&context.ledger).await?;
    let members = setup.config.members.values();
    let members: Vec<_> = members
        .filter(|member| filter.members.is_empty() || filter.members.contains(&member.name))
        .map(|member| async move {
            let listed = list_letters(context, setup, member, filter, until).await;
            (member.name.clone(), listed)
        })
        .collect();
    // A queue that has nothing takes seconds as well.
    let mut members = stream::iter(members).buffered(MEMBERS_AT_ONCE);
    let mut list = DeadLetterList {
        schema: SCHEMA,
        letters: Vec::new(),
        faults: Vec::new(),
        left: Vec::new(),
    };
    let mut bytes = 0;
    while let Some((member, listed)) = members.next().await {
        let (letters, mut left) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                list.faults.push((member, error.record()));
                continue;
            }
        };
        for letter in letters {
            bytes += serde_json::to_vec(&letter).map_or(0, |text| text.len());
            if bytes <= MOST_BYTES {
                list.letters.push(letter);
            } else {
                left.selected += 1;
            }
        }
        if !left.is_nothing() {
            list.left.push((member, left));
        }
    }
    Ok(list)
}

async fn list_letters<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    member: &Member,
    filter: &DeadLetterFilter,
    until: Timestamp,
) -> Result<(Vec<ListedLetter>, LettersLeft), LinkError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let seconds = until.duration_since(context.now()).as_secs().min(LOOKING);
    if seconds <= 0 {
        return Ok((Vec::new(), LettersLeft::untouched()));
    }
    let connection = connect(&context.members, member).await?;
    let quarantined = quarantined_of(&context.ledger, member).await;
    let quarantined = quarantined.map_err(LinkError::Ledger)?;
    let received = receive(&connection, member, &quarantined, filter, seconds).await;
    let unreadable = |error| LinkError::MemberUnreadable(member.account.clone(), error);
    let Selected { reads, left } = received.map_err(unreadable)?;
    let (lanes, others) = by_lane(reads.clone());
    let mut letters = Vec::new();
    let mut add = |read: &Read, fate| {
        letters.push(ListedLetter {
            letter: read.record(member, fate, context.now()),
            body: read.body(),
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
        let (record, is_rollback) =
            would_reconcile(context, setup, link, &lane, &changes, &connection).await;
        for (read, change) in &changes {
            add(read, fate(change, &record, is_rollback));
        }
    }
    put_back(&connection, &reads).await;
    Ok((letters, left))
}

/// The outcome that reconciling the lane would have, and whether that would resume a rollback.
async fn would_reconcile<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    link: &Link,
    lane: &LaneId,
    changes: &[(Read, ChangeMessage)],
    connection: &C,
) -> (LinkRecord, bool)
where
    L: Lanes + Products + ReadRuns,
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
        let record = observed(run, link, &seen, status, context.now());
        Ok::<_, LinkError>((record, seen.guards.rollback.is_some()))
    };
    observed.await.unwrap_or_else(|error| {
        let failed = LinkRecord {
            fault: Some(error.record()),
            ..blank(run, link, context.now())
        };
        (failed, false)
    })
}
