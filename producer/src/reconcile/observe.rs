//! Observes a lane: reads everything that the decision needs. It has read ports only.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::drift::{Edited, Look};
use pmp_sync_domain::error::{Kind, LinkError, ServiceError, UNREADABLE_ITEM};
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Lane, Lanes, Products, ReadCatalog, ReadRuns};
use pmp_sync_domain::reconcile::{Draft, Goal, Observation, Reads, Records};
use pmp_sync_domain::records::{Found, LastChange, SeenList};

use super::expired::or_expired;
use super::listings::Listings;
use super::undo::{must_be_known, reversal};

/// Observes one lane. It reads records of earlier runs only if the decision depends on them.
pub(crate) async fn observe<L: Lanes + Products + ReadRuns, C: ReadCatalog>(
    ledger: &L,
    member: &C,
    listings: &impl Listings,
    goal: Goal<'_>,
    now: Timestamp,
) -> Result<Observation, LinkError> {
    observe_after(ledger, member, listings, goal, now, None).await
}

/// Like [`observe`]. `earlier` are the last changes of the lane's products, if they were read
/// before.
pub(crate) async fn observe_after<L: Lanes + Products + ReadRuns, C: ReadCatalog>(
    ledger: &L,
    member: &C,
    listings: &impl Listings,
    goal: Goal<'_>,
    now: Timestamp,
    earlier: Option<Found<LastChange>>,
) -> Result<Observation, LinkError> {
    let lane = goal.link.lane_of(goal.experience);
    // The lane is read before the member's lists; see `Reads`.
    let state = ledger.state(&lane).await.map_err(LinkError::Ledger)?;
    let open = ledger.open(&lane).await.map_err(LinkError::Ledger)?;
    let quarantined = ledger.quarantined(&lane).await.map_err(LinkError::Ledger)?;
    let link_state = ledger.link_state(&lane).await.map_err(LinkError::Ledger)?;
    let reversal = match goal.desired.without {
        Some(run) => Some(must_be_known(reversal(ledger, run, &lane, &state).await?)?),
        None => None,
    };
    let (actual, first_policy) = read_member(member, goal).await?;
    let reads = Reads {
        at: now,
        before: Lane {
            state,
            open: open.items,
        },
        quarantined: quarantined.items,
        unreadable: [open.unreadable, quarantined.unreadable].concat(),
        link_state,
        actual,
        first_policy,
        reversal,
    };
    let mut draft = Draft::new(goal, reads);
    if let Some(earlier) = earlier {
        draft = draft.with_changes(earlier);
    } else if draft.needs_changes() {
        match ledger.products(&lane).await {
            Ok(changes) => draft = draft.with_changes(changes),
            // A change of an item that cannot be read would be refused by its claim.
            Err(error) => {
                tracing::warn!(%lane, %error, "the last changes of the lane's products cannot be read");
            }
        }
    }
    let products = draft.in_question();
    if !products.is_empty() {
        draft = draft.checked(&listings.answers(&products).await?);
    }
    let link_record = async |run: Option<RunId>| match run {
        Some(run) => ledger.link(run, &lane).await,
        None => Ok(None),
    };
    let mut unreadable = Vec::new();
    let approved = link_record(draft.approved_run()).await;
    let mut restored = Vec::new();
    for run in draft.restored_runs() {
        // Without it nothing would guard what was taken back.
        let record = link_record(Some(run)).await;
        restored.extend(record.map_err(LinkError::Ledger)?);
    }
    let mut records = Records {
        // Without it the plan needs approval again.
        approved: or_expired(approved, &mut unreadable)?,
        restored,
        ..Records::default()
    };
    for run in draft.approved_before() {
        // Without it what is left of it needs approval again, too.
        let record = or_expired(link_record(Some(run)).await, &mut unreadable)?;
        records.approved_before.extend(record);
    }
    if let Some(run) = draft.held_run() {
        // Without it nothing of it is held any more.
        records.held = or_expired(link_record(Some(run)).await, &mut unreadable)?;
    }
    if let Some(run) = draft.overriding_run() {
        records.planned = or_expired(ledger.run(run).await, &mut unreadable)?;
    }
    let committed = link_record(draft.committed_run(&records)).await;
    let committed = or_expired(committed, &mut unreadable)?;
    records.committed = committed.map(|record| record.plan());
    let mut seen = draft.finish(&records);
    seen.unreadable.extend(unreadable);
    Ok(seen)
}

/// Reads the member's lists. For an experience without a policy, which allows everything, also says
/// whether it is live.
async fn read_member<C: ReadCatalog>(
    catalog: &C,
    goal: Goal<'_>,
) -> Result<(PolicySnapshot, Option<bool>), LinkError> {
    let (account, id) = (&goal.link.member.account, goal.experience);
    let unreadable = |error: ServiceError| match error.kind {
        Kind::NotFound => LinkError::MemberNotFound(account.clone(), id.clone()),
        _ => LinkError::MemberUnreadable(account.clone(), error),
    };
    let experience = catalog.experience(id).await.map_err(unreadable)?;
    if experience.archived {
        return Err(LinkError::MemberArchived(account.clone(), id.clone()));
    }
    match &experience.policy {
        Some(policy) => {
            let lists = catalog.policy(policy).await.map_err(unreadable)?;
            Ok((lists, None))
        }
        None => Ok((
            PolicySnapshot::default(),
            Some(experience.status != Status::Disabled),
        )),
    }
}

/// Finds the outside edits of a link. The products, and the list that was seen before, are read only if something differs, so that a
/// link in sync costs no further read. If they cannot be read, the remembered edits stay: a link does not fail because of what only
/// reports need. `now` is the time of the run that sees the edits; a query has none.
pub(crate) async fn outside_edits<L: Products>(
    ledger: &L,
    seen: &Observation,
    now: Option<Timestamp>,
) -> Edited {
    if seen.plan.is_empty() && seen.held.is_empty() && seen.report.left_alone.is_empty() {
        return Edited::default();
    }
    let list = seen_before(ledger, seen).await;
    if let Some(changes) = &seen.changes {
        return edits_among(seen, changes, list.as_ref(), now);
    }
    let changes = match ledger.products(&seen.lane).await {
        Ok(changes) => changes.items,
        Err(error) => {
            tracing::warn!(lane = %seen.lane, %error, "outside edits cannot be determined: the lane's products cannot be read");
            // Nothing is known of what they undo: what changes them back counts.
            return Edited {
                since: seen.link_state.edited.clone(),
                ..Edited::default()
            };
        }
    };
    edits_among(seen, &changes, list.as_ref(), now)
}

/// The member's list as a run saw it before, if it is another one now.
pub(crate) async fn seen_before<L: Products>(ledger: &L, seen: &Observation) -> Option<SeenList> {
    let before = seen.link_state.seen.as_ref()?;
    if *before == SeenList::hash_of(&seen.actual) {
        return None;
    }
    let list = ledger.seen_list(&seen.lane).await;
    list.unwrap_or_else(|error| {
        let code = error.is_unreadable().then_some(UNREADABLE_ITEM);
        tracing::warn!(lane = %seen.lane, code, %error, "edits of products that pmp-sync never changed cannot be told: the list that was seen before cannot be read");
        None
    })
}

/// The outside edits among the last changes of the lane's products, and in the list that was seen before.
pub(crate) fn edits_among(
    seen: &Observation,
    changes: &[LastChange],
    list: Option<&SeenList>,
    now: Option<Timestamp>,
) -> Edited {
    let before = &seen.link_state.edited;
    let look = Look {
        changes,
        actual: &seen.actual,
        state: seen.state(),
        plan: &seen.wanted(),
        report: &seen.report,
        list,
        before,
        at: seen.at,
    };
    let edits = look.edits();
    Edited {
        undone: look.undone(&edits),
        ..Edited::new(edits, before, now)
    }
}
