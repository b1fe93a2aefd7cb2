//! Logs: one JSON object on a line, through tracing. docs/logging.md has the fields.

use tracing_subscriber::EnvFilter;

/// The variable that selects what is logged, in the syntax of `RUST_LOG`.
pub const LOG_VARIABLE: &str = "PMP_SYNC_LOG";

/// Starts logging to stdout, which Lambda forwards to `CloudWatch` Logs. Call it once per process.
pub fn init() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call has no effect.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .try_init();
}
