//! The part of AWS Organizations that Private Marketplace needs, in its own protocol (JSON 1.1):
//! the organization of an account, its root, delegated administrators, trusted access. ministack
//! has no organizations with several accounts.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::shared::Shared;
use super::store::{Org, Store};

/// The service principal of delegated administrators of Private Marketplace (buyer guide).
pub(crate) const SERVICE: &str = "private-marketplace.marketplace.amazonaws.com";
/// Prefix of `X-Amz-Target`.
const TARGET: &str = "AWSOrganizationsV20161128.";
/// The date of every registration; no caller depends on it.
const ARRANGED: Timestamp = Timestamp::UNIX_EPOCH;

/// An error with a name and a message. Its status is always 400.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    name: &'static str,
    message: String,
}

fn refusal(name: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        name,
        message: message.into(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "__type": self.name, "Message": self.message });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

/// The protocol serves all operations at `/`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/", post(call))
}

async fn call(State(shared): State<Arc<Shared>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(operation) = header("x-amz-target").and_then(|target| target.strip_prefix(TARGET))
    else {
        let message = "The request is none of AWS Organizations";
        return refusal("UnknownOperationException", message).into_response();
    };
    let caller = match shared.caller(header("authorization")).await {
        Ok(caller) => caller,
        Err(error) => {
            return refusal("UnrecognizedClientException", error.message).into_response();
        }
    };
    let input: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let answer = shared.with(|store| store.organizations(operation, &caller, &input));
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Org {
    /// The id of the organization, derived from its management account.
    pub(crate) fn id(&self) -> String {
        format!("o-{}", self.management_account)
    }

    /// The id of the organization's root.
    pub(crate) fn root(&self) -> String {
        format!("r-{}", self.management_account)
    }

    fn arn(&self, rest: &str) -> String {
        format!("arn:aws:organizations::{}:{rest}", self.management_account)
    }

    /// True if an audience may contain the principal: the organization, one of its units or
    /// accounts.
    pub(crate) fn has_principal(&self, principal: &str) -> bool {
        // The id of a unit contains the id of its root, without the letter.
        let unit = format!("ou-{}-", self.management_account);
        principal == self.id()
            || principal.starts_with(&unit)
            || self.accounts().any(|account| account == principal)
    }

    fn describe(&self) -> Value {
        json!({
            "Organization": {
                "Id": self.id(),
                "Arn": self.arn(&format!("organization/{}", self.id())),
                "FeatureSet": "ALL",
                "MasterAccountId": self.management_account,
                "MasterAccountArn": self.arn(&format!("account/{}/{}", self.id(), self.management_account)),
                "MasterAccountEmail": "management@example.com",
                "AvailablePolicyTypes": [],
            }
        })
    }

    fn administrators(&self, service: Option<&str>) -> Value {
        let wanted = service.is_none_or(|service| service == SERVICE);
        let accounts = self.delegated_admins.iter().filter(|_| wanted);
        let administrators: Vec<_> = accounts
            .map(|account| {
                json!({
                    "Id": account,
                    "Arn": self.arn(&format!("account/{}/{account}", self.id())),
                    "Email": format!("{account}@example.com"),
                    "Name": account,
                    "Status": "ACTIVE",
                    "JoinedMethod": "CREATED",
                    "JoinedTimestamp": ARRANGED.as_second(),
                    "DelegationEnabledDate": ARRANGED.as_second(),
                })
            })
            .collect();
        json!({ "DelegatedAdministrators": administrators })
    }

    fn services(&self) -> Value {
        let services: &[_] = if self.trusted_access { &[SERVICE] } else { &[] };
        let enabled = services
            .iter()
            .map(|name| json!({ "ServicePrincipal": name, "DateEnabled": ARRANGED.as_second() }));
        json!({ "EnabledServicePrincipals": enabled.collect::<Vec<_>>() })
    }
}

impl Store {
    fn organizations(
        &self,
        operation: &str,
        caller: &str,
        input: &Value,
    ) -> Result<Value, Refusal> {
        let org = self.org(caller).map_err(|_| {
            let message = "Your account is not a member of an organization.";
            refusal("AWSOrganizationsNotInUseException", message)
        })?;
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        match operation {
            "DescribeOrganization" => Ok(org.describe()),
            "ListRoots" => Ok(json!({
                "Roots": [{
                    "Id": org.root(),
                    "Arn": org.arn(&format!("root/{}/{}", org.id(), org.root())),
                    "Name": "Root",
                    "PolicyTypes": [],
                }]
            })),
            "ListDelegatedAdministrators" => Ok(org.administrators(text("ServicePrincipal"))),
            "ListDelegatedServicesForAccount" => match text("AccountId") {
                Some(account) if org.delegated_admins.contains(account) => Ok(json!({
                    "DelegatedServices": [{
                        "ServicePrincipal": SERVICE,
                        "DelegationEnabledDate": ARRANGED.as_second(),
                    }]
                })),
                _ => Err(refusal(
                    "AccountNotRegisteredException",
                    "The account is not a delegated administrator.",
                )),
            },
            "ListAWSServiceAccessForOrganization" => Ok(org.services()),
            other => Err(refusal(
                "UnsupportedAPIEndpointException",
                format!("{other} is not emulated"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let mut store = Store::default();
        store.add_org("999999999999", ["222222222222".to_owned()]);
        store.add_org("888888888888", ["333333333333".to_owned()]);
        store
    }

    #[test]
    fn every_account_is_told_of_its_own_organization() {
        let store = store();
        let id = |account: &str| {
            let told = store.organizations("DescribeOrganization", account, &Value::Null);
            told.map(|answer| answer["Organization"]["Id"].clone())
        };
        assert_eq!(id("222222222222").unwrap(), "o-999999999999");
        assert_eq!(id("999999999999").unwrap(), "o-999999999999");
        assert_eq!(id("333333333333").unwrap(), "o-888888888888");
        let refused = id("444444444444").unwrap_err();
        assert_eq!(refused.name, "AWSOrganizationsNotInUseException");
    }

    #[test]
    fn administrators_and_trusted_access_are_those_of_the_service() {
        let mut store = store();
        let ask = |store: &Store, operation: &str, service: &str| {
            let input = json!({ "ServicePrincipal": service });
            store
                .organizations(operation, "222222222222", &input)
                .unwrap()
        };
        let of = |store: &Store, service: &str| {
            let answer = ask(store, "ListDelegatedAdministrators", service);
            answer["DelegatedAdministrators"].as_array().unwrap().len()
        };
        assert_eq!(
            (of(&store, SERVICE), of(&store, "sso.amazonaws.com")),
            (1, 0)
        );
        let trusted = |store: &Store| {
            let answer = ask(store, "ListAWSServiceAccessForOrganization", "");
            answer["EnabledServicePrincipals"].as_array().unwrap().len()
        };
        assert_eq!(trusted(&store), 1);
        store.orgs[0].trusted_access = false;
        assert_eq!(trusted(&store), 0);
    }

    #[test]
    fn an_organization_has_itself_its_units_and_its_accounts() {
        let store = store();
        let org = store.org("222222222222").unwrap();
        for own in [
            "o-999999999999",
            "ou-999999999999-abcd",
            "222222222222",
            "999999999999",
        ] {
            assert!(org.has_principal(own), "{own}");
        }
        for other in ["o-888888888888", "ou-888888888888-abcd", "333333333333", ""] {
            assert!(!org.has_principal(other), "{other}");
        }
    }
}
