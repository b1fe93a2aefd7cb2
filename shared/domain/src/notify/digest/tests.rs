//! One digest of what many say alike, and of nothing else.

use proptest::prelude::*;

use super::*;
use crate::plan::Plan;
use crate::wire::events::{About, Blocked, Cause, Condition, Ended, EndedBy, Held, Recovered};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_322_800 + seconds).unwrap()
}

fn about(member: usize, number: usize, follows: &str) -> About {
    About {
        schema: crate::SCHEMA,
        id: format!("222222222222/exp-{member}/{number}"),
        at: at(0),
        member: format!("member-{member}").parse().unwrap(),
        account: "222222222222".parse().unwrap(),
        experience: format!("exp-{member}").parse().unwrap(),
        sources: follows.parse().unwrap(),
        message: format!("exp-{member} is not well. {}", "x".repeat(1_000)),
        what_to_do: "look".to_owned(),
        hints: Vec::new(),
    }
}

fn blocked(member: usize, number: usize, reason: &str, follows: &str) -> Notice {
    Notice::Blocked(Blocked {
        about: about(member, number, follows),
        since: at(0),
        reason: reason.parse().unwrap(),
        detail: "the service refuses".to_owned(),
    })
}

fn recovered(member: usize, number: usize) -> Notice {
    Notice::Recovered(Recovered {
        about: about(member, number, "exp-0"),
        since: at(0),
        reason: "access-denied".to_owned(),
        recovered: vec![Ended {
            condition: Condition::Blocked,
            reason: "access-denied".to_owned(),
            since: at(0),
            ended_by: EndedBy::Resolved,
        }],
        standing: Vec::new(),
    })
}

#[test]
fn thirty_members_with_one_cause_are_told_as_one() {
    let all: Vec<_> = (0..80)
        .map(|member| blocked(member, 1, "access-denied", "exp-0"))
        .collect();
    let made = digests(&all, at(9));
    let [digest] = made.digests.as_slice() else {
        panic!("{made:?}")
    };
    assert_eq!((digest.count, digest.members), (80, 80));
    assert_eq!(digest.announcements.len(), MOST_DIGESTED);
    assert_eq!(digest.reason.as_deref(), Some("access-denied"));
    assert_eq!(digest.event, "Blocked");
    assert!(
        digest.message.starts_with(
            "80 member experiences are blocked (access-denied): member-0, member-1, member-10, member-11, member-12 and 75 more. The first: exp-0 is not well."
        ),
        "{}",
        digest.message
    );
    for notice in &all {
        assert_eq!(made.of(&notice.about().id), Some(digest.id.as_str()));
    }
    let bytes = digest.event().2.to_string().len();
    assert!(bytes < 64_000, "{bytes}");
    // The same announcements once more are the same digest.
    assert_eq!(digests(&all, at(10)).digests[0].id, digest.id);
}

#[test]
fn what_few_say_or_what_differs_is_told_one_by_one() {
    let few = [
        blocked(1, 1, "access-denied", "exp-0"),
        blocked(2, 1, "access-denied", "exp-0"),
        // Another reason, another management experience, another kind.
        blocked(3, 1, "not-found", "exp-0"),
        blocked(4, 1, "access-denied", "exp-9"),
        recovered(5, 1),
        // Twice of one link.
        blocked(1, 2, "access-denied", "exp-0"),
    ];
    assert_eq!(digests(&few, at(0)), Digests::default());
    let enough = blocked(6, 1, "access-denied", "exp-0");
    let made = digests(&[few.as_slice(), &[enough]].concat(), at(0));
    assert_eq!(made.digests.len(), 1);
    assert_eq!(made.digests[0].count, 3);
    assert_eq!(made.of("222222222222/exp-3/1"), None);
}

proptest! {
    /// A receiver of digests, and of the notices that no digest tells, is told each notice once.
    #[test]
    fn each_notice_is_told_once_and_none_is_lost(
        all in proptest::collection::vec((0..12_usize, 0..3_usize, any::<bool>()), 0..60),
    ) {
        let notice = |(place, (member, kind, other)): (usize, &(usize, usize, bool))| {
            let follows = if *other { "exp-8" } else { "exp-0" };
            match kind {
                0 => blocked(*member, place, "access-denied", follows),
                1 => blocked(*member, place, "not-found", follows),
                _ => recovered(*member, place),
            }
        };
        let all: Vec<_> = all.iter().enumerate().map(notice).collect();
        let made = digests(&all, at(0));
        let mut told: Vec<_> = made
            .digests
            .iter()
            .flat_map(|digest| digest.announcements.iter().map(|one| one.id.clone()))
            .collect();
        for digest in &made.digests {
            prop_assert!(digest.count >= DIGEST_FROM);
            for one in &digest.announcements {
                prop_assert_eq!(made.of(&one.id), Some(digest.id.as_str()));
            }
        }
        let single = all.iter().map(|notice| notice.about().id.clone());
        told.extend(single.filter(|id| made.of(id).is_none()));
        told.sort();
        let mut expected: Vec<_> = all.iter().map(|notice| notice.about().id.clone()).collect();
        expected.sort();
        prop_assert_eq!(told, expected);
    }
}

fn requested(member: usize, number: usize, product: &str) -> ProductRequested {
    ProductRequested {
        schema: crate::SCHEMA,
        id: format!("222222222222/pr-{number}"),
        at: at(0),
        member: format!("member-{member}").parse().unwrap(),
        account: "222222222222".parse().unwrap(),
        experience: "exp-1".parse().unwrap(),
        management_experience: None,
        request: format!("pr-{number}").parse().unwrap(),
        product: product.parse().unwrap(),
        title: None,
        manufacturer: None,
        requester: None,
        since: at(0),
        until: at(9),
        requests: 1,
        members: 1,
        message: format!("request {number}"),
        what_to_do: "answer it".to_owned(),
        hints: Vec::new(),
    }
}

#[test]
fn three_requests_at_once_are_told_as_one_and_two_by_themselves() {
    let all = [
        requested(1, 1, "prod-a"),
        requested(2, 2, "prod-b"),
        requested(1, 3, "prod-a"),
        requested(1, 4, "prod-a"),
    ];
    for few in 0..DIGEST_FROM {
        let made = digest_of_requests(&all[..few], at(9));
        assert_eq!(made, Digests::default(), "{few}");
    }
    let made = digest_of_requests(&all[..DIGEST_FROM], at(9));
    let [digest] = made.digests.as_slice() else {
        panic!("{made:?}")
    };
    assert_eq!(digest.event, PRODUCT_REQUESTED);
    assert_eq!(
        (digest.count, digest.members, &digest.reason),
        (3, 2, &None)
    );
    assert_eq!(
        digest.message,
        "3 requests for 2 products wait for an answer: member-1, member-2. The first: request 1"
    );
    assert_eq!(digest.hints, [Hint::Requests]);
    let told: Vec<_> = digest.announcements.iter().map(|one| &one.id).collect();
    assert_eq!(
        told,
        [
            "222222222222/pr-1",
            "222222222222/pr-2",
            "222222222222/pr-3"
        ]
    );
    for id in told {
        assert_eq!(made.of(id), Some(digest.id.as_str()));
    }
    let larger = digest_of_requests(&all, at(9));
    assert_eq!(larger.digests[0].count, 4);
    assert_ne!(larger.digests[0].id, digest.id, "another digest");
}

#[test]
fn what_is_held_has_a_plan_to_approve_or_a_cause_to_end() {
    let held = |member: usize, has_plan: bool| {
        let about = about(member, 1, "exp-0");
        Notice::Held(Held {
            about,
            since: at(0),
            reason: "PMS-7001".to_owned(),
            reasons: vec![Cause {
                code: "PMS-7001".to_owned(),
                message: "it is archived".to_owned(),
                what_to_do: "restore it".to_owned(),
            }],
            run: None,
            plan_hash: has_plan.then(|| Plan::default().hash()),
            allow: 0,
            deny: 0,
            removals: 0,
            rejected: None,
        })
    };
    for (has_plan, does, hint) in [
        (true, "are held", Hint::Holds),
        (false, "cannot be planned", Hint::Sync(Place::default())),
    ] {
        let all: Vec<_> = (0..3).map(|member| held(member, has_plan)).collect();
        let made = digests(&all, at(9));
        let digest = &made.digests[0];
        let begins = format!("3 member experiences {does} (PMS-7001): ");
        assert!(digest.message.starts_with(&begins), "{}", digest.message);
        assert_eq!(digest.hints, [hint]);
        assert_eq!(digest.what_to_do.contains("restore it"), !has_plan);
    }
}
