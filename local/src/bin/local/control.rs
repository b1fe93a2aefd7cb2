//! `up`, `status` and `down`: start the process that holds the emulated AWS, show it, end it.

use std::path::Path;
use std::time::Duration;

use pmp_sync_deploy::Account;
use pmp_sync_deploy::installation::member_stack;
use pmp_sync_deploy::local::{Ended, State, StateOption, UpOptions};
use pmp_sync_deploy::progress::Progress;
use pmp_sync_deploy::stack::Stacks;
use pmp_sync_deploy::time::time;
use pmp_sync_local::embedded::Clients;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::{Common, json, line, note};
use crate::start::start;
use crate::state::{self, differences, ending_file, state_file};

/// How long the process may take to end.
const END: Duration = Duration::from_secs(30);

async fn is_listening(state: &State) -> bool {
    let address = state.endpoint.trim_start_matches("http://");
    matches!(
        tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await,
        Ok(Ok(_))
    )
}

/// `up`
pub(crate) async fn up(common: &Common, options: &UpOptions) -> Result<(), Failure> {
    let path = state_file(&options.state)?;
    let running = state::read(&path)?;
    see_earlier_end(&path).await?;
    if let Some(state) = running {
        if is_listening(&state).await {
            refuse_other_options(common, options, &state)?;
            note("it runs already; `pmp-sync local down` ends it");
            return show(common, &state).await;
        }
        // A process that no longer exists left it behind.
        state::remove(&path)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    }
    let progress = Progress::new();
    let started = start(common, options, &path, &progress).await;
    progress.finish();
    show(common, &started?).await
}

fn refuse_other_options(
    common: &Common,
    options: &UpOptions,
    state: &State,
) -> Result<(), Failure> {
    let differences = differences(state, common, options);
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

/// What is deployed in an account that was empty at the start.
async fn deployed(state: &State, common: &Common, account: &str) -> String {
    let options = state.options.as_ref();
    let name = options.map_or(common.name.as_str(), |options| &options.name);
    let stack = member_stack(name);
    let Ok(id) = account.parse() else {
        return "nothing is deployed".to_owned();
    };
    let account = Account {
        config: Clients::new(&state.endpoint).config(account),
        id,
    };
    let progress = Progress::none();
    match Stacks::new(&account, &progress).find(&stack).await {
        Ok(Some(_)) => format!("the stack {stack} is deployed"),
        Ok(None) => "nothing is deployed yet".to_owned(),
        Err(_) => "nothing was deployed at the start".to_owned(),
    }
}

async fn show(common: &Common, state: &State) -> Result<(), Failure> {
    if common.json {
        return json(state);
    }
    for (name, value) in &state.variables {
        line(&format!("export {name}={value}"))?;
    }
    let ends_at = state.ends_at.parse().ok();
    note(&format!(
        "it runs until {} or `pmp-sync local down`",
        ends_at.map_or_else(|| state.ends_at.clone(), |at| time(Some(at)))
    ));
    note(&format!("management account {}", state.management_account));
    for member in &state.members {
        note(&format!(
            "member {}: account {}, external id {}",
            member.name, member.account, member.external_id
        ));
    }
    for other in &state.empty {
        note(&format!(
            "{}: account {}, in which {}",
            other.name,
            other.account,
            deployed(state, common, &other.account).await
        ));
    }
    if state.management_experience.is_some() {
        note(
            "a configuration is applied: try `pmp-sync plan`, `pmp-sync sync --wait`, `pmp-sync status`",
        );
    } else {
        note("nothing is configured: apply a configuration with experiences of the other emulator");
    }
    Ok(())
}

/// `status`
pub(crate) async fn status(common: &Common, given: &StateOption) -> Result<(), Failure> {
    match state::read(&state_file(given)?)? {
        Some(state) if is_listening(&state).await => show(common, &state).await,
        _ => Err(Failure::Local {
            message: "nothing runs".to_owned(),
            remedy: "start it with `pmp-sync local up`".to_owned(),
        }),
    }
}

/// `down`
pub(crate) async fn down(common: &Common, given: &StateOption) -> Result<(), Failure> {
    let path = state_file(given)?;
    let running = state::read(&path)?;
    let mut ended = see_earlier_end(&path).await?;
    if let Some(state) = running {
        // Moved and not removed, so that the process can still be found if it does not end in time.
        let ending = ending_file(&path);
        match std::fs::rename(&path, &ending) {
            // The process has just ended on its own.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            moved => moved.map_err(Failure::file(&path))?,
        }
        see_end(&state, &ending).await?;
        ended = Some(state);
    }
    note(if ended.is_some() {
        "ended"
    } else {
        "nothing runs"
    });
    if common.json {
        return json(&Ended {
            ended: ended.is_some(),
        });
    }
    ended.map_or(Ok(()), |state| unset(&state))
}

/// Prints the command that unsets what `up` had exported.
fn unset(state: &State) -> Result<(), Failure> {
    let names: Vec<_> = state.variables.keys().map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    note("this unsets its variables, as does `eval \"$(pmp-sync local down)\"` instead:");
    line(&format!("unset {}", names.join(" ")))
}

/// Waits for a process that an earlier `down` told to end.
async fn see_earlier_end(path: &Path) -> Result<Option<State>, Failure> {
    let ending = ending_file(path);
    match state::read(&ending)? {
        Some(state) => see_end(&state, &ending).await.map(|()| Some(state)),
        None => Ok(None),
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
