//! Procurement requests: announces each that waits for an answer, once. The item of the request is
//! what is announced; after the announcement it is marked. After an interruption the next run repeats
//! it, with the same id.

use futures::{StreamExt as _, stream};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::{ExperienceId, LaneId};
use pmp_sync_domain::link::Member;
use pmp_sync_domain::notify::{demand, digest_of_requests, to_announce};
use pmp_sync_domain::ports::{AnnounceRequests, Bus, Clock, ReadAnswers};
use pmp_sync_domain::records::{ProductRequest, RequestAnswer, UnreadableItem};
use pmp_sync_domain::wire::events::ProductRequested;
use pmp_sync_report::Requested;

use crate::announce::put_digests;
use crate::context::Context;
use crate::setup::Setup;

/// Members whose requests are read concurrently.
const MEMBERS_AT_ONCE: usize = 8;

/// The requests of all members that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    requests: Vec<ProductRequest>,
    /// Items that cannot be read.
    pub(crate) unreadable: Vec<UnreadableItem>,
}

/// Reads the requests that wait for an answer. A member whose requests cannot be read now is left to
/// the next run.
pub(crate) async fn read_open<L: AnnounceRequests, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    config: &Config,
) -> OpenRequests {
    let now = context.now();
    let found = stream::iter(config.members.values()).map(|member| async move {
        let account = &member.account;
        let found = context.ledger.open_product_requests(account, now).await;
        found.inspect_err(|error| {
            tracing::warn!(member = %member.name, %error, "the procurement requests of a member cannot be read");
        })
    });
    let found: Vec<_> = found.buffered(MEMBERS_AT_ONCE).collect().await;
    let mut open = OpenRequests::default();
    for found in found.into_iter().flatten() {
        open.requests.extend(found.items);
        open.unreadable.extend(found.unreadable);
    }
    open
}

/// The requests that wait for an answer as the report shows them, and about how many were not recorded.
pub(crate) async fn requests_of_report<L: AnnounceRequests + ReadAnswers, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    config: &Config,
) -> Result<(Vec<Requested>, u64), ServiceError> {
    let mut open = read_open(context, config).await.requests;
    open.sort_by_key(ProductRequest::open_until);
    let answers = context.ledger.request_answers().await?.items;
    let demand = demand(&open);
    let mut shown = Vec::new();
    for request in &open {
        let mut members = config.members.values();
        let Some(member) = members.find(|member| member.account == request.account) else {
            continue;
        };
        let mut answers = answers.iter();
        let answer = answers
            .find(|answer| answer.account == request.account && answer.request == request.request);
        let asked = demand.get(&request.product).map_or(1, |of| of.requests);
        let answer = answer.map(RequestAnswer::words);
        shown.push(Requested::of(request, member.name.as_str(), asked, answer));
    }
    let mut dropped = 0_u64;
    for member in config.members.values() {
        let of = context.ledger.dropped_product_requests(&member.account);
        dropped = dropped.saturating_add(of.await?.dropped);
    }
    Ok((shown, dropped))
}

/// Announces those that were never announced.
pub(crate) async fn announce_open<L: AnnounceRequests, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    open: &OpenRequests,
) {
    let counted = demand(&open.requests);
    let now = context.now();
    let (mut new, mut details) = (Vec::new(), Vec::new());
    for request in to_announce(&open.requests) {
        let mut members = setup.config.members.values();
        let Some(member) = members.find(|member| member.account == request.account) else {
            continue;
        };
        let of = counted.get(&request.product).copied().unwrap_or_default();
        let followed = followed(setup, member, request);
        details.push(ProductRequested::of(
            request,
            &member.name,
            followed,
            of,
            now,
        ));
        new.push(request);
    }
    let told = digest_of_requests(&details, now);
    if !put_digests(&context.outbox, &told).await {
        return;
    }
    for (request, detail) in new.into_iter().zip(details) {
        let event = detail.event(told.of(&detail.id));
        if let Err(error) = context.outbox.put(event).await {
            tracing::error!(request = %request.request, %error, "procurement requests are left for the next run to announce");
            return;
        }
        if let Err(error) = context.ledger.announced_product_request(request, now).await {
            tracing::warn!(request = %request.request, %error, "that a procurement request is announced could not be written down, and it is announced once more");
        }
    }
}

/// The management experience that the experience of a request follows.
fn followed(setup: &Setup, member: &Member, request: &ProductRequest) -> Option<ExperienceId> {
    let lane = LaneId {
        account: member.account.clone(),
        experience: request.experience.clone(),
    };
    let link = setup.link_of(&lane)?;
    Some(link.sources.last().clone())
}
