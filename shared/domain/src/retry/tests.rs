use super::*;
use crate::error::{Kind, ServiceError};
use crate::ids::AccountId;
use crate::records::MOST_DENIED;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn member(name: &str) -> MemberName {
    name.parse().unwrap()
}

fn missed(name: &str, experience: Option<&str>, why: MayPass) -> Missed {
    Missed {
        member: member(name),
        experience: experience.map(|id| id.parse().unwrap()),
        why,
    }
}

fn scope(members: &[&str], experiences: &[&str]) -> Scope {
    Scope {
        members: members.iter().map(|name| member(name)).collect(),
        experiences: experiences.iter().map(|id| id.parse().unwrap()).collect(),
    }
}

fn attempt(requests: &[Request]) -> Attempt<'_> {
    Attempt {
        id: "a",
        run: None,
        requests,
        at: at(0),
    }
}

fn retry_of(number: u8, scope: Scope) -> Request {
    Request {
        kind: "retry".to_owned(),
        scope: Some(scope),
        retry: number,
        ..Request::default()
    }
}

/// Number, delay, members and experiences of each.
fn shown(retries: &[(LinkRetry, u16)]) -> Vec<(u8, u16, Scope)> {
    let shown = |(retry, delay): &(LinkRetry, u16)| (retry.number, *delay, retry.scope.clone());
    retries.iter().map(shown).collect()
}

fn of_attempt(requests: &[Request], missed: &[Missed]) -> Vec<(u8, u16, Scope)> {
    shown(&retries(attempt(requests), missed, &BTreeSet::new()))
}

/// A run that began at `seconds`, has observed these scopes, and was denied these members.
fn run(seconds: i64, scopes: Vec<Scope>, denied: &[&str]) -> RunRecord {
    let mut run = RunRecord::new(RunId::next(None, seconds, 0), 1, scopes, at(seconds));
    run.planned_at = Some(at(seconds + 5));
    run.denied = denied.iter().map(|name| member(name)).collect();
    run
}

#[test]
fn errors_that_may_pass_are_told_from_those_that_somebody_has_to_end() {
    let account = AccountId::new("222222222222").unwrap();
    let of = |kind| {
        let error = ServiceError::new("AssumeRole", "role", kind, "words");
        LinkError::MemberUnreachable(account.clone(), error).may_pass()
    };
    assert_eq!(of(Kind::Retryable), Some(MayPass::Passing));
    assert_eq!(of(Kind::Throttled), Some(MayPass::Passing));
    assert_eq!(of(Kind::Denied), Some(MayPass::Denied));
    assert_eq!(of(Kind::NotFound), None);
    assert_eq!(of(Kind::Unreadable), None);
    let contended = LinkError::Contended("lane".to_owned());
    assert_eq!(contended.may_pass(), Some(MayPass::Passing));
    assert_eq!(LinkError::NoTargets(account).may_pass(), None);
}

#[test]
fn a_missed_link_has_the_experience_that_is_known() {
    let text = r#"
        schema = 1
        [[member]]
        name = "one"
        account = "222222222222"
        external_id = "external-1"
        [[link]]
        management_experience = "exp-m"
        member = "one"
        member_experience = "exp-1"
        [[link]]
        management_experience = "exp-n"
        member = "one"
        member_experience = "*"
    "#;
    let links = crate::config::Config::parse(text).unwrap().links;
    let contended = LinkError::Contended("lane".to_owned());
    let of = |link: &Link, experience: Option<&str>| {
        let experience = experience.map(|id| id.parse::<ExperienceId>().unwrap());
        Missed::of(link, experience.as_ref(), &contended)
    };
    let passing = |experience| Some(missed("one", experience, MayPass::Passing));
    assert_eq!(of(&links[0], None), passing(Some("exp-1")));
    assert_eq!(of(&links[1], Some("exp-2")), passing(Some("exp-2")));
    assert_eq!(of(&links[1], None), passing(None));
    let archived = LinkError::MemberArchived(
        AccountId::new("222222222222").unwrap(),
        "exp-1".parse().unwrap(),
    );
    assert_eq!(Missed::of(&links[0], None, &archived), None);
}

#[test]
fn a_run_keeps_the_members_that_denied_access_up_to_the_bound() {
    let names: Vec<MemberName> = (0..MOST_DENIED + 2)
        .map(|number| member(&format!("m{number}")))
        .collect();
    let mut record = run(0, Vec::new(), &[]);
    record.deny_access(&names[..1]);
    assert!(record.denied.contains(&names[0]));
    record.deny_access(&names);
    assert_eq!(record.denied.len(), MOST_DENIED);
}

#[test]
fn only_a_retry_says_its_number() {
    let stored = |request: &Request| serde_json::to_value(request).unwrap();
    assert!(stored(&Request::default()).get("retry").is_none());
    let retry = retry_of(2, Scope::default());
    assert_eq!(stored(&retry)["retry"], 2);
    assert_eq!(
        serde_json::from_value::<Request>(stored(&retry)).unwrap(),
        retry
    );
}

#[test]
fn a_link_is_tried_again_after_one_five_and_fifteen_minutes() {
    let link = missed("one", Some("exp-1"), MayPass::Passing);
    let of = scope(&["one"], &["exp-1"]);
    for (requests, expected) in [
        (vec![Request::default()], Some((1, 60))),
        (vec![retry_of(1, of.clone())], Some((2, 300))),
        (vec![retry_of(2, of.clone())], Some((3, 900))),
        (vec![retry_of(3, of.clone())], None),
        // A retry of other links does not count.
        (vec![retry_of(2, scope(&["two"], &[]))], Some((1, 60))),
        (
            vec![retry_of(1, of.clone()), retry_of(2, scope(&["one"], &[]))],
            Some((3, 900)),
        ),
    ] {
        let found = of_attempt(&requests, std::slice::from_ref(&link));
        let expected: Vec<_> = expected
            .map(|(number, delay)| (number, delay, of.clone()))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{requests:?}");
    }
}

#[test]
fn experiences_and_whole_members_are_retried_apart() {
    let links = [
        missed("one", Some("exp-1"), MayPass::Passing),
        missed("one", Some("exp-2"), MayPass::Denied),
        missed("two", Some("exp-3"), MayPass::Passing),
        missed("three", None, MayPass::Passing),
    ];
    let found = of_attempt(&[], &links);
    let some = scope(&["one", "two"], &["exp-1", "exp-2", "exp-3"]);
    assert_eq!(found, [(1, 60, some), (1, 60, scope(&["three"], &[]))]);
    let ids: BTreeSet<_> = retries(attempt(&[]), &links, &BTreeSet::new())
        .into_iter()
        .map(|(retry, _)| retry.id)
        .collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn many_links_are_retried_with_a_wider_scope_that_a_message_may_have() {
    let many = |members: usize, experiences: usize| -> Vec<Missed> {
        let one = |number: usize| {
            let name = format!("m{}", number % members);
            missed(&name, Some(&format!("exp-{number}")), MayPass::Passing)
        };
        (0..experiences).map(one).collect()
    };
    let at_most = of_attempt(&[], &many(2, MOST_SCOPE));
    assert_eq!(at_most[0].2.experiences.len(), MOST_SCOPE);
    let beyond = of_attempt(&[], &many(2, MOST_SCOPE + 1));
    assert_eq!(beyond[0].2, scope(&["m0", "m1"], &[]));
    let all_members = of_attempt(&[], &many(MOST_SCOPE, MOST_SCOPE));
    assert_eq!(all_members[0].2.members.len(), MOST_SCOPE);
    let everywhere = of_attempt(&[], &many(MOST_SCOPE + 1, MOST_SCOPE + 1));
    assert_eq!(everywhere[0].2, Scope::default());
}

#[test]
fn a_member_that_was_denied_for_long_is_not_tried_again_but_a_retry_goes_on() {
    let link = missed("one", Some("exp-1"), MayPass::Denied);
    let long = BTreeSet::from([member("one")]);
    assert!(retries(attempt(&[]), std::slice::from_ref(&link), &long).is_empty());
    let requests = [retry_of(1, scope(&["one"], &[]))];
    let goes_on = retries(attempt(&requests), std::slice::from_ref(&link), &long);
    assert_eq!(goes_on[0].0.number, 2);
    let passing = missed("one", Some("exp-1"), MayPass::Passing);
    assert_eq!(retries(attempt(&[]), &[passing], &long).len(), 1);
}

#[test]
fn a_member_has_been_denied_for_long_if_each_run_since_was_denied() {
    let everything = || vec![Scope::default()];
    let of = |runs: &[RunRecord]| {
        let members = BTreeSet::from([member("one"), member("two")]);
        let long = long_denied(&members, runs, at(4_000));
        long.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(of(&[]).is_empty());
    // The retries of the run before are not over.
    assert!(of(&[run(2_800, everything(), &["one"])]).is_empty());
    assert_eq!(of(&[run(2_700, everything(), &["one"])]), ["one"]);
    assert_eq!(
        of(&[
            run(3_900, everything(), &["one"]),
            run(400, everything(), &["one", "two"]),
        ]),
        ["one"]
    );
    assert!(of(&[run(4_000 - 1_260, everything(), &["one"])]).is_empty());
    // It was reached in between.
    assert!(
        of(&[
            run(3_900, everything(), &["one"]),
            run(3_000, everything(), &[]),
            run(400, everything(), &["one"]),
        ])
        .is_empty()
    );
    // A run of another member, or one that did not look, tells nothing.
    let mut unseen = run(3_000, everything(), &[]);
    unseen.planned_at = None;
    assert_eq!(
        of(&[
            run(3_900, vec![scope(&["two"], &[])], &[]),
            unseen,
            run(400, vec![scope(&["one"], &["exp-1"])], &["one"]),
        ]),
        ["one"]
    );
}

#[test]
fn what_a_newer_run_has_tried_is_left_out_of_a_retry() {
    let of = |scope: Scope, runs: &[RunRecord]| {
        let retry = LinkRetry {
            id: "a".to_owned(),
            number: 1,
            run: None,
            since: at(100),
            scope,
        };
        still_missed(&retry, runs)
    };
    let everything = || vec![Scope::default()];
    let one = scope(&["one", "two"], &["exp-1", "exp-2"]);
    assert_eq!(of(one.clone(), &[]), Some(one.clone()));
    // The run itself, and earlier ones.
    assert_eq!(
        of(one.clone(), &[run(100, everything(), &[])]),
        Some(one.clone())
    );
    assert_eq!(of(one.clone(), &[run(101, everything(), &[])]), None);
    let mut unseen = run(101, everything(), &[]);
    unseen.planned_at = None;
    assert_eq!(of(one.clone(), &[unseen]), Some(one.clone()));
    assert_eq!(
        of(one.clone(), &[run(101, vec![scope(&["one"], &[])], &[])]),
        Some(scope(&["two"], &["exp-1", "exp-2"]))
    );
    assert_eq!(
        of(one.clone(), &[run(101, vec![scope(&[], &["exp-2"])], &[])]),
        Some(scope(&["one", "two"], &["exp-1"]))
    );
    let both = vec![scope(&[], &["exp-2"]), scope(&[], &["exp-1"])];
    assert_eq!(of(one, &[run(101, both, &[])]), None);
    // Of whole members, a run of one experience has tried nothing.
    let whole = scope(&["one"], &[]);
    let part = run(101, vec![scope(&["one"], &["exp-1"])], &[]);
    assert_eq!(of(whole.clone(), std::slice::from_ref(&part)), Some(whole));
    assert_eq!(of(Scope::default(), &[part]), Some(Scope::default()));
    assert_eq!(of(Scope::default(), &[run(101, everything(), &[])]), None);
}
