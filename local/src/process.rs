//! Processes of this machine: which one holds the other end of a loopback connection, which one
//! descends from which, and signals to descendants. It reads Linux's /proc. Without that no process
//! is found, and so none is signalled.

use std::fs;
use std::io::Read as _;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The most generations of ancestors that are searched.
const MOST_GENERATIONS: usize = 64;
/// The limit for a command line and an environment, in bytes.
const MOST_TEXT: u64 = 128 * 1024;
/// How long a killed process may take to end.
const GONE: Duration = Duration::from_secs(2);

/// A process. Its environment may hold credentials: this has no `Debug` and is not logged.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// The path of its program, or its command if the path cannot be read.
    pub(crate) program: String,
    /// Its command line, separated by spaces.
    pub(crate) command: String,
    /// Its environment, one variable on a line.
    pub(crate) environment: String,
}

impl Process {
    fn read(pid: u32) -> Self {
        let command = read(pid, "cmdline", ' ');
        let program = fs::read_link(format!("/proc/{pid}/exe")).map_or_else(
            |_| command.split(' ').next().unwrap_or_default().to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        Self {
            pid,
            program,
            command,
            environment: read(pid, "environ", '\n'),
        }
    }
}

fn read(pid: u32, file: &str, separator: char) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/{file}")) {
        // Errors are ignored: what could be read counts.
        let _ = file.take(MOST_TEXT).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).replace('\0', &separator.to_string())
}

/// Finds the process that connected from one loopback port to another. The processes in `likely` are
/// searched first: the open files of every process cost a system call each.
pub(crate) fn caller(from: u16, to: u16, likely: &[u32]) -> Option<Process> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|file| socket(&fs::read_to_string(file).ok()?, from, to))?;
    let link = format!("socket:[{inode}]");
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        let mut files = files.into_iter().flatten().flatten();
        files.any(|file| fs::read_link(file.path()).is_ok_and(|path| path.as_os_str() == &*link))
    };
    let likely = likely.iter().copied();
    likely.chain(pids()).find(holds).map(Process::read)
}

/// Finds the inode of a socket in the text of /proc/net/tcp, whose addresses are hexadecimal.
fn socket(table: &str, from: u16, to: u16) -> Option<u64> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (port(fields.next()?)?, port(fields.next()?)?);
        let inode = fields.nth(6)?.parse().ok()?;
        (local == from && remote == to && inode > 0).then_some(inode)
    })
}

fn pids() -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Reads the state and the parent of a process. Its name is in parentheses, and may contain
/// parentheses.
fn state(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// True if a process descends from another process. A process does not descend from itself.
pub(crate) fn is_below(pid: u32, ancestor: u32) -> bool {
    let parents = std::iter::successors(Some(pid), |pid| state(*pid).map(|(_, parent)| parent));
    let mut parents = parents.skip(1).take(MOST_GENERATIONS);
    ancestor > 1 && parents.any(|parent| parent == ancestor)
}

/// The children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    pids()
        .filter(|pid| state(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// Sends a signal to a process that descends from `ancestor`, and to no other.
pub(crate) fn signal(pid: u32, ancestor: u32, signal: Signal) -> Result<(), String> {
    if !is_below(pid, ancestor) {
        return Err(format!("process {pid} does not descend from {ancestor}"));
    }
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = raw.ok_or_else(|| format!("{pid} is no process id"))?;
    kill_process(pid, signal).map_err(|error| error.to_string())
}

/// Kills a process that descends from `ancestor`, and waits until it is gone.
pub(crate) async fn kill(pid: u32, ancestor: u32) -> Result<(), String> {
    signal(pid, ancestor, Signal::KILL)?;
    let gone = async {
        while state(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X')) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(GONE, gone)
        .await
        .map_err(|_| format!("process {pid} is still there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_both_of_its_ports() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9FC1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 44097 1 x 100 0 0 10 0
   1: 0100007F:9FC2 0100007F:9FC1 01 00000000:00000000 00:00000000 00000000     0        0 0 1 x 100 0 0 10 0
   2: 0100007F:9FC2 0100007F:9FC1 01 00000000:00000000 00:00000000 00000000     0        0 44103 1 x 100 0 0 10 0";
        assert_eq!(socket(table, 0x9fc2, 0x9fc1), Some(44103));
        assert_eq!(socket(table, 0x9fc1, 0x9fc2), None);
    }

    #[test]
    fn a_process_descends_from_its_parents_and_not_from_itself_or_its_children() {
        let own = std::process::id();
        let parent = state(own).unwrap().1;
        assert!(is_below(own, parent) || parent <= 1);
        assert!(!is_below(own, own));
        assert!(!is_below(parent, own));
        assert!(
            !is_below(own, 1),
            "everything descends from the first process"
        );
    }
}
