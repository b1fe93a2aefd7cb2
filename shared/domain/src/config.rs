//! The configuration: one TOML text, validated as a whole. Every problem is reported with its line
//! and column. A text with a problem yields no configuration.

pub mod difference;
mod raw;
mod tolerant;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use toml::Spanned;

use self::raw::{RawConfig, RawGuard, RawLimits, RawLink, RawMember, Table};
use crate::approval::People;
use crate::follows::{self, FollowPath};
use crate::guard::limits::{Guard, GuardName, MOST_LIMIT};
use crate::ids::{AccountId, ExperienceId, ExternalId, InvalidId, MemberName, ProductId};
use crate::link::{Link, LinkPolicy, MOST_STALE_AFTER_HOURS, Member, STALE_AFTER_HOURS, Target};
use crate::sources::{InvalidSources, Sources};
use crate::text::beginning;

/// The largest text that is accepted, in bytes: it is stored in one ledger item of at most 400 KB.
pub const MOST_BYTES: usize = 350_000;

/// The most problems of a text that are listed. Others are counted.
pub const MOST_PROBLEMS: usize = 50;

/// The most bytes of the message of a problem, which may quote the text.
const MOST_MESSAGE: usize = 500;

/// A valid configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The member organizations, by name.
    pub members: BTreeMap<MemberName, Member>,
    /// The links, in the order of the text.
    pub links: Vec<Link>,
    /// How many people it takes to approve what is held.
    pub people: People,
}

/// One thing that is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// A configuration is not valid. Contains the first problems that were found, and counts the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not valid: {}", self.list())]
pub struct InvalidConfig {
    /// The first problems, in the order of the text.
    pub problems: Vec<Problem>,
    /// The number of problems beyond those that are listed.
    pub beyond: usize,
}

impl InvalidConfig {
    /// One problem.
    pub fn one(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            beyond: 0,
        }
    }

    /// The number of problems.
    pub fn count(&self) -> usize {
        self.problems.len() + self.beyond
    }

    fn list(&self) -> String {
        let problems = self.problems.iter().map(Problem::to_string);
        let more = (self.beyond > 0).then(|| format!("and {} more", self.beyond));
        problems.chain(more).collect::<Vec<_>>().join("; ")
    }
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<(usize, Problem)>,
}

impl Reader<'_> {
    fn problem(&mut self, span: &Range<usize>, message: impl Into<String>) {
        // A value that stands for a missing one is none of the text.
        if span.start > self.text.len() {
            return;
        }
        let problem = at(self.text, span.start, &message.into());
        self.problems.push((span.start, problem));
    }

    /// The problems, each place and message once, in the order of the text.
    fn invalid(mut self) -> InvalidConfig {
        self.problems.sort_by_key(|(offset, _)| *offset);
        let mut problems: Vec<_> = self.problems.into_iter().map(|(_, one)| one).collect();
        problems.dedup();
        let beyond = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        InvalidConfig { problems, beyond }
    }

    fn id<T>(
        &mut self,
        raw: &Spanned<String>,
        read: impl Fn(&str) -> Result<T, InvalidId>,
    ) -> Option<T> {
        match read(raw.get_ref()) {
            Ok(id) => Some(id),
            Err(error) => {
                self.problem(&raw.span(), error.to_string());
                None
            }
        }
    }

    fn number(&mut self, raw: Option<&Spanned<usize>>, most: usize, to: &mut usize) {
        let Some(raw) = raw else { return };
        if *raw.get_ref() > most {
            let message = format!("{} is more than {most}", raw.get_ref());
            self.problem(&raw.span(), message);
        }
        *to = *raw.get_ref();
    }

    fn stale_after_hours(&mut self, raw: Option<&Spanned<usize>>) -> u32 {
        let Some(raw) = raw else {
            return STALE_AFTER_HOURS;
        };
        let hours = u32::try_from(*raw.get_ref()).unwrap_or(u32::MAX);
        if !(1..=MOST_STALE_AFTER_HOURS).contains(&hours) {
            let message =
                format!("{hours} is not a number of hours from 1 to {MOST_STALE_AFTER_HOURS}");
            self.problem(&raw.span(), message);
        }
        hours
    }

    fn people(&mut self, raw: Option<&Spanned<usize>>) -> People {
        let Some(raw) = raw else {
            return People::default();
        };
        People::of(*raw.get_ref()).unwrap_or_else(|| {
            let message = format!("{} is not a number of people from 1 to 2", raw.get_ref());
            self.problem(&raw.span(), message);
            People::default()
        })
    }

    fn limits(&mut self, raw: &RawLimits, mut guard: Guard) -> Guard {
        let limits = &mut guard.limits;
        self.number(raw.removals.as_ref(), MOST_LIMIT, &mut limits.removals);
        self.number(
            raw.removals_percent.as_ref(),
            100,
            &mut limits.removals_percent,
        );
        self.number(
            raw.short_list_removals.as_ref(),
            MOST_LIMIT,
            &mut limits.short_list_removals,
        );
        self.number(
            raw.short_list_percent.as_ref(),
            100,
            &mut limits.short_list_percent,
        );
        self.number(
            raw.most_removals.as_ref(),
            MOST_LIMIT,
            &mut limits.most_removals,
        );
        self.number(raw.shrink_percent.as_ref(), 100, &mut limits.shrink_percent);
        guard
    }

    fn guard(&mut self, raw: &RawGuard, all: &Guard) -> Guard {
        let limits = RawLimits {
            removals: raw.removals.clone(),
            removals_percent: raw.removals_percent.clone(),
            short_list_removals: raw.short_list_removals.clone(),
            short_list_percent: raw.short_list_percent.clone(),
            most_removals: raw.most_removals.clone(),
            shrink_percent: raw.shrink_percent.clone(),
        };
        let mut guard = self.limits(&limits, all.clone());
        for raw in &raw.exempt {
            match raw.get_ref().parse::<GuardName>() {
                Ok(name) => {
                    guard.exempt.insert(name);
                }
                Err(unknown) => self.problem(&raw.span(), unknown.to_string()),
            }
        }
        guard
    }

    /// The management experiences of a link. `place` is that of the link.
    fn sources(&mut self, raw: &RawLink, place: &Range<usize>) -> Option<Sources> {
        let (list, one) = (&raw.management_experiences, &raw.management_experience);
        let list = match (one, list) {
            (Some(one), None) => {
                return self
                    .id(one, |text| ExperienceId::new(text))
                    .map(Sources::from);
            }
            (None, Some(list)) => list,
            (Some(_), Some(list)) => {
                let message =
                    "a link has management_experience or management_experiences, not both";
                self.problem(&list.span(), message);
                return None;
            }
            (None, None) => {
                self.problem(place, "`management_experience` is missing");
                return None;
            }
        };
        let ids = list.get_ref().iter();
        let ids: Vec<_> = ids
            .map(|raw| (raw, self.id(raw, |text| ExperienceId::new(text))))
            .collect();
        let places: Vec<_> = ids.iter().map(|(raw, _)| raw.span()).collect();
        let ids: Option<Vec<_>> = ids.into_iter().map(|(_, id)| id).collect();
        let ids = ids?;
        match Sources::new(ids.iter().cloned()) {
            Ok(sources) => Some(sources),
            Err(error) => {
                let twice = match &error {
                    InvalidSources::Duplicate(twice) => ids.iter().rposition(|id| id == twice),
                    _ => None,
                };
                let span = twice.and_then(|place| places.get(place).cloned());
                self.problem(&span.unwrap_or_else(|| list.span()), error.to_string());
                None
            }
        }
    }

    fn products(&mut self, raw: &[Spanned<String>]) -> BTreeSet<ProductId> {
        raw.iter()
            .filter_map(|raw| self.id(raw, |text| ProductId::new(text)))
            .collect()
    }
}

fn at(text: &str, offset: usize, message: &str) -> Problem {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Problem {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        message: beginning(message, MOST_MESSAGE).to_owned(),
    }
}

/// The JSON Schema of the text, for editors. [`Config::parse`] finds what a schema cannot express,
/// such as two members with the same account.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    // Editors show the description of a key only if there is no reference beside it.
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<RawConfig>();
    crate::schema::tidy(&mut schema);
    schema.insert("title".to_owned(), "pmp-sync".into());
    schema
}

/// Finds the first position in a text that is not UTF-8.
pub fn not_utf8(bytes: &[u8]) -> Option<Problem> {
    let error = std::str::from_utf8(bytes).err()?;
    let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let before = std::str::from_utf8(before).unwrap_or_default();
    let message = "the configuration is not valid UTF-8";
    Some(at(before, before.len(), message))
}

impl Config {
    /// Parses and validates a configuration.
    pub fn parse(text: &str) -> Result<Self, InvalidConfig> {
        if text.len() > MOST_BYTES {
            let message = format!("{} bytes exceed the limit of {MOST_BYTES}", text.len());
            return Err(InvalidConfig::one(at(text, 0, &message)));
        }
        let tolerant = tolerant::read(text);
        let mut reader = Reader {
            text,
            problems: Vec::new(),
        };
        for (span, message) in &tolerant.problems {
            reader.problem(span, message.as_str());
        }
        let Some(raw) = tolerant.raw else {
            return Err(reader.invalid());
        };
        if *raw.schema.get_ref() != crate::SCHEMA {
            let message = format!(
                "schema {} is not known; this release reads schema 1",
                raw.schema.get_ref()
            );
            reader.problem(&raw.schema.span(), message);
        }
        let members = read_members(&mut reader, &raw.member);
        let guard = reader.limits(&raw.guard, Guard::default());
        let people = reader.people(raw.approval.people.as_ref());
        let are_all = !tolerant.hides_members;
        let links = read_links(&mut reader, &raw, &guard, &members, are_all);
        if !reader.problems.is_empty() {
            return Err(reader.invalid());
        }
        let members = members
            .into_iter()
            .filter_map(|(name, member)| Some((name, member?)))
            .collect();
        Ok(Self {
            members,
            links,
            people,
        })
    }

    /// True if `*` may cover the experience: no link of any member names it, and none follows it.
    pub fn is_free(&self, experience: &ExperienceId) -> bool {
        !self.is_followed(experience) && !self.is_named(experience)
    }

    /// The path to the experience and on from it, if `*` of this link leaves it out because of a link
    /// that follows it, or of another member's link that names it.
    pub fn left_out_of(&self, star: &Link, experience: &ExperienceId) -> Option<FollowPath> {
        let names = |link: &&Link| link.target == Target::One(experience.clone());
        let named = self.links.iter().find(names);
        let from = if self.is_followed(experience) {
            star.sources.first()
        } else {
            let other = named.filter(|link| link.member.name != star.member.name)?;
            other.sources.first()
        };
        Some(FollowPath::new(&self.links, from, experience))
    }

    /// True if a link of any member names the experience.
    pub fn is_named(&self, experience: &ExperienceId) -> bool {
        let mut targets = self.links.iter().map(|link| &link.target);
        targets.any(|target| matches!(target, Target::One(one) if one == experience))
    }

    /// True if it is a management experience of a link.
    pub fn is_followed(&self, experience: &ExperienceId) -> bool {
        let mut links = self.links.iter();
        links.any(|link| link.sources.contains(experience))
    }
}

/// Keeps every name in the text, even of a member that is not valid, so that its links are not
/// reported as well.
fn read_members(
    reader: &mut Reader<'_>,
    raw: &[Table<RawMember>],
) -> BTreeMap<MemberName, Option<Member>> {
    let mut members = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for raw in raw {
        let name = reader.id(&raw.name, |text| MemberName::new(text));
        let account = reader.id(&raw.account, |text| AccountId::new(text));
        let external_id = reader.id(&raw.external_id, |text| ExternalId::new(text));
        if let Some(role) = &raw.role
            && !(role.get_ref().starts_with("arn:") && role.get_ref().contains(":role/"))
        {
            reader.problem(
                &role.span(),
                format!("{:?} is not the ARN of a role", role.get_ref()),
            );
        }
        if let Some(queue) = &raw.queue
            && !(queue.get_ref().starts_with("https://") || queue.get_ref().starts_with("http://"))
        {
            reader.problem(
                &queue.span(),
                format!("{:?} is not the URL of a queue", queue.get_ref()),
            );
        }
        if let (Some(account), Some(name)) = (&account, &name)
            && let Some(other) = accounts.insert(account.clone(), name.clone())
            && other != *name
        {
            reader.problem(
                &raw.account.span(),
                format!("account {account} is already that of member {other:?}"),
            );
        }
        let Some(name) = name else { continue };
        let member = account
            .zip(external_id)
            .map(|(account, external_id)| Member {
                name: name.clone(),
                account,
                external_id,
                role: raw.role.as_ref().map(|role| role.get_ref().clone()),
                queue: raw.queue.as_ref().map(|queue| queue.get_ref().clone()),
            });
        if members.insert(name.clone(), member).is_some() {
            reader.problem(
                &raw.name.span(),
                format!("there is already a member {name}"),
            );
        }
    }
    members
}

fn read_links(
    reader: &mut Reader<'_>,
    config: &RawConfig,
    guard: &Guard,
    members: &BTreeMap<MemberName, Option<Member>>,
    are_all: bool,
) -> Vec<Link> {
    let stale_after_hours = reader.stale_after_hours(config.notify.stale_after_hours.as_ref());
    let mut links = Vec::new();
    let mut places = Vec::new();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for raw in &config.link {
        let (place, raw) = (raw.span(), raw.get_ref());
        let guard = reader.guard(&raw.guard, guard);
        let sources = reader.sources(raw, &place);
        let target = match raw.member_experience.get_ref().as_str() {
            "*" => Some(Target::EveryLive),
            _ => reader
                .id(&raw.member_experience, |text| ExperienceId::new(text))
                .map(Target::One),
        };
        let policy = LinkPolicy {
            mode: raw.mode,
            protect: reader.products(&raw.protect),
            exclude: reader.products(&raw.exclude),
            frozen: config.freeze || raw.freeze,
        };
        let Some(name) = reader.id(&raw.member, |text| MemberName::new(text)) else {
            continue;
        };
        let Some(member) = members.get(&name) else {
            // It may be where the text is broken.
            if !are_all {
                continue;
            }
            reader.problem(
                &raw.member.span(),
                format!("there is no member {name}; add a [[member]] of that name"),
            );
            continue;
        };
        if let Some(target) = &target {
            // An experience is of one member. `*` is of each.
            let claim = match target {
                Target::One(experience) => experience.to_string(),
                Target::EveryLive => format!("{name} *"),
            };
            let this = match &sources {
                Some(sources) => format!("{sources} -> {target} of {name}"),
                None => format!("{target} of {name}"),
            };
            if let Some(other) = taken.get(&claim) {
                let message = format!(
                    "{claim} is in another link already, {other}; a member experience is in one link, which can list several management_experiences, and is of one member"
                );
                reader.problem(&raw.member_experience.span(), message);
            } else {
                taken.insert(claim, this);
            }
        }
        if let (Some(sources), Some(target), Some(member)) = (sources, target, member) {
            if matches!(&target, Target::One(one) if sources.contains(one)) {
                let message = format!("{target} cannot follow itself");
                reader.problem(&raw.member_experience.span(), message);
            }
            places.push(raw.member_experience.span());
            links.push(Link {
                sources,
                conflict: raw.conflict,
                member: member.clone(),
                target,
                policy,
                guard,
                live_check: raw.live_check,
                stale_after_hours,
            });
        }
    }
    for (place, path) in follows::chains(&links) {
        let (Some(span), Some(link)) = (places.get(place), links.get(place)) else {
            continue;
        };
        let message = format!(
            "{} cannot follow another experience and be followed: {path}",
            link.target
        );
        reader.problem(span, message);
    }
    links
}

#[cfg(test)]
mod tests;
