//! Options that several commands have, and the forms that their values take.

use std::str::FromStr;

use clap::Args;
use pmp_sync_domain::ids::{ExperienceId, MemberName, RunId};
use pmp_sync_domain::wire::Scope;

/// The default of the stacks' parameter `Name`.
pub(crate) const DEFAULT_NAME: &str = pmp_sync_report::USUAL_NAME;

#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The name of the installation: the parameter Name of its stacks.
    // With an id of its own, because some commands have an option or argument `name`.
    #[arg(
        id = "stacks",
        long = "name",
        value_name = "NAME",
        global = true,
        default_value = DEFAULT_NAME,
        env = "PMP_SYNC_NAME"
    )]
    pub(crate) name: String,
    /// Show times in UTC, without ages. JSON always has them so.
    #[arg(long, global = true, env = "PMP_SYNC_UTC")]
    pub(crate) utc: bool,
    /// The AWS profile with credentials of the management account [default: the SDK's default chain].
    #[arg(
        long,
        global = true,
        value_name = "PROFILE",
        env = "PMP_SYNC_MANAGEMENT_PROFILE"
    )]
    pub(crate) management_profile: Option<String>,
}

/// What a command is narrowed to. Everything if nothing is named.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Narrowing {
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    members: Vec<MemberName>,
    /// Only this member experience. May be given several times.
    #[arg(long = "experience", value_name = "ID")]
    experiences: Vec<ExperienceId>,
}

impl Narrowing {
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            members: self.members.clone(),
            experiences: self.experiences.clone(),
        }
    }
}

/// One link, by its member experience, or by its member if that has only one.
#[derive(Debug, Args)]
pub(crate) struct LinkOption {
    /// The member experience of the link. Not needed if its member is named and has only one.
    #[arg(long, value_name = "ID", required_unless_present = "member")]
    pub(crate) experience: Option<ExperienceId>,
    /// Its member. Needed only without --experience, or if several members have an experience with that id.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<MemberName>,
}

/// A run, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunName {
    /// The newest one.
    Last,
    /// The one with this id.
    Id(RunId),
    /// The only one whose id begins like this.
    Beginning(String),
}

impl FromStr for RunName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("last") {
            return Ok(Self::Last);
        }
        let text = text.to_ascii_uppercase();
        if let Ok(run) = text.parse() {
            return Ok(Self::Id(run));
        }
        // The only letters that a ULID does not have.
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() && !b"ILOU".contains(&byte);
        if (1..26).contains(&text.len()) && text.bytes().all(is_digit) {
            return Ok(Self::Beginning(text));
        }
        Err("a run is named by its id (26 characters of 0-9 and A-Z without I, L, O, U), by the beginning of it, or as `last`".to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// The longest time to wait until it is done, in seconds.
    #[arg(long, default_value_t = 3600)]
    pub(crate) timeout: u64,
}

#[cfg(test)]
mod tests {
    use pmp_sync_deploy::local::duration;

    use super::RunName;

    #[test]
    fn a_run_is_named_by_its_id_the_beginning_of_it_or_as_the_last() {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        for (text, name) in [
            ("last", RunName::Last),
            ("LAST", RunName::Last),
            (id, RunName::Id(id.parse().unwrap())),
            ("01arz3", RunName::Beginning("01ARZ3".to_owned())),
            ("0", RunName::Beginning("0".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(name), "{text}");
        }
        let long = format!("{id}0");
        for text in ["", "latest", "01-x", "8zzz8zzz8zzz8zzz8zzz8zzz8z", &long] {
            assert!(text.parse::<RunName>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s").map(|d| d.as_secs()), Ok(90));
        assert_eq!(duration("8h").map(|d| d.as_secs()), Ok(28_800));
        for wrong in [
            "",
            "8",
            "h",
            "-1h",
            "25h",
            "0s",
            "8 h",
            "99999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
