//! A few hundred worlds of the simulator, in every build: docs/simulator.md has the many.

#![allow(
    clippy::panic,
    reason = "a test that finds something wrong is to panic"
)]

use pmp_sync_domain::link::Mode;
use pmp_sync_simulation::simulator::{Stats, simulate};

/// Worlds of this test.
const WORLDS: u64 = 300;

/// A replay during a rollback that was not sent completely; a start that could not be repeated for a while; changes that were counted
/// twice; letters that a replay dropped during a rollback; failures that did not stand; rollbacks of lanes that `*` left meanwhile; a second
/// edit of a product that was not told; changes that came to nothing and were taken for the reason of an edit;
/// a reversal whose change set failed; a lane that was blocked under an
/// empty plan by an invocation that had found the block before that plan; removals that counted from before they took effect; a Tick
/// that came again beside the one that a later step had sent; a letter that a suspension ended;
/// the failure of a link that `*` left before its run went on; names that gave way to a lane that was blocked again;
/// removals of a change set that the service did not know any more; changes that were counted again after a slow look for other
/// installations; edits beyond those that an event names; a dead letter that was not sent before the next plan;
/// a plan of the management experience that was taken for a part of an approved revert that was over; edits that were told of a
/// lane that was not listed; a revert of what the service did not know any more; an edit of what pmp-sync
/// was about to do itself; names for which an invocation was too short.
const WRONG_ONCE: [u64; 29] = [
    1_879_602_861,
    1_879_608_092,
    53_957,
    74_795,
    53_186,
    66_046,
    88_187,
    41_404,
    61_019,
    46_721,
    49_308,
    93_094,
    4_862,
    2_136_191_242,
    8_000_389,
    2_803_002_216,
    1_462_617_048,
    1_462_599_606,
    139_574_141,
    59_088,
    2_125_592_130,
    1_796_097_966,
    1_796_112_140,
    3_592_236_196,
    476_250_314,
    2_179_195_239,
    2_179_179_570,
    7_799,
    221_363_029,
];

#[test]
fn worlds_in_which_something_was_wrong_once_end_as_they_should() {
    for seed in WRONG_ONCE {
        assert_eq!(simulate(seed, false).violation, None, "seed {seed}");
    }
}

#[test]
fn a_few_hundred_worlds_end_as_they_should() {
    let halves = std::thread::scope(|scope| {
        let half = |parity: u64| {
            move || {
                let mut stats = Stats::default();
                for seed in (0..WORLDS).filter(|seed| seed % 2 == parity) {
                    let outcome = simulate(seed, false);
                    assert_eq!(outcome.violation, None, "seed {seed}");
                    stats.merge(&outcome.stats);
                }
                stats
            }
        };
        [0, 1]
            .map(|parity| scope.spawn(half(parity)))
            .map(std::thread::ScopedJoinHandle::join)
    });
    let mut stats = Stats::default();
    for half in halves {
        match half {
            Ok(half) => stats.merge(&half),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    // A world in which nothing happens proves nothing.
    for name in [
        "approvals given late",
        "approvals given twice",
        "approvals of what does not stand",
        "approvals taken",
        "suspensions",
        "calls refused: throttled",
        "calls with a lost answer",
        "change set events lost",
        "change sets cancelled",
        "change sets failed by the service",
        "change sets failed by their content",
        "change sets vanished",
        "configurations changed",
        "crashes",
        "foreign locks",
        "invocations out of time",
        "holds",
        "lane settled events lost",
        "lanes held at the end",
        "management lists emptied",
        "management lists eroded",
        "management lists read short",
        "management lists shrunk",
        "management policies gone for a while",
        "member lists changed by hand",
        "messages delayed",
        "messages doubled",
        "notices: blocked",
        "notices: held",
        "notices: quarantined",
        "notices: recovered",
        "notices: stale",
        "notices repeated",
        "overrides",
        "quarantined at the end",
        "rules of members changed",
        "kept back at the end",
        "requests: rejection",
        "requests: restore",
        "requests: revert",
        "rollbacks that were gone",
    ] {
        assert!(stats.count(name) > 0, "there were no {name}:\n{stats}");
    }
    for mode in Mode::ALL {
        let links = stats.count(&format!("links: {mode}"));
        assert!(links > 20, "{links} links of the mode {mode}");
    }
}

#[test]
fn the_same_seed_is_the_same_world_to_the_letter() {
    for seed in 0..12 {
        let (one, two) = (simulate(seed, true), simulate(seed, true));
        assert!(one.trace.len() > 100, "seed {seed} has no trace");
        let differs = one.trace.iter().zip(&two.trace).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.trace.len(), two.trace.len(), "seed {seed}");
        assert_eq!(one.stats, two.stats, "seed {seed}");
        let other = simulate(seed + 1, true);
        assert_ne!(one.trace, other.trace, "seeds {seed} and the next are one");
    }
}

#[test]
fn a_trace_changes_nothing_in_its_world() {
    for seed in 0..12 {
        let (traced, quiet) = (simulate(seed, true), simulate(seed, false));
        assert_eq!(traced.stats, quiet.stats, "seed {seed}");
        assert!(quiet.trace.is_empty());
    }
}
