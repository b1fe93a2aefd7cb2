//! What operators did that is part of no run: edits of the management lists, versions of the configuration, suspensions, answers to
//! procurement requests.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{AccountId, EditId, MemberName, ProductId};
use pmp_sync_domain::ports::{Clock as _, ReadAnswers as _, ReadRuns as _};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{ConfigVersion, Found, ListEdit, OperatorAct, RequestAnswer};

use super::event::{Event, What};
use super::filter::Filter;
use super::told::unnamed;
use crate::client::context::Context;
use crate::client::products::names;
use crate::failure::Failure;

/// The number of edits and acts that are read at once. An edit has up to 300 KB.
const PAGE: u16 = 50;
/// The most versions of the configuration that are read.
const MOST_VERSIONS: u16 = 500;
/// The most pages of them that are read.
const MOST_PAGES: usize = 100;

/// What is told if there is more.
const CUT_OFF: &str = "the oldest edits of the management lists, versions of the configuration, suspensions and their ends are left out: there are too many";

/// What is told if an edit may be about a product and does not name it.
const UNNAMED: &str = "an edit of a management list names 1,000 products of each kind: this one may be among the others of a larger edit";

/// What operators did that is part of no run.
#[derive(Debug, Default)]
pub(super) struct Apart {
    pub(super) edits: Vec<ListEdit>,
    pub(super) acts: Vec<OperatorAct>,
    /// Versions of the configuration of which it is known who stored them.
    pub(super) versions: Vec<ConfigVersion>,
    pub(super) answers: Vec<RequestAnswer>,
    /// The members of the lanes, by their accounts.
    members: BTreeMap<AccountId, MemberName>,
    /// The names of all products in it, if they were read.
    pub(super) names: Names,
    /// True if there is more than was read.
    pub(super) cut_off: bool,
}

impl Apart {
    /// Reads what was done since then, the newest 5,000 edits and suspensions at most.
    pub(super) async fn read(context: &Context, since: Option<Timestamp>) -> Result<Self, Failure> {
        let mut read = Self::default();
        let first = since.map(|since| EditId::generate(since.as_millisecond(), 0));
        let mut before: Option<String> = None;
        read.cut_off = true;
        for _ in 0..MOST_PAGES {
            let page = context
                .ledger
                .operations_before(before.as_deref(), PAGE)
                .await?;
            read.edits.extend(edits(context, page.edits));
            read.acts.extend(context.readable(page.acts));
            let is_over = page.next.as_ref().is_none_or(|next| {
                first
                    .as_ref()
                    .is_some_and(|first| next.as_str() < first.as_str())
            });
            if is_over {
                read.cut_off = false;
                break;
            }
            before = page.next;
        }
        read.read_answers(context, since).await?;
        let (versions, are_older) = context.ledger.config_versions(MOST_VERSIONS).await?;
        let versions = context.readable(versions);
        let oldest = versions.last().map(|config| config.applied_at);
        read.cut_off |= are_older && oldest >= since;
        read.take_versions(versions, since);
        if let Some(since) = since {
            read.edits.retain(|edit| edit.at >= since);
            read.acts.retain(|act| act.at >= since);
        }
        Ok(read)
    }

    /// Reads the names of all products in it, which only an export has.
    pub(super) async fn read_names(&mut self, context: &Context) {
        let of_edits = self.edits.iter();
        let of_edits = of_edits.flat_map(|edit| edit.allow.iter().chain(&edit.deny));
        let of_answers = self.answers.iter().map(|answer| &answer.product);
        let products: BTreeSet<ProductId> = of_edits.chain(of_answers).cloned().collect();
        self.names = names(context, &products).await;
    }

    /// Reads the newest of everything since then: `most` of each kind at most.
    pub(super) async fn newest(
        context: &Context,
        since: Option<Timestamp>,
        most: u16,
    ) -> Result<Self, Failure> {
        let page = context.ledger.operations_before(None, most).await?;
        let mut read = Self {
            edits: edits(context, page.edits),
            acts: context.readable(page.acts),
            ..Self::default()
        };
        let first = since.map(|since| EditId::generate(since.as_millisecond(), 0));
        let is_in = |next: &String| {
            let first = first.as_ref();
            first.is_none_or(|first| next.as_str() >= first.as_str())
        };
        read.cut_off = page.next.as_ref().is_some_and(is_in);
        if let Some(since) = since {
            read.edits.retain(|edit| edit.at >= since);
            read.acts.retain(|act| act.at >= since);
        }
        let (versions, are_older) = context.ledger.config_versions(most).await?;
        let versions = context.readable(versions);
        let oldest = versions.last().map(|config| config.applied_at);
        read.cut_off |= are_older && oldest >= since;
        read.take_versions(versions, since);
        read.read_answers(context, since).await?;
        read.cut_off |= read.answers.len() > usize::from(most);
        read.answers.truncate(usize::from(most));
        Ok(read)
    }

    /// Reads the answers to procurement requests, and of which member each is.
    async fn read_answers(
        &mut self,
        context: &Context,
        since: Option<Timestamp>,
    ) -> Result<(), Failure> {
        self.answers = context.readable(context.ledger.request_answers().await?);
        self.answers
            .retain(|answer| since.is_none_or(|since| answer.at >= since));
        self.answers
            .sort_by_key(|answer| std::cmp::Reverse(answer.at));
        if !self.answers.is_empty() || self.acts.iter().any(|act| act.account.is_some()) {
            let lanes = context.readable(context.ledger.lanes().await?);
            let members = lanes.into_iter();
            self.members = members
                .map(|entry| (entry.lane.account, entry.member))
                .collect();
        }
        Ok(())
    }

    /// A version of an earlier release does not say who stored it.
    fn take_versions(&mut self, mut versions: Vec<ConfigVersion>, since: Option<Timestamp>) {
        versions.retain(|config| config.origin.is_some());
        versions.retain(|config| since.is_none_or(|since| config.applied_at >= since));
        self.versions = versions;
    }

    /// What may be missing of what is asked for, in words.
    pub(super) fn left_out(&self, filter: &Filter) -> Vec<&'static str> {
        let mut left_out = Vec::new();
        if self.cut_off {
            left_out.push(CUT_OFF);
        }
        let mut asked = self.edits.iter();
        let has_more = |edit: &ListEdit| {
            filter.since.is_none_or(|since| edit.at >= since) && unnamed(edit) != (0, 0)
        };
        if filter.product.is_some() && asked.any(has_more) {
            left_out.push(UNNAMED);
        }
        left_out
    }

    /// The edits, by their change sets.
    pub(super) fn edits_by_change_set(&self) -> BTreeMap<&str, &ListEdit> {
        let edits = self.edits.iter();
        let sets = edits.flat_map(|edit| {
            let sets = edit.change_sets.iter();
            sets.map(move |set| (set.as_str(), edit))
        });
        sets.collect()
    }

    /// Its events, the oldest first.
    pub(super) fn events(&self) -> Vec<Event<'_>> {
        let edits = self
            .edits
            .iter()
            .map(|edit| (edit.at, What::ListEdited { edit }));
        let acts = self.acts.iter().map(|act| (act.at, What::Acted { act }));
        let answers = self.answers.iter();
        let answers = answers.map(|answer| (answer.at, What::RequestAnswered { answer }));
        let versions = self.versions.iter();
        let versions = versions.map(|config| (config.applied_at, What::ConfigStored { config }));
        let mut events: Vec<_> = edits
            .chain(acts)
            .chain(versions)
            .chain(answers)
            .map(|(at, what)| Event {
                schema: SCHEMA,
                at,
                run: None,
                lane: None,
                member: match &what {
                    What::RequestAnswered { answer } => self.members.get(&answer.account),
                    What::Acted { act } => act.account.as_ref().and_then(|of| self.members.get(of)),
                    _ => None,
                },
                names: self.names.only(what.products()),
                what,
                held: (&[], &[]),
            })
            .collect();
        events.sort_by_key(|event| event.at);
        events
    }
}

/// The edits that can be read, as they stand now.
fn edits(context: &Context, found: Found<ListEdit>) -> Vec<ListEdit> {
    let now = SystemClock.now();
    let edits = context.readable(found).into_iter();
    edits.map(|edit| edit.as_of(now)).collect()
}
