use super::*;
use crate::records::{SetOutcome, SetRecord};

#[test]
fn a_change_set_in_flight_is_put_on_record_with_what_it_was_made_of() {
    let lane = in_flight(c(2, 1), c(2, 1));
    let words = "x".repeat(2_000);
    let record = SetRecord::of(&lane, SetOutcome::Failed, Some(&words), at(9)).unwrap();
    assert_eq!((record.seq, record.run), (4, run(5)));
    assert_eq!(record.change_set, change_set("cs-1"));
    assert_eq!(record.allow, [p("allow-0"), p("allow-1")]);
    assert_eq!(record.deny, [p("deny-0")]);
    assert_eq!((record.started_at, record.ended_at), (start(), at(9)));
    assert_eq!(record.detail.unwrap().len(), 500);
    // The plan that it was of, not the one that is committed by then.
    let newer = lane.committed(planned(6, c(1, 0))).unwrap();
    let record = SetRecord::of(&newer, SetOutcome::Succeeded, None, at(9)).unwrap();
    assert_eq!((record.run, record.detail), (run(5), None));
}

#[test]
fn what_was_never_started_is_no_change_set() {
    for lane in [idle(c(1, 0)), starting(c(1, 0), c(1, 0))] {
        assert_eq!(
            SetRecord::of(&lane, SetOutcome::Succeeded, None, at(9)),
            None
        );
    }
}

#[test]
fn an_outcome_is_stored_by_its_name() {
    for outcome in [
        SetOutcome::Succeeded,
        SetOutcome::Failed,
        SetOutcome::ServerFault,
        SetOutcome::Cancelled,
        SetOutcome::Vanished,
    ] {
        let stored = serde_json::to_value(outcome).unwrap();
        assert_eq!(stored, outcome.to_string());
    }
}
