//! When a lane that was denied access tries again by itself.

use super::*;

const TIMEOUT: i64 = 30;

fn next_at(lane: &LaneState, seconds: i64) -> Next {
    next(lane, &claimed(Action::Allow, 1), TIMEOUT, at(seconds))
}

/// A lane that was denied access at that time.
fn denied(lane: &LaneState, seconds: i64) -> LaneState {
    let block = Block {
        reason: BlockReason::AccessDenied,
        since: at(seconds),
        ..block()
    };
    block_now(lane, block).unwrap()
}

#[test]
fn a_lane_that_was_denied_access_tries_again_when_its_retry_is_due_and_not_before() {
    let lane = denied(&idle(c(1, 0)), 0);
    assert_eq!(next_at(&lane, 0), Next::Wait { until: at(60) });
    assert_eq!(next_at(&lane, 59), Next::Wait { until: at(60) });
    assert_eq!(lane.retried(at(59)), Err(Rejected::Phase));
    for due in [60, 61] {
        assert_eq!(next_at(&lane, due), Next::Retry);
        let retried = lane.retried(at(due)).unwrap();
        assert_eq!((retried.phase, retried.block), (Phase::Idle, None));
        assert_eq!((retried.retry_at, retried.retries), (None, 1));
    }
}

#[test]
fn each_retry_comes_later_and_after_the_third_only_a_run_tries_again() {
    let mut lane = idle(c(1, 0));
    let mut since = 0;
    for seconds in [60, 300, 900] {
        lane = denied(&lane, since);
        since += seconds;
        assert_eq!(lane.retry_at, Some(at(since)));
        lane = lane.retried(at(since)).unwrap();
    }
    lane = denied(&lane, since);
    assert_eq!(lane.retry_at, None);
    assert_eq!(next_at(&lane, since + 3_600), Next::Stay);
    assert_eq!(lane.retried(at(since + 3_600)), Err(Rejected::Phase));
    // A plan begins with all three again.
    let lane = denied(&lane.committed(planned(6, c(1, 0))).unwrap(), since);
    assert_eq!(lane.retry_at, Some(at(since + 60)));
}

#[test]
fn a_change_set_that_succeeds_gives_all_retries_back() {
    let lane = LaneState {
        retries: 3,
        ..in_flight(c(2, 0), c(1, 0))
    };
    let succeeded = Ending::Succeeded {
        duration_seconds: None,
    };
    let lane = denied(&lane.ended(4, succeeded, at(9)).unwrap(), 10);
    assert_eq!(lane.retry_at, Some(at(70)));
}

#[test]
fn only_a_lane_that_was_denied_access_tries_again_by_itself() {
    for reason in BlockReason::ALL {
        let lane = block_now(&idle(c(1, 0)), Block { reason, ..block() }).unwrap();
        let waits = reason == BlockReason::AccessDenied;
        assert_eq!(lane.retry_at.is_some(), waits, "{reason}");
        assert_eq!(next_at(&lane, 3_600) == Next::Retry, waits, "{reason}");
    }
    // Suspended before its retry, it stays suspended.
    let suspension = Suspension {
        by: None,
        since: at(30),
    };
    let lane = denied(&idle(c(1, 0)), 0).suspended(suspension).unwrap();
    assert_eq!(next_at(&lane, 60), Next::Stay);
    assert_eq!(lane.retried(at(60)), Err(Rejected::Phase));
}

#[test]
fn every_block_has_a_remedy_and_says_who_tries_again() {
    for reason in BlockReason::ALL {
        let ends = if reason == BlockReason::Archived {
            "reactivate the experience, or remove the link"
        } else {
            "; every run tries again"
        };
        assert!(reason.remedy().ends_with(ends), "{}", reason.remedy());
    }
}
