//! The configuration as written in the text, key by key. The JSON Schema for editors and
//! docs/config.md are generated from these types, so users read these comments.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

#[cfg(feature = "schema")]
use crate::guard::{GuardName, MOST_LIMIT};
#[cfg(feature = "schema")]
use crate::ids::{AccountId, ExperienceId, ExternalId, MemberName, ProductId};
use crate::link::{LiveCheck, Mode};
#[cfg(feature = "schema")]
use crate::link::{MOST_STALE_AFTER_HOURS, STALE_AFTER_HOURS};
use crate::sources::Conflict;
#[cfg(feature = "schema")]
use crate::sources::MOST_SOURCES;

/// The configuration of pmp-sync: member organizations, and which of their experiences follow which
/// management experience.
#[derive(serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawConfig {
    /// The schema number of this file: 1.
    #[cfg_attr(feature = "schema", schemars(with = "u32", extend("const" = 1)))]
    pub(super) schema: Spanned<u32>,
    /// If true, nothing is changed anywhere, and differences are reported.
    #[serde(default)]
    pub(super) freeze: bool,
    /// How much a plan may remove without approval, for links without limits of their own. A
    /// removal is a deny of a product that the member allows. Removals of the last 24 hours count.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawLimits", extend("default" = {})))]
    pub(super) guard: Table<RawLimits>,
    /// How what a guard holds is approved.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawApproval", extend("default" = {})))]
    pub(super) approval: Table<RawApproval>,
    /// What is announced on the event bus, and when.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawNotify", extend("default" = {})))]
    pub(super) notify: Table<RawNotify>,
    /// The member organizations.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<RawMember>"))]
    pub(super) member: Vec<Table<RawMember>>,
    /// Which member experiences follow which management experiences. A member experience is in one link,
    /// and none that follows is followed.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<RawLink>"))]
    pub(super) link: Vec<Spanned<Table<RawLink>>>,
}

/// How what is held is approved.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawApproval {
    /// How many people it takes to approve what a guard holds, or a rollback. With 2, the approval of one executes
    /// nothing until a second, different principal approves the same. Sessions of one role count as one
    /// person, except those of IAM Identity Center.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(min = 1, max = 2), extend("default" = 1)))]
    pub(super) people: Option<Spanned<usize>>,
}

/// What is announced, and when.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawNotify {
    /// Hours after which a link that is not in sync is announced as stale.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "u32", range(min = 1, max = MOST_STALE_AFTER_HOURS), extend("default" = STALE_AFTER_HOURS)))]
    pub(super) stale_after_hours: Option<Spanned<usize>>,
}

/// Limits that are set. Others keep their default.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawLimits {
    /// More removals than this hold a plan if they are also at least `removals_percent` of the
    /// member's list.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT), extend("default" = 10)))]
    pub(super) removals: Option<Spanned<usize>>,
    /// The percentage of the member's list for `removals`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100), extend("default" = 5)))]
    pub(super) removals_percent: Option<Spanned<usize>>,
    /// The limit for short lists, where 10 products are many. More removals than this hold a plan if
    /// they are also at least `short_list_percent` of the member's list.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT), extend("default" = 3)))]
    pub(super) short_list_removals: Option<Spanned<usize>>,
    /// The percentage of the member's list for `short_list_removals`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100), extend("default" = 25)))]
    pub(super) short_list_percent: Option<Spanned<usize>>,
    /// More removals than this hold a plan, however long the list.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT), extend("default" = 50)))]
    pub(super) most_removals: Option<Spanned<usize>>,
    /// A plan is held if the management list lost at least this percentage since the link was last
    /// planned for.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100), extend("default" = 50)))]
    pub(super) shrink_percent: Option<Spanned<usize>>,
}

/// Limits of a link, and guards from which it is exempt.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawGuard {
    /// As in `[guard]`, for this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT)))]
    pub(super) removals: Option<Spanned<usize>>,
    /// As in `[guard]`, for this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100)))]
    pub(super) removals_percent: Option<Spanned<usize>>,
    /// As in `[guard]`, for this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT)))]
    pub(super) short_list_removals: Option<Spanned<usize>>,
    /// As in `[guard]`, for this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100)))]
    pub(super) short_list_percent: Option<Spanned<usize>>,
    /// As in `[guard]`, for this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = MOST_LIMIT)))]
    pub(super) most_removals: Option<Spanned<usize>>,
    /// As in `[guard]`, for this link.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "usize", range(max = 100)))]
    pub(super) shrink_percent: Option<Spanned<usize>>,
    /// The names of the guards from which this link is exempt.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<GuardName>"))]
    pub(super) exempt: Vec<Spanned<String>>,
}

/// A member organization.
#[derive(serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawMember {
    /// The member's name in commands and reports.
    #[cfg_attr(feature = "schema", schemars(with = "MemberName"))]
    pub(super) name: Spanned<String>,
    /// The delegated-administrator account of the organization, where the worker runs. Each member
    /// has another account.
    #[cfg_attr(feature = "schema", schemars(with = "AccountId"))]
    pub(super) account: Spanned<String>,
    /// The external id that the roles in that account require: the parameter `ExternalId` of both
    /// of the member's stacks.
    #[cfg_attr(feature = "schema", schemars(with = "ExternalId"))]
    pub(super) external_id: Spanned<String>,
    /// The ARN of the role that the producer assumes there, if it is not the one that the stack
    /// member-access creates.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^arn:.*:role/"))
    )]
    pub(super) role: Option<Spanned<String>>,
    /// The URL of the member's changes queue, if it is not the one that its stack creates.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^https?://"))
    )]
    pub(super) queue: Option<Spanned<String>>,
}

/// Management experiences that member experiences follow.
#[derive(serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawLink {
    /// The management experience that is followed. A link has this key or `management_experiences`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "ExperienceId"))]
    pub(super) management_experience: Option<Spanned<String>>,
    /// Several management experiences that are followed together, such as a base list and a regional
    /// one: the member allows what any of them allows. If one cannot be read, nothing is planned.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Vec<ExperienceId>", length(min = 1, max = MOST_SOURCES), extend("uniqueItems" = true))
    )]
    pub(super) management_experiences: Option<Spanned<Vec<Spanned<String>>>>,
    /// What applies to a product that one of `management_experiences` allows and another denies.
    #[serde(default)]
    pub(super) conflict: Conflict,
    /// The name of a member.
    #[cfg_attr(feature = "schema", schemars(with = "MemberName"))]
    pub(super) member: Spanned<String>,
    /// The member experience that follows, or `*`: every live experience of the member that no link
    /// names, and that no link follows.
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
    /// If true, this link changes nothing, and differences are reported.
    #[serde(default)]
    pub(super) freeze: bool,
    /// Limits of this link, and guards from which it is exempt.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "RawGuard", extend("default" = {})))]
    pub(super) guard: Table<RawGuard>,
    /// What happens if AWS Marketplace does not list a product, or cannot be asked for it, before it is
    /// allowed for the first time. A product that is sold by private offer may not be listed.
    #[serde(default)]
    pub(super) live_check: LiveCheck,
}

/// A table of the text. serde alone would also accept a list of the values.
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
