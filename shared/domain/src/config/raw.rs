//! The configuration as it stands in the text, key by key. The JSON Schema for editors and
//! docs/config.md are made of this; what is said of a key here, users read there.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

#[cfg(feature = "schema")]
use super::{MOST_STALE_AFTER_HOURS, STALE_AFTER_HOURS};
#[cfg(feature = "schema")]
use crate::guard::{GuardName, MOST_LIMIT};
#[cfg(feature = "schema")]
use crate::ids::{AccountId, ExperienceId, ExternalId, MemberName, ProductId};
use crate::link::Mode;
use crate::live::LiveCheck;

/// The configuration of pmp-sync: member organizations, and which of their experiences follow which
/// management experience.
#[derive(serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawConfig {
    /// The shape of this file: 1.
    #[cfg_attr(feature = "schema", schemars(with = "u32", extend("const" = 1)))]
    pub(super) schema: Spanned<u32>,
    /// Nothing is changed anywhere while it is true; differences are reported.
    #[serde(default)]
    pub(super) freeze: bool,
    /// How much a plan may take away without approval, where a link has no other limits. A removal
    /// is a deny of a product that the member allows; those of the last 24 hours count.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawLimits", extend("default" = {})))]
    pub(super) guard: Table<RawLimits>,
    /// What is announced on the event bus, and when.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawNotify", extend("default" = {})))]
    pub(super) notify: Table<RawNotify>,
    /// The member organizations.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<RawMember>"))]
    pub(super) member: Vec<Table<RawMember>>,
    /// Which member experiences follow which management experience.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<RawLink>"))]
    pub(super) link: Vec<Table<RawLink>>,
}

/// What is announced, and when.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawNotify {
    /// After how many hours a link that is not in sync is announced as stale.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "u32", range(min = 1, max = MOST_STALE_AFTER_HOURS), extend("default" = STALE_AFTER_HOURS)))]
    pub(super) stale_after_hours: Option<Spanned<usize>>,
}

/// The limits that are set; the others are as they are elsewhere.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawLimits {
    /// Removals that are always let through, unless `most_removals` is lower.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT), extend("default" = 10)))]
    pub(super) removals: Option<Spanned<usize>>,
    /// The percentage of the member's list that more of them must not exceed.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100), extend("default" = 5)))]
    pub(super) removals_percent: Option<Spanned<usize>>,
    /// Removals that are never exceeded, however long the list.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT), extend("default" = 50)))]
    pub(super) most_removals: Option<Spanned<usize>>,
    /// The percentage by which the management list may be shorter than when the link was last planned for.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100), extend("default" = 50)))]
    pub(super) shrink_percent: Option<Spanned<usize>>,
}

/// The same of a link, which may be exempt from some by name.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawGuard {
    /// As in `[guard]`, of this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT)))]
    pub(super) removals: Option<Spanned<usize>>,
    /// As in `[guard]`, of this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100)))]
    pub(super) removals_percent: Option<Spanned<usize>>,
    /// As in `[guard]`, of this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT)))]
    pub(super) most_removals: Option<Spanned<usize>>,
    /// As in `[guard]`, of this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100)))]
    pub(super) shrink_percent: Option<Spanned<usize>>,
    /// The guards that this link is exempt from, by their names.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<GuardName>"))]
    pub(super) exempt: Vec<Spanned<String>>,
}

/// A member organization.
#[derive(serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawMember {
    /// Its name in commands and reports.
    #[cfg_attr(feature = "schema", schemars(with = "MemberName"))]
    pub(super) name: Spanned<String>,
    /// The delegated-administrator account of the organization, where the worker runs. Each member has
    /// its own.
    #[cfg_attr(feature = "schema", schemars(with = "AccountId"))]
    pub(super) account: Spanned<String>,
    /// What the roles in that account ask for: the parameter `ExternalId` of both of the member's stacks.
    #[cfg_attr(feature = "schema", schemars(with = "ExternalId"))]
    pub(super) external_id: Spanned<String>,
    /// The ARN of the role that the producer assumes there, if it is not the one that the stack
    /// member-access makes.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^arn:.*:role/"))
    )]
    pub(super) role: Option<Spanned<String>>,
    /// The URL of the member's changes queue, if it is not the one that its stack makes.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^https?://"))
    )]
    pub(super) queue: Option<Spanned<String>>,
}

/// One management experience that is kept on member experiences.
#[derive(serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawLink {
    /// The experience that is mirrored.
    #[cfg_attr(feature = "schema", schemars(with = "ExperienceId"))]
    pub(super) management_experience: Spanned<String>,
    /// The name of a member.
    #[cfg_attr(feature = "schema", schemars(with = "MemberName"))]
    pub(super) member: Spanned<String>,
    /// The experience that follows, or `*`: every live one of the member that no other link names.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^(\*|exp-[A-Za-z0-9-]{1,60})$"))
    )]
    pub(super) member_experience: Spanned<String>,
    /// How far the link may go.
    #[serde(default)]
    pub(super) mode: Mode,
    /// Products that are never denied.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ProductId>"))]
    pub(super) protect: Vec<Spanned<String>>,
    /// Products that are never touched.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ProductId>"))]
    pub(super) exclude: Vec<Spanned<String>>,
    /// Nothing is changed by this link while it is true; differences are reported.
    #[serde(default)]
    pub(super) freeze: bool,
    /// Its own limits, and guards that it is exempt from.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawGuard", extend("default" = {})))]
    pub(super) guard: Table<RawGuard>,
    /// What it means that AWS Marketplace cannot be asked about a product that is to be allowed for the
    /// first time. One that it certainly does not have is never allowed, unless nobody asks.
    #[serde(default)]
    pub(super) live_check: LiveCheck,
}

/// What is a table in the text. serde takes a list of the values for one as well, whoever named them.
#[derive(Default)]
pub(super) struct Table<T>(T);

impl<T> Deref for Table<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfTable<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfTable<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Table<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }

        deserializer.deserialize_map(OfTable(PhantomData))
    }
}
