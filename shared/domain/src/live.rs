//! Whether products are live: before a product is allowed for the first time, AWS Marketplace is asked
//! for it (Discovery API, `GetProduct`: 200 or 404; there is no status field). Pure.
//!
//! An answer is asked for again after a while, and counts until another one takes its place, or a month
//! has passed: that nobody can be asked for some hours changes no plan, so none that is held, and waits
//! for approval, is held anew because of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;
use crate::lane::later;
use crate::plan::{LeftAlone, Plan, Reason, Report};
use crate::policy::{Action, PolicySnapshot, Standing};

/// When a product that was live is asked for again, in seconds.
pub const LIVE_FOR: i64 = 7 * 24 * 3600;
/// When any other is, in seconds: one that appears is allowed on the same day.
pub const OTHERS_FOR: i64 = 6 * 3600;
/// How long an answer counts at most if nobody can be asked again, in seconds.
pub const KEPT_FOR: i64 = 30 * 24 * 3600;

/// What it means for a link that AWS Marketplace cannot be asked about a product. One that is
/// certainly not there is never allowed, unless nobody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LiveCheck {
    /// It is not allowed until somebody could be asked.
    Require,
    /// It is allowed, and the run says that nobody could be asked.
    #[default]
    Warn,
    /// Nobody is asked.
    Off,
}

/// What AWS Marketplace says of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// It has it.
    Live,
    /// It does not have it.
    NotLive,
    /// It does not answer for such an id: the same as if it could not be asked, but kept, so that
    /// every run has other products to ask for.
    Refused,
}

/// The ledger's item of a product that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The product.
    pub product: ProductId,
    /// What was said.
    pub listing: Listing,
    /// When.
    pub asked_at: Timestamp,
    /// When it is asked for again, should somebody want to know.
    pub until: Timestamp,
}

impl LiveRecord {
    /// An answer that was given now.
    pub fn new(product: ProductId, listing: Listing, now: Timestamp) -> Self {
        let seconds = match listing {
            Listing::Live => LIVE_FOR,
            Listing::NotLive | Listing::Refused => OTHERS_FOR,
        };
        Self {
            schema: crate::SCHEMA,
            product,
            listing,
            asked_at: now,
            until: later(now, seconds),
        }
    }

    /// When it does not count any more, however unreachable the service.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.asked_at, KEPT_FOR)
    }

    /// True or false if it tells whether the product is live.
    fn tells(&self, now: Timestamp) -> Option<bool> {
        match self.listing {
            _ if now >= self.forgotten_at() => None,
            Listing::Live => Some(true),
            Listing::NotLive => Some(false),
            Listing::Refused => None,
        }
    }
}

/// Answers, by their products.
pub type Answers = BTreeMap<ProductId, LiveRecord>;

/// The products that a plan allows only if they are live: those that the member does not allow now. One
/// that it does, and that a change in flight is about to deny, is not allowed for the first time.
pub fn in_question(plan: &Plan, actual: &PolicySnapshot) -> BTreeSet<ProductId> {
    let is_new = |product: &&ProductId| actual.standing(product) != Standing::Allowed;
    plan.allow().iter().filter(is_new).cloned().collect()
}

/// The products that are to be asked for, in this order: first those of which nothing is known, then
/// those that were asked for the longest ago.
pub fn due(products: &BTreeSet<ProductId>, answers: &Answers, now: Timestamp) -> Vec<ProductId> {
    let is_due = |product: &&ProductId| {
        let answer = answers.get(*product);
        answer.is_none_or(|answer| now >= answer.until)
    };
    let mut due: Vec<_> = products.iter().filter(is_due).cloned().collect();
    // Stable: the order of the ids among equals.
    due.sort_by_key(|product| answers.get(product).map(|answer| answer.asked_at));
    due
}

/// The plan without the products that are not live, and without those of which it is not known where
/// that has to be. They are left alone: nothing is ever denied because of what is not live.
pub fn only_live(
    plan: Plan,
    mut report: Report,
    actual: &PolicySnapshot,
    answers: &Answers,
    check: LiveCheck,
    now: Timestamp,
) -> (Plan, Report) {
    if check == LiveCheck::Off {
        return (plan, report);
    }
    let mut left = BTreeSet::new();
    for product in in_question(&plan, actual) {
        let answer = answers.get(&product);
        let reason = match answer.and_then(|answer| answer.tells(now)) {
            Some(true) => continue,
            Some(false) => Reason::NotLive,
            None if check == LiveCheck::Require => Reason::LiveUnknown,
            None => {
                report.unchecked += 1;
                continue;
            }
        };
        report.left_alone.push(LeftAlone {
            product: product.clone(),
            standing: actual.standing(&product),
            wanted: Action::Allow,
            reason,
        });
        left.insert(product);
    }
    report
        .left_alone
        .sort_by(|one, other| one.product.cmp(&other.product));
    // Of these the plan has allows only.
    (plan.without(&left), report)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn id(text: &str) -> ProductId {
        ProductId::new(text).unwrap()
    }

    fn ids(texts: &[&str]) -> BTreeSet<ProductId> {
        texts.iter().map(|text| id(text)).collect()
    }

    fn answers(all: &[(&str, Listing, i64)]) -> Answers {
        all.iter()
            .map(|(text, listing, asked)| {
                let record = LiveRecord::new(id(text), *listing, at(*asked));
                (id(text), record)
            })
            .collect()
    }

    fn actual(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
        PolicySnapshot::new(ids(allowed), ids(denied))
    }

    fn checked(answers: &Answers, check: LiveCheck, now: i64) -> (Plan, Report) {
        let plan = Plan::new(ids(&["a", "b", "c"]), ids(&["x"]));
        let report = Report::default();
        let actual = actual(&["x"], &["b"]);
        only_live(plan, report, &actual, answers, check, at(now))
    }

    fn left(report: &Report) -> Vec<(&str, Standing, Action, Reason)> {
        let left = report.left_alone.iter();
        left.map(|left| {
            (
                left.product.as_str(),
                left.standing,
                left.wanted,
                left.reason,
            )
        })
        .collect()
    }

    #[test]
    fn what_is_not_live_is_left_alone_and_nothing_is_denied_because_of_it() {
        let known = answers(&[
            ("a", Listing::Live, 0),
            ("b", Listing::NotLive, 0),
            ("c", Listing::Live, 0),
            ("x", Listing::NotLive, 0),
        ]);
        for check in [LiveCheck::Require, LiveCheck::Warn] {
            let (plan, report) = checked(&known, check, 60);
            assert_eq!(plan, Plan::new(ids(&["a", "c"]), ids(&["x"])));
            let expected = [("b", Standing::Denied, Action::Allow, Reason::NotLive)];
            assert_eq!(left(&report), expected);
            assert_eq!(report.unchecked, 0);
        }
    }

    #[test]
    fn what_is_not_known_waits_or_is_allowed_and_counted_as_the_link_says() {
        let known = answers(&[("a", Listing::Live, 0), ("b", Listing::Refused, 0)]);
        let (plan, report) = checked(&known, LiveCheck::Require, 60);
        assert_eq!(plan, Plan::new(ids(&["a"]), ids(&["x"])));
        let expected = [
            ("b", Standing::Denied, Action::Allow, Reason::LiveUnknown),
            ("c", Standing::Unlisted, Action::Allow, Reason::LiveUnknown),
        ];
        assert_eq!(
            (left(&report).as_slice(), report.unchecked),
            (&expected[..], 0)
        );
        let (plan, report) = checked(&known, LiveCheck::Warn, 60);
        assert_eq!(plan, Plan::new(ids(&["a", "b", "c"]), ids(&["x"])));
        assert_eq!((left(&report).len(), report.unchecked), (0, 2));
    }

    #[test]
    fn off_asks_nobody_and_believes_nothing() {
        let known = answers(&[("a", Listing::NotLive, 0)]);
        let (plan, report) = checked(&known, LiveCheck::Off, 60);
        assert_eq!(plan, Plan::new(ids(&["a", "b", "c"]), ids(&["x"])));
        assert_eq!(report, Report::default());
    }

    #[test]
    fn what_is_left_alone_stays_in_the_order_of_the_ids() {
        let plan = Plan::new(ids(&["b"]), BTreeSet::new());
        let of = |product: &str| LeftAlone {
            product: id(product),
            standing: Standing::Denied,
            wanted: Action::Allow,
            reason: Reason::Excluded,
        };
        let report = Report {
            left_alone: vec![of("a"), of("c")],
            ..Report::default()
        };
        let known = answers(&[("b", Listing::NotLive, 0)]);
        let (_, report) = only_live(
            plan,
            report,
            &actual(&[], &[]),
            &known,
            LiveCheck::Warn,
            at(9),
        );
        let order: Vec<_> = left(&report).iter().map(|left| left.0).collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    /// It is planned because a deny in flight is about to take it away: left out, that deny would win.
    #[test]
    fn a_product_that_the_member_allows_needs_no_answer() {
        let plan = Plan::new(ids(&["a"]), BTreeSet::new());
        let actual = actual(&["a"], &[]);
        assert!(in_question(&plan, &actual).is_empty());
        let known = answers(&[("a", Listing::NotLive, 0)]);
        let report = Report::default();
        let (after, report) = only_live(
            plan.clone(),
            report,
            &actual,
            &known,
            LiveCheck::Require,
            at(9),
        );
        assert_eq!((after, report), (plan, Report::default()));
    }

    /// Or the hash of a held plan would change with it.
    #[test]
    fn an_answer_counts_until_another_takes_its_place_or_a_month_has_passed() {
        let known = answers(&[
            ("a", Listing::Live, 0),
            ("b", Listing::NotLive, 0),
            ("c", Listing::Live, 0),
        ]);
        let first = checked(&known, LiveCheck::Warn, 60);
        for days in [1, 8, 29] {
            assert_eq!(checked(&known, LiveCheck::Warn, days * DAY), first);
            let (plan, _) = checked(&known, LiveCheck::Require, days * DAY);
            assert_eq!(plan.hash(), first.0.hash());
        }
        let (_, report) = checked(&known, LiveCheck::Warn, 30 * DAY);
        assert_eq!(report.unchecked, 3);
    }

    #[test]
    fn what_is_not_live_is_asked_for_again_after_hours_and_what_is_after_days() {
        let known = answers(&[
            ("a", Listing::Live, 0),
            ("b", Listing::NotLive, 0),
            ("c", Listing::Refused, 0),
        ]);
        let all = ids(&["a", "b", "c"]);
        for (now, expected) in [
            (6 * 3600 - 1, &[][..]),
            (6 * 3600, &["b", "c"]),
            (7 * DAY - 1, &["b", "c"]),
            (7 * DAY, &["a", "b", "c"]),
        ] {
            let due: Vec<_> = due(&all, &known, at(now)).into_iter().collect();
            let expected: Vec<_> = expected.iter().map(|text| id(text)).collect();
            assert_eq!(due, expected, "{now}");
        }
    }

    #[test]
    fn what_nobody_knows_is_asked_for_before_what_somebody_knew() {
        let known = answers(&[("a", Listing::NotLive, 900), ("b", Listing::NotLive, 5)]);
        let order = due(&ids(&["a", "b", "c", "d"]), &known, at(DAY));
        assert_eq!(order, [id("c"), id("d"), id("b"), id("a")]);
    }
}
