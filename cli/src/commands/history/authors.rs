//! Who started the change sets of the management organization that no edit of ours explains: CloudTrail knows it for 90 days.

use std::collections::BTreeMap;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::records::{ListEdit, RunRecord};
use pmp_sync_domain::time::later;

use super::origin::Origin;
use crate::client::context::Context;
use crate::client::trail::{MOST_PAGES, Trail, look_up};
use crate::output;
use crate::progress::Progress;

/// CloudTrail knows the start of a change set, which is before the run that its end has triggered. In seconds.
const BEFORE_THE_RUN: i64 = 6 * 3_600;
/// Pages of CloudTrail that a table is worth, of 50 change sets each.
const FEW_PAGES: u32 = 10;

/// What CloudTrail knows, asked once and only if it is needed.
#[derive(Debug)]
pub(super) struct Authors {
    most_pages: u32,
    /// None if it was not asked, or could not be: a note has said so.
    trail: Option<Trail>,
    is_asked: bool,
}

impl Authors {
    /// For a table.
    pub(super) fn of_few() -> Self {
        Self {
            most_pages: FEW_PAGES,
            trail: None,
            is_asked: false,
        }
    }

    /// For an export.
    pub(super) fn of_all() -> Self {
        Self {
            most_pages: MOST_PAGES,
            ..Self::of_few()
        }
    }

    /// Who started a change set that has triggered a run. Runs come from the oldest on.
    async fn by(
        &mut self,
        context: &Context,
        change_set: &str,
        began: Timestamp,
    ) -> Option<String> {
        if !self.is_asked {
            self.is_asked = true;
            self.trail = ask(context, later(began, -BEFORE_THE_RUN), self.most_pages).await;
        }
        self.trail.as_ref()?.by(change_set).map(str::to_owned)
    }

    /// Names the authors of a run that CloudTrail knows.
    pub(super) async fn name(&mut self, origin: &mut Origin, context: &Context, began: Timestamp) {
        let open: Vec<_> = origin.unknown().map(ToOwned::to_owned).collect();
        for change_set in open {
            if let Some(by) = self.by(context, &change_set, began).await {
                origin.set_author(&change_set, &by);
            }
        }
    }
}

/// Who started the change sets that have triggered a run, by their ids, if no edit of ours says it.
pub(super) async fn of_run(
    context: &Context,
    run: &RunRecord,
    edits: &BTreeMap<&str, &ListEdit>,
) -> BTreeMap<String, String> {
    let mut origin = Origin::of(run, edits);
    let open: Vec<_> = origin.unknown().map(ToOwned::to_owned).collect();
    if open.is_empty() {
        return BTreeMap::new();
    }
    let mut authors = Authors::of_few();
    authors.name(&mut origin, context, run.started_at).await;
    let found = open.into_iter().filter_map(|id| {
        let by = origin.author(&id)?.to_owned();
        Some((id, by))
    });
    found.collect()
}

/// None, with a note, if CloudTrail cannot be asked.
async fn ask(context: &Context, since: Timestamp, most_pages: u32) -> Option<Trail> {
    let progress = Progress::new();
    let found = look_up(&context.config, (since, None), most_pages, &progress).await;
    progress.finish();
    match found {
        Ok(trail) => {
            if trail.cut_off {
                output::note(
                    "CloudTrail has more change sets than were read: an author who is missing may be among the older ones",
                );
            }
            Some(trail)
        }
        Err(failure) => {
            output::note(&format!(
                "CloudTrail could not be asked who started the change sets of the management organization (cloudtrail:LookupEvents): {failure}"
            ));
            None
        }
    }
}
