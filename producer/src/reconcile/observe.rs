//! Looking at a link without changing anything: what the management experience says, what the member
//! experience has, what the lane is at, and what follows. Holds read ports only.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::{Grant, Hold};
use pmp_sync_domain::commit::{Decision, Question};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::drift::Edited;
use pmp_sync_domain::error::{Kind, LinkError};
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::guard::{Case, HoldReason};
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{BlockReason, LaneView, Phase, Quarantined};
use pmp_sync_domain::link::{Link, LinkPolicy, LiveCheck, Target};
use pmp_sync_domain::listing::{in_question, only_live};
use pmp_sync_domain::plan::{Plan, Reason, Report, plan};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::{Lane, Lanes, ReadCatalog, ReadRuns};
use pmp_sync_domain::records::LinkState;
use pmp_sync_domain::wire::Scope;

use crate::reconcile::listings::Informant;
use crate::run::begin::{is_done, overridden};

/// Experiences of one organization that are read at the same time: DescribeEntity takes 20 a second
/// for each account (catalog quotas).
const READS_AT_ONCE: usize = 4;

/// What a member experience is to equal.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) policy: PolicySnapshot,
    /// What is odd about where it comes from: nothing is done because of it without approval.
    pub(crate) oddities: Vec<HoldReason>,
}

/// What a management experience wants, or why nothing can be planned from it.
pub(crate) type Desired = Result<Source, LinkError>;

/// What a lane is looked at for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) link: &'a Link,
    /// What the link may do in this run.
    pub(crate) policy: &'a LinkPolicy,
    pub(crate) experience: &'a ExperienceId,
    pub(crate) desired: &'a Source,
    /// Products that are to be tried again although they are quarantined.
    pub(crate) lifted: &'a BTreeSet<ProductId>,
    /// True for a rollback, which no guard looks at: it is held or approved by itself. Nobody is asked
    /// whether its products are live either, which were allowed before.
    pub(crate) rollback: bool,
}

/// What was found on a link.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) lane: LaneId,
    /// When the look began.
    pub(crate) at: Timestamp,
    pub(crate) before: Lane,
    /// The member's lists.
    pub(crate) actual: PolicySnapshot,
    /// The experience has no policy yet; true if it is live.
    pub(crate) first_policy: Option<bool>,
    /// What is about to change in them.
    pub(crate) overlay: LaneView,
    pub(crate) link_state: LinkState,
    pub(crate) plan: Plan,
    pub(crate) report: Report,
    pub(crate) decision: Decision,
    /// Why the plan needs approval; none if it does not.
    pub(crate) reasons: Vec<HoldReason>,
    /// True if every change of the plan was approved.
    pub(crate) approved: bool,
    /// The rollback that was gone, or is to be, as it was shown.
    pub(crate) restored: Option<Plan>,
    /// The run before which the lists are wanted back, if somebody has approved it and it is not done.
    pub(crate) rolling_back: Option<RunId>,
    /// What people would lose.
    pub(crate) removals: BTreeSet<ProductId>,
    /// What to do with the lane while the plan is held: as if nothing were to be changed.
    pub(crate) halted: Decision,
    /// Quarantined changes that are not wanted any more.
    pub(crate) released: Vec<Quarantined>,
    /// Quarantined changes that are tried again under this plan.
    pub(crate) lifted: Vec<Quarantined>,
    /// How many stay in quarantine.
    pub(crate) quarantined: usize,
    /// What stands in quarantine and is still wanted, those included that are tried again.
    pub(crate) aside: Vec<Quarantined>,
    /// Outside edits; empty until somebody asks for them.
    pub(crate) edited: Edited,
}

impl Inspection {
    /// True if the member's own rules keep something back.
    pub(crate) fn is_kept_back(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        left.any(|left| left.reason == Reason::MemberRules)
    }

    /// True if the member has everything that the link is to bring, once the plan is empty.
    pub(crate) fn is_whole(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        let is_missing = |reason| matches!(reason, Reason::LiveUnknown | Reason::MemberRules);
        self.quarantined == 0 && !left.any(|left| is_missing(left.reason))
    }
}

/// Reads every management experience once.
pub(crate) async fn read_management<C: ReadCatalog>(
    catalog: &C,
    experiences: BTreeSet<ExperienceId>,
) -> BTreeMap<ExperienceId, Desired> {
    stream::iter(experiences)
        .map(|id| async move {
            let desired = read_desired(catalog, &id).await;
            if let Err(error) = &desired {
                tracing::error!(management_experience = %id, code = error.code(), %error, "nothing is planned from the management experience");
            }
            (id, desired)
        })
        .buffer_unordered(READS_AT_ONCE)
        .collect()
        .await
}

/// An experience that is empty, disabled, archived or without a policy is most likely a mistake, and
/// everything would be denied because of it: what it lists is planned, and held.
async fn read_desired<C: ReadCatalog>(catalog: &C, id: &ExperienceId) -> Desired {
    let unreadable = |error: pmp_sync_domain::error::ServiceError| match error.kind {
        Kind::NotFound => LinkError::ManagementNotFound(id.clone()),
        _ => LinkError::ManagementUnreadable(id.clone(), error),
    };
    let experience = catalog.experience(id).await.map_err(unreadable)?;
    let mut oddities = Vec::new();
    if experience.archived {
        oddities.push(HoldReason::ManagementArchived);
    } else {
        let status = match &experience.status {
            Status::Enabled => None,
            Status::Disabled => Some("Disabled".to_owned()),
            Status::Other(status) => Some(status.clone()),
        };
        oddities.extend(status.map(|status| HoldReason::ManagementDisabled { status }));
    }
    let policy = match &experience.policy {
        Some(policy) => catalog
            .policy(policy)
            .await
            .map_err(|error| LinkError::ManagementUnreadable(id.clone(), error))?,
        None => PolicySnapshot::default(),
    };
    if experience.policy.is_none() {
        oddities.push(HoldReason::ManagementNoPolicy);
    } else if policy.allowed().is_empty() {
        oddities.push(HoldReason::ManagementEmpty);
    }
    Ok(Source { policy, oddities })
}

/// The member experiences that a link is for, of those that the scopes cover. `*` takes the live ones
/// that no link names.
pub(crate) async fn targets<C: ReadCatalog>(
    catalog: &C,
    config: &Config,
    link: &Link,
    scopes: &[Scope],
) -> Result<Vec<ExperienceId>, LinkError> {
    let covered = |id: &ExperienceId| {
        scopes
            .iter()
            .any(|scope| scope.covers(&link.member.name, id))
    };
    if let Target::One(experience) = &link.target {
        return Ok(if covered(experience) {
            vec![experience.clone()]
        } else {
            Vec::new()
        });
    }
    let unreadable = |error| LinkError::MemberUnreadable(link.member.account.clone(), error);
    let named = config.named_lanes(&link.member.name);
    let ids = catalog.experiences().await.map_err(unreadable)?;
    let candidates = ids
        .into_iter()
        .filter(|id| covered(id) && !named.contains(&link.lane_of(id)));
    let live: Vec<_> = stream::iter(candidates)
        .map(|id| async move {
            catalog
                .experience(&id)
                .await
                .map(|experience| experience.is_live().then_some(id))
        })
        .buffered(READS_AT_ONCE)
        .collect()
        .await;
    live.into_iter()
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}

/// Looks at one member experience. The lane is read before the member's policy: what ends in between
/// is then still in the overlay, and at worst planned once too often.
pub(crate) async fn inspect<L: Lanes + ReadRuns, C: ReadCatalog>(
    ledger: &L,
    catalog: &C,
    informant: &impl Informant,
    view: View<'_>,
    now: Timestamp,
) -> Result<Inspection, LinkError> {
    let lane = view.link.lane_of(view.experience);
    let desired = &view.desired.policy;
    let state = ledger.state(&lane).await.map_err(LinkError::Ledger)?;
    let open = ledger.open(&lane).await.map_err(LinkError::Ledger)?;
    let quarantined = ledger.quarantined(&lane).await.map_err(LinkError::Ledger)?;
    let link_state = ledger.link_state(&lane).await.map_err(LinkError::Ledger)?;
    let (actual, first_policy) = read_member(catalog, view.link, view.experience).await?;
    let (again, quarantined): (Vec<_>, Vec<_>) = quarantined
        .into_iter()
        .partition(|aside| view.lifted.contains(&aside.product));
    let aside = quarantined.iter().map(Quarantined::change).collect();
    let overlay = state.view(aside);
    let planned = plan(desired, &actual, &overlay, view.policy);
    let (plan, report) = check_live(informant, planned, &actual, view, now).await?;
    let is_wanted = |aside: &Quarantined| {
        let standing = |policy: &PolicySnapshot| policy.standing(&aside.product);
        LinkPolicy::wanted(standing(desired), standing(&actual)) == Some(aside.action)
    };
    let is_wanted_still = |aside: &&Quarantined| is_wanted(aside);
    let released = quarantined.iter().filter(|aside| !is_wanted(aside));
    let staying = quarantined.len() - released.clone().count();
    // One that is lifted and not in the plan loses its dead letter now. Were it left in quarantine, and its
    // change wanted again, no replay would ever find it.
    let is_planned = |aside: &&Quarantined| plan.contains(&aside.change());
    let lost = again.iter().filter(|aside| !is_planned(aside));
    let released: Vec<_> = released.chain(lost).cloned().collect();
    let lifted: Vec<_> = again.iter().filter(is_planned).cloned().collect();
    let aside = quarantined.iter().filter(is_wanted_still).chain(&lifted);
    let aside = aside.cloned().collect();
    let mut seen = Inspection {
        before: Lane { state, open },
        removals: BTreeSet::new(),
        approved: false,
        restored: None,
        rolling_back: None,
        reasons: Vec::new(),
        decision: Decision::InSync,
        halted: Decision::InSync,
        quarantined: staying,
        aside,
        edited: Edited::default(),
        at: now,
        lane,
        actual,
        first_policy,
        overlay,
        link_state,
        plan,
        report,
        released,
        lifted,
    };
    seen.decision = match overridden_plan_under_way(ledger, &seen, view, now).await? {
        Some(planned) => Decision::Underway(planned),
        None => decide(ledger, &seen, &seen.plan, view, now).await?,
    };
    judge(ledger, &mut seen, view, now).await?;
    if seen.reasons.is_empty() {
        return Ok(seen);
    }
    let nothing = Plan::default();
    seen.halted = decide(ledger, &seen, &nothing, view, now).await?;
    Ok(seen)
}

/// Takes out what is not live, before anybody decides or judges.
async fn check_live(
    informant: &impl Informant,
    (plan, report): (Plan, Report),
    actual: &PolicySnapshot,
    view: View<'_>,
    now: Timestamp,
) -> Result<(Plan, Report), LinkError> {
    let products = in_question(&plan, actual);
    let check = view.link.live_check;
    if products.is_empty() || check == LiveCheck::Off || view.rollback {
        return Ok((plan, report));
    }
    let answers = informant.answers(&products).await?;
    Ok(only_live(plan, report, actual, &answers, check, now))
}

/// The run whose plan is at work on a frozen link because somebody has overridden the freeze, as long as it
/// is what would be planned now, were the link not frozen: the next run, which overrides nothing, is not to
/// halt it.
async fn overridden_plan_under_way<L: ReadRuns>(
    ledger: &L,
    seen: &Inspection,
    view: View<'_>,
    now: Timestamp,
) -> Result<Option<RunId>, LinkError> {
    let state = &seen.before.state;
    let is_idle = state.intent.is_none() && seen.before.open.is_empty() && is_done(state);
    let Some(run) = state
        .planned_run()
        .filter(|_| view.policy.frozen && !is_idle)
    else {
        return Ok(None);
    };
    let record = ledger.run(run).await.map_err(LinkError::Ledger)?;
    let scopes = record.map_or_else(Vec::new, |record| overridden(&record.requests));
    let covers = |scope: &Scope| scope.covers(&view.link.member.name, view.experience);
    if !scopes.iter().any(covers) {
        return Ok(None);
    }
    let thawed = LinkPolicy {
        frozen: false,
        ..view.policy.clone()
    };
    let (plan, _) = plan(&view.desired.policy, &seen.actual, &seen.overlay, &thawed);
    let view = View {
        policy: &thawed,
        ..view
    };
    Ok(match decide(ledger, seen, &plan, view, now).await? {
        Decision::Underway(planned) => Some(planned),
        Decision::InSync | Decision::Commit => None,
    })
}

/// What to do with the lane, if this is the plan.
async fn decide<L: ReadRuns>(
    ledger: &L,
    seen: &Inspection,
    plan: &Plan,
    view: View<'_>,
    now: Timestamp,
) -> Result<Decision, LinkError> {
    let state = &seen.before.state;
    let mut question = Question {
        plan,
        state,
        open: &seen.before.open,
        committed: None,
        desired: &view.desired.policy,
        link: view.policy,
        renewed: !seen.lifted.is_empty() && !plan.is_empty(),
    };
    let committed = match state.planned_run() {
        Some(run) if question.needs_committed(now) => ledger
            .link(run, &seen.lane)
            .await
            .map_err(LinkError::Ledger)?
            .map(|record| record.plan()),
        _ => None,
    };
    question.committed = committed.as_ref();
    Ok(question.decide(now))
}

/// True if what was approved was committed, and the lane has come to rest since: it was approved once.
fn is_spent(grant: &Grant, lane: &Lane) -> bool {
    let state = &lane.state;
    state.planned_run() >= Some(grant.executed)
        && state.phase != Phase::Blocked
        && state.intent.is_none()
        && lane.open.is_empty()
        && is_done(state)
}

/// Asks the guards.
async fn judge<L: ReadRuns>(
    ledger: &L,
    seen: &mut Inspection,
    view: View<'_>,
    now: Timestamp,
) -> Result<(), LinkError> {
    let record = async |grant: Option<&Grant>| match grant {
        Some(grant) => {
            let record = ledger.link(grant.run, &seen.lane).await;
            record.map_err(LinkError::Ledger)
        }
        None => Ok::<_, LinkError>(None),
    };
    let grant = seen.link_state.grant.as_ref();
    let grant = grant.filter(|grant| !is_spent(grant, &seen.before));
    let approved = record(grant).await?;
    let rolling_back = approved.as_ref().and_then(|record| record.hold.as_ref());
    // If all that is left of it fails, it has gone as far as it goes.
    let failed = seen.before.state.block.as_ref();
    let failed = failed.is_some_and(|block| block.reason == BlockReason::ChangeSetFailed);
    let tried =
        grant.is_some_and(|allowed| seen.before.state.planned_run() >= Some(allowed.executed));
    let rolling_back = rolling_back.filter(|_| !(tried && failed));
    let rolling_back = rolling_back.and_then(Hold::rollback_to);
    let approved = approved.map(|record| record.shown());
    let restored = record(seen.link_state.restored.as_ref()).await?;
    let restored = restored.map(|record| record.shown());
    let open = &seen.before.open;
    let open = open.iter().filter(|open| open.action == Action::Deny);
    let open = open.map(|open| open.product.clone()).collect();
    let case = Case {
        plan: &seen.plan,
        actual: &seen.actual,
        open: &open,
        first_policy: seen.first_policy == Some(true),
        oddities: &view.desired.oddities,
        management_allowed: view.desired.policy.allowed().len(),
        link_state: &seen.link_state,
        approved: approved.as_ref(),
        restored: restored.as_ref(),
        guard: &view.link.guard,
        now,
    };
    let removals = case.removals();
    let (is_approved, reasons) = (case.is_approved(), case.reasons());
    seen.restored = restored;
    seen.rolling_back = rolling_back;
    seen.removals = removals;
    seen.approved = is_approved;
    if !view.rollback {
        seen.reasons = reasons;
    }
    Ok(())
}

/// The member's lists; and, of an experience that has no policy and so allows everything, whether it is
/// live.
async fn read_member<C: ReadCatalog>(
    catalog: &C,
    link: &Link,
    id: &ExperienceId,
) -> Result<(PolicySnapshot, Option<bool>), LinkError> {
    let account = &link.member.account;
    let unreadable = |error: pmp_sync_domain::error::ServiceError| match error.kind {
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
