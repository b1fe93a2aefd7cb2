//! The read-only plan for the operator.

use std::collections::BTreeSet;
use std::pin::pin;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::answers::plan::{
    PlanCursor, PlanPage, PlanRequest, Preview, PreviewDecision, PreviewLink,
};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::drift::Edited;
use pmp_sync_domain::error::{FaultRecord, Kind, LinkError, RunError};
use pmp_sync_domain::ids::{AccountId, ExperienceId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::InvalidProducts;
use pmp_sync_domain::ports::{
    Clock, Lanes, Members, Products, ReadCatalog, ReadRuns, StoredConfig,
};
use pmp_sync_domain::reconcile::{Decision, DesiredState, Observation, decide_plan};
use pmp_sync_domain::records::HeldPart;
use pmp_sync_domain::sources::{Origin, conflicting, origins as grouped};
use pmp_sync_domain::sync_state::LinkFacts;
use pmp_sync_domain::wire::Scope;
use pmp_sync_domain::{SCHEMA, Timestamp};

use super::cached::Cached;
use super::if_acting::{acting, if_acting};
use super::overlaid::Overlaid;
use super::survey::{LINKS_AT_ONCE, LaneQuery, MOST_BYTES, Survey, observe_lane, state_of};
use crate::context::Context;
use crate::reach::reach;
use crate::reconcile::observe::outside_edits;
use crate::setup::Setup;

/// Computes what a run over `scope` would do now.
pub async fn plan<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    scope: &Scope,
) -> Result<Preview, RunError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let mut request = PlanRequest {
        scope: scope.clone(),
        ..PlanRequest::default()
    };
    let mut all = plan_page(context, &request).await?;
    while let Some(next) = all.next {
        request.from = Some(next);
        let page = plan_page(context, &request).await?;
        all.preview.links.extend(page.preview.links);
        all.next = page.next;
    }
    Ok(all.preview)
}

/// Computes one page of the plan: as many member experiences as an answer may have.
pub async fn plan_page<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    request: &PlanRequest,
) -> Result<PlanPage, RunError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let overlay = request.overlay.as_ref();
    let catalog = Overlaid::new(&context.marketplace, overlay);
    let asked = &survey_of(context, &catalog, request).await?;
    let survey = &asked.survey;
    let config_version = survey.setup.version;
    let from = request.from.unwrap_or(PlanCursor {
        config_version,
        link: 0,
        lane: 0,
    });
    let is_concerned = |link: &&Link| {
        overlay.is_none_or(|overlay| link.sources.contains(&overlay.management_experience))
    };
    let links = survey.links().into_iter().filter(is_concerned);
    let links = links.enumerate().skip(from.link);
    let planned = stream::iter(links)
        .map(|(place, link)| async move {
            let lanes = plan_link(context, survey, link).await;
            let lanes = lanes.unwrap_or_else(|error| vec![asked.failed(link, &error)]);
            (place, lanes)
        })
        .buffered(LINKS_AT_ONCE);
    let mut planned = pin!(planned);
    let (mut links, mut bytes, mut next) = (Vec::new(), 0, None);
    'page: while let Some((link, lanes)) = planned.next().await {
        let before = if link == from.link { from.lane } else { 0 };
        for (lane, preview) in lanes.into_iter().enumerate().skip(before) {
            let preview = preview.bounded();
            let size = serde_json::to_vec(&preview).map_or(MOST_BYTES, |text| text.len() + 1);
            if bytes + size > MOST_BYTES && !links.is_empty() {
                next = Some(PlanCursor {
                    config_version,
                    link,
                    lane,
                });
                break 'page;
            }
            bytes += size;
            links.push(preview);
        }
    }
    Ok(PlanPage {
        preview: Preview {
            schema: SCHEMA,
            config_version,
            links,
        },
        next,
    })
}

/// What is asked: the configuration in force or the one of the request, and who is new in that.
struct Asked {
    survey: Survey,
    /// The member accounts of the configuration in force, if another one is asked for.
    known: Option<BTreeSet<AccountId>>,
}

impl Asked {
    /// A link that fails as a whole. A new member whose role cannot be assumed has failed nothing: its stacks
    /// are not deployed yet.
    fn failed(&self, link: &Link, error: &LinkError) -> PreviewLink {
        let preview = failed(link, None, error);
        let accounts = self.known.as_ref();
        let is_new = accounts.is_some_and(|known| !known.contains(&link.member.account));
        let is_denied =
            matches!(error, LinkError::MemberUnreachable(_, error) if error.kind == Kind::Denied);
        if !is_new || !is_denied {
            return preview;
        }
        let fault = preview.fault.map(|fault| FaultRecord {
            remedy:
                "deploy the stacks of the new member account; until then no run can plan for it"
                    .to_owned(),
            ..fault
        });
        PreviewLink {
            decision: PreviewDecision::NotYet,
            state: None,
            fault,
            ..preview
        }
    }
}

/// Reads what the request asks about. A configuration of the request counts instead of the stored one, and
/// its version is the one that it would follow.
async fn survey_of<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    catalog: &C,
    request: &PlanRequest,
) -> Result<Asked, RunError>
where
    L: ReadRuns,
    C: ReadCatalog,
{
    let ledger = &context.ledger;
    let version = request.from.map(|from| from.config_version);
    let Some(text) = &request.config else {
        let survey = Survey::at(ledger, catalog, &request.scope, version).await?;
        return Ok(Asked {
            survey,
            known: None,
        });
    };
    let stored = match version {
        Some(version) => ledger.config_version(version).await?,
        None => ledger.config().await?,
    };
    let wanted = StoredConfig {
        version: stored.as_ref().map_or(0, |stored| stored.version),
        text: text.clone(),
    };
    // One that cannot be parsed any more knows nobody.
    let known = stored.and_then(|stored| Config::parse(&stored.text).ok());
    let known = known.into_iter().flat_map(|config| config.members);
    let setup = Setup::of(ledger, &wanted).await?;
    Ok(Asked {
        survey: Survey::of(setup, catalog, &request.scope).await,
        known: Some(known.map(|(_, member)| member.account).collect()),
    })
}

async fn plan_link<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    survey: &Survey,
    link: &Link,
) -> Result<Vec<PreviewLink>, LinkError>
where
    L: Lanes + Products + ReadRuns,
    M: Members,
    S: Clock,
{
    let Survey {
        setup,
        scopes,
        desired,
        claims,
    } = survey;
    let reached = reach(context, claims, setup, link, scopes, desired).await;
    let (desired, connection, targets) = reached?;
    let ledger = &context.ledger;
    let left_out = targets.left_out.into_iter();
    let left_out = left_out.map(|(experience, error)| PreviewLink {
        decision: PreviewDecision::LeftOut,
        state: None,
        ..failed(link, Some(experience), &error)
    });
    let mut links: Vec<_> = left_out.collect();
    for experience in targets.experiences {
        let of = LaneQuery {
            setup,
            link,
            experience: &experience,
            desired,
            lifted: &BTreeSet::new(),
        };
        let preview = plan_lane(ledger, &connection, of, context.now()).await;
        let preview = preview.unwrap_or_else(|error| failed(link, Some(experience), &error));
        links.push(preview);
    }
    Ok(links)
}

async fn plan_lane<L, C>(
    ledger: &L,
    member: &C,
    of: LaneQuery<'_>,
    now: Timestamp,
) -> Result<PreviewLink, LinkError>
where
    L: Lanes + Products + ReadRuns,
    C: ReadCatalog,
{
    let member = &Cached::new(member);
    let policy = of.policy();
    let goal = of.goal(&policy);
    let seen = observe_lane(ledger, member, goal, now).await?;
    let decision = decide_plan(&goal, &seen, None);
    let edited = outside_edits(ledger, &seen, None).await;
    let of_sources = sources_of(of.desired, &seen);
    let if_acting = match acting(&policy) {
        Some(policy) => Some(if_acting(ledger, member, goal, &policy, now).await?),
        None => None,
    };
    let preview = preview_of(of.link, of.experience.clone(), seen, &decision, &edited);
    Ok(of_sources.added_to(PreviewLink {
        if_acting,
        ..preview
    }))
}

/// The management experiences of a link that list its products.
struct OfSources {
    origins: Vec<Origin>,
    conflicts: Vec<Origin>,
    beyond: usize,
}

fn sources_of(desired: &DesiredState, seen: &Observation) -> OfSources {
    let sources = desired.sources.as_slice();
    let left = seen.report.left_alone.iter().map(|left| &left.product);
    let wanted = seen.wanted();
    let listed = wanted.allow().iter().chain(wanted.deny()).chain(left);
    let (origins, unnamed) = grouped(sources, listed);
    let (conflicts, more) = grouped(sources, &conflicting(sources));
    OfSources {
        origins,
        conflicts,
        beyond: unnamed.max(more),
    }
}

impl OfSources {
    fn added_to(self, preview: PreviewLink) -> PreviewLink {
        PreviewLink {
            origins: self.origins,
            conflicts: self.conflicts,
            origins_beyond: self.beyond,
            ..preview
        }
    }
}

fn preview_of(
    link: &Link,
    experience: ExperienceId,
    seen: Observation,
    decision: &Decision,
    edited: &Edited,
) -> PreviewLink {
    PreviewLink {
        experience: Some(experience),
        state: Some(LinkFacts::observed(&seen, decision).state()),
        decision: PreviewDecision::of(decision),
        allow: seen.plan.allow().iter().cloned().collect(),
        deny: seen.plan.deny().iter().cloned().collect(),
        removals: seen.report.removals,
        fewest_change_sets: seen.plan.fewest_change_sets(),
        plan_hash: Some(seen.plan.hash()),
        held: HeldPart::from(&seen.held),
        held_for: seen.guards.reasons,
        left_alone: seen.report.left_alone,
        unchecked: seen.report.unchecked,
        invalid: seen.report.invalid,
        contradictory: seen.report.contradictory.into_iter().collect(),
        edited: edited.products(),
        edited_since: edited.first(),
        ..blank(link)
    }
}

fn blank(link: &Link) -> PreviewLink {
    PreviewLink {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience: None,
        sources: link.sources.clone(),
        mode: link.policy.mode,
        decision: PreviewDecision::Failed,
        allow: Vec::new(),
        deny: Vec::new(),
        removals: 0,
        fewest_change_sets: 0,
        plan_hash: None,
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        origins: Vec::new(),
        origins_beyond: 0,
        conflicts: Vec::new(),
        conflict: link.conflict,
        unchecked: 0,
        invalid: InvalidProducts::default(),
        edited: Vec::new(),
        edited_since: None,
        beyond: 0,
        held: HeldPart::default(),
        held_for: Vec::new(),
        fault: None,
        state: None,
        if_acting: None,
    }
}

fn failed(link: &Link, experience: Option<ExperienceId>, error: &LinkError) -> PreviewLink {
    let experience = experience.or_else(|| link.lane().map(|lane| lane.experience));
    PreviewLink {
        experience,
        state: (!error.is_warning()).then(|| state_of(error)),
        decision: if error.is_warning() {
            PreviewDecision::NoTargets
        } else if error.is_guarded() {
            PreviewDecision::Held
        } else {
            PreviewDecision::Failed
        },
        fault: Some(error.record()),
        ..blank(link)
    }
}
