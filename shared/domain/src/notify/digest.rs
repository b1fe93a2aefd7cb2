//! Digests: many announcements of one kind and reason that are made at once are told as one. Each
//! of them is on the bus all the same, marked with the digest that tells it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::hint::{Advice, Hint, Place};
use crate::wire::events::{Notice, ProductRequested};
use crate::wire::{Digest, Digested, MOST_DIGESTED, PRODUCT_REQUESTED};

/// So many member experiences with the same announcement make a digest.
pub const DIGEST_FROM: usize = 3;
/// The most members that the sentence names.
const MOST_NAMED: usize = 5;
/// The most characters of an announcement in a digest.
const MOST_WORDS: usize = 300;

/// The digests of some announcements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    /// The digests.
    pub digests: Vec<Digest>,
    /// The id of the digest of each announcement that is in one, by its own id.
    of: BTreeMap<String, String>,
}

impl Digests {
    /// The digest that tells this announcement.
    pub fn of(&self, id: &str) -> Option<&str> {
        self.of.get(id).map(String::as_str)
    }

    fn add(&mut self, digest: Digest, ids: impl IntoIterator<Item = String>) {
        self.of
            .extend(ids.into_iter().map(|id| (id, digest.id.clone())));
        self.digests.push(digest);
    }
}

/// Puts notices together that say the same of many member experiences: of one kind and reason, about
/// links that follow the same management experiences.
pub fn digests(notices: &[Notice], now: Timestamp) -> Digests {
    let mut groups: BTreeMap<(&str, &str, String), Vec<&Notice>> = BTreeMap::new();
    for notice in notices {
        let sources = notice.about().sources.to_string();
        let group = groups.entry((notice.name(), notice.reason(), sources));
        group.or_default().push(notice);
    }
    let mut made = Digests::default();
    for ((name, reason, _), group) in groups {
        let lanes = group.iter().map(|notice| {
            let about = notice.about();
            (&about.account, &about.experience)
        });
        let count = lanes.collect::<BTreeSet<_>>().len();
        let Some(first) = group.first().filter(|_| count >= DIGEST_FROM) else {
            continue;
        };
        let one = |notice: &&Notice| {
            let about = notice.about();
            Digested {
                id: about.id.clone(),
                member: about.member.clone(),
                account: about.account.clone(),
                experience: about.experience.clone(),
                message: about.message.clone(),
            }
        };
        let all: Vec<_> = group.iter().map(one).collect();
        let (does, what_to_do) = words(first);
        let subject = format!("{count} member experiences {does} ({reason})");
        let mut digest = digest(name, &subject, &what_to_do, all, now);
        digest.reason = Some(reason.to_owned());
        digest.count = count;
        let ids = group.iter().map(|notice| notice.about().id.clone());
        made.add(digest, ids);
    }
    made
}

/// Puts the requests of users together that are announced at once.
pub fn digest_of_requests(requests: &[ProductRequested], now: Timestamp) -> Digests {
    let mut made = Digests::default();
    if requests.len() < DIGEST_FROM {
        return made;
    }
    let one = |request: &ProductRequested| Digested {
        id: request.id.clone(),
        member: request.member.clone(),
        account: request.account.clone(),
        experience: request.experience.clone(),
        message: request.message.clone(),
    };
    let products: BTreeSet<_> = requests.iter().map(|request| &request.product).collect();
    let subject = format!(
        "{} requests for {} products wait for an answer",
        requests.len(),
        products.len()
    );
    let what_to_do = Advice::by("look at all requests", Hint::Requests)
        .or("answer each in the member's console: no API takes the answer");
    let all = requests.iter().map(one).collect();
    let digest = digest(PRODUCT_REQUESTED, &subject, &what_to_do, all, now);
    made.add(digest, requests.iter().map(|request| request.id.clone()));
    made
}

fn digest(
    event: &str,
    subject: &str,
    what_to_do: &Advice,
    mut all: Vec<Digested>,
    now: Timestamp,
) -> Digest {
    let members: BTreeSet<_> = all.iter().map(|one| one.member.as_str()).collect();
    let named: Vec<_> = members.iter().copied().take(MOST_NAMED).collect();
    let more = members.len() - named.len();
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    let first = all.first();
    let message = format!(
        "{subject}: {}{more}. The first: {}",
        named.join(", "),
        first.map_or("", |first| first.message.as_str())
    );
    let id = first.map_or_else(String::new, |first| {
        format!("{}+{}", first.id, all.len() - 1)
    });
    let (count, members) = (all.len(), members.len());
    all.truncate(MOST_DIGESTED);
    for one in &mut all {
        one.message = one.message.chars().take(MOST_WORDS).collect();
    }
    Digest {
        schema: crate::SCHEMA,
        id,
        at: now,
        event: event.to_owned(),
        reason: None,
        count,
        members,
        announcements: all,
        message,
        what_to_do: what_to_do.to_string(),
        hints: what_to_do.hints(),
    }
}

/// What the experiences do, as a verb, and what to do about all of them.
fn words(first: &Notice) -> (&'static str, Advice) {
    let everything = Place::default;
    let status = Hint::Status { run: None };
    match first {
        Notice::Held(held) if held.plan_hash.is_none() => {
            let cause = held.reasons.first();
            let remedy = cause.map_or("", |cause| cause.what_to_do.as_str());
            (
                "cannot be planned",
                Advice::new(remedy).or_by("then start a run", Hint::Sync(everything())),
            )
        }
        Notice::Held(_) => (
            "are held",
            Advice::by("look at them", Hint::Holds).or("approve or reject what is held"),
        ),
        Notice::Blocked(blocked) => (
            "are blocked",
            Advice::new(blocked.reason.remedy()).or_by("see where the lanes stand", status),
        ),
        Notice::Quarantined(_) => (
            "have new changes in quarantine",
            Advice::by("look at them", Hint::DeadLettersList(everything())).or_by(
                "once the cause is fixed, replay them",
                Hint::DeadLettersReplay {
                    member: None,
                    product: None,
                },
            ),
        ),
        Notice::Contested(_) => (
            "are contested by another installation",
            Advice::by("see what differs", Hint::Plan(everything())),
        ),
        Notice::EditedOutside(_) => (
            "were changed by somebody else",
            Advice::by("see who it was", Hint::Drift(everything()))
                .or_by("keep others from changing what is governed", Hint::Scp),
        ),
        Notice::MemberStale(_) => (
            "were last in sync too long ago",
            Advice::by("see what differs and why", Hint::Plan(everything()))
                .or_by("see where the lanes stand", status),
        ),
        Notice::Recovered(_) => (
            "have recovered",
            Advice::by("see what still stands", status),
        ),
    }
}

#[cfg(test)]
mod tests;
