//! What the operator's report is made of.

use futures::executor::block_on;
use pmp_sync_domain::answers::report::{ReportPart, ReportRequest};
use pmp_sync_domain::answers::why::Why;
use pmp_sync_domain::policy::{Action, Standing};
use pmp_sync_domain::wire::Scope;
use pmp_sync_producer::queries;

use crate::setup::{Setting, lists, product, products};

fn report(setting: &Setting, scope: Scope) -> ReportPart {
    block_on(queries::report(&setting.producer, &ReportRequest { scope })).unwrap()
}

fn all(setting: &Setting) -> ReportPart {
    report(setting, Scope::default())
}

#[test]
fn only_what_stands_otherwise_is_told_of_each_member_experience() {
    let setting = Setting::new(lists(["a", "b"], ["c"]), &lists(["b", "d"], ["c", "x"]));
    let part = all(&setting);
    assert_eq!((part.schema, part.config_version), (1, 1));
    assert_eq!(part.management.len(), 1, "read once, for two links");
    assert_eq!(part.management[0].allowed, products(["a", "b"]));
    assert_eq!(part.management[0].denied, products(["c"]));
    assert_eq!(part.links.len(), 2);
    for link in &part.links {
        let told = link.differing.iter();
        let told: Vec<_> = told
            .map(|cell| (cell.product.as_str(), cell.standing, cell.wanted))
            .collect();
        assert_eq!(
            told,
            [
                ("a", Standing::Unlisted, Action::Allow),
                ("d", Standing::Allowed, Action::Deny),
            ]
        );
        assert_eq!(link.whys, [Why::Planned], "one reason for both");
        assert_eq!(link.denied_besides, [product("x")]);
        assert!(link.fault.is_none());
    }
}

#[test]
fn reasons_are_those_that_why_answers() {
    let setting = Setting::new(lists(["a", "b"], ["c"]), &lists(["b", "d"], ["c"]));
    setting.sync();
    let part = all(&setting);
    for cell in &part.links[0].differing {
        let answer = setting.answer(cell.product.as_str());
        assert_eq!(part.links[0].whys[cell.why], answer.why);
        assert_eq!(
            (Some(cell.standing), Some(cell.wanted)),
            (answer.standing, answer.wanted)
        );
    }
    assert_eq!(part.links[0].differing.len(), 2);
}

#[test]
fn it_is_narrowed_to_members_and_writes_nothing() {
    let setting = Setting::new(lists(["a"], []), &lists([], []));
    let before = setting.world.ledger(|ledger| format!("{ledger:?}"));
    let scope = Scope {
        members: vec!["two".parse().unwrap()],
        ..Scope::default()
    };
    let part = report(&setting, scope);
    let members: Vec<_> = part.links.iter().map(|link| link.member.as_str()).collect();
    assert_eq!(members, ["two"]);
    let after = setting.world.ledger(|ledger| format!("{ledger:?}"));
    assert_eq!(before, after);
}

#[test]
fn a_link_that_cannot_be_looked_at_is_told_with_its_fault() {
    let setting = Setting::new(lists(["a"], []), &lists([], []));
    let config = crate::setup::CONFIG.replace("\"exp-2\"", "\"exp-9\"");
    setting.configure(&config);
    let part = all(&setting);
    assert!(part.links[0].fault.is_none());
    let fault = part.links[1].fault.as_ref().unwrap();
    assert_eq!(fault.code, "PMS-3002");
    assert!(part.links[1].differing.is_empty());
}
