//! Approvals by two people.

use super::*;
use crate::system::CONFIG;

const ROLE: &str = "arn:aws:sts::111111111111:assumed-role/operators/";
const USER: &str = "arn:aws:iam::111111111111:user/bob";

/// 20 removals of 30 products are held, and it takes two people to approve.
fn held_for_two() -> (System, Hold) {
    let system = in_sync(30);
    system.configure(&format!("{CONFIG}\n[approval]\npeople = 2\n"));
    system.manage(PolicySnapshot::new(products("p", 10), []));
    let hold = held_after(&system);
    (system, hold)
}

/// Asks for something about a hold, and returns the answer.
fn ask(system: &System, by: &str, what: &str, hold: &Hold) -> pmp_sync_domain::approval::Approval {
    system.approval_by(by, what, '2', (hold.run, Some(&hold.plan_hash)));
    system.rest();
    let kind = format!("{}-requested", what.to_lowercase());
    let run = system.run_with(|run| run.requests[0].kind == kind).run;
    system.link(run, '2').approval.unwrap()
}

fn ann(session: &str) -> String {
    format!("{ROLE}{session}")
}

#[test]
fn the_first_of_two_approvals_executes_nothing_and_the_second_does() {
    let (system, hold) = held_for_two();
    for session in ["ann", "ann", "another"] {
        let answer = ask(&system, &ann(session), "Approval", &hold);
        let people = answer.people.unwrap();
        assert_eq!((people.approved, people.needed), (1, 2), "{session}");
        assert_eq!(answer.refused, None);
        let known = system.link_state('2').hold.unwrap();
        assert_eq!(known.approvals.len(), 1, "one person counts once");
        assert_eq!(allowed(&system, '2').len(), 30);
    }
    let run = system.last_run();
    assert_eq!((run.status, run.totals.held), (RunStatus::Held, 1));
    // The next runs forget nothing.
    system.wait(3600);
    assert_eq!(held_after(&system).approvals.len(), 1);
    let answer = ask(&system, USER, "Approval", &hold);
    assert_eq!((answer.people, answer.refused), (None, None));
    assert_eq!(allowed(&system, '2').len(), 10);
    assert_eq!(system.link_state('2').hold, None);
    assert!(system.unfinished_runs().is_empty());
}

#[test]
fn who_does_not_say_who_it_is_does_not_count() {
    let (system, hold) = held_for_two();
    let answer = ask(&system, " ", "Approval", &hold);
    assert!(answer.refused.unwrap().contains("does not say who sent it"));
    assert!(system.link_state('2').hold.unwrap().approvals.is_empty());
}

#[test]
fn a_changed_hold_and_a_rejection_begin_anew() {
    let (system, hold) = held_for_two();
    ask(&system, USER, "Approval", &hold);
    system.manage(PolicySnapshot::new(products("p", 9), []));
    system.wait(3600);
    let hold = held_after(&system);
    assert!(hold.approvals.is_empty());
    ask(&system, USER, "Approval", &hold);
    ask(&system, &ann("ann"), "Rejection", &hold);
    let known = system.link_state('2').hold.unwrap();
    assert!(known.approvals.is_empty() && known.is_rejected());
    let answer = ask(&system, &ann("ann"), "Approval", &hold);
    assert_eq!(answer.people.unwrap().approved, 1);
    ask(&system, USER, "Approval", &hold);
    assert_eq!(allowed(&system, '2').len(), 9);
}

#[test]
fn it_takes_two_people_to_approve_a_rollback() {
    let (system, hold) = held_for_two();
    ask(&system, USER, "Approval", &hold);
    ask(&system, &ann("ann"), "Approval", &hold);
    let executed = system.run_with(|run| run.requests[0].kind == "approval-requested");
    system.approval("Restore", '2', executed.run, None);
    let back = system.link_state('2').restore.unwrap();
    let answer = ask(&system, USER, "Approval", &back);
    assert_eq!(answer.people.unwrap().approved, 1);
    assert_eq!(allowed(&system, '2').len(), 10);
    ask(&system, &ann("ann"), "Approval", &back);
    assert_eq!(allowed(&system, '2').len(), 30);
    let known = system.link_state('2').restored.unwrap();
    assert_eq!(known.ask.by, Some(ann("ann")));
}
