//! Requests about dead letters: replay and discard, each a run of its own. Nothing is redriven
//! blindly: a replay plans anew, and drops what is no longer wanted, with a record. The quarantined
//! changes are those of the ledger, whether or not they still have a letter. A letter is deleted
//! only after its change has been sent under a committed plan and its fate is recorded.

use std::collections::BTreeSet;
use std::slice;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{RunError, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::link::{Member, Target};
use pmp_sync_domain::ports::{
    Clock, DeadLetterBox, Lanes, Members, ReadCatalog, SendChanges, WriteRuns,
};
use pmp_sync_domain::reconcile::Goal;
use pmp_sync_domain::records::{DeadLetterOutcome, LettersLeft, LinkRecord, Request};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterAction, DeadLetterRequest, Scope};

use crate::claims::Claims;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::letters::{LetterFate, Read, Selected, by_lane, fate, put_back, receive, time_to_look};
use crate::quarantine::quarantined_of;
use crate::reach::{DesiredStates, desired_for, read_management};
use crate::receipts::Asked;
use crate::reconcile::fail::fail_link;
use crate::reconcile::listings::{ListingLookup, Listings, RESERVE};
use crate::reconcile::outcome::{LinkOutcome, ReconcileRequest};
use crate::reconcile::reconcile_or_fail;
use crate::run::begin::open_run;
use crate::run::finish::{add_outcomes, finish_run};
use crate::setup::Setup;

/// The run and the member of the letters, with the configuration.
struct Case<'a> {
    run: RunId,
    member: &'a Member,
    setup: &'a Setup,
    desired: &'a DesiredStates,
    deadline: Timestamp,
}

/// Serves a request about dead letters with a run of its own.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    from: &Asked,
    request: &DeadLetterRequest,
    deadline: Timestamp,
) -> Result<(), RunError> {
    let named = &request.filter.members;
    let scope = Scope {
        members: named.clone(),
        ..Scope::default()
    };
    let kind = match request.action {
        DeadLetterAction::Replay => "replay-requested",
        DeadLetterAction::Discard => "discard-requested",
    };
    let asked = Request {
        kind: kind.to_owned(),
        id: request.request_id.clone(),
        requester: request.requester.clone(),
        ..Request::default()
    };
    let Some((mut record, setup)) =
        open_run(context, slice::from_ref(from), vec![scope], vec![asked]).await?
    else {
        return Ok(());
    };
    let run = record.run;
    tracing::info!(%run, kind, filter = ?request.filter, "the run begins");
    context.ledger.put_run(&record).await?;
    let desired = match request.action {
        DeadLetterAction::Replay => {
            read_management(&context.marketplace, &setup.config.links).await
        }
        DeadLetterAction::Discard => DesiredStates::default(),
    };
    let listings = ListingLookup::new(context, deadline);
    let mut all_left = LettersLeft::default();
    for member in setup.config.members.values() {
        if !named.is_empty() && !named.contains(&member.name) {
            continue;
        }
        let case = Case {
            run,
            member,
            setup: &setup,
            desired: &desired,
            deadline,
        };
        if let Some((outcomes, left)) = serve_member(context, &case, request, &listings).await? {
            add_outcomes(context, &mut record, outcomes).await?;
            all_left.add(left);
        } else {
            record.totals.failed += 1;
            record.totals.links += 1;
        }
    }
    record.letters_left = Some(all_left).filter(|left| !left.is_nothing());
    finish_run(context, record).await
}

/// Serves the letters of one member, if they can be read. Also returns what is left of them.
async fn serve_member<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    request: &DeadLetterRequest,
    listings: &impl Listings,
) -> Result<Option<(Vec<LinkOutcome>, LettersLeft)>, RunError> {
    let seconds = time_to_look(context.now(), case.deadline);
    if seconds <= 0 {
        return Ok(Some((Vec::new(), LettersLeft::untouched())));
    }
    let received = async {
        let connection = context.members.connect(case.member).await?;
        let quarantined = quarantined_of(&context.ledger, case.member).await?;
        let (member, filter) = (case.member, &request.filter);
        let selected = receive(&connection, member, &quarantined, filter, seconds).await?;
        Ok::<_, ServiceError>((connection, selected))
    };
    let (connection, Selected { reads, left }) = match received.await {
        Ok(received) => received,
        Err(error) => {
            tracing::error!(run = %case.run, member = %case.member.name, %error, "the dead letters of a member cannot be read");
            return Ok(None);
        }
    };
    let mut outcomes = Vec::new();
    if request.action == DeadLetterAction::Discard {
        for read in &reads {
            if let Ok(change) = &read.change {
                release_of(context, &change.lane(), [change]).await?;
            }
            let why = "somebody asked for it".to_owned();
            delete(
                context,
                case,
                &connection,
                read,
                (DeadLetterOutcome::Discarded, why),
            )
            .await?;
        }
        return Ok(Some((outcomes, left)));
    }
    let (lanes, others) = by_lane(reads);
    for read in &others {
        let why = read.change.as_ref().err().cloned().unwrap_or_default();
        keep(context, case, &connection, read, why).await?;
    }
    for (lane, letters) in lanes {
        if elapsed(context.now(), case.deadline) <= RESERVE {
            for (read, _) in &letters {
                let why = "the run had no time left for it: ask again".to_owned();
                keep(context, case, &connection, read, why).await?;
            }
            continue;
        }
        let replayed = replay_lane(context, case, &connection, &lane, &letters, listings).await?;
        outcomes.extend(replayed);
    }
    Ok(Some((outcomes, left)))
}

async fn replay_lane<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    connection: &C,
    lane: &LaneId,
    letters: &[(Read, ChangeMessage)],
    listings: &impl Listings,
) -> Result<Option<LinkOutcome>, RunError>
where
    L: Ledger,
    O: Outbox,
    S: Clock,
    C: ReadCatalog + SendChanges + DeadLetterBox,
{
    let setup = case.setup;
    let Some(link) = setup.link_of(lane) else {
        let why = "no link of the configuration serves its experience";
        release_of(context, lane, letters.iter().map(|(_, change)| change)).await?;
        for (read, _) in letters {
            let fate = (DeadLetterOutcome::Dropped, why.to_owned());
            delete(context, case, connection, read, fate).await?;
        }
        return Ok(None);
    };
    // `*` covers live experiences. A letter whose experience cannot be read now is kept.
    if link.target == Target::EveryLive {
        let live = connection.experience(&lane.experience).await;
        if !live.is_ok_and(|experience| experience.is_live()) {
            let why = "its experience is not live, or cannot be read: no link takes it now";
            for (read, _) in letters {
                keep(context, case, connection, read, why.to_owned()).await?;
            }
            return Ok(None);
        }
    }
    let lifted = letters.iter().map(|(_, change)| change.product.clone());
    let claims = Claims::default();
    let claimed = claims.check(&context.ledger, setup, link, &lane.experience);
    let desired = match claimed.await {
        Ok(()) => desired_for(link, case.desired),
        Err(error) => Err(error),
    };
    let outcome = match desired {
        Ok(desired) => {
            let goal = Goal {
                link,
                policy: &setup.policy(link, &lane.experience),
                experience: &lane.experience,
                desired,
                lifted: &lifted.collect::<BTreeSet<_>>(),
                rollback: false,
                suspension: setup.suspension(link, &lane.experience),
            };
            let request = ReconcileRequest {
                run: case.run,
                goal,
            };
            reconcile_or_fail(context, &request, listings, connection).await
        }
        Err(error) => fail_link(context, case.run, link, Some(lane.clone()), &error).await,
    };
    settle_letters(context, case, connection, lane, letters, &outcome.record).await?;
    Ok(Some(outcome))
}

/// Keeps or deletes letters, depending on the outcome of their lane.
async fn settle_letters<L: Lanes + WriteRuns, A, M, O, S: Clock, C: DeadLetterBox>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    connection: &C,
    lane: &LaneId,
    letters: &[(Read, ChangeMessage)],
    served: &LinkRecord,
) -> Result<(), RunError> {
    // A rollback releases nothing. What is quarantined anew by now has a letter of its own.
    let quarantined = context.ledger.quarantined(lane).await?.items;
    let stays = |change: &ChangeMessage| {
        let mut quarantined = quarantined.iter();
        quarantined.any(|still| {
            still.product == change.product
                && still.action == change.action
                && still.run == change.run
        })
    };
    for (read, change) in letters {
        match fate(change, served, stays(change)) {
            (DeadLetterOutcome::Kept, why) => keep(context, case, connection, read, why).await?,
            fate => delete(context, case, connection, read, fate).await?,
        }
    }
    Ok(())
}

/// Releases the changes of deleted letters from quarantine. The next run tries again what is still
/// wanted.
async fn release_of<'a, L: Lanes + WriteRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    lane: &LaneId,
    changes: impl IntoIterator<Item = &'a ChangeMessage>,
) -> Result<(), RunError> {
    let ledger = &context.ledger;
    let products: BTreeSet<_> = changes.into_iter().map(|change| &change.product).collect();
    for quarantined in ledger.quarantined(lane).await?.items {
        if products.contains(&quarantined.product) {
            ledger.release(lane, &quarantined, context.now()).await?;
        }
    }
    Ok(())
}

/// Records what became of a letter, then deletes it. If the deletion fails, the next request looks
/// at the letter again, and finds its change under way or in place.
async fn delete<L: WriteRuns, A, M, O, S: Clock, C: DeadLetterBox>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    connection: &C,
    read: &Read,
    fate: LetterFate,
) -> Result<(), RunError> {
    let record = read.record(case.member, fate, context.now());
    context.ledger.put_dead_letter(case.run, &record).await?;
    for letter in read.in_queue() {
        if let Err(error) = connection.delete_dead_letter(letter).await {
            tracing::warn!(run = %case.run, letter = letter.id, %error, "a dead letter that is dealt with could not be deleted");
        }
    }
    Ok(())
}

async fn keep<L: WriteRuns, A, M, O, S: Clock, C: DeadLetterBox>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    connection: &C,
    read: &Read,
    why: String,
) -> Result<(), RunError> {
    let fate = (DeadLetterOutcome::Kept, why);
    let record = read.record(case.member, fate, context.now());
    context.ledger.put_dead_letter(case.run, &record).await?;
    put_back(connection, std::slice::from_ref(read)).await;
    Ok(())
}
