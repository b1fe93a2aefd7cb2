//! Who calls: the account behind the access key of the request's signature.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_sts::Client;

use super::error::ApiError;

/// Accounts by access key. A key of twelve digits is the account itself; STS resolves others.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    known: Mutex<HashMap<String, String>>,
}

/// The access key of a Signature Version 4 header.
fn access_key(authorization: &str) -> Option<&str> {
    let rest = authorization.split_once("Credential=")?.1;
    rest.split('/').next().filter(|key| !key.is_empty())
}

impl Identity {
    pub(crate) async fn account(
        &self,
        authorization: Option<&str>,
        sts: Option<&Client>,
    ) -> Result<String, ApiError> {
        let unknown = || ApiError::denied("The security token included in the request is invalid");
        let key = authorization.and_then(access_key).ok_or_else(unknown)?;
        if key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(key.to_owned());
        }
        if let Some(account) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
        {
            return Ok(account.clone());
        }
        let answer = sts
            .ok_or_else(unknown)?
            .get_access_key_info()
            .access_key_id(key)
            .send()
            .await;
        let account = answer
            .ok()
            .and_then(|info| info.account().map(str::to_owned))
            .ok_or_else(unknown)?;
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.to_owned(), account.clone());
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_the_signature() {
        let header = "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/aws-marketplace/aws4_request, SignedHeaders=host, Signature=00";
        assert_eq!(access_key(header), Some("111111111111"));
        assert_eq!(access_key("Basic x"), None);
    }
}
