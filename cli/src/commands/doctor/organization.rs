//! Whether an account may act on the Private Marketplace of its organization.

use pmp_sync_domain::answers::doctor::Look;

use super::check::Check;
use super::finding::Finding;
use super::look::Timed;

/// Private Marketplace, as Organizations knows it (AWS Marketplace buyer guide).
pub(crate) const PRINCIPAL: &str = "private-marketplace.marketplace.amazonaws.com";

/// What was seen.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The account that is checked.
    pub(crate) account: String,
    /// The organization's management account.
    pub(crate) owner: Timed<String>,
    /// The delegated administrators of Private Marketplace.
    pub(crate) administrators: Timed<Vec<String>>,
    /// The services that the organization trusts.
    pub(crate) trusted: Timed<Vec<String>>,
}

/// Judges what was seen, as these two checks.
pub(crate) fn judge(facts: &Facts, administrator: Check, trust: Check) -> Vec<Finding> {
    let account = &facts.account;
    let found = match &facts.owner.look {
        Look::Seen(owner) if owner == account => Finding::ok(
            administrator,
            format!("{account} is the organization's management account"),
        ),
        _ => Finding::of(
            administrator,
            &facts.administrators.look,
            |administrators| {
                if administrators.contains(account) {
                    let seen = format!("{account} is a delegated administrator");
                    return Finding::ok(administrator, seen);
                }
                let others = if administrators.is_empty() {
                    "there is none".to_owned()
                } else {
                    format!("that is {}", administrators.join(", "))
                };
                let seen = format!(
                    "{account} is no delegated administrator of Private Marketplace ({others})"
                );
                Finding::fail(administrator, seen)
                    .with_fix(administrator.fix().replace("ACCOUNT", account))
            },
        ),
    };
    let trusted = Finding::of(trust, &facts.trusted.look, |services| {
        if services.iter().any(|service| service == PRINCIPAL) {
            return Finding::ok(trust, format!("{PRINCIPAL} is trusted"));
        }
        Finding::fail(trust, format!("{PRINCIPAL} is not trusted"))
    });
    vec![
        found.took(facts.administrators.milliseconds),
        trusted.took(facts.trusted.milliseconds),
    ]
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::error::Kind;

    use super::super::finding::Status;
    use super::super::finding::tests::{failed, tells};
    use super::*;

    fn timed<T>(look: Look<T>) -> Timed<T> {
        Timed {
            look,
            milliseconds: 1,
        }
    }

    fn facts(owner: &str, administrators: &[&str], trusted: &[&str]) -> Facts {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Facts {
            account: "111111111111".to_owned(),
            owner: timed(Look::Seen(owner.to_owned())),
            administrators: timed(Look::Seen(owned(administrators))),
            trusted: timed(Look::Seen(owned(trusted))),
        }
    }

    fn judged(facts: &Facts) -> Vec<Finding> {
        judge(facts, Check::Administrator, Check::TrustedAccess)
    }

    #[test]
    fn an_administrator_of_a_trusting_organization_is_fine_and_so_is_its_owner() {
        for facts in [
            facts("999999999999", &["111111111111"], &["x", PRINCIPAL]),
            facts("111111111111", &[], &[PRINCIPAL]),
        ] {
            for found in judged(&facts) {
                tells(&found, Status::Ok, &[]);
            }
        }
    }

    #[test]
    fn what_is_missing_fails_with_the_command_that_mends_it() {
        let found = judged(&facts("999999999999", &["222222222222"], &["x"]));
        tells(
            &found[0],
            Status::Fail,
            &["222222222222", "--account-id 111111111111"],
        );
        tells(
            &found[1],
            Status::Fail,
            &["not trusted", "enable-aws-service-access"],
        );
    }

    #[test]
    fn what_may_not_be_listed_is_not_known() {
        let mut facts = facts("999999999999", &[], &[]);
        facts.administrators.look = failed(Kind::Denied, "no");
        facts.trusted.look = failed(Kind::Denied, "no");
        let found = judged(&facts);
        tells(
            &found[0],
            Status::Unknown,
            &["organizations:ListDelegatedAdministrators"],
        );
        tells(
            &found[1],
            Status::Unknown,
            &["organizations:ListAWSServiceAccessForOrganization"],
        );
        // The owner of the organization is an administrator, whatever can be listed.
        facts.owner.look = Look::Seen("111111111111".to_owned());
        tells(&judged(&facts)[0], Status::Ok, &[]);
    }
}
