//! Dead letters of the members: what each contains, and what becomes of it once its lane is
//! reconciled.

pub(crate) mod read;

pub(crate) use self::read::{LetterFate, Read};

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::link::Member;
use pmp_sync_domain::policy::ProductChange;
use pmp_sync_domain::ports::{DeadLetterBox, LookAtQueues, ReadBounds};
use pmp_sync_domain::records::{DeadLetterOutcome, LettersLeft, LinkRecord};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterFilter};

use crate::quarantine::{OfMember, reconcile};

/// The most letters of one member that one request lists or handles, of those that its filter
/// selects. The next request continues with the rest.
pub(crate) const MOST_LETTERS: usize = 500;
/// The most letters of one member that one request looks at. SQS hides up to 120,000 messages of a
/// queue at a time.
pub(crate) const MOST_LOOKED_AT: usize = 10_000;
/// The most time for one member's queue, in seconds. SQS gives at most ten letters a call.
pub(crate) const LOOKING: i64 = 30;
/// Time that is kept for dealing with what was read, in seconds: the reserve of a run.
const KEPT: i64 = 45;
/// Letters that are made visible again concurrently.
const PUT_BACK_AT_ONCE: usize = 16;

/// Seconds for reading the next member's queue. Not above zero if there is no time.
pub(crate) fn time_to_look(now: Timestamp, deadline: Timestamp) -> i64 {
    let left = deadline.duration_since(now).as_secs();
    left.saturating_sub(KEPT).min(LOOKING)
}

/// The letters of a member that a request deals with, and what it leaves.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    pub(crate) reads: Vec<Read>,
    pub(crate) left: LettersLeft,
}

/// Receives the letters that the filter selects, and makes the others visible again. It looks at
/// the whole queue, as far as `seconds` and [`MOST_LOOKED_AT`] allow. `quarantined` are the member's
/// quarantined changes: those without a letter are selected as if they had one.
pub(crate) async fn receive<C: DeadLetterBox + LookAtQueues>(
    letters: &C,
    member: &Member,
    quarantined: &OfMember,
    filter: &DeadLetterFilter,
    seconds: i64,
) -> Result<Selected, pmp_sync_domain::error::ServiceError> {
    let bounds = ReadBounds {
        messages: MOST_LOOKED_AT,
        seconds,
    };
    let received = letters.dead_letters(bounds).await?;
    let looked_at = received.letters.len();
    let reads = received.letters.into_iter();
    let reads = reads.map(|letter| Read::new(letter, member)).collect();
    let (mut mine, mut others): (Vec<_>, Vec<_>) = reconcile(reads, quarantined, member)
        .into_iter()
        .partition(|read| read.is_in(filter));
    let selected = mine.len().saturating_sub(MOST_LETTERS);
    others.extend(mine.drain(mine.len() - selected..));
    // Those that were received are hidden now, and count as in flight.
    let about = if received.cut_off {
        let depth = letters.dead_letters_depth().await.ok();
        depth.map(|depth| depth.waiting)
    } else {
        None
    };
    put_back(letters, &others).await;
    Ok(Selected {
        reads: mine,
        left: LettersLeft {
            looked_at,
            selected,
            // An empty rest is known only approximately.
            unseen: received.cut_off,
            about,
        },
    })
}

/// Makes letters visible again. If that fails, a letter becomes visible a few minutes later.
pub(crate) async fn put_back<C: DeadLetterBox>(letters: &C, reads: &[Read]) {
    let all: Vec<_> = reads.iter().map(|read| back(letters, read)).collect();
    stream::iter(all)
        .buffer_unordered(PUT_BACK_AT_ONCE)
        .collect::<()>()
        .await;
}

async fn back<C: DeadLetterBox>(letters: &C, read: &Read) {
    for letter in read.in_queue() {
        if let Err(error) = letters.put_dead_letter_back(letter).await {
            tracing::debug!(letter = letter.id, %error, "a dead letter stays hidden for a few minutes");
        }
    }
}

/// Letters whose change can be read, by lane.
pub(crate) type ByLane = BTreeMap<LaneId, Vec<(Read, ChangeMessage)>>;

/// Splits letters into those whose change can be read, by lane, and the others.
pub(crate) fn by_lane(reads: Vec<Read>) -> (ByLane, Vec<Read>) {
    let mut lanes = ByLane::new();
    let mut others = Vec::new();
    for read in reads {
        match read.change.clone() {
            Ok(change) => lanes.entry(change.lane()).or_default().push((read, change)),
            Err(_) => others.push(read),
        }
    }
    (lanes, others)
}

/// Why a letter is kept although its link is served: without it nobody would try the change again.
const STAYS: &str =
    "it stays in quarantine until the approved rollback of its link has ended: replay it then";

/// What becomes of a letter, once its lane was reconciled or observed. `stays` is true if its change
/// stays in quarantine.
pub(crate) fn fate(change: &ChangeMessage, served: &LinkRecord, stays: bool) -> LetterFate {
    match fate_of_served(change, served) {
        (DeadLetterOutcome::Kept, why) => (DeadLetterOutcome::Kept, why),
        _ if stays => (DeadLetterOutcome::Kept, STAYS.to_owned()),
        fate => fate,
    }
}

fn fate_of_served(change: &ChangeMessage, served: &LinkRecord) -> LetterFate {
    let its = ProductChange {
        product: change.product.clone(),
        action: change.action,
    };
    let wanted = served.plan().contains(&its);
    let held = served.shown().contains(&its);
    let fault = || {
        let fault = served.fault.as_ref();
        fault.map_or_else(String::new, |fault| {
            format!("{}: {}", fault.code, fault.message)
        })
    };
    match served.status {
        LinkStatus::Failed => (DeadLetterOutcome::Kept, fault()),
        LinkStatus::Suspended if wanted || held => (
            DeadLetterOutcome::Kept,
            "it is wanted, and its link is suspended".to_owned(),
        ),
        _ if held || served.status == LinkStatus::Held => (
            DeadLetterOutcome::Kept,
            "it is held: it waits for approval".to_owned(),
        ),
        LinkStatus::Committed if wanted => (
            DeadLetterOutcome::Reissued,
            "it is wanted, and sent again".to_owned(),
        ),
        LinkStatus::Underway if wanted => (
            DeadLetterOutcome::Underway,
            "it is wanted, and at work already".to_owned(),
        ),
        _ => (DeadLetterOutcome::Dropped, unwanted(change, served)),
    }
}

fn unwanted(change: &ChangeMessage, served: &LinkRecord) -> String {
    let left = served
        .left_alone
        .iter()
        .find(|left| left.product == change.product && left.wanted == change.action);
    match left {
        Some(left) => format!("its link leaves the product alone: {}", left.reason),
        None => "it is in place, or something else is wanted today".to_owned(),
    }
}
