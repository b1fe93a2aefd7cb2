//! Validated identifiers. Each can only be created from text in the right form, so that code which
//! has one need not check it again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod change_set_name;

pub use self::change_set_name::{CHANGE_SET_PREFIX, ChangeSetName, InstallationId, NameMark};

/// A text is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {kind}: {expected}")]
pub struct InvalidId {
    /// The kind of identifier, with its article.
    pub kind: &'static str,
    /// The text, cut to 80 characters.
    pub text: String,
    /// The accepted form, in words.
    pub expected: &'static str,
}

fn invalid(kind: &'static str, text: &str, expected: &'static str) -> InvalidId {
    InvalidId {
        kind,
        text: text.chars().take(80).collect(),
        expected,
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $pattern:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the identifier.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(invalid($kind, &text, $expected)) }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::schema::text(concat!($kind, ": ", $expected), $pattern)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn prefixed(text: &str, prefix: &str, most: usize) -> bool {
    text.len() <= most
        && text.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

id!(
    /// An AWS account: twelve digits.
    AccountId, "an account id", "twelve digits", "^[0-9]{12}$", |text| {
        text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
    }
);
id!(
    /// A Private Marketplace experience, such as `exp-4s8kd0qmw1x2y`. Without a revision (`@n`).
    ExperienceId, "an experience id", "exp- and letters or digits, at most 64 characters, without a revision",
    "^exp-[A-Za-z0-9-]{1,60}$",
    |text| prefixed(text, "exp-", 64)
);
id!(
    /// A procurement policy, such as `procpolicy-1m2n3o4p5q6r7`. Without a revision.
    PolicyId, "a procurement policy id", "procpolicy- and letters or digits, at most 255 characters, without a revision",
    "^procpolicy-[A-Za-z0-9-]{1,244}$",
    |text| prefixed(text, "procpolicy-", 255)
);
id!(
    /// A Marketplace product: a UUID, `prod-…` or `prodview-…`. The service accepts any 1 to 50
    /// characters (Catalog API shapes), so only what cannot be an id is refused: white space,
    /// quotes, commas, and `#`, the separator of the ledger.
    ProductId, "a product id", "1 to 50 visible ASCII characters without quotes, commas or #",
    r"^[!$-&(-+\--\[\]-_a-~]{1,50}$",
    |text| (1..=50).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b',' | b'#' | b'`' | b'\\'))
);
id!(
    /// A change set of the Marketplace Catalog API.
    ChangeSetId, "a change set id", "1 to 255 letters, digits, - or _",
    "^[A-Za-z0-9_-]{1,255}$",
    |text| (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
);
id!(
    /// The request of a user for a product of a private marketplace. AWS does not document its form.
    ProductRequestId, "a product request id", "1 to 100 letters, digits or -_.:",
    "^[A-Za-z0-9_.:-]{1,100}$",
    |text| (1..=100).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
);
id!(
    /// The name of a member organization in the configuration: used in commands and reports.
    MemberName, "a member name", "1 to 40 lower-case letters, digits or -, beginning with a letter",
    "^[a-z][a-z0-9-]{0,39}$",
    |text| (1..=40).contains(&text.len())
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);
id!(
    /// The external id that a cross-account role requires (`sts:ExternalId`: 2 to 1224 characters,
    /// STS `AssumeRole` reference). Treat it like a secret.
    ExternalId, "an external id", "2 to 1224 letters, digits or +=,.@:/-",
    "^[A-Za-z0-9_+=,.@:/-]{2,1224}$",
    |text| (2..=1224).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b))
);

impl ExternalId {
    /// Creates an external id from 128 random bits: 32 hexadecimal digits.
    #[must_use]
    pub fn generate(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }
}

id!(
    /// An edit of a management experience's lists: a ULID, so that later ones sort after earlier ones.
    EditId, "the id of an edit", "a ULID: 26 characters of 0-9 and A-Z without I, L, O, U",
    "^[0-7][0-9A-HJKMNP-TV-Z]{25}$",
    |text| text.parse::<RunId>().is_ok()
);

impl EditId {
    /// An id of this time. The lowest 80 bits of `random` are used.
    #[must_use]
    pub fn generate(now_ms: i64, random: u128) -> Self {
        Self(RunId::next(None, now_ms, random).to_string())
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_BITS_OF_TIME: u32 = 48;
const ULID_BITS_OF_CHANCE: u32 = 80;

/// One pass of the producer: a ULID, so that later runs sort after earlier ones, also as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(u128);

impl RunId {
    /// The number of its characters.
    pub const LENGTH: usize = 26;

    /// The run id after `last`: `max(now, last + 1)`. If a clock that steps back created an older
    /// run than one whose plans are committed, all its changes would be rejected.
    ///
    /// `now_ms` is Unix time in milliseconds. The lowest 80 bits of `random` are used.
    #[must_use]
    pub fn next(last: Option<Self>, now_ms: i64, random: u128) -> Self {
        let time = u128::from(now_ms.max(0).unsigned_abs()) & ((1 << ULID_BITS_OF_TIME) - 1);
        let fresh = (time << ULID_BITS_OF_CHANCE) | (random & ((1 << ULID_BITS_OF_CHANCE) - 1));
        match last {
            Some(Self(last)) if last >= fresh => Self(last.saturating_add(1)),
            _ => Self(fresh),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RunId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RunId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        crate::schema::text(
            "a run id: a ULID, so that later runs sort after earlier ones",
            "^[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        )
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(26);
        for digit in (0..26).rev() {
            let value = usize::try_from((self.0 >> (digit * 5)) & 31).unwrap_or_default();
            text.push(char::from(CROCKFORD.get(value).copied().unwrap_or(b'0')));
        }
        f.pad(&text)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wrong = || {
            invalid(
                "a run id",
                text,
                "a ULID: 26 characters of 0-9 and A-Z without I, L, O, U",
            )
        };
        // 26 digits have 130 bits, so the first may only be 0 to 7.
        if text.len() != Self::LENGTH || !matches!(text.as_bytes().first(), Some(b'0'..=b'7')) {
            return Err(wrong());
        }
        let mut value = 0_u128;
        for byte in text.bytes() {
            let digit = CROCKFORD
                .iter()
                .position(|c| *c == byte)
                .ok_or_else(wrong)?;
            value = (value << 5) | u128::try_from(digit).unwrap_or_default();
        }
        Ok(Self(value))
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

/// A lane: the strictly serial sequence of change sets on one member experience.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LaneId {
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.experience)
    }
}

impl fmt::Debug for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LaneId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (account, experience) = text.split_once('/').ok_or_else(|| {
            invalid(
                "a lane",
                text,
                "an account id, a slash and an experience id",
            )
        })?;
        Ok(Self {
            account: account.parse()?,
            experience: experience.parse()?,
        })
    }
}

/// The hash of a plan, by which it is approved and compared: SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct PlanHash(String);

impl PlanHash {
    /// The hash with these bytes.
    pub(crate) fn of_digest(digest: &[u8]) -> Self {
        use fmt::Write as _;
        Self(
            digest
                .iter()
                .fold(String::with_capacity(64), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                }),
        )
    }
}

/// A text is no hash of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the hash of a plan: 64 hexadecimal digits")]
pub struct InvalidHash(String);

impl FromStr for PlanHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() == 64 && digits(text) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidHash(text.to_owned()))
        }
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The three forms of product ids that the Bedrock user guide lists.
    #[test]
    fn product_ids_of_every_real_form_are_read() {
        for text in [
            "1d288c71-65f9-489a-a3e2-9c7f4f6e6a85",
            "prod-dr2vpvd4k73aq",
            "prodview-6dkgwbjhd4epk",
            "x",
        ] {
            assert_eq!(
                ProductId::new(text).map(|id| id.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["", "a b", "a,b", "a#b", "\"a\"", "é", &"x".repeat(51)] {
            assert!(ProductId::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_the_form_that_would_do() {
        let error = ExperienceId::new("exp-abc@3").unwrap_err().to_string();
        assert!(
            error.contains("exp-abc@3") && error.contains("without a revision"),
            "{error}"
        );
        assert!(AccountId::new("12345678901").is_err());
        assert!(AccountId::new("12345678901x").is_err());
        assert!(ExperienceId::new("exp-").is_err());
        assert!(PolicyId::new("exp-abc").is_err());
        assert!(MemberName::new("EMEA").is_err());
        assert!(ChangeSetId::new("a/b").is_err());
    }

    #[test]
    fn a_run_follows_the_last_one_even_when_the_clock_steps_back() {
        let first = RunId::next(None, 2_000, 7);
        let second = RunId::next(Some(first), 1_000, 9);
        assert!(second > first);
        assert!(second.to_string() > first.to_string());
        assert_eq!(
            RunId::next(Some(first), 3_000, 0),
            RunId::next(None, 3_000, 0)
        );
    }

    #[test]
    fn run_ids_are_ulids() {
        // The example of the ULID specification, with its time and randomness.
        let text = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let id: RunId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert!("81ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<RunId>().is_err());
        assert!("01ARZ3NDEKTSV4RRFFQ69G5FAU".parse::<RunId>().is_err());
        assert!("".parse::<RunId>().is_err());
    }

    #[test]
    fn ids_of_edits_sort_by_time() {
        let (first, second) = (EditId::generate(1, u128::MAX), EditId::generate(2, 0));
        assert!(first < second);
        assert_eq!(EditId::new(first.as_str()), Ok(first));
        assert!(EditId::new("x").is_err());
    }

    #[test]
    fn a_run_id_is_its_time_followed_by_eighty_random_bits() {
        let id = |now_ms, random| RunId::next(None, now_ms, random).to_string();
        // 1,469,918,176,385 ms is the time of a well-known example.
        assert_eq!(id(1_469_918_176_385, 0), "01ARYZ6S410000000000000000");
        assert_eq!(id(0, 33), "00000000000000000000000011");
        assert_eq!(id(0, u128::MAX), "0000000000ZZZZZZZZZZZZZZZZ");
        assert_eq!(id(-1, 0), "00000000000000000000000000");
        assert_eq!(id((1 << 48) + 1, 0), id(1, 0));
    }

    #[test]
    fn a_plan_hash_has_sixty_four_digits() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(
            good.parse::<PlanHash>().map(|hash| hash.to_string()),
            Ok(good.clone())
        );
        for bad in [&good[1..], &format!("{good}0"), &good.replace('a', "g"), ""] {
            assert!(bad.parse::<PlanHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_with_a_prefix_has_only_letters_digits_and_dashes_and_its_length() {
        let of = |prefix: &str, length: usize| format!("{prefix}{}", "a".repeat(length));
        for (text, is_valid) in [
            (of("exp-", 60), true),
            (of("exp-", 61), false),
            ("exp-".to_owned(), false),
            ("exp-a-B9".to_owned(), true),
            ("exp-a_b".to_owned(), false),
            ("exp-\u{e9}".to_owned(), false),
            ("xexp-a".to_owned(), false),
        ] {
            assert_eq!(ExperienceId::new(text.as_str()).is_ok(), is_valid, "{text}");
        }
        assert!(PolicyId::new(of("procpolicy-", 244)).is_ok());
        assert!(PolicyId::new(of("procpolicy-", 245)).is_err());
    }

    #[test]
    fn a_run_after_another_one_is_the_next_number_unless_its_own_is_higher() {
        let run = |number: u128| RunId(number);
        let fresh = RunId::next(None, 0, 9);
        assert_eq!(fresh, run(9));
        for (last, next) in [(8, 9), (9, 10), (10, 11), (u128::MAX, u128::MAX)] {
            assert_eq!(RunId::next(Some(run(last)), 0, 9), run(next), "{last}");
        }
    }

    #[test]
    fn ids_are_shown_in_debug_output_as_they_are_written() {
        let run = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<RunId>().unwrap();
        assert_eq!(format!("{run:?}"), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let lane = "222222222222/exp-1".parse::<LaneId>().unwrap();
        assert_eq!(format!("{lane:?}"), "222222222222/exp-1");
        assert_eq!(format!("{:?}", lane.experience), "exp-1");
    }

    proptest! {
        #[test]
        fn run_ids_sort_as_text_as_they_sort_as_ids(a in 0_i64..1 << 47, b in 0_i64..1 << 47, x: u128, y: u128) {
            let (a, b) = (RunId::next(None, a, x), RunId::next(None, b, y));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.to_string().parse::<RunId>().unwrap(), a);
        }
    }
}
