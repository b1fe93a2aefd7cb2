//! A plan in which changes of the management experience count as made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::fmt::Write as _;

use futures::executor::block_on;
use pmp_sync_domain::answers::plan::{Overlay, PlanRequest, Preview, PreviewDecision, PreviewLink};
use pmp_sync_domain::ids::{AccountId, ExperienceId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_fakes::World;
use pmp_sync_producer::queries;

use crate::fakes::{Producer, producer};

fn products(prefix: &str, count: usize) -> Vec<ProductId> {
    let ids = (0..count).map(|number| format!("prod-{prefix}{number}"));
    ids.map(|id| ProductId::new(id).unwrap()).collect()
}

fn experience(name: &str) -> ExperienceId {
    ExperienceId::new(format!("exp-{name}")).unwrap()
}

/// Two members that follow `exp-one` and `exp-two`, and are in sync with them.
fn setting(listed: usize) -> (World, Producer) {
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let world = World::new(start, 7, 20);
    let management = AccountId::new("1".repeat(12)).unwrap();
    let mut config = "schema = 1\n".to_owned();
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let account = AccountId::new(format!("22222222222{number}")).unwrap();
        let lists = || PolicySnapshot::new(products("a", listed), []);
        world.experiences(|all| {
            all.add(&management, &experience(name), lists());
            all.add(&account, &experience(&format!("of-{name}")), lists());
        });
        world.open_member(&account, "external-1");
        let _ = write!(
            config,
            "[[member]]\nname = \"{name}\"\naccount = \"{account}\"\nexternal_id = \"external-1\"\n\
             [[link]]\nmanagement_experience = \"exp-{name}\"\nmember = \"{name}\"\nmember_experience = \"exp-of-{name}\"\nmode = \"mirror\"\n"
        );
    }
    world.ledger(|ledger| ledger.configs.push(config));
    let producer = producer(&world, &management);
    (world, producer)
}

fn ask(producer: &Producer, allow: Vec<ProductId>, deny: Vec<ProductId>) -> Preview {
    let request = PlanRequest {
        overlay: Some(Overlay {
            management_experience: experience("one"),
            allow: allow.into_iter().collect(),
            deny: deny.into_iter().collect(),
        }),
        ..PlanRequest::default()
    };
    block_on(queries::plan_page(producer, &request))
        .unwrap()
        .preview
}

fn only(preview: Preview) -> PreviewLink {
    let [link] = preview.links.try_into().unwrap();
    link
}

#[test]
fn what_is_overlaid_is_planned_for_those_who_follow_it_and_nothing_else_is() {
    let (world, producer) = setting(20);
    let (new, gone) = (products("new", 60), products("a", 1));
    let link = only(ask(&producer, new.clone(), gone.clone()));
    assert_eq!(link.member.as_str(), "one");
    let mut expected = new;
    expected.sort();
    // No run has observed the link, so a guard would hold what is removed.
    assert_eq!((link.allow, link.held.deny), (expected, gone));
    assert!(link.deny.is_empty());
    assert_eq!((link.removals, link.fewest_change_sets), (0, 2));
    // Nothing was done: without the overlay everybody is in sync.
    let now = block_on(queries::plan_page(&producer, &PlanRequest::default())).unwrap();
    let decisions = now.preview.links.iter().map(|link| link.decision);
    assert!(decisions.eq([PreviewDecision::InSync; 2]));
    world.ledger(|ledger| assert!(ledger.runs.is_empty()));
}

#[test]
fn guards_judge_the_overlaid_list() {
    let (_, producer) = setting(20);
    // Everything is denied: the list would be empty, and half of it removed.
    let link = only(ask(&producer, Vec::new(), products("a", 20)));
    assert_eq!(link.decision, PreviewDecision::Held);
    let codes: Vec<_> = link
        .held_for
        .iter()
        .map(pmp_sync_domain::guard::HoldReason::code)
        .collect();
    assert!(codes.len() >= 2, "{codes:?}");
    // A list that is empty now is not, once something is allowed.
    let (_, producer) = setting(0);
    let link = only(ask(&producer, products("new", 1), Vec::new()));
    assert_eq!(
        (link.decision, link.held_for),
        (PreviewDecision::Commit, Vec::new())
    );
}

/// The configuration of `setting` with another text in place of one.
fn ask_config(world: &World, producer: &Producer, from: &str, to: &str) -> Preview {
    let stored = world.ledger(|ledger| ledger.configs.last().cloned().unwrap());
    let text = stored.replace(from, to);
    assert_ne!(text, stored, "{from}");
    let request = PlanRequest {
        config: Some(text),
        ..PlanRequest::default()
    };
    let before = world.ledger(|ledger| format!("{ledger:?}"));
    let page = block_on(queries::plan_page(producer, &request)).unwrap();
    // The query writes nothing.
    assert_eq!(world.ledger(|ledger| format!("{ledger:?}")), before);
    page.preview
}

#[test]
fn a_configuration_is_planned_before_it_is_applied() {
    let (world, producer) = setting(20);
    // Both follow `exp-one`, which lists less.
    world.experiences(|all| {
        all.edit(&experience("one"), |_, lists| {
            *lists = PolicySnapshot::new(products("a", 8), []);
        });
    });
    let follow = "management_experience = \"exp-two\"";
    let preview = ask_config(
        &world,
        &producer,
        follow,
        "management_experience = \"exp-one\"",
    );
    assert_eq!(preview.config_version, 1, "the one that it would follow");
    let two = &preview.links[1];
    assert_eq!(
        (two.member.as_str(), two.held.deny.len(), two.deny.len()),
        ("two", 12, 0)
    );
    assert_eq!(two.decision, PreviewDecision::Held, "{:?}", two.held_for);
    // Frozen by the file, nothing would happen, and what is kept back is shown.
    let frozen = ask_config(
        &world,
        &producer,
        "schema = 1\n",
        "schema = 1\nfreeze = true\n",
    );
    let one = &frozen.links[0];
    assert_eq!((one.decision, one.deny.len()), (PreviewDecision::InSync, 0));
    assert_eq!(one.if_acting.as_ref().unwrap().held.deny.len(), 12);
}

#[test]
fn a_new_member_whose_role_is_not_there_yet_is_told_so_and_fails_no_other() {
    let (world, producer) = setting(20);
    let new = "schema = 1\n[[member]]\nname = \"new\"\naccount = \"444444444444\"\nexternal_id = \"external-4\"\n\
               [[link]]\nmanagement_experience = \"exp-one\"\nmember = \"new\"\nmember_experience = \"exp-new\"\n";
    let preview = ask_config(&world, &producer, "schema = 1\n", new);
    let decisions: Vec<_> = preview.links.iter().map(|link| link.decision).collect();
    assert_eq!(
        decisions,
        [
            PreviewDecision::NotYet,
            PreviewDecision::InSync,
            PreviewDecision::InSync
        ]
    );
    let link = &preview.links[0];
    assert!(link.is_warning());
    let fault = link.fault.as_ref().unwrap();
    assert_eq!(fault.code, "PMS-3001");
    assert!(fault.remedy.contains("deploy the stacks"), "{fault:?}");
    // A member that is configured already has failed.
    world.set_reachable(&"222222222220".parse().unwrap(), false);
    let preview = ask_config(
        &world,
        &producer,
        "mode = \"mirror\"",
        "mode = \"additive\"",
    );
    assert_eq!(preview.links[0].decision, PreviewDecision::Failed);
}

#[test]
fn a_configuration_is_planned_before_any_is_stored() {
    let (world, producer) = setting(20);
    let text = world.ledger(|ledger| ledger.configs.pop().unwrap());
    let request = PlanRequest {
        config: Some(text),
        ..PlanRequest::default()
    };
    let page = block_on(queries::plan_page(&producer, &request)).unwrap();
    assert_eq!(
        (page.preview.config_version, page.preview.links.len()),
        (0, 2)
    );
    // One that is not valid is refused with its problems.
    let request = PlanRequest {
        config: Some("schema = 2".to_owned()),
        ..PlanRequest::default()
    };
    let error = block_on(queries::plan_page(&producer, &request)).unwrap_err();
    assert_eq!(error.code(), "PMS-1001");
}
