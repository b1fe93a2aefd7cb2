//! Prunes lanes of removed links: closes what is open on them, with a record.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::error::{LinkError, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::{LaneState, OpenChange, Planned};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::notify::Subject;
use pmp_sync_domain::plan::{InvalidProducts, Plan};
use pmp_sync_domain::ports::{
    Bus, Clock, Close, Closing, Lanes, Members, ReadCatalog as _, WriteRuns,
};
use pmp_sync_domain::reconcile::is_announced;
use pmp_sync_domain::records::{LaneEntry, LinkRecord, LinkState, UnreadableItem};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::{SCHEMA, Timestamp};

use super::marks::waiting;
use super::outcome::LinkOutcome;
use super::remember::remember;
use super::send::planned;
use crate::claims::is_anothers;
use crate::context::Context;
use crate::reach::connect;
use crate::setup::Setup;

/// The result of pruning.
#[derive(Debug, Default)]
pub(crate) struct Pruned {
    pub(crate) outcomes: Vec<LinkOutcome>,
    /// Items that cannot be read. Their lanes are left as they are.
    pub(crate) unreadable: Vec<UnreadableItem>,
}

/// Halts every lane that no link serves any more. A lane that cannot be read now is left to the
/// next run.
pub(crate) async fn prune<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    run: RunId,
    setup: &Setup,
) -> Pruned
where
    L: Lanes + WriteRuns + Close,
    M: Members,
    O: Bus,
    S: Clock,
{
    let entries = match context.ledger.lanes().await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(%run, %error, "the lanes cannot be listed; the next run looks for removed links");
            return Pruned::default();
        }
    };
    let mut pruned = Pruned {
        unreadable: entries.unreadable,
        ..Pruned::default()
    };
    for entry in &entries.items {
        match prune_lane(context, run, setup, &entries.items, entry).await {
            Ok(outcome) => pruned.outcomes.extend(outcome),
            Err(LinkError::Ledger(error)) if error.is_unreadable() => {
                pruned.unreadable.push(error.into());
            }
            Err(error) => {
                tracing::warn!(%run, lane = %entry.lane, %error, "a lane without a link could not be closed; the next run tries again");
            }
        }
    }
    pruned
}

async fn prune_lane<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    run: RunId,
    setup: &Setup,
    entries: &[LaneEntry],
    entry: &LaneEntry,
) -> Result<Option<LinkOutcome>, LinkError>
where
    L: Lanes + WriteRuns + Close,
    M: Members,
    O: Bus,
    S: Clock,
{
    let of_member = |link: &&Link| link.member.account == entry.lane.account;
    let links = setup.config.links.iter().filter(of_member);
    let mut star = None;
    for link in links {
        match &link.target {
            Target::One(experience) if *experience == entry.lane.experience => return Ok(None),
            Target::EveryLive
                if setup.config.is_free(&entry.lane.experience)
                    && !is_anothers(setup, entries, &entry.lane) =>
            {
                star = Some(link);
            }
            Target::One(_) | Target::EveryLive => {}
        }
    }
    let (ledger, lane) = (&context.ledger, &entry.lane);
    let state = ledger.state(lane).await.map_err(LinkError::Ledger)?;
    // A change that cannot be read is void as well, once the empty plan is committed.
    let open = ledger.open(lane).await.map_err(LinkError::Ledger)?.items;
    let known = ledger.link_state(lane).await.map_err(LinkError::Ledger)?;
    let subject = Subject {
        member: entry.member.clone(),
        lane: lane.clone(),
        sources: entry.sources.clone(),
    };
    let notices = known.notices.clone().with_announced(known.hold.as_ref());
    let forgotten = LinkState {
        notices: notices.removed(&subject, context.now()),
        ..without_holds(&known)
    };
    // Something is claimed, or may still be claimed under the committed plan.
    let is_unfinished = !open.is_empty() || is_announced(&state);
    let is_told = forgotten.notices.pending.is_empty();
    if !is_unfinished && forgotten == known && is_told {
        return Ok(None);
    }
    // `*` covers live experiences. Only one that is known not to be live has left it.
    if let Some(link) = star
        && is_live(&context.members, link, entry).await?
    {
        return Ok(None);
    }
    if !remember(ledger, &context.unannounced, lane, &known, &forgotten).await? {
        return Err(LinkError::Contended(lane.to_string()));
    }
    if !is_unfinished {
        return Ok(None);
    }
    let Some(before) = halt(ledger, &context.system, run, lane, state).await? else {
        return Ok(None);
    };
    close_open(ledger, lane, &before, &open, context.now())
        .await
        .map_err(LinkError::Ledger)?;
    tracing::info!(%run, %lane, open = open.len(), "the link has left the configuration: its lane is closed");
    let record = removed(run, entry, context.now());
    ledger.put_link(&record).await.map_err(LinkError::Ledger)?;
    Ok(Some(LinkOutcome {
        done: waiting(&before),
        superseded: true,
        ..LinkOutcome::new(record)
    }))
}

async fn is_live<M: Members>(
    members: &M,
    link: &Link,
    entry: &LaneEntry,
) -> Result<bool, LinkError> {
    let connection = connect(members, &link.member).await?;
    let experience = connection.experience(&entry.lane.experience).await;
    let experience = experience
        .map_err(|error| LinkError::MemberUnreadable(link.member.account.clone(), error))?;
    Ok(experience.is_live())
}

/// Commits an empty plan, so that every later message is void. Returns none if another run was
/// faster.
async fn halt<L: Lanes, K: Clock>(
    ledger: &L,
    clock: &K,
    run: RunId,
    lane: &LaneId,
    state: LaneState,
) -> Result<Option<LaneState>, LinkError> {
    let planned = Planned {
        sent: true,
        ..planned(run, &Plan::default(), clock.now())
    };
    let halted = try_transition(ledger, clock, lane, state, |state| {
        state.committed(planned.clone())
    });
    let halted = halted.await.map_err(LinkError::Ledger)?;
    Ok(halted.map(|halted| halted.before))
}

/// Closes claimed changes that are not in flight. A change set in flight is left to end, and the
/// worker closes its changes.
async fn close_open<L: Close>(
    ledger: &L,
    lane: &LaneId,
    before: &LaneState,
    open: &[OpenChange],
    now: Timestamp,
) -> Result<(), ServiceError> {
    let in_flight: BTreeMap<_, _> = before
        .intent
        .iter()
        .flat_map(|intent| &intent.changes)
        .map(|change| (&change.product, change.run))
        .collect();
    let closed: Vec<_> = open
        .iter()
        .filter(|change| in_flight.get(&change.product) != Some(&change.run))
        .map(|change| (change.product.clone(), change.run))
        .collect();
    ledger
        .close(lane, &closed, Closing::Superseded, None, now)
        .await
}

fn removed(run: RunId, entry: &LaneEntry, now: Timestamp) -> LinkRecord {
    LinkRecord {
        schema: SCHEMA,
        run,
        member: entry.member.clone(),
        account: entry.lane.account.clone(),
        lane: Some(entry.lane.clone()),
        sources: entry.sources.clone(),
        mode: entry.mode,
        status: LinkStatus::Removed,
        plan_hash: None,
        allow: Vec::new(),
        deny: Vec::new(),
        removals: 0,
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        edited: Vec::new(),
        edited_since: None,
        fault: None,
        hold: None,
        approval: None,
        unchecked: 0,
        invalid: InvalidProducts::default(),
        at: now,
        held: pmp_sync_domain::records::HeldPart::default(),
    }
}

/// The link state without hold and grant, because without a link there is nothing to approve. If
/// the link is added again, it is held and approved anew. Removals still count, and what was
/// restored stays guarded.
fn without_holds(known: &LinkState) -> LinkState {
    LinkState {
        hold: None,
        rejected: None,
        restore: None,
        grant: None,
        accepted: BTreeSet::new(),
        accepted_of: BTreeMap::new(),
        frozen_since: None,
        ..known.clone()
    }
}
