//! What a world is made of: organizations, experiences, products, links; and how rough it is. All by
//! the seed.

use std::fmt::Write as _;

use jiff::Timestamp;
use pmp_sync_domain::guard::GuardName;
use pmp_sync_domain::ids::{AccountId, ExperienceId, InstallationId, LaneId, ProductId};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::RequestBounds;
use pmp_sync_domain::sources::Conflict;

use super::rng::Rng;
use crate::reference::likelihood;
use pmp_sync_fakes::World;

/// 2026-01-01T00:00:00Z, when every world begins, in Unix milliseconds.
const BEGIN: i64 = 1_767_225_600_000;
/// A minute and an hour in milliseconds.
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The bounds of the world's workers: small, so that there is no room in many worlds.
pub(crate) const MOST_REQUESTS: RequestBounds = RequestBounds { open: 3, kept: 8 };

/// The installation of the world's workers.
pub(crate) fn installation() -> InstallationId {
    InstallationId::of_ledger("the ledger of the world")
}

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
    pub(crate) fn new(mut rng: Rng) -> Self {
        let big = rng.of("big").once_in(8);
        let calm = rng.of("calm").once_in(6);
        let longest = if rng.of("long-change-sets").once_in(4) {
            240
        } else {
            40
        };
        let duration = rng.of("duration").between(2, longest);
        let approved = !rng.of("approved").once_in(3);
        if calm {
            return Self {
                big,
                calm,
                pace: 8,
                duplicate: 3,
                reorder: 30,
                lose_events: if rng.of("all-events-lost").once_in(3) {
                    100
                } else {
                    10
                },
                events: rng.of("events").count(0, 2),
                duration: duration.min(60),
                patience: 120,
                until: HOUR * rng.of("hours").between(1, 3),
                healed: true,
                management_fixed: true,
                approved,
                ..Self::default()
            };
        }
        let mut choose = |name, from: &[u64]| rng.of(name).pick(from).copied().unwrap_or_default();
        let mut rate = |name| choose(name, &[0, 500, 2_000, 10_000, 25_000]);
        let (refuse, lose, crash, slow) = (
            rate("refuse"),
            rate("lose") / 2,
            rate("crash") / 2,
            rate("slow"),
        );
        let mut share = |name| choose(name, &[0, 0, 1, 3, 10]);
        let (duplicate, delay, cancel, forget) = (
            share("duplicate"),
            share("delay"),
            share("cancel"),
            share("forget") / 2,
        );
        let reorder = choose("reorder", &[0, 30, 100]);
        let lose_events = choose("lose-events", &[0, 10, 50, 100]);
        let most_bad = if big { 6 } else { 3 };
        let bad = rng.of("bad-products").count(1, most_bad);
        let bad = if rng.of("bad").once_in(3) { bad } else { 0 };
        let erosion = rng.of("erosion").once_in(32);
        let until = if erosion {
            rng.of("long-until").between(26 * HOUR, 48 * HOUR)
        } else {
            rng.of("until").between(20 * MINUTE, 3 * HOUR)
        };
        Self {
            big,
            calm,
            refuse,
            lose,
            crash,
            slow,
            pace: *rng.of("pace").pick(&[5, 20, 50]).unwrap_or(&50),
            duplicate,
            delay,
            reorder,
            lose_events,
            cancel,
            forget,
            bad,
            unattributed: rng.of("unattributed").once_in(5),
            ruled: rng.of("ruled").once_in(4),
            stays: rng.of("stays").once_in(3),
            events: rng.of("events").count(2, 24),
            duration,
            patience: *rng.of("patience").pick(&[120, 120, 60, 52]).unwrap_or(&120),
            until,
            healed: rng.of("healed").once_in(2),
            management_fixed: !rng.of("management-fixed").once_in(4),
            approved,
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
    /// Other management experiences that it follows as well.
    pub(crate) others: Vec<usize>,
    pub(crate) conflict: Conflict,
    pub(crate) member: usize,
    /// Nothing for `*`.
    pub(crate) experience: Option<usize>,
    pub(crate) mode: Mode,
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
    /// The first so many of them are each the first of a link; the others come in addition.
    bases: usize,
    pub(crate) members: Vec<MemberScene>,
    pub(crate) products: Vec<ProductId>,
    pub(crate) links: Vec<LinkScene>,
    /// After how many hours a link is stale.
    pub(crate) stale_after_hours: i64,
    /// How many people it takes to approve.
    pub(crate) people: usize,
}

fn random_mode(rng: &mut Rng) -> Mode {
    let mode = rng.pick_by(&Mode::ALL, |mode| likelihood(*mode));
    mode.copied().unwrap_or_default()
}

const MEMBERS: [(&str, &str); 3] = [
    ("emea", "222222222222"),
    ("apac", "333333333333"),
    ("amer", "444444444444"),
];

/// True if links may be exempt from the guard: without the others nothing that is restored would stay so.
fn may_be_exempt(guard: GuardName) -> bool {
    match guard {
        GuardName::ManagementEmpty
        | GuardName::ManagementNoPolicy
        | GuardName::ManagementDisabled
        | GuardName::ManagementArchived
        | GuardName::Removals
        | GuardName::MostRemovals
        | GuardName::Shrink => true,
        // Links are exempt from the last by a draw of its own.
        GuardName::Restored | GuardName::FirstPolicy | GuardName::FirstMirror => false,
    }
}

/// The guard of a link: as it comes, wide open, or tight for lists of a few products.
fn random_guard(mut rng: Rng) -> String {
    let is_exempt = rng.of("exempt").once_in(8);
    let exempt = rng
        .of("exemption")
        .pick_by(&GuardName::ALL, |guard| u64::from(may_be_exempt(*guard)));
    let exempt = exempt.filter(|_| is_exempt);
    let may_begin = !rng.of("first-mirror").once_in(4);
    let exempt: Vec<_> = exempt
        .copied()
        .into_iter()
        .chain(may_begin.then_some(GuardName::FirstMirror))
        .map(|name| format!("\"{name}\""))
        .collect();
    let exempt = format!("exempt = [{}]", exempt.join(", "));
    match rng.of("kind").below(4) {
        0 => format!("guard = {{ {exempt} }}\n"),
        1 => format!(
            "guard = {{ {exempt}, removals = 5000, short_list_removals = 5000, most_removals = 5000, shrink_percent = 100 }}\n"
        ),
        _ => format!(
            "guard = {{ {exempt}, short_list_removals = {}, short_list_percent = {}, removals = {}, removals_percent = {}, most_removals = {}, shrink_percent = {} }}\n",
            rng.of("short-list-removals").below(5),
            rng.of("short-list-percent")
                .pick(&[0, 25, 60, 100])
                .copied()
                .unwrap_or_default(),
            rng.of("removals").below(4),
            rng.of("removals-percent")
                .pick(&[0, 5, 20, 50])
                .copied()
                .unwrap_or_default(),
            rng.of("most-removals").between(1, 8),
            rng.of("shrink-percent")
                .pick(&[10, 50, 100])
                .copied()
                .unwrap_or_default(),
        ),
    }
}

impl Scene {
    /// Makes the experiences and their lists in `world`. Nothing if an id is not valid, which none is.
    pub(crate) fn new(world: &World, profile: &Profile, mut rng: Rng) -> Option<Self> {
        let account = AccountId::new("111111111111").ok()?;
        let pool = if profile.big {
            rng.of("many-products").count(60, 130)
        } else {
            rng.of("products").count(3, 12)
        };
        let products: Vec<_> = (0..pool)
            .filter_map(|number| ProductId::new(format!("prod-{number:03}")).ok())
            .collect();
        let bases = rng.of("management").count(1, 2);
        let regional = usize::from(rng.of("regional-list").once_in(3));
        let management: Vec<_> = (0..bases + regional)
            .filter_map(|number| ExperienceId::new(format!("exp-m{number}")).ok())
            .collect();
        let mut scene = Self {
            account,
            management,
            bases,
            members: Vec::new(),
            products,
            links: Vec::new(),
            stale_after_hours: rng.of("stale-after").between(1, 8),
            people: if rng.of("two-people").once_in(4) {
                2
            } else {
                1
            },
        };
        for id in scene.management.clone() {
            let policy = scene.random_policy(rng.next("management-lists"));
            world.experiences(|experiences| experiences.add(&scene.account, &id, policy));
        }
        for (name, account) in MEMBERS.iter().take(rng.of("members").count(1, 3)) {
            let mut rng = rng.next("member");
            let account = AccountId::new(*account).ok()?;
            world.open_member(&account, "external");
            let first = account.as_str().get(..1)?.to_owned();
            let experiences: Vec<_> = (0..rng.of("experiences").count(1, 2))
                .filter_map(|number| ExperienceId::new(format!("exp-{first}x{number}")).ok())
                .collect();
            for id in &experiences {
                let policy = scene.random_policy(rng.next("lists"));
                world.experiences(|all| all.add(&account, id, policy));
            }
            let place = scene.members.len();
            scene.random_links(place, experiences.len(), &mut rng);
            scene.members.push(MemberScene {
                name,
                account,
                experiences,
            });
        }
        Some(scene)
    }

    /// Lists at random, with one allowed product at least.
    pub(crate) fn random_policy(&self, mut rng: Rng) -> PolicySnapshot {
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        let (allow, deny) = (rng.of("allow").below(101), rng.of("deny").below(101));
        for product in &self.products {
            let (is_allowed, is_denied) = (
                rng.of("allowed").percent(allow),
                rng.of("denied").percent(deny),
            );
            if is_allowed {
                allowed.push(product.clone());
            } else if is_denied {
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

    /// The links of a member with so many experiences.
    fn random_links(&mut self, member: usize, experiences: usize, rng: &mut Rng) {
        let star = rng.of("star").once_in(3);
        for experience in 0..experiences {
            let to_star = rng.of("to-star").once_in(2) && star;
            let without = rng.of("without-link").once_in(12);
            let link = rng.next("link");
            if !to_star && !without {
                self.add_link(member, Some(experience), link);
            }
        }
        if star {
            self.add_link(member, None, rng.next("star-link"));
        }
    }

    fn add_link(&mut self, member: usize, experience: Option<usize>, mut rng: Rng) {
        let few = |rng: &mut Rng| -> Vec<ProductId> {
            let some = rng.of("some").once_in(3);
            let is_in = |rng: &mut Rng| rng.of("product").once_in(8) && some;
            let chosen = self.products.iter().filter(|_| is_in(rng));
            chosen.cloned().collect()
        };
        let management = self.random_base(rng.of("management"));
        let (others, conflict) = self.random_others(management, rng.next("others"));
        self.links.push(LinkScene {
            management,
            others,
            conflict,
            member,
            experience,
            mode: random_mode(rng.of("mode")),
            protect: few(rng.of("protect")),
            exclude: few(rng.of("exclude")),
            freeze: rng.of("freeze").once_in(12),
            guard: random_guard(rng.next("guard")),
        });
    }

    /// The first management experience of a link.
    fn random_base(&self, rng: &mut Rng) -> usize {
        rng.count(0, self.bases.saturating_sub(1))
    }

    /// What a link follows besides, and its rule for conflicts.
    fn random_others(&self, management: usize, mut rng: Rng) -> (Vec<usize>, Conflict) {
        let has_others = rng.of("several").once_in(2);
        let conflict = *rng
            .of("conflict")
            .pick(&Conflict::ALL)
            .unwrap_or(&Conflict::Deny);
        let mut others: Vec<_> = (0..self.management.len())
            .filter(|place| *place != management && has_others)
            .collect();
        rng.of("order").shuffle(&mut others);
        if rng.of("one-other").once_in(2) {
            others.truncate(1);
        }
        (others, conflict)
    }

    /// Changes the links somehow.
    pub(crate) fn change_links(&mut self, mut rng: Rng) {
        let place = rng.of("link").count(0, self.links.len().saturating_sub(1));
        if rng.of("people").once_in(8) {
            self.people = 3 - self.people;
        }
        match rng.of("change").below(6) {
            0 if !self.links.is_empty() => {
                self.links.remove(place);
            }
            1 => {
                let management = self.random_base(rng.of("management"));
                let (others, conflict) = self.random_others(management, rng.next("others"));
                if let Some(link) = self.links.get_mut(place) {
                    link.mode = random_mode(rng.of("mode"));
                    link.management = management;
                    (link.others, link.conflict) = (others, conflict);
                }
            }
            2 => {
                if let Some(link) = self.links.get_mut(place) {
                    link.freeze = !link.freeze;
                }
            }
            3 => {
                if let Some(link) = self.links.get_mut(place) {
                    link.guard = random_guard(rng.next("guard"));
                }
            }
            _ => {
                let last = self.members.len().saturating_sub(1);
                let member = rng.of("member").count(0, last);
                let count = self.members.get(member).map_or(0, |m| m.experiences.len());
                let experience = rng.of("experience").count(0, count);
                let experience = (experience < count).then_some(experience);
                let same =
                    |link: &LinkScene| (link.member, link.experience) == (member, experience);
                if !self.links.iter().any(same) {
                    self.add_link(member, experience, rng.next("new-link"));
                }
            }
        }
    }

    /// The configuration's text.
    pub(crate) fn config(&self) -> String {
        let mut text = format!(
            "schema = 1\n[notify]\nstale_after_hours = {}\n[approval]\npeople = {}\n",
            self.stale_after_hours, self.people
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
            let places = std::iter::once(&link.management).chain(&link.others);
            let ids = places.filter_map(|place| self.management.get(*place));
            let ids: Vec<_> = ids.map(|id| format!("\"{id}\"")).collect();
            let Some(member) = self.members.get(link.member) else {
                continue;
            };
            let follows = match ids.as_slice() {
                [only] => format!("management_experience = {only}"),
                several => format!(
                    "management_experiences = [{}]\nconflict = \"{}\"",
                    several.join(", "),
                    link.conflict
                ),
            };
            let experience = link
                .experience
                .and_then(|place| member.experiences.get(place));
            let _ = write!(
                text,
                "[[link]]\n{follows}\nmember = \"{}\"\nmember_experience = \"{}\"\nmode = \"{}\"\nprotect = [{}]\nexclude = [{}]\nfreeze = {}\n{}",
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
