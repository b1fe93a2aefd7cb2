//! `pmp-sync sync`: starts a sync, and with `--wait` waits for it.

use clap::Args;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::wire::SyncRequest;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::run::states::{LinkNotInSync, not_in_sync};
use crate::client::{run, scope};
use crate::failure::Failure;
use crate::options::{Common, Narrowing};
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct SyncOptions {
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// Wait until the run has ended.
    #[arg(long)]
    pub(crate) wait: bool,
    /// The longest time to wait, in seconds.
    #[arg(long, default_value_t = 3600, requires = "wait")]
    pub(crate) timeout: u64,
    /// Plan frozen links as if they were not frozen. Needs --reason, which the run records.
    #[arg(long = "override", requires = "reason")]
    pub(crate) overriding: bool,
    /// The reason for planning frozen links: 1 to 200 characters.
    #[arg(long, value_name = "TEXT", requires = "overriding", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if !(1..=200).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        return Err("1 to 200 characters on one line are expected".to_owned());
    }
    Ok(text.to_owned())
}

/// The output of `sync`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SyncAnswer<'a> {
    /// Without `--wait`: the request is on the bus.
    Requested {
        /// Id of the request, which the run that serves it records.
        request_id: &'a str,
    },
    /// With `--wait`: the run that served it.
    Ended {
        /// The run.
        #[serde(flatten)]
        run: &'a RunRecord,
        /// Its links that are not in sync now.
        not_in_sync: Vec<LinkNotInSync>,
    },
}

pub(crate) async fn run(common: &Common, options: &SyncOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let wanted = SyncRequest {
        scope: scope::check(options.narrowing.scope(), &context.stored_config().await?)?,
        override_reason: options.reason.clone(),
        ..SyncRequest::default()
    };
    let request = run::request(&context, wanted).await?;
    if !options.wait {
        if common.json {
            return output::json(&SyncAnswer::Requested {
                request_id: &request,
            });
        }
        return output::line(&format!("requested: {request}"));
    }
    let run = run::wait(&context, &request, options.timeout).await?;
    if common.json {
        let not_in_sync = not_in_sync(&context, &run).await?;
        output::json(&SyncAnswer::Ended {
            run: &run,
            not_in_sync,
        })?;
    }
    run::finish(&context, &run, common.json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        let longest = "\u{e4}".repeat(200);
        for good in ["x", " a launch ", longest.as_str()] {
            assert_eq!(reason(good), Ok(good.trim().to_owned()));
        }
        let too_long = "x".repeat(201);
        for wrong in ["", "  ", "two\nlines", too_long.as_str()] {
            assert!(reason(wrong).is_err(), "{wrong:?}");
        }
    }
}
