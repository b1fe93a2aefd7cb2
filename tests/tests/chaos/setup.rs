//! What every test stands on.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use pmp_sync_deploy::progress::Progress;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::ports::Lanes as _;
use pmp_sync_local::embedded::{Binaries, Catalog, Embedded, Options, build};
use pmp_sync_local::marketplace::{ChangeSetLog, Emulator, Lists, Settings};
use pmp_sync_local::proxy::Proxy;
use pmp_sync_local::scenario::{Installation, Organization, Parameters, link};
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

/// How long a change set takes here, in seconds.
const CHANGE_SET: f64 = 0.5;
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(6);

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
            let options = Options {
                catalog: Catalog::Own(settings),
                ttl: Duration::from_mins(40),
                through_proxies: true,
            };
            let started = Embedded::start_with(options, &Progress::none()).await;
            (started.expect("the emulated AWS starts"), binaries)
        })
    })
    .join()
    .expect("the emulated AWS starts")
});

/// Faults of the emulator and of the server are for every installation: whoever makes some writes,
/// whoever is not to be disturbed reads.
static CALM: LazyLock<RwLock<()>> = LazyLock::new(RwLock::default);

/// Runs a test that disturbs only its own accounts.
pub(crate) fn beside_others<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(async {
        let _calm = CALM.read().await;
        test.await
    })
}

/// Runs a test that disturbs everybody.
pub(crate) fn alone<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(async {
        let _storm = CALM.write().await;
        test.await
    })
}

pub(crate) fn embedded() -> &'static Embedded {
    &SHARED.0
}

pub(crate) fn emulator() -> &'static Emulator {
    embedded().emulator().expect("our own emulator")
}

pub(crate) fn aws_proxy() -> &'static Proxy {
    embedded().aws_proxy().expect("a proxy before ministack")
}

pub(crate) fn catalog_proxy() -> &'static Proxy {
    embedded()
        .catalog_proxy()
        .expect("a proxy before the Catalog")
}

/// An installation whose messages come again soon; `number` keeps the accounts of tests apart. It is
/// deployed beside whatever other tests do, which disturbs neither.
pub(crate) fn install(number: u64, members: u64) -> Installation<'static> {
    let management = Organization::numbered("headquarters", number * 1_000);
    let members = (1..=members)
        .map(|member| Organization::numbered(&format!("m{member}"), number * 1_000 + member))
        .collect();
    let parameters = Parameters {
        management: &[
            ("ProducerTimeoutSeconds", "90"),
            ("InboxVisibilitySeconds", "90"),
        ],
        member: &[
            ("WorkerTimeoutSeconds", "25"),
            ("ChangesVisibilitySeconds", "30"),
        ],
    };
    let (name, progress) = (format!("pmp-chaos-{number}"), Progress::none());
    let deploying = Installation::deploy_with(
        embedded(),
        &SHARED.1,
        &name,
        management,
        members,
        parameters,
        &progress,
    );
    RUNTIME
        .block_on(deploying)
        .expect("the stacks are deployed")
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

/// One management experience, mirrored on an experience of each member, which begins with `before`.
/// Returns the management experience and the members'.
pub(crate) async fn mirror(
    installation: &Installation<'_>,
    wanted: Lists,
    before: &Lists,
) -> (String, Vec<String>) {
    let source = installation.add_experience(&installation.management, wanted);
    let mut config = installation.config();
    let mut experiences = Vec::new();
    for member in &installation.members {
        let experience = installation.add_experience(member, before.clone());
        // The lists are long, and asking for each product takes a fifth of a second. Much is taken away,
        // and nobody is there to approve it.
        let more = "live_check = \"off\"\nguard = { exempt = [\"removals\", \"most-removals\", \"first-mirror\"] }";
        config.push_str(&link(&source, &member.name, &experience, more));
        experiences.push(experience);
    }
    installation
        .apply(&config)
        .await
        .expect("the configuration is stored");
    (source, experiences)
}

pub(crate) fn lane(installation: &Installation<'_>, member: usize, experience: &str) -> LaneId {
    LaneId {
        account: installation.members[member].account.parse().unwrap(),
        experience: experience.parse().unwrap(),
    }
}

/// The change sets of one experience that are ours.
pub(crate) fn change_sets(experience: &str) -> Vec<ChangeSetLog> {
    let mut all = emulator().change_sets();
    all.retain(|set| {
        set.name.starts_with("pmp-sync:") && set.experiences.iter().any(|id| id == experience)
    });
    all
}

/// Never two change sets for one intent, and never two at a time.
pub(crate) fn assert_serial(experience: &str) {
    let sets = change_sets(experience);
    let names: BTreeSet<_> = sets.iter().map(|set| &set.name).collect();
    assert_eq!(
        names.len(),
        sets.len(),
        "two change sets for one intent: {sets:?}"
    );
    for pair in sets.windows(2) {
        assert!(
            pair[0].ended.is_some_and(|ended| ended <= pair[1].started),
            "{pair:?}"
        );
    }
}

/// Waits until every member has these lists and its lane rests with nothing open.
pub(crate) async fn until_equal(
    installation: &Installation<'_>,
    experiences: &[String],
    wanted: &Lists,
) {
    let ends = tokio::time::Instant::now() + PATIENCE;
    for (member, experience) in experiences.iter().enumerate() {
        let lane = lane(installation, member, experience);
        loop {
            let equal = installation.lists(experience) == *wanted;
            let state = installation.ledger.state(&lane).await;
            let open = installation.ledger.open(&lane).await;
            if equal
                && matches!(&state, Ok(state) if state.phase == Phase::Idle && state.intent.is_none())
                && matches!(&open, Ok(open) if open.items.is_empty())
            {
                break;
            }
            assert!(
                tokio::time::Instant::now() < ends,
                "{lane} is not equal: {state:?}, open {open:?}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
