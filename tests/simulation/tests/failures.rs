//! Producer and workers together over the fakes: what fails ends well, and nothing is lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::lane::{Phase, Suspension};
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::records::{DeadLetterOutcome, Suspensions};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::wire::DeadLetterFilter;

use crate::system::{CONFIG, System, product, products};

/// One bad product among fifty, and what later runs say of it.
#[test]
fn a_quarantined_product_is_reported_and_not_sent_again() {
    let system = System::new(products("p", 50), []);
    system.make_bad("prod-p0007");
    system.sync();
    system.rest();
    let mut good = products("p", 50);
    good.retain(|id| id.as_str() != "prod-p0007");
    assert_eq!(system.policy('2'), PolicySnapshot::new(good, []));
    assert!(system.sets('2') <= 13, "{}", system.sets('2'));
    let sets = system.sets('2');
    let first = system.last_full_run();
    assert_eq!(
        (first.status, first.totals.quarantined),
        (RunStatus::Partial, 2)
    );

    system.sync();
    system.rest();
    assert_eq!(system.sets('2'), sets, "it is not tried again");
    let run = system.last_run();
    assert_eq!((run.status, run.totals.messages), (RunStatus::Partial, 0));
    assert_eq!(run.totals.quarantined, 2, "one for each member");
    let link = system.link(run.run, '2');
    assert_eq!(
        link.left_alone
            .iter()
            .map(|left| (left.product.as_str(), left.reason))
            .collect::<Vec<_>>(),
        [("prod-p0007", Reason::Quarantined)]
    );
    assert_eq!(system.dead('2').len(), 1);
    assert_eq!(
        system.state('2').last_in_sync,
        None,
        "a lane with something in quarantine is not in sync"
    );
}

#[test]
fn replay_after_the_cause_is_gone_brings_it_in() {
    let system = System::new(products("p", 5), []);
    system.make_bad("prod-p0003");
    system.sync();
    system.rest();
    let list = system.dead_letters();
    let told: Vec<_> = list
        .letters
        .iter()
        .map(|listed| (listed.letter.reason.as_str(), listed.letter.outcome))
        .collect();
    assert_eq!(told, [("quarantined", DeadLetterOutcome::Reissued); 2]);
    assert_eq!(system.dead('2').len(), 1, "a look deletes nothing");

    system.make_good("prod-p0003");
    system.replay("{}");
    system.rest();
    for member in ['2', '3'] {
        assert_eq!(
            system.policy(member),
            PolicySnapshot::new(products("p", 5), [])
        );
        assert!(system.dead(member).is_empty());
        assert!(system.state(member).last_in_sync.is_some());
    }
    let outcomes = system.outcomes();
    assert_eq!(outcomes, [DeadLetterOutcome::Reissued; 2]);
    system.sync();
    assert_eq!(system.last_run().status, RunStatus::Completed);
}

#[test]
fn replay_while_it_is_still_bad_sets_it_aside_again() {
    let system = System::new(products("p", 5), []);
    system.make_bad("prod-p0003");
    system.sync();
    system.rest();
    system.replay("{}");
    system.rest();
    assert_eq!(
        system.state('2').phase,
        Phase::Blocked,
        "it was alone in its plan"
    );
    // The next run has nothing else either; as soon as it has, the product is quarantined again.
    system.manage(PolicySnapshot::new(products("p", 7), []));
    system.sync();
    system.rest();
    assert_eq!(system.state('2').phase, Phase::Idle);
    assert_eq!(system.dead('2').len(), 1);
}

#[test]
fn what_is_not_wanted_any_more_is_dropped_with_a_record() {
    let system = System::new(products("p", 5), []);
    system.make_bad("prod-p0003");
    system.sync();
    system.rest();
    let mut wanted = products("p", 5);
    wanted.retain(|id| id.as_str() != "prod-p0003");
    system.manage(PolicySnapshot::new(wanted, []));
    system.replay(r#"{"members":["one"]}"#);
    system.rest();
    assert!(system.dead('2').is_empty());
    assert_eq!(
        system.dead('3').len(),
        1,
        "the other member's was not asked for"
    );
    assert_eq!(system.outcomes(), [DeadLetterOutcome::Dropped]);
}

#[test]
fn what_is_not_understood_stays_until_it_is_discarded() {
    let system = System::new(products("p", 1), []);
    system.push('2', "not json");
    system.rest();
    assert_eq!(system.dead('2').len(), 1);
    system.replay("{}");
    system.rest();
    assert_eq!(system.dead('2').len(), 1);
    assert_eq!(system.outcomes(), [DeadLetterOutcome::Kept]);
    system.discard(r#"{"reasons":["quarantined"]}"#);
    assert_eq!(system.dead('2').len(), 1, "the filter leaves it alone");
    system.discard(r#"{"reasons":["unreadable"]}"#);
    assert!(system.dead('2').is_empty());
    assert_eq!(
        system.outcomes().last(),
        Some(&DeadLetterOutcome::Discarded)
    );
}

#[test]
fn a_discarded_change_is_tried_again_if_it_is_still_wanted() {
    let system = System::new(products("p", 3), []);
    system.make_bad("prod-p0001");
    system.sync();
    system.rest();
    system.discard(r#"{"members":["one"]}"#);
    assert!(system.dead('2').is_empty());
    system.manage(PolicySnapshot::new(products("p", 4), []));
    system.sync();
    system.rest();
    assert_eq!(
        system.dead('2').len(),
        1,
        "it has failed again, and is quarantined again"
    );
    system.make_good("prod-p0001");
    system.discard("{}");
    system.sync();
    system.rest();
    for member in ['2', '3'] {
        assert_eq!(
            system.policy(member),
            PolicySnapshot::new(products("p", 4), [])
        );
    }
}

#[test]
fn a_change_of_what_is_wanted_ends_the_quarantine() {
    let system = System::new(products("p", 3), []);
    system.make_bad("prod-p0001");
    system.sync();
    system.rest();
    system.make_good("prod-p0001");
    // Not wanted any more: released, and when it is wanted again it is tried.
    system.manage(PolicySnapshot::new(
        [product("prod-p0000"), product("prod-p0002")],
        [],
    ));
    system.sync();
    system.rest();
    assert_eq!(system.last_run().status, RunStatus::Completed);
    system.manage(PolicySnapshot::new(products("p", 3), []));
    system.sync();
    system.rest();
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 3), [])
    );
}

#[test]
fn a_message_is_deleted_from_the_dead_letters_only_after_its_change_has_been_sent() {
    let system = System::new(products("p", 5), []);
    system.make_bad("prod-p0003");
    system.sync();
    system.rest();
    system.make_good("prod-p0003");
    system
        .world
        .failing(|failing| failing.fail_next("SendMessageBatch", 2, Kind::Retryable));
    system.replay("{}");
    assert_eq!((system.dead('2').len(), system.dead('3').len()), (1, 1));
    assert_eq!(system.outcomes(), [DeadLetterOutcome::Kept; 2]);
    // And nothing is lost: what was kept can be replayed again.
    system.sync();
    system.rest();
    system.wait(600);
    system.replay("{}");
    system.rest();
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 5), [])
    );
    assert!(system.dead('2').is_empty());
}

#[test]
fn a_suspended_member_is_left_as_it_is_and_goes_on_when_it_is_resumed() {
    let system = System::new(products("p", 60), []);
    let suspension = Suspension {
        by: Some("somebody".to_owned()),
        since: system.world.time(),
    };
    system.suspensions(Suspensions {
        members: [("one".parse().unwrap(), suspension)].into(),
        ..Suspensions::default()
    });
    system.sync();
    system.rest();
    assert_eq!(system.sets('2'), 0);
    assert_eq!(
        system.policy('3'),
        PolicySnapshot::new(products("p", 60), [])
    );
    let run = system.last_full_run();
    assert_eq!((run.status, run.totals.suspended), (RunStatus::Partial, 1));
    let link = system.link(run.run, '2');
    assert_eq!((link.status, link.allow.len()), (LinkStatus::Suspended, 60));
    assert_eq!(system.state('2').phase, Phase::Suspended);

    system.suspensions(Suspensions::default());
    system.sync();
    system.rest();
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 60), [])
    );
    assert_eq!(system.state('2').phase, Phase::Idle);
}

#[test]
fn what_is_open_when_a_link_leaves_the_configuration_is_closed_with_a_record() {
    let system = System::new(products("p", 120), []);
    system.sync();
    // The first change set of the first member is under way, and everything claimed, when its link
    // is removed.
    system
        .rest_until(|system| system.state('2').phase == Phase::InFlight && system.open('2') == 120);
    let without = CONFIG.split("[[link]]").next().unwrap().to_owned()
        + "[[link]]"
        + CONFIG.rsplit("[[link]]").next().unwrap();
    system.configure(&without);
    system.sync();
    system.rest();
    assert_eq!(
        system.sets('2'),
        1,
        "what was in flight has ended, nothing more was started"
    );
    assert_eq!(system.open('2'), 0);
    let superseded = system.closed('2', Closing::Superseded);
    assert_eq!(superseded, 120 - system.policy('2').allowed().len());
    let run = system.run_with(|run| run.totals.removed == 1);
    assert_eq!(system.link(run.run, '2').status, LinkStatus::Removed);
    assert_eq!(
        system.policy('3'),
        PolicySnapshot::new(products("p", 120), [])
    );
    assert!(
        system.unfinished_runs().is_empty(),
        "{:?}",
        system.unfinished_runs()
    );
}

/// Whoever waits for a run must not wait for the next one.
#[test]
fn a_run_ends_although_its_link_or_its_management_experience_goes_away_meanwhile() {
    for link_goes in [true, false] {
        let system = System::new(products("p", 60), []);
        system.sync();
        system.rest_until(|system| system.state('2').phase == Phase::InFlight);
        if link_goes {
            let without = CONFIG.split("[[link]]").next().unwrap().to_owned()
                + "[[link]]"
                + CONFIG.rsplit("[[link]]").next().unwrap();
            system.configure(&without);
        } else {
            system.manage(PolicySnapshot::default());
        }
        system.rest();
        assert!(
            system.unfinished_runs().is_empty(),
            "the link goes: {link_goes}"
        );
        let status = if link_goes {
            RunStatus::Completed
        } else {
            RunStatus::Partial
        };
        assert_eq!(system.last_full_run().status, status);
    }
}

/// A change for another account is evidence, and nothing to be issued or dropped.
#[test]
fn a_change_for_another_account_stays_in_the_dead_letters() {
    let system = System::new(products("p", 1), []);
    let body = r#"{"schema":1,"kind":"change","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV","account":"333333333333","experience":"exp-3","product":"prod-p0000","action":"deny","ordinal":0}"#;
    system.push('2', body);
    system.rest();
    let list = system.dead_letters();
    assert_eq!(list.letters[0].letter.outcome, DeadLetterOutcome::Kept);
    system.replay("{}");
    system.rest();
    assert_eq!(system.outcomes(), [DeadLetterOutcome::Kept]);
    assert_eq!(system.dead('2').len(), 1);
}

#[test]
fn a_run_that_was_cut_off_is_superseded_by_the_next() {
    let system = System::new(products("p", 3), []);
    system.cut_off_after(9);
    assert_eq!(system.last_run().status, RunStatus::Planning);
    system.sync();
    system.rest();
    assert_eq!(system.runs()[0].status, RunStatus::Superseded);
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 3), [])
    );
    assert!(system.unfinished_runs().is_empty());
}

#[test]
fn a_member_that_is_unreachable_for_a_day_delays_nobody_and_catches_up_in_one_run() {
    let system = System::new(products("p", 3), []);
    system.reachable('2', false);
    for hour in 0..24 {
        system.manage(PolicySnapshot::new(products("p", 3 + hour), []));
        system.sync();
        system.rest();
        assert_eq!(
            system.policy('3'),
            PolicySnapshot::new(products("p", 3 + hour), []),
            "hour {hour}"
        );
        assert_eq!(system.last_full_run().status, RunStatus::Partial);
        system.wait(3600);
    }
    assert_eq!(system.sets('2'), 0);
    system.reachable('2', true);
    system.sync();
    system.rest();
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 26), [])
    );
    assert_eq!(system.sets('2'), 1);
}

/// Each call of a run, one at a time, with its answer lost: the next run at the latest puts it right.
#[test]
fn any_answer_that_a_run_waits_for_may_be_lost() {
    let calls = {
        let system = System::new(products("p", 3), []);
        system.sync();
        system.world.failing(|failing| failing.total())
    };
    for nth in 1..=calls {
        for lost in [false, true] {
            let system = System::new(products("p", 3), []);
            system.world.failing(|failing| {
                if lost {
                    failing.lose_nth(nth, Kind::Retryable);
                } else {
                    failing.fail_nth(nth, Kind::Retryable);
                }
            });
            system.sync();
            system.rest();
            system.sync();
            system.rest();
            for member in ['2', '3'] {
                assert_eq!(
                    system.policy(member),
                    PolicySnapshot::new(products("p", 3), []),
                    "call {nth}, after its effect: {lost}"
                );
                // What was sent before a failure may have a change set of its own.
                assert!(
                    system.sets(member) <= 2,
                    "call {nth}, after its effect: {lost}"
                );
            }
            assert!(system.unfinished_runs().is_empty(), "call {nth}");
        }
    }
}

#[test]
fn a_request_about_dead_letters_with_a_misspelt_filter_is_not_taken_for_everything() {
    let system = System::new(products("p", 1), []);
    system.push('2', "not json");
    system.rest();
    system.discard(r#"{"member":["two"]}"#);
    assert_eq!(system.dead('2').len(), 1);
    assert_eq!(
        system.world.dead().len(),
        1,
        "the request itself is dead-lettered"
    );
    let everything = DeadLetterFilter::default();
    assert!(everything.members.is_empty());
}
