//! Plan, why, sync, status and report agree about every state: for each reason why a product can differ, the
//! same word of each of them, before a run and after it.

use std::collections::BTreeSet;

use futures::executor::block_on;
use pmp_sync_domain::answers::plan::{PlanRequest, PreviewDecision, PreviewLink};
use pmp_sync_domain::answers::report::{LinkStandings, ReportRequest};
use pmp_sync_domain::answers::why::WhyLink;
use pmp_sync_domain::approval::{Ask, RejectedPart};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::{
    Block, BlockReason, LaneState, MemberMode, MemberRules, Phase, Quarantined, Suspension,
};
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::sync_state::Verdict;
use pmp_sync_domain::sync_state::{LinkFacts, RecordedLane, SyncState};
use pmp_sync_fakes::{Fate, ItemKey};
use pmp_sync_producer::queries;

use crate::setup::{CONFIG, Setting, account, experience, lane, lists, product};

/// The product that differs.
const PRODUCT: &str = "a";

/// Member `two` is in sync with these lists.
fn with_other(setting: Setting, management: PolicySnapshot) -> Setting {
    setting.world.experiences(|all| {
        all.edit(&experience("exp-2"), |_, lists| *lists = management);
    });
    setting
}

/// `a` is to be allowed; `b` is in sync.
fn differing() -> Setting {
    let setting = Setting::new(lists(["a", "b"], []), &lists(["b"], []));
    with_other(setting, lists(["a", "b"], []))
}

/// `a` is to be denied; `b` is in sync.
fn to_be_denied() -> Setting {
    let setting = Setting::new(lists(["b"], []), &lists(["a", "b"], []));
    with_other(setting, lists(["b"], []))
}

/// The link of member `one` with this in its table.
fn with(setting: &Setting, line: &str) {
    let link = "member_experience = \"exp-1\"\n";
    setting.configure(&CONFIG.replacen(link, &format!("{link}{line}\n"), 1));
}

/// Every link without a guard that would hold its first plan.
fn with_star(setting: &Setting) {
    setting.configure(&CONFIG.replacen("\"exp-1\"", "\"*\"", 1));
}

fn old_run() -> RunId {
    RunId::next(None, 1, 1)
}

fn quarantine(setting: &Setting) {
    setting.closed(PRODUCT, Action::Allow, old_run(), Closing::Applied);
    setting.world.ledger(|ledger| {
        let item = ledger.items.get_mut(&(lane(), product(PRODUCT))).unwrap();
        item.closed = None;
        item.quarantined = Some(Quarantined {
            product: product(PRODUCT),
            action: Action::Allow,
            run: old_run(),
            error_code: "INVALID".to_owned(),
            error_message: "no".to_owned(),
            change_set: "cs1".parse().unwrap(),
            quarantined_at: item.change.claimed_at,
        });
    });
}

fn of_lane(setting: &Setting, change: impl FnOnce(&mut LaneState)) {
    setting
        .world
        .ledger(|ledger| change(ledger.lanes.entry(lane()).or_default()));
}

fn suspend(setting: &Setting) {
    let since = setting.world.time();
    let suspension = Suspension { by: None, since };
    setting.world.ledger(|ledger| {
        let links = &mut ledger.suspensions.links;
        links.insert(lane().experience, suspension);
    });
}

fn block(setting: &Setting) {
    let since = setting.world.time();
    of_lane(setting, |state| {
        state.phase = Phase::Blocked;
        state.block = Some(Block {
            reason: BlockReason::AccessDenied,
            detail: "no".to_owned(),
            since,
        });
    });
}

fn rules(setting: &Setting, mode: MemberMode) {
    of_lane(setting, |state| {
        state.member = Some(MemberRules {
            mode,
            most_denies: None,
        });
    });
}

/// Every read of an experience of these fails.
fn unreadable(setting: &Setting, id: &'static str, kind: Kind) {
    setting.world.failing(|failing| {
        failing.decide_by(move |call| {
            if call.operation == "DescribeEntity" && call.thing == id {
                Fate::Refuse(kind)
            } else {
                Fate::Go
            }
        });
    });
}

/// A reason why a product can differ.
struct Scene {
    name: &'static str,
    setting: Setting,
    /// The state, before a run has looked.
    before: SyncState,
    /// The state after it, if that is another one. A commit is under way then.
    after: SyncState,
}

fn scene(name: &'static str, setting: Setting, state: SyncState) -> Scene {
    Scene {
        name,
        setting,
        before: state,
        after: state,
    }
}

fn made(setting: Setting, change: impl FnOnce(&Setting)) -> Setting {
    change(&setting);
    setting
}

fn invalid_id() -> Setting {
    let details = r#"{"Statements":[{"Effect":"Allow","Resources":[{"Type":"Product","Ids":["no id","b"]}]}]}"#;
    let management = PolicySnapshot::from_details(details).unwrap();
    Setting::new(management, &lists(["b"], []))
}

/// Two management experiences that do not agree about `a`, which is denied then.
fn conflict() -> Setting {
    let setting = to_be_denied();
    setting.world.experiences(|all| {
        all.add(&account('1'), &experience("exp-n"), lists(["a"], []));
    });
    setting.manage(lists(["b"], ["a"]));
    setting.configure(&CONFIG.replacen(
        "management_experience = \"exp-m\"",
        "management_experiences = [\"exp-m\", \"exp-n\"]",
        1,
    ));
    setting
}

fn held() -> Setting {
    Setting::new(lists([], []), &lists(["a"], []))
}

fn scenes() -> Vec<Scene> {
    use SyncState::{
        Blocked, Differs, Held, InSync, LeftAlone, Planned, Quarantined, Suspended, Underway,
        Unreachable,
    };
    let rejected = |setting: &Setting| {
        setting.sync();
        setting.world.ledger(|ledger| {
            let state = ledger.link_states.get_mut(&lane()).unwrap();
            let hold = state.hold.as_mut().unwrap();
            let ask = Ask {
                by: None,
                account: None,
                at: hold.since,
                reason: None,
            };
            let changes = hold.changes();
            hold.rejected = Some(RejectedPart { changes, ask });
        });
    };
    let committed = |name, setting| Scene {
        after: Underway,
        ..scene(name, setting, Planned)
    };
    let of_link = |line: &'static str| made(differing(), |setting| with(setting, line));
    let of_deny = |line: &'static str| made(to_be_denied(), |setting| with(setting, line));
    let require = "live_check = \"require\"";
    vec![
        scene(
            "in sync",
            Setting::new(lists(["a"], []), &lists(["a"], [])),
            InSync,
        ),
        scene(
            "suspended with nothing to do",
            made(Setting::new(lists(["a"], []), &lists(["a"], [])), suspend),
            InSync,
        ),
        committed("a new product", differing()),
        committed("a removed product", to_be_denied()),
        committed("a conflict", conflict()),
        scene("under way", made(differing(), Setting::sync), Underway),
        committed(
            "edited outside",
            made(differing(), |setting| {
                setting.closed(PRODUCT, Action::Allow, old_run(), Closing::Applied);
            }),
        ),
        scene("observe", of_link("mode = \"observe\""), Differs),
        scene("frozen", of_link("freeze = true"), Differs),
        scene("additive", of_deny("mode = \"additive\""), LeftAlone),
        scene("protected", of_deny("protect = [\"a\"]"), LeftAlone),
        scene("excluded", of_link("exclude = [\"a\"]"), LeftAlone),
        Scene {
            before: Differs,
            ..scene(
                "retired from AWS Marketplace",
                made(of_link(require), |setting| {
                    setting.world.set_live(&product(PRODUCT), false);
                }),
                LeftAlone,
            )
        },
        scene(
            "not known to AWS Marketplace yet",
            made(of_link(require), |setting| {
                let fail = |failing: &mut pmp_sync_fakes::Failing| {
                    failing.fail_next("GetProduct", 1_000, Kind::Retryable);
                };
                setting.world.failing(fail);
            }),
            Differs,
        ),
        scene(
            "the member's own rules",
            made(differing(), |setting| rules(setting, MemberMode::Suspended)),
            Differs,
        ),
        scene(
            "the member's own rules for denies",
            made(to_be_denied(), |setting| {
                rules(setting, MemberMode::AllowOnly);
            }),
            Differs,
        ),
        scene(
            "an item of a newer release",
            made(differing(), |setting| {
                setting.closed(PRODUCT, Action::Allow, old_run(), Closing::Applied);
                let key = ItemKey::Product(lane(), product(PRODUCT));
                setting.world.ledger(|ledger| ledger.newer.insert(key));
            }),
            Differs,
        ),
        scene("an id that is not valid", invalid_id(), Differs),
        scene("quarantined", made(differing(), quarantine), Quarantined),
        scene(
            "quarantined on a link that observes",
            made(of_link("mode = \"observe\""), quarantine),
            Quarantined,
        ),
        scene(
            "quarantined and excluded",
            made(of_link("exclude = [\"a\"]"), quarantine),
            Quarantined,
        ),
        scene("held", held(), Held),
        scene("held and rejected", made(held(), rejected), Held),
        scene(
            "a management experience that does not exist",
            made(differing(), |setting| {
                setting.configure(&CONFIG.replacen("exp-m", "exp-gone", 1));
            }),
            Held,
        ),
        scene(
            "a management experience that may not be read",
            made(differing(), |setting| {
                unreadable(setting, "exp-m", Kind::Refused);
            }),
            Held,
        ),
        scene(
            "a management experience that does not answer",
            made(differing(), |setting| {
                unreadable(setting, "exp-m", Kind::Retryable);
            }),
            Unreachable,
        ),
        scene("suspended", made(differing(), suspend), Suspended),
        scene(
            "suspended while its plan would be held",
            made(held(), suspend),
            Suspended,
        ),
        scene(
            "suspended while a change is under way",
            made(made(differing(), Setting::sync), suspend),
            Suspended,
        ),
        Scene {
            // The run tries again.
            after: Underway,
            ..scene(
                "blocked",
                made(made(differing(), Setting::sync), block),
                Blocked,
            )
        },
        scene("blocked, and held", made(held(), block), Held),
        scene(
            "a member that cannot be reached",
            made(differing(), |setting| {
                setting.world.set_reachable(&account('2'), false);
            }),
            Unreachable,
        ),
        scene(
            "a member that does not answer, with a retry to come",
            made(differing(), |setting| {
                unreadable(setting, "exp-1", Kind::Throttled);
            }),
            Unreachable,
        ),
        scene(
            "a link without a lane",
            made(differing(), |setting| {
                with_star(setting);
                setting.world.set_reachable(&account('2'), false);
            }),
            Unreachable,
        ),
    ]
}

impl Setting {
    fn plan_of_one(&self) -> PreviewLink {
        let page = block_on(queries::plan_page(&self.producer, &PlanRequest::default()));
        page.unwrap().preview.links.remove(0)
    }

    fn why_of_one(&self) -> WhyLink {
        self.report([PRODUCT]).links.remove(0)
    }

    fn standings_of_one(&self) -> LinkStandings {
        let report = block_on(queries::report(&self.producer, &ReportRequest::default()));
        report.unwrap().links.remove(0)
    }

    /// What the last run recorded of member `one`, if it recorded anything.
    fn recorded(&self) -> Option<LinkRecord> {
        let run = self.last_run().run;
        self.world.ledger(|ledger| {
            let mut records = ledger.links.iter();
            let found =
                records.find(|((of, _), record)| *of == run && record.account == account('2'));
            found.map(|(_, record)| record.clone())
        })
    }

    /// The state that `status` and the end of `sync` show.
    fn state_of_ledger(&self) -> SyncState {
        let record = self.recorded();
        self.world.ledger(|ledger| {
            let nothing = LaneState::default();
            let items = ledger.items.iter();
            let items: Vec<_> = items.filter(|((of, _), _)| *of == lane()).collect();
            let open = items.iter().filter(|(_, item)| item.is_open());
            let open: Vec<_> = open.map(|(_, item)| item.change.clone()).collect();
            let quarantined = items.iter().filter(|(_, item)| item.quarantined.is_some());
            let known = RecordedLane {
                state: ledger.lanes.get(&lane()).unwrap_or(&nothing),
                open: &open,
                quarantined: quarantined.count(),
                link_state: ledger.link_states.get(&lane()),
            };
            LinkFacts::recorded(record.as_ref(), &known).state()
        })
    }
}

/// The state of the link by each query, and that of the product by `why` and by the report.
fn told(setting: &Setting) -> Vec<(&'static str, SyncState)> {
    let plan = setting.plan_of_one();
    let why = setting.why_of_one();
    let report = setting.standings_of_one();
    let answer = why.answers[0].why.state();
    let mut all = vec![
        ("plan", plan.state.unwrap()),
        ("why, the link", why.state.unwrap()),
        ("report, the link", report.state.unwrap()),
    ];
    let is_invalid = !why.invalid.is_empty();
    if !is_invalid {
        // A product whose id is not valid cannot be asked for.
        all.push(("why", answer));
    }
    let shown = report
        .differing
        .iter()
        .find(|one| one.product == product(PRODUCT));
    if let Some(shown) = shown {
        all.push(("report", report.whys[shown.why].state()));
    } else if report.fault.is_none() && !is_invalid {
        all.push(("report", SyncState::InSync));
    }
    all
}

#[test]
fn plan_why_sync_status_and_report_agree_about_every_reason_why_a_product_differs() {
    let (mut states, mut reasons) = (BTreeSet::new(), BTreeSet::new());
    for Scene {
        name,
        setting,
        before,
        after,
    } in scenes()
    {
        for (who, state) in told(&setting) {
            assert_eq!(state, before, "{name}: {who}, before a run");
        }
        setting.sync();
        for (who, state) in told(&setting) {
            assert_eq!(state, after, "{name}: {who}, after a run");
        }
        assert_eq!(setting.state_of_ledger(), after, "{name}: status and sync");
        let stamped = setting
            .world
            .ledger(|ledger| ledger.lanes.get(&lane())?.last_in_sync);
        let is_well = after.verdict() == Verdict::InSync;
        assert_eq!(stamped.is_some(), is_well, "{name}: last in sync");
        let result = setting.recorded().map(|record| record.result());
        let says_so = result == Some("in_sync");
        assert!(
            !says_so || after == SyncState::InSync,
            "{name}: {result:?} in the history"
        );
        // What the run is called agrees with the state of its only link that is not in sync.
        let run = setting.last_run();
        if let Some(link) = setting.recorded().filter(|_| run.totals.links == 2) {
            let other = setting.plan_of_other();
            if other == SyncState::InSync && run.status != RunStatus::Applying {
                let is_well = run.status == RunStatus::Completed;
                assert_eq!(
                    is_well,
                    after.verdict() <= Verdict::Differs && after != SyncState::Suspended,
                    "{name}: {run:?}"
                );
            }
            reasons.extend(link.left_alone.iter().map(|left| left.reason));
            reasons.extend(link.invalid.products.iter().map(|left| left.reason));
        }
        let plan = setting.plan_of_one();
        reasons.extend(plan.left_alone.iter().map(|left| left.reason));
        states.extend([before, after]);
    }
    assert_eq!(states, SyncState::ALL.into(), "each state has a scene");
    assert_eq!(reasons, Reason::ALL.into(), "each reason has a scene");
}

impl Setting {
    /// The state of member `two`.
    fn plan_of_other(&self) -> SyncState {
        let page = block_on(queries::plan_page(&self.producer, &PlanRequest::default()));
        page.unwrap().preview.links.remove(1).state.unwrap()
    }
}

/// There is nothing that could be in any state, and nobody says that something failed.
#[test]
fn a_member_without_a_live_experience_fails_nothing() {
    let setting = differing();
    with_star(&setting);
    setting.world.experiences(|all| {
        all.edit(&experience("exp-1"), |experience, _| {
            experience.status = pmp_sync_domain::experience::Status::Disabled;
        });
    });
    let plan = setting.plan_of_one();
    assert_eq!(
        (plan.decision, plan.state),
        (PreviewDecision::NoTargets, None)
    );
    assert!(plan.is_warning());
    let why = setting.why_of_one();
    assert_eq!((why.answers, why.state), (Vec::new(), None));
    assert_eq!(why.fault.unwrap().code, "PMS-3007");
    let report = setting.standings_of_one();
    assert_eq!(report.state, Some(SyncState::InSync));
    setting.sync();
    assert_eq!(setting.last_run().totals.failed, 0);
}

#[test]
fn a_link_that_changes_nothing_shows_what_it_would_change_and_the_verdict_of_the_guards() {
    let members: Vec<_> = (0..60).map(|n| product(&format!("m{n}"))).collect();
    let members = PolicySnapshot::new(members, []);
    for (line, mode) in [
        ("mode = \"observe\"", "mirror"),
        ("freeze = true", "mirror"),
    ] {
        let setting = Setting::new(lists(["a"], []), &members);
        with(&setting, line);
        let link = setting.plan_of_one();
        assert_eq!(link.decision, PreviewDecision::InSync, "{line}");
        assert_eq!((link.allow.len(), link.deny.len()), (0, 0));
        assert_eq!(
            link.state.unwrap().verdict(),
            Verdict::Differs,
            "exit code 2"
        );
        let acting = link.if_acting.unwrap();
        assert_eq!(acting.mode.as_str(), mode);
        assert_eq!((acting.allow.len(), acting.deny.len()), (1, 0));
        assert_eq!((acting.removals, acting.fewest_change_sets), (0, 1));
        assert_eq!(acting.held.deny.len(), 60);
        assert_eq!(acting.decision, PreviewDecision::Held);
        let codes: Vec<_> = acting.held_for.iter().map(HoldReason::code).collect();
        assert!(codes.contains(&"PMS-2101") || codes.len() > 1, "{codes:?}");
        // A frozen additive link stays additive.
        with(&setting, "freeze = true\nmode = \"additive\"");
        let acting = setting.plan_of_one().if_acting.unwrap();
        assert_eq!((acting.mode.as_str(), acting.deny.len()), ("additive", 0));
        // One that acts shows its plan alone.
        with(&setting, "mode = \"mirror\"");
        assert_eq!(setting.plan_of_one().if_acting, None);
    }
}

/// The two plans of one look compare the same lists, and the experience is read once.
#[test]
fn what_it_would_change_takes_no_second_look_at_the_experience() {
    let setting = differing();
    let reads = |line: &str| {
        with(&setting, line);
        let before = setting.calls("DescribeEntity");
        setting.plan_of_one();
        setting.calls("DescribeEntity") - before
    };
    assert_eq!(reads("mode = \"observe\""), reads("mode = \"mirror\""));
}
