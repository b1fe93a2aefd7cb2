//! Why a product differs, in the words of the report, with the command that resolves it.

use pmp_sync_domain::answers::why::{Why, WhyAnswer};
use pmp_sync_domain::ids::{LaneId, MemberName};
use pmp_sync_domain::records::Suspensions;
use pmp_sync_domain::sync_state::SyncState;

use crate::commands::{Commands, shell};
use crate::model::{Kind, Reason};

/// The command that resumes a lane.
pub(super) fn resume(
    suspensions: &Suspensions,
    commands: &Commands,
    member: &MemberName,
    lane: &LaneId,
) -> String {
    let rest = if suspensions.all.is_some() {
        "resume".to_owned()
    } else if suspensions.members.contains_key(member) {
        format!("resume --member {member}")
    } else {
        format!("resume --experience {}", lane.experience)
    };
    commands.command(&rest)
}

/// The command for a sync of one member experience.
pub(super) fn sync(commands: &Commands, member: &MemberName, lane: &LaneId) -> String {
    let experience = &lane.experience;
    let rest = format!("sync --wait --member {member} --experience {experience}");
    commands.command(&rest)
}

/// The link of a reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) commands: &'a Commands,
    pub(super) member: &'a MemberName,
    pub(super) lane: &'a LaneId,
    pub(super) suspensions: &'a Suspensions,
}

/// The kind of a state. A product that differs is neither in sync nor on a link that cannot be observed.
pub(super) fn kind(state: SyncState) -> Kind {
    match state {
        SyncState::Underway => Kind::Underway,
        SyncState::Planned => Kind::Planned,
        SyncState::Held => Kind::Held,
        SyncState::Quarantined => Kind::Quarantined,
        SyncState::Blocked => Kind::Blocked,
        SyncState::Suspended => Kind::Suspended,
        SyncState::LeftAlone => Kind::LeftAlone,
        SyncState::Differs | SyncState::InSync | SyncState::Unreachable => Kind::Differs,
    }
}

/// The reason of an answer.
pub(super) fn reason(answer: &WhyAnswer, of: Of<'_>) -> Reason {
    let Of {
        commands,
        member,
        lane,
        suspensions,
    } = of;
    let kind = kind(answer.why.state());
    let (run, change_set, resolves) = match &answer.why {
        Why::Open {
            run, change_set, ..
        } => (Some(run), change_set.as_ref(), None),
        Why::Held { run, approve, .. } => {
            let told = approve.as_ref().map(|hint| commands.line(hint));
            (run.as_ref(), None, told)
        }
        Why::Quarantined {
            run, change_set, ..
        } => {
            let product = shell(answer.product.as_str());
            let rest = format!("dlq replay --member {member} --product {product}");
            let replay = Some(commands.command(&rest));
            (Some(run), change_set.as_ref(), replay)
        }
        Why::Blocked { .. } | Why::Planned => (None, None, Some(sync(commands, member, lane))),
        Why::Suspended { .. } => {
            let resume = resume(suspensions, commands, member, lane);
            (None, None, Some(resume))
        }
        Why::Superseded { run, .. } => {
            let sync = sync(commands, member, lane);
            (Some(run), None, Some(sync))
        }
        Why::InSync { .. } | Why::LeftAlone { .. } | Why::Failing(_) | Why::Untrusted(_) => {
            (None, None, None)
        }
    };
    Reason {
        kind,
        words: answer.why.to_string(),
        since: answer.why.since(),
        run: run.map(ToString::to_string),
        change_set: change_set.map(ToString::to_string),
        what_to_do: answer.what_to_do().map(|told| commands.advice(&told)),
        command: resolves,
    }
}
