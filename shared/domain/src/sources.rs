//! The management experiences that a link follows, and what applies where their lists differ. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, InvalidId, ProductId};
pub use crate::policy::Conflict;
use crate::policy::{PolicySnapshot, Standing};

/// The most management experiences that one link follows.
pub const MOST_SOURCES: usize = 10;

/// The management experiences that a link follows: one or several, each once, in the order of the
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Sources {
    first: ExperienceId,
    others: Vec<ExperienceId>,
}

/// The fields in which sources are stored and shown, among those of the item. A reader of one
/// management experience finds the first.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Fields {
    /// The management experience that it follows. The first, if it follows several.
    management_experience: ExperienceId,
    /// All management experiences that it follows, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    management_experiences: Vec<ExperienceId>,
}

/// A list of management experiences is not one that a link can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSources {
    /// It is empty.
    #[error("no management experience is listed; list at least one")]
    Empty,
    /// One is in it twice.
    #[error("{0} is listed twice")]
    Duplicate(ExperienceId),
    /// There are too many.
    #[error("{0} management experiences are listed; a link follows at most {MOST_SOURCES}")]
    TooMany(usize),
    /// The first one of a stored item is not the first of its list.
    #[error("{0} is not the first management experience of the list")]
    Order(ExperienceId),
    /// A text is not an id.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl Sources {
    /// Creates the sources of a link.
    pub fn new(ids: impl IntoIterator<Item = ExperienceId>) -> Result<Self, InvalidSources> {
        let mut ids = ids.into_iter();
        let first = ids.next().ok_or(InvalidSources::Empty)?;
        let others: Vec<_> = ids.collect();
        if others.len() >= MOST_SOURCES {
            return Err(InvalidSources::TooMany(others.len() + 1));
        }
        let mut known = BTreeSet::from([&first]);
        if let Some(twice) = others.iter().find(|id| !known.insert(id)) {
            return Err(InvalidSources::Duplicate(twice.clone()));
        }
        Ok(Self { first, others })
    }

    /// The first of them.
    pub fn first(&self) -> &ExperienceId {
        &self.first
    }

    /// The last of them. Lists go from the general to the particular, such as a base list before a
    /// regional one: what a person allows for one member belongs on the last.
    pub fn last(&self) -> &ExperienceId {
        self.others.last().unwrap_or(&self.first)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ExperienceId> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// True if there is more than one.
    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// True if this is one of them.
    pub fn contains(&self, experience: &ExperienceId) -> bool {
        self.iter().any(|id| id == experience)
    }

    /// All of them if they are several. Empty if there is one.
    pub fn several(&self) -> Vec<ExperienceId> {
        if self.are_several() {
            self.iter().cloned().collect()
        } else {
            Vec::new()
        }
    }
}

impl From<ExperienceId> for Sources {
    fn from(first: ExperienceId) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }
}

impl From<Sources> for Fields {
    fn from(sources: Sources) -> Self {
        Self {
            management_experiences: sources.several(),
            management_experience: sources.first,
        }
    }
}

impl TryFrom<Fields> for Sources {
    type Error = InvalidSources;

    fn try_from(fields: Fields) -> Result<Self, InvalidSources> {
        let first = fields.management_experience;
        if fields.management_experiences.is_empty() {
            return Ok(first.into());
        }
        let sources = Self::new(fields.management_experiences)?;
        if sources.first == first {
            Ok(sources)
        } else {
            Err(InvalidSources::Order(first))
        }
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.iter().map(ExperienceId::as_str).collect();
        f.pad(&ids.join(", "))
    }
}

impl FromStr for Sources {
    type Err = InvalidSources;

    fn from_str(text: &str) -> Result<Self, InvalidSources> {
        let ids = text.split(',').map(|id| ExperienceId::new(id.trim()));
        Self::new(ids.collect::<Result<Vec<_>, _>>()?)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Sources {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sources".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Fields::json_schema(generator)
    }
}

/// The lists of one of several management experiences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLists {
    /// The management experience.
    pub experience: ExperienceId,
    /// Its lists.
    pub policy: Arc<PolicySnapshot>,
}

/// What one of several management experiences says of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceStanding {
    /// The management experience.
    pub experience: ExperienceId,
    /// The standing of the product there: allowed or denied.
    pub standing: Standing,
}

/// The management experiences that list a product, and how.
pub fn listed_by(sources: &[SourceLists], product: &ProductId) -> Vec<SourceStanding> {
    let standings = sources.iter().map(|source| SourceStanding {
        experience: source.experience.clone(),
        standing: source.policy.standing(product),
    });
    standings
        .filter(|one| one.standing != Standing::Unlisted)
        .collect()
}

/// The products that one management experience allows and another denies.
pub fn conflicting(sources: &[SourceLists]) -> BTreeSet<ProductId> {
    let denied: BTreeSet<_> = sources.iter().flat_map(|of| of.policy.denied()).collect();
    let allowed = sources.iter().flat_map(|of| of.policy.allowed());
    allowed
        .filter(|product| denied.contains(product))
        .cloned()
        .collect()
}

/// The most groups of products by their sources that are listed.
pub const MOST_ORIGINS: usize = 200;

/// Products that the same management experiences list in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Origin {
    /// The management experiences that allow them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_by: Vec<ExperienceId>,
    /// The management experiences that deny them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied_by: Vec<ExperienceId>,
    /// The products, ordered by id.
    pub products: Vec<ProductId>,
}

impl Origin {
    /// Who lists them, in words.
    pub fn words(&self) -> String {
        words(&self.allowed_by, &self.denied_by)
    }
}

/// Who lists a product, in words.
pub fn in_words(listed: &[SourceStanding]) -> String {
    let of = |standing| -> Vec<_> {
        let these = listed.iter().filter(|one| one.standing == standing);
        these.map(|one| one.experience.clone()).collect()
    };
    words(&of(Standing::Allowed), &of(Standing::Denied))
}

fn words(allowed_by: &[ExperienceId], denied_by: &[ExperienceId]) -> String {
    let by = |ids: &[ExperienceId]| {
        let ids: Vec<_> = ids.iter().map(ExperienceId::as_str).collect();
        ids.join(", ")
    };
    match (allowed_by, denied_by) {
        ([], []) => "listed by none".to_owned(),
        (allowed_by, []) => format!("allowed by {}", by(allowed_by)),
        ([], denied_by) => format!("denied by {}", by(denied_by)),
        (allowed_by, denied_by) => format!(
            "allowed by {} and denied by {}",
            by(allowed_by),
            by(denied_by)
        ),
    }
}

/// Groups products by the management experiences that list them, and counts the products of the groups beyond [`MOST_ORIGINS`], the
/// smallest. Empty if the link follows one.
pub fn origins<'a>(
    sources: &[SourceLists],
    products: impl IntoIterator<Item = &'a ProductId>,
) -> (Vec<Origin>, usize) {
    if sources.is_empty() {
        return (Vec::new(), 0);
    }
    let products: BTreeSet<_> = products.into_iter().collect();
    let mut groups: BTreeMap<Vec<Standing>, Vec<ProductId>> = BTreeMap::new();
    for product in products {
        let standings = sources.iter().map(|of| of.policy.standing(product));
        let group = groups.entry(standings.collect()).or_default();
        group.push(product.clone());
    }
    let origin = |(standings, products): (Vec<Standing>, Vec<ProductId>)| {
        let by = |standing| {
            let these = sources.iter().zip(&standings);
            let these = these.filter(|(_, of)| **of == standing);
            these.map(|(of, _)| of.experience.clone()).collect()
        };
        Origin {
            allowed_by: by(Standing::Allowed),
            denied_by: by(Standing::Denied),
            products,
        }
    };
    let mut groups: Vec<_> = groups.into_iter().map(origin).collect();
    if groups.len() <= MOST_ORIGINS {
        return (groups, 0);
    }
    groups.sort_by_key(|group| Reverse(group.products.len()));
    let beyond = groups.split_off(MOST_ORIGINS);
    (
        groups,
        beyond.iter().map(|group| group.products.len()).sum(),
    )
}

#[cfg(test)]
mod tests;
