//! What a change of the management lists would mean in each member, as the producer plans it.

use pmp_sync_domain::answers::plan::{
    Overlay, PlanPage, PlanRequest, PreviewDecision, PreviewLink,
};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::sync_state::SyncState;
use pmp_sync_domain::wire::PLAN_REQUESTED;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::holds::ReasonAnswer;
use crate::client::invoke::ask_showing;
use crate::failure::Failure;
use crate::output::{self, column};

/// What a run would do on one member experience once the change is made. Includes what differs already.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberEffect {
    /// The member's name in the configuration.
    pub(crate) member: MemberName,
    /// The member account.
    pub(crate) account: AccountId,
    /// Its experience. None for a `*` link that failed as a whole.
    pub(crate) experience: Option<ExperienceId>,
    /// How far the link may go.
    pub(crate) mode: Mode,
    /// The state of the experience once the change is made.
    pub(crate) state: SyncState,
    /// The state in words, or why there is none.
    #[serde(skip)]
    words: &'static str,
    /// What a run would do: `held` if a guard would hold a part of the plan.
    pub(crate) decision: PreviewDecision,
    /// Number of products that would be allowed, without those that are held.
    pub(crate) allow: usize,
    /// Number of products that would be denied, without those that are held.
    pub(crate) deny: usize,
    /// Number of these denies whose products are allowed now.
    pub(crate) removals: usize,
    /// Number of changes that a guard would hold.
    pub(crate) held: usize,
    /// The fewest change sets that this takes.
    pub(crate) fewest_change_sets: usize,
    /// Number of products that differ and would be left alone.
    pub(crate) left_alone: usize,
    /// Number of allows of products that are not known to be listed in AWS Marketplace.
    pub(crate) unchecked: usize,
    /// Why a guard would hold them.
    pub(crate) held_for: Vec<ReasonAnswer>,
    /// Why nothing can be planned.
    pub(crate) fault: Option<FaultRecord>,
}

impl MemberEffect {
    fn new(link: PreviewLink) -> Self {
        Self {
            state: link.sync_state(),
            words: link.state_words(),
            allow: link.allow.len(),
            deny: link.deny.len(),
            held: link.held.len(),
            left_alone: link.left_alone.len(),
            held_for: ReasonAnswer::all(&link.held_for),
            member: link.member,
            account: link.account,
            experience: link.experience,
            mode: link.mode,
            decision: link.decision,
            removals: link.removals,
            fewest_change_sets: link.fewest_change_sets,
            unchecked: link.unchecked,
            fault: link.fault,
        }
    }

    fn name(&self) -> String {
        format!(
            "{} {}",
            self.member,
            output::or_star(self.experience.as_ref())
        )
    }
}

/// What it means in each member if `plan` is carried out on the management experience.
pub(crate) async fn effects(
    context: &Context,
    management_experience: &ExperienceId,
    plan: &Plan,
) -> Result<Vec<MemberEffect>, Failure> {
    let links = previews(context, management_experience, plan).await?;
    Ok(links.into_iter().map(MemberEffect::new).collect())
}

/// Asks the producer for the plans of the members if `plan` is carried out on the management experience.
pub(crate) async fn previews(
    context: &Context,
    management_experience: &ExperienceId,
    plan: &Plan,
) -> Result<Vec<PreviewLink>, Failure> {
    let mut request = PlanRequest {
        overlay: Some(Overlay {
            management_experience: management_experience.clone(),
            allow: plan.allow().clone(),
            deny: plan.deny().clone(),
        }),
        ..PlanRequest::default()
    };
    request.check()?;
    let mut links = Vec::new();
    loop {
        let step = "the producer plans what it means in each member";
        let page: PlanPage = ask_showing(context, PLAN_REQUESTED, &request, step)
            .await
            .map_err(|failure| unplanned(&failure))?;
        links.extend(page.preview.links);
        request.from = page.next;
        if request.from.is_none() {
            return Ok(links);
        }
    }
}

/// A failure of the producer, with the way around it.
fn unplanned(failure: &Failure) -> Failure {
    let fault = failure.record("see the message");
    let is_older = fault.message.contains("unknown field `overlay`");
    let remedy = if is_older {
        "the producer is of an earlier release: update it with `pmp-sync deploy management`"
            .to_owned()
    } else {
        fault.remedy.clone()
    };
    Failure::Fault(Box::new(FaultRecord {
        message: format!(
            "what it means in each member is not known, so nothing is changed: {}",
            fault.message
        ),
        remedy: format!("{remedy}; --no-preview goes on without it"),
        ..fault
    }))
}

/// Shows what it means in each member.
pub(crate) fn show(context: &Context, effects: &[MemberEffect]) {
    if effects.is_empty() {
        output::note("no member follows this management experience");
        return;
    }
    let columns = [
        column("MEMBER"),
        column("EXPERIENCE"),
        column("STATE").folds().state(),
        column("ALLOW").number(),
        column("DENY").number(),
        column("REMOVALS").number(),
        column("HELD").number(),
        column("CHANGE SETS").number().leaves(1),
        column("LEFT ALONE").number().leaves(2),
    ];
    let rows = effects.iter().map(|effect| {
        vec![
            effect.member.to_string(),
            output::or_star(effect.experience.as_ref()),
            effect.words.to_owned(),
            effect.allow.to_string(),
            effect.deny.to_string(),
            effect.removals.to_string(),
            effect.held.to_string(),
            effect.fewest_change_sets.to_string(),
            effect.left_alone.to_string(),
        ]
    });
    output::note("what a run would then do in each member:");
    output::note_table(columns, rows);
    for effect in effects {
        if let Some(fault) = &effect.fault {
            context.note(&output::fault(Some(&effect.name()), fault));
        }
        for reason in &effect.held_for {
            context.note(&format!("{}: {reason}", effect.name()));
        }
    }
}
