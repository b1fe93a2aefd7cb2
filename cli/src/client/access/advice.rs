//! Says what to do if a profile gives no credentials.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use pmp_sync_aws::error_chain;

use super::profile::Facts;

/// A provider of credentials whose errors say what to do.
#[derive(Debug)]
pub(super) struct Advising {
    inner: SharedCredentialsProvider,
    facts: Facts,
}

impl Advising {
    pub(super) fn new(inner: SharedCredentialsProvider, facts: Facts) -> Self {
        Self { inner, facts }
    }
}

impl ProvideCredentials for Advising {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let given = self.inner.provide_credentials().await;
            given.map_err(|error| match advice(&self.facts, &error_chain(&error)) {
                Some(advice) => CredentialsError::provider_error(Advised(advice)),
                None => error,
            })
        })
    }

    fn fallback_on_interrupt(&self) -> Option<aws_credential_types::Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

/// What to do, in place of what the SDK says.
#[derive(Debug)]
struct Advised(String);

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Advised {}

/// What to do about an error of a profile, if it is one of those that another command of the AWS CLI
/// ends.
fn advice(facts: &Facts, said: &str) -> Option<String> {
    let name = &facts.name;
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["dispatch failure", "timeout", "timed out"]) {
        return None;
    }
    if facts.has_mfa && has(&["AccessDenied", "not authorized to perform: sts:AssumeRole"]) {
        return Some(format!(
            "profile {name} asks for an MFA code, which only the AWS CLI takes: run `eval \"$(aws configure \
             export-credentials --profile {name} --format env)\"`, and then this command without that profile"
        ));
    }
    let why = innermost(said);
    if let Some(source) = facts
        .login
        .as_ref()
        .filter(|_| has(&["Login", "login/cache"]))
    {
        return Some(format!(
            "profile {name} is not signed in, or no longer: run `aws login --profile {source}` ({why})"
        ));
    }
    if let Some(source) = facts
        .sso
        .as_ref()
        .filter(|_| has(&["SSO", "sso", "Unauthorized"]))
    {
        return Some(format!(
            "profile {name} is not signed in, or no longer: run `aws sso login --profile {source}` ({why})"
        ));
    }
    None
}

/// What was said, without the words of the layers in between.
fn innermost(said: &str) -> &str {
    const LAYERS: [&str; 3] = [
        "an error occurred while loading credentials: ",
        "an error occurred while loading an access token: ",
        "unexpected credentials error: ",
    ];
    let mut said = said;
    while let Some(rest) = LAYERS.iter().find_map(|layer| said.strip_prefix(layer)) {
        said = rest;
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_network_is_to_blame_for_gets_no_advice() {
        let facts = Facts {
            name: "team".to_owned(),
            sso: Some("team".to_owned()),
            has_mfa: true,
            ..Facts::default()
        };
        let layers = "an error occurred while loading credentials: an error occurred while loading an access token: the SSO token has expired";
        let told = advice(&facts, layers).unwrap();
        assert!(told.ends_with("`aws sso login --profile team` (the SSO token has expired)"));
        for said in [
            "the SSO service: dispatch failure: io error",
            "the SSO service: request has timed out",
            "AccessDenied: dispatch failure",
        ] {
            assert_eq!(advice(&facts, said), None, "{said}");
        }
        // Another profile's trouble is not explained by this one's.
        assert_eq!(advice(&Facts::default(), "the SSO token has expired"), None);
    }
}
