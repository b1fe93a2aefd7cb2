//! The dead letter of a quarantined change: sent by the worker, and made up by the producer where the
//! queue has lost it.

use std::collections::BTreeMap;

use crate::ids::LaneId;
use crate::lane::Quarantined;
use crate::wire::ChangeMessage;

/// Why a quarantined change is in the dead-letter queue.
pub const QUARANTINED: &str = "quarantined";

/// The body and the attributes of the dead letter of a quarantined change.
pub fn quarantine_letter(
    lane: &LaneId,
    change: &Quarantined,
    ordinal: u32,
) -> (String, BTreeMap<&'static str, String>) {
    let message = ChangeMessage::new(lane, change.run, change.change(), ordinal);
    let attributes = BTreeMap::from([
        ("reason", QUARANTINED.to_owned()),
        ("code", "PMS-6001".to_owned()),
        ("error_code", change.error_code.clone()),
        ("detail", change.error_message.clone()),
        ("change_set", change.change_set.to_string()),
        ("run", change.run.to_string()),
    ]);
    (message.to_body(), attributes)
}
