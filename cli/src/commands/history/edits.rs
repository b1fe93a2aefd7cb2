//! Edits of the management lists by operators: who made them, and why.

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::Clock as _;
use pmp_sync_domain::records::{EditStatus, ListEdit, RunRecord};
use pmp_sync_domain::text::one_line;

use super::answer::HistoryAnswer;
use super::origin::MANAGEMENT;
use crate::client::context::Context;
use crate::client::products::names;
use crate::failure::Failure;
use crate::options::{Common, RunName};
use crate::output::{self, column};

/// The number of edits among which those of a run are looked for.
const LOOKED_AT: u16 = 200;
/// The edits that are read if a beginning may be that of several.
const MOST_LISTED: u16 = 2;

/// Shows the newest edits.
pub(super) async fn newest(common: &Common, context: &Context, limit: u16) -> Result<(), Failure> {
    let edits = context.readable(context.ledger.newest_edits(limit).await?);
    let edits = as_of_now(edits);
    if common.json {
        return output::json(&HistoryAnswer::Edits { edits: &edits });
    }
    if edits.is_empty() {
        return output::line("no edit by `pmp-sync product` yet");
    }
    let columns = [
        column("EDIT"),
        column("BEGAN"),
        column("COMMAND").folds(),
        column("BY").folds().leaves(4),
        column("STATUS").state(),
        column("ALLOW").number(),
        column("DENY").number(),
        column("REFUSED").number().leaves(2),
        column("CHANGE SETS").number().leaves(1),
        column("REASON").folds().leaves(3),
    ];
    let rows = edits.iter().map(|edit| {
        let applied = edit.applied;
        vec![
            edit.edit.to_string(),
            output::age(Some(edit.at)),
            edit.command.clone(),
            output::or_dash(by(edit)),
            edit.status.to_string(),
            of(applied.map(|applied| applied.allow), edit.allowed),
            of(applied.map(|applied| applied.deny), edit.denied),
            edit.refused.len().to_string(),
            edit.change_sets.len().to_string(),
            output::or_dash(edit.reason.as_deref().map(one_line)),
        ]
    });
    output::table(columns, rows)
}

/// The edits as they stand now.
fn as_of_now(edits: Vec<ListEdit>) -> Vec<ListEdit> {
    let now = SystemClock.now();
    edits.into_iter().map(|edit| edit.as_of(now)).collect()
}

/// What was applied of what was planned.
fn of(applied: Option<usize>, planned: usize) -> String {
    match applied {
        Some(applied) if applied != planned => format!("{applied} of {planned}"),
        _ => planned.to_string(),
    }
}

/// The edit that a name means, if there is one. An error if it means several.
pub(super) async fn find(context: &Context, name: &RunName) -> Result<Option<ListEdit>, Failure> {
    let found = match name {
        RunName::Last => context.ledger.newest_edits(1).await?,
        RunName::Id(id) => context.ledger.edits_beginning(&id.to_string(), 1).await?,
        RunName::Beginning(with) => context.ledger.edits_beginning(with, MOST_LISTED).await?,
    };
    let found = as_of_now(context.readable(found));
    if let [first, second, ..] = found.as_slice() {
        return Err(Failure::Unknown {
            message: format!(
                "several edits begin with that, among them {} and {}",
                first.edit, second.edit
            ),
            remedy: "give more characters of the id".to_owned(),
        });
    }
    Ok(found.into_iter().next())
}

/// The edit that a name means which no run has.
pub(super) async fn instead(
    context: &Context,
    name: &RunName,
) -> Result<Option<ListEdit>, Failure> {
    let is_free = match name {
        RunName::Last => false,
        RunName::Id(_) => true,
        RunName::Beginning(with) => {
            let runs = context.ledger.runs_beginning(with, 1).await?;
            runs.items.is_empty() && runs.unreadable.is_empty()
        }
    };
    if is_free {
        find(context, name).await
    } else {
        Ok(None)
    }
}

/// Shows the edit that a name means.
pub(super) async fn named(
    common: &Common,
    context: &Context,
    name: &RunName,
) -> Result<(), Failure> {
    let found = find(context, name).await?;
    let edit = found.ok_or_else(|| Failure::Unknown {
        message: match name {
            RunName::Last => "there is no edit yet".to_owned(),
            RunName::Id(id) => format!("there is no edit {id}"),
            RunName::Beginning(with) => format!("no edit has an id that begins with {with}"),
        },
        remedy: "`pmp-sync history --edits` lists the edits".to_owned(),
    })?;
    one(common, context, &edit).await
}

/// Shows one edit, with its products.
pub(super) async fn one(
    common: &Common,
    context: &Context,
    edit: &ListEdit,
) -> Result<(), Failure> {
    let products = edit.allow.iter().chain(&edit.deny).chain(&edit.refused);
    let names = names(context, &products.cloned().collect()).await;
    if common.json {
        let names = &names;
        return output::json(&HistoryAnswer::Edit { edit, names });
    }
    output::line(&format!("edit {}: {}", edit.edit, edit.status))?;
    output::line(&format!("  of          {}", edit.management_experience))?;
    output::line(&format!("  began       {}", output::time(Some(edit.at))))?;
    output::line(&format!("  ended       {}", output::time(edit.ended_at)))?;
    show_who(edit)?;
    if let Some(file) = &edit.file {
        output::line(&format!("  file        {}", one_line(file)))?;
    }
    for request in &edit.requests {
        output::line(&format!("  answers     request {request}"))?;
    }
    for set in &edit.change_sets {
        output::line(&format!("  change set  {set}"))?;
    }
    let counts = [
        (
            Action::Allow,
            &edit.allow,
            edit.allowed,
            edit.applied.map(|applied| applied.allow),
        ),
        (
            Action::Deny,
            &edit.deny,
            edit.denied,
            edit.applied.map(|applied| applied.deny),
        ),
    ];
    for (action, products, planned, applied) in counts {
        if planned == 0 {
            continue;
        }
        output::line(&format!(
            "  to {action}: {}, applied: {}",
            output::count(planned, "product"),
            applied.map_or_else(|| "not known".to_owned(), |applied| applied.to_string())
        ))?;
        for product in products {
            let refused = edit.refused.contains(product);
            let refused = if refused {
                ": rejected by AWS Marketplace"
            } else {
                ""
            };
            output::line(&format!("  {action} {}{refused}", names.label(product)))?;
        }
        if let Some(more) = planned.checked_sub(products.len()).filter(|more| *more > 0) {
            output::line(&format!(
                "  {action} {}",
                output::count(more, "more product")
            ))?;
        }
    }
    if edit.status == EditStatus::Interrupted {
        context.note(&format!(
            "`{}` was ended before its end; what its change sets have applied stays, and the same command goes on",
            edit.command_line()
        ));
    }
    Ok(())
}

/// The requester, without the beginning of an ARN.
fn by(edit: &ListEdit) -> Option<&str> {
    edit.requester.as_deref().map(output::principal)
}

/// The edits whose change sets have triggered a run.
pub(super) async fn of_run(context: &Context, run: &RunRecord) -> Result<Vec<ListEdit>, Failure> {
    let requests = run.requests.iter();
    let triggers: Vec<_> = requests
        .filter(|request| request.kind == MANAGEMENT)
        .filter_map(|request| request.id.as_deref())
        .collect();
    if triggers.is_empty() {
        return Ok(Vec::new());
    }
    let mut edits = context.readable(context.ledger.newest_edits(LOOKED_AT).await?);
    edits.retain(|edit| {
        let mut sets = edit.change_sets.iter();
        sets.any(|set| triggers.contains(&set.as_str()))
    });
    Ok(as_of_now(edits))
}

/// Shows the edits that have triggered a run.
pub(super) fn show(edits: &[ListEdit]) -> Result<(), Failure> {
    for edit in edits {
        output::line(&format!("  edit        {}", edit.edit))?;
        show_who(edit)?;
    }
    Ok(())
}

/// Who made an edit, and why.
fn show_who(edit: &ListEdit) -> Result<(), Failure> {
    output::line(&format!(
        "  edited      by `{}`, {}",
        edit.command_line(),
        edit.requester.as_deref().unwrap_or("nobody knows by whom")
    ))?;
    match &edit.reason {
        Some(reason) => output::line(&format!("  because     {}", one_line(reason))),
        None => Ok(()),
    }
}
