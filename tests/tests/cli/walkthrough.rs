//! The local part of docs/walkthrough.md, run as it stands there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::setup::{binary, finish};

const TEXT: &str = include_str!("../../../docs/walkthrough.md");
/// How long all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// The commands of the part that is run, with the exit code that is said of each.
fn commands(text: &str) -> Vec<(&str, u8)> {
    let (_, part) = text.split_once("## On this machine").unwrap();
    let (part, _) = part.split_once("## In AWS").unwrap();
    let blocks = part.split("```sh\n").skip(1);
    blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .map(|line| match line.split_once("# exit ") {
            Some((command, code)) => (command.trim_end(), code.trim().parse().unwrap()),
            None => (line, 0),
        })
        .collect()
}

/// Ends at the first command that ends otherwise than is said of it.
fn script(commands: &[(&str, u8)]) -> String {
    let mut script = String::new();
    for (command, code) in commands {
        let _ = writeln!(
            script,
            "echo '+ {command}' >&2\n{command}\ncode=$?\n[ $code = {code} ] || {{ echo \"exit $code: {command}\" >&2; exit 99; }}",
        );
    }
    script
}

/// A cache folder of its own, so that nobody else's emulated AWS is taken for this one; with the Python
/// environment that is there already.
fn cache(home: &Path) -> PathBuf {
    let own = home.join("cache").join("pmp-sync");
    std::fs::create_dir_all(&own).unwrap();
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    let entries = std::fs::read_dir(cache.join("pmp-sync")).into_iter();
    for entry in entries.flatten().flatten() {
        if entry.path().is_dir() {
            std::os::unix::fs::symlink(entry.path(), own.join(entry.file_name())).unwrap();
        }
    }
    home.join("cache")
}

/// Ends what the walkthrough has started, wherever it held.
struct Down<'a>(&'a TempDir);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let mut down = Command::new(binary());
        down.args(["local", "down"])
            .env("XDG_CACHE_HOME", self.0.path().join("cache"));
        // The test has told what went wrong already.
        let _ = down.output();
    }
}

#[test]
fn the_walkthrough_leads_where_it_says() {
    let commands = commands(TEXT);
    assert!(commands.len() >= 10, "{commands:?}");
    let home = TempDir::new().unwrap();
    let down = Down(&home);
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = binary().parent().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", &script(&commands)])
        .env_clear()
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", cache(home.path()))
        .current_dir(home.path());
    let answer = finish(bash, home.path(), PATIENCE).ended_with(0);
    // Both ends of the story: something to change at first, and the third member in the page.
    assert!(answer.stdout.contains("allowed, in sync"), "{answer:#?}");
    let page = std::fs::read_to_string(home.path().join("report.html")).unwrap();
    assert!(page.contains("latam"));
    drop(down);
}
