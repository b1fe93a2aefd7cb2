//! What is stored of a run, told with who and why: from the oldest run to the newest.

use std::collections::BTreeMap;

use pmp_sync_domain::records::ListEdit;

use super::authors::Authors;
use super::event::{Event, What};
use super::events::events;
use super::filter::Filter;
use super::origin::Origin;
use super::plans::Plans;
use super::told::Told;
use super::whole::Whole;
use crate::client::context::Context;

/// Tells runs, from the oldest to the newest.
pub(super) struct Teller<'a> {
    context: &'a Context,
    filter: &'a Filter,
    /// The edits of the management lists, by their change sets.
    edits: &'a BTreeMap<&'a str, &'a ListEdit>,
    plans: Plans,
    authors: Authors,
}

impl<'a> Teller<'a> {
    pub(super) fn new(
        context: &'a Context,
        filter: &'a Filter,
        edits: &'a BTreeMap<&'a str, &'a ListEdit>,
        authors: Authors,
    ) -> Self {
        Self {
            context,
            filter,
            edits,
            plans: Plans::default(),
            authors,
        }
    }

    /// The events of a run that are asked for, in the order of their times.
    pub(super) async fn run<'w>(&mut self, whole: &'w Whole) -> Vec<(Event<'w>, Told)> {
        let mut origin = Origin::of(&whole.run, self.edits);
        let mut told = self.tell(whole, &origin).await;
        // CloudTrail is slow, and may refuse: it is asked for what is shown.
        if origin.has_unknown()
            && told
                .iter()
                .any(|(_, told)| self.filter.takes_of_anybody(told))
        {
            let began = whole.run.started_at;
            self.authors.name(&mut origin, self.context, began).await;
            told = self.tell(whole, &origin).await;
        }
        told.retain(|(_, told)| self.filter.takes(told));
        for (_, told) in &mut told {
            self.filter.narrow(told);
        }
        told
    }

    async fn tell<'w>(&mut self, whole: &'w Whole, origin: &Origin) -> Vec<(Event<'w>, Told)> {
        let mut told: Vec<_> = events(whole)
            .into_iter()
            .map(|mut event| {
                if let What::Requested {
                    request_id: Some(id),
                    author,
                    ..
                } = &mut event.what
                {
                    *author = origin.author(id).map(ToOwned::to_owned);
                }
                let told = Told::of_run(&event, origin);
                (event, told)
            })
            .collect();
        let all = told.iter_mut().map(|(_, told)| told);
        self.plans.show(self.context, all.collect()).await;
        told
    }

    /// An event that is part of no run, if it is asked for.
    pub(super) fn apart(&self, event: &Event<'_>) -> Option<Told> {
        let mut told = Told::of_run(event, &Origin::default());
        let is_asked_for = self.filter.takes(&told);
        self.filter.narrow(&mut told);
        is_asked_for.then_some(told)
    }
}
