//! Reports of any size, in which everything that can be is somewhere. The same every time.

use jiff::{SignedDuration, Timestamp};
use pmp_sync_domain::answers::report::{Differing, ManagementLists};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::policy::{Action, Standing};
use pmp_sync_domain::records::{Request, RunRecord};
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::sources::Conflict;
use pmp_sync_report::{
    Attention, AttentionKind, Changed, Concerned, Counts, Headline, Kind, Link, Model, Reason,
    Requested, SCHEMA, State, Week,
};

pub(crate) const MANAGEMENT: &str = "exp-4s8kd0qmw1x2y";

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

/// Numbers that look as if they were drawn.
fn scattered(seed: usize) -> usize {
    let mut value = u64::try_from(seed)
        .unwrap()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value ^= value >> 29;
    value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from(value >> 40).unwrap()
}

pub(crate) fn product(number: usize) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = format!("prod-{number:04}");
    let mut value = scattered(number);
    for _ in 0..5 {
        text.push(char::from(letters[value % 32]));
        value /= 32;
    }
    text
}

/// Names as vendors write them.
fn name(number: usize) -> String {
    let of = [
        "Example Database Enterprise",
        "Northwind Log Analytics (Annual Contract)",
        "Contoso Container Security for Kubernetes, with Runtime Protection and Compliance Reporting",
        "Fabrikam VPN",
        "Litware Data Observability Platform - Pay As You Go",
    ];
    format!("{} {number}", of[scattered(number) % of.len()])
}

pub(crate) fn member(number: usize) -> String {
    let regions = [
        "emea", "apac", "latam", "anz", "nordics", "iberia", "benelux", "dach",
    ];
    let units = [
        "retail", "bank", "energy", "labs", "media", "cargo", "health",
    ];
    match number {
        0 => "emea".to_owned(),
        1 => "apac".to_owned(),
        _ => format!("{}-{}-{number:03}", regions[number % 8], units[number % 7]),
    }
}

fn experience(number: usize) -> String {
    format!("exp-{:013x}", scattered(number + 7_000))
}

fn reason(kind: Kind, words: &str, what_to_do: &str, command: Option<String>) -> Reason {
    let is_known = matches!(
        kind,
        Kind::Held | Kind::Quarantined | Kind::Blocked | Kind::Underway
    );
    Reason {
        kind,
        words: words.to_owned(),
        since: is_known.then(|| hours_ago(5)),
        run: is_known.then(|| "01KJNE1V5H0000000000000000".to_owned()),
        change_set: (kind == Kind::Underway).then(|| "2rb6b1cbbl9xrxk5nuaivdzgs".to_owned()),
        what_to_do: Some(what_to_do.to_owned()),
        command,
    }
}

/// What the member with this number is like.
fn state(number: usize) -> State {
    match number {
        0 => State::Held,
        1 => State::InSync,
        2 => State::Differs,
        3 => State::Blocked,
        4 => State::Unreachable,
        5 => State::Underway,
        6 => State::Suspended,
        _ => match scattered(number) % 20 {
            0 => State::Held,
            1 | 2 => State::Underway,
            3..=5 => State::Differs,
            _ => State::InSync,
        },
    }
}

pub(crate) fn hold_command(number: usize) -> String {
    format!(
        "pmp-sync approve 01KJNE1V5H0000000000000000 --experience {} --plan 7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069",
        experience(number)
    )
}

/// Why products of this member differ: those that `every` takes have the next of these reasons.
fn reasons_of(number: usize) -> Vec<(usize, Reason)> {
    let name = member(number);
    let sync = format!("pmp-sync sync --wait --member {name}");
    match state(number) {
        State::InSync | State::LeftAlone | State::Unreachable => Vec::new(),
        State::Held => vec![(
            13,
            reason(
                Kind::Held,
                "held by run 01KJNE1V5H0000000000000000: it takes away 61 products, more than 50",
                "if the plan is right, approve it",
                Some(hold_command(number)),
            ),
        )],
        State::Underway => vec![(
            31,
            reason(
                Kind::Underway,
                "the allow of run 01KJNE1V5H0000000000000000 is in flight",
                "nothing: it ends by itself",
                None,
            ),
        )],
        State::Differs | State::Planned | State::Quarantined => vec![
            (
                29,
                reason(
                    Kind::Planned,
                    "it differs",
                    "nothing: the next run plans it",
                    Some(sync),
                ),
            ),
            (
                83,
                reason(
                    Kind::LeftAlone,
                    "protected: the link never denies it",
                    "nothing, or take it out of `protect`",
                    None,
                ),
            ),
            (
                53,
                reason(
                    Kind::Quarantined,
                    "quarantined: the allow of run 01KJNE1V5H0000000000000000 was rejected individually: INVALID_PRODUCT: no such product",
                    "fix the cause, then have it tried again",
                    Some(format!("pmp-sync dlq replay --member {name}")),
                ),
            ),
        ],
        State::Blocked => vec![(
            41,
            reason(
                Kind::Blocked,
                "the lane is blocked: access-denied: the worker may not start a change set",
                "check the worker's role in the member's stack",
                Some(sync),
            ),
        )],
        State::Suspended => vec![(
            37,
            reason(
                Kind::Suspended,
                "suspended by alice",
                "resume",
                Some(format!("pmp-sync resume --member {name}")),
            ),
        )],
    }
}

fn desired(product: usize) -> Standing {
    if scattered(product + 90_000).is_multiple_of(9) {
        Standing::Denied
    } else {
        Standing::Allowed
    }
}

fn link(number: usize, products: usize, reasons: &mut Vec<Reason>) -> Link {
    let mut cells = std::collections::BTreeMap::new();
    for (every, reason) in reasons_of(number) {
        reasons.push(reason);
        for at in (0..products).filter(|at| (scattered(*at) + number).is_multiple_of(every)) {
            let (standing, wanted) = match desired(at) {
                Standing::Allowed => (Standing::Denied, Action::Allow),
                _ => (Standing::Allowed, Action::Deny),
            };
            cells.insert(
                at,
                Differing {
                    product: product(at).parse().unwrap(),
                    standing,
                    wanted,
                    why: reasons.len() - 1,
                    edited_since: (at % 17 == 0).then(|| hours_ago(30)),
                },
            );
        }
    }
    let state = state(number);
    let hours = match state {
        State::InSync | State::Underway => 0,
        _ => i64::try_from(scattered(number) % 70).unwrap(),
    };
    // Seven mirrors, then one of each other mode.
    let mut others = Mode::ALL.into_iter().rev();
    let other = (number % (6 + Mode::ALL.len())).checked_sub(7);
    let mode = other
        .and_then(|other| others.nth(other))
        .unwrap_or_default();
    Link {
        member: member(number),
        account: format!("{:012}", 222_222_222_222_usize + number),
        experience: Some(experience(number)),
        sources: MANAGEMENT.parse().unwrap(),
        conflict: Conflict::default(),
        mode,
        state,
        stale: hours > 24 && mode != Mode::Observe && state != State::Suspended,
        last_in_sync: (number != 4).then(|| hours_ago(hours) - SignedDuration::from_mins(7)),
        last_success: Some(hours_ago(hours)),
        frozen_since: None,
        open: if state == State::Underway { 12 } else { 0 },
        quarantined: usize::from(state == State::Differs),
        dead_letters: (state != State::Unreachable).then(|| usize::from(state == State::Differs)),
        differing: cells.into_values().collect(),
        denied_besides: vec![product(products)],
        fault: (state == State::Unreachable).then(|| FaultRecord {
            code: "PMS-3001".to_owned(),
            message: "the role of account 222222222226 cannot be assumed: AccessDenied".to_owned(),
            remedy: "check external_id, and that the member's stack is deployed".to_owned(),
            hint: None,
        }),
    }
}

fn attention(links: &[Link]) -> Vec<Attention> {
    let mut all = Vec::new();
    for (number, link) in links.iter().enumerate() {
        let (kind, message, what, command) = match link.state {
            State::Held => (
                AttentionKind::Held,
                "PMS-7001: it takes away 61 products, more than 50".to_owned(),
                "look at the plan, then approve or reject it",
                hold_command(number),
            ),
            State::Blocked => (
                AttentionKind::Blocked,
                "access-denied: the worker may not start a change set".to_owned(),
                "check the worker's role in the member's stack; every run tries again",
                format!("pmp-sync sync --wait --member {}", link.member),
            ),
            State::Unreachable => (
                AttentionKind::Unreachable,
                "PMS-3001: the role of account 222222222226 cannot be assumed: AccessDenied"
                    .to_owned(),
                "check external_id, and that the member's stack is deployed",
                format!("pmp-sync plan --member {}", link.member),
            ),
            State::Differs | State::Quarantined => (
                AttentionKind::Quarantined,
                format!("allow {}: INVALID_PRODUCT: no such product", product(3)),
                "fix the cause, then have it tried again",
                format!("pmp-sync dlq replay --member {}", link.member),
            ),
            State::InSync
            | State::LeftAlone
            | State::Underway
            | State::Planned
            | State::Suspended => continue,
        };
        all.push(Attention {
            experience: link.experience.clone(),
            message: vec![message],
            what_to_do: Some(what.to_owned()),
            command: Some(command),
            since: Some(hours_ago(5)),
            ..Attention::new(kind, &link.member)
        });
    }
    if links.len() > 6 {
        let name = member(6);
        all.push(Attention {
            message: vec!["by arn:aws:sts::111111111111:assumed-role/Operator/alice".to_owned()],
            command: Some(format!("pmp-sync resume --member {name}")),
            since: Some(hours_ago(3)),
            ..Attention::new(AttentionKind::Suspended, &format!("member {name}"))
        });
    }
    all.sort_by_key(|item| item.kind);
    all.extend(held_alike(links));
    all.sort_by_key(|item| item.kind);
    all
}

/// One command for a plan that many members have.
fn held_alike(links: &[Link]) -> Option<Attention> {
    let concerned: Vec<_> = links
        .iter()
        .skip(10)
        .map(|link| Concerned {
            member: link.member.clone(),
            experience: link.experience.clone().unwrap(),
        })
        .collect();
    let first = concerned.first()?.clone();
    Some(Attention {
        experience: Some(first.experience),
        concerned,
        message: vec![
            "The plan: 2 allows, 61 denies (61 removals).".to_owned(),
            "PMS-7002: it takes away 61 products, more than 50".to_owned(),
            format!("Would be denied: {}, {}, and 59 more.", name(1), name(2)),
        ],
        what_to_do: Some("look at the plan, then approve or reject it".to_owned()),
        command: Some("pmp-sync approve --plan 7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069".to_owned()),
        since: Some(hours_ago(3)),
        ..Attention::new(AttentionKind::Held, &first.member)
    })
}

fn week(products: usize) -> Week {
    let changed = |from: usize, count: usize| {
        let numbers = from..(from + count).min(products);
        let of = |number: usize| Changed {
            product: product(number).parse().unwrap(),
            experiences: 9_usize.saturating_sub(number % 50 / 2).max(1),
        };
        numbers.map(of).collect::<Vec<_>>()
    };
    Week {
        since: hours_ago(7 * 24),
        experiences: 9,
        allowed: 42,
        denied: 3,
        allow: changed(0, 42),
        deny: changed(50, 3),
        unknown: 0,
    }
}

fn requests(products: usize) -> Vec<Requested> {
    let of = |number: usize| Requested {
        request: format!("pr-{number}"),
        member: member(number % 7),
        account: format!("{:012}", 222_222_222_222_usize + number % 7),
        experience: experience(number % 7),
        product: product(number),
        title: Some(name(number)),
        requester: Some(format!(
            "arn:aws:sts::222222222222:assumed-role/Developer/user-{number}"
        )),
        since: Some(hours_ago(30 * i64::try_from(number).unwrap())),
        until: hours_ago(-24 * i64::try_from(number + 3).unwrap()),
        asked: number % 3 + 1,
        answer: (number == 2).then(|| "declined: there is another one".to_owned()),
    };
    (1..9.min(products)).map(of).collect()
}

fn runs() -> Vec<RunRecord> {
    (0..72_usize)
        .map(|hour| {
            let drawn = scattered(hour + 400);
            let (allow, deny) = match drawn % 5 {
                0 => (drawn % 300, drawn % 90),
                1 => (drawn % 40, drawn % 12),
                _ => (0, 0),
            };
            let began = hours_ago(i64::try_from(hour).unwrap()) - SignedDuration::from_mins(5);
            let run = format!("01KJNE1V5H00000000000000{hour:02}")
                .parse()
                .unwrap();
            let mut run = RunRecord::new(run, 7, Vec::new(), began);
            run.status = if hour % 23 == 5 {
                RunStatus::Held
            } else if hour % 31 == 9 {
                RunStatus::Partial
            } else {
                RunStatus::Completed
            };
            run.requests = vec![Request {
                kind: "schedule".to_owned(),
                ..Request::default()
            }];
            run.completed_at = Some(began + SignedDuration::from_mins(2));
            (run.totals.allow, run.totals.deny) = (allow, deny);
            run.totals.held = if hour % 23 == 5 { 2 } else { 0 };
            run.totals.failed = usize::from(hour % 31 == 9);
            run
        })
        .collect()
}

/// A report of so many members and products. The first seven members are each in another state.
pub(crate) fn report(members: usize, products: usize) -> Model {
    let mut reasons = Vec::new();
    let links: Vec<_> = (0..members)
        .map(|number| link(number, products, &mut reasons))
        .collect();
    let listed = |standing: Standing| -> Vec<_> {
        (0..products)
            .filter(|at| desired(*at) == standing)
            .map(|at| product(at).parse().unwrap())
            .collect()
    };
    let management = vec![ManagementLists {
        experience: MANAGEMENT.parse().unwrap(),
        allowed: listed(Standing::Allowed),
        denied: listed(Standing::Denied),
        oddities: Vec::new(),
        fault: None,
    }];
    Model {
        schema: SCHEMA,
        headline: Headline::of(&links, &reasons, &management),
        week: Some(week(products)),
        made_at: now(),
        name: "pmp-sync".to_owned(),
        config_version: 7,
        stale_after_hours: 24,
        counts: Counts::of(&links),
        attention: attention(&links),
        management,
        reasons,
        runs: runs(),
        older_runs: false,
        requests: requests(products),
        dropped_requests: 0,
        // Half of them, as while names are being looked up.
        names: (0..products)
            .step_by(2)
            .map(|at| (product(at).parse().unwrap(), name(at)))
            .collect(),
        links,
    }
}
