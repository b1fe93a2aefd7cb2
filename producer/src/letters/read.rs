//! A dead letter and the change in it.

use std::collections::BTreeMap;

use pmp_sync_domain::link::Member;
use pmp_sync_domain::ports::DeadLetter;
use pmp_sync_domain::records::{DeadLetterOutcome, DeadLetterRecord};
use pmp_sync_domain::text::beginning;
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterFilter, WorkerMessage};
use pmp_sync_domain::{SCHEMA, Timestamp};

/// What becomes of a letter, and why.
pub(crate) type LetterFate = (DeadLetterOutcome, String);

/// The most bytes of a text of a letter that are stored or answered.
const MOST_TEXT: usize = 1_000;
/// The most attributes of a message (SQS reference).
const MOST_ATTRIBUTES: usize = 10;
/// The most bytes of the body of a letter in an answer.
const MOST_BODY: usize = 2_000;

/// A letter with its parsed content.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// The letter. It has no receipt if the queue does not have it, and the ledger alone says that
    /// the change is quarantined.
    pub(crate) letter: DeadLetter,
    /// Other letters of the same quarantined change.
    pub(crate) copies: Vec<DeadLetter>,
    /// The change, or why it cannot be read.
    pub(crate) change: Result<ChangeMessage, String>,
}

impl Read {
    pub(crate) fn new(letter: DeadLetter, member: &Member) -> Self {
        let change = match WorkerMessage::parse(&letter.body) {
            // It was sent there wrongly, and stays as evidence.
            Ok(WorkerMessage::Change(change)) if change.account != member.account => Err(format!(
                "it is for account {}, and was sent to {}",
                change.account, member.account
            )),
            Ok(WorkerMessage::Change(change)) => Ok(change),
            Ok(_) => Err("it is no change: there is nothing to issue again".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Self {
            letter,
            copies: Vec::new(),
            change,
        }
    }

    /// Its letters in the queue.
    pub(crate) fn in_queue(&self) -> impl Iterator<Item = &DeadLetter> {
        let letters = std::iter::once(&self.letter).chain(&self.copies);
        letters.filter(|letter| !letter.receipt.is_empty())
    }

    /// Why it was dead-lettered. Native redrive gives no reason.
    pub(crate) fn reason(&self) -> &str {
        let reason = self.letter.attributes.get("reason");
        reason.map_or("receive-count", String::as_str)
    }

    /// The attributes, bounded: whoever may send to the queue may set any.
    fn attributes(&self) -> BTreeMap<String, String> {
        let bounded = |text: &String| beginning(text, MOST_TEXT).to_owned();
        let attributes = self.letter.attributes.iter().take(MOST_ATTRIBUTES);
        attributes
            .map(|(name, value)| (bounded(name), bounded(value)))
            .collect()
    }

    /// The body, bounded, for an answer.
    pub(crate) fn body(&self) -> String {
        beginning(&self.letter.body, MOST_BODY).to_owned()
    }

    pub(crate) fn is_in(&self, filter: &DeadLetterFilter) -> bool {
        let product = || self.change.as_ref().ok().map(|change| &change.product);
        let in_products = filter.products.is_empty()
            || product().is_some_and(|product| filter.products.contains(product));
        let in_reasons = filter.reasons.is_empty()
            || filter.reasons.iter().any(|reason| reason == self.reason());
        in_products && in_reasons
    }

    pub(crate) fn record(
        &self,
        member: &Member,
        (outcome, why): LetterFate,
        at: Timestamp,
    ) -> DeadLetterRecord {
        let change = self.change.as_ref().ok();
        DeadLetterRecord {
            schema: SCHEMA,
            id: self.letter.id.clone(),
            member: member.name.clone(),
            lane: change.map(ChangeMessage::lane),
            product: change.map(|change| change.product.clone()),
            action: change.map(|change| change.action),
            sent_by: change.map(|change| change.run),
            reason: beginning(self.reason(), MOST_TEXT).to_owned(),
            attributes: self.attributes(),
            letters: Some(self.in_queue().count()),
            outcome,
            why: beginning(&why, MOST_TEXT).to_owned(),
            at,
        }
    }
}
