//! The plans that answers are about: the record of a rejection does not show its plan, that of the run which held it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use pmp_sync_domain::ids::{ExperienceId, LaneId, RunId};
use pmp_sync_domain::ports::ReadRuns as _;

use super::event::HELD;
use super::told::{Told, ToldProduct, changes};
use crate::client::context::Context;

/// The most records that are read because their runs are not among those that are told.
const MOST_READ: usize = 100;

type Products = Arc<[ToldProduct]>;

/// The plans that runs have held.
#[derive(Debug, Default)]
pub(super) struct Plans {
    held: BTreeMap<(RunId, ExperienceId), Products>,
    /// The last one of each member experience: a plan is mostly held by many runs.
    last: BTreeMap<ExperienceId, Products>,
    read: usize,
}

impl Plans {
    /// Adds the products to the events of a run that are about a plan and do not show it.
    pub(super) async fn show(&mut self, context: &Context, told: Vec<&mut Told>) {
        for event in told {
            let Some(lane) = event.lane() else { continue };
            if let (HELD, Some(run)) = (event.event.as_str(), event.run) {
                self.remember(run, lane.experience, &event.products);
            } else if let (Some(of), true) = (event.of, event.products.is_empty()) {
                event.products = self.of(context, of, &lane).await.to_vec();
            }
        }
    }

    fn remember(&mut self, run: RunId, experience: ExperienceId, products: &[ToldProduct]) {
        let last = self.last.get(&experience);
        let shared = last.filter(|last| ***last == *products).cloned();
        let shared = shared.unwrap_or_else(|| products.into());
        self.last.insert(experience.clone(), shared.clone());
        self.held.insert((run, experience), shared);
    }

    async fn of(&mut self, context: &Context, run: RunId, lane: &LaneId) -> Products {
        let key = (run, lane.experience.clone());
        if let Some(found) = self.held.get(&key) {
            return found.clone();
        }
        if self.read >= MOST_READ {
            return Products::default();
        }
        self.read += 1;
        // Without it the answer is told without its products.
        let link = context.ledger.link(run, lane).await.ok().flatten();
        let shown = link.map(|link| changes(&link.held.allow, &link.held.deny));
        let shown: Products = shown.unwrap_or_default().into();
        self.held.insert(key, shown.clone());
        shown
    }
}
