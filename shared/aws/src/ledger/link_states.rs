//! Link states, and the members' lists before runs.

use jiff::Timestamp;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, LinkState, UnreadableItem};
use serde::{Deserialize, Serialize};

use super::{Item, Ledger, from_item, thing_of};
use crate::keys::{self, LINK_STATES, SK};

/// Products in one part: each has at most 60 bytes, so a part has at most 300 KB.
const PRODUCTS: usize = 5_000;

/// A part of a member's lists.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct ListsPart {
    schema: u32,
    /// The number of parts.
    parts: usize,
    #[serde(default)]
    allowed: Vec<ProductId>,
    #[serde(default)]
    denied: Vec<ProductId>,
}

impl Ledger {
    /// Reads the states of all links, by lane.
    pub async fn link_states(&self) -> Result<Found<(LaneId, LinkState)>> {
        let items = self.between(LINK_STATES, "0", "~").await?;
        let read = |item: Item| {
            let sk = item.get(SK).and_then(|value| value.as_s().ok());
            let lane: Option<LaneId> = sk.and_then(|sk| sk.replacen('#', "/", 1).parse().ok());
            let lane = lane.ok_or_else(|| {
                let words = "its key is not that of a lane";
                ServiceError::new("Query", thing_of(&item), Kind::Unreadable, words)
            })?;
            let link_state = from_item("Query", item)?;
            Ok::<_, UnreadableItem>((lane, link_state))
        };
        Ok(items.into_iter().map(read).collect())
    }

    pub(super) async fn link_state_of(&self, lane: &LaneId) -> Result<LinkState> {
        match self.get(LINK_STATES, &keys::lane_entry(lane)).await? {
            Some(item) => from_item("GetItem", item),
            None => Ok(LinkState::default()),
        }
    }

    pub(super) async fn store_link_state(
        &self,
        lane: &LaneId,
        link_state: &LinkState,
    ) -> Result<()> {
        let next = LinkState {
            schema: SCHEMA,
            rev: link_state.rev + 1,
            ..link_state.clone()
        };
        let sk = keys::lane_entry(lane);
        self.put_rev(LINK_STATES, &sk, &next, link_state.rev).await
    }

    /// Writes the first part last: if it exists, all parts exist.
    pub(super) async fn store_lists(
        &self,
        run: RunId,
        lane: &LaneId,
        lists: &PolicySnapshot,
        now: Timestamp,
    ) -> Result<()> {
        let pk = keys::run_links(run);
        if self.get(&pk, &keys::lists(lane, 0)).await?.is_some() {
            return Ok(());
        }
        for (number, part) in cut(lists, PRODUCTS).iter().enumerate().rev() {
            let expires_at = Some(self.expiry(now));
            self.put(&pk, &keys::lists(lane, number), part, expires_at)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn lists_of(
        &self,
        run: RunId,
        lane: &LaneId,
    ) -> Result<Option<PolicySnapshot>> {
        let pk = keys::run_links(run);
        let (first, last) = (keys::lists(lane, 0), keys::lists(lane, 9_999));
        let items = self.between(&pk, &first, &last).await?;
        let parts: Vec<ListsPart> = items
            .into_iter()
            .map(|item| from_item("Query", item))
            .collect::<Result<_>>()?;
        join(parts).map_err(|message| ServiceError::new("Query", pk, Kind::Unreadable, message))
    }
}

fn cut(lists: &PolicySnapshot, most: usize) -> Vec<ListsPart> {
    let allowed = lists.allowed().iter().map(|product| (true, product));
    let denied = lists.denied().iter().map(|product| (false, product));
    let all: Vec<_> = allowed.chain(denied).collect();
    let parts = all.len().div_ceil(most).max(1);
    let of = |chunk: &[(bool, &ProductId)], on_allowed: bool| {
        let of_list = chunk.iter().filter(|(allowed, _)| *allowed == on_allowed);
        of_list.map(|(_, product)| (*product).clone()).collect()
    };
    let part = |chunk: &[(bool, &ProductId)]| ListsPart {
        schema: SCHEMA,
        parts,
        allowed: of(chunk, true),
        denied: of(chunk, false),
    };
    if all.is_empty() {
        return vec![part(&[])];
    }
    all.chunks(most).map(part).collect()
}

/// None if the first part is missing; an error if only another part is missing.
fn join(parts: Vec<ListsPart>) -> Result<Option<PolicySnapshot>, String> {
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    if parts.len() < first.parts {
        return Err(format!(
            "{} of {} parts are there",
            parts.len(),
            first.parts
        ));
    }
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    for part in parts {
        allowed.extend(part.allowed);
        denied.extend(part.denied);
    }
    Ok(Some(PolicySnapshot::new(allowed, denied)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(range: std::ops::Range<usize>) -> Vec<ProductId> {
        range
            .map(|number| ProductId::new(format!("prod-{number}")).unwrap())
            .collect()
    }

    #[test]
    fn lists_are_the_same_after_they_were_cut_and_joined() {
        for (allowed, denied) in [(0, 0), (1, 0), (0, 7), (10, 3), (20, 20)] {
            let lists = PolicySnapshot::new(products(0..allowed), products(100..100 + denied));
            let parts = cut(&lists, 7);
            assert!(parts.iter().all(|part| part.parts == parts.len()));
            assert_eq!(join(parts).unwrap(), Some(lists));
        }
        assert_eq!(join(Vec::new()).unwrap(), None);
    }

    #[test]
    fn lists_of_which_a_part_is_missing_are_refused() {
        let mut parts = cut(&PolicySnapshot::new(products(0..20), []), 7);
        parts.pop();
        assert_eq!(join(parts).unwrap_err(), "2 of 3 parts are there");
    }
}
