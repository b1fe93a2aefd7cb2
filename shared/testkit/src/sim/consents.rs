//! What people do about holds: approve what is held.

use pmp_sync_domain::hold::Hold;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::message::{APPROVAL_REQUESTED, SOURCE};
use serde_json::json;

use super::Sim;
use super::agenda::envelope;

impl Sim {
    /// Everything that is held is approved as it stands.
    pub(crate) fn approve_all(&mut self) {
        let held: Vec<_> = self.world.ledger(|ledger| {
            let books = ledger.books.iter();
            books
                .flat_map(|(lane, book)| book.hold.iter().map(|hold| (lane.clone(), hold.clone())))
                .collect()
        });
        for (lane, hold) in held {
            self.approve(&lane, &hold);
        }
    }

    fn approve(&mut self, lane: &LaneId, hold: &Hold) {
        self.tally.add("requests: approval");
        let detail = json!({
            "schema": 1,
            "member_account": lane.account,
            "experience": lane.experience,
            "run": hold.run,
            "plan_hash": hold.plan_hash,
            "requester": "somebody",
        });
        self.ask(envelope(SOURCE, APPROVAL_REQUESTED, &detail));
    }
}
