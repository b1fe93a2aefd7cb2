//! Which of several things that are true of a product the answer is about.

use super::*;

#[test]
fn an_outside_edit_is_told_beside_the_answer() {
    let mut world = World::new();
    world.edited.since.insert(p("a"), at(300));
    let answer = world.answer("a");
    assert_eq!(
        (answer.edited_since, answer.why.clone()),
        (Some(at(300)), Why::Planned)
    );
    assert!(
        answer
            .words()
            .ends_with("; edited outside since 1970-01-01T00:05:00Z")
    );
    assert_eq!(world.answer("d").edited_since, None);
    // One that no run has seen yet has no time.
    world.edited.since.clear();
    world.edited.unseen.insert(p("a"));
    let words = world.answer("a").words();
    assert!(
        words.ends_with("; edited outside, and no run has seen it yet"),
        "{words}"
    );
    assert!(!world.answer("d").words().contains("edited"));
}

/// The order of the answers, from the last to the first: each thing is put on top of those before it,
/// and the answer is about it.
#[test]
fn what_has_to_be_dealt_with_first_is_the_answer() {
    let name = |world: &World| {
        let value = serde_json::to_value(world.why("a")).unwrap();
        let told = |key: &str| value[key].as_str().unwrap().to_owned();
        match told("answer").as_str() {
            "left_alone" => told("reason"),
            other => other.to_owned(),
        }
    };
    let mut world = World::new();
    assert_eq!(name(&world), "planned");
    world.last("a", Action::Allow, run(1), ChangeState::Superseded);
    assert_eq!(name(&world), "superseded");
    world.last("a", Action::Allow, run(1), ChangeState::Open);
    world.planned(run(1));
    world.blocked();
    assert_eq!(name(&world), "blocked");
    world.held();
    world.goes_on = true;
    assert_eq!(
        name(&world),
        "held",
        "a block is lifted by the next plan that is committed"
    );
    world.state.phase = Phase::Idle;
    world.state.block = None;
    assert_eq!(
        name(&world),
        "open",
        "the lane goes on with it although a newer plan is held"
    );
    world.goes_on = false;
    assert_eq!(
        name(&world),
        "held",
        "the run that holds the plan takes it back"
    );
    world.goes_on = true;
    world.suspended();
    assert_eq!(name(&world), "suspended");
    world.link.exclude.insert(p("a"));
    assert_eq!(name(&world), "excluded");
    world.link.frozen = true;
    assert_eq!(name(&world), "frozen");
    world.in_flight("a", Action::Allow);
    assert_eq!(name(&world), "open");
    world.actual = PolicySnapshot::new([p("a"), p("b"), p("d")], []);
    assert_eq!(name(&world), "in_sync");
}

#[test]
fn the_worst_verdict_counts() {
    assert!(Verdict::InSync < Verdict::Differs);
    assert!(Verdict::Differs < Verdict::Held);
    assert!(Verdict::Held < Verdict::Fails);
}

#[test]
fn answers_are_read_as_they_are_written() {
    let mut world = World::new();
    world.held();
    world.link_state.hold = Some(hold_of(&world));
    world.suspended();
    for product in ["a", "b"] {
        let answer = world.answer(product);
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<WhyAnswer>(&text).unwrap(), answer);
    }
    world.suspension = None;
    let text = serde_json::to_string(&world.answer("a")).unwrap();
    assert!(
        text.contains(r#""why":{"answer":"held","reasons":[{"guard":"most-removals""#),
        "{text}"
    );
    assert_eq!(
        serde_json::from_str::<WhyAnswer>(&text).unwrap(),
        world.answer("a")
    );
}
