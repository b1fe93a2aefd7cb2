//! What `approve` and `reject` show before they ask: equal plans together, with their links, reasons and first products.

use pmp_sync_domain::approval::{ApprovalAction, Hold};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product::Names;

use super::meant::AllMeant;
use crate::client::context::Context;
use crate::client::holds::{Group, Known, grouped, shown};
use crate::client::products::names;
use crate::failure::Failure;
use crate::output;

/// The most links that are named of one plan.
const MOST_LINKS: usize = 20;
/// The most products that are shown of one plan.
const MOST_PRODUCTS: usize = 20;

/// Shows what is meant, on stderr.
pub(crate) async fn show(context: &Context, all: &AllMeant) -> Result<(), Failure> {
    let is_meant = |known: &Known, hold: &Hold| {
        all.links().any(|(of, meant)| {
            of.lane == known.lane && meant.run == hold.run && meant.hash == hold.plan_hash
        })
    };
    for group in grouped(&all.known, is_meant) {
        show_group(context, &group).await?;
    }
    Ok(())
}

async fn show_group(context: &Context, group: &Group<'_>) -> Result<(), Failure> {
    for (known, hold) in group.holds.iter().take(MOST_LINKS) {
        output::note(&known.held(hold));
    }
    if let Some(more) = group.holds.len().checked_sub(MOST_LINKS + 1) {
        output::note(&format!("and {}", output::count(more + 1, "more link")));
    }
    output::note(&group.plan_and_reasons());
    let Some((known, hold)) = group.first() else {
        return Ok(());
    };
    let Some(plan) = shown(context, hold, &known.lane).await? else {
        output::note("  its products are not on record any more");
        return Ok(());
    };
    // What takes something away comes first.
    let all = [(plan.deny(), Action::Deny), (plan.allow(), Action::Allow)];
    let first: Vec<(&ProductId, Action)> = all
        .into_iter()
        .flat_map(|(products, action)| products.iter().map(move |product| (product, action)))
        .collect();
    let listed = first.iter().take(MOST_PRODUCTS);
    let names: Names = names(
        context,
        &listed.clone().map(|(id, _)| (*id).clone()).collect(),
    )
    .await;
    for (product, action) in listed {
        output::note(&format!("  {action} {}", names.label(product)));
    }
    if let Some(more) = first.len().checked_sub(MOST_PRODUCTS + 1) {
        context.note(&format!(
            "  and {}: `pmp-sync holds --products` lists all",
            output::count(more + 1, "more product")
        ));
    }
    Ok(())
}

/// The question that is asked about what was shown.
pub(crate) fn question(action: ApprovalAction, all: &AllMeant) -> String {
    let links = output::count(all.meant.len(), "link");
    match action {
        ApprovalAction::Approve => format!("Execute what is shown on {links}?"),
        ApprovalAction::Reject => format!("Reject what is shown on {links}?"),
        ApprovalAction::Restore | ApprovalAction::Revert => format!("Ask about {links}?"),
    }
}
