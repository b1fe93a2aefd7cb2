//! Requests as JSON.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, ProductId, ProductRequestId};
use pmp_sync_domain::records::{Answered, RequestAnswer, RequestState};
use pmp_sync_domain::schema::Time;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::requests::{KnownRequest, Requests};

/// What users of the members request.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RequestsAnswer {
    /// Those that wait for an answer first, then the newest.
    requests: Vec<RequestAnswered>,
    /// Members of which requests were not recorded, because there was no room for them.
    dropped: Vec<Dropped>,
    /// Items of the ledger that cannot be read.
    unreadable: Vec<FaultRecord>,
}

/// A user's request for a product.
#[derive(Debug, Serialize, JsonSchema)]
struct RequestAnswered {
    /// The member whose user requests it.
    member: MemberName,
    /// The member account, in whose console it is answered.
    account: AccountId,
    /// The request.
    request: ProductRequestId,
    /// Its state: without an event of its end it expires by itself.
    state: RequestState,
    /// The product.
    product: ProductId,
    /// Its title; null if no event had it.
    title: Option<String>,
    /// The name of its manufacturer; null if no event had it.
    manufacturer: Option<String>,
    /// The experience of the user.
    experience: ExperienceId,
    /// The management experience that this experience follows; null if it follows none.
    management_experience: Option<ExperienceId>,
    /// The ARN of the user; null if no event had it.
    requester: Option<String>,
    /// When it was requested; null if only its end is known.
    #[schemars(with = "Option<Time>")]
    requested_at: Option<Timestamp>,
    /// When it expires.
    #[schemars(with = "Time")]
    expires_at: Timestamp,
    /// When it ended; null while it waits, or if its end was lost.
    #[schemars(with = "Option<Time>")]
    ended_at: Option<Timestamp>,
    /// Number of open requests for the product, of all members.
    requests: usize,
    /// Number of members with such a request.
    members: usize,
    /// What an operator answered, for the record; null if nothing.
    answer: Option<RequestAnswer>,
}

/// Requests of a member that were not recorded.
#[derive(Debug, Serialize, JsonSchema)]
struct Dropped {
    /// The member.
    member: MemberName,
    /// About how many.
    count: u64,
    /// When the last of them arrived.
    #[schemars(with = "Option<Time>")]
    last_at: Option<Timestamp>,
}

impl RequestsAnswer {
    pub(super) fn new(requests: &Requests, is_wanted: impl Fn(&KnownRequest) -> bool) -> Self {
        let wanted = requests.all.iter().filter(|known| is_wanted(known));
        let told = wanted.map(|known| {
            let request = &known.request;
            let of = requests.demand(known);
            RequestAnswered {
                member: known.member.clone(),
                account: request.account.clone(),
                request: request.request.clone(),
                state: requests.state(known),
                product: request.product.clone(),
                title: request.title.clone(),
                manufacturer: request.manufacturer.clone(),
                experience: request.experience.clone(),
                management_experience: known.follows.clone(),
                requester: request.requester.clone(),
                requested_at: request.requested_at,
                expires_at: request.open_until(),
                ended_at: request.ended_at,
                requests: of.requests,
                members: of.members,
                answer: known.answer.clone(),
            }
        });
        let dropped = requests.dropped.iter().map(|(member, dropped)| Dropped {
            member: member.clone(),
            count: dropped.dropped,
            last_at: dropped.last_at,
        });
        Self {
            requests: told.collect(),
            dropped: dropped.collect(),
            unreadable: requests.unreadable.clone(),
        }
    }
}

/// What an answer has led to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DecisionAnswer {
    /// The answer.
    pub(super) answered: Answered,
    /// The product.
    pub(super) product: ProductId,
    /// The management experiences that allow or deny it now.
    pub(super) management_experiences: Vec<ExperienceId>,
    /// True if one of them was changed; false if each had it already, or nothing was to be changed.
    pub(super) changed: bool,
    /// The requests for which the answer is on record.
    pub(super) requests: Vec<RequestAnswer>,
    /// How the requests themselves are answered.
    pub(super) what_to_do: String,
}
