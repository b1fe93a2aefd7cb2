//! What a world is made of: organizations, experiences, products, links; and how rough it is. All by
//! the seed.

use std::fmt::Write as _;

use jiff::Timestamp;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;

use super::rng::Rng;
use pmp_sync_fakes::World;

/// 2026-01-01T00:00:00Z, when every world begins, in Unix milliseconds.
const BEGIN: i64 = 1_767_225_600_000;
/// A minute and an hour in milliseconds.
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The moment that is so many milliseconds after the beginning.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGIN + millis).unwrap_or(Timestamp::MAX)
}

/// The milliseconds from the beginning to a moment.
pub(crate) fn since_begin(moment: Timestamp) -> i64 {
    moment.as_millisecond() - BEGIN
}

/// What goes wrong in a world, and how often.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent traits, each drawn by itself"
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    /// Many products, so that batching matters.
    pub(crate) big: bool,
    /// Nothing goes wrong, and lists change only while every lane rests.
    pub(crate) calm: bool,
    /// Of a million calls.
    pub(crate) refuse: u64,
    pub(crate) lose: u64,
    /// Of a million steps.
    pub(crate) crash: u64,
    pub(crate) slow: u64,
    /// The longest that a call takes otherwise, in milliseconds.
    pub(crate) pace: i64,
    /// Of a hundred messages.
    pub(crate) duplicate: u64,
    pub(crate) delay: u64,
    /// Of a hundred batches.
    pub(crate) reorder: u64,
    /// Of a hundred events.
    pub(crate) lose_events: u64,
    /// Of a hundred change sets.
    pub(crate) cancel: u64,
    pub(crate) forget: u64,
    /// Products that cannot be changed.
    pub(crate) bad: usize,
    /// The service does not say which change of a change set failed.
    pub(crate) unattributed: bool,
    /// Members set rules of their own.
    pub(crate) ruled: bool,
    /// They leave some of them for good.
    pub(crate) stays: bool,
    /// Things that happen besides the schedule.
    pub(crate) events: usize,
    /// How long a change set takes, in seconds.
    pub(crate) duration: i64,
    /// How long the producer may take, in seconds.
    pub(crate) patience: i64,
    /// When everything is repaired, in milliseconds.
    pub(crate) until: i64,
    /// What was bad is good then.
    pub(crate) healed: bool,
    /// What is odd about management experiences is repaired then.
    pub(crate) management_fixed: bool,
    /// What is held then is approved; otherwise it stays held.
    pub(crate) approved: bool,
    /// A long world, in which a management list loses a product every hour.
    pub(crate) erosion: bool,
}

impl Profile {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let big = rng.once_in(8);
        let calm = rng.once_in(6);
        let longest = if rng.once_in(4) { 240 } else { 40 };
        let duration = rng.between(2, longest);
        if calm {
            return Self {
                big,
                calm,
                pace: 8,
                duplicate: 3,
                reorder: 30,
                lose_events: if rng.once_in(3) { 100 } else { 10 },
                events: rng.count(0, 2),
                duration: duration.min(60),
                patience: 120,
                until: HOUR * rng.between(1, 3),
                healed: true,
                management_fixed: true,
                approved: !rng.once_in(3),
                ..Self::default()
            };
        }
        let rate = |rng: &mut Rng| *rng.pick(&[0, 500, 2_000, 10_000, 25_000]).unwrap_or(&0);
        let share = |rng: &mut Rng| *rng.pick(&[0, 0, 1, 3, 10]).unwrap_or(&0);
        let bad = if rng.once_in(3) {
            rng.count(1, if big { 6 } else { 3 })
        } else {
            0
        };
        let erosion = rng.once_in(32);
        let until = if erosion {
            rng.between(26 * HOUR, 48 * HOUR)
        } else {
            rng.between(20 * MINUTE, 3 * HOUR)
        };
        Self {
            big,
            calm,
            refuse: rate(rng),
            lose: rate(rng) / 2,
            crash: rate(rng) / 2,
            slow: rate(rng),
            pace: *rng.pick(&[5, 20, 50]).unwrap_or(&50),
            duplicate: share(rng),
            delay: share(rng),
            reorder: *rng.pick(&[0, 30, 100]).unwrap_or(&0),
            lose_events: *rng.pick(&[0, 10, 50, 100]).unwrap_or(&0),
            cancel: share(rng),
            forget: share(rng) / 2,
            bad,
            unattributed: rng.once_in(5),
            ruled: rng.once_in(4),
            stays: rng.once_in(3),
            events: rng.count(2, 24),
            duration,
            patience: *rng.pick(&[120, 120, 60]).unwrap_or(&120),
            until,
            healed: rng.once_in(2),
            management_fixed: !rng.once_in(4),
            approved: !rng.once_in(3),
            erosion,
        }
    }
}

/// A member organization.
#[derive(Debug, Clone)]
pub(crate) struct MemberScene {
    pub(crate) name: &'static str,
    pub(crate) account: AccountId,
    pub(crate) experiences: Vec<ExperienceId>,
}

/// A link as it stands in the configuration's text.
#[derive(Debug, Clone)]
pub(crate) struct LinkScene {
    pub(crate) management: usize,
    pub(crate) member: usize,
    /// Nothing for `*`.
    pub(crate) experience: Option<usize>,
    pub(crate) mode: &'static str,
    pub(crate) protect: Vec<ProductId>,
    pub(crate) exclude: Vec<ProductId>,
    pub(crate) freeze: bool,
    /// Limits and exemptions, as they stand in the text; nothing where there are none of its own.
    pub(crate) guard: String,
}

/// What a world is made of.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) account: AccountId,
    pub(crate) management: Vec<ExperienceId>,
    pub(crate) members: Vec<MemberScene>,
    pub(crate) products: Vec<ProductId>,
    pub(crate) links: Vec<LinkScene>,
    /// After how many hours a link is stale.
    pub(crate) stale_after_hours: i64,
}

const MODES: [&str; 6] = [
    "mirror", "mirror", "mirror", "mirror", "additive", "observe",
];
const MEMBERS: [(&str, &str); 3] = [
    ("emea", "222222222222"),
    ("apac", "333333333333"),
    ("amer", "444444444444"),
];

const EXEMPTIONS: [&str; 7] = [
    "management-empty",
    "management-no-policy",
    "management-disabled",
    "management-archived",
    "removals",
    "most-removals",
    "shrink",
];

/// The guard of a link: as it comes, wide open, or tight for lists of a few products.
fn random_guard(rng: &mut Rng) -> String {
    let exempt = if rng.once_in(8) {
        rng.pick(&EXEMPTIONS).copied()
    } else {
        None
    };
    let exempt = exempt.map_or(String::new(), |name| format!("exempt = [\"{name}\"], "));
    match rng.below(4) {
        0 if exempt.is_empty() => String::new(),
        0 | 1 => format!(
            "guard = {{ {exempt}removals = 5000, most_removals = 5000, shrink_percent = 100 }}\n"
        ),
        _ => format!(
            "guard = {{ {exempt}removals = {}, removals_percent = {}, most_removals = {}, shrink_percent = {} }}\n",
            rng.below(4),
            rng.pick(&[0, 5, 20, 50]).copied().unwrap_or_default(),
            rng.between(1, 8),
            rng.pick(&[10, 50, 100]).copied().unwrap_or_default(),
        ),
    }
}

impl Scene {
    /// Makes the experiences and their lists in `world`. Nothing if an id is not valid, which none is.
    pub(crate) fn new(world: &World, profile: &Profile, rng: &mut Rng) -> Option<Self> {
        let account = AccountId::new("111111111111").ok()?;
        let pool = if profile.big {
            rng.count(60, 130)
        } else {
            rng.count(3, 12)
        };
        let products: Vec<_> = (0..pool)
            .filter_map(|number| ProductId::new(format!("prod-{number:03}")).ok())
            .collect();
        let management: Vec<_> = (0..rng.count(1, 2))
            .filter_map(|number| ExperienceId::new(format!("exp-m{number}")).ok())
            .collect();
        let mut scene = Self {
            account,
            management,
            members: Vec::new(),
            products,
            links: Vec::new(),
            stale_after_hours: 24,
        };
        for id in scene.management.clone() {
            let policy = scene.random_policy(rng);
            world.experiences(|experiences| experiences.add(&scene.account, &id, policy));
        }
        for (name, account) in MEMBERS.iter().take(rng.count(1, 3)) {
            let account = AccountId::new(*account).ok()?;
            world.open_member(&account, "external");
            let first = account.as_str().get(..1)?.to_owned();
            let experiences: Vec<_> = (0..rng.count(1, 2))
                .filter_map(|number| ExperienceId::new(format!("exp-{first}x{number}")).ok())
                .collect();
            for id in &experiences {
                let policy = scene.random_policy(rng);
                world.experiences(|all| all.add(&account, id, policy));
            }
            scene.members.push(MemberScene {
                name,
                account,
                experiences,
            });
        }
        scene.random_links(rng);
        Some(scene)
    }

    /// Lists at random, with one allowed product at least.
    pub(crate) fn random_policy(&self, rng: &mut Rng) -> PolicySnapshot {
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        let (allow, deny) = (rng.below(101), rng.below(101));
        for product in &self.products {
            if rng.percent(allow) {
                allowed.push(product.clone());
            } else if rng.percent(deny) {
                denied.push(product.clone());
            }
        }
        if allowed.is_empty() {
            let first = self.products.first().cloned();
            denied.retain(|product| Some(product) != first.as_ref());
            allowed.extend(first);
        }
        PolicySnapshot::new(allowed, denied)
    }

    fn random_links(&mut self, rng: &mut Rng) {
        for member in 0..self.members.len() {
            let count = self.members.get(member).map_or(0, |m| m.experiences.len());
            let star = rng.once_in(3);
            for experience in 0..count {
                let to_star = star && rng.once_in(2);
                if !to_star && !rng.once_in(12) {
                    self.add_link(member, Some(experience), rng);
                }
            }
            if star {
                self.add_link(member, None, rng);
            }
        }
    }

    pub(crate) fn add_link(&mut self, member: usize, experience: Option<usize>, rng: &mut Rng) {
        let few = |rng: &mut Rng| -> Vec<ProductId> {
            let some = rng.once_in(3);
            let chosen = self.products.iter().filter(|_| some && rng.once_in(8));
            chosen.cloned().collect()
        };
        let (protect, exclude) = (few(rng), few(rng));
        let freeze = rng.once_in(12);
        let guard = random_guard(rng);
        self.links.push(LinkScene {
            management: rng.count(0, self.management.len().saturating_sub(1)),
            member,
            experience,
            mode: rng.pick(&MODES).copied().unwrap_or("mirror"),
            protect,
            exclude,
            freeze,
            guard,
        });
    }

    /// Changes the links somehow.
    pub(crate) fn change_links(&mut self, rng: &mut Rng) {
        let place = rng.count(0, self.links.len().saturating_sub(1));
        match rng.below(6) {
            0 if !self.links.is_empty() => {
                self.links.remove(place);
            }
            1 => {
                if let Some(link) = self.links.get_mut(place) {
                    link.mode = rng.pick(&MODES).copied().unwrap_or("mirror");
                    link.management = rng.count(0, self.management.len().saturating_sub(1));
                }
            }
            2 => {
                if let Some(link) = self.links.get_mut(place) {
                    link.freeze = !link.freeze;
                }
            }
            3 => {
                if let Some(link) = self.links.get_mut(place) {
                    link.guard = random_guard(rng);
                }
            }
            _ => {
                let member = rng.count(0, self.members.len().saturating_sub(1));
                let count = self.members.get(member).map_or(0, |m| m.experiences.len());
                let experience = rng.count(0, count);
                let experience = (experience < count).then_some(experience);
                let same =
                    |link: &LinkScene| (link.member, link.experience) == (member, experience);
                if !self.links.iter().any(same) {
                    self.add_link(member, experience, rng);
                }
            }
        }
    }

    /// The configuration's text.
    pub(crate) fn config(&self) -> String {
        let mut text = format!(
            "schema = 1\n[notify]\nstale_after_hours = {}\n",
            self.stale_after_hours
        );
        for member in &self.members {
            let _ = write!(
                text,
                "[[member]]\nname = \"{}\"\naccount = \"{}\"\nexternal_id = \"external\"\n",
                member.name, member.account
            );
        }
        let list = |products: &[ProductId]| {
            let quoted: Vec<_> = products.iter().map(|id| format!("\"{id}\"")).collect();
            quoted.join(", ")
        };
        for link in &self.links {
            let (Some(management), Some(member)) = (
                self.management.get(link.management),
                self.members.get(link.member),
            ) else {
                continue;
            };
            let experience = link
                .experience
                .and_then(|place| member.experiences.get(place));
            let _ = write!(
                text,
                "[[link]]\nmanagement_experience = \"{management}\"\nmember = \"{}\"\nmember_experience = \"{}\"\nmode = \"{}\"\nprotect = [{}]\nexclude = [{}]\nfreeze = {}\n{}",
                member.name,
                experience.map_or("*", ExperienceId::as_str),
                link.mode,
                list(&link.protect),
                list(&link.exclude),
                link.freeze,
                link.guard,
            );
        }
        text
    }

    /// The lanes that there can be, each with the place of its member.
    pub(crate) fn lanes(&self) -> Vec<(LaneId, usize)> {
        let mut lanes = Vec::new();
        for (place, member) in self.members.iter().enumerate() {
            for experience in &member.experiences {
                let lane = LaneId {
                    account: member.account.clone(),
                    experience: experience.clone(),
                };
                lanes.push((lane, place));
            }
        }
        lanes
    }
}
