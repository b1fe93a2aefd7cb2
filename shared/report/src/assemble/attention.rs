//! What needs attention, each with the command that resolves it. Pure.

use std::collections::BTreeMap;

use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::report::{Differing, LinkStandings};
use pmp_sync_domain::approval::{Ask, Hold};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::hint::{Hint, Place};
use pmp_sync_domain::ids::{LaneId, PlanHash, ProductId};
use pmp_sync_domain::lane::{OtherInstallation, Suspension};
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::{Action, Standing};
use pmp_sync_domain::records::{LinkState, Suspended};
use pmp_sync_domain::sync_state::SyncState;
use pmp_sync_domain::text::{count, one_line};

use super::gathered::{Gathered, LaneFacts, lane_of};
use super::words::sync;
use crate::commands::{Commands, shell};
use crate::html::utc;
use crate::model::{Attention, AttentionKind, Concerned, Link, State};

/// The most errors of a lane that are shown individually.
const MOST_TOLD: usize = 5;
/// The most lines of an item about several links.
const MOST_LINES: usize = 8;

/// What needs attention. `links` are those of the model, in the same order as the gathered ones.
pub(super) fn attention(gathered: &Gathered, links: &[Link]) -> Vec<Attention> {
    let mut all = management(gathered);
    let mut holds = Vec::new();
    for (link, shown) in gathered.links.iter().zip(links) {
        let before = all.len();
        all.extend(unreachable(link, gathered));
        all.extend(invalid(link));
        if let Some(lane) = lane_of(link) {
            let facts = gathered.lanes.get(&lane);
            all.extend(facts.and_then(|facts| blocked(link, &lane, facts, gathered)));
            let held = held(link, &lane, gathered);
            holds.extend(held.into_iter().map(|mut held| {
                tell_state(&mut held.item, shown);
                held
            }));
            all.extend(facts.and_then(|facts| quarantined(link, facts, gathered)));
            all.extend(facts.and_then(|facts| contested(link, &lane, facts, gathered)));
            all.extend(edited(link, &lane, shown, gathered));
        }
        all.extend(stale(link, shown, gathered));
        for item in all.iter_mut().skip(before) {
            tell_state(item, shown);
        }
    }
    all.extend(in_one(holds, &gathered.commands));
    all.extend(letters(gathered));
    all.extend(gathered.left_out.iter().map(left_out));
    all.extend(suspensions(gathered));
    // The sort is stable: within a kind, the order is that of the configuration.
    all.sort_by_key(|item| item.kind);
    all
}

/// Says so if the matrix counts a link under another state, so that list and matrix do not seem to contradict each other.
fn tell_state(item: &mut Attention, shown: &Link) {
    let own = match item.kind {
        AttentionKind::Unreachable => State::Unreachable,
        AttentionKind::Blocked => State::Blocked,
        AttentionKind::Held => State::Held,
        AttentionKind::Quarantined => State::Quarantined,
        AttentionKind::Management
        | AttentionKind::Contested
        | AttentionKind::Edited
        | AttentionKind::DeadLetters
        | AttentionKind::Suspended
        | AttentionKind::Stale
        | AttentionKind::LeftOut => return,
    };
    if shown.state != own {
        let counted = format!("It is counted as {}.", shown.state.text());
        item.message.push(counted);
    }
}

fn item(kind: AttentionKind, link: &LinkStandings) -> Attention {
    let experience = link.experience.as_ref();
    Attention {
        experience: Some(experience.map_or_else(|| "*".to_owned(), ToString::to_string)),
        ..Attention::new(kind, &link.member)
    }
}

fn remedy(reasons: &[HoldReason]) -> Option<String> {
    reasons.first().map(|reason| reason.remedy().to_owned())
}

fn told(reasons: &[HoldReason]) -> Vec<String> {
    let words = reasons.iter();
    words
        .map(|reason| format!("{}: {reason}", reason.code()))
        .collect()
}

fn management(gathered: &Gathered) -> Vec<Attention> {
    let odd = gathered.management.values();
    let odd = odd.filter(|lists| lists.fault.is_some() || !lists.oddities.is_empty());
    odd.map(|lists| {
        let fault = lists.fault.as_ref();
        let mut message = told(&lists.oddities);
        message.extend(fault.map(|fault| format!("{}: {}", fault.code, fault.message)));
        let of_fault = fault.map(|fault| gathered.commands.advice(&fault.advice()));
        Attention {
            message,
            what_to_do: of_fault.or_else(|| remedy(&lists.oddities)),
            ..Attention::new(AttentionKind::Management, &lists.experience)
        }
    })
    .collect()
}

fn unreachable(link: &LinkStandings, gathered: &Gathered) -> Option<Attention> {
    let fault = link.fault.as_ref()?;
    let again = format!("plan --member {}", link.member);
    Some(Attention {
        message: vec![format!("{}: {}", fault.code, fault.message)],
        what_to_do: Some(gathered.commands.advice(&fault.advice())),
        command: Some(gathered.commands.command(&again)),
        ..item(AttentionKind::Unreachable, link)
    })
}

fn invalid(link: &LinkStandings) -> Option<Attention> {
    let invalid = &link.invalid;
    if invalid.is_empty() {
        return None;
    }
    let reason = Reason::InvalidId;
    let (all, explanation) = (count(invalid.count(), "product"), reason.explanation());
    let mut message = vec![format!("{all} left alone ({reason}: {explanation})")];
    message.extend(invalid.products.iter().map(|left| {
        let (id, wanted, standing) = (&left.id, left.wanted, left.standing);
        format!("\"{id}\" ({wanted} is wanted, it is {standing})")
    }));
    message.extend((invalid.beyond > 0).then(|| format!("and {} more", invalid.beyond)));
    Some(Attention {
        message,
        what_to_do: Some(reason.remedy().to_owned()),
        ..item(AttentionKind::Management, link)
    })
}

fn blocked(
    link: &LinkStandings,
    lane: &LaneId,
    facts: &LaneFacts,
    gathered: &Gathered,
) -> Option<Attention> {
    let block = facts.state.block.as_ref()?;
    Some(Attention {
        message: vec![format!("{}: {}", block.reason, block.detail)],
        what_to_do: Some(block.reason.remedy().to_owned()),
        command: Some(sync(&gathered.commands, &link.member, lane)),
        since: Some(block.since),
        run: facts.state.planned_run().map(|run| run.to_string()),
        ..item(AttentionKind::Blocked, link)
    })
}

/// An item about a plan that waits for approval, or would.
struct Held {
    item: Attention,
    /// The plan that one command approves wherever it is held. None if there is nothing to approve yet, and for a rollback.
    plan: Option<PlanHash>,
}

/// Holds, and plans that the next run would be the first to hold.
fn held(link: &LinkStandings, lane: &LaneId, gathered: &Gathered) -> Vec<Held> {
    let known = gathered.link_states.get(lane);
    let holds = known.into_iter().flat_map(LinkState::holds);
    let mut all: Vec<_> = holds
        .map(|hold| Held {
            item: of_hold(link, lane, hold, gathered),
            plan: hold.undo().is_none().then(|| hold.plan_hash.clone()),
        })
        .collect();
    // What the matrix shows is the plan of the next run, and not that of a rollback.
    for held in all.iter_mut().filter(|held| held.plan.is_some()) {
        held.item.message.extend(removed(link, gathered));
    }
    if all.is_empty() && !link.held_for.is_empty() {
        let plan = format!("plan --member {} --products", link.member);
        let mut message = vec!["The next run would hold a part of its plan.".to_owned()];
        message.extend(told(&link.held_for));
        message.extend(removed(link, gathered));
        all.push(Held {
            item: Attention {
                message,
                what_to_do: remedy(&link.held_for),
                command: Some(gathered.commands.command(&plan)),
                ..item(AttentionKind::Held, link)
            },
            plan: None,
        });
    }
    all
}

/// The products that would be denied and are held, by name.
fn removed(link: &LinkStandings, gathered: &Gathered) -> Option<String> {
    let is_held = |cell: &Differing| {
        let why = link.whys.get(cell.why);
        why.is_some_and(|why| why.state() == SyncState::Held)
    };
    let denied = link.differing.iter();
    let denied = denied.filter(|cell| {
        cell.wanted == Action::Deny && cell.standing == Standing::Allowed && is_held(cell)
    });
    let denied: Vec<_> = denied.map(|cell| &cell.product).collect();
    if denied.is_empty() {
        return None;
    }
    let name = |product: &&ProductId| {
        let name = gathered.names.of(product);
        name.unwrap_or(product.as_str()).to_owned()
    };
    let mut named: Vec<_> = denied.iter().take(MOST_TOLD).map(name).collect();
    let more = denied.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    Some(format!("Would be denied: {}.", named.join(", ")))
}

/// Equal plans of several links are one item, with the one command that approves all of them.
fn in_one(holds: Vec<Held>, commands: &Commands) -> Vec<Attention> {
    let mut all: Vec<(Option<PlanHash>, Attention)> = Vec::new();
    for Held { item, plan } in holds {
        let known = all.iter_mut().find(|(of, _)| of.is_some() && *of == plan);
        let Some((Some(hash), group)) = known else {
            all.push((plan, item));
            continue;
        };
        if group.concerned.is_empty() {
            group.concerned.extend(concerned(group));
            group.command = Some(commands.command(&format!("approve --plan {hash}")));
        }
        group.concerned.extend(concerned(&item));
        group.since = group.since.into_iter().chain(item.since).min();
        group.run = group
            .run
            .take()
            .filter(|run| Some(run) == item.run.as_ref());
        for words in item.message {
            if !group.message.contains(&words) && group.message.len() < MOST_LINES {
                group.message.push(words);
            }
        }
    }
    all.into_iter().map(|(_, item)| item).collect()
}

/// The member experience of an item.
fn concerned(item: &Attention) -> Option<Concerned> {
    Some(Concerned {
        member: item.about.clone(),
        experience: item.experience.clone()?,
    })
}

fn of_hold(link: &LinkStandings, lane: &LaneId, hold: &Hold, gathered: &Gathered) -> Attention {
    let counts = counts(hold.allow, hold.deny);
    let removals = count(hold.removals, "removal");
    let plan = match hold.undo() {
        Some(undo) => format!("Planned is {undo}: {counts} ({removals})."),
        None => format!("The plan: {counts} ({removals})."),
    };
    let mut message = vec![plan];
    message.extend(told(&hold.reasons));
    if hold.overrides {
        message.push("An approval executes it although the link is frozen.".to_owned());
    }
    message.extend(hold.rejected.as_ref().map(|part| {
        let (of, by) = (hold.changes(), who(&part.ask));
        if hold.is_rejected() {
            format!("Rejected {by}.")
        } else {
            format!("{} of {} rejected {by}.", part.changes, count(of, "change"))
        }
    }));
    for ask in &hold.approvals {
        let by = who(ask);
        message.push(format!(
            "Approved {by}. A second person runs the same command."
        ));
    }
    Attention {
        message,
        what_to_do: remedy(&hold.reasons),
        command: Some(gathered.commands.line(&hold.approve(&lane.experience))),
        since: Some(hold.since),
        run: Some(hold.run.to_string()),
        ..item(AttentionKind::Held, link)
    }
}

fn quarantined(link: &LinkStandings, facts: &LaneFacts, gathered: &Gathered) -> Option<Attention> {
    let aside = &facts.quarantined;
    let first = aside.first()?;
    let mut message: Vec<_> = aside
        .iter()
        .take(MOST_TOLD)
        .map(|one| {
            let (action, product) = (one.action, gathered.names.label(&one.product));
            format!(
                "{action} {product}: {}: {}",
                one.error_code, one.error_message
            )
        })
        .collect();
    let more = aside.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        message.push(format!("and {more} more"));
    }
    let member = &link.member;
    let rest = if aside.len() == 1 {
        let product = shell(first.product.as_str());
        format!("dlq replay --member {member} --product {product}")
    } else {
        format!("dlq replay --member {member}")
    };
    Some(Attention {
        message,
        what_to_do: Some("fix the cause, then have it tried again".to_owned()),
        command: Some(gathered.commands.command(&rest)),
        since: aside.iter().map(|one| one.quarantined_at).min(),
        run: Some(first.run.to_string()),
        ..item(AttentionKind::Quarantined, link)
    })
}

fn contested(
    link: &LinkStandings,
    lane: &LaneId,
    facts: &LaneFacts,
    gathered: &Gathered,
) -> Option<Attention> {
    let other = facts.state.contested_by(gathered.now)?;
    let suspend = Hint::Suspend(Place::link(&link.member, &lane.experience));
    Some(Attention {
        message: vec![format!("{}: {other}", OtherInstallation::CODE)],
        what_to_do: Some(OtherInstallation::REMEDY.to_owned()),
        command: Some(gathered.commands.line(&suspend)),
        since: Some(other.seen),
        ..item(AttentionKind::Contested, link)
    })
}

/// The edits that the matrix shows. Those of a link that cannot be observed are the ones that were last known.
fn edited(
    link: &LinkStandings,
    lane: &LaneId,
    shown: &Link,
    gathered: &Gathered,
) -> Option<Attention> {
    let known = gathered.link_states.get(lane);
    let seen = shown.differing.iter();
    let mut edits: BTreeMap<_, _> = seen
        .filter_map(|cell| Some((&cell.product, cell.edited_since?)))
        .collect();
    if link.fault.is_some() {
        let last = known.into_iter().flat_map(|known| &known.edited);
        edits.extend(last.map(|(product, since)| (product, *since)));
    }
    let since = edits.values().min().copied()?;
    let beyond = known.map_or(0, |known| known.edited_beyond);
    let count = count(edits.len() + beyond, "product");
    let mut message = vec![format!("Somebody else has changed {count}.")];
    let told = edits.keys().take(MOST_TOLD);
    message.extend(told.map(|product| gathered.names.label(product)));
    let drift = Hint::Drift(Place::link(&link.member, &lane.experience));
    Some(Attention {
        message,
        what_to_do: Some(
            "see who it was, and keep others from changing what is governed".to_owned(),
        ),
        command: Some(gathered.commands.line(&drift)),
        since: Some(since),
        ..item(AttentionKind::Edited, link)
    })
}

fn left_out(link: &LeftOutLink) -> Attention {
    let fault = &link.fault;
    Attention {
        experience: Some(link.experience.to_string()),
        message: vec![format!("{}: {}", fault.code, fault.message)],
        what_to_do: Some(fault.remedy.clone()),
        ..Attention::new(AttentionKind::LeftOut, &link.member)
    }
}

/// Dead letters other than those of quarantined changes, by member.
fn letters(gathered: &Gathered) -> Vec<Attention> {
    let mut all = Vec::new();
    for (member, letters) in &gathered.letters {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for letter in letters
            .iter()
            .flatten()
            .filter(|letter| letter.reason != "quarantined")
        {
            *reasons.entry(letter.reason.as_str()).or_default() += 1;
        }
        let left = gathered.left.get(member);
        if reasons.is_empty() && left.is_none() {
            continue;
        }
        let words = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"));
        let words = words.collect::<Vec<_>>().join(", ");
        let mut message: Vec<_> = Some(words)
            .filter(|words| !words.is_empty())
            .into_iter()
            .collect();
        if left.is_some() {
            message.push("There are more than are counted here.".to_owned());
        }
        all.push(Attention {
            message,
            what_to_do: Some("see what they are; then replay or discard them".to_owned()),
            command: Some(
                gathered
                    .commands
                    .command(&format!("dlq list --member {member}")),
            ),
            ..Attention::new(AttentionKind::DeadLetters, member)
        });
    }
    all
}

fn suspensions(gathered: &Gathered) -> Vec<Attention> {
    let one = |(of, suspension): (Suspended<'_>, &Suspension)| Attention {
        message: suspension.by.iter().map(|by| format!("by {by}")).collect(),
        command: Some(gathered.commands.command(&match of {
            Suspended::Everything => "resume".to_owned(),
            Suspended::Member(name) => format!("resume --member {name}"),
            Suspended::Link(experience) => format!("resume --experience {experience}"),
        })),
        since: Some(suspension.since),
        ..Attention::new(AttentionKind::Suspended, &of)
    };
    // What concerns none of the links of the report is not in its matrix either.
    let is_shown = |of: &Suspended<'_>| match of {
        Suspended::Everything => true,
        Suspended::Member(name) => gathered.links.iter().any(|link| link.member == **name),
        Suspended::Link(experience) => {
            let mut links = gathered.links.iter();
            links.any(|link| link.experience.as_ref() == Some(*experience) || link.fault.is_some())
        }
    };
    let all = gathered.suspensions.each();
    all.filter(|(of, _)| is_shown(of)).map(one).collect()
}

fn stale(link: &LinkStandings, shown: &Link, gathered: &Gathered) -> Option<Attention> {
    let hours = gathered.stale_after_hours;
    shown.stale.then(|| Attention {
        message: vec![match shown.last_in_sync {
            Some(_) => format!("It was last known in sync more than {hours} h ago."),
            None => "It was never known in sync.".to_owned(),
        }],
        what_to_do: Some("see what prevents it".to_owned()),
        command: Some(
            gathered
                .commands
                .command(&format!("plan --member {}", link.member)),
        ),
        since: shown.last_in_sync,
        ..item(AttentionKind::Stale, link)
    })
}

/// The size of a plan, in words.
fn counts(allow: usize, deny: usize) -> String {
    format!("{}, {}", count(allow, "allow"), count(deny, "deny"))
}

/// Requester, account, time and reason of a request, in words. The page has readers in all places, so its times are UTC.
fn who(ask: &Ask) -> String {
    let by = ask.by.as_deref().unwrap_or("an unknown requester");
    let account = ask.account.as_ref();
    let account = account.map_or_else(String::new, |account| format!(", account {account}"));
    let reason = ask.reason.as_deref().map(one_line);
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    format!("by {by}{account}, at {} UTC{reason}", utc(ask.at))
}
