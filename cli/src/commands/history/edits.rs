//! Edits of the management lists by operators: who made them, and why.

use pmp_sync_domain::records::{ListEdit, RunRecord};
use pmp_sync_domain::text::one_line;

use super::answer::HistoryAnswer;
use crate::client::context::Context;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};

/// The number of edits among which those of a run are looked for.
const LOOKED_AT: u16 = 200;

/// Shows the newest edits.
pub(super) async fn newest(common: &Common, context: &Context, limit: u16) -> Result<(), Failure> {
    let edits = context.readable(context.ledger.newest_edits(limit).await?);
    if common.json {
        return output::json(&HistoryAnswer::Edits { edits: &edits });
    }
    if edits.is_empty() {
        return output::line("no edit by `pmp-sync product` yet");
    }
    let columns = [
        column("EDIT").leaves(3),
        column("BEGAN"),
        column("COMMAND"),
        column("BY").folds(),
        column("STATUS").state(),
        column("ALLOW").number(),
        column("DENY").number(),
        column("REFUSED").number().leaves(2),
        column("CHANGE SETS").number().leaves(1),
        column("REASON").folds(),
    ];
    let rows = edits.iter().map(|edit| {
        vec![
            edit.edit.to_string(),
            output::age(Some(edit.at)),
            edit.command.clone(),
            output::or_dash(by(edit)),
            edit.status.to_string(),
            edit.allowed.to_string(),
            edit.denied.to_string(),
            edit.refused.len().to_string(),
            edit.change_sets.len().to_string(),
            output::or_dash(edit.reason.as_deref().map(one_line)),
        ]
    });
    output::table(columns, rows)
}

/// The requester, without the beginning of an ARN.
fn by(edit: &ListEdit) -> Option<&str> {
    edit.requester.as_deref().map(output::principal)
}

/// The edits whose change sets have triggered a run.
pub(super) async fn of_run(context: &Context, run: &RunRecord) -> Result<Vec<ListEdit>, Failure> {
    let requests = run.requests.iter();
    let triggers: Vec<_> = requests
        .filter(|request| request.kind == "management-change-set")
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
    Ok(edits)
}

/// Shows the edits that have triggered a run.
pub(super) fn show(edits: &[ListEdit]) -> Result<(), Failure> {
    for edit in edits {
        output::line(&format!(
            "  edited      by `pmp-sync product {}`, {}",
            edit.command,
            edit.requester.as_deref().unwrap_or("nobody knows by whom")
        ))?;
        if let Some(reason) = &edit.reason {
            output::line(&format!("  because     {}", one_line(reason)))?;
        }
    }
    Ok(())
}
