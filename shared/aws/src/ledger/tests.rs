//! Stored items keep their form: this release reads what an earlier one wrote, and writes what its
//! fixture says.

use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::records::{
    DeadLetterRecord, HeldPart, LaneEntry, LastChange, LinkRecord, LinkState, ListEdit, LiveRecord,
    Onboarding, OperatorAct, Receipt, RunRecord, SeenList, SetRecord, Suspensions,
};
use serde_json::Value;

use super::{from_item, lanes, links, to_item};

// What the first releases wrote, and the same schema with fields that were added later.
const STATE_BEFORE: &str = include_str!("../../fixtures/state-1.json");
const STATE: &str = include_str!("../../fixtures/state-1-b.json");
const STATE_COUNTED: &str = include_str!("../../fixtures/state-1-c.json");
const STATE_WITH_LETTERS: &str = include_str!("../../fixtures/state-1-d.json");
const RUN_BEFORE: &str = include_str!("../../fixtures/run-1.json");
const RUN_B: &str = include_str!("../../fixtures/run-1-b.json");
const RUN: &str = include_str!("../../fixtures/run-1-c.json");
const SUSPENSIONS: &str = include_str!("../../fixtures/suspensions-1.json");
const DEAD_LETTER: &str = include_str!("../../fixtures/dead-letter-1.json");
const LANE_ENTRY: &str = include_str!("../../fixtures/lane-entry-1.json");
const LANE_ENTRY_OF_SEVERAL: &str = include_str!("../../fixtures/lane-entry-1-b.json");
const LINK_OF_SEVERAL: &str = include_str!("../../fixtures/link-1-sources.json");
const LINK_STATE_OF_SEVERAL: &str = include_str!("../../fixtures/link-state-1-sources.json");
const SET: &str = include_str!("../../fixtures/set-1.json");
const LIVE: &str = include_str!("../../fixtures/live-1.json");
const EDIT: &str = include_str!("../../fixtures/edit-1.json");
const EDIT_INTERRUPTED: &str = include_str!("../../fixtures/edit-1-b.json");
const ACT: &str = include_str!("../../fixtures/act-1.json");
const ACT_REMOVED: &str = include_str!("../../fixtures/act-1-removed.json");
const LINK_STATE_REVERTED: &str = include_str!("../../fixtures/link-state-1-reverted.json");
const LIVE_NAMED: &str = include_str!("../../fixtures/live-1-named.json");
const ONBOARDING: &str = include_str!("../../fixtures/onboarding-1.json");
const LINK_EDITED: &str = include_str!("../../fixtures/link-1-edited.json");
const PRODUCT: &str = include_str!("../../fixtures/product-1.json");
const LINK: &str = include_str!("../../fixtures/link-1.json");
const LINK_HELD: &str = include_str!("../../fixtures/link-1-b.json");
const LINK_STATE: &str = include_str!("../../fixtures/link-state-1.json");
const LINK_STATE_NOTICED: &str = include_str!("../../fixtures/link-state-1-b.json");
const LINK_STATE_BOUNDED: &str = include_str!("../../fixtures/link-state-1-c.json");
const LINK_STATE_CONTESTED: &str = include_str!("../../fixtures/link-state-1-d.json");
const LINK_STATE_EDITED: &str = include_str!("../../fixtures/link-state-1-e.json");
const SEEN_LIST: &str = include_str!("../../fixtures/seen-list-1.json");
const RECEIPT: &str = include_str!("../../fixtures/receipt-1.json");
const RUN_HANDED_ON: &str = include_str!("../../fixtures/run-1-e.json");
const RUN_OF_A_RETRY: &str = include_str!("../../fixtures/run-1-f.json");
const RUN_TO_TELL_OF: &str = include_str!("../../fixtures/run-1-d.json");

/// Converts to an item and back, and compares with the fixture.
fn kept<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    fixture: &str,
) {
    let record: T = serde_json::from_str(fixture).unwrap();
    let item = to_item("PutItem", "pk", "sk", &record).unwrap();
    assert_eq!(from_item::<T>("GetItem", item).unwrap(), record);
    let written = serde_json::to_value(&record).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(fixture).unwrap());
}

#[test]
fn a_lanes_state_is_kept() {
    kept::<LaneState>(STATE);
    kept::<LaneState>(STATE_COUNTED);
    kept::<LaneState>(STATE_WITH_LETTERS);
}

/// A field that a state lacks must be removed from the item, because the previous state may have
/// had it.
#[test]
fn every_field_of_a_state_is_set_or_removed_by_its_update() {
    let whole: Value = serde_json::from_str(STATE).unwrap();
    let lane = "222222222222/exp-1".parse().unwrap();
    let update = lanes::state_update(&lane, 1, &LaneState::default()).unwrap();
    for field in whole.as_object().unwrap().keys() {
        let is_named = |(_, name): &(String, String)| name == field;
        assert!(update.names.iter().any(is_named), "{field} stays");
    }
}

#[test]
fn a_run_is_kept() {
    kept::<RunRecord>(RUN);
    kept::<RunRecord>(RUN_TO_TELL_OF);
    kept::<RunRecord>(RUN_HANDED_ON);
    kept::<RunRecord>(RUN_OF_A_RETRY);
}

#[test]
fn what_is_suspended_dead_letters_and_lanes_are_kept() {
    kept::<Suspensions>(SUSPENSIONS);
    kept::<DeadLetterRecord>(DEAD_LETTER);
    kept::<LaneEntry>(LANE_ENTRY);
    kept::<SetRecord>(SET);
}

#[test]
fn what_is_remembered_of_a_link_is_kept() {
    kept::<LinkState>(LINK_STATE);
    kept::<LinkState>(LINK_STATE_NOTICED);
    kept::<LinkState>(LINK_STATE_BOUNDED);
    kept::<LinkState>(LINK_STATE_CONTESTED);
    kept::<LinkState>(LINK_STATE_EDITED);
    kept::<LinkState>(LINK_STATE_REVERTED);
    kept::<SeenList>(SEEN_LIST);
}

/// A link that follows several management experiences. A release that knows one finds the first.
#[test]
fn items_of_a_link_that_follows_several_are_kept_and_name_the_first() {
    kept::<LaneEntry>(LANE_ENTRY_OF_SEVERAL);
    kept::<LinkRecord>(LINK_OF_SEVERAL);
    kept::<LinkState>(LINK_STATE_OF_SEVERAL);
    for text in [LANE_ENTRY_OF_SEVERAL, LINK_OF_SEVERAL] {
        let item: Value = serde_json::from_str(text).unwrap();
        assert_eq!(item["management_experience"], "exp-m");
    }
}

#[test]
fn what_is_known_of_a_request_is_kept() {
    kept::<Receipt>(RECEIPT);
}

#[test]
fn what_is_known_of_a_product_is_kept() {
    kept::<LiveRecord>(LIVE);
    kept::<LiveRecord>(LIVE_NAMED);
    let before: LiveRecord = serde_json::from_str(LIVE).unwrap();
    assert_eq!((before.details, before.failed_at), (None, None));
}

#[test]
fn an_edit_of_the_lists_is_kept() {
    kept::<ListEdit>(EDIT);
    kept::<ListEdit>(EDIT_INTERRUPTED);
    kept::<OperatorAct>(ACT);
    kept::<OperatorAct>(ACT_REMOVED);
}

#[test]
fn what_is_known_of_a_member_account_is_kept() {
    kept::<Onboarding>(ONBOARDING);
}

#[test]
fn items_of_before_a_field_came_are_read_without_it() {
    let state: LaneState = serde_json::from_str(STATE_BEFORE).unwrap();
    assert!(state.bisect.is_idle() && state.suspension.is_none() && state.cancelled == 0);
    assert!(state.member.is_none() && state.denied.is_empty());
    assert_eq!((state.rev, state.tick), (9, 4));
    let run: RunRecord = serde_json::from_str(RUN_BEFORE).unwrap();
    assert!(run.quarantined.is_empty() && run.cursor.is_empty());
    assert_eq!(run.totals.suspended, 0);
    let run: RunRecord = serde_json::from_str(RUN_B).unwrap();
    assert_eq!(run.totals.held, 0);
    assert!(run.requests.iter().all(|request| request.account.is_none()));
}

#[test]
fn a_link_is_kept() {
    kept::<LinkRecord>(LINK);
    kept::<LinkRecord>(LINK_HELD);
}

#[test]
fn a_link_with_outside_edits_is_kept() {
    kept::<LinkRecord>(LINK_EDITED);
}

#[test]
fn the_last_change_of_a_product_is_kept() {
    kept::<LastChange>(PRODUCT);
}

#[test]
fn an_item_of_a_newer_schema_is_refused_and_newer_fields_are_ignored() {
    let mut value: Value = serde_json::from_str(STATE).unwrap();
    value["something_new"] = Value::from(1);
    let item = to_item("PutItem", "pk", "sk", &value).unwrap();
    assert!(from_item::<LaneState>("GetItem", item).is_ok());
    value["schema"] = Value::from(2);
    let item = to_item("PutItem", "pk", "sk", &value).unwrap();
    let refused = from_item::<LaneState>("GetItem", item).unwrap_err();
    assert!(refused.message.contains("schema 2"), "{refused}");
}

#[test]
fn a_long_plan_is_cut_into_parts_and_joined() {
    let mut link: LinkRecord = serde_json::from_str(LINK).unwrap();
    link.allow = (0..25)
        .map(|number| format!("a{number:02}").parse().unwrap())
        .collect();
    link.held = HeldPart {
        allow: vec![format!("prod-h{}", 0).parse().unwrap()],
        deny: (1..14)
            .map(|n| format!("prod-h{n}").parse().unwrap())
            .collect(),
    };
    link.deny = (0..8)
        .map(|number| format!("d{number:02}").parse().unwrap())
        .collect();
    link.edited = (0..12)
        .map(|number| format!("e{number:02}").parse().unwrap())
        .collect();
    let (head, parts) = links::split(&link, 10);
    assert_eq!(
        parts.len(),
        (25 + 8 + 14 + 12 + link.left_alone.len() + link.contradictory.len()).div_ceil(10)
    );
    assert_eq!(links::join(head, parts).unwrap(), link);
    let (head, mut parts) = links::split(&link, 10);
    parts.pop();
    assert!(links::join(head, parts).is_err(), "a part is missing");
}
