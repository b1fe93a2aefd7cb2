//! Configuration files: read within bounds, from a path or from standard input, and checked.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use pmp_sync_domain::config::{Config, InvalidConfig, MOST_BYTES, not_utf8};

use crate::failure::Failure;
use crate::output;

/// A valid configuration file.
pub(crate) struct ConfigFile {
    /// What messages call it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// What it means.
    pub(crate) config: Config,
}

/// Reads and checks a file; `-` is standard input. `consequence` says what problems mean for the command.
pub(crate) fn read(file: &Path, consequence: &str) -> Result<ConfigFile, Failure> {
    let name = if file == Path::new("-") {
        "stdin".to_owned()
    } else {
        file.display().to_string()
    };
    let invalid = |invalid| Failure::invalid_config(&name, invalid, consequence);
    let bytes = bytes(file).map_err(Failure::file(file))?;
    if let Some(problem) = not_utf8(&bytes) {
        return Err(invalid(InvalidConfig::one(problem)));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let config = Config::parse(&text).map_err(invalid)?;
    Ok(ConfigFile { name, text, config })
}

/// The bytes of a file. One more than is accepted is enough to refuse it, however long it is.
fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    // A character that is cut at the end is no fault of the text.
    let most = most.saturating_add(4);
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    if bytes.len() > MOST_BYTES
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    Ok(bytes)
}

/// Notes a configuration without links, which is valid but hardly wanted.
pub(crate) fn remark_missing_links(config: &Config) {
    if config.links.is_empty() {
        output::note("no link is configured: nothing will be kept in sync");
    }
}
