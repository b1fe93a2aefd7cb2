//! The answers, as far as they depend on what the producer reads.

use futures::executor::block_on;
use pmp_sync_domain::answers::why::{MOST_PRODUCTS, Stage, Why, WhyRequest};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::error::{Kind, RunError};
use pmp_sync_domain::ids::{InstallationId, ProductId, RunId};
use pmp_sync_domain::lane::{
    Block, BlockReason, Intent, IntentChange, OtherInstallation, Phase, Quarantined, Suspension,
};
use pmp_sync_domain::policy::{Action, PolicySnapshot, Standing};
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::sync_state::Verdict;
use pmp_sync_domain::wire::{CONTESTED, RECOVERED, Scope};
use pmp_sync_producer::queries;

use crate::setup::{CONFIG, Setting, lane, lists, product, products};

fn old_run() -> RunId {
    RunId::next(None, 1, 1)
}

/// `a` is to be allowed, `d` to be denied, `b` is in sync.
fn differing() -> Setting {
    Setting::new(lists(["a", "b"], []), &lists(["b", "d"], []))
}

#[test]
fn every_product_is_answered_on_every_member_experience() {
    let setting = differing();
    let report = setting.report(["d", "b", "a", "nowhere"]);
    assert_eq!((report.schema, report.config_version), (1, 1));
    let names: Vec<_> = report
        .links
        .iter()
        .map(|link| link.member.as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    for link in &report.links {
        assert!(link.experience.is_some());
        let asked: Vec<_> = link
            .answers
            .iter()
            .map(|answer| answer.product.as_str())
            .collect();
        assert_eq!(asked, ["d", "b", "a", "nowhere"]);
        let verdicts: Vec<_> = link
            .answers
            .iter()
            .map(|answer| answer.why.verdict())
            .collect();
        let (in_sync, differs) = (Verdict::InSync, Verdict::Differs);
        assert_eq!(verdicts, [differs, in_sync, differs, in_sync]);
        assert_eq!(link.answers[3].standing, Some(Standing::Unlisted));
    }
}

#[test]
fn a_question_writes_nothing_and_looks_at_each_lane_once() {
    let setting = differing();
    let before = setting.world.ledger(|ledger| format!("{ledger:?}"));
    let texts: Vec<_> = (0..500).map(|number| format!("prod-{number}")).collect();
    let request = WhyRequest {
        scope: Scope::default(),
        products: texts.iter().map(|text| product(text)).collect(),
    };
    block_on(queries::why(&setting.producer, &request)).unwrap();
    assert_eq!(setting.calls("Products"), 2);
    assert_eq!(setting.calls("AssumeRole"), 2);
    let after = setting.world.ledger(|ledger| format!("{ledger:?}"));
    assert_eq!(before, after);
}

#[test]
fn a_question_may_be_narrowed() {
    let setting = differing();
    let request = WhyRequest {
        scope: Scope {
            members: vec!["two".parse().unwrap()],
            ..Scope::default()
        },
        products: products(["a"]),
    };
    let report = block_on(queries::why(&setting.producer, &request)).unwrap();
    assert_eq!(report.links.len(), 1);
    assert_eq!(report.links[0].member.as_str(), "two");
}

#[test]
fn a_change_is_followed_from_the_plan_to_its_end() {
    let setting = differing();
    assert_eq!(setting.why("a"), Why::Planned);
    setting.sync();
    let run = setting.last_run().run;
    let stage = |setting: &Setting| match setting.why("a") {
        Why::Open { stage, run, .. } => (stage, run),
        other => panic!("{other:?}"),
    };
    assert_eq!(stage(&setting), (Stage::Sent, run));
    setting.world.ledger(|ledger| {
        let state = ledger.lanes.get_mut(&lane()).unwrap();
        state.phase = Phase::InFlight;
        state.intent = Some(Intent {
            creates_policy: false,
            token: "t".to_owned(),
            name: None,
            written_at: None,
            at: state.updated_at.unwrap(),
            changes: vec![IntentChange {
                product: product("a"),
                action: Action::Allow,
                run,
                ordinal: 0,
            }],
        });
    });
    assert_eq!(stage(&setting), (Stage::InFlight, run));
    setting.edit(lists(["a", "b"], ["d"]));
    setting.closed("a", Action::Allow, run, Closing::Applied);
    let Why::InSync {
        run: by,
        since,
        change_set,
    } = setting.why("a")
    else {
        panic!("{:?}", setting.why("a"));
    };
    assert_eq!(by, Some(run));
    assert!(since.is_some() && change_set.is_some());
}

#[test]
fn a_hold_that_stands_is_told_with_its_command() {
    let setting = Setting::new(lists([], []), &lists(["a"], []));
    let Why::Held {
        run: None,
        approve: None,
        reasons,
        ..
    } = setting.why("a")
    else {
        panic!("{:?}", setting.why("a"));
    };
    assert_eq!(reasons.len(), 1);
    setting.sync();
    let hold = setting.link_state().hold.unwrap();
    let Why::Held {
        run,
        approve,
        since,
        ..
    } = setting.why("a")
    else {
        panic!("{:?}", setting.why("a"));
    };
    assert_eq!((run, since), (Some(hold.run), Some(hold.since)));
    assert_eq!(approve, Some(hold.approve(&lane().experience)));
}

/// The members allow sixty products that the management experience does not allow any more, and wait for
/// others.
fn held_while_at_work(still_wanted: &[&str]) -> Setting {
    let listed: Vec<_> = (0..60).map(|n| product(&format!("m{n}"))).collect();
    let members = PolicySnapshot::new(listed.clone(), []);
    let wanted = listed.into_iter().chain(products(["a", "c"]));
    let setting = Setting::new(PolicySnapshot::new(wanted, []), &members);
    setting.sync();
    let still = still_wanted.iter().map(|text| product(text));
    setting.manage(PolicySnapshot::new(still, []));
    setting
}

#[test]
fn what_the_lane_goes_on_with_is_open_although_a_newer_plan_is_held() {
    let setting = held_while_at_work(&["a", "c"]);
    assert!(matches!(setting.why("a"), Why::Open { .. }));
    assert!(matches!(setting.why("m0"), Why::Held { .. }));
    // What is on its way is not wanted as a whole any more: what passes of the newer plan is committed anew.
    let setting = held_while_at_work(&["a"]);
    assert!(matches!(setting.why("a"), Why::Open { .. }));
    assert!(matches!(setting.why("m0"), Why::Held { .. }));
}

#[test]
fn what_is_quarantined_blocked_or_suspended_is_told_so() {
    let setting = differing();
    setting.closed("a", Action::Allow, old_run(), Closing::Applied);
    setting.world.ledger(|ledger| {
        let item = ledger.items.get_mut(&(lane(), product("a"))).unwrap();
        item.closed = None;
        item.quarantined = Some(Quarantined {
            product: product("a"),
            action: Action::Allow,
            run: old_run(),
            error_code: "INVALID".to_owned(),
            error_message: "no".to_owned(),
            change_set: "cs1".parse().unwrap(),
            quarantined_at: item.change.claimed_at,
        });
    });
    let Why::Quarantined {
        error_code,
        change_set,
        ..
    } = setting.why("a")
    else {
        panic!("{:?}", setting.why("a"));
    };
    assert_eq!(
        (error_code.as_str(), change_set.is_some()),
        ("INVALID", true)
    );

    let now = setting.world.time();
    setting.world.ledger(|ledger| {
        let state = ledger.lanes.entry(lane()).or_default();
        state.phase = Phase::Blocked;
        state.block = Some(Block {
            reason: BlockReason::AccessDenied,
            detail: "no".to_owned(),
            since: now,
        });
    });
    assert!(matches!(setting.why("d"), Why::Blocked { since, .. } if since == now));
    setting.world.ledger(|ledger| {
        ledger.suspensions.links.insert(
            lane().experience,
            Suspension {
                by: Some("ann".to_owned()),
                since: now,
            },
        );
    });
    let suspended = Why::Suspended {
        by: Some("ann".to_owned()),
        since: now,
    };
    assert_eq!(setting.why("d"), suspended);
    // The other member's link is not.
    let report = setting.report(["d"]);
    assert_eq!(report.links[1].answers[0].why, Why::Planned);
}

#[test]
fn a_link_that_cannot_be_looked_at_is_told_for_every_product_and_holds_up_no_other() {
    let setting = differing();
    setting
        .world
        .set_reachable(&crate::setup::account('2'), false);
    let report = setting.report(["a", "b"]);
    let first = &report.links[0];
    assert_eq!(first.experience, Some(lane().experience));
    for answer in &first.answers {
        let Why::Failing(FaultRecord { code, remedy, .. }) = &answer.why else {
            panic!("{answer:?}");
        };
        assert_eq!(code, "PMS-3001");
        assert!(remedy.contains("external_id"));
    }
    assert_eq!(report.links[1].answers[0].why, Why::Planned);
}

#[test]
fn a_lane_whose_products_cannot_be_read_fails() {
    let setting = differing();
    setting
        .world
        .failing(|failing| failing.fail_next("Products", 1, Kind::Denied));
    let report = setting.report(["a"]);
    let verdicts = report
        .links
        .iter()
        .map(|link| link.answers[0].why.verdict());
    let verdicts: Vec<_> = verdicts.collect();
    assert_eq!(verdicts, [Verdict::Fails, Verdict::Differs]);
}

#[test]
fn an_outside_edit_is_told_with_since_when_a_run_has_seen_it() {
    let setting = differing();
    setting.closed("d", Action::Deny, old_run(), Closing::Applied);
    // Not since somebody asked.
    assert_eq!(setting.answer("d").edited_since, None);
    setting.sync();
    let first = setting.world.time();
    setting.wait(600);
    assert_eq!(setting.answer("d").edited_since, Some(first));
    assert_eq!(setting.answer("a").edited_since, None);
}

#[test]
fn a_link_to_every_live_experience_answers_for_each() {
    let setting = differing();
    let every = CONFIG.replacen(
        "member_experience = \"exp-1\"",
        "member_experience = \"*\"",
        1,
    );
    setting.configure(&every);
    setting.world.experiences(|experiences| {
        let owner = crate::setup::account('2');
        let third = crate::setup::experience("exp-3");
        experiences.add(&owner, &third, lists(["a", "b"], []));
    });
    let report = setting.report(["a"]);
    assert_eq!(report.links.len(), 3);
    let verdicts = report.links.iter().map(|link| {
        let answer = &link.answers[0];
        (
            link.experience.as_ref().unwrap().as_str(),
            answer.why.verdict(),
        )
    });
    let mut verdicts: Vec<_> = verdicts.collect();
    verdicts.sort_unstable();
    let (in_sync, differs) = (Verdict::InSync, Verdict::Differs);
    assert_eq!(
        verdicts,
        [("exp-1", differs), ("exp-2", differs), ("exp-3", in_sync)]
    );
    setting
        .world
        .set_reachable(&crate::setup::account('2'), false);
    assert_eq!(setting.report(["a"]).links[0].experience, None);
}

#[test]
fn too_much_at_once_is_refused_with_the_way_forward() {
    let setting = differing();
    let ask = |count: usize| {
        let ids = (0..count).map(|number| format!("prod-{number}").parse().unwrap());
        let request = WhyRequest {
            scope: Scope::default(),
            products: ids.collect::<Vec<ProductId>>(),
        };
        block_on(queries::why(&setting.producer, &request))
    };
    assert!(ask(MOST_PRODUCTS).is_ok());
    let error = ask(MOST_PRODUCTS + 1).unwrap_err();
    assert_eq!(error.code(), "PMS-8001");
    assert!(error.record().remedy.contains("--member"));

    // Twenty members that cannot be reached: each product has the whole fault.
    let mut config = "schema = 1\n".to_owned();
    for number in 10..30 {
        use std::fmt::Write as _;
        let account = number.to_string().repeat(6);
        write!(
            config,
            "[[member]]\nname = \"m{number}\"\naccount = \"{account}\"\nexternal_id = \"external\"\n\
             [[link]]\nmanagement_experience = \"exp-m\"\nmember = \"m{number}\"\nmember_experience = \"exp-{number}\"\n"
        )
        .unwrap();
    }
    setting.configure(&config);
    let error = ask(MOST_PRODUCTS).unwrap_err();
    assert!(matches!(error, RunError::TooLarge(_)), "{error}");
    assert!(
        error.to_string().contains("20 member experiences"),
        "{error}"
    );
    assert!(ask(100).is_ok());
}

/// Another installation is shown by the answers, and announced by the runs: once, and its end.
#[test]
fn another_installation_on_an_experience_is_shown_and_announced_until_a_day_after_its_last_change_set()
 {
    let setting = Setting::new(lists(["a"], []), &lists(["a"], []));
    setting.sync();
    let other = OtherInstallation {
        installation: InstallationId::of_ledger("another"),
        change_set: "cs9".parse().unwrap(),
        seen: setting.world.time(),
    };
    setting.world.ledger(|ledger| {
        ledger.lanes.entry(lane()).or_default().other = Some(other.clone());
    });
    let announced = |setting: &Setting| {
        let events = setting.world.events().into_iter();
        let events = events.map(|(_, name, _)| name);
        events
            .filter(|name| [CONTESTED, RECOVERED].contains(name))
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        setting.sync();
        assert_eq!(announced(&setting), [CONTESTED]);
    }
    let report = setting.report(["a"]);
    let shown: Vec<_> = report
        .links
        .iter()
        .map(|link| link.other_installation.clone())
        .collect();
    assert_eq!(shown, [Some(other), None]);
    setting.wait(86_400);
    setting.sync();
    assert_eq!(announced(&setting), [CONTESTED, RECOVERED]);
    assert_eq!(setting.report(["a"]).links[0].other_installation, None);
}
