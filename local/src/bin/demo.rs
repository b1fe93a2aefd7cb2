//! `cargo demo`: one management and several member organizations on the emulated AWS, brought in
//! sync.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use pmp_sync_deploy::progress::Progress;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_local::embedded::{Catalog, Embedded, build};
use pmp_sync_local::marketplace::{Lists, Settings};
use pmp_sync_local::products;
use pmp_sync_local::scenario::{Installation, NAME, Organization, ScenarioError, link};
use serde::Serialize;

/// Brings member organizations in sync with a management organization, on an AWS that runs on this
/// machine only.
#[derive(Debug, Parser)]
#[command(name = "cargo demo")]
struct Options {
    /// Print one JSON object: for each member, `allowed` and `denied` are the products that were changed.
    #[arg(long)]
    json: bool,
    /// How many products there are.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(3..=5000))]
    products: u32,
    /// How many member organizations there are.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    members: u32,
    /// How long a change set takes, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    change_set_seconds: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 600 is expected".to_owned()),
    }
}

#[derive(Debug, Serialize)]
struct Outcome {
    converged: bool,
    members: Vec<MemberOutcome>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct MemberOutcome {
    account: String,
    experience: String,
    allowed: usize,
    denied: usize,
    change_sets: usize,
    fewest_change_sets: usize,
    last_in_sync: Option<String>,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    before: Lists,
    #[serde(skip)]
    after: Lists,
    #[serde(skip)]
    last_success: Option<String>,
}

/// The lists at the beginning.
struct Products {
    /// The lists of the management experience.
    management: Lists,
    ids: Vec<String>,
}

impl Products {
    fn new(count: usize) -> Self {
        let ids: Vec<String> = products::some(count)
            .into_iter()
            .map(|product| product.id)
            .collect();
        let allow = ids.iter().take(count * 2 / 3).cloned().collect();
        let deny = ids
            .iter()
            .skip(count * 2 / 3)
            .take(count / 6)
            .cloned()
            .collect();
        Self {
            management: Lists { allow, deny },
            ids,
        }
    }

    /// The lists of the `number`th member: some approved products, and many that are not approved.
    fn member(&self, number: usize) -> Lists {
        let allow = self.ids.iter().enumerate().filter(|(place, _)| {
            (place + number).is_multiple_of(4) || *place >= self.ids.len() * 5 / 6
        });
        Lists {
            allow: allow.map(|(_, id)| id.clone()).collect(),
            deny: BTreeSet::new(),
        }
    }
}

/// The fewest change sets that change `before` to `management`.
fn fewest(management: &Lists, before: &Lists) -> usize {
    let allow = management.allow.difference(&before.allow).count();
    let unwanted = before.allow.difference(&management.allow);
    let deny: BTreeSet<_> = management
        .deny
        .difference(&before.deny)
        .chain(unwanted)
        .collect();
    allow.div_ceil(50).max(deny.len().div_ceil(50))
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let progress = Progress::new();
    let outcome = tokio::select! {
        outcome = run(&options, &progress) => outcome,
        _ = tokio::signal::ctrl_c() => {
            progress.finish();
            return ExitCode::from(130);
        }
    };
    progress.finish();
    match outcome.and_then(|outcome| print(&options, &outcome).map(|()| outcome)) {
        Ok(outcome) if outcome.converged => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn run(options: &Options, progress: &Progress) -> Result<Outcome, AnyError> {
    let began = Instant::now();
    let count = usize::try_from(options.products)?;
    let binaries = build(progress).await?;
    let settings = Settings {
        change_set_seconds: options.change_set_seconds,
        ..Settings::default()
    };
    let embedded =
        Embedded::start(Catalog::Own(settings), Duration::from_hours(1), progress).await?;
    let names = ["emea", "apac", "americas", "nordics"];
    let members: Vec<_> = (1..=u64::from(options.members))
        .zip(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .chain((5..).map(|number| format!("member-{number}"))),
        )
        .map(|(number, name)| Organization::numbered(&name, number))
        .collect();
    let management = Organization::numbered("headquarters", 0);
    let installation = Installation::deploy(
        &embedded,
        &binaries,
        NAME,
        management,
        members,
        &[],
        progress,
    )
    .await?;
    let outcome = bring_in_sync(options, &installation, count, progress).await;
    progress.step("ending the emulated AWS");
    let log = std::fs::read_to_string(embedded.log()).unwrap_or_default();
    embedded.stop().await;
    match outcome {
        Ok((converged, members)) => Ok(Outcome {
            converged,
            members,
            seconds: began.elapsed().as_secs_f64(),
        }),
        Err(error) => {
            let tail: Vec<_> = log.lines().rev().take(12).collect();
            Err(format!(
                "{error}\nthe last lines of the emulated AWS:\n{}",
                tail.into_iter().rev().collect::<Vec<_>>().join("\n")
            )
            .into())
        }
    }
}

async fn bring_in_sync(
    options: &Options,
    installation: &Installation<'_>,
    count: usize,
    progress: &Progress,
) -> Result<(bool, Vec<MemberOutcome>), AnyError> {
    let products = Products::new(count);
    let source = installation.add_experience(&installation.management, products.management.clone());
    let mut config = installation.config();
    let mut members = Vec::new();
    for (number, member) in installation.members.iter().enumerate() {
        let before = products.member(number);
        let experience = installation.add_experience(member, before.clone());
        // At the rate of the real service, checking so many products would take ten seconds. The
        // first plan removes much, and would be held.
        let more = "live_check = \"off\"\nguard = { exempt = [\"removals\", \"most-removals\", \"first-mirror\"] }";
        config.push_str(&link(&source, &member.name, &experience, more));
        members.push(MemberOutcome {
            account: member.account.clone(),
            fewest_change_sets: fewest(&products.management, &before),
            experience,
            allowed: 0,
            denied: 0,
            change_sets: 0,
            last_in_sync: None,
            name: member.name.clone(),
            before,
            after: Lists::default(),
            last_success: None,
        });
    }
    installation.apply(&config).await?;
    progress.step("Sync Requested: bringing the members in sync");
    let sets = members
        .iter()
        .map(|member| member.fewest_change_sets)
        .max()
        .unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    let most =
        Duration::from_secs_f64(60.0 + 3.0 * sets as f64 * (options.change_set_seconds + 2.0));
    let run = match installation.sync(most).await {
        Ok(run) => Some(run),
        Err(ScenarioError::Late(..)) => None,
        Err(error) => return Err(error.into()),
    };
    let change_sets = installation
        .embedded
        .emulator()
        .map(pmp_sync_local::marketplace::Emulator::change_sets)
        .unwrap_or_default();
    let mut converged = run.is_some_and(|run| run.totals.failed == 0);
    for member in &mut members {
        member.after = installation.lists(&member.experience);
        member.allowed = member.after.allow.difference(&member.before.allow).count();
        member.denied = member.after.deny.difference(&member.before.deny).count();
        member.change_sets = change_sets
            .iter()
            .filter(|set| set.experiences.contains(&member.experience))
            .count();
        let lane = LaneId {
            account: member.account.parse()?,
            experience: member.experience.parse()?,
        };
        let state = installation.lane(&lane).await?;
        member.last_in_sync = state.last_in_sync.map(|at| at.to_string());
        member.last_success = state.last_success.map(|at| at.to_string());
        converged &= member.after.allow == products.management.allow
            && member.after.deny.is_superset(&products.management.deny)
            && member.last_in_sync.is_some();
    }
    Ok((converged, members))
}

fn print(options: &Options, outcome: &Outcome) -> Result<(), AnyError> {
    let mut out = std::io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string(outcome)?)?;
        return Ok(());
    }
    for member in &outcome.members {
        writeln!(
            out,
            "{} (account {}, {})",
            member.name, member.account, member.experience
        )?;
        writeln!(
            out,
            "  had           {} allowed, {} denied",
            member.before.allow.len(),
            member.before.deny.len()
        )?;
        writeln!(
            out,
            "  changed       {} allowed, {} denied",
            member.allowed, member.denied
        )?;
        writeln!(
            out,
            "  has           {} allowed, {} denied",
            member.after.allow.len(),
            member.after.deny.len()
        )?;
        writeln!(
            out,
            "  change sets   {} (the fewest possible: {})",
            member.change_sets, member.fewest_change_sets
        )?;
        writeln!(
            out,
            "  last success  {}",
            member.last_success.as_deref().unwrap_or("never")
        )?;
        writeln!(
            out,
            "  last in sync  {}",
            member.last_in_sync.as_deref().unwrap_or("never")
        )?;
    }
    let verdict = if outcome.converged {
        "every member is in sync"
    } else {
        "NOT every member is in sync"
    };
    writeln!(out, "{verdict}, after {:.1} s", outcome.seconds)?;
    Ok(())
}
