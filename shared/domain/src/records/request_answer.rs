//! What an operator answered a procurement request, for the record: AWS takes an answer only in the
//! member's console.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::product_request::REQUEST_KEPT;
use crate::closed_list::closed_list;
use crate::ids::{AccountId, EditId, ProductId, ProductRequestId};
use crate::time::later;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// The management experience allows the product.
    Approved,
    /// It stays as it is, or denies the product.
    Declined,
}

closed_list!(Answered, "answer", {
    Approved => "approved",
    Declined => "declined",
});

/// The ledger's item of an answer. It is the operators': a member's worker cannot write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestAnswer {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// The member account of the request.
    pub account: AccountId,
    /// The request.
    pub request: ProductRequestId,
    /// Its product.
    pub product: ProductId,
    /// The answer.
    pub answered: Answered,
    /// True if the product was denied in the management experience as well.
    #[serde(default)]
    pub denied: bool,
    /// The reason, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The edits of management experiences that it led to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<EditId>,
    /// When it was answered.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

impl RequestAnswer {
    /// When the ledger may forget it: not before the request.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.at, REQUEST_KEPT)
    }

    /// What was answered, in words.
    pub fn words(&self) -> String {
        let what = match (self.answered, self.denied) {
            (Answered::Approved, _) => "approved",
            (Answered::Declined, false) => "declined",
            (Answered::Declined, true) => "declined and denied",
        };
        let reason = self.reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        format!("{what}{reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An item of this release. A newer release must read it.
    #[test]
    fn an_answer_of_this_release_stays_readable() {
        for fixture in [
            include_str!("../../fixtures/request-answer-1.json"),
            include_str!("../../fixtures/request-answer-1-b.json"),
        ] {
            let item: RequestAnswer = serde_json::from_str(fixture).unwrap();
            let written = serde_json::to_value(&item).unwrap();
            let stored: serde_json::Value = serde_json::from_str(fixture).unwrap();
            assert_eq!(written, stored);
        }
    }

    #[test]
    fn an_answer_is_told_with_its_reason_and_kept_as_long_as_its_request() {
        let fixture = include_str!("../../fixtures/request-answer-1-b.json");
        let item: RequestAnswer = serde_json::from_str(fixture).unwrap();
        for (answered, denied, reason, words) in [
            (Answered::Approved, false, None, "approved"),
            (Answered::Approved, true, None, "approved"),
            (Answered::Declined, false, None, "declined"),
            (Answered::Declined, true, None, "declined and denied"),
            (
                Answered::Declined,
                false,
                Some("too dear"),
                "declined: too dear",
            ),
        ] {
            let answer = RequestAnswer {
                answered,
                denied,
                reason: reason.map(str::to_owned),
                ..item.clone()
            };
            assert_eq!(answer.words(), words);
        }
        assert_eq!(item.at, "2026-11-03T07:59:00Z".parse().unwrap());
        let at = "2027-02-01T07:59:00Z".parse().unwrap();
        assert_eq!(item.forgotten_at(), at);
    }
}
