//! The announcement of a procurement request, and which of many are announced first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::hint::{Advice, Hint};
use crate::ids::{AccountId, ExperienceId, MemberName, ProductId};
use crate::records::ProductRequest;
use crate::text::count as counted;
use crate::wire::events::ProductRequested;

/// The most requests that are announced at once. The others follow with the next runs.
pub const MOST_REQUESTS_ANNOUNCED: usize = 100;

/// How often a product is asked for, over all organizations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Open requests.
    pub requests: usize,
    /// Members whose users made them.
    pub members: usize,
}

/// How often each product is asked for in these requests.
pub fn demand<'a>(
    requests: impl IntoIterator<Item = &'a ProductRequest>,
) -> BTreeMap<&'a ProductId, Demand> {
    let mut of: BTreeMap<&ProductId, (usize, BTreeSet<&AccountId>)> = BTreeMap::new();
    for request in requests {
        let (count, accounts) = of.entry(&request.product).or_default();
        *count += 1;
        accounts.insert(&request.account);
    }
    let counted = |(product, (requests, accounts)): (_, (usize, BTreeSet<_>))| {
        let members = accounts.len();
        (product, Demand { requests, members })
    };
    of.into_iter().map(counted).collect()
}

/// The requests of those that wait for an answer that are to be announced now, the oldest first.
pub fn to_announce(open: &[ProductRequest]) -> Vec<&ProductRequest> {
    let mut new: Vec<_> = open
        .iter()
        .filter(|request| request.announced_at.is_none())
        .collect();
    new.sort_by_key(|request| (request.requested_at, &request.account, &request.request));
    new.truncate(MOST_REQUESTS_ANNOUNCED);
    new
}

impl ProductRequested {
    /// The announcement of a request. `followed` is the management experience that its experience
    /// follows.
    pub fn of(
        request: &ProductRequest,
        member: &MemberName,
        followed: Option<ExperienceId>,
        demand: Demand,
        now: Timestamp,
    ) -> Self {
        let who = request.requester.as_deref().unwrap_or("a user");
        let by = request
            .manufacturer
            .as_ref()
            .map_or_else(String::new, |name| format!(" of {name}"));
        let demanded = match demand {
            Demand {
                requests: 0 | 1, ..
            } => String::new(),
            Demand { requests, members } => format!(
                "; it is requested {requests} times in {}",
                counted(members, "organization")
            ),
        };
        let message = format!(
            "{who} of member {member} requests {}{by} in {}, until {}{demanded}.",
            request.product_words(),
            request.experience,
            until(request),
        );
        let approve = Hint::ApproveRequest {
            request: request.request.clone(),
        };
        let what_to_do = Advice::by("look at all requests", Hint::Requests)
            .or_by(
                "if the product is right for every organization that follows, allow it",
                approve,
            )
            .or("answer the request itself in the member's console: no API takes the answer");
        Self {
            schema: crate::SCHEMA,
            id: format!("{}/{}", request.account, request.request),
            at: now,
            member: member.clone(),
            account: request.account.clone(),
            experience: request.experience.clone(),
            management_experience: followed,
            request: request.request.clone(),
            product: request.product.clone(),
            title: request.title.clone(),
            manufacturer: request.manufacturer.clone(),
            requester: request.requester.clone(),
            since: request.requested_at.unwrap_or(request.recorded_at),
            until: request.open_until(),
            requests: demand.requests,
            members: demand.members,
            message,
            what_to_do: what_to_do.to_string(),
            hints: what_to_do.hints(),
        }
    }
}

/// The day on which the request expires.
fn until(request: &ProductRequest) -> String {
    request.open_until().strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::RequestState;

    fn request(account: &str, id: &str, seconds: i64) -> ProductRequest {
        ProductRequest {
            schema: 1,
            rev: 1,
            account: account.parse().unwrap(),
            request: id.parse().unwrap(),
            state: RequestState::Open,
            product: "prod-1".parse().unwrap(),
            title: Some("Database".to_owned()),
            manufacturer: Some("Example Inc.".to_owned()),
            experience: "exp-1".parse().unwrap(),
            requester: None,
            requested_at: Some(Timestamp::from_second(seconds).unwrap()),
            expires_at: None,
            ended_at: None,
            recorded_at: Timestamp::from_second(seconds).unwrap(),
            announced_at: None,
        }
    }

    #[test]
    fn the_oldest_requests_that_are_not_announced_come_first_and_not_too_many_at_once() {
        let mut all: Vec<_> = (0..150)
            .map(|number| request("222222222222", &format!("pr-{number}"), 1_000 - number))
            .collect();
        all[149].announced_at = Some(Timestamp::UNIX_EPOCH);
        let new = to_announce(&all);
        assert_eq!(new.len(), MOST_REQUESTS_ANNOUNCED);
        assert_eq!(new[0].request.as_str(), "pr-148");
    }

    #[test]
    fn the_announcement_tells_who_asks_for_what_until_when_and_how_often() {
        let all = [
            request("222222222222", "pr-1", 0),
            request("333333333333", "pr-1", 0),
            request("333333333333", "pr-2", 0),
        ];
        let counted = demand(&all);
        let told = |of: Demand| {
            let member = "emea".parse().unwrap();
            ProductRequested::of(&all[0], &member, None, of, Timestamp::UNIX_EPOCH)
        };
        let often = told(counted[&all[0].product]);
        assert_eq!(
            often.message,
            "a user of member emea requests Database (prod-1) of Example Inc. in exp-1, until 1970-01-31; it is requested 3 times in 2 organizations."
        );
        assert_eq!(often.id, "222222222222/pr-1");
        assert!(often.what_to_do.contains("pmp-sync requests approve pr-1"));
        assert!(often.what_to_do.contains("in the member's console"));
        let once = told(Demand {
            requests: 1,
            members: 1,
        });
        assert!(
            once.message.ends_with("until 1970-01-31."),
            "{}",
            once.message
        );
    }
}
