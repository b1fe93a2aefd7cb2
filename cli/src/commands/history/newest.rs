//! The newest events of a history, without what each run repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{ExperienceId, MemberName, ProductId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::RunStatus;

use super::event::{EDITED_OUTSIDE, HELD};
use super::origin::MANAGEMENT;
use super::told::Told;
use super::whole::Whole;

/// Events that are kept beside those that are shown, before the older ones are dropped.
const SPARE: usize = 200;

/// Kinds of requests by which pmp-sync starts a run by itself.
const BY_ITSELF: [&str; 4] = ["schedule", "retry", "lane-settled", "continuation"];
/// Kinds of requests for a run over every link.
const OF_EVERYTHING: [&str; 2] = ["schedule", MANAGEMENT];

/// A link: its member, and its experience if it has one.
type Place = (Option<MemberName>, Option<ExperienceId>);

/// The newest of what is told. Runs are added from the oldest on.
#[derive(Debug)]
pub(super) struct Newest {
    /// The number of events to show. A plan can have thousands of products, so that not many more are kept.
    most: usize,
    told: Vec<Told>,
    /// The number of all events.
    found: usize,
    /// What the last run told of each link that every run repeats until something changes.
    last: BTreeMap<Place, Vec<Repeated>>,
    /// True if the last run failed as a whole.
    has_failed: bool,
}

/// An event that every run repeats until something changes.
#[derive(Debug, PartialEq, Eq)]
struct Repeated {
    event: String,
    /// What must be equal of its details: numbers and times in the rest may differ.
    detail: Option<String>,
    /// A hash of its changes.
    changes: u64,
    /// The products, of an outside edit.
    edited: BTreeSet<ProductId>,
}

impl Repeated {
    fn of(told: &Told) -> Option<Self> {
        let detail = told.detail.as_deref();
        let detail = match told.event.as_str() {
            "planned" => detail,
            // Its code.
            "failed" => detail.and_then(|words| words.split(':').next()),
            HELD | EDITED_OUTSIDE | "underway" | "suspended" => None,
            _ => return None,
        };
        let mut hasher = DefaultHasher::new();
        for of in &told.products {
            of.product.as_str().hash(&mut hasher);
            of.action.map(Action::as_str).hash(&mut hasher);
        }
        let products = told.products.iter().map(|of| of.product.clone());
        Some(Self {
            event: told.event.clone(),
            detail: detail.map(ToOwned::to_owned),
            changes: hasher.finish(),
            edited: products.filter(|_| told.event == EDITED_OUTSIDE).collect(),
        })
    }
}

impl Newest {
    /// None yet, of which this many are to be shown.
    pub(super) fn of(most: u16) -> Self {
        Self {
            most: usize::from(most),
            told: Vec::new(),
            found: 0,
            last: BTreeMap::new(),
            has_failed: false,
        }
    }

    /// Adds what is asked for of a run. Of one that nobody asked for, its begin and its end are told only if it did something new.
    pub(super) fn add_run(&mut self, whole: &Whole, told: Vec<Told>, since: Timestamp) {
        let links = whole.links.iter().map(|link| {
            let lane = link.lane.as_ref();
            let experience = lane.map(|lane| lane.experience.clone());
            (Some(link.member.clone()), experience)
        });
        let mut now: BTreeMap<Place, Vec<Repeated>> =
            links.map(|place| (place, Vec::new())).collect();
        let mut news: Vec<_> = told
            .into_iter()
            .filter_map(|mut event| self.is_news(&mut event, &mut now).then_some(event))
            .collect();
        let run = &whole.run;
        if is_of_everything(run) {
            // A link that was in sync has no record.
            self.last = now;
        } else {
            self.last.extend(now);
        }
        let fails = run.status == RunStatus::Failed;
        let is_worth_it = !is_by_itself(run)
            || fails && !self.has_failed
            || news.iter().any(|event| event.member.is_some());
        self.has_failed = fails;
        if !is_worth_it {
            news.clear();
        }
        for event in news {
            self.add(event, since);
        }
    }

    /// True if the last run has not told the same of the link. An outside edit keeps the products that are new.
    fn is_news(&self, event: &mut Told, now: &mut BTreeMap<Place, Vec<Repeated>>) -> bool {
        let Some(repeated) = Repeated::of(event) else {
            return true;
        };
        let place = (event.member.clone(), event.experience.clone());
        let before = self.last.get(&place).into_iter().flatten();
        let mut before = before.filter(|before| before.event == repeated.event);
        let is_news = if event.event == EDITED_OUTSIDE {
            let known: Vec<_> = before.map(|before| &before.edited).collect();
            let products = &mut event.products;
            products.retain(|told| !known.iter().any(|edited| edited.contains(&told.product)));
            !products.is_empty()
        } else {
            before.all(|before| *before != repeated)
        };
        now.entry(place).or_default().push(repeated);
        is_news
    }

    /// Adds an event.
    pub(super) fn add(&mut self, event: Told, since: Timestamp) {
        if event.at < since {
            return;
        }
        self.found += 1;
        self.told.push(event);
        if self.told.len() > self.most + SPARE {
            self.drop_older();
        }
    }

    /// Sorts what is kept, the oldest first, and keeps the newest. The sort is stable: of events with the same time, the last one to
    /// be added stays the last.
    fn drop_older(&mut self) {
        self.told.sort_by_key(|event| event.at);
        let older = self.told.len().saturating_sub(self.most);
        self.told.drain(..older);
    }

    /// What is to be shown, the newest first, and the number of all events.
    pub(super) fn told(mut self) -> (Vec<Told>, usize) {
        self.drop_older();
        self.told.reverse();
        (self.told, self.found)
    }
}

/// True if nobody asked for the run.
fn is_by_itself(run: &RunRecord) -> bool {
    let mut requests = run.requests.iter();
    requests
        .all(|request| request.requester.is_none() && BY_ITSELF.contains(&request.kind.as_str()))
}

/// True if the run looked at every link.
fn is_of_everything(run: &RunRecord) -> bool {
    let mut requests = run.requests.iter();
    requests.any(|request| OF_EVERYTHING.contains(&request.kind.as_str()))
}
