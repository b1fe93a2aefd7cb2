//! What every test stands on.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use pmp_sync_deploy::progress::Progress;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_local::embedded::{Binaries, Catalog, Embedded, build};
use pmp_sync_local::marketplace::{ChangeSetLog, Emulator, Lists, Settings};
use pmp_sync_local::scenario::{Installation, Organization, Parameters, link};
use tokio::runtime::Runtime;

/// How long a change set takes here, in seconds.
pub(crate) const CHANGE_SET: f64 = 0.5;
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The tests share one runtime: the emulator lives on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static SHARED: LazyLock<(Embedded, Binaries)> = LazyLock::new(|| {
    std::thread::spawn(|| {
        RUNTIME.block_on(async {
            let binaries = build(&Progress::none())
                .await
                .expect("the Lambdas are built");
            let settings = Settings {
                change_set_seconds: CHANGE_SET,
                ..Settings::default()
            };
            let started = Embedded::start(
                Catalog::Own(settings),
                Duration::from_mins(30),
                &Progress::none(),
            )
            .await;
            (started.expect("the emulated AWS starts"), binaries)
        })
    })
    .join()
    .expect("the emulated AWS starts")
});

pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

pub(crate) fn embedded() -> &'static Embedded {
    &SHARED.0
}

pub(crate) fn emulator() -> &'static Emulator {
    embedded().emulator().expect("our own emulator")
}

/// An installation with as many members as asked for; `number` keeps the accounts of tests apart.
pub(crate) async fn install(
    number: u64,
    members: u64,
    parameters: &[(&str, &str)],
) -> Installation<'static> {
    let parameters = Parameters {
        management: parameters,
        member: &[],
    };
    deploy(number, members, parameters).await
}

/// The same, with parameters of the members' stacks.
pub(crate) async fn install_with(
    number: u64,
    members: u64,
    member: &[(&str, &str)],
) -> Installation<'static> {
    let parameters = Parameters {
        management: &[],
        member,
    };
    deploy(number, members, parameters).await
}

async fn deploy(number: u64, members: u64, parameters: Parameters<'_>) -> Installation<'static> {
    let management = Organization::numbered("headquarters", number * 100);
    let members = (1..=members)
        .map(|member| Organization::numbered(&format!("m{member}"), number * 100 + member))
        .collect();
    // The emulated AWS ends the running functions of a name in every account when one is deployed.
    Installation::deploy_with(
        embedded(),
        &SHARED.1,
        &name(number),
        management,
        members,
        parameters,
        &Progress::none(),
    )
    .await
    .expect("the stacks are deployed")
}

/// What the stacks of a test are named after.
pub(crate) fn name(number: u64) -> String {
    format!("pmp-sync-{number}")
}

pub(crate) fn ids(prefix: &str, count: usize) -> BTreeSet<String> {
    (0..count)
        .map(|number| format!("prod-{prefix}{number:05}"))
        .collect()
}

pub(crate) fn lists(allow: &BTreeSet<String>, deny: &BTreeSet<String>) -> Lists {
    Lists {
        allow: allow.clone(),
        deny: deny.clone(),
    }
}

/// For a link whose plans remove much, where that is not what the test is about.
pub(crate) const UNGUARDED: &str =
    "guard = { exempt = [\"first-mirror\", \"removals\", \"shrink\"] }";

/// One management experience mirrored on one experience of the first member. Returns both.
pub(crate) async fn mirror(
    installation: &Installation<'_>,
    wanted: Lists,
    before: Lists,
) -> (String, String) {
    mirror_with(installation, wanted, before, "").await
}

/// The same, with further keys of the link.
pub(crate) async fn mirror_with(
    installation: &Installation<'_>,
    wanted: Lists,
    before: Lists,
    more: &str,
) -> (String, String) {
    let source = installation.add_experience(&installation.management, wanted);
    let experience = installation.add_experience(&installation.members[0], before);
    let config = installation.config() + &link(&source, "m1", &experience, more);
    installation
        .apply(&config)
        .await
        .expect("the configuration is stored");
    (source, experience)
}

/// The change sets of one experience.
pub(crate) fn change_sets(experience: &str) -> Vec<ChangeSetLog> {
    let mut all = emulator().change_sets();
    all.retain(|set| set.experiences.iter().any(|id| id == experience));
    all
}

/// Refusals that the API gave for an experience.
pub(crate) fn refusals(experience: &str) -> Vec<u16> {
    let calls = emulator().calls().into_iter();
    calls
        .filter(|call| call.thing == experience && call.status >= 400)
        .map(|call| call.status)
        .collect()
}

/// Waits until the state of a lane is one that is expected, and returns it.
pub(crate) async fn lane_until(
    installation: &Installation<'_>,
    lane: &LaneId,
    what: &str,
    holds: impl Fn(&LaneState) -> bool,
) -> LaneState {
    let ends = tokio::time::Instant::now() + PATIENCE;
    loop {
        let state = installation.lane(lane).await.unwrap();
        if holds(&state) {
            return state;
        }
        assert!(
            tokio::time::Instant::now() < ends,
            "{what} did not happen within {PATIENCE:?}: {state:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, most: Duration, holds: impl Fn() -> bool) {
    let ends = tokio::time::Instant::now() + most;
    while !holds() {
        assert!(
            tokio::time::Instant::now() < ends,
            "{what} did not happen within {most:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
