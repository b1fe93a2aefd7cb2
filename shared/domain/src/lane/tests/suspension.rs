use super::*;
use crate::ids::{ExperienceId, MemberName};
use crate::records::Suspensions;

fn suspension() -> Suspension {
    Suspension {
        by: Some("somebody".to_owned()),
        since: start(),
    }
}

#[test]
fn a_lane_at_rest_stops_at_once_and_takes_no_intent() {
    let suspended = idle(c(1, 0)).suspended(suspension()).unwrap();
    assert_eq!(suspended.phase, Phase::Suspended);
    let refused = suspended.intending(3, run(5), intent(run(5), c(1, 0)), (&[], &[]), at(2));
    assert_eq!(refused, Err(Rejected::Phase));
    assert_eq!(suspended.suspended(suspension()), Err(Rejected::Phase));
}

#[test]
fn what_is_in_flight_ends_first() {
    let mut planned = in_flight(c(2, 0), c(1, 0));
    planned.planned.as_mut().unwrap().sent = true;
    let suspended = planned.suspended(suspension()).unwrap();
    assert_eq!(suspended.phase, Phase::InFlight);
    for ending in [
        Ending::Succeeded {
            duration_seconds: None,
        },
        Ending::BackOff(at(9)),
        Ending::Blocked(block()),
        Ending::Cancelled {
            change_set: change_set("cs-1"),
            until: at(9),
        },
    ] {
        let ended = suspended.ended(4, ending, at(3)).unwrap();
        assert_eq!((ended.phase, ended.intent), (Phase::Suspended, None));
        let resumed = LaneState {
            intent: None,
            ..suspended.ended(4, Ending::BackOff(at(9)), at(3)).unwrap()
        };
        assert_eq!(resumed.resumed().unwrap().phase, Phase::Idle);
    }
}

#[test]
fn a_suspended_lane_stays_suspended_under_a_new_plan() {
    let blocked = in_phase(Phase::Blocked).suspended(suspension()).unwrap();
    assert_eq!(blocked.phase, Phase::Suspended);
    let next = blocked.committed(planned(6, c(1, 0))).unwrap();
    assert_eq!(
        (next.phase, next.suspension),
        (Phase::Suspended, Some(suspension()))
    );
}

#[test]
fn a_resumed_lane_is_planned_anew() {
    let mut lane = idle(c(1, 0));
    lane.planned.as_mut().unwrap().sent = true;
    assert_eq!(lane.resumed(), Err(Rejected::Phase));
    let resumed = lane.suspended(suspension()).unwrap().resumed().unwrap();
    assert_eq!((resumed.phase, resumed.suspension), (Phase::Idle, None));
    assert!(!resumed.planned.unwrap().sent);
}

#[test]
fn a_suspension_holds_everything_a_member_or_one_link() {
    let member: MemberName = "emea".parse().unwrap();
    let other: MemberName = "apac".parse().unwrap();
    let lane = crate::ids::LaneId {
        account: "222222222222".parse().unwrap(),
        experience: ExperienceId::new("exp-1").unwrap(),
    };
    let elsewhere = crate::ids::LaneId {
        experience: ExperienceId::new("exp-2").unwrap(),
        ..lane.clone()
    };
    let none = Suspensions::default();
    assert_eq!(none.holds(&member, &lane), None);
    let of_member = Suspensions {
        members: [(member.clone(), suspension())].into(),
        ..Suspensions::default()
    };
    assert!(of_member.holds(&member, &elsewhere).is_some());
    assert!(of_member.holds(&other, &lane).is_none());
    let of_link = Suspensions {
        links: [(lane.experience.clone(), suspension())].into(),
        ..Suspensions::default()
    };
    assert!(of_link.holds(&other, &lane).is_some());
    assert!(of_link.holds(&other, &elsewhere).is_none());
    let all = Suspensions {
        all: Some(suspension()),
        ..Suspensions::default()
    };
    assert!(all.holds(&other, &elsewhere).is_some());
}
