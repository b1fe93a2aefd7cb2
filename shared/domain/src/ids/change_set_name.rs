//! The names of our change sets. A name is used for one intent only, in one installation, so that a
//! change set that is found by its name, or reported by an event, is that of the intent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ExperienceId, InvalidId, invalid};

/// Prefix of the name of every change set that pmp-sync starts. Events contain the name and no
/// entity, so pmp-sync recognizes its own by name (EventBridge reference of marketplacecatalog).
pub const CHANGE_SET_PREFIX: &str = "pmp-sync:";

/// The digits of installations and tokens: lower-case Crockford base 32.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const INSTALLATION_DIGITS: u32 = 5;
/// 50 bits: two intents of one lane with the same number share a token with a probability of 1e-15.
const TOKEN_DIGITS: u32 = 10;

fn digits(value: u128, count: u32) -> String {
    let digit = |place: u32| {
        let index = usize::try_from((value >> (place * 5)) & 31).unwrap_or_default();
        char::from(DIGITS.get(index).copied().unwrap_or(b'0'))
    };
    (0..count).rev().map(digit).collect()
}

fn are_digits(text: &str, count: u32) -> bool {
    text.len() == count as usize && text.bytes().all(|byte| DIGITS.contains(&byte))
}

/// An installation of pmp-sync: a digest of its ledger's name. Two installations have two ledgers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct InstallationId(String);

impl InstallationId {
    /// The installation with this ledger. `ledger` is the ARN of the table.
    pub fn of_ledger(ledger: &str) -> Self {
        let bytes: [u8; 16] = Sha256::digest(ledger.as_bytes())
            .first_chunk()
            .copied()
            .unwrap_or_default();
        Self(digits(u128::from_be_bytes(bytes), INSTALLATION_DIGITS))
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for InstallationId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        if are_digits(&text, INSTALLATION_DIGITS) {
            return Ok(Self(text));
        }
        let expected = "5 digits or lower-case letters";
        Err(invalid("an installation of pmp-sync", &text, expected))
    }
}

impl From<InstallationId> for String {
    fn from(id: InstallationId) -> Self {
        id.0
    }
}

/// What makes the name of a change set unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameMark {
    /// The installation that started it.
    pub installation: InstallationId,
    /// Random digits.
    token: String,
}

/// The name of the change set for an intent of a lane:
/// `pmp-sync:<experience>:<seq>:<installation>-<token>`. It has at most 100 characters (Catalog API
/// reference) up to intent 999,999,999 of an experience with the longest id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChangeSetName {
    /// The member experience.
    pub experience: ExperienceId,
    /// The intent's number on its lane.
    pub seq: u64,
    /// None in the short form `pmp-sync:<experience>:<seq>`, which an intent without a stored name
    /// has. It is not unique: a redeployed lane counts from 1 again.
    pub mark: Option<NameMark>,
}

impl ChangeSetName {
    /// The name for a new intent. The lowest 50 bits of `random` are used.
    pub fn new(
        experience: ExperienceId,
        seq: u64,
        installation: InstallationId,
        random: u128,
    ) -> Self {
        let mark = NameMark {
            installation,
            token: digits(random, TOKEN_DIGITS),
        };
        Self {
            experience,
            seq,
            mark: Some(mark),
        }
    }
}

impl fmt::Display for ChangeSetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CHANGE_SET_PREFIX}{}:{}", self.experience, self.seq)?;
        match &self.mark {
            Some(mark) => write!(f, ":{}-{}", mark.installation, mark.token),
            None => Ok(()),
        }
    }
}

impl FromStr for ChangeSetName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wrong = || {
            invalid(
                "a change set name of pmp-sync",
                text,
                "pmp-sync:<experience>:<seq>:<installation>-<token>",
            )
        };
        let rest = text.strip_prefix(CHANGE_SET_PREFIX).ok_or_else(wrong)?;
        let (experience, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let (seq, mark) = match rest.split_once(':') {
            Some((seq, mark)) => (seq, Some(mark)),
            None => (rest, None),
        };
        let mark = match mark {
            Some(mark) => {
                let (installation, token) = mark.split_once('-').ok_or_else(wrong)?;
                if !are_digits(token, TOKEN_DIGITS) {
                    return Err(wrong());
                }
                Some(NameMark {
                    installation: installation.to_owned().try_into().map_err(|_| wrong())?,
                    token: token.to_owned(),
                })
            }
            None => None,
        };
        let name = Self {
            experience: experience.parse().map_err(|_| wrong())?,
            seq: seq.parse().map_err(|_| wrong())?,
            mark,
        };
        // An intent has exactly one name: no sign and no zeros before the number.
        (name.to_string() == text).then_some(name).ok_or_else(wrong)
    }
}

impl TryFrom<String> for ChangeSetName {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ChangeSetName> for String {
    fn from(name: ChangeSetName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn installation(ledger: &str) -> InstallationId {
        InstallationId::of_ledger(ledger)
    }

    #[test]
    fn names_of_both_forms_are_read() {
        for text in ["pmp-sync:exp-1:12", "pmp-sync:exp-1:12:0k3f9-abcdefghjk"] {
            let name: ChangeSetName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.seq, 12);
        }
        for text in [
            "pmp-sync:exp-1:x",
            "pmp-sync:exp-1:",
            "pmp-sync:exp-1:012",
            "pmp-sync:exp-1:+12",
            "pmp-sync:thing-1:12",
            "exp-1:12",
            "by hand",
            "pmp-sync:exp-1:12:",
            "pmp-sync:exp-1:12:0k3f9",
            "pmp-sync:exp-1:12:0k3f9-short",
            "pmp-sync:exp-1:12:0k3f9-ABCDEFGHJK",
            "pmp-sync:exp-1:12:0k3fI-abcdefghjk",
            "pmp-sync:exp-1:12:0k3f9-abcdefghjk:more",
        ] {
            assert!(text.parse::<ChangeSetName>().is_err(), "{text}");
        }
    }

    /// `ChangeSetName`: 1 to 100 characters (Catalog API reference).
    #[test]
    fn the_longest_name_has_100_characters() {
        let experience = ExperienceId::new(format!("exp-{}", "x".repeat(60))).unwrap();
        let name = ChangeSetName::new(experience, 999_999_999, installation("arn"), u128::MAX);
        assert_eq!(name.to_string().len(), 100);
    }

    #[test]
    fn each_digit_of_a_token_has_its_own_five_bits() {
        let token = |random| {
            let experience = ExperienceId::new("exp-1").unwrap();
            let name = ChangeSetName::new(experience, 1, installation("arn"), random);
            let name = name.to_string();
            name.rsplit('-').next().unwrap().to_owned()
        };
        assert_eq!(token(0), "0000000000");
        assert_eq!(token(1), "0000000001");
        assert_eq!(token(31), "000000000z");
        assert_eq!(token(32), "0000000010");
        assert_eq!(token(1 << 45), "1000000000");
        assert_eq!(token(1 << 50), "0000000000");
    }

    #[test]
    fn names_and_installations_are_stored_as_their_text() {
        let text = "pmp-sync:exp-1:12:0k3f9-abcdefghjk";
        let name: ChangeSetName = text.parse().unwrap();
        assert_eq!(serde_json::to_value(&name).unwrap(), text);
        assert_eq!(
            serde_json::from_value::<ChangeSetName>(text.into()).unwrap(),
            name
        );
        let installation = name.mark.unwrap().installation;
        assert_eq!(serde_json::to_value(&installation).unwrap(), "0k3f9");
        let read = serde_json::from_value::<InstallationId>("0k3f9".into()).unwrap();
        assert_eq!(read, installation);
    }

    #[test]
    fn two_ledgers_are_two_installations() {
        let of = |account: &str| {
            installation(&format!(
                "arn:aws:dynamodb:us-east-1:{account}:table/pmp-sync"
            ))
        };
        assert_ne!(of("111111111111"), of("333333333333"));
        assert_eq!(of("111111111111"), of("111111111111"));
    }

    proptest! {
        #[test]
        fn names_are_read_back(seq: u64, random: u128, ledger: String) {
            let experience = ExperienceId::new("exp-4s8kd0qmw1x2y").unwrap();
            let name = ChangeSetName::new(experience.clone(), seq, installation(&ledger), random);
            prop_assert_eq!(name.to_string().parse::<ChangeSetName>().unwrap(), name);
            let short = ChangeSetName { experience, seq, mark: None };
            prop_assert_eq!(short.to_string().parse::<ChangeSetName>().unwrap(), short);
        }

        #[test]
        fn another_random_number_is_another_name(one in 0_u128..(1 << 50), other in 0_u128..(1 << 50)) {
            let name = |random| {
                ChangeSetName::new(ExperienceId::new("exp-1").unwrap(), 1, installation("arn"), random)
            };
            prop_assert_eq!(one == other, name(one) == name(other));
        }
    }
}
