//! Commands as they are shown: with the state file that was given.

use std::path::Path;
use std::sync::OnceLock;

use pmp_sync_deploy::local::StateOption;

/// The option as the shown commands repeat it.
static STATE: OnceLock<String> = OnceLock::new();

/// From now on commands that are shown name this state file.
pub(crate) fn show_state(given: &StateOption) {
    if let Some(path) = &given.state {
        // Only the first call counts.
        let _ = STATE.set(option(path));
    }
}

fn option(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@:/-".contains(&byte);
    if path.bytes().all(is_plain) {
        format!(" --state {path}")
    } else {
        format!(" --state '{}'", path.replace('\'', r"'\''"))
    }
}

/// A text with commands in backticks.
pub(crate) fn with_state(text: &str) -> String {
    STATE
        .get()
        .map_or_else(|| text.to_owned(), |state| with(text, state))
}

fn with(text: &str, state: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(place, part)| {
        let is_command = place % 2 == 1 && part.contains("pmp-sync local ");
        // In `eval "$(pmp-sync local up)"` the option stands before the closing bracket.
        match part.split_once(')') {
            Some((before, rest)) if is_command => format!("{before}{state}){rest}"),
            None if is_command => format!("{part}{state}"),
            Some(_) | None => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_state_file_that_was_given() {
        let told = "see `pmp-sync local status` or `eval \"$(pmp-sync local up)\"`; `pmp-sync plan` is fine";
        assert_eq!(
            with(told, &option(Path::new("/tmp/a b.json"))),
            "see `pmp-sync local status --state '/tmp/a b.json'` or `eval \"$(pmp-sync local up --state '/tmp/a b.json')\"`; `pmp-sync plan` is fine"
        );
        assert_eq!(option(Path::new("state.json")), " --state state.json");
    }
}
