//! Options that several commands have, and the forms that their values take.

use clap::Args;
use pmp_sync_domain::ids::{ExperienceId, MemberName};
use pmp_sync_domain::wire::Scope;

/// The default of the stacks' parameter `Name`.
pub(crate) const DEFAULT_NAME: &str = "pmp-sync";

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

/// One link, by its member experience.
#[derive(Debug, Args)]
pub(crate) struct LinkOption {
    /// The member experience of the link.
    #[arg(long, value_name = "ID")]
    pub(crate) experience: ExperienceId,
    /// Its member. Needed only if several members have an experience with that id.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<MemberName>,
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
