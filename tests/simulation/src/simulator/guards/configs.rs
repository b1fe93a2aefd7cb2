//! What the configurations say of a lane: the link that serves it, and what that link wants by what was read last.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::config::Config;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::guard::GuardName;
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::link::{Link, LinkPolicy, Target};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::wire::Scope;
use pmp_sync_fakes::{Observed, World};

use crate::reference::{common, difference, either, forbids, left_to_do, oddities_of, wanted};

/// The link that serves a lane: one that names it goes before `*`.
pub(crate) fn link_of<'a>(config: &'a Config, lane: &LaneId) -> Option<&'a Link> {
    let of_member = || {
        let links = config.links.iter();
        links.filter(|link| link.member.account == lane.account)
    };
    of_member()
        .find(|link| link.target == Target::One(lane.experience.clone()))
        .or_else(|| of_member().find(|link| link.target == Target::EveryLive))
}

/// Every configuration that was read, by its version.
pub(crate) type Configs = BTreeMap<u64, Config>;

/// The configuration of a version.
pub(crate) fn config<'a>(
    configs: &'a mut Configs,
    world: &World,
    version: u64,
) -> Option<&'a Config> {
    if let Entry::Vacant(missing) = configs.entry(version) {
        let place = usize::try_from(version).ok()?.checked_sub(1)?;
        let text = world.ledger(|ledger| ledger.configs.get(place).cloned())?;
        missing.insert(Config::parse(&text).ok()?);
    }
    configs.get(&version)
}

/// The version that a run goes by.
pub(crate) fn version_of(world: &World, run: RunId) -> Option<u64> {
    world.ledger(|ledger| ledger.runs.get(&run).map(|run| run.config_version))
}

/// How many people it takes to approve by the configuration of a run.
pub(crate) fn people_of(configs: &mut Configs, world: &World, run: RunId) -> usize {
    let version = version_of(world, run).unwrap_or_default();
    let config = config(configs, world, version);
    config.map_or(1, |config| config.people.count())
}

/// True if a link serves the lane. `*` serves live experiences.
pub(crate) fn is_served(configs: &mut Configs, world: &World, id: &LaneId) -> bool {
    let version = world.ledger(|ledger| ledger.configs.len() as u64);
    let link = config(configs, world, version).and_then(|config| link_of(config, id));
    // The experience may have become live again since the producer read it.
    let is_live = || {
        world.experiences(|all| {
            let read = all.observed(&id.experience);
            let is_live = |of: Option<&Experience>| of.is_some_and(Experience::is_live);
            is_live(all.experience(&id.experience)) && is_live(read.map(|read| &read.experience))
        })
    };
    link.is_some_and(|link| link.target != Target::EveryLive || is_live())
}

/// True if a configuration at any time exempts the lane from the guard: a run keeps the configuration with
/// which it began.
pub(crate) fn is_exempt(
    configs: &mut Configs,
    world: &World,
    id: &LaneId,
    name: GuardName,
) -> bool {
    let versions = world.ledger(|ledger| ledger.configs.len() as u64);
    (1..=versions).any(|version| {
        let link = config(configs, world, version).and_then(|config| link_of(config, id));
        link.is_some_and(|link| link.guard.exempt.contains(&name))
    })
}

/// True if the run overrides the freeze of the link.
pub(crate) fn is_overridden(
    overrides: &BTreeMap<String, Scope>,
    world: &World,
    run: RunId,
    link: &Link,
    experience: &ExperienceId,
) -> bool {
    world.ledger(|ledger| {
        let requests = ledger.runs.get(&run).into_iter().flat_map(|r| &r.requests);
        let mut ids = requests.filter_map(|request| request.id.as_ref());
        ids.any(|id| {
            let scope = overrides.get(id);
            scope.is_some_and(|scope| scope.covers(&link.member.name, experience))
        })
    })
}

/// What a link wants of a lane by what was read last. If the configuration has changed since the newest run began, only what is so by
/// both versions is certain.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What differs and may be changed, for certain.
    pub(crate) certain: Plan,
    /// The same if no link were frozen.
    pub(crate) thawed: Plan,
    /// What differs by any version, whether or not the link may change it. None if that is not known.
    pub(crate) differs: Option<Plan>,
    /// True if the link is frozen, for certain.
    pub(crate) frozen: bool,
    /// True unless nothing is the matter with any management experience, for certain.
    pub(crate) doubted: bool,
    /// What the member allows.
    pub(crate) allowed: BTreeSet<ProductId>,
    /// The most products that the management experiences want allowed.
    pub(crate) listed: usize,
    /// The percentage of their list that they may lose, the highest one. None if the link is exempt from that guard.
    pub(crate) shrink_percent: Option<usize>,
}

/// What the links want of a lane. Nothing is certain if something was not read, or no link serves the lane.
pub(crate) fn wanted_of(
    configs: &mut Configs,
    world: &World,
    id: &LaneId,
    run: Option<RunId>,
) -> Wanted {
    let unknown = || Wanted {
        doubted: true,
        ..Wanted::default()
    };
    let newest = world.ledger(|ledger| {
        let is_readable = ledger.newer.is_empty();
        let newest = ledger.runs.values().next_back();
        let newest = newest.map(|run| run.config_version);
        is_readable.then_some((newest, ledger.configs.len() as u64))
    });
    let Some((newest, latest)) = newest else {
        return unknown();
    };
    let of_run = run.and_then(|run| version_of(world, run));
    let versions: BTreeSet<_> = newest
        .into_iter()
        .chain(of_run)
        .chain([latest])
        .filter(|version| *version > 0)
        .collect();
    let mut whole: Option<Wanted> = None;
    for version in versions {
        let link = config(configs, world, version).and_then(|config| link_of(config, id));
        let Some(one) = link.and_then(|link| by(world, link, id)) else {
            return unknown();
        };
        whole = Some(match whole {
            None => one,
            Some(other) => Wanted {
                certain: common(&one.certain, &other.certain),
                thawed: common(&one.thawed, &other.thawed),
                differs: one
                    .differs
                    .zip(other.differs)
                    .map(|(one, other)| either(&one, &other)),
                frozen: one.frozen && other.frozen,
                doubted: one.doubted || other.doubted,
                allowed: one.allowed,
                listed: one.listed.max(other.listed),
                shrink_percent: one
                    .shrink_percent
                    .zip(other.shrink_percent)
                    .map(|(one, other)| one.max(other)),
            },
        });
    }
    let mut whole = whole.unwrap_or_else(unknown);
    let kept = kept_back(world, id, &whole.thawed);
    whole.certain = whole.certain.without(&kept);
    whole.thawed = whole.thawed.without(&kept);
    whole
}

fn by(world: &World, link: &Link, id: &LaneId) -> Option<Wanted> {
    let (read, member) = world.experiences(|all| {
        let read = link.sources.iter();
        let read = read.map(|of| Some((of.clone(), all.observed(of)?.clone())));
        let read: Option<Vec<(ExperienceId, Observed)>> = read.collect();
        Some((read?, all.observed(&id.experience)?.clone()))
    })?;
    let lists: Vec<PolicySnapshot> = read.iter().map(|(_, of)| of.policy.clone()).collect();
    let desired = wanted(&lists, link.conflict);
    if link.target == Target::EveryLive && !member.experience.is_live() {
        return None;
    }
    let thawed = LinkPolicy {
        frozen: false,
        ..link.policy.clone()
    };
    Some(Wanted {
        certain: left_to_do(&desired, &member.policy, &link.policy),
        thawed: left_to_do(&desired, &member.policy, &thawed),
        differs: Some(difference(&desired, &member.policy)),
        frozen: link.policy.frozen,
        doubted: !oddities_of(&read, link.conflict).is_empty(),
        allowed: member.policy.allowed().clone(),
        listed: desired.allowed().len(),
        shrink_percent: (!link.guard.exempt.contains(&GuardName::Shrink))
            .then_some(link.guard.limits.shrink_percent),
    })
}

/// Products that are quarantined, or that the member's mark forbids to change so.
fn kept_back(world: &World, id: &LaneId, plan: &Plan) -> BTreeSet<ProductId> {
    world.ledger(|ledger| {
        let items = ledger.items.iter().filter(|((lane, _), _)| lane == id);
        let quarantined = items.filter(|(_, item)| item.quarantined.is_some());
        let quarantined = quarantined.map(|((_, product), _)| product.clone());
        let mark = ledger.lanes.get(id).and_then(|state| state.member.as_ref());
        let forbidden = plan
            .changes()
            .filter(|change| mark.is_some_and(|rules| forbids(rules, change.action)));
        quarantined
            .chain(forbidden.map(|change| change.product))
            .collect()
    })
}
