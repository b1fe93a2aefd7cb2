//! What only the operator's command does with the ledger: apply configurations, write suspensions,
//! find the run of a request.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::ports::{ReadRuns as _, Result, StoredConfig};
use pmp_sync_domain::records::{DeadLetterRecord, Found, RunRecord, Suspensions};

use super::runs::{BEFORE_RUNS, ConfigItem, Current};
use super::{Ledger, from_items, text, to_item};
use crate::keys::{self, CONFIG, CURRENT, SUSPENSIONS};
use crate::service_error;

impl Ledger {
    /// Stores a configuration as the next version and makes it the current one. Fails with
    /// [`Kind::Conflict`] if another one was applied since `seen` was read.
    pub async fn put_config(&self, config: &str, seen: Option<u64>, now: Timestamp) -> Result<u64> {
        let version = seen.unwrap_or_default() + 1;
        let refused = |error: &dyn std::fmt::Display| {
            ServiceError::new(
                "TransactWriteItems",
                "the configuration",
                Kind::Refused,
                error.to_string(),
            )
        };
        let sk = keys::config_version(version);
        let item = ConfigItem {
            schema: SCHEMA,
            version,
            text: config.to_owned(),
            applied_at: now,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item("TransactWriteItems", CONFIG, &sk, &item)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| refused(&error))?;
        let current = to_item(
            "TransactWriteItems",
            CONFIG,
            CURRENT,
            &Current {
                schema: SCHEMA,
                version,
            },
        )?;
        let mut mark = Put::builder()
            .table_name(&self.table)
            .set_item(Some(current));
        mark = match seen {
            Some(seen) => mark
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":seen", AttributeValue::N(seen.to_string())),
            None => mark.condition_expression("attribute_not_exists(pk)"),
        };
        let mark = mark.build().map_err(|error| refused(&error))?;
        self.client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().put(mark).build())
            .send()
            .await
            .map_err(|error| service_error("TransactWriteItems", "the configuration", &error))?;
        Ok(version)
    }

    /// Reads the newest configuration.
    pub async fn current_config(&self) -> Result<Option<StoredConfig>> {
        self.config().await
    }

    /// Finds the newest run that serves a request, among the last `most`.
    pub async fn run_of_request(&self, request: &str, most: u16) -> Result<Option<RunRecord>> {
        let runs = self.newest_runs(most).await?.items;
        let serves = |run: &RunRecord| {
            run.requests
                .iter()
                .any(|served| served.id.as_deref() == Some(request))
        };
        Ok(runs.into_iter().find(serves))
    }

    /// Reads up to `most` runs after `run`, or from the oldest one on, oldest first. Nothing is found
    /// only after the newest run.
    pub async fn runs_after(&self, run: Option<RunId>, most: u16) -> Result<Found<RunRecord>> {
        let after = run.map_or_else(|| BEFORE_RUNS.to_owned(), |run| run.to_string());
        let following = |query: QueryFluentBuilder| {
            query
                .key_condition_expression("pk = :pk AND sk > :after")
                .expression_attribute_values(":after", text(after.as_str()))
        };
        self.runs(most, following).await
    }

    /// Reads up to `most` runs whose ids begin with these characters, the newest first.
    pub async fn runs_beginning(&self, with: &str, most: u16) -> Result<Found<RunRecord>> {
        let beginning = |query: QueryFluentBuilder| {
            query
                .key_condition_expression("pk = :pk AND begins_with(sk, :beginning)")
                .expression_attribute_values(":beginning", text(with))
                .scan_index_forward(false)
        };
        self.runs(most, beginning).await
    }

    /// Writes the suspensions, on condition that they are unchanged since they were read.
    pub async fn put_suspensions(&self, suspensions: &Suspensions) -> Result<()> {
        let next = Suspensions {
            schema: SCHEMA,
            rev: suspensions.rev + 1,
            ..suspensions.clone()
        };
        self.put_rev(CONFIG, SUSPENSIONS, &next, suspensions.rev)
            .await
    }

    /// Reads what became of the dead letters that a run looked at.
    pub async fn dead_letters(&self, run: RunId) -> Result<Found<DeadLetterRecord>> {
        let items = self
            .between(&keys::run_links(run), "DEAD#", "DEAD#~")
            .await?;
        Ok(from_items("Query", items))
    }
}
