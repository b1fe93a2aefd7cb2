//! Asks before a command executes what it has shown.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::failure::Failure;

/// Asks, unless `--yes` is given. Without a terminal it is an error.
pub(crate) fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    confirm_with(yes, question, "--yes")
}

/// Asks, unless `option` is given, which says yes to this question.
pub(crate) fn confirm_with(yes: bool, question: &str, option: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::CommandLine {
            message: format!("{question} There is no terminal to ask at"),
            remedy: format!("look at what is shown, and run the command with {option}"),
        });
    }
    let mut stderr = std::io::stderr();
    // An operator who cannot see the question cannot answer yes.
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Failure::NotWell(
        "it was not confirmed, so it was not done".to_owned(),
    ))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        for no in ["", "\n", "n\n", "yep\n", "no yes\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
