//! The members and the management experiences, as the producer reaches them.

use std::collections::BTreeMap;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::{
    DoctorAnswer, ExperienceSeen, LinkLook, Look, MemberLook, PolicySeen, Trouble,
};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::plan::Reason;

use super::check::Check;
use super::deployed;
use super::finding::Finding;
use super::look::Timed;
use crate::output::{count, time};

/// The most changes and Ticks that wait in a member's queue in a healthy system: one sync of
/// everything.
const MOST_CHANGES: u64 = 10_000;

/// Why an earlier release says nothing of lanes.
const OLDER: &str = "the producer is of an earlier release";

/// When a change set last succeeded on each lane.
pub(crate) type Successes = BTreeMap<LaneId, Timestamp>;

/// Judges the producer's answer.
pub(crate) fn judge(answer: &Timed<DoctorAnswer>, successes: Option<&Successes>) -> Vec<Finding> {
    let mut found = vec![answers(answer)];
    let Look::Seen(seen) = &answer.look else {
        return found;
    };
    for look in &seen.management {
        let check = Check::ManagementExperience;
        let judged = reach(check, &look.experience, |seen| experience(check, seen));
        found.push(judged.about(look.id.as_str()));
        let check = Check::ManagementPolicy;
        let policy = match (&look.experience, &look.policy) {
            (Look::Seen(experience), _) if !experience.has_policy => Finding::fail(
                check,
                "the experience has no procurement policy: every plan is held",
            ),
            (_, policy) => reach(check, policy, |policy| {
                let seen = format!("{} allowed, {} denied", policy.allowed, policy.denied);
                if policy.allowed == 0 && !(look.among_others && policy.denied > 0) {
                    return Finding::fail(check, format!("{seen}: every plan is held"));
                }
                lists(check, policy)
            }),
        };
        found.push(policy.about(look.id.as_str()));
    }
    found.push(reach(Check::Discovery, &seen.discovery, |()| {
        Finding::ok(Check::Discovery, "it answers")
    }));
    for member in &seen.members {
        let of_member = of_member(member, successes);
        found.extend(
            of_member
                .into_iter()
                .map(|found| found.took(member.milliseconds)),
        );
    }
    found
}

fn answers(answer: &Timed<DoctorAnswer>) -> Finding {
    let check = Check::ProducerAnswers;
    let found = match &answer.look {
        Look::Seen(seen) => deployed::release(check, "the producer", Some(&seen.release)),
        Look::Failed(trouble) if trouble.kind == Kind::Denied => Finding::trouble(check, trouble),
        Look::Failed(trouble) => Finding::fail(check, trouble.message.clone()),
        Look::Skipped(because) => Finding::because(check, because),
    };
    found.took(answer.milliseconds)
}

/// Judges a check of the producer. A refusal is a failure, because the producer needs all of these
/// permissions.
fn reach<T>(check: Check, look: &Look<T>, judge: impl FnOnce(&T) -> Finding) -> Finding {
    match look {
        Look::Failed(trouble) if !is_passing(trouble) => {
            Finding::fail(check, trouble.message.clone())
        }
        look => Finding::of(check, look, judge),
    }
}

fn is_passing(trouble: &Trouble) -> bool {
    matches!(trouble.kind, Kind::Retryable | Kind::Throttled)
}

/// Judges an experience, which should be enabled and not archived.
fn experience(check: Check, seen: &ExperienceSeen) -> Finding {
    let ExperienceSeen {
        name,
        status,
        archived,
        ..
    } = seen;
    let told = format!("{name:?} is {status}");
    if *archived {
        return Finding::fail(check, format!("{name:?} is archived"));
    }
    match status.as_str() {
        "Enabled" => Finding::ok(check, told),
        "Disabled" if check == Check::MemberExperience => {
            Finding::warn(check, format!("{told}: it governs nobody"))
        }
        _ => Finding::fail(check, told),
    }
}

fn of_member(member: &MemberLook, successes: Option<&Successes>) -> Vec<Finding> {
    let name = member.member.as_str();
    let mut found = vec![
        reach(Check::MemberRole, &member.role, |()| {
            Finding::ok(Check::MemberRole, "it can be assumed")
        }),
        reach(Check::MemberCatalog, &member.experiences, |experiences| {
            Finding::ok(Check::MemberCatalog, count(*experiences, "experience"))
        }),
        queue(member),
        sending(member, successes),
        dead_letters(member),
        quarantine(member),
        installations(member),
    ];
    for found in &mut found {
        found.subject = Some(name.to_owned());
    }
    for link in &member.links {
        let id = link.id.as_ref().map_or("*", |id| id.as_str());
        let subject = format!("{name} {id}");
        let check = Check::MemberExperience;
        if let Some(warning) = &link.warning {
            let seen = format!("{}: {}", warning.code, warning.message);
            let warned = Finding::warn(check, seen).with_fix(warning.advice().to_string());
            found.push(warned.about(&subject));
            continue;
        }
        let judged = reach(check, &link.experience, |seen| experience(check, seen));
        found.push(judged.about(&subject));
        found.push(policy(link).about(&subject));
    }
    found
}

/// Judges the lists of a policy.
fn lists(check: Check, policy: &PolicySeen) -> Finding {
    let seen = format!("{} allowed, {} denied", policy.allowed, policy.denied);
    if policy.invalid == 0 {
        return Finding::ok(check, seen);
    }
    let reason = Reason::InvalidId;
    let invalid = count(policy.invalid, "id");
    let seen = format!("{seen}, {invalid} not valid: left alone, as `pmp-sync plan` shows");
    Finding::warn(check, seen).with_fix(reason.remedy())
}

fn policy(link: &LinkLook) -> Finding {
    let check = Check::MemberPolicy;
    if let Look::Seen(experience) = &link.experience
        && !experience.has_policy
    {
        let seen = if link.mode.acts() {
            "it has none: every product is procurable there until a run has made it"
        } else {
            "it has none: every product is procurable there"
        };
        return Finding::warn(check, seen);
    }
    reach(check, &link.policy, |policy| lists(check, policy))
}

/// The finding for a missing permission to read the depth of a queue, which stacks of earlier
/// releases do not grant.
fn not_given(check: Check, trouble: &Trouble) -> Finding {
    let found = Finding::trouble(check, trouble);
    if trouble.kind == Kind::Denied {
        return found.with_fix(
            "bring the member's stack to this release with `pmp-sync deploy member`: older ones do not let the producer look",
        );
    }
    found
}

fn queue(member: &MemberLook) -> Finding {
    let check = Check::MemberQueue;
    match &member.changes {
        Look::Failed(trouble) if trouble.kind == Kind::Denied => not_given(check, trouble),
        look => reach(check, look, |depth| {
            let seen = deployed::depth(*depth);
            if depth.waiting > MOST_CHANGES {
                let seen = format!("{seen}: they are not taken as fast as they come");
                let fix = format!(
                    "look at the member's own side with --profile {}=PROFILE",
                    member.member
                );
                return Finding::warn(check, seen).with_fix(fix);
            }
            Finding::ok(check, seen)
        }),
    }
}

/// Judges sending, which cannot be tried without an effect: changes that have arrived show that it
/// works.
fn sending(member: &MemberLook, successes: Option<&Successes>) -> Finding {
    let check = Check::MemberSending;
    if !matches!(member.role, Look::Seen(())) {
        return Finding::because(check, "the member's role was not assumed");
    }
    let Some(successes) = successes else {
        return Finding::because(check, "the lanes could not be read");
    };
    let of_member = successes
        .iter()
        .filter(|(lane, _)| lane.account == member.account);
    match of_member.map(|(_, at)| *at).max() {
        Some(at) => {
            let seen = format!("changes have arrived, the last at {}", time(Some(at)));
            Finding::ok(check, seen)
        }
        None => Finding::because(
            check,
            "it cannot be tried without an effect, and no change has arrived yet",
        ),
    }
}

fn dead_letters(member: &MemberLook) -> Finding {
    let check = Check::MemberDeadLetters;
    let judged = reach(check, &member.receive, |seen| {
        if *seen {
            Finding::warn(check, "there are some")
        } else {
            Finding::ok(check, "none was seen")
        }
    });
    match (&member.dead_letters, &member.receive) {
        (Look::Seen(depth), Look::Seen(_)) if depth.total() > 0 => {
            Finding::warn(check, deployed::depth(*depth))
        }
        (Look::Seen(_), Look::Seen(false)) => Finding::ok(check, "none"),
        (Look::Failed(trouble), Look::Seen(false)) => not_given(check, trouble),
        _ => judged,
    }
}

/// Whether quarantined changes and dead letters belong together.
fn quarantine(member: &MemberLook) -> Finding {
    let check = Check::MemberQuarantine;
    let Some(lanes) = &member.lanes else {
        return Finding::because(check, OLDER);
    };
    reach(check, lanes, |lanes| {
        let without = lanes.without_letter;
        let stray = lanes.without_quarantine;
        // A letter that was not looked at may be that of a quarantined change.
        if without > 0 && !lanes.unseen || stray > 0 {
            let seen = format!(
                "{without} of {} without a dead letter, {} of changes that are not quarantined",
                count(lanes.quarantined, "quarantined change"),
                count(stray, "letter")
            );
            return Finding::warn(check, seen);
        }
        let seen = match (lanes.quarantined, lanes.unseen) {
            (0, _) => "nothing is quarantined".to_owned(),
            (count, false) => format!("{count} quarantined, each with its letter"),
            (count, true) => format!("{count} quarantined; not all letters were looked at"),
        };
        Finding::ok(check, seen)
    })
}

/// Whether another installation changes the member's experiences.
fn installations(member: &MemberLook) -> Finding {
    let check = Check::MemberInstallations;
    let Some(lanes) = &member.lanes else {
        return Finding::because(check, OLDER);
    };
    reach(check, lanes, |lanes| {
        let of_each = lanes.contested.iter().map(|(experience, other)| {
            format!(
                "{experience} by {}: change set {}, seen {}",
                other.installation, other.change_set, other.seen
            )
        });
        let seen: Vec<_> = of_each.collect();
        if seen.is_empty() {
            Finding::ok(check, "none was seen within a day")
        } else {
            Finding::warn(check, seen.join("; "))
        }
    })
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
