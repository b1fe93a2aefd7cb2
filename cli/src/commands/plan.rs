//! `pmp-sync plan`: previews the next sync. The producer makes the plan.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use pmp_sync_domain::answers::plan::{
    PlanPage, PlanRequest, Preview, PreviewDecision, PreviewLink,
};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::plan::LeftAlone;
use pmp_sync_domain::sources::{Conflict, Origin};
use pmp_sync_domain::wire::{PLAN_REQUESTED, Scope};

use crate::client::context::Context;
use crate::client::invoke::ask_showing;
use crate::client::products::{Mentions, Named, named};
use crate::client::scope;
use crate::failure::Failure;
use crate::options::{Common, Narrowing};
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct PlanOptions {
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// List every product.
    #[arg(long)]
    pub(crate) products: bool,
}

pub(crate) async fn run(common: &Common, options: &PlanOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let preview = preview(&context, scope).await?;
    let named = named(&context, preview).await;
    if common.json {
        output::json(&named)?;
    } else {
        show(&context, &named, options.products)?;
    }
    outcome(&named.answer.links)
}

impl Mentions for Preview {
    fn products(&self) -> BTreeSet<ProductId> {
        let products = self.links.iter().flat_map(PreviewLink::products);
        products.cloned().collect()
    }
}

/// Asks for all pages of the plan.
async fn preview(context: &Context, scope: Scope) -> Result<Preview, Failure> {
    let step = "the producer makes the plan";
    let mut request = PlanRequest {
        scope,
        ..PlanRequest::default()
    };
    let PlanPage { mut preview, next } =
        ask_showing(context, PLAN_REQUESTED, &request, step).await?;
    request.from = next;
    while request.from.is_some() {
        let page: PlanPage = ask_showing(context, PLAN_REQUESTED, &request, step).await?;
        preview.links.extend(page.preview.links);
        request.from = page.next;
    }
    Ok(preview)
}

/// The exit code: that of the worst link.
fn outcome(links: &[PreviewLink]) -> Result<(), Failure> {
    // Nothing is to be done on an experience that `*` leaves out.
    let served = || {
        let links = links.iter();
        links.filter(|link| link.decision != PreviewDecision::LeftOut)
    };
    let of = |is: fn(&PreviewLink) -> bool| served().filter(|link| is(link)).count();
    let all = output::count(served().count(), "link");
    let failed = of(|link| link.fault.is_some() && !is_warning(link));
    let held = of(|link| link.decision == PreviewDecision::Held);
    let differing = of(|link| link.decision != PreviewDecision::InSync && !is_warning(link));
    if failed > 0 {
        return Err(Failure::Partial(format!(
            "{failed} of {all} cannot be planned"
        )));
    }
    if held > 0 {
        return Err(Failure::Held(format!(
            "a run would hold {held} of {all}; `pmp-sync holds` lists what is held already"
        )));
    }
    match differing {
        0 => Ok(()),
        _ => Err(Failure::Differs(format!("{differing} of {all} differ"))),
    }
}

/// True for a link that has nothing to plan for. It is told, and has no exit code of its own.
fn is_warning(link: &PreviewLink) -> bool {
    link.decision == PreviewDecision::NoTargets
}

fn show(context: &Context, named: &Named<Preview>, products: bool) -> Result<(), Failure> {
    let (preview, names) = (&named.answer, &named.names);
    output::note(&format!(
        "by version {} of the configuration",
        preview.config_version
    ));
    if preview.links.is_empty() {
        output::note("no link is in this scope");
        return Ok(());
    }
    let header = "MEMBER, EXPERIENCE, DECISION, ALLOW, DENY, REMOVALS, CHANGE SETS, LEFT ALONE, EDITED OUTSIDE";
    let rows = preview
        .links
        .iter()
        .map(|link| {
            vec![
                link.member.to_string(),
                experience(link),
                link.decision.to_string(),
                link.allow.len().to_string(),
                link.deny.len().to_string(),
                link.removals.to_string(),
                link.fewest_change_sets.to_string(),
                reasons(&link.left_alone),
                output::edited(link.edited.len(), link.edited_since),
            ]
        })
        .collect();
    output::table(header, rows)?;
    for link in &preview.links {
        let name = format!("{} {}", link.member, experience(link));
        if let Some(fault) = &link.fault {
            let told = output::fault(Some(&name), fault);
            if is_warning(link) {
                context.note(&format!("warning: {told}"));
            } else {
                context.note(&told);
            }
        }
        for reason in &link.held_for {
            output::note(&format!(
                "{name}: {}: {reason}\nwhat to do: {}",
                reason.code(),
                reason.remedy()
            ));
        }
        if !link.contradictory.is_empty() {
            let list = link.contradictory.iter();
            let list: Vec<_> = list.map(|product| names.label(product)).collect();
            let list = list.join(", ");
            output::note(&format!(
                "{name}: allowed and denied at once in the management experience, so denied: {list}"
            ));
        }
        for origin in &link.conflicts {
            let label = |product: &ProductId| names.label(product);
            output::note(&conflict(&name, link.conflict, origin, label));
        }
        if let Some(told) = output::invalid(&name, &link.invalid) {
            output::note(&told);
        }
        if link.unchecked > 0 {
            output::note(&format!(
                "{name}: {} not known to be listed in AWS Marketplace; a run asks for them, and allows them unless live_check is \"require\"",
                output::count(link.unchecked, "product")
            ));
        }
        if link.origins_beyond > 0 {
            output::note(&format!(
                "{name}: {} in more combinations of management experiences than can be listed; `why` names those of a product",
                output::count(link.origins_beyond, "product")
            ));
        }
        if link.beyond > 0 {
            output::note(&format!(
                "{name}: {} more than can be listed",
                output::count(link.beyond, "product")
            ));
        }
        if products {
            let listed_by = listed_by(&link.origins);
            let from = |product| listed_by.get(product).map_or("", String::as_str);
            for product in &link.allow {
                let name_of = names.label(product);
                output::line(&format!("{name} allow {name_of}{}", from(product)))?;
            }
            for product in &link.deny {
                let name_of = names.label(product);
                output::line(&format!("{name} deny {name_of}{}", from(product)))?;
            }
            for left in &link.left_alone {
                output::line(&format!(
                    "{name} leave {} ({} is wanted, it is {}: {}){}",
                    names.label(&left.product),
                    left.wanted,
                    left.standing,
                    left.reason,
                    from(&left.product)
                ))?;
            }
            for product in &link.edited {
                output::line(&format!("{name} edited outside {}", names.label(product)))?;
            }
        }
    }
    Ok(())
}

/// Products on which management experiences of a link do not agree, and what applies.
fn conflict(
    name: &str,
    rule: Conflict,
    origin: &Origin,
    label: impl Fn(&ProductId) -> String,
) -> String {
    let products: Vec<_> = origin.products.iter().map(label).collect();
    format!(
        "{name}: {}, so {}: {}",
        origin.words(),
        rule.outcome(),
        products.join(", ")
    )
}

/// The management experiences that list a product, as they follow it in a line.
fn listed_by(origins: &[Origin]) -> BTreeMap<&ProductId, String> {
    let mut all = BTreeMap::new();
    for origin in origins {
        let words = format!(" ({})", origin.words());
        all.extend(
            origin
                .products
                .iter()
                .map(|product| (product, words.clone())),
        );
    }
    all
}

fn experience(link: &PreviewLink) -> String {
    output::or_star(link.experience.as_ref())
}

fn reasons(left: &[LeftAlone]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for left in left {
        *counts.entry(left.reason.to_string()).or_default() += 1;
    }
    if counts.is_empty() {
        return "0".to_owned();
    }
    counts
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect::<Vec<_>>()
        .join(", ")
}
