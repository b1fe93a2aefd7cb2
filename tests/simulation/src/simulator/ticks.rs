//! Ticks that were renewed. A Tick whose successor was sent is not to come again beside it, whatever
//! else fails: each of the two would be renewed, and Ticks would double while the ledger takes no
//! writes (docs/adr/0009-ticks-and-outages.md).

use pmp_sync_fakes::Delivery;

use super::invariants::{Violation, broken, number_of};
use super::state::Simulator;
use super::task::{Held, Task};

impl Simulator {
    /// How many messages were ever sent to the queue of this member.
    pub(crate) fn sent_to(&self, member: Option<usize>) -> u64 {
        let scene = member.and_then(|member| self.scene.members.get(member));
        scene.map_or(0, |scene| {
            self.world.changes(&scene.account, |queue| queue.sent())
        })
    }

    /// Remembers the Ticks of an invocation whose successor its last call has sent. `before` is what
    /// [`Self::sent_to`] was then. A Tick is renewed only while no newer one is live.
    pub(crate) fn see_renewed(&mut self, place: usize, before: u64) {
        let Some(Task {
            held: Held::Deliveries(member, kept),
            renewed,
            ..
        }) = self.tasks.get_mut(place)
        else {
            return;
        };
        let Some(scene) = self.scene.members.get(*member) else {
            return;
        };
        let sent: Vec<String> = self.world.changes(&scene.account, |queue| {
            let new = queue.since(before);
            new.map(|delivery| delivery.body.clone()).collect()
        });
        for (lane, history) in &self.invariants.lanes {
            let live = history.state.tick;
            let numbers = sent.iter().filter_map(|body| number_of(body, lane));
            for number in numbers.filter(|number| *number > live) {
                let is_before = |delivery: &&Delivery| {
                    number_of(&delivery.body, lane).is_some_and(|mine| mine + 1 == number)
                };
                renewed.extend(kept.iter().filter(is_before).map(|delivery| delivery.id));
            }
        }
    }
}

impl Task {
    /// Checks that no Tick comes again that was renewed. `again` has a value for each message.
    pub(crate) fn takes_no_tick_back(&self, again: &[bool]) -> Result<(), Violation> {
        let Held::Deliveries(_, kept) = &self.held else {
            return Ok(());
        };
        let mut back = kept.iter().zip(again).filter(|(_, again)| **again);
        match back.find(|(delivery, _)| self.renewed.contains(&delivery.id)) {
            None => Ok(()),
            Some((delivery, _)) => broken("one-live-chain", || {
                format!(
                    "#{}: comes again although its successor was sent: {}",
                    self.number, delivery.body
                )
            }),
        }
    }
}
