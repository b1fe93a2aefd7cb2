//! Converts what was gathered to the model of the report, for the operator's command and for the producer. Pure.

mod attention;
mod gathered;
mod words;

use std::collections::HashMap;

use pmp_sync_domain::answers::report::{Differing, LinkStandings};
use pmp_sync_domain::answers::why::{Why, WhyAnswer};
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::link::is_expected_in_sync;
use pmp_sync_domain::notify::stale_since;
use pmp_sync_domain::plan::Reason as PlanReason;
use pmp_sync_domain::records::LinkState;
use pmp_sync_domain::sync_state::{LinkFacts, SyncState};

use self::attention::attention;
pub use self::gathered::{Gathered, LaneFacts, Letters, lane_of};
use self::words::{Of, reason};
use crate::model::{Counts, Headline, Link, Model, Reason, SCHEMA, State, Week};

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

/// The model of what was gathered.
pub fn assemble(gathered: Gathered) -> Model {
    let mut reasons = Reasons::default();
    let links = gathered.links.iter();
    let links: Vec<_> = links
        .map(|link| of_link(link, &gathered, &mut reasons))
        .collect();
    let management: Vec<_> = gathered.management.values().cloned().collect();
    Model {
        schema: SCHEMA,
        made_at: gathered.now,
        counts: Counts::of(&links),
        headline: Headline::of(&links, &reasons.list, &management),
        week: Some(week(&gathered)),
        attention: attention(&gathered, &links),
        names: gathered.names,
        name: gathered.name,
        config_version: gathered.config_version,
        stale_after_hours: gathered.stale_after_hours,
        management,
        reasons: reasons.list,
        runs: gathered.runs,
        older_runs: gathered.older_runs,
        dropped_requests: gathered.dropped_requests,
        requests: gathered.requests,
        links,
    }
}

fn week(gathered: &Gathered) -> Week {
    let lanes = gathered.lanes.iter();
    let lanes = lanes.map(|(lane, facts)| (lane, facts.sets.as_deref()));
    Week::of(lanes, gathered.now)
}

fn of_link(link: &LinkStandings, gathered: &Gathered, reasons: &mut Reasons) -> Link {
    let lane = lane_of(link);
    let nothing = LaneFacts::default();
    let facts = lane.as_ref().and_then(|lane| gathered.lanes.get(lane));
    let facts = facts.unwrap_or(&nothing);
    let known = lane
        .as_ref()
        .and_then(|lane| gathered.link_states.get(lane));
    let frozen_since = known.and_then(|known| known.frozen_since);
    let cells = lane.as_ref().map_or_else(Vec::new, |lane| {
        let of = Of {
            commands: &gathered.commands,
            member: &link.member,
            lane,
            suspensions: &gathered.suspensions,
        };
        cells(link, of, reasons)
    });
    let suspension = lane.as_ref();
    let suspension = suspension.and_then(|lane| gathered.suspensions.holds(&link.member, lane));
    let state = State::from(state(link, facts, suspension.is_some()));
    let is_watched = is_expected_in_sync(link.mode, frozen_since.is_some(), suspension.is_some());
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
        sources: link.sources.clone(),
        conflict: link.conflict,
        mode: link.mode,
        state,
        stale: is_watched && !is_done(state) && is_stale(facts, known, gathered),
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
        fault: link.fault.clone(),
    }
}

/// True if nothing is to be done.
fn is_done(state: State) -> bool {
    matches!(state, State::InSync | State::LeftAlone)
}

/// The state of the link, as the producer tells it. For a producer of an earlier release it follows from what
/// the producer says of each product, and from the lane.
fn state(link: &LinkStandings, facts: &LaneFacts, is_suspended: bool) -> SyncState {
    if let Some(state) = link.state {
        return state;
    }
    let has = |state: SyncState| link.whys.iter().any(|why| why.state() == state);
    let left_alone = link.whys.iter().filter_map(|why| match why {
        Why::LeftAlone { reason, .. } => Some(*reason),
        _ => None,
    });
    let invalid = (!link.invalid.is_empty()).then_some(PlanReason::InvalidId);
    let facts = LinkFacts {
        is_unreachable: link.fault.is_some(),
        is_held: !link.held_for.is_empty(),
        is_suspended,
        is_blocked: facts.state.phase == Phase::Blocked,
        is_quarantined: has(SyncState::Quarantined),
        is_planned: has(SyncState::Planned) || has(SyncState::Suspended) || has(SyncState::Blocked),
        is_underway: has(SyncState::Underway) || facts.open > 0,
        left_alone: left_alone.chain(invalid).collect(),
    };
    facts.state()
}

/// The rule by which the producer announces it.
fn is_stale(facts: &LaneFacts, known: Option<&LinkState>, gathered: &Gathered) -> bool {
    let watched = known.and_then(|known| known.notices.since);
    let since = watched.or(facts.state.last_in_sync);
    let (hours, now) = (gathered.stale_after_hours, gathered.now);
    since.is_some_and(|since| stale_since(&facts.state, since, hours, now).is_some())
}

fn cells(link: &LinkStandings, of: Of<'_>, reasons: &mut Reasons) -> Vec<Differing> {
    let cell = |differing: &Differing| {
        let answer = WhyAnswer {
            product: differing.product.clone(),
            desired: None,
            standing: Some(differing.standing),
            wanted: Some(differing.wanted),
            why: link.whys.get(differing.why)?.clone(),
            listed_by: Vec::new(),
            edited_since: differing.edited_since,
            edited_unseen: false,
        };
        Some(Differing {
            why: reasons.place(reason(&answer, of)),
            ..differing.clone()
        })
    };
    link.differing.iter().filter_map(cell).collect()
}
