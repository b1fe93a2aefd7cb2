//! `pmp-sync local`: starts the process that holds the embedded AWS, and ends it.

mod daemon;
mod start;
pub(crate) mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::start::start;
use self::state::{State, ending_file, state_file};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Starts it, deploys one management and two member accounts, and returns when it is ready.
    Up(UpOptions),
    /// Ends it.
    Down {
        /// The state file, if it is not in its usual place.
        #[arg(long)]
        state: Option<PathBuf>,
    },
    #[command(hide = true)]
    Serve(UpOptions),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UpOptions {
    /// How long it lives, such as 30m or 8h [default: 8h].
    #[arg(long, value_parser = crate::options::duration)]
    pub(crate) ttl: Option<Duration>,
    /// Another emulator of the Catalog API instead of ours. Nothing is seeded there.
    #[arg(long, value_name = "URL")]
    pub(crate) catalog_endpoint: Option<String>,
    /// How long a change set takes, in seconds. Of our emulator only [default: 1].
    #[arg(long, value_parser = change_set_seconds)]
    pub(crate) change_set_seconds: Option<f64>,
    /// The state file, if it is not to be in its usual place.
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

// The defaults are here and not clap's: whether an option was given has to be known.
impl UpOptions {
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl.unwrap_or(Duration::from_hours(8))
    }

    pub(crate) fn change_set_seconds(&self) -> f64 {
        self.change_set_seconds.unwrap_or(1.0)
    }
}

fn change_set_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 3600 is expected".to_owned()),
    }
}

/// How long an end may take.
const END: Duration = Duration::from_secs(30);

/// What came of ending it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ended {
    /// False if nothing ran.
    ended: bool,
}

async fn is_listening(state: &State) -> bool {
    let address = state.endpoint.trim_start_matches("http://");
    matches!(
        tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await,
        Ok(Ok(_))
    )
}

pub(crate) async fn run(common: &Common, command: &LocalCommand) -> Result<(), Failure> {
    match command {
        LocalCommand::Up(options) => up(common, options).await,
        LocalCommand::Down { state } => down(common, state.as_deref()).await,
        LocalCommand::Serve(options) => daemon::serve(common, options).await,
    }
}

async fn up(common: &Common, options: &UpOptions) -> Result<(), Failure> {
    let path = state_file(options.state.as_deref())?;
    let running = state::read(&path)?;
    see_earlier_end(&path).await?;
    if let Some(state) = running {
        if is_listening(&state).await {
            refuse_other_options(common, options, &state)?;
            output::note("it runs already; `pmp-sync local down` ends it");
            return show(common, &state);
        }
        // Left behind by a process that is gone.
        state::remove(&path)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    }
    let progress = Progress::new();
    let started = start(common, options, &path, &progress).await;
    progress.finish();
    show(common, &started?)
}

fn refuse_other_options(
    common: &Common,
    options: &UpOptions,
    state: &State,
) -> Result<(), Failure> {
    let differences = state.differences(common, options);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::Local {
        message: format!(
            "it runs already, with other options: {}",
            differences.join("; ")
        ),
        remedy: "end it with `pmp-sync local down` and start it again, or leave these options out"
            .to_owned(),
    })
}

fn show(common: &Common, state: &State) -> Result<(), Failure> {
    if common.json {
        return output::json(state);
    }
    for (name, value) in &state.variables {
        output::line(&format!("export {name}={value}"))?;
    }
    output::note(&format!(
        "it runs until {} or `pmp-sync local down`",
        state.ends_at
    ));
    output::note(&format!("management account {}", state.management_account));
    for member in &state.members {
        output::note(&format!(
            "member {}: account {}, external id {}",
            member.name, member.account, member.external_id
        ));
    }
    for other in &state.empty {
        output::note(&format!(
            "{}: account {}, in which nothing is deployed yet",
            other.name, other.account
        ));
    }
    if state.management_experience.is_some() {
        output::note(
            "a configuration is applied: try `pmp-sync plan`, `pmp-sync sync --wait`, `pmp-sync status`",
        );
    } else {
        output::note(
            "nothing is configured: apply a configuration with experiences of the other emulator",
        );
    }
    Ok(())
}

async fn down(common: &Common, given: Option<&Path>) -> Result<(), Failure> {
    let path = state_file(given)?;
    let running = state::read(&path)?;
    let mut ended = see_earlier_end(&path).await?;
    if let Some(state) = running {
        // Moved and not removed: should it not end in time, it can still be found.
        let ending = ending_file(&path);
        match std::fs::rename(&path, &ending) {
            // Its time has just been up.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            moved => moved.map_err(Failure::file(&path))?,
        }
        see_end(&state, &ending).await?;
        ended = true;
    }
    output::note(if ended { "ended" } else { "nothing runs" });
    if common.json {
        return output::json(&Ended { ended });
    }
    Ok(())
}

/// Waits for what an earlier `down` has told to end, and did not see the end of.
async fn see_earlier_end(path: &Path) -> Result<bool, Failure> {
    let ending = ending_file(path);
    match state::read(&ending)? {
        Some(state) => see_end(&state, &ending).await.map(|()| true),
        None => Ok(false),
    }
}

async fn see_end(state: &State, ending: &Path) -> Result<(), Failure> {
    let ends = Instant::now() + END;
    while is_listening(state).await {
        if Instant::now() >= ends {
            return Err(Failure::Local {
                message: format!(
                    "process {} did not end within {} s",
                    state.pid,
                    END.as_secs()
                ),
                remedy: "`pmp-sync local down` waits for it again; if that does not help, end the process yourself"
                    .to_owned(),
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    state::remove(ending)
}
