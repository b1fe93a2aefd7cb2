//! The adapters on the wire: the exact bodies that are sent, and what answers and errors become.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod admin;
mod catalog;
mod inbox;
mod lanes;
mod live;
mod queues;
mod records;
mod requests;
mod scopes;
mod script;
mod search;
mod unreadable;

use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::lane::IntentChange;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::wire::ChangeMessage;

fn change(product: &str, action: Action) -> IntentChange {
    IntentChange {
        product: ProductId::new(product).unwrap(),
        action,
        run: RunId::next(None, 1, 1),
        ordinal: 0,
    }
}

fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

fn message(ordinal: u32) -> ChangeMessage {
    ChangeMessage {
        run: RunId::next(None, 1, 1),
        account: lane().account,
        experience: lane().experience,
        product: ProductId::new(format!("p{ordinal}")).unwrap(),
        action: Action::Allow,
        ordinal,
    }
}
