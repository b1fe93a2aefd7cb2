//! What a reason is stored as, and what it says.

use super::*;

/// A reader of before a link could follow several.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
enum Before {
    ManagementEmpty,
    ManagementDisabled { status: String },
}

#[test]
fn a_condition_is_stored_as_before_and_read_without_its_management_experience() {
    let alone = HoldReason::ManagementEmpty { experience: None };
    let text = serde_json::to_string(&alone).unwrap();
    assert_eq!(text, r#"{"guard":"management-empty"}"#);
    assert_eq!(serde_json::from_str::<HoldReason>(&text).unwrap(), alone);
    let status = "Disabled".to_owned();
    let disabled = HoldReason::ManagementDisabled {
        status: status.clone(),
        experience: None,
    };
    let source = "exp-b".parse().unwrap();
    for (reason, before) in [
        (alone, Before::ManagementEmpty),
        (disabled, Before::ManagementDisabled { status }),
    ] {
        let reason = reason.about(&source);
        assert_eq!(reason.source(), Some(&source));
        let text = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<HoldReason>(&text).unwrap(), reason);
        assert_eq!(serde_json::from_str::<Before>(&text).unwrap(), before);
    }
}

#[test]
fn a_count_of_removals_is_told_with_the_parts_that_it_has() {
    let told = |planned, open, earlier| {
        let parts = Some(RemovalParts {
            planned,
            open,
            earlier,
            since: Timestamp::UNIX_EPOCH,
            allowed: 100,
        });
        let (count, limit) = (planned + open + earlier, 50);
        let reason = HoldReason::MostRemovals {
            count,
            limit,
            parts,
        };
        reason.to_string()
    };
    let since = "without approval since 1970-01-01T00:00Z";
    for (planned, open, earlier, parts) in [
        (60, 0, 0, String::new()),
        (50, 10, 0, " (50 by this plan, 10 under way)".to_owned()),
        (40, 0, 20, format!(" (40 by this plan, 20 {since})")),
        (
            30,
            10,
            20,
            format!(" (30 by this plan, 10 under way, 20 {since})"),
        ),
    ] {
        let expected =
            format!("would remove 60 allowed products within 24 hours{parts}, more than 50");
        assert_eq!(told(planned, open, earlier), expected);
    }
}

#[test]
fn removals_are_told_by_themselves_if_the_plan_is_the_whole_and_with_their_parts_if_not() {
    let told = |count, of, parts: Option<(usize, usize)>| {
        let parts = parts.map(|(planned, allowed)| RemovalParts {
            planned,
            open: count - planned,
            earlier: 0,
            since: Timestamp::UNIX_EPOCH,
            allowed,
        });
        let reason = HoldReason::Removals {
            count,
            of,
            limit: 5,
            percent: 10,
            parts,
        };
        reason.to_string()
    };
    let alone =
        "would remove 6 of 20 allowed products within 24 hours: more than 5, and at least 10 %";
    assert_eq!(told(6, 20, None), alone);
    assert_eq!(told(6, 20, Some((6, 20))), alone);
    let rest =
        ": more than 5, and at least 10 % of the 20 that were allowed when these hours began";
    for (parts, begins) in [
        // The list has become shorter since, or something is under way.
        ((6, 19), "would remove 6 allowed products within 24 hours"),
        (
            (4, 20),
            "would remove 6 allowed products within 24 hours (4 by this plan, 2 under way)",
        ),
    ] {
        assert_eq!(told(6, 20, Some(parts)), format!("{begins}{rest}"));
    }
}

#[test]
fn each_reason_has_its_code_its_words_and_a_remedy() {
    let experience = || Some("exp-b".parse().unwrap());
    let run: RunId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    for (reason, code, words, remedy) in [
        (
            HoldReason::ManagementArchived { experience: None },
            "PMS-2002",
            "the management experience is archived",
            "reactivate the management experience",
        ),
        (
            HoldReason::ManagementDisabled {
                status: "Disabled".to_owned(),
                experience: experience(),
            },
            "PMS-2003",
            "the management experience exp-b is not enabled (its status is Disabled)",
            "make the management experience live",
        ),
        (
            HoldReason::ManagementNoPolicy {
                experience: experience(),
            },
            "PMS-2004",
            "the management experience exp-b has no procurement policy",
            "allow at least one product",
        ),
        (
            HoldReason::ManagementEmpty { experience: None },
            "PMS-2005",
            "the management policy allows nothing",
            "allow at least one product",
        ),
        (
            HoldReason::ManagementEmpty {
                experience: experience(),
            },
            "PMS-2005",
            "the management experience exp-b lists nothing",
            "allow at least one product",
        ),
        (
            HoldReason::Shrink {
                from: 10,
                to: 1,
                percent: 50,
            },
            "PMS-7003",
            "the management experience allows 1 product, 10 when the link was last planned for: it lost at least 50 %",
            "re-allow products",
        ),
        (
            HoldReason::Restored { run, count: 2 },
            "PMS-7004",
            "2 changes would do again what was taken back (by the rollback that run 01ARZ3NDEKTSV4RRFFQ69G5FAV shows)",
            "to keep what was taken back",
        ),
        (
            HoldReason::Restore { run },
            "PMS-7005",
            "the lists return to what they were before run 01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "look at the denies",
        ),
        (
            HoldReason::Revert { run },
            "PMS-7007",
            "what run 01ARZ3NDEKTSV4RRFFQ69G5FAV changed is taken back, and nothing that came later",
            "look at the denies",
        ),
        (
            HoldReason::FirstMirror {
                removals: 3,
                allowed: 9,
            },
            "PMS-7006",
            "no run has observed this link before, and its first plan would remove 3 of the 9 products that the member allows",
            "allow in the management experience",
        ),
    ] {
        assert_eq!((reason.code(), reason.to_string().as_str()), (code, words));
        let found = reason.remedy();
        assert!(found.starts_with(remedy), "{code}: {found}");
    }
    let first = |allow| HoldReason::FirstPolicy { allow }.to_string();
    assert!(first(1).ends_with("block all but 1 product at once, and then all but 1"));
    assert!(first(51).ends_with("block all but 50 products at once, and then all but 51"));
}
