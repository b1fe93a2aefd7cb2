//! Options of the commands about holds.

use std::str::FromStr;

use clap::Args;
use pmp_sync_domain::ids::{ExperienceId, MemberName, PlanHash, RunId};

/// The fewest digits by which a plan can be named: nobody meets two plans of one run that share them.
const FEWEST_DIGITS: usize = 8;

/// Which holds are shown; everything that is not narrowed is.
#[derive(Debug, Args)]
pub(crate) struct HoldsOptions {
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    pub(crate) members: Vec<MemberName>,
    /// Only the link to this member experience. May be given several times.
    #[arg(long = "link", value_name = "EXPERIENCE")]
    pub(crate) links: Vec<ExperienceId>,
    /// List every product.
    #[arg(long)]
    pub(crate) products: bool,
}

/// What is approved or rejected.
#[derive(Debug, Args)]
pub(crate) struct ApprovalOptions {
    /// The run that made the plan, as `pmp-sync holds` tells it.
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) link: LinkOption,
    /// The plan's hash, or at least its first 8 digits.
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: HashDigits,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// What is to be restored.
#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// The run before which the lists were as they are wanted back.
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) link: LinkOption,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// One link, by what it is for.
#[derive(Debug, Args)]
pub(crate) struct LinkOption {
    /// The link to this member experience.
    #[arg(long = "link", value_name = "EXPERIENCE")]
    pub(crate) experience: ExperienceId,
    /// Its member, should several members have an experience of that id.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<MemberName>,
}

#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// How long to wait until it is done, in seconds.
    #[arg(long, default_value_t = 3600)]
    pub(crate) timeout: u64,
}

/// The hash of a plan, or the beginning of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashDigits(String);

impl HashDigits {
    /// True for a hash that begins with these digits.
    pub(crate) fn names(&self, hash: &PlanHash) -> bool {
        hash.to_string().starts_with(&self.0)
    }

    /// The hash, if every digit of it is there.
    pub(crate) fn whole(&self) -> Option<PlanHash> {
        self.0.parse().ok()
    }
}

impl FromStr for HashDigits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_one = (FEWEST_DIGITS..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_one {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(
                "the 64 hexadecimal digits of a plan's hash are expected, or at least the first 8"
                    .to_owned(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmp_sync_domain::plan::Plan;

    #[test]
    fn a_plan_is_named_by_its_hash_or_the_beginning_of_it() {
        let hash = Plan::default().hash();
        let text = hash.to_string();
        for good in [&text, &text.to_uppercase(), text.get(..8).unwrap()] {
            let digits: HashDigits = good.parse().unwrap();
            assert!(digits.names(&hash), "{good}");
            assert_eq!(digits.whole().is_some(), good.len() == 64);
        }
        let other: HashDigits = "00000000".parse().unwrap();
        assert!(!other.names(&hash));
        let too_long = format!("{text}0");
        for wrong in ["", text.get(..7).unwrap(), "0123456g", too_long.as_str()] {
            assert!(wrong.parse::<HashDigits>().is_err(), "{wrong}");
        }
    }
}
