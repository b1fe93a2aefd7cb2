//! The trace of a world: what happened in it, line by line.

use pmp_sync_domain::approval::{Grant, Hold};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::records::LinkState;

use super::scene::since_begin;

/// The trace of a world, line by line. Empty unless it is wanted.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            lines: wanted.then(Vec::new),
        }
    }

    /// Keeps a line; it is only made if lines are kept.
    pub(crate) fn line(&mut self, now: i64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (seconds, millis) = (now.div_euclid(1_000), now.rem_euclid(1_000));
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let text = line();
            lines.push(format!(
                "{hours:02}:{minutes:02}:{:02}.{millis:03} {text}",
                seconds % 60
            ));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// A lane's state, for the trace.
pub(super) fn describe(lane: &LaneId, state: &LaneState) -> String {
    let planned = state.planned.as_ref().map(|planned| {
        format!(
            "{} of {:?}, {:?} taken, sent {}",
            planned.run, planned.totals, planned.taken, planned.sent
        )
    });
    format!(
        "{lane} rev {} {} seq {} tick {} plan {planned:?} suspension {} member {:?} block {:?} intent {:?}",
        state.rev,
        state.phase,
        state.seq,
        state.tick,
        state.suspension.is_some(),
        state.member,
        state.block.as_ref().map(|block| block.reason),
        state.intent.as_ref().map(|intent| intent
            .changes
            .iter()
            .map(|change| format!("{} {}", change.action, change.product))
            .collect::<Vec<_>>())
    )
}

/// A link state, for the trace.
pub(super) fn describe_link_state(lane: &LaneId, link_state: &LinkState) -> String {
    let hold = |hold: &Hold| {
        let approvals = hold.approvals.iter().map(|ask| ask.by.clone());
        format!(
            "{} {} +{} -{} {:?} announced {} rejected {:?} approvals {:?} overrides {}",
            hold.run,
            hold.plan_hash,
            hold.allow,
            hold.deny,
            hold.reasons,
            hold.announced,
            hold.rejected.as_ref().map(|part| part.changes),
            approvals.collect::<Vec<_>>(),
            hold.overrides
        )
    };
    let grant = |grant: &Grant| {
        let before = grant.before.iter().map(|earlier| earlier.run);
        (grant.run, grant.executed, before.collect::<Vec<_>>())
    };
    let removals = link_state.removals.iter();
    format!(
        "{lane} link_state {} hold {:?} restore {:?} rejected {:?} grant {:?} restored {:?} accepted {:?} removals {:?} taking {:?} sizes {:?}",
        link_state.rev,
        link_state.hold.as_ref().map(hold),
        link_state.restore.as_ref().map(hold),
        link_state.rejected.as_ref().map(|of| &of.changes),
        link_state.grant.as_ref().map(grant),
        link_state.restored.as_ref().map(grant),
        link_state.accepted,
        removals
            .map(|removal| (since_begin(removal.at), &removal.products))
            .collect::<Vec<_>>(),
        link_state.taking,
        link_state
            .sizes
            .iter()
            .map(|size| (since_begin(size.at), size.allowed))
            .collect::<Vec<_>>(),
    )
}
