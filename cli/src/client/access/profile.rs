//! What a profile of the AWS configuration says that the SDK does not act on.

use std::borrow::Cow;

use aws_config::profile::{Profile, ProfileSet, load};
use aws_types::os_shim_internal::{Env, Fs};

/// The longest chain of source profiles that is followed.
const CHAIN: usize = 10;

/// What is known of the profile that is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The name of the profile, whether it exists or not.
    pub(super) name: String,
    /// The file of `ca_bundle`.
    pub(super) ca_bundle: Option<String>,
    /// The profile asks for a code of a device, itself or by its source profile.
    pub(super) has_mfa: bool,
    /// The profile at the source that signs in with `aws sso login`.
    pub(super) sso: Option<String>,
    /// The profile at the source that signs in with `aws login`.
    pub(super) login: Option<String>,
}

impl Facts {
    /// Reads the named profile, or the one of the environment. A file that cannot be read is reported
    /// by the SDK.
    #[expect(
        clippy::default_trait_access,
        reason = "aws-config gives the type no name of its own"
    )]
    pub(super) async fn read(profile: Option<&str>) -> Self {
        let named = profile.map(|name| Cow::Owned(name.to_owned()));
        let read = load(&Fs::real(), &Env::real(), &Default::default(), named).await;
        read.map_or_else(|_| Self::default(), |set| Self::of(&set))
    }

    fn of(set: &ProfileSet) -> Self {
        let name = set.selected_profile();
        let mut facts = Self {
            name: name.to_owned(),
            ca_bundle: set.get("ca_bundle").map(str::to_owned),
            ..Self::default()
        };
        let mut next = set.get_profile(name);
        for _ in 0..CHAIN {
            let Some(profile) = next else { break };
            let has = |key| profile.get(key).is_some();
            facts.has_mfa |= has("mfa_serial");
            if has("sso_session") || has("sso_start_url") {
                facts.sso = Some(profile.name().to_owned());
            }
            if has("login_session") {
                facts.login = Some(profile.name().to_owned());
            }
            next = source(set, profile);
        }
        facts
    }
}

/// The profile whose credentials assume the role of this one. None if it is its own source.
fn source<'a>(set: &'a ProfileSet, profile: &Profile) -> Option<&'a Profile> {
    let source = profile.get("source_profile")?;
    (source != profile.name()).then(|| set.get_profile(source))?
}
