//! The procurement requests of all members, with what operators have answered, and how they are
//! found by what an operator types.

mod meant;

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, ProductId};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::notify::{Demand, demand};
use pmp_sync_domain::ports::{AnnounceRequests as _, Clock as _, ReadAnswers as _};
use pmp_sync_domain::records::{DroppedRequests, ProductRequest, RequestAnswer, RequestState};

use super::context::{Context, parsed};
use crate::failure::Failure;

/// Said wherever an answer is recorded, because no API takes it.
pub(crate) const IN_THE_CONSOLE: &str = "The request itself is answered in the member's console: no API takes the answer, and its user hears nothing from pmp-sync";

/// A request, with what is known beside it.
#[derive(Debug, Clone)]
pub(crate) struct KnownRequest {
    pub(crate) request: ProductRequest,
    pub(crate) member: MemberName,
    /// The management experience that its experience follows, the last of several. None if no link covers it.
    pub(crate) follows: Option<ExperienceId>,
    /// True if its experience follows several.
    pub(crate) follows_several: bool,
    pub(crate) answer: Option<RequestAnswer>,
}

impl KnownRequest {
    /// What an operator answered, in words.
    pub(crate) fn answered(&self) -> Option<String> {
        self.answer.as_ref().map(RequestAnswer::words)
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        format!("{} of {}", self.request.request, self.member)
    }
}

/// The requests of all members.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) now: Timestamp,
    /// Those that wait for an answer first, then the newest.
    pub(crate) all: Vec<KnownRequest>,
    /// How often each product is asked for, over all organizations.
    demand: BTreeMap<ProductId, Demand>,
    /// Requests for which there was no room, by member.
    pub(crate) dropped: Vec<(MemberName, DroppedRequests)>,
    /// Items that cannot be read.
    pub(crate) unreadable: Vec<FaultRecord>,
}

impl Requests {
    /// Reads the requests that wait for an answer, or all that are kept.
    pub(crate) async fn read(context: &Context, ended: bool) -> Result<Self, Failure> {
        let config = parsed(&context.stored_config().await?)?;
        Self::of(context, &config, ended).await
    }

    /// Like [`Self::read`], with a configuration that is known.
    pub(crate) async fn of(
        context: &Context,
        config: &Config,
        ended: bool,
    ) -> Result<Self, Failure> {
        let now = SystemClock.now();
        let ledger = &context.ledger;
        let answers = ledger.request_answers().await?;
        let mut unreadable = answers.unreadable;
        let answers: BTreeMap<_, _> = answers
            .items
            .into_iter()
            .map(|answer| ((answer.account.clone(), answer.request.clone()), answer))
            .collect();
        let (mut all, mut dropped, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for member in config.members.values() {
            let account = &member.account;
            let found = if ended {
                ledger.product_requests(account).await?
            } else {
                ledger.open_product_requests(account, now).await?
            };
            unreadable.extend(found.unreadable);
            all.extend(found.items.into_iter().map(|request| {
                let key = (request.account.clone(), request.request.clone());
                let link = link_of(config, &request);
                KnownRequest {
                    member: member.name.clone(),
                    follows: link.map(|link| link.sources.last().clone()),
                    follows_several: link.is_some_and(|link| link.sources.are_several()),
                    answer: answers.get(&key).cloned(),
                    request,
                }
            }));
            match ledger.dropped_product_requests(account).await {
                Ok(count) if count.dropped > 0 => dropped.push((member.name.clone(), count)),
                Ok(_) => {}
                Err(error) if error.is_unreadable() => faults.push(error.item_fault()),
                Err(error) => return Err(error.into()),
            }
        }
        faults.extend(unreadable.iter().map(|item| item.error.item_fault()));
        let order = |known: &KnownRequest| {
            let request = &known.request;
            let asked = request.requested_at.unwrap_or(request.recorded_at);
            (
                !request.is_open(now),
                std::cmp::Reverse(asked),
                request.request.clone(),
            )
        };
        all.sort_by_key(order);
        let open = all.iter().map(|known: &KnownRequest| &known.request);
        let counted = demand(open.filter(|request| request.is_open(now)));
        let counted = counted
            .into_iter()
            .map(|(product, of)| (product.clone(), of));
        Ok(Self {
            now,
            demand: counted.collect(),
            all,
            dropped,
            unreadable: faults,
        })
    }

    /// About how many were not recorded.
    pub(crate) fn dropped_count(&self) -> u64 {
        let counts = self.dropped.iter().map(|(_, dropped)| dropped.dropped);
        counts.fold(0, u64::saturating_add)
    }

    /// Leaves out the requests of other members.
    pub(crate) fn keep_of(&mut self, members: &[MemberName]) {
        self.all.retain(|known| members.contains(&known.member));
        self.dropped.retain(|(name, _)| members.contains(name));
    }

    /// Those that wait for an answer.
    pub(crate) fn open(&self) -> impl Iterator<Item = &KnownRequest> {
        let is_open = |known: &&KnownRequest| known.request.is_open(self.now);
        self.all.iter().filter(is_open)
    }

    /// How often the product of a request is asked for, over all organizations.
    pub(crate) fn demand(&self, known: &KnownRequest) -> Demand {
        let of = self.demand.get(&known.request.product);
        of.copied().unwrap_or_default()
    }

    /// The state of a request.
    pub(crate) fn state(&self, known: &KnownRequest) -> RequestState {
        known.request.state_at(self.now)
    }
}

/// The link of the experience of a request. A link that names it takes precedence over `*`.
fn link_of<'a>(config: &'a Config, request: &ProductRequest) -> Option<&'a Link> {
    let links = || {
        config
            .links
            .iter()
            .filter(|link| link.member.account == request.account)
    };
    let is_named = |link: &&Link| link.target == Target::One(request.experience.clone());
    let is_covered =
        |link: &&Link| link.target == Target::EveryLive && config.is_free(&request.experience);
    links().find(is_named).or_else(|| links().find(is_covered))
}

/// The accounts in whose consoles requests are answered, in words.
pub(crate) fn accounts(requests: &[&KnownRequest]) -> String {
    let accounts: BTreeSet<&AccountId> = requests
        .iter()
        .map(|known| &known.request.account)
        .collect();
    let accounts: Vec<_> = accounts.into_iter().map(AccountId::as_str).collect();
    match accounts.as_slice() {
        [one] => format!("account {one}"),
        several => format!("each of the accounts {}", several.join(", ")),
    }
}
