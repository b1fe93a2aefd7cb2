//! The members and the management experiences, as the producer reaches them: each finding.

use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::doctor::{LanesLook, ManagementLook, PolicySeen};
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName};
use pmp_sync_domain::ids::{ChangeSetId, InstallationId};
use pmp_sync_domain::lane::OtherInstallation;
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::ports::Depth;

use super::super::finding::Status;
use super::super::finding::tests::{failed, tells};
use super::*;

fn seen(status: &str) -> ExperienceSeen {
    ExperienceSeen {
        name: "Ours".to_owned(),
        status: status.to_owned(),
        archived: false,
        has_policy: true,
    }
}

fn answer() -> DoctorAnswer {
    let policy = PolicySeen {
        invalid: 0,
        allowed: 2,
        denied: 1,
    };
    let id = |text| ExperienceId::new(text).unwrap();
    DoctorAnswer {
        schema: SCHEMA,
        release: deployed::RELEASE.to_owned(),
        config_version: 1,
        management: vec![ManagementLook {
            id: id("exp-m"),
            experience: Look::Seen(seen("Enabled")),
            policy: Look::Seen(policy),
            among_others: false,
        }],
        discovery: Look::Seen(()),
        members: vec![MemberLook {
            member: MemberName::new("emea").unwrap(),
            account: AccountId::new("222222222222").unwrap(),
            role: Look::Seen(()),
            experiences: Look::Seen(1),
            changes: Look::Seen(Depth::default()),
            dead_letters: Look::Seen(Depth::default()),
            receive: Look::Seen(false),
            lanes: Some(Look::Seen(LanesLook::default())),
            links: vec![LinkLook {
                warning: None,
                sources: id("exp-m").into(),
                id: Some(id("exp-1")),
                mode: Mode::Mirror,
                experience: Look::Seen(seen("Enabled")),
                policy: Look::Seen(policy),
            }],
            milliseconds: 5,
        }],
    }
}

fn successes() -> Successes {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    Successes::from([("222222222222/exp-1".parse().unwrap(), at)])
}

fn judged(answer: DoctorAnswer) -> Vec<Finding> {
    let timed = Timed {
        look: Look::Seen(answer),
        milliseconds: 9,
    };
    judge(&timed, Some(&successes()))
}

#[track_caller]
fn one(change: impl FnOnce(&mut DoctorAnswer), check: Check) -> Finding {
    let mut answer = answer();
    change(&mut answer);
    let mut of = judged(answer);
    of.retain(|found| found.id == check);
    assert_eq!(of.len(), 1, "{of:?}");
    of.remove(0)
}

#[test]
fn what_is_well_is_ok_in_every_check() {
    let found = judged(answer());
    for found in &found {
        tells(found, Status::Ok, &[]);
    }
    assert_eq!(found.len(), 13);
    let role = found.iter().find(|found| found.id == Check::MemberRole);
    let role = role.unwrap();
    assert_eq!(
        (role.subject.as_deref(), role.milliseconds),
        (Some("emea"), 5)
    );
}

#[test]
fn a_producer_that_does_not_answer_fails_and_one_of_another_release_is_told() {
    let of = |look| {
        let found = judge(
            &Timed {
                look,
                milliseconds: 1,
            },
            None,
        );
        assert_eq!(found.len(), 1);
        found[0].clone()
    };
    tells(
        &of(failed(Kind::Refused, "it crashed")),
        Status::Fail,
        &["crashed", "logs tail"],
    );
    tells(
        &of(failed(Kind::Denied, "no")),
        Status::Unknown,
        &["lambda:InvokeFunction"],
    );
    let older = one(
        |answer| answer.release = "0.0.1".to_owned(),
        Check::ProducerAnswers,
    );
    tells(&older, Status::Warn, &["0.0.1"]);
}

#[test]
fn a_management_experience_is_readable_enabled_and_allows_something() {
    let check = Check::ManagementExperience;
    let of = |experience| one(|answer| answer.management[0].experience = experience, check);
    tells(&of(failed(Kind::NotFound, "gone")), Status::Fail, &["gone"]);
    tells(
        &of(failed(Kind::Retryable, "late")),
        Status::Unknown,
        &["late"],
    );
    tells(
        &of(Look::Seen(seen("Disabled"))),
        Status::Fail,
        &["Disabled"],
    );
    let mut archived = seen("Enabled");
    archived.archived = true;
    tells(&of(Look::Seen(archived)), Status::Fail, &["archived"]);
    let check = Check::ManagementPolicy;
    let nothing = one(
        |answer| {
            let policy = PolicySeen {
                invalid: 0,
                allowed: 0,
                denied: 1,
            };
            answer.management[0].policy = Look::Seen(policy);
        },
        check,
    );
    tells(&nothing, Status::Fail, &["0 allowed", "held"]);
    let only_denies = one(
        |answer| {
            let policy = PolicySeen {
                invalid: 0,
                allowed: 0,
                denied: 1,
            };
            answer.management[0].policy = Look::Seen(policy);
            answer.management[0].among_others = true;
        },
        check,
    );
    tells(&only_denies, Status::Ok, &["0 allowed, 1 denied"]);
    let none = one(
        |answer| {
            let mut without = seen("Enabled");
            without.has_policy = false;
            answer.management[0].experience = Look::Seen(without);
        },
        check,
    );
    tells(&none, Status::Fail, &["no procurement policy"]);
}

#[test]
fn a_marketplace_that_refuses_is_found() {
    let refused = one(
        |answer| answer.discovery = failed(Kind::Denied, "no"),
        Check::Discovery,
    );
    tells(&refused, Status::Fail, &["no"]);
    let passing = one(
        |answer| answer.discovery = failed(Kind::Throttled, "slow"),
        Check::Discovery,
    );
    tells(&passing, Status::Unknown, &["slow"]);
}

#[test]
fn a_role_that_cannot_be_assumed_fails_and_what_depends_on_it_is_not_known() {
    let gone = |answer: &mut DoctorAnswer| {
        let member = &mut answer.members[0];
        member.role = failed(Kind::Denied, "AssumeRole failed");
        let because = || "the role could not be assumed".to_owned();
        member.experiences = Look::Skipped(because());
        member.changes = Look::Skipped(because());
        member.dead_letters = Look::Skipped(because());
        member.receive = Look::Skipped(because());
        member.lanes = Some(Look::Skipped(because()));
        member.links[0].experience = Look::Skipped(because());
        member.links[0].policy = Look::Skipped(because());
    };
    tells(
        &one(gone, Check::MemberRole),
        Status::Fail,
        &["AssumeRole", "external_id"],
    );
    for check in [
        Check::MemberCatalog,
        Check::MemberQueue,
        Check::MemberSending,
        Check::MemberDeadLetters,
        Check::MemberQuarantine,
        Check::MemberInstallations,
        Check::MemberExperience,
        Check::MemberPolicy,
    ] {
        tells(
            &one(gone, check),
            Status::Unknown,
            &["not looked at", "role"],
        );
    }
}

#[test]
fn a_catalog_that_refuses_fails() {
    let refused = one(
        |answer| answer.members[0].experiences = failed(Kind::Denied, "no"),
        Check::MemberCatalog,
    );
    tells(&refused, Status::Fail, &["no", "delegated administrator"]);
}

#[test]
fn a_member_experience_that_is_archived_fails_and_a_disabled_one_is_told() {
    let of = |change: fn(&mut ExperienceSeen)| {
        let mut experience = seen("Enabled");
        change(&mut experience);
        one(
            |answer| answer.members[0].links[0].experience = Look::Seen(experience),
            Check::MemberExperience,
        )
    };
    let archived = of(|experience| experience.archived = true);
    tells(&archived, Status::Fail, &["archived", "experience revive"]);
    assert_eq!(archived.subject.as_deref(), Some("emea exp-1"));
    let disabled = of(|experience| "Disabled".clone_into(&mut experience.status));
    tells(
        &disabled,
        Status::Warn,
        &["governs nobody", "experience enable"],
    );
    let strange = of(|experience| "Paused".clone_into(&mut experience.status));
    tells(&strange, Status::Fail, &["Paused"]);
}

#[test]
fn a_member_experience_without_a_policy_is_told() {
    let none = one(
        |answer| {
            let mut without = seen("Enabled");
            without.has_policy = false;
            answer.members[0].links[0].experience = Look::Seen(without);
            answer.members[0].links[0].policy = Look::Skipped("it has none".to_owned());
        },
        Check::MemberPolicy,
    );
    tells(&none, Status::Warn, &["every product", "member bootstrap"]);
}

#[test]
fn a_queue_that_is_gone_fails_and_one_that_may_not_be_looked_at_is_not_known() {
    let of = |changes| {
        one(
            |answer| answer.members[0].changes = changes,
            Check::MemberQueue,
        )
    };
    tells(
        &of(failed(Kind::NotFound, "no queue")),
        Status::Fail,
        &["no queue", "deploy member"],
    );
    tells(
        &of(failed(Kind::Denied, "no")),
        Status::Unknown,
        &["this release"],
    );
    let many = Depth {
        waiting: MOST_CHANGES + 1,
        ..Depth::default()
    };
    tells(
        &of(Look::Seen(many)),
        Status::Warn,
        &["--profile emea=PROFILE"],
    );
}

#[test]
fn sending_is_shown_by_what_has_arrived() {
    let of = |successes: Option<Successes>| {
        let timed = Timed {
            look: Look::Seen(answer()),
            milliseconds: 9,
        };
        let all = judge(&timed, successes.as_ref());
        all.into_iter()
            .find(|found| found.id == Check::MemberSending)
            .unwrap()
    };
    tells(&of(Some(successes())), Status::Ok, &["2026-01-01"]);
    tells(
        &of(Some(Successes::new())),
        Status::Unknown,
        &["without an effect"],
    );
    tells(&of(None), Status::Unknown, &["lanes"]);
}

#[test]
fn quarantined_changes_without_a_letter_and_letters_without_one_are_told() {
    let of = |lanes: LanesLook| {
        let change = |answer: &mut DoctorAnswer| answer.members[0].lanes = Some(Look::Seen(lanes));
        one(change, Check::MemberQuarantine)
    };
    let whole = LanesLook {
        quarantined: 3,
        ..LanesLook::default()
    };
    tells(&of(whole.clone()), Status::Ok, &["3 quarantined"]);
    let lost = LanesLook {
        without_letter: 2,
        ..whole.clone()
    };
    tells(&of(lost.clone()), Status::Warn, &["2 of 3", "dlq replay"]);
    let unseen = LanesLook {
        unseen: true,
        ..lost
    };
    tells(&of(unseen), Status::Ok, &["not all letters"]);
    let stray = LanesLook {
        without_quarantine: 1,
        ..LanesLook::default()
    };
    tells(&of(stray), Status::Warn, &["1 letter of"]);
}

#[test]
fn another_installation_on_an_experience_is_told() {
    let other = OtherInstallation {
        installation: InstallationId::of_ledger("another"),
        change_set: ChangeSetId::new("cs9").unwrap(),
        seen: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let contested = |answer: &mut DoctorAnswer| {
        let experience = ExperienceId::new("exp-1").unwrap();
        answer.members[0].lanes = Some(Look::Seen(LanesLook {
            contested: vec![(experience, other.clone())],
            ..LanesLook::default()
        }));
    };
    let found = one(contested, Check::MemberInstallations);
    tells(&found, Status::Warn, &["exp-1", "cs9", "PMS-6002"]);
}

#[test]
fn dead_letters_are_told_and_so_is_that_they_cannot_be_received() {
    let of = |depth, receive| {
        one(
            |answer| {
                answer.members[0].dead_letters = depth;
                answer.members[0].receive = receive;
            },
            Check::MemberDeadLetters,
        )
    };
    let some = Depth {
        waiting: 1,
        ..Depth::default()
    };
    tells(
        &of(Look::Seen(some), Look::Seen(true)),
        Status::Warn,
        &["1 waiting", "dlq list"],
    );
    let hidden = Depth {
        in_flight: 2,
        ..Depth::default()
    };
    tells(
        &of(Look::Seen(hidden), Look::Seen(false)),
        Status::Warn,
        &["2 in flight"],
    );
    let denied = || failed(Kind::Denied, "no");
    tells(
        &of(Look::Seen(some), failed(Kind::Denied, "no")),
        Status::Fail,
        &["no"],
    );
    tells(
        &of(denied(), Look::Seen(false)),
        Status::Unknown,
        &["this release"],
    );
    tells(&of(denied(), Look::Seen(true)), Status::Warn, &["some"]);
}
