//! Lanes that are reported to be done, or blocked. The producer observes each before it believes
//! that. A lane that is not in sync gets a run of its own. A block is announced at once.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::drift::Edited;
use pmp_sync_domain::error::{LinkError, RunError, ServiceError};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::{ExperienceId, LaneId};
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::link::Link;
use pmp_sync_domain::ports::{Bus, Clock, Lanes, Members, Products, ReadCatalog, WriteRuns};
use pmp_sync_domain::reconcile::{
    Course, Decision, DesiredState, Goal, Observation, after_block, after_observing, decide_plan,
    is_busy,
};
use pmp_sync_domain::records::Request;
use pmp_sync_domain::retry::{Attempt, Missed};
use pmp_sync_domain::run::LaneEnd;
use pmp_sync_domain::wire::Scope;

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::reach::{connect, desired_for, read_management, targets};
use crate::reconcile::listings::CachedListings;
use crate::reconcile::marks::{mark_rest, waiting};
use crate::reconcile::observe::observe;
use crate::reconcile::remember::{remember, remember_seen};
use crate::run::begin::begin_run;
use crate::run::finish::{Ends, end_lanes};
use crate::run::retry::retry_missed;
use crate::setup::Setup;

/// The results of the observed lanes.
#[derive(Default)]
struct Settled {
    /// Experiences that need another plan.
    again: Vec<Scope>,
    observed: BTreeSet<LaneId>,
    done: Ends,
    /// Lanes that could not be looked at, and may be soon.
    missed: Vec<Missed>,
}

impl Settled {
    fn missed(&mut self, link: &Link, experience: &ExperienceId, error: &LinkError) {
        tracing::warn!(member = %link.member.name, %experience, code = error.code(), %error, "a settled lane cannot be looked at");
        self.missed
            .extend(Missed::of(link, Some(experience), error));
    }
}

/// Observes the lanes, stamps those that are done, and plans the others again.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    lanes: &BTreeSet<LaneId>,
    deadline: Timestamp,
) -> Result<(), RunError> {
    if lanes.is_empty() {
        return Ok(());
    }
    let setup = match Setup::read(&context.ledger).await {
        Ok(setup) => setup,
        Err(error) if error.is_passing() => return Err(error),
        Err(error) => {
            tracing::error!(code = error.code(), %error, "a settled lane cannot be looked at");
            return Ok(());
        }
    };
    let looked_at = context.now();
    let scopes = lanes
        .iter()
        .filter_map(|lane| scope_of(&setup.config, lane));
    let scopes: Vec<_> = scopes.collect();
    let chosen = setup.links_in(&scopes);
    let desired = read_management(&context.marketplace, chosen.iter().copied()).await;
    let mut settled = Settled::default();
    for link in chosen {
        let settled_of = lanes
            .iter()
            .filter(|lane| setup.link_of(lane) == Some(link));
        let reached = match desired_for(link, &desired) {
            Ok(desired) => reach_settled(context, &setup, link, &scopes)
                .await
                .map(|(connection, experiences)| (desired, connection, experiences)),
            Err(error) => Err(error),
        };
        let (desired, connection, experiences) = match reached {
            Ok(reached) => reached,
            Err(error) => {
                settled_of.for_each(|lane| settled.missed(link, &lane.experience, &error));
                continue;
            }
        };
        for experience in experiences {
            let of = (link, &experience, desired);
            settle(context, &setup, of, &connection, &mut settled).await;
        }
    }
    for lane in lanes.difference(&settled.observed) {
        end_unseen(&context.ledger, &setup, lane, &mut settled.done).await?;
    }
    end_lanes(context, settled.done).await?;
    let id = format!("settled-{:032x}", context.system.bits());
    let attempt = Attempt {
        id: &id,
        run: None,
        requests: &[],
        at: looked_at,
    };
    retry_missed(context, attempt, &settled.missed).await;
    if settled.again.is_empty() {
        return Ok(());
    }
    let request = Request {
        kind: "lane-settled".to_owned(),
        ..Request::default()
    };
    let run = begin_run(context, &[], settled.again, vec![request], deadline);
    run.await.map(drop)
}

/// Reaches the member of a link, and finds those of its experiences that the scopes cover.
async fn reach_settled<L, A, M: Members, O, S>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    link: &Link,
    scopes: &[Scope],
) -> Result<(M::Connection, Vec<ExperienceId>), LinkError> {
    let connection = connect(&context.members, &link.member).await?;
    let targets = targets(&connection, &setup.config, link, scopes).await?;
    Ok((connection, targets.experiences))
}

/// Observes one lane, and stamps it if it is done.
async fn settle<L: Lanes + Products + WriteRuns, A, M, O: Bus, S: Clock, C: ReadCatalog>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    (link, experience, desired): (&Link, &ExperienceId, &DesiredState),
    connection: &C,
    settled: &mut Settled,
) {
    let goal = Goal {
        link,
        policy: &setup.policy(link, experience),
        experience,
        desired,
        lifted: &BTreeSet::new(),
        rollback: false,
        // Whether it is done does not depend on suspensions.
        suspension: None,
    };
    let ledger = &context.ledger;
    let listings = CachedListings(ledger);
    let seen = match observe(ledger, connection, &listings, goal, context.now()).await {
        Ok(seen) => seen,
        Err(error) => {
            settled.missed(link, experience, &error);
            return;
        }
    };
    settled.observed.insert(seen.lane.clone());
    if seen.state().phase == Phase::Blocked {
        // A run at once would find what blocks it again. The block is announced now.
        let next = after_block(&goal, &seen, context.now());
        let told = remember(
            ledger,
            &context.unannounced,
            &seen.lane,
            &seen.link_state,
            &next,
        )
        .await;
        if let Err(error) = told {
            tracing::warn!(lane = %seen.lane, %error, "the block of a lane waits for the next run to be announced");
        }
        return;
    }
    let again = || Scope {
        members: vec![link.member.name.clone()],
        experiences: vec![experience.clone()],
    };
    match decide_plan(&goal, &seen, None) {
        Decision::Hold { rest, passes } => {
            let known = seen.link_state.hold.as_ref();
            let is_known = known.is_some_and(|hold| hold.plan_hash == seen.held.hash());
            if !is_known || (passes && rest == Course::Commit) {
                settled.again.push(again());
            }
            if rest == Course::InSync {
                end_held(context, &seen, &mut settled.done).await;
            }
        }
        Decision::InSync => {
            if let Err(error) = end_in_sync(context, &goal, &seen, &mut settled.done).await {
                tracing::warn!(lane = %seen.lane, %error, "a settled lane could not be stamped");
            }
        }
        Decision::Commit => {
            tracing::info!(lane = %seen.lane, allow = seen.plan.allow().len(), deny = seen.plan.deny().len(), "a settled lane is not equal and is planned again");
            settled.again.push(again());
        }
        Decision::Underway(_)
        | Decision::MarkSuspension
        | Decision::ResumeRollback(_)
        | Decision::Suspended
        | Decision::RefuseRollback
        | Decision::AnothersPlan => {}
    }
}

async fn end_held<L: Lanes + WriteRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    seen: &Observation,
    done: &mut Ends,
) {
    let rests = mark_rest(&context.ledger, &context.system, seen, false).await;
    // While the management list is in doubt, nobody knows what is done.
    let mut reasons = seen.guards.reasons.iter();
    let end = if reasons.any(HoldReason::holds_everything) {
        LaneEnd::NotSeen
    } else {
        LaneEnd::Rests {
            quarantined: seen.quarantine.staying(),
        }
    };
    for run in rests.unwrap_or_default() {
        done.entry(run).or_default().push((seen.lane.clone(), end));
    }
}

/// Ends the grant and the hold of a lane in sync.
async fn end_in_sync<L: Lanes + WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    goal: &Goal<'_>,
    seen: &Observation,
    done: &mut Ends,
) -> Result<(), LinkError> {
    let (ledger, lane) = (&context.ledger, &seen.lane);
    let next = after_observing(goal, seen, &Edited::default(), context.now());
    if !remember_seen(ledger, &context.unannounced, seen, &next).await? {
        return Ok(());
    }
    let end = LaneEnd::Rests {
        quarantined: seen.quarantine.staying(),
    };
    for run in mark_rest(ledger, &context.system, seen, seen.is_whole()).await? {
        done.entry(run).or_default().push((lane.clone(), end));
    }
    Ok(())
}

/// Ends a lane that rests and could not be observed: its link was removed from the configuration,
/// or a side of it does not answer. Otherwise the runs that wait for it would wait until the next
/// run.
async fn end_unseen<L: Lanes>(
    ledger: &L,
    setup: &Setup,
    lane: &LaneId,
    done: &mut Ends,
) -> Result<(), ServiceError> {
    let state = match ledger.state(lane).await {
        Ok(state) => state,
        // The next run ends what waits for it, and reports it.
        Err(error) if error.is_unreadable() => {
            tracing::error!(%lane, code = "PMS-4004", %error, "a settled lane cannot be read");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if is_busy(&state, &[]) || !ledger.open(lane).await?.items.is_empty() {
        return Ok(());
    }
    let end = if setup.serves(lane) {
        LaneEnd::NotSeen
    } else {
        LaneEnd::Rests { quarantined: 0 }
    };
    for run in waiting(&state) {
        done.entry(run).or_default().push((lane.clone(), end));
    }
    Ok(())
}

fn scope_of(config: &Config, lane: &LaneId) -> Option<Scope> {
    let member = config
        .members
        .values()
        .find(|member| member.account == lane.account)?;
    Some(Scope {
        members: vec![member.name.clone()],
        experiences: vec![lane.experience.clone()],
    })
}
