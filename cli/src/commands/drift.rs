//! `pmp-sync drift`: products that somebody else has changed, since when that is known, and who it was.

use clap::Args;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, ProductId};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::text::one_or;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::account::{Part, account_of};
use crate::client::context::Context;
use crate::client::holds::{Known, known};
use crate::client::products::names;
use crate::client::scope;
use crate::client::trail::{MOST_PAGES, Trail, look_up};
use crate::failure::Failure;
use crate::options::{Common, Narrowing};
use crate::output::{self, column};
use crate::progress::Progress;

/// How long before an edit was seen its change set is looked for, in seconds: runs are hourly.
const BEFORE: i64 = 24 * 3600;

#[derive(Debug, Args)]
pub(crate) struct DriftOptions {
    #[command(flatten)]
    narrowing: Narrowing,
    /// The AWS profile with credentials of the member account, to look up in its CloudTrail who it was.
    /// Needs --member, and permission for cloudtrail:LookupEvents there.
    #[arg(long)]
    profile: Option<String>,
}

/// The output of `drift`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DriftAnswer {
    /// The outside edits that runs have seen and that still differ.
    edits: Vec<EditAnswer>,
    /// Number of edits that are only counted.
    beyond: usize,
    /// True if CloudTrail was asked who it was.
    looked_up: bool,
    /// The names of the products in this answer, by id. A product whose name is not known is left out.
    names: Names,
}

/// A product that somebody else has changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EditAnswer {
    /// The member; null if its lane was never planned for.
    member: Option<MemberName>,
    /// The member account.
    account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// The product.
    product: ProductId,
    /// When a run first saw the edit.
    #[schemars(with = "Time")]
    since: Timestamp,
    /// Who started the change set, as CloudTrail tells it. Null if that is not known.
    by: Option<String>,
    /// When it was started.
    #[schemars(with = "Option<Time>")]
    at: Option<Timestamp>,
    /// The change set.
    change_set: Option<ChangeSetId>,
}

pub(crate) async fn run(common: &Common, options: &DriftOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let known = of_scope(&context, &scope).await?;
    let trail = match &options.profile {
        Some(profile) => Some(asked(profile, &scope, &known).await?),
        None => None,
    };
    let edited = known
        .iter()
        .flat_map(|known| known.link_state.edited.keys());
    let names = names(&context, &edited.cloned().collect()).await;
    let answer = answer(&known, trail.as_ref(), names);
    if common.json {
        output::json(&answer)?;
    } else {
        show(&context, &answer)?;
    }
    if trail.is_some_and(|trail| trail.cut_off) {
        output::note(
            "CloudTrail has more change sets than were read: who is missing may be among the older ones",
        );
    }
    match answer.edits.len() + answer.beyond {
        0 => Ok(()),
        edits => Err(Failure::Differs(format!(
            "{} {} because somebody else has changed {}",
            output::count(edits, "product"),
            one_or(edits, "differs", "differ"),
            one_or(edits, "it", "them")
        ))),
    }
}

/// The links of the scope with outside edits.
async fn of_scope(context: &Context, scope: &Scope) -> Result<Vec<Known>, Failure> {
    let mut known = known(context).await?;
    known.retain(|known| known.is_in(scope) && !known.link_state.edited.is_empty());
    Ok(known)
}

/// Asks the CloudTrail of the one member whose credentials the profile has.
async fn asked(profile: &str, scope: &Scope, known: &[Known]) -> Result<Trail, Failure> {
    let remedy = || "name the one member whose account the profile is for with --member".to_owned();
    if scope.members.len() != 1 {
        return Err(Failure::CommandLine {
            message: "--profile has the credentials of one member account".to_owned(),
            remedy: remedy(),
        });
    }
    let Some(first) = known
        .iter()
        .flat_map(|known| known.link_state.edited.values())
        .min()
    else {
        return Ok(Trail::default());
    };
    let account = account_of(Some(profile), Part::Member).await?;
    if let Some(other) = known.iter().find(|known| known.lane.account != account.id) {
        return Err(Failure::CommandLine {
            message: format!(
                "profile {profile} is for account {}, and the member's is {}",
                account.id, other.lane.account
            ),
            remedy: remedy(),
        });
    }
    let progress = Progress::new();
    let found = look_up(
        &account.config,
        (later(*first, -BEFORE), None),
        MOST_PAGES,
        &progress,
    )
    .await;
    progress.finish();
    found
}

fn answer(known: &[Known], trail: Option<&Trail>, names: Names) -> DriftAnswer {
    let edits = known.iter().flat_map(|known| {
        let (lane, member) = (&known.lane, known.member());
        known.link_state.edited.iter().map(move |(product, since)| {
            let found = trail.and_then(|trail| trail.of(&lane.experience, product, *since));
            EditAnswer {
                member: member.cloned(),
                account: lane.account.clone(),
                experience: lane.experience.clone(),
                product: product.clone(),
                since: *since,
                by: found.map(|found| found.by.clone()),
                at: found.map(|found| found.at),
                change_set: found.and_then(|found| found.change_set.clone()),
            }
        })
    });
    DriftAnswer {
        edits: edits.collect(),
        beyond: known
            .iter()
            .map(|known| known.link_state.edited_beyond)
            .sum(),
        looked_up: trail.is_some(),
        names,
    }
}

fn show(context: &Context, answer: &DriftAnswer) -> Result<(), Failure> {
    if answer.edits.is_empty() {
        return output::line("nobody else has changed what is governed");
    }
    let rows = answer.edits.iter().map(|edit| {
        let member = edit.member.as_ref().map(ToString::to_string);
        vec![
            member.unwrap_or_else(|| edit.account.to_string()),
            edit.experience.to_string(),
            edit.product.to_string(),
            output::or_dash(answer.names.of(&edit.product)),
            output::age(Some(edit.since)),
            output::or_dash(edit.by.as_ref()),
            output::or_dash(edit.change_set.as_ref()),
        ]
    });
    let columns = [
        column("MEMBER"),
        column("EXPERIENCE").leaves(2),
        column("PRODUCT").leaves(3),
        column("NAME").folds(),
        column("SEEN SINCE"),
        column("BY").folds(),
        column("CHANGE SET").leaves(1),
    ];
    output::table(columns, rows)?;
    if answer.beyond > 0 {
        output::note(&format!(
            "{} {} only counted",
            output::count(answer.beyond, "further one"),
            one_or(answer.beyond, "is", "are")
        ));
    }
    if !answer.looked_up {
        context.note("who it was is in the member's CloudTrail: `pmp-sync drift --member NAME --profile PROFILE`");
    }
    context.note("a service control policy keeps others from changing what is governed: `pmp-sync scp --member NAME`");
    Ok(())
}
