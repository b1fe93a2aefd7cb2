//! The code of each fault, and whether it passes by itself.

use super::*;

fn service(kind: Kind) -> ServiceError {
    ServiceError::new("DescribeEntity", "exp-1", kind, "no")
}

const KINDS: [(Kind, bool); 8] = [
    (Kind::Retryable, true),
    (Kind::Throttled, true),
    (Kind::Locked, false),
    (Kind::Denied, false),
    (Kind::NotFound, false),
    (Kind::Conflict, false),
    (Kind::Refused, false),
    (Kind::Unreadable, false),
];

/// Every fault of a link that comes from a call.
fn of_calls(kind: Kind) -> Vec<(LinkError, &'static str)> {
    let account: AccountId = "222222222222".parse().unwrap();
    let experience: ExperienceId = "exp-1".parse().unwrap();
    let error = || service(kind);
    vec![
        (
            LinkError::ManagementUnreadable(experience, error()),
            "PMS-2006",
        ),
        (
            LinkError::MemberUnreachable(account.clone(), error()),
            "PMS-3001",
        ),
        (
            LinkError::MemberUnreadable(account.clone(), error()),
            "PMS-3005",
        ),
        (LinkError::NotSent(account, 3, error()), "PMS-3006"),
        (LinkError::Bus(error()), "PMS-4003"),
    ]
}

/// Every other one.
fn of_states() -> Vec<(LinkError, &'static str)> {
    let account: AccountId = "222222222222".parse().unwrap();
    let experience: ExperienceId = "exp-1".parse().unwrap();
    let path = FollowPath::new(&[], &experience, &"exp-2".parse().unwrap());
    vec![
        (
            LinkError::ManagementNotFound(experience.clone()),
            "PMS-2001",
        ),
        (LinkError::LeftOut(experience.clone(), path), "PMS-2007"),
        (
            LinkError::Shared(experience.clone(), "emea".parse().unwrap()),
            "PMS-2008",
        ),
        (
            LinkError::MemberNotFound(account.clone(), experience.clone()),
            "PMS-3002",
        ),
        (
            LinkError::MemberArchived(account.clone(), experience),
            "PMS-3003",
        ),
        (LinkError::NoTargets(account), "PMS-3007"),
        (
            LinkError::Contended("222222222222/exp-1".to_owned()),
            "PMS-4002",
        ),
    ]
}

#[test]
fn a_fault_of_a_call_passes_if_the_call_may_succeed_later() {
    for (kind, is_passing) in KINDS {
        for (error, code) in of_calls(kind) {
            assert_eq!(
                (error.code(), error.is_passing()),
                (code, is_passing),
                "{error}"
            );
            // Nobody may trust a management experience that stays unreadable.
            let is_guarded = code == "PMS-2006" && !is_passing;
            assert_eq!(error.is_guarded(), is_guarded, "{error}");
            assert!(!error.is_warning(), "{error}");
            assert!(error.to_string().contains("no"), "{error}");
        }
        let ledger = LinkError::Ledger(service(kind));
        assert_eq!(ledger.is_passing(), is_passing);
        let is_unreadable = kind == Kind::Unreadable;
        let code = if is_unreadable {
            "PMS-4004"
        } else {
            "PMS-4001"
        };
        assert_eq!(ledger.code(), code);
        assert_eq!(service(kind).is_unreadable(), is_unreadable);
        let run = RunError::from(service(kind));
        assert_eq!((run.code(), run.is_passing()), (code, !is_unreadable));
        // The sentence and the remedy are of the same case as the code.
        for record in [ledger.record(), run.record(), service(kind).item_fault()] {
            assert_eq!(record.code, code);
            assert_eq!(record.is_unreadable_item(), is_unreadable);
            assert_eq!(record.message.contains("the item exp-1"), is_unreadable);
            assert_eq!(record.remedy.contains("newest release"), is_unreadable);
        }
    }
}

#[test]
fn a_fault_of_what_is_configured_or_found_does_not_pass_by_itself() {
    for (error, code) in of_states() {
        assert_eq!(error.code(), code);
        assert_eq!(error.is_passing(), code == "PMS-4002", "{error}");
        assert_eq!(error.is_guarded(), code == "PMS-2001", "{error}");
        assert_eq!(error.is_warning(), code == "PMS-3007", "{error}");
        let record = error.record();
        assert!(!record.is_unreadable_item(), "{error}");
        let stored = (record.code, record.message, record.remedy);
        let told = (
            code.to_owned(),
            error.to_string(),
            error.remedy().to_owned(),
        );
        assert_eq!(stored, told);
        assert!(error.remedy().len() > 10, "{error}");
    }
}

#[test]
fn a_run_that_can_serve_no_link_says_what_to_do() {
    for (error, code, hint) in [
        (RunError::NoConfig, "PMS-1002", Some(Hint::ConfigApply)),
        (
            RunError::Config(3, "2:1: no".to_owned()),
            "PMS-1001",
            Some(Hint::ConfigApply),
        ),
        (
            RunError::NoLink("222222222222/exp-1".to_owned()),
            "PMS-1003",
            Some(Hint::Status { run: None }),
        ),
        (
            RunError::TooLarge("2,000 products".to_owned()),
            "PMS-8001",
            None,
        ),
    ] {
        assert!(!error.is_passing(), "{error}");
        let record = error.record();
        assert_eq!((record.code.as_str(), &record.hint), (code, &hint));
        assert_eq!(record.message, error.to_string());
        // The advice is the remedy, with the command.
        let advice = record.advice();
        assert!(advice.to_string().starts_with(&record.remedy), "{advice}");
        assert_eq!(advice.hints(), hint.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_message_of_a_fault_is_bounded() {
    let error = ServiceError::new("Query", "exp-1", Kind::Refused, "x".repeat(100_000));
    for record in [
        LinkError::Bus(error.clone()).record(),
        RunError::from(error).record(),
    ] {
        assert_eq!(record.message.len(), 4_000);
    }
}

#[test]
fn a_failed_call_is_told_with_the_code_of_the_service_if_it_gave_one() {
    let mut error = service(Kind::Refused);
    assert_eq!(error.to_string(), "DescribeEntity of exp-1 failed: no");
    error.code = Some("ValidationException".to_owned());
    assert_eq!(
        error.to_string(),
        "DescribeEntity of exp-1 failed (ValidationException): no"
    );
}
