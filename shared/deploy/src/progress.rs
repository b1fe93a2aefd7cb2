//! Progress on stderr: a spinner on a terminal, plain lines when piped.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows the current step.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A spinner if stderr is a terminal, lines otherwise.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, quiet: false }
    }

    /// Shows nothing.
    pub fn none() -> Self {
        Self {
            bar: None,
            quiet: true,
        }
    }

    /// Begins a step.
    pub fn step(&self, text: impl Into<String>) {
        let text = text.into();
        match &self.bar {
            Some(bar) => {
                bar.reset_elapsed();
                bar.set_message(text);
            }
            None => self.line(&text),
        }
    }

    /// True if details are shown, which is on a terminal.
    pub fn shows_details(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows the progress of the current step, on a terminal only.
    pub fn detail(&self, text: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.into());
        }
    }

    /// Ends the output.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            // Errors are ignored, because progress is not essential.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
