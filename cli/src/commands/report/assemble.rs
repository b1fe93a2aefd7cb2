//! Converts what was gathered to the model of the report. Pure.

use std::collections::HashMap;

use pmp_sync_domain::answers::report::{LinkStandings, ManagementLists};
use pmp_sync_domain::answers::why::WhyAnswer;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::notify::stale_since;
use pmp_sync_domain::policy::{Action, Standing};
use pmp_sync_domain::records::{RunRecord, Suspended, Suspensions};
use pmp_sync_report::{
    Cell, Counts, Fault, Kind, Link, Management, Model, Reason, Run, State, Suspension,
};

use super::LaneFacts;
use super::attention::attention;
use super::gathered::{Gathered, lane_of};
use super::words::{Of, reason};
use crate::client::holds::Known;
use crate::hint::Flags;

/// The reasons, each once.
#[derive(Default)]
struct Reasons {
    list: Vec<Reason>,
    places: HashMap<Reason, usize>,
}

impl Reasons {
    fn place(&mut self, reason: Reason) -> usize {
        let next = self.list.len();
        let place = *self.places.entry(reason.clone()).or_insert(next);
        if place == next {
            self.list.push(reason);
        }
        place
    }
}

pub(crate) fn assemble(gathered: &Gathered) -> Model {
    let mut reasons = Reasons::default();
    let links = gathered.links.iter();
    let links: Vec<_> = links
        .map(|link| of_link(link, gathered, &mut reasons))
        .collect();
    Model {
        schema: pmp_sync_report::SCHEMA,
        made_at: gathered.now,
        name: gathered.name.clone(),
        config_version: gathered.config_version,
        stale_after_hours: gathered.stale_after_hours,
        counts: Counts::of(&links),
        attention: attention(gathered, &links),
        management: gathered.management.values().map(of_management).collect(),
        reasons: reasons.list,
        suspensions: suspensions(&gathered.suspensions, &gathered.flags),
        runs: gathered.runs.iter().map(of_run).collect(),
        links,
    }
}

pub(crate) fn fault_of(fault: &FaultRecord) -> Fault {
    Fault {
        code: fault.code.clone(),
        message: fault.message.clone(),
        what_to_do: fault.remedy.clone(),
    }
}

fn of_management(lists: &ManagementLists) -> Management {
    Management {
        experience: lists.experience.to_string(),
        allowed: lists.allowed.iter().map(ToString::to_string).collect(),
        denied: lists.denied.iter().map(ToString::to_string).collect(),
        fault: lists.fault.as_ref().map(fault_of),
    }
}

fn standing_of(standing: Standing) -> pmp_sync_report::Standing {
    match standing {
        Standing::Allowed => pmp_sync_report::Standing::Allowed,
        Standing::Denied => pmp_sync_report::Standing::Denied,
        Standing::Unlisted => pmp_sync_report::Standing::Unlisted,
    }
}

fn of_link(link: &LinkStandings, gathered: &Gathered, reasons: &mut Reasons) -> Link {
    let lane = lane_of(link);
    let nothing = LaneFacts::default();
    let facts = lane.as_ref().and_then(|lane| gathered.lanes.get(lane));
    let facts = facts.unwrap_or(&nothing);
    let known = lane.as_ref().and_then(|lane| gathered.known(lane));
    let frozen_since = known.and_then(|known| known.link_state.frozen_since);
    let cells = lane.as_ref().map_or_else(Vec::new, |lane| {
        let of = Of {
            flags: &gathered.flags,
            member: &link.member,
            lane,
            suspensions: &gathered.suspensions,
        };
        cells(link, of, reasons)
    });
    let suspension = lane.as_ref();
    let suspension = suspension.and_then(|lane| gathered.suspensions.holds(&link.member, lane));
    let held = !link.held_for.is_empty() || known.is_some_and(|known| known.holds().count() > 0);
    let is_underway = |cell: &Cell| {
        let reason = reasons.list.get(cell.reason);
        reason.is_some_and(|reason| reason.kind == Kind::Underway)
    };
    let state = if link.fault.is_some() {
        State::Unreachable
    } else if suspension.is_some() {
        State::Suspended
    } else if held {
        State::Held
    } else if facts.state.phase == Phase::Blocked {
        State::Blocked
    } else if cells.is_empty() && facts.open == 0 {
        State::InSync
    } else if cells.iter().all(is_underway) {
        State::Underway
    } else {
        State::Differs
    };
    let is_watched = link.mode != Mode::Observe && suspension.is_none() && frozen_since.is_none();
    let letters = match gathered.letters.get(&link.member) {
        Some(Ok(letters)) => {
            let of_lane = letters.iter().filter(|letter| letter.lane == lane);
            Some(of_lane.count())
        }
        Some(Err(_)) | None => None,
    };
    Link {
        member: link.member.to_string(),
        account: link.account.to_string(),
        experience: link.experience.as_ref().map(ToString::to_string),
        management_experience: link.management_experience.to_string(),
        mode: match link.mode {
            Mode::Mirror => pmp_sync_report::Mode::Mirror,
            Mode::Additive => pmp_sync_report::Mode::Additive,
            Mode::Observe => pmp_sync_report::Mode::Observe,
        },
        state,
        stale: is_watched && state != State::InSync && is_stale(facts, known, gathered),
        last_in_sync: facts.state.last_in_sync,
        last_success: facts.state.last_success,
        frozen_since,
        open: facts.open,
        quarantined: facts.quarantined.len(),
        dead_letters: letters,
        differing: cells,
        denied_besides: link
            .denied_besides
            .iter()
            .map(ToString::to_string)
            .collect(),
        fault: link.fault.as_ref().map(fault_of),
    }
}

/// The rule by which the producer announces it.
fn is_stale(facts: &LaneFacts, known: Option<&Known>, gathered: &Gathered) -> bool {
    let watched = known.and_then(|known| known.link_state.notices.since);
    let since = watched.or(facts.state.last_in_sync);
    let (hours, now) = (gathered.stale_after_hours, gathered.now);
    since.is_some_and(|since| stale_since(&facts.state, since, hours, now).is_some())
}

fn cells(link: &LinkStandings, of: Of<'_>, reasons: &mut Reasons) -> Vec<Cell> {
    let differing = link.differing.iter();
    let cell = |differing: &pmp_sync_domain::answers::report::Differing| {
        let answer = WhyAnswer {
            product: differing.product.clone(),
            desired: None,
            standing: Some(differing.standing),
            wanted: Some(differing.wanted),
            why: link.whys.get(differing.why)?.clone(),
            edited_since: differing.edited_since,
        };
        Some(Cell {
            product: differing.product.to_string(),
            standing: standing_of(differing.standing),
            wanted: match differing.wanted {
                Action::Allow => pmp_sync_report::Action::Allow,
                Action::Deny => pmp_sync_report::Action::Deny,
            },
            reason: reasons.place(reason(&answer, of)),
            edited_since: differing.edited_since,
        })
    };
    differing.filter_map(cell).collect()
}

fn suspensions(suspensions: &Suspensions, flags: &Flags) -> Vec<Suspension> {
    let suspension = |(of, on): (Suspended<'_>, &pmp_sync_domain::lane::Suspension)| Suspension {
        what: of.to_string(),
        by: on.by.clone(),
        since: on.since,
        command: flags.command(&match of {
            Suspended::Everything => "resume".to_owned(),
            Suspended::Member(name) => format!("resume --member {name}"),
            Suspended::Link(experience) => format!("resume --experience {experience}"),
        }),
    };
    suspensions.each().map(suspension).collect()
}

fn of_run(run: &RunRecord) -> Run {
    let mut requests: Vec<_> = run.requests.iter().map(|one| one.kind.clone()).collect();
    requests.dedup();
    Run {
        run: run.run.to_string(),
        status: run.status.as_str().to_owned(),
        requests,
        started_at: run.started_at,
        completed_at: run.completed_at,
        allow: run.totals.allow,
        deny: run.totals.deny,
        held: run.totals.held,
        failed: run.totals.failed,
    }
}
