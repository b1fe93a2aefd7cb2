//! Request rates for each account and second, enforced if the settings say so.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::ApiError;

/// Which quotas are enforced (AWS Marketplace Catalog API quotas page).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// True to answer 429 above the documented rates.
    pub rates: bool,
    /// The number of open change sets of an account above which StartChangeSet answers 402.
    pub open_change_sets: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            rates: false,
            open_change_sets: 250,
        }
    }
}

fn per_second(operation: &str) -> usize {
    match operation {
        "DescribeEntity" => 20,
        "ListEntities" | "DescribeChangeSet" | "SearchListings" => 10,
        _ => 5,
    }
}

/// Requests of the last second.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    seen: HashMap<(String, &'static str), VecDeque<Timestamp>>,
}

impl Rates {
    pub(crate) fn check(
        &mut self,
        account: &str,
        operation: &'static str,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let seen = self
            .seen
            .entry((account.to_owned(), operation))
            .or_default();
        while seen
            .front()
            .is_some_and(|at| now.duration_since(*at) >= SignedDuration::from_secs(1))
        {
            seen.pop_front();
        }
        if seen.len() >= per_second(operation) {
            return Err(ApiError::throttled());
        }
        seen.push_back(now);
        Ok(())
    }
}
