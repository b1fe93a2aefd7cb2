//! Only live products: before a product is allowed for the first time, AWS Marketplace is asked for
//! it (Discovery API, `GetProduct`: 200 or 404; there is no status field). Pure.
//!
//! The API has public listings. A product that is sold by private offer alone, or whose listing is
//! restricted, may be answered with 404 although the member can buy it. So a 404 forbids only where
//! the link requires a listing; elsewhere it means that the product is unchecked.
//!
//! A product is asked for again after a while. An answer counts until another one replaces it, or a
//! month has passed. So an outage of some hours changes no plan, and a held plan stays the same
//! hold.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::ProductId;
use crate::link::LiveCheck;
use crate::plan::{LeftAlone, Plan, Reason, Report};
use crate::policy::{Action, PolicySnapshot, Standing};
use crate::records::Answers;

/// The products that a plan allows only if they are live: those that the member does not allow now.
/// A product that the member allows now, and that a change in flight will deny, is not allowed for
/// the first time.
pub fn in_question(plan: &Plan, actual: &PolicySnapshot) -> BTreeSet<ProductId> {
    let is_new = |product: &&ProductId| actual.standing(product) != Standing::Allowed;
    plan.allow().iter().filter(is_new).cloned().collect()
}

/// The products to ask for, in this order: first those of which nothing is known, then those that
/// were asked for the longest ago.
pub fn due(products: &BTreeSet<ProductId>, answers: &Answers, now: Timestamp) -> Vec<ProductId> {
    let is_due = |product: &&ProductId| {
        let answer = answers.get(*product);
        answer.is_none_or(|answer| now >= answer.until)
    };
    let mut due: Vec<_> = products.iter().filter(is_due).cloned().collect();
    // The sort is stable, so equal products keep the order of their ids.
    due.sort_by_key(|product| answers.get(product).map(|answer| answer.asked_at));
    due
}

/// The products to ask for, for the sake of their names: first those of which nothing is known, then those
/// that failed or were asked for the longest ago.
pub fn nameless(
    products: &BTreeSet<ProductId>,
    answers: &Answers,
    now: Timestamp,
) -> Vec<ProductId> {
    let is_due = |product: &&ProductId| {
        let answer = answers.get(*product);
        answer.is_none_or(|answer| answer.is_name_due(now))
    };
    let mut due: Vec<_> = products.iter().filter(is_due).cloned().collect();
    let last = |product: &ProductId| {
        let answer = answers.get(product)?;
        Some(answer.failed_at.unwrap_or(answer.asked_at))
    };
    due.sort_by_key(last);
    due
}

/// If the link requires products to be live, removes those from the plan that are not live or of which
/// it is unknown. They are left alone: nothing is ever denied because it is not live. Otherwise only
/// counts them.
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
            None => Reason::LiveUnknown,
        };
        if check != LiveCheck::Require {
            report.unchecked += 1;
            continue;
        }
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
    // The plan only allows these products.
    (plan.without(&left), report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::ProductDetails;
    use crate::records::{Listing, LiveRecord};

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
    fn what_is_not_live_is_left_alone_only_where_that_is_required() {
        let known = answers(&[
            ("a", Listing::Live, 0),
            ("b", Listing::NotLive, 0),
            ("c", Listing::Live, 0),
            ("x", Listing::NotLive, 0),
        ]);
        let (plan, report) = checked(&known, LiveCheck::Require, 60);
        assert_eq!(plan, Plan::new(ids(&["a", "c"]), ids(&["x"])));
        let expected = [("b", Standing::Denied, Action::Allow, Reason::NotLive)];
        assert_eq!(left(&report), expected);
        assert_eq!(report.unchecked, 0);
        // It may be sold by private offer, and is not denied for it either.
        let (plan, report) = checked(&known, LiveCheck::Warn, 60);
        assert_eq!(plan, Plan::new(ids(&["a", "b", "c"]), ids(&["x"])));
        assert_eq!((left(&report).len(), report.unchecked), (0, 1));
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
            LiveCheck::Require,
            at(9),
        );
        let order: Vec<_> = left(&report).iter().map(|left| left.0).collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    /// It is planned because a deny in flight will remove it. Without it, that deny would win.
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

    /// If it did not, the hash of a held plan would change.
    #[test]
    fn an_answer_counts_until_another_takes_its_place_or_a_month_has_passed() {
        let known = answers(&[
            ("a", Listing::Live, 0),
            ("b", Listing::NotLive, 0),
            ("c", Listing::Live, 0),
        ]);
        for check in [LiveCheck::Warn, LiveCheck::Require] {
            let first = checked(&known, check, 60);
            for days in [1, 8, 29] {
                assert_eq!(checked(&known, check, days * DAY), first);
            }
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
    fn a_name_is_asked_for_once_and_refreshed_with_its_listing() {
        let named = ProductDetails {
            name: "A product".to_owned(),
            ..ProductDetails::default()
        };
        let before = LiveRecord::answered(id("a"), Some(named.clone()), None, at(0));
        let gone = LiveRecord::answered(id("b"), None, None, at(0));
        let refused = LiveRecord::refused(id("c"), None, at(0));
        let failed = LiveRecord::failed(id("d"), None, at(0));
        let old = LiveRecord::new(id("e"), Listing::Live, at(0));
        let known: Answers = [before, gone, refused, failed, old]
            .into_iter()
            .map(|record| (record.product.clone(), record))
            .collect();
        let all = ids(&["a", "b", "c", "d", "e", "f"]);
        for (now, expected) in [
            (0, &["f", "e"][..]),
            (6 * 3600 - 1, &["f", "e"]),
            (6 * 3600, &["f", "d", "e"]),
            (7 * DAY - 1, &["f", "d", "e"]),
            (7 * DAY, &["f", "a", "b", "c", "d", "e"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|text| id(text)).collect();
            assert_eq!(nameless(&all, &known, at(now)), expected, "{now}");
        }
    }

    /// An outage while names are asked for changes no plan.
    #[test]
    fn a_failed_look_up_of_a_name_leaves_what_is_known() {
        let live = LiveRecord::answered(id("a"), None, None, at(0));
        let failed = LiveRecord::failed(id("a"), Some(&live), at(99));
        assert_eq!(
            (failed.listing, failed.asked_at),
            (live.listing, live.asked_at)
        );
        assert_eq!((failed.until, failed.failed_at), (live.until, Some(at(99))));
        let unknown = LiveRecord::failed(id("b"), None, at(99));
        assert_eq!(unknown.tells(at(99)), None);
        let known: Answers = [(id("b"), unknown)].into();
        assert_eq!(due(&ids(&["b"]), &known, at(99)), [id("b")], "as before");
    }

    #[test]
    fn a_product_that_leaves_aws_marketplace_keeps_its_name() {
        let named = ProductDetails {
            name: "A product".to_owned(),
            ..ProductDetails::default()
        };
        let live = LiveRecord::answered(id("a"), Some(named), None, at(0));
        for next in [
            LiveRecord::answered(id("a"), None, Some(&live), at(DAY)),
            LiveRecord::refused(id("a"), Some(&live), at(DAY)),
            LiveRecord::failed(id("a"), Some(&live), at(DAY)),
        ] {
            assert_eq!(next.name(), Some("A product"));
            assert_eq!(next.expires_at(), at(next.asked_at.as_second() + 400 * DAY));
            assert_eq!(
                next.forgotten_at(),
                at(next.asked_at.as_second() + 30 * DAY)
            );
        }
    }

    #[test]
    fn what_nobody_knows_is_asked_for_before_what_somebody_knew() {
        let known = answers(&[("a", Listing::NotLive, 900), ("b", Listing::NotLive, 5)]);
        let order = due(&ids(&["a", "b", "c", "d"]), &known, at(DAY));
        assert_eq!(order, [id("c"), id("d"), id("b"), id("a")]);
    }
}
