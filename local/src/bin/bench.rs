//! Measures how close a sync comes to what the service allows: 200 allows and 110 denies on one
//! experience. The result is the ratio to the time that the fewest change sets take one after the
//! other, with and without events.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pmp_sync_deploy::progress::Progress;
use pmp_sync_local::embedded::{Binaries, Catalog, Embedded, build};
use pmp_sync_local::marketplace::{Lists, Settings};
use pmp_sync_local::products;
use pmp_sync_local::scenario::{Installation, NAME, Organization, link};

/// Measures a sync against the time that the service needs at least.
#[derive(Debug, Parser)]
#[command(name = "pmp-sync-bench")]
struct Options {
    /// How long a change set takes, in seconds.
    #[arg(long, default_value_t = 2.0)]
    change_set_seconds: f64,
    /// Products to be allowed.
    #[arg(long, default_value_t = 200)]
    allow: usize,
    /// Products to be denied.
    #[arg(long, default_value_t = 110)]
    deny: usize,
    /// How often each case is measured.
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Exit with 1 if a ratio is above this.
    #[arg(long)]
    most: Option<f64>,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

struct Measured {
    change_sets: usize,
    seconds: f64,
    bound: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let progress = Progress::new();
    let outcome = run(&options, &progress).await;
    progress.finish();
    match outcome {
        Ok(worst) if options.most.is_none_or(|most| worst <= most) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the measurement failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options, progress: &Progress) -> Result<f64, AnyError> {
    let binaries = build(progress).await?;
    let settings = Settings {
        change_set_seconds: options.change_set_seconds,
        ..Settings::default()
    };
    let embedded =
        Embedded::start(Catalog::Own(settings), Duration::from_hours(1), progress).await?;
    let mut worst: f64 = 0.0;
    for round in 0..options.rounds {
        for events in [true, false] {
            if let Some(emulator) = embedded.emulator() {
                emulator.set(Settings { events, ..settings });
            }
            let measured = measure(
                options,
                &embedded,
                &binaries,
                round * 2 + u64::from(events),
                progress,
            )
            .await?;
            let ratio = measured.seconds / measured.bound;
            worst = worst.max(ratio);
            writeln!(
                std::io::stdout(),
                "{} events: {} change sets in {:.2} s, the service needs {:.2} s: ratio {ratio:.2}",
                if events { "with" } else { "without" },
                measured.change_sets,
                measured.seconds,
                measured.bound,
            )?;
        }
    }
    embedded.stop().await;
    Ok(worst)
}

async fn measure(
    options: &Options,
    embedded: &Embedded,
    binaries: &Binaries,
    number: u64,
    progress: &Progress,
) -> Result<Measured, AnyError> {
    let management = Organization::numbered("headquarters", number * 2);
    let members = vec![Organization::numbered("member", number * 2 + 1)];
    let installation =
        Installation::deploy(embedded, binaries, NAME, management, members, &[], progress).await?;
    let ids: Vec<_> = products::some(options.allow + options.deny)
        .into_iter()
        .map(|product| product.id)
        .collect();
    let (allow, deny) = ids.split_at(options.allow);
    let wanted = Lists {
        allow: allow.iter().cloned().collect(),
        deny: deny.iter().cloned().collect(),
    };
    let before = Lists {
        allow: wanted.deny.clone(),
        ..Lists::default()
    };
    let source = installation.add_experience(&installation.management, wanted.clone());
    let member = installation.members.first().ok_or("there is no member")?;
    let experience = installation.add_experience(member, before);
    // The check of each product takes a fifth of a second before the first change set starts, and
    // the approval of 110 removals takes somebody's time. Neither is measured here.
    let more = "live_check = \"off\"\nguard = { exempt = [\"removals\", \"most-removals\", \"first-mirror\"] }";
    let config = installation.config() + &link(&source, &member.name, &experience, more);
    installation.apply(&config).await?;
    progress.step("measuring a sync");
    installation.sync(Duration::from_mins(5)).await?;
    if installation.lists(&experience) != wanted {
        return Err("the member is not in sync".into());
    }
    let sets: Vec<_> = embedded
        .emulator()
        .map(pmp_sync_local::marketplace::Emulator::change_sets)
        .unwrap_or_default()
        .into_iter()
        .filter(|set| set.experiences.contains(&experience))
        .collect();
    let first = sets
        .iter()
        .map(|set| set.started)
        .min()
        .ok_or("no change set was started")?;
    let last = sets
        .iter()
        .filter_map(|set| set.ended)
        .max()
        .ok_or("no change set has ended")?;
    let fewest = options.allow.div_ceil(50).max(options.deny.div_ceil(50));
    #[expect(clippy::cast_precision_loss, reason = "a handful of change sets")]
    let bound = fewest as f64 * options.change_set_seconds;
    Ok(Measured {
        change_sets: sets.len(),
        seconds: last.duration_since(first).as_secs_f64(),
        bound,
    })
}
