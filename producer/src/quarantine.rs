//! Quarantined changes and their dead letters. The ledger says what is quarantined: a letter is a copy,
//! which a queue keeps for 14 days at most, which somebody may purge, and of which there may be two.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use pmp_sync_domain::delivery::{QUARANTINED, quarantine_letter};
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::lane::Quarantined;
use pmp_sync_domain::link::Member;
use pmp_sync_domain::ports::{DeadLetter, Lanes, ReadRuns};
use pmp_sync_domain::wire::ChangeMessage;

use crate::letters::read::Read;

/// Lanes whose quarantined changes are read concurrently.
const LANES_AT_ONCE: usize = 8;

/// The quarantined changes of a member, with their lanes.
pub(crate) type OfMember = Vec<(LaneId, Quarantined)>;

/// The lanes of a member, also those whose entry in the list of lanes cannot be read.
pub(crate) async fn lanes_of<L: ReadRuns>(
    ledger: &L,
    member: &Member,
) -> Result<BTreeSet<LaneId>, ServiceError> {
    let entries = ledger.lanes().await?;
    let unreadable = entries.unreadable.iter().filter_map(|item| item.lane());
    let listed = entries.items.iter().map(|entry| &entry.lane);
    let lanes = listed
        .chain(unreadable)
        .filter(|lane| lane.account == member.account);
    Ok(lanes.cloned().collect())
}

/// Reads the quarantined changes of a member from the ledger.
pub(crate) async fn quarantined_of<L: Lanes + ReadRuns>(
    ledger: &L,
    member: &Member,
) -> Result<OfMember, ServiceError> {
    let lanes = lanes_of(ledger, member).await?;
    let reads = stream::iter(lanes).map(|lane| async move {
        let quarantined = ledger.quarantined(&lane).await?.items;
        Ok::<_, ServiceError>((lane, quarantined))
    });
    let mut of_member = OfMember::new();
    let mut reads = reads.buffered(LANES_AT_ONCE);
    while let Some(read) = reads.next().await {
        let (lane, quarantined) = read?;
        of_member.extend(quarantined.into_iter().map(|change| (lane.clone(), change)));
    }
    Ok(of_member)
}

/// What tells two quarantined changes apart.
type Key = (LaneId, ProductId, RunId);

fn key_of(change: &ChangeMessage) -> Key {
    (change.lane(), change.product.clone(), change.run)
}

/// Puts letters of the same quarantined change together, and adds the quarantined changes that have
/// none.
pub(crate) fn reconcile(reads: Vec<Read>, quarantined: &OfMember, member: &Member) -> Vec<Read> {
    let mut all: Vec<Read> = Vec::new();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    for read in reads {
        let key = read.change.as_ref().ok().map(key_of);
        let Some(key) = key.filter(|_| read.reason() == QUARANTINED) else {
            all.push(read);
            continue;
        };
        let first = places.get(&key).and_then(|place| all.get_mut(*place));
        if let Some(first) = first {
            first.copies.push(read.letter);
        } else {
            places.insert(key, all.len());
            all.push(read);
        }
    }
    for (lane, change) in quarantined {
        let key = (lane.clone(), change.product.clone(), change.run);
        if !places.contains_key(&key) {
            all.push(without_letter(lane, change, member));
        }
    }
    all
}

/// A quarantined change as its letter would be.
fn without_letter(lane: &LaneId, change: &Quarantined, member: &Member) -> Read {
    let (body, attributes) = quarantine_letter(lane, change, 0);
    let letter = DeadLetter {
        id: format!("ledger-{}-{}", lane.experience, change.product),
        receipt: String::new(),
        body,
        attributes: attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    Read::new(letter, member)
}

/// Quarantined changes without a letter, and letters without a quarantined change.
pub(crate) fn differences(reads: &[Read], quarantined: &OfMember) -> (OfMember, usize) {
    let letters: BTreeSet<_> = reads
        .iter()
        .filter(|read| read.reason() == QUARANTINED)
        .filter_map(|read| read.change.as_ref().ok().map(key_of))
        .collect();
    let known: BTreeSet<_> = quarantined
        .iter()
        .map(|(lane, change)| (lane.clone(), change.product.clone(), change.run))
        .collect();
    let without = quarantined.iter().filter(|(lane, change)| {
        !letters.contains(&(lane.clone(), change.product.clone(), change.run))
    });
    (
        without.cloned().collect(),
        letters.difference(&known).count(),
    )
}
