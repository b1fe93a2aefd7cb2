//! Links that are held and have no plan: a management experience of theirs does not exist or can never be read.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, RunId};
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::holds::Known;
use crate::client::run::newest;
use crate::client::run::states::LastRecords;
use crate::failure::Failure;
use crate::output;

/// The newest runs among which the last one of each link is looked for.
const LOOKED_AT: u16 = 20;

/// A link that is held, and for which no plan can be made. There is nothing to approve.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HeldWithoutPlan {
    /// The member's name in the configuration.
    member: MemberName,
    /// The member account.
    account: AccountId,
    /// The member experience, or `*`.
    experience: String,
    /// The management experience that it follows. The first, if it follows several.
    management_experience: ExperienceId,
    /// All management experiences that it follows, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    management_experiences: Vec<ExperienceId>,
    /// When the hold began. Null if it has not been announced yet.
    #[schemars(with = "Option<Time>")]
    since: Option<Timestamp>,
    /// The last run that could make no plan.
    run: RunId,
    /// The stable code. docs/errors has a page for it.
    code: String,
    /// Why no plan can be made, as a sentence.
    message: String,
    /// What to do.
    what_to_do: String,
}

impl HeldWithoutPlan {
    fn new(context: &Context, record: &LinkRecord, known: &[Known]) -> Option<Self> {
        let fault = record.fault.as_ref()?;
        let known = known
            .iter()
            .find(|known| Some(&known.lane) == record.lane.as_ref());
        let mark = known.and_then(|known| known.link_state.notices.distrusted.as_ref());
        let experience = record.lane.as_ref().map(|lane| &lane.experience);
        Some(Self {
            member: record.member.clone(),
            account: record.account.clone(),
            experience: output::or_star(experience),
            management_experience: record.sources.first().clone(),
            management_experiences: record.sources.several(),
            since: mark.map(|mark| mark.since),
            run: record.run,
            code: fault.code.clone(),
            message: fault.message.clone(),
            what_to_do: context.flags.advice(&fault.advice()),
        })
    }

    /// What is held and why, as `holds` shows it.
    pub(super) fn words(&self) -> String {
        let since = self.since.map(|since| output::time(Some(since)));
        let since = since.map_or_else(String::new, |since| format!(" since {since}"));
        format!(
            "{} {}: held{since}, and no plan can be made\n  {}    {}\n  what to do  {}",
            self.member,
            self.experience,
            self.code,
            output::with_times(&self.message),
            self.what_to_do
        )
    }
}

/// The links of the scope that are held without a plan, in the order of their names.
pub(super) async fn without_plan(
    context: &Context,
    scope: &Scope,
    known: &[Known],
) -> Result<Vec<HeldWithoutPlan>, Failure> {
    let (runs, _) = newest(context, LOOKED_AT).await?;
    let last = LastRecords::read(context, &context.readable(runs)).await?;
    let is_in = |record: &&LinkRecord| match &record.lane {
        Some(lane) => scope.covers(&record.member, &lane.experience),
        // A link of all experiences of a member.
        None => scope.is_everything() || scope.members.contains(&record.member),
    };
    let held = last.held_without_plan().filter(is_in);
    let mut held: Vec<_> = held
        .filter_map(|record| HeldWithoutPlan::new(context, record, known))
        .collect();
    held.sort_by(|one, other| {
        (&one.member, &one.experience).cmp(&(&other.member, &other.experience))
    });
    Ok(held)
}
