//! `requests approve` and `requests decline`. The management experience is changed first, and the
//! answer recorded then: a command that was interrupted can be repeated.

use std::collections::BTreeSet;

use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::plan::PreviewLink;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::policy::{Action, Conflict};
use pmp_sync_domain::product_list::{Wanted as Products, difference};
use pmp_sync_domain::records::{Answered, RequestAnswer};
use pmp_sync_domain::text::one_line;
use pmp_sync_domain::wire::limits::MOST_REQUESTER;

use super::answer::DecisionAnswer;
use super::options::{ApproveOptions, DeclineOptions, Wanted};
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::experience::named::{find, read};
use crate::client::management_list::{Answering, put_on_list};
use crate::client::product_list::effect::previews;
use crate::client::product_list::managed::Managed;
use crate::client::requests::{IN_THE_CONSOLE, KnownRequest, Requests, accounts};
use crate::client::scope;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// What an operator decided.
struct Decision<'a> {
    wanted: &'a Wanted,
    answered: Answered,
    /// What is done in the management experience.
    action: Option<Action>,
    reason: Option<&'a str>,
}

pub(super) async fn approve(
    common: &Common,
    context: &Context,
    options: &ApproveOptions,
) -> Result<(), Failure> {
    let decision = Decision {
        wanted: &options.wanted,
        answered: Answered::Approved,
        action: Some(Action::Allow),
        reason: options.reason.as_deref(),
    };
    decide(common, context, &decision).await
}

pub(super) async fn decline(
    common: &Common,
    context: &Context,
    options: &DeclineOptions,
) -> Result<(), Failure> {
    let decision = Decision {
        wanted: &options.wanted,
        answered: Answered::Declined,
        action: options.deny.then_some(Action::Deny),
        reason: Some(&options.reason),
    };
    decide(common, context, &decision).await
}

async fn decide(
    common: &Common,
    context: &Context,
    decision: &Decision<'_>,
) -> Result<(), Failure> {
    let Decision { wanted, action, .. } = decision;
    scope::members(wanted.member.as_slice(), context).await?;
    let requests = Requests::read(context, false).await?;
    let meant = requests
        .meant(context, &wanted.what, wanted.member.as_ref())
        .await?;
    let meant = unanswered(meant);
    let Some(first) = meant.first() else {
        return Ok(());
    };
    let product = first.request.product.clone();
    let experiences = match action {
        Some(_) => experiences(context, wanted, &meant).await?,
        None => BTreeSet::new(),
    };
    for known in &meant {
        output::note(&sentence(known));
    }
    if *action == Some(Action::Allow) {
        check_sources(context, &experiences, &product, &meant).await?;
    }
    confirm(wanted.yes, &question(decision, &product, &experiences))?;
    let mut edits = Vec::new();
    if let Some(action) = action {
        let ids: Vec<_> = meant
            .iter()
            .map(|known| known.request.request.clone())
            .collect();
        let answering = Answering {
            answered: decision.answered,
            requests: &ids,
            reason: decision.reason,
        };
        for experience in &experiences {
            let edit = put_on_list(context, experience, *action, &product, &answering).await?;
            edits.extend(edit);
        }
    }
    let changed = !edits.is_empty();
    let by = context.requester().await;
    let by = by.map(|by| pmp_sync_domain::text::beginning(&by, MOST_REQUESTER).to_owned());
    let mut recorded = Vec::new();
    for known in &meant {
        let answer = RequestAnswer {
            schema: SCHEMA,
            account: known.request.account.clone(),
            request: known.request.request.clone(),
            product: product.clone(),
            answered: decision.answered,
            denied: *action == Some(Action::Deny),
            reason: decision.reason.map(one_line),
            by: by.clone(),
            edits: edits.clone(),
            at: requests.now,
        };
        context.ledger.put_request_answer(&answer).await?;
        recorded.push(answer);
    }
    let what_to_do = format!(
        "{IN_THE_CONSOLE}: sign in to {}, and answer it under AWS Marketplace, Private Marketplace, Requests",
        accounts(&meant)
    );
    if common.json {
        return output::json(&DecisionAnswer {
            answered: decision.answered,
            product,
            management_experiences: experiences.into_iter().collect(),
            changed,
            requests: recorded,
            what_to_do,
        });
    }
    output::line(&result(decision, &product, &experiences, changed))?;
    output::line(&format!(
        "recorded as {} for {}",
        decision.answered,
        output::count(recorded.len(), "request")
    ))?;
    for edit in &edits {
        context.note(&format!("the edit is on record: `pmp-sync history {edit}`"));
    }
    output::note(&format!("{what_to_do}."));
    Ok(())
}

/// Those without an answer. If all have one, all of them: a new answer replaces it.
fn unanswered(meant: Vec<&KnownRequest>) -> Vec<&KnownRequest> {
    let (answered, open): (Vec<_>, Vec<_>) =
        meant.into_iter().partition(|known| known.answer.is_some());
    let outcome = if open.is_empty() {
        "this answer replaces it"
    } else {
        "it stays as it is"
    };
    for known in &answered {
        let words = known.answered().unwrap_or_default();
        output::note(&format!("{} was {words}; {outcome}", known.name()));
    }
    if open.is_empty() { answered } else { open }
}

/// An error if the product would stay denied for all of these, because another management experience of their links denies it.
async fn check_sources(
    context: &Context,
    experiences: &BTreeSet<ExperienceId>,
    product: &ProductId,
    meant: &[&KnownRequest],
) -> Result<(), Failure> {
    if !meant.iter().any(|known| known.follows_several) {
        return Ok(());
    }
    let wanted = Products::all([product.clone()], Action::Allow);
    let (mut denied, mut words) = (0, String::new());
    for id in experiences {
        let managed = Managed::read(&CatalogAdmin::new(&context.config), id).await?;
        let plan = difference(&managed.lists, &wanted, false).plan;
        let links = previews(context, id, &plan).await?;
        let of = |known: &&&KnownRequest| known.follows.as_ref() == Some(id);
        for known in meant.iter().filter(of) {
            let request = &known.request;
            let link = links.iter().find(|link| {
                link.account == request.account
                    && link.experience.as_ref() == Some(&request.experience)
            });
            if let Some(told) = link.and_then(|link| denied_by_another(link, product)) {
                output::note(&format!(
                    "{}: {product} stays denied in {}: it is {told}",
                    known.name(),
                    request.experience
                ));
                denied += 1;
                words = told;
            }
        }
    }
    if denied < meant.len() {
        return Ok(());
    }
    Err(Failure::CommandLine {
        message: format!("{product} would stay denied: it is {words}"),
        remedy: "allow it in the management experience that denies it, too (`pmp-sync product allow` with --management-experience), or decline the request".to_owned(),
    })
}

/// Who lists the product, in words, if it is denied because the management experiences do not agree.
fn denied_by_another(link: &PreviewLink, product: &ProductId) -> Option<String> {
    let origin = link
        .conflicts
        .iter()
        .find(|origin| origin.products.contains(product))?;
    (link.conflict == Conflict::Deny).then(|| origin.words())
}

/// The management experiences that are changed: those that the requests' experiences follow.
async fn experiences(
    context: &Context,
    wanted: &Wanted,
    meant: &[&KnownRequest],
) -> Result<BTreeSet<ExperienceId>, Failure> {
    if let Some(named) = &wanted.experience {
        let catalog = CatalogAdmin::new(&context.config);
        let found = find(&catalog, named).await?;
        // Before anything is asked.
        return Ok([read(&catalog, &found).await?.id].into());
    }
    let unlinked = meant.iter().find(|known| known.follows.is_none());
    if let Some(known) = unlinked {
        return Err(Failure::CommandLine {
            message: format!(
                "{} is made in {}, which follows no management experience",
                known.name(),
                known.request.experience
            ),
            remedy:
                "name the management experience with --experience, or other requests with --member"
                    .to_owned(),
        });
    }
    Ok(meant
        .iter()
        .filter_map(|known| known.follows.clone())
        .collect())
}

fn sentence(known: &KnownRequest) -> String {
    let request = &known.request;
    format!(
        "{}: {} requests {} in {}, until {}",
        known.name(),
        request.requester.as_deref().unwrap_or("a user"),
        request.product_words(),
        request.experience,
        output::time(Some(request.open_until())),
    )
}

fn list(experiences: &BTreeSet<ExperienceId>) -> String {
    let ids: Vec<_> = experiences.iter().map(ExperienceId::as_str).collect();
    ids.join(" and ")
}

fn question(
    decision: &Decision<'_>,
    product: &ProductId,
    experiences: &BTreeSet<ExperienceId>,
) -> String {
    let places = list(experiences);
    match decision.action {
        Some(Action::Allow) => {
            format!("Allow {product} in {places}, and so in every experience that follows?")
        }
        Some(Action::Deny) => {
            format!("Deny {product} in {places}, and so in every experience that follows?")
        }
        None => format!("Record that {product} is declined?"),
    }
}

fn result(
    decision: &Decision<'_>,
    product: &ProductId,
    experiences: &BTreeSet<ExperienceId>,
    changed: bool,
) -> String {
    let places = list(experiences);
    match (decision.action, changed) {
        (None, _) => "nothing is changed in a management experience".to_owned(),
        (Some(Action::Allow), true) => format!("{product} is allowed in {places}; a sync follows"),
        (Some(Action::Allow), false) => format!("{product} was allowed in {places} already"),
        (Some(Action::Deny), true) => format!("{product} is denied in {places}; a sync follows"),
        (Some(Action::Deny), false) => format!("{product} was denied in {places} already"),
    }
}
