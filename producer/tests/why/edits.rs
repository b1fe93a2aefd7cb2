//! Runs and previews tell of outside edits.

use futures::executor::block_on;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::Suspension;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;
use pmp_sync_producer::queries;

use crate::setup::{CONFIG, Setting, lists, product, products};

fn old_run() -> RunId {
    RunId::next(None, 1, 1)
}

/// `a` and `b` were allowed by pmp-sync; somebody has denied `a` on member `one`.
fn edited() -> Setting {
    let setting = Setting::new(lists(["a", "b"], []), &lists(["a", "b"], []));
    for text in ["a", "b"] {
        setting.closed(text, Action::Allow, old_run(), Closing::Applied);
    }
    setting.edit(lists(["b"], ["a"]));
    setting
}

#[test]
fn a_run_tells_what_was_edited_and_since_when_it_has_been_seen() {
    let setting = edited();
    setting.sync();
    let first = setting.world.time();
    let link = setting.link();
    assert_eq!(link.status, LinkStatus::Committed);
    assert_eq!(link.edited, products(["a"]));
    assert_eq!(link.edited_since, Some(first));
    assert_eq!(setting.link_state().edited[&product("a")], first);
    setting.wait(600);
    setting.sync();
    assert_eq!(setting.link().edited_since, Some(first));
}

#[test]
fn an_edit_that_was_put_right_is_forgotten() {
    let setting = edited();
    setting.sync();
    setting.edit(lists(["a", "b"], []));
    // Until what is on its way has been taken the lane is busy with it.
    setting.world.ledger(|ledger| {
        let states = ledger.lanes.values_mut();
        for planned in states.filter_map(|state| state.planned.as_mut()) {
            planned.taken = planned.totals;
        }
    });
    setting.wait(600);
    setting.sync();
    assert!(setting.link_state().edited.is_empty());
    setting.edit(lists(["b"], ["a"]));
    setting.wait(600);
    setting.sync();
    assert_eq!(setting.link().edited_since, Some(setting.world.time()));
}

#[test]
fn a_link_in_sync_costs_no_further_read() {
    let setting = Setting::new(lists(["a"], []), &lists(["a"], []));
    setting.closed("a", Action::Allow, old_run(), Closing::Applied);
    setting.sync();
    setting.sync();
    assert_eq!(setting.calls("Products"), 0);
    setting.edit(lists([], ["a"]));
    setting.sync();
    assert_eq!(setting.calls("Products"), 1);
    assert!(setting.link().edited.contains(&product("a")));
}

#[test]
fn what_is_left_alone_is_remembered_as_edited_from_run_to_run() {
    let setting = edited();
    let excluding = CONFIG.replacen(
        "member_experience = \"exp-1\"",
        "member_experience = \"exp-1\"\nexclude = [\"a\"]",
        1,
    );
    setting.configure(&excluding);
    setting.sync();
    let first = setting.world.time();
    setting.wait(3_600);
    setting.sync();
    let link = setting.link();
    assert_eq!(link.status, LinkStatus::InSync);
    assert_eq!(
        (link.edited, link.edited_since),
        (products(["a"]), Some(first))
    );
    assert_eq!(setting.calls("Products"), 2);
}

#[test]
fn a_held_plan_and_a_suspended_link_tell_it_as_well() {
    let setting = edited();
    // Nothing is allowed any more: everything would be denied.
    setting.manage(lists([], []));
    setting.edit(lists(["a"], ["b"]));
    setting.closed("a", Action::Deny, old_run(), Closing::Applied);
    setting.sync();
    let first = setting.world.time();
    let link = setting.link();
    assert_eq!(link.status, LinkStatus::Held);
    assert_eq!(link.edited, products(["a"]));
    assert_eq!(setting.link_state().edited[&product("a")], first);

    setting.world.ledger(|ledger| {
        ledger.suspensions.all = Some(Suspension {
            by: None,
            since: first,
        });
    });
    setting.edit(lists(["a", "b"], []));
    setting.closed("b", Action::Deny, old_run(), Closing::Applied);
    setting.wait(60);
    setting.sync();
    let link = setting.link();
    assert_eq!(link.status, LinkStatus::Suspended);
    assert_eq!(
        (link.edited, link.edited_since),
        (products(["a", "b"]), Some(first))
    );
    assert_eq!(
        setting.link_state().edited[&product("b")],
        setting.world.time()
    );
}

#[test]
fn a_run_goes_on_if_the_products_cannot_be_read_and_forgets_nothing() {
    let setting = edited();
    setting.sync();
    let first = setting.world.time();
    setting.wait(600);
    setting
        .world
        .failing(|failing| failing.fail_next("Products", 2, Kind::Retryable));
    setting.sync();
    let link = setting.link();
    assert_ne!(link.status, LinkStatus::Failed);
    assert_eq!(link.edited_since, Some(first));
    assert_eq!(setting.link_state().edited[&product("a")], first);
}

#[test]
fn a_preview_tells_it_and_writes_nothing() {
    let setting = edited();
    let preview = block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
    let link = &preview.links[0];
    assert_eq!(link.edited, products(["a"]));
    // Not since somebody asked.
    assert_eq!(link.edited_since, None);
    assert!(preview.links[1].edited.is_empty());
    assert!(setting.link_state().edited.is_empty());
    setting.sync();
    let first = setting.world.time();
    setting.wait(600);
    let preview = block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
    assert_eq!(preview.links[0].edited_since, Some(first));
}
