//! Completion of command lines. The shell asks the command itself, which answers from what it has last seen: it
//! asks no service, and says nothing if it knows nothing.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::sync::mpsc;
use std::time::Duration;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use pmp_sync_domain::ids::{ExperienceId, MemberName, RunId};

use super::experience::named::ExperienceName;
use super::memory::{Memory, Seen};
use crate::options::{DEFAULT_NAME, RunName};

/// The variable by which the shell's script asks.
pub(crate) const VARIABLE: &str = "PMP_SYNC_COMPLETE";

/// How long the file of what was seen may take: a home folder may be on a network.
const PATIENCE: Duration = Duration::from_millis(300);

/// Answers the shell, if it is the shell that asks. `arguments` begin with the program.
pub(crate) fn answered(command: impl Fn() -> Command, arguments: Vec<OsString>) -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let seen = Selected::by(&arguments);
    let factory = || with_candidates(command(), &seen);
    let folder = std::env::current_dir().ok();
    let answered = CompleteEnv::with_factory(factory)
        .var(VARIABLE)
        .bin("pmp-sync")
        .completer("pmp-sync")
        .try_complete(arguments, folder.as_deref());
    // A shell has no use for a message.
    answered.unwrap_or(true)
}

/// The installation of a command line that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Selected {
    name: String,
    profile: Option<String>,
}

impl Selected {
    fn by(arguments: &[OsString]) -> Self {
        let option = |option: &str, variable: &str| {
            let texts: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
            let apart = texts.iter().skip_while(|text| **text != option).nth(1);
            let joined = || {
                let mut values = texts.iter();
                values.find_map(|text| text.strip_prefix(option)?.strip_prefix('='))
            };
            let given = apart.copied().or_else(joined).map(ToOwned::to_owned);
            given.or_else(|| std::env::var(variable).ok())
        };
        Self {
            name: option("--name", "PMP_SYNC_NAME").unwrap_or_else(|| DEFAULT_NAME.to_owned()),
            profile: option("--management-profile", "PMP_SYNC_MANAGEMENT_PROFILE"),
        }
    }

    /// What was seen of it. Nothing if that takes too long.
    fn seen(&self) -> Seen {
        let (answer, read) = mpsc::channel();
        let memory = Memory::of_named(&self.name, self.profile.as_deref());
        std::thread::spawn(move || {
            let _ = answer.send(memory.read());
        });
        let seen = read.recv_timeout(PATIENCE).ok().flatten();
        seen.unwrap_or_default()
    }
}

/// Offers names where an argument is of a type that has them, in every command.
fn with_candidates(command: Command, of: &Selected) -> Command {
    let command = command.mut_args(|arg| {
        let kind = arg.get_value_parser().type_id();
        let offers: fn(&Seen) -> Vec<CompletionCandidate> = if arg.get_id()
            == "management_experience"
        {
            sources
        } else if kind == TypeId::of::<MemberName>() {
            members
        } else if kind == TypeId::of::<ExperienceId>() || kind == TypeId::of::<ExperienceName>() {
            experiences
        } else if kind == TypeId::of::<RunName>() || kind == TypeId::of::<RunId>() {
            runs
        } else {
            return arg;
        };
        let of = of.clone();
        arg.add(ArgValueCandidates::new(move || offers(&of.seen())))
    });
    let below = command.get_subcommands();
    let below: Vec<_> = below.map(|one| one.get_name().to_owned()).collect();
    below.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |one| with_candidates(one, of))
    })
}

fn candidate(name: impl AsRef<OsStr>, what: &str) -> CompletionCandidate {
    CompletionCandidate::new(name.as_ref()).help(Some(what.to_owned().into()))
}

fn members(seen: &Seen) -> Vec<CompletionCandidate> {
    let names = seen.members.iter();
    names.map(|name| candidate(name, "member")).collect()
}

fn experiences(seen: &Seen) -> Vec<CompletionCandidate> {
    let links = seen.links.iter();
    links
        .map(|(experience, member)| candidate(experience, &format!("of {member}")))
        .collect()
}

fn sources(seen: &Seen) -> Vec<CompletionCandidate> {
    let sources = seen.sources.iter();
    sources
        .map(|experience| candidate(experience, "of the management account"))
        .collect()
}

/// The newest first.
fn runs(seen: &Seen) -> Vec<CompletionCandidate> {
    let runs = seen.runs.iter().rev();
    let runs = runs
        .enumerate()
        .map(|(place, (run, status))| candidate(run, status).display_order(Some(place)));
    runs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installation_is_that_of_the_command_line() {
        let by = |words: &str| {
            let words: Vec<_> = words.split(' ').map(OsString::from).collect();
            let found = Selected::by(&words);
            (found.name, found.profile)
        };
        let named =
            |name: &str, profile: Option<&str>| (name.to_owned(), profile.map(str::to_owned));
        assert_eq!(by("pmp-sync -- pmp-sync sync"), named(DEFAULT_NAME, None));
        assert_eq!(
            by("pmp-sync -- pmp-sync --name other sync --management-profile=hq"),
            named("other", Some("hq"))
        );
    }
}
