//! The account that credentials belong to.

use pmp_sync_aws::{error_chain, service_error};
use pmp_sync_deploy::Account;
use pmp_sync_domain::ids::AccountId;

use super::access::sdk_config_for;
use crate::failure::Failure;

/// What the credentials are for, in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Management,
    Member,
}

impl Part {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Management => ("management", "--management-profile"),
            Self::Member => ("member", "--profile"),
        }
    }
}

/// Asks STS whose the credentials of a profile are, or those of the default chain.
pub(crate) async fn account_of(profile: Option<&str>, part: Part) -> Result<Account, Failure> {
    let (words, option) = part.words();
    let config = sdk_config_for(profile).await?;
    let asked = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) if error.as_service_error().is_some() => {
            let whose = format!("the credentials for the {words} account");
            return Err(service_error("GetCallerIdentity", whose, &error).into());
        }
        Err(error) => {
            let from = profile.map_or_else(String::new, |name| format!(" in profile {name}"));
            return Err(Failure::Stack {
                message: format!(
                    "AWS cannot be asked with the credentials for the {words} account{from}: {}",
                    error_chain(&error)
                ),
                remedy: format!(
                    "sign in, or name a profile with {option}; check the network as well"
                ),
            });
        }
    };
    let account = answer.account().unwrap_or_default();
    let id = AccountId::new(account).map_err(|error| Failure::Stack {
        message: format!("STS tells no account: {error}"),
        remedy: "check where AWS_ENDPOINT_URL leads".to_owned(),
    })?;
    Ok(Account { id, config })
}

/// The member account, which has to be this one.
pub(crate) async fn member_account(
    profile: Option<&str>,
    wanted: &AccountId,
) -> Result<Account, Failure> {
    let found = account_of(profile, Part::Member).await?;
    if found.id == *wanted {
        return Ok(found);
    }
    let from = profile.map_or_else(
        || "the default credentials".to_owned(),
        |name| format!("the credentials of profile {name}"),
    );
    Err(Failure::CommandLine {
        message: format!(
            "{from} are of account {}, and the member account is {wanted}",
            found.id
        ),
        remedy: format!("name a profile of account {wanted} with --profile"),
    })
}
