//! Another installation that changes the same experience.

use super::*;
use crate::ids::{ChangeSetName, InstallationId};

fn installation(ledger: &str) -> InstallationId {
    InstallationId::of_ledger(ledger)
}

fn seen(ledger: &str, seconds: i64) -> OtherInstallation {
    OtherInstallation {
        installation: installation(ledger),
        change_set: change_set("cs-9"),
        seen: at(seconds),
    }
}

#[test]
fn a_name_of_another_installation_tells_it_and_neither_ours_nor_one_without_a_mark_does() {
    let experience = "exp-1".parse::<crate::ids::ExperienceId>().unwrap();
    let of = |name: &ChangeSetName| {
        OtherInstallation::of(name, &change_set("cs-9"), at(5), &installation("mine"))
    };
    let named = |ledger| ChangeSetName::new(experience.clone(), 3, installation(ledger), 7);
    assert_eq!(of(&named("other")), Some(seen("other", 5)));
    assert_eq!(of(&named("mine")), None);
    let unmarked = ChangeSetName {
        mark: None,
        ..named("other")
    };
    assert_eq!(of(&unmarked), None);
}

#[test]
fn another_installation_counts_as_active_for_a_day_after_its_last_change_set() {
    let other = seen("other", 0);
    let active = [0, 86_399, 86_400, 86_401].map(|seconds| other.is_active(at(seconds)));
    assert_eq!(active, [true, true, false, false]);
}

#[test]
fn another_installation_is_recorded_once_an_hour() {
    let lane = idle(c(1, 0)).contested(seen("other", 0)).unwrap();
    assert_eq!(lane.other, Some(seen("other", 0)));
    for seconds in [0, 3_599] {
        let again = lane.contested(seen("other", seconds));
        assert_eq!(again, Err(Rejected::Known), "{seconds}");
    }
    let again = lane.contested(seen("other", 3_600)).unwrap();
    assert_eq!(again.other, Some(seen("other", 3_600)));
    // A third one is told at once.
    let third = lane.contested(seen("third", 1)).unwrap();
    assert_eq!(third.other, Some(seen("third", 1)));
}

#[test]
fn another_installation_counts_as_active_for_a_day_and_is_named() {
    let other = seen("theirs", 0);
    for (seconds, is_active) in [(0, true), (86_399, true), (86_400, false), (86_401, false)] {
        assert_eq!(other.is_active(at(seconds)), is_active, "{seconds}");
    }
    let words = other.to_string();
    let begins = format!(
        "another installation of pmp-sync ({}) changes",
        installation("theirs")
    );
    assert!(words.starts_with(&begins), "{words}");
    assert!(words.contains(other.change_set.as_str()), "{words}");
    assert!(words.ends_with(" at 2026-01-01T00:00:00Z"), "{words}");
}

#[test]
fn each_reason_of_a_block_says_what_to_do() {
    for reason in BlockReason::ALL {
        assert!(reason.remedy().len() > 20, "{reason}");
    }
    assert_eq!(
        BlockReason::Archived.remedy(),
        "reactivate the experience, or remove the link"
    );
}
