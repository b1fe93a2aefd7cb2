//! Requests about holds: each is a run of its own, on one lane.
//!
//! An approval lets exactly that be done which was shown. It is remembered as the link's grant until
//! it is done, so that an interrupted one is taken up again; the guards let a plan through only if every
//! change of it was approved. What has become unnecessary falls away; anything new is refused.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::approval::{Approval, ApprovalAction, ApprovalRequest, Ask, Grant, Hold};
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::link::{Link, Mode};
use pmp_sync_domain::ports::{Entropy as _, Members as _, ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::{LinkRecord, LinkState, Request, RunRecord};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;

use crate::letters::link_of;
use crate::reconcile::listings::Kept;
use crate::reconcile::observe::{Source, inspect, read_management};
use crate::reconcile::{Connection, Errand, Outcome};
use crate::run::begin::{Setup, UNFINISHED};
use crate::{Ports, Producer};

/// Why a request about a hold comes to nothing.
enum Rejected {
    /// What was asked for does not fit what stands now.
    Refused(String),
    /// Something does not answer.
    Failed(LinkError),
}

impl From<LinkError> for Rejected {
    fn from(error: LinkError) -> Self {
        Self::Failed(error)
    }
}

/// A request on its link.
struct Case<'a> {
    run: RunId,
    request: &'a ApprovalRequest,
    setup: &'a Setup,
    link: &'a Link,
    ask: Ask,
}

impl<P: Ports> Producer<P> {
    /// Serves a request about a hold with a run of its own.
    pub(crate) async fn serve_approval(&self, request: &ApprovalRequest) -> Result<(), RunError> {
        let now = self.now();
        let random = self.ports.entropy().bits();
        let run = self.ports.ledger().next_run(now, random).await?;
        let scope = Scope {
            experiences: vec![request.lane.experience.clone()],
            ..Scope::default()
        };
        let mut record = RunRecord::new(run, 0, vec![scope], now);
        record.requests = vec![Request {
            kind: request.action.kind().to_owned(),
            id: request.request_id.clone(),
            requester: request.requester.clone(),
            account: request.account.clone(),
            ..Request::default()
        }];
        let setup = match self.setup().await {
            Ok(setup) => setup,
            Err(RunError::Ledger(error)) => return Err(RunError::Ledger(error)),
            Err(error) => return self.fail(record, &error).await,
        };
        record.config_version = setup.version;
        let Some(link) = link_of(&setup.config, &request.lane) else {
            let unknown = RunError::NoLink(request.lane.to_string());
            return self.fail(record, &unknown).await;
        };
        tracing::info!(%run, kind = request.action.kind(), lane = %request.lane, of = %request.run, "the run begins");
        self.ports.ledger().put_run(&record).await?;
        // A request that is cut off comes again, and is another run: there may be many before the next hour.
        let unfinished = self.ports.ledger().unfinished_runs(UNFINISHED).await?;
        self.announce_forgotten(&unfinished).await;
        self.close_interrupted(run, &unfinished).await?;
        let case = Case {
            run,
            request,
            setup: &setup,
            link,
            ask: Ask {
                by: request.requester.clone(),
                account: request.account.clone(),
                at: now,
            },
        };
        let outcome = self.approval(&case).await?;
        self.conclude(&mut record, vec![outcome]).await?;
        record.planned_at = Some(self.now());
        let record = record.concluded(self.now());
        Ok(self.put(&record).await?)
    }

    async fn approval(&self, case: &Case<'_>) -> Result<Outcome, RunError> {
        let served = match case.request.action {
            ApprovalAction::Approve => self.approve(case).await,
            ApprovalAction::Reject => self.reject(case).await,
            ApprovalAction::Restore => self.plan_rollback(case).await,
        };
        let lane = &case.request.lane;
        let mut approval = Approval {
            action: case.request.action,
            of: case.request.run,
            plan_hash: case.request.plan_hash.clone(),
            ask: case.ask.clone(),
            refused: None,
        };
        let mut outcome = match served {
            Ok(outcome) => outcome,
            // It comes again with its message.
            Err(Rejected::Failed(LinkError::Ledger(error))) => return Err(RunError::Ledger(error)),
            Err(Rejected::Failed(error)) => {
                self.failed(case.run, case.link, Some(lane.clone()), &error)
                    .await
            }
            Err(Rejected::Refused(why)) => {
                tracing::warn!(run = %case.run, %lane, why, "the request about a hold is refused");
                approval.refused = Some(why);
                self.bare(case, LinkStatus::Refused)
            }
        };
        if outcome.record.status == LinkStatus::Held
            && case.request.action == ApprovalAction::Approve
            && outcome.record.fault.is_none()
        {
            let why = "the plan has changes, or reasons to be held, that were not shown; what it is now waits for approval";
            approval.refused = Some(why.to_owned());
        }
        // What is on record already stays so: of a run that was cut off, or that has failed halfway, it shows
        // what is held, or committed.
        let known = self.ports.ledger().link(case.run, lane).await?;
        let record = LinkRecord {
            approval: Some(approval.clone()),
            ..known.unwrap_or_else(|| outcome.record.clone())
        };
        outcome.record.approval = Some(approval);
        match self.keep(lane, &record).await {
            Err(LinkError::Ledger(error)) => Err(RunError::Ledger(error)),
            _ => Ok(outcome),
        }
    }

    fn bare(&self, case: &Case<'_>, status: LinkStatus) -> Outcome {
        let mut record = self.blank(case.run, case.link);
        record.lane = Some(case.request.lane.clone());
        record.status = status;
        Outcome {
            record,
            messages: 0,
            lane: Some(case.request.lane.clone()),
            done: Vec::new(),
            superseded: false,
            quarantined: 0,
        }
    }

    async fn approve(&self, case: &Case<'_>) -> Result<Outcome, Rejected> {
        let ledger = self.ports.ledger();
        let lane = &case.request.lane;
        let link_state = ledger.link_state(lane).await.map_err(LinkError::Ledger)?;
        let found = asked_for(&link_state, case.request);
        let again = match &link_state.grant {
            Some(grant) if grant.run == case.request.run => {
                let shown = ledger.link(grant.run, lane).await;
                let shown = shown.map_err(LinkError::Ledger)?;
                shown.map(|record| record.shown().hash()) == case.request.plan_hash
            }
            _ => false,
        };
        let hold = match (found, again) {
            (Some((hold, _)), _) => Some(hold),
            (None, true) => None,
            (None, false) => return Err(Rejected::Refused(stale(&link_state, case.request))),
        };
        let rollback = if let Some(hold) = hold {
            hold.rollback_to()
        } else {
            let restored = link_state.restored.as_ref();
            let is_same = restored.is_some_and(|restored| restored.run == case.request.run);
            match (is_same, ledger.link(case.request.run, lane).await) {
                (true, Ok(Some(record))) => record.hold.as_ref().and_then(Hold::rollback_to),
                (true, Err(error)) => return Err(LinkError::Ledger(error).into()),
                _ => None,
            }
        };
        let desired = self.desired(case, rollback).await?;
        let connection = self.ports.members().connect(&case.link.member).await;
        let connection = connection.map_err(|error| {
            LinkError::MemberUnreachable(case.link.member.account.clone(), error)
        })?;
        let errand = errand_of(case, &desired, rollback.is_some());
        if let Some(hold) = hold {
            self.allow(case, &errand, hold, &connection).await?;
        }
        Ok(self.serve_lane_or_fail(&errand, &connection).await)
    }

    /// Remembers the approval, if the plan as it is now has nothing that was not shown.
    async fn allow(
        &self,
        case: &Case<'_>,
        errand: &Errand<'_>,
        hold: &Hold,
        connection: &Connection<P>,
    ) -> Result<(), Rejected> {
        let ledger = self.ports.ledger();
        let lane = &case.request.lane;
        let shown = ledger.link(hold.run, lane).await;
        let shown = shown
            .map_err(LinkError::Ledger)?
            .map(|record| record.shown())
            .filter(|shown| shown.hash() == hold.plan_hash);
        let Some(shown) = shown else {
            let why = "what was shown is not on record any more; the next run holds the plan anew";
            return Err(Rejected::Refused(why.to_owned()));
        };
        let seen = inspect(ledger, connection, &Kept(ledger), errand.view(), self.now()).await?;
        if errand.policy.frozen {
            let why = "the link is frozen; lift `freeze` first";
            return Err(Rejected::Refused(why.to_owned()));
        }
        if errand.suspension.is_some() {
            let why = "the link is suspended; `pmp-sync resume` it first";
            return Err(Rejected::Refused(why.to_owned()));
        }
        if !seen.plan.is_part_of(&shown) {
            if errand.rollback {
                // Nobody can release it any more.
                let mut next = seen.link_state.clone();
                next.restore = None;
                self.write_link_state(lane, &seen.link_state, &next).await?;
                let why = "the rollback has changes that were not shown; ask for it again";
                return Err(Rejected::Refused(why.to_owned()));
            }
            if seen.reasons.is_empty() {
                let why = "the plan has changes that were not shown, and needs no approval any more; the next run makes them (`pmp-sync sync`)";
                return Err(Rejected::Refused(why.to_owned()));
            }
            // Served as it is: the plan of today is held, and replaces the hold.
            return Ok(());
        }
        let is_shown = |odd: &HoldReason| {
            let mut reasons = hold.reasons.iter();
            let exempt = |name| case.link.guard.exempt.contains(&name);
            reasons.any(|reason| reason.guard() == odd.guard()) || odd.guard().is_some_and(exempt)
        };
        if !errand.rollback && !errand.desired.oddities.iter().all(is_shown) {
            // What somebody accepts has to have been shown: it is held anew, with all its reasons.
            return Ok(());
        }
        let mut next = seen.link_state.clone();
        let grant = Grant {
            run: hold.run,
            ask: case.ask.clone(),
            executed: case.run,
        };
        if errand.rollback {
            next.restored = Some(grant.clone());
            next.restore = None;
        } else {
            next.hold = None;
            next.restored = None;
            let odd = errand.desired.oddities.iter();
            next.accepted.extend(odd.filter_map(HoldReason::guard));
            next.management_allowed = Some(errand.desired.policy.allowed().len());
        }
        next.grant = Some(grant);
        if self.write_link_state(lane, &seen.link_state, &next).await? {
            Ok(())
        } else {
            Err(LinkError::Contended(lane.to_string()).into())
        }
    }

    async fn reject(&self, case: &Case<'_>) -> Result<Outcome, Rejected> {
        let lane = &case.request.lane;
        let link_state = self.ports.ledger().link_state(lane).await;
        let link_state = link_state.map_err(LinkError::Ledger)?;
        let mut next = link_state.clone();
        match asked_for(&link_state, case.request) {
            Some((_, true)) => next.restore = None,
            Some((hold, false)) => {
                next.hold = Some(Hold {
                    rejected: Some(case.ask.clone()),
                    ..hold.clone()
                });
            }
            None => return Err(Rejected::Refused(stale(&link_state, case.request))),
        }
        if !self.write_link_state(lane, &link_state, &next).await? {
            return Err(LinkError::Contended(lane.to_string()).into());
        }
        let mut outcome = self.bare(case, LinkStatus::Rejected);
        outcome.record.hold = next.hold;
        Ok(outcome)
    }

    /// Plans the rollback, and holds it: it is shown before it is gone.
    async fn plan_rollback(&self, case: &Case<'_>) -> Result<Outcome, Rejected> {
        let desired = self.desired(case, Some(case.request.run)).await?;
        let connection = self.ports.members().connect(&case.link.member).await;
        let connection = connection.map_err(|error| {
            LinkError::MemberUnreachable(case.link.member.account.clone(), error)
        })?;
        let errand = errand_of(case, &desired, true);
        if errand.policy.frozen {
            let why = "the link is frozen: nothing would go back; lift `freeze` first";
            return Err(Rejected::Refused(why.to_owned()));
        }
        if errand.policy.mode == Mode::Observe {
            let why = "the link only observes: nothing would go back; change its `mode` first";
            return Err(Rejected::Refused(why.to_owned()));
        }
        let ledger = self.ports.ledger();
        let seen = inspect(
            ledger,
            &connection,
            &Kept(ledger),
            errand.view(),
            self.now(),
        )
        .await?;
        let mut outcome = self.outcome(case.run, case.link, &seen);
        if seen.plan.is_empty() && seen.decision == Decision::InSync {
            outcome.record.status = LinkStatus::InSync;
            return Ok(outcome);
        }
        let reason = HoldReason::Restore {
            run: case.request.run,
        };
        let hold = self.new_hold(case.run, &seen, vec![reason]);
        outcome.record.status = LinkStatus::Held;
        outcome.record.hold = Some(hold.clone());
        // What would be approved is on record before it can be.
        self.keep(&seen.lane, &outcome.record).await?;
        let mut next = seen.link_state.clone();
        next.restore = Some(hold);
        if self
            .write_link_state(&seen.lane, &seen.link_state, &next)
            .await?
        {
            Ok(outcome)
        } else {
            Err(LinkError::Contended(seen.lane.to_string()).into())
        }
    }

    /// What the lane is to equal: the management experience, or the lists as they were before a run.
    async fn desired(&self, case: &Case<'_>, before: Option<RunId>) -> Result<Source, Rejected> {
        let Some(run) = before else {
            let experience = &case.link.management_experience;
            let only = BTreeSet::from([experience.clone()]);
            let mut read: BTreeMap<_, _> = read_management(self.ports.catalog(), only).await;
            let Some(desired) = read.remove(experience) else {
                return Err(LinkError::ManagementNotFound(experience.clone()).into());
            };
            return Ok(desired?);
        };
        let lists = self.ports.ledger().lists(run, &case.request.lane).await;
        let policy = lists.map_err(LinkError::Ledger)?.ok_or_else(|| {
            Rejected::Refused(format!(
                "no lists of {} are kept from before run {run}: it denied nothing there, there was no policy before it, or it has expired",
                case.request.lane
            ))
        })?;
        Ok(Source {
            policy,
            oddities: Vec::new(),
        })
    }
}

fn errand_of<'a>(case: &'a Case<'a>, desired: &'a Source, rollback: bool) -> Errand<'a> {
    let experience = &case.request.lane.experience;
    Errand {
        run: case.run,
        link: case.link,
        experience,
        desired,
        policy: case.setup.policy(case.link, experience),
        rollback,
        suspension: case
            .setup
            .suspensions
            .holds(&case.link.member.name, &case.request.lane),
        lifted: &NOTHING,
        // What was shown is executed, and an answer could only add to it.
        inquiry: None,
    }
}

static NOTHING: BTreeSet<pmp_sync_domain::ids::ProductId> = BTreeSet::new();

/// The hold that the request names, and whether it is a rollback.
fn asked_for<'a>(link_state: &'a LinkState, request: &ApprovalRequest) -> Option<(&'a Hold, bool)> {
    let of_plan = link_state.hold.as_ref().map(|hold| (hold, false));
    let of_rollback = link_state.restore.as_ref().map(|hold| (hold, true));
    let is_asked_for = |(hold, _): &(&Hold, bool)| {
        hold.run == request.run && Some(&hold.plan_hash) == request.plan_hash.as_ref()
    };
    of_plan.into_iter().chain(of_rollback).find(is_asked_for)
}

/// Why a request that fits no hold is refused, and the remedy.
fn stale(link_state: &LinkState, request: &ApprovalRequest) -> String {
    let held = link_state.hold.iter().chain(&link_state.restore);
    let commands: Vec<_> = held
        .map(|hold| hold.command(&request.lane.experience))
        .collect();
    if commands.is_empty() {
        format!("nothing is held on {}", request.lane)
    } else {
        format!(
            "what is held on {} is not the plan that was named; to release what is: {}",
            request.lane,
            commands.join("; ")
        )
    }
}
