use super::*;
use crate::ids::{ExperienceId, MemberName};
use crate::records::Brake;

fn stop() -> Stop {
    Stop {
        by: Some("somebody".to_owned()),
        since: start(),
    }
}

#[test]
fn a_lane_at_rest_stops_at_once_and_takes_no_intent() {
    let stopped = idle(c(1, 0)).stopped(stop()).unwrap();
    assert_eq!(stopped.phase, Phase::Stopped);
    let refused = stopped.intending(3, run(5), intent(run(5), c(1, 0)), c(0, 0), at(2));
    assert_eq!(refused, Err(Refusal::Phase));
    assert_eq!(stopped.stopped(stop()), Err(Refusal::Phase));
}

#[test]
fn what_is_in_flight_ends_first() {
    let mut planned = in_flight(c(2, 0), c(1, 0));
    planned.planned.as_mut().unwrap().sent = true;
    let stopped = planned.stopped(stop()).unwrap();
    assert_eq!(stopped.phase, Phase::InFlight);
    for ending in [
        Ending::Succeeded {
            duration_seconds: None,
        },
        Ending::PutOff(at(9)),
        Ending::Blocked(block()),
        Ending::Cancelled {
            change_set: change_set("cs-1"),
            until: at(9),
        },
    ] {
        let ended = stopped.ended(4, ending, at(3)).unwrap();
        assert_eq!((ended.phase, ended.intent), (Phase::Stopped, None));
        let resumed = LaneState {
            intent: None,
            ..stopped.ended(4, Ending::PutOff(at(9)), at(3)).unwrap()
        };
        assert_eq!(resumed.resumed().unwrap().phase, Phase::Idle);
    }
}

#[test]
fn a_stopped_lane_stays_stopped_under_a_new_plan() {
    let blocked = in_phase(Phase::Blocked).stopped(stop()).unwrap();
    assert_eq!(blocked.phase, Phase::Stopped);
    let next = blocked.committed(planned(6, c(1, 0))).unwrap();
    assert_eq!((next.phase, next.stop), (Phase::Stopped, Some(stop())));
}

#[test]
fn a_resumed_lane_is_planned_anew() {
    let mut lane = idle(c(1, 0));
    lane.planned.as_mut().unwrap().sent = true;
    assert_eq!(lane.resumed(), Err(Refusal::Phase));
    let resumed = lane.stopped(stop()).unwrap().resumed().unwrap();
    assert_eq!((resumed.phase, resumed.stop), (Phase::Idle, None));
    assert!(!resumed.planned.unwrap().sent);
}

#[test]
fn a_brake_holds_everything_a_member_or_one_link() {
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
    let none = Brake::default();
    assert_eq!(none.holds(&member, &lane), None);
    let of_member = Brake {
        members: [(member.clone(), stop())].into(),
        ..Brake::default()
    };
    assert!(of_member.holds(&member, &elsewhere).is_some());
    assert!(of_member.holds(&other, &lane).is_none());
    let of_link = Brake {
        links: [(lane.experience.clone(), stop())].into(),
        ..Brake::default()
    };
    assert!(of_link.holds(&other, &lane).is_some());
    assert!(of_link.holds(&other, &elsewhere).is_none());
    let all = Brake {
        all: Some(stop()),
        ..Brake::default()
    };
    assert!(all.holds(&other, &elsewhere).is_some());
}
