//! What changed this week, in sentences for readers who are not operators.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::records::{SetOutcome, SetRecord};
use pmp_sync_domain::time::later;

use crate::html::{count, number, unbroken};
use crate::model::{Changed, Model, State, Week};

/// Seven days, in seconds.
const WEEK: i64 = 7 * 24 * 3_600;
/// The most products of each kind that are kept.
const MOST_CHANGED: usize = 100;
/// The most products that a sentence names.
const MOST_NAMED: usize = 10;

impl Week {
    /// The week that ends now, by the change sets of lanes. `None` is a lane whose change sets could not be read.
    pub fn of<'a>(
        lanes: impl IntoIterator<Item = (&'a LaneId, Option<&'a [SetRecord]>)>,
        now: Timestamp,
    ) -> Self {
        let since = later(now, -WEEK);
        let mut unknown = 0;
        let mut changed: BTreeSet<&LaneId> = BTreeSet::new();
        let mut products: BTreeMap<Action, BTreeMap<&ProductId, usize>> = BTreeMap::new();
        for (lane, sets) in lanes {
            let Some(sets) = sets else {
                unknown += 1;
                continue;
            };
            let counts =
                |set: &&SetRecord| set.outcome == SetOutcome::Succeeded && set.ended_at >= since;
            let mut sets: Vec<_> = sets.iter().filter(counts).collect();
            sets.sort_by_key(|set| set.seq);
            // The last change of each counts.
            let mut last: BTreeMap<&ProductId, Action> = BTreeMap::new();
            for set in sets {
                last.extend(set.allow.iter().map(|product| (product, Action::Allow)));
                last.extend(set.deny.iter().map(|product| (product, Action::Deny)));
            }
            if !last.is_empty() {
                changed.insert(lane);
            }
            for (product, action) in last {
                *products
                    .entry(action)
                    .or_default()
                    .entry(product)
                    .or_default() += 1;
            }
        }
        let mut of = |action| {
            let mut all: Vec<_> = products
                .remove(&action)
                .unwrap_or_default()
                .into_iter()
                .map(|(product, experiences)| Changed {
                    product: product.clone(),
                    experiences,
                })
                .collect();
            all.sort_by_key(|one| std::cmp::Reverse(one.experiences));
            let count = all.len();
            all.truncate(MOST_CHANGED);
            (count, all)
        };
        let ((allowed, allow), (denied, deny)) = (of(Action::Allow), of(Action::Deny));
        Self {
            since,
            experiences: changed.len(),
            allowed,
            denied,
            allow,
            deny,
            unknown,
        }
    }

    /// The products that it names.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        self.allow.iter().chain(&self.deny).map(|one| &one.product)
    }
}

pub(crate) fn section(model: &Model) -> String {
    let Some(week) = &model.week else {
        return String::new();
    };
    let mut text = format!(
        "<section id=\"week\" aria-labelledby=\"week-title\">\n<h2 id=\"week-title\">This week</h2>\n\
         <p class=\"note\">In plain words: the seven days from {} to {}.</p>\n<ul class=\"week\">\n",
        week.since.strftime("%Y-%m-%d"),
        model.made_at.strftime("%Y-%m-%d"),
    );
    for sentence in sentences(week, model) {
        let _ = writeln!(text, "<li>{sentence}</li>");
    }
    text.push_str("</ul>\n</section>\n");
    text
}

/// The sentences, as HTML.
fn sentences(week: &Week, model: &Model) -> Vec<String> {
    let mut all = Vec::new();
    if week.allowed == 0 && week.denied == 0 {
        all.push("No product was allowed or denied.".to_owned());
    }
    for (of, changed, how) in [
        (week.allowed, &week.allow, "allowed"),
        (week.denied, &week.deny, "denied"),
    ] {
        if of > 0 {
            let verb = if of == 1 { "was" } else { "were" };
            let names = names(of, changed, model);
            all.push(format!("{} {verb} {how}: {names}.", count(of, "product")));
        }
    }
    if week.experiences > 0 {
        all.push(format!(
            "{} changed.",
            count(week.experiences, "member experience")
        ));
    }
    let edits = model.links.iter().map(|link| {
        let cells = link.differing.iter();
        let since = cells.filter_map(|cell| cell.edited_since);
        since.filter(|since| *since >= week.since).count()
    });
    let edits: Vec<_> = edits.filter(|count| *count > 0).collect();
    if !edits.is_empty() {
        let of = edits.iter().sum();
        all.push(format!(
            "Somebody changed {} by hand on {}, which differ until they are changed back.",
            count(of, "product"),
            count(edits.len(), "member experience")
        ));
    }
    let made = model.requests.iter();
    let made = made.filter(|request| request.since.is_some_and(|since| since >= week.since));
    match (made.count(), model.requests.len()) {
        (_, 0) => {}
        (new, open) => all.push(format!(
            "{} of users {} for an answer, {} of them from this week.",
            count(open, "request"),
            if open == 1 { "waits" } else { "wait" },
            number(new)
        )),
    }
    let held = model.links.iter().filter(|link| link.state == State::Held);
    let held = held.count();
    if held > 0 {
        all.push(format!(
            "Changes of {} wait until somebody approves them.",
            count(held, "member experience")
        ));
    }
    if week.unknown > 0 {
        all.push(format!(
            "What changed on {} could not be read.",
            count(week.unknown, "member experience")
        ));
    }
    all
}

/// The first products by name, each with the number of member experiences.
fn names(of: usize, changed: &[Changed], model: &Model) -> String {
    let name = |one: &Changed| {
        let name = model.names.of(&one.product);
        let name = name.unwrap_or(one.product.as_str());
        format!("<b>{}</b> ({})", unbroken(name), number(one.experiences))
    };
    let mut names: Vec<_> = changed.iter().take(MOST_NAMED).map(name).collect();
    let more = of.saturating_sub(names.len());
    if more > 0 {
        names.push(format!("and {} more", number(more)));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(seq: u64, days: i64, outcome: SetOutcome, allow: &[&str], deny: &[&str]) -> SetRecord {
        let ids = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect();
        let at = later(now(), -days * 24 * 3_600);
        SetRecord {
            schema: 1,
            seq,
            change_set: format!("cs-{seq}").parse().unwrap(),
            run: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            outcome,
            detail: None,
            allow: ids(allow),
            deny: ids(deny),
            started_at: at,
            ended_at: at,
        }
    }

    fn now() -> Timestamp {
        "2026-03-08T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_was_applied_in_seven_days_counts_once_for_each_experience() {
        use SetOutcome::{Failed, Succeeded};
        let lanes: Vec<LaneId> = ["1", "2", "3"]
            .iter()
            .map(|number| format!("222222222222/exp-{number}").parse().unwrap())
            .collect();
        let one = [
            set(3, 1, Succeeded, &["prod-b"], &[]),
            set(2, 2, Succeeded, &["prod-a"], &["prod-b"]),
            set(1, 8, Succeeded, &["prod-old"], &[]),
            set(4, 0, Failed, &["prod-never"], &[]),
        ];
        let two = [set(1, 1, Succeeded, &["prod-a"], &["prod-d"])];
        let week = Week::of(
            [
                (&lanes[0], Some(one.as_slice())),
                (&lanes[1], Some(two.as_slice())),
                (&lanes[2], None),
            ],
            now(),
        );
        let changed = |product: &str, experiences| Changed {
            product: product.parse().unwrap(),
            experiences,
        };
        assert_eq!(week.allow, [changed("prod-a", 2), changed("prod-b", 1)]);
        assert_eq!(week.deny, [changed("prod-d", 1)]);
        assert_eq!((week.experiences, week.unknown), (2, 1));
        assert_eq!((week.allowed, week.denied), (2, 1));
    }
}
