//! The producer's access to everything outside. Each step names the ports that it needs, and no
//! others.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::{
    AnnounceRequests, Bus, Clock, Close, DeadLetters, Discovery, Entropy, Inbox, Lanes, Products,
    PublishReport, ReadAnswers, ReadCatalog, ReadSets, Receipts, WriteRuns,
};

/// The ports of one producer, in five groups.
#[derive(Debug, Clone)]
pub struct Context<L, A, M, O, S> {
    /// The ledger in the management account.
    pub ledger: L,
    /// Read access to the management organization's catalog and to AWS Marketplace's listings.
    pub marketplace: A,
    /// Access to the members' accounts.
    pub members: M,
    /// The inbox, its dead-letter queue, the bus, and the published report: everything that is sent, except changes.
    pub outbox: O,
    /// Time and random numbers.
    pub system: S,
    /// What is to be announced at the end of the batch.
    pub unannounced: Unannounced,
}

/// The lanes whose link states have notices that are not on the bus yet. The ledger has the notices: if the producer is interrupted,
/// the next observation of the link finds them there.
#[derive(Debug, Clone, Default)]
pub struct Unannounced(Arc<Mutex<BTreeSet<LaneId>>>);

impl Unannounced {
    /// Remembers a lane.
    pub(crate) fn add(&self, lane: &LaneId) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(lane.clone());
    }

    /// Takes all lanes.
    pub(crate) fn take(&self) -> BTreeSet<LaneId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<L, A, M, O, S: Clock> Context<L, A, M, O, S> {
    pub(crate) fn now(&self) -> Timestamp {
        self.system.now()
    }
}

/// The ports of the ledger that a whole run needs.
pub trait Ledger:
    Lanes + Products + WriteRuns + Receipts + Close + AnnounceRequests + ReadSets + ReadAnswers
{
}
impl<T> Ledger for T where
    T: Lanes + Products + WriteRuns + Receipts + Close + AnnounceRequests + ReadSets + ReadAnswers
{
}

/// Read access to the management organization and AWS Marketplace.
pub trait Marketplace: ReadCatalog + Discovery {}
impl<T: ReadCatalog + Discovery> Marketplace for T {}

/// The ports for sending.
pub trait Outbox: Inbox + DeadLetters + Bus + PublishReport {}
impl<T: Inbox + DeadLetters + Bus + PublishReport> Outbox for T {}

/// Time and random numbers.
pub trait System: Clock + Entropy {}
impl<T: Clock + Entropy> System for T {}
