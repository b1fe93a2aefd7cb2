//! The procurement requests of all members, with what operators have answered, and how they are
//! found by what an operator types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, ProductId};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::notify::{Demand, demand};
use pmp_sync_domain::ports::{AnnounceRequests as _, Clock as _};
use pmp_sync_domain::records::{
    Answered, DroppedRequests, ProductRequest, RequestAnswer, RequestState,
};

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
    /// True if it is for this product: by its id, or by a part of its title.
    pub(crate) fn is_for(&self, text: &str) -> bool {
        let wanted = text.trim().to_lowercase();
        let title = self.request.title.as_deref().map(str::to_lowercase);
        self.request.product.as_str() == text
            || title.is_some_and(|title| !wanted.is_empty() && title.contains(&wanted))
    }

    /// What an operator answered, in words.
    pub(crate) fn answered(&self) -> Option<String> {
        let answer = self.answer.as_ref()?;
        let what = match (answer.answered, answer.denied) {
            (Answered::Approved, _) => "approved",
            (Answered::Declined, false) => "declined",
            (Answered::Declined, true) => "declined and denied",
        };
        let reason = answer.reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        Some(format!("{what}{reason}"))
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

    /// The open requests that a text means: a request, a product, or a title or a part of one. Several
    /// requests for one product are meant together. An error if it means several products, or none.
    pub(crate) fn meant(
        &self,
        text: &str,
        member: Option<&MemberName>,
    ) -> Result<Vec<&KnownRequest>, Failure> {
        let of_member = |known: &&KnownRequest| member.is_none_or(|name| known.member == *name);
        let all: Vec<_> = self.open().filter(of_member).collect();
        let by = |is_it: &dyn Fn(&KnownRequest) -> bool| -> Vec<&KnownRequest> {
            all.iter().copied().filter(|known| is_it(known)).collect()
        };
        let wanted = text.trim().to_lowercase();
        let title = |known: &KnownRequest| known.request.title.as_deref().map(str::to_lowercase);
        let found = [
            by(&|known| known.request.request.as_str() == text),
            by(&|known| known.request.product.as_str() == text),
            by(&|known| title(known).as_ref() == Some(&wanted)),
            by(&|known| known.is_for(text)),
        ];
        let found = found.into_iter().find(|found| !found.is_empty());
        let found = found.unwrap_or_default();
        let products: BTreeSet<_> = found.iter().map(|known| &known.request.product).collect();
        match products.len() {
            0 => Err(nothing(text, &all)),
            1 => Ok(found),
            _ => Err(Failure::Unknown {
                message: format!(
                    "{text:?} means requests for several products:{}",
                    listed(&found)
                ),
                remedy: "name a request or a product by its id".to_owned(),
            }),
        }
    }
}

/// The most requests that a message lists.
const MOST_LISTED: usize = 20;

fn nothing(text: &str, open: &[&KnownRequest]) -> Failure {
    let message = if open.is_empty() {
        format!("{text:?} means no request: none waits for an answer")
    } else {
        format!(
            "{text:?} means no request that waits for an answer:{}",
            listed(open)
        )
    };
    Failure::Unknown {
        message,
        remedy: "see `pmp-sync requests`; with --all it lists those that have ended".to_owned(),
    }
}

fn listed(requests: &[&KnownRequest]) -> String {
    let mut lines = String::new();
    for known in requests.iter().take(MOST_LISTED) {
        let product = known.request.product_words();
        let _ = write!(lines, "\n  {}: {product}", known.name());
    }
    let more = requests.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        let _ = write!(lines, "\n  and {more} more");
    }
    lines
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

/// The accounts in whose consoles requests are answered.
pub(crate) fn accounts(requests: &[&KnownRequest]) -> String {
    let accounts: BTreeSet<&AccountId> = requests
        .iter()
        .map(|known| &known.request.account)
        .collect();
    let accounts: Vec<_> = accounts.into_iter().map(AccountId::as_str).collect();
    accounts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(account: &str, id: &str, product: &str, title: &str) -> KnownRequest {
        KnownRequest {
            request: ProductRequest {
                schema: 1,
                rev: 1,
                account: account.parse().unwrap(),
                request: id.parse().unwrap(),
                state: RequestState::Open,
                product: product.parse().unwrap(),
                title: Some(title.to_owned()),
                manufacturer: None,
                experience: "exp-1".parse().unwrap(),
                requester: None,
                requested_at: Some(Timestamp::UNIX_EPOCH),
                expires_at: None,
                ended_at: None,
                recorded_at: Timestamp::UNIX_EPOCH,
                announced_at: None,
            },
            member: "emea".parse().unwrap(),
            follows: None,
            follows_several: false,
            answer: None,
        }
    }

    fn requests() -> Requests {
        let (emea, apac) = ("222222222222", "333333333333");
        Requests {
            now: Timestamp::UNIX_EPOCH,
            all: vec![
                known(emea, "pr-1", "prod-1", "Example Database"),
                known(apac, "pr-2", "prod-1", "Example Database"),
                known(apac, "pr-3", "prod-2", "Example Database Backup"),
            ],
            demand: BTreeMap::new(),
            dropped: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    fn ids(text: &str) -> Result<Vec<String>, String> {
        let requests = requests();
        let found = requests.meant(text, None);
        let found = found.map_err(|failure| failure.to_string())?;
        let ids = found.iter().map(|known| known.request.request.to_string());
        Ok(ids.collect())
    }

    #[test]
    fn a_request_is_meant_by_its_id_and_all_of_a_product_by_its_id_or_title() {
        for (text, expected) in [
            ("pr-2", &["pr-2"][..]),
            ("prod-1", &["pr-1", "pr-2"]),
            ("example database", &["pr-1", "pr-2"]),
            ("BACKUP", &["pr-3"]),
        ] {
            assert_eq!(ids(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_means_several_products_or_none_lists_the_requests() {
        for (text, part) in [
            ("Example", "several products"),
            ("zzz", "no request"),
            ("", "no request"),
        ] {
            let message = ids(text).unwrap_err();
            assert!(message.contains(part), "{message}");
            assert!(
                message.contains("pr-3 of emea: Example Database Backup (prod-2)"),
                "{message}"
            );
        }
        let mut none = requests();
        none.all.clear();
        let message = none.meant("x", None).unwrap_err().to_string();
        assert!(message.contains("none waits"), "{message}");
    }
}
