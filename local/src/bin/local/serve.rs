//! The process that holds the emulated AWS. It ends when its state file is removed, its time is
//! over, a signal arrives, or the server has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pmp_sync_aws::system::SystemClock;
use pmp_sync_deploy::local::{State, StateMember, StateOptions, StateOrganization, UpOptions};
use pmp_sync_deploy::progress::Progress;
use pmp_sync_deploy::signals::Signals;
use pmp_sync_domain::ports::Clock as _;
use pmp_sync_domain::time::later;
use pmp_sync_local::embedded::{Catalog, Embedded, build};
use pmp_sync_local::marketplace::{Lists, Settings};
use pmp_sync_local::products;
use pmp_sync_local::scenario::{Installation, Organization, link};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::Common;
use crate::state::{self, aws_config_file, state_file};

/// How often the process checks that the state file exists.
const LOOK: Duration = Duration::from_millis(300);
/// The number of the signal.
const HANGUP: u8 = 1;
/// How long the deployment may take on a busy machine.
const DEPLOYING: Duration = Duration::from_mins(15);

fn organization(name: &str, digit: char) -> Organization {
    let eleven: String = std::iter::repeat_n(digit, 11).collect();
    Organization {
        name: name.to_owned(),
        account: format!("{digit}{eleven}"),
        owner: format!("9{eleven}"),
        external_id: format!("local-{name}-{eleven}"),
    }
}

/// Runs until it is told to end.
pub(crate) async fn serve(common: &Common, options: &UpOptions) -> Result<(), Failure> {
    let path = state_file(&options.state)?;
    let progress = Progress::new();
    let binaries = build(&progress).await?;
    let catalog = match &options.catalog_endpoint {
        Some(url) => Catalog::Other(url.clone()),
        None => Catalog::Own(Settings {
            change_set_seconds: options.change_set_seconds(),
            ..Settings::default()
        }),
    };
    // The time counts from when it is ready. The server's own limit is the last resort.
    let mut embedded = Embedded::start(catalog, options.ttl() + DEPLOYING, &progress).await?;
    let members = vec![organization("emea", '2'), organization("apac", '3')];
    let management = organization("headquarters", '1');
    let empty = organization("latam", '4');
    let installation = Installation::deploy(
        &embedded,
        &binaries,
        &common.name,
        management,
        members,
        &[],
        &progress,
    )
    .await?;
    let ends = Instant::now() + options.ttl();
    let seconds = i64::try_from(options.ttl().as_secs()).unwrap_or(86_400);
    let ends_at = later(SystemClock.now(), seconds);
    if let Some(emulator) = embedded.emulator() {
        emulator.add_org(&empty.owner, [empty.account.clone()]);
    }
    let mut state = describe(common, options, &installation, ends_at.to_string()).await?;
    state.empty.push(StateOrganization {
        name: empty.name,
        account: empty.account,
    });
    let profiles = aws_config_file(&path);
    std::fs::write(&profiles, aws_config(&state)).map_err(Failure::file(&profiles))?;
    state
        .variables
        .insert("AWS_CONFIG_FILE".to_owned(), profiles.display().to_string());
    // Before the state file exists, because whoever finds it may send a signal at once.
    let mut signals = Signals::new().map_err(|error| Failure::local(&error))?;
    state::write(&path, &state)?;
    drop(installation);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            // The terminal from which it was started may be closed.
            signal = signals.next() => if signal != HANGUP { break },
        }
        if Instant::now() >= ends || !path.exists() || !embedded.is_running() {
            break;
        }
    }
    let own = std::process::id();
    state::remove_of(&path, own);
    // A file that remains does no harm.
    let _ = state::remove(&profiles);
    embedded.stop().await;
    // `local down` does so too, if it is still waiting.
    state::remove_of(&state::ending_file(&path), own);
    Ok(())
}

/// A profile for each account, named after its organization: the root of the emulated AWS's account.
fn aws_config(state: &State) -> String {
    let management = [("management", state.management_account.as_str())];
    let members = state
        .members
        .iter()
        .map(|member| (&*member.name, &*member.account));
    let empty = state
        .empty
        .iter()
        .map(|other| (&*other.name, &*other.account));
    let profile = |(name, account): (&str, &str)| {
        format!(
            "[profile {name}]\nregion = us-east-1\naws_access_key_id = {account}\naws_secret_access_key = test\n"
        )
    };
    management
        .into_iter()
        .chain(members)
        .chain(empty)
        .map(profile)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Seeds our emulator. In another emulator nothing is created.
async fn describe(
    common: &Common,
    options: &UpOptions,
    installation: &Installation<'_>,
    ends_at: String,
) -> Result<State, Failure> {
    let embedded = installation.embedded;
    let mut state = State {
        schema: state::SCHEMA,
        pid: std::process::id(),
        endpoint: embedded.endpoint().to_owned(),
        catalog_endpoint: embedded.catalog_endpoint().to_owned(),
        ends_at,
        management_account: installation.management.account.clone(),
        management_experience: None,
        members: installation
            .members
            .iter()
            .map(|member| StateMember {
                name: member.name.clone(),
                account: member.account.clone(),
                external_id: member.external_id.clone(),
                experience: None,
            })
            .collect(),
        empty: Vec::new(),
        variables: BTreeMap::from([
            (
                "AWS_ENDPOINT_URL".to_owned(),
                embedded.endpoint().to_owned(),
            ),
            (
                "AWS_ENDPOINT_URL_MARKETPLACE_CATALOG".to_owned(),
                embedded.catalog_endpoint().to_owned(),
            ),
            (
                "AWS_ENDPOINT_URL_MARKETPLACE_DISCOVERY".to_owned(),
                embedded.catalog_endpoint().to_owned(),
            ),
            (
                "AWS_ACCESS_KEY_ID".to_owned(),
                installation.management.account.clone(),
            ),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "test".to_owned()),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
            // The AWS CLI and older SDKs read only this one.
            ("AWS_DEFAULT_REGION".to_owned(), "us-east-1".to_owned()),
            ("PMP_SYNC_NAME".to_owned(), common.name.clone()),
        ]),
        options: Some(StateOptions {
            name: common.name.clone(),
            ttl_seconds: options.ttl().as_secs(),
            change_set_seconds: options.change_set_seconds(),
        }),
    };
    if embedded.emulator().is_some() {
        state.variables.insert(
            "AWS_ENDPOINT_URL_ORGANIZATIONS".to_owned(),
            embedded.catalog_endpoint().to_owned(),
        );
        let all: Vec<_> = products::real().map(|product| product.id).collect();
        let (allow, deny) = all.split_at(all.len() * 3 / 4);
        let wanted = Lists {
            allow: allow.iter().cloned().collect(),
            deny: deny.iter().cloned().collect(),
        };
        let source = installation.add_experience(&installation.management, wanted);
        let mut config = installation.config();
        let more = "guard = { exempt = [\"first-mirror\"] }";
        for (member, entry) in installation.members.iter().zip(&mut state.members) {
            // Few that are not wanted, so that the first sync needs no approval.
            let unwanted = all.iter().rev().take(3);
            let before: BTreeSet<_> = unwanted.chain(allow.iter().take(5)).cloned().collect();
            let experience = installation.add_experience(
                member,
                Lists {
                    allow: before,
                    ..Lists::default()
                },
            );
            config.push_str(&link(&source, &member.name, &experience, more));
            entry.experience = Some(experience);
        }
        installation.apply(&config).await?;
        state.management_experience = Some(source);
    }
    Ok(state)
}
