//! What only the operator's command does with the ledger: apply configurations, write suspensions,
//! find the run of a request.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::ports::{ReadRuns as _, Result, StoredConfig};
use pmp_sync_domain::records::{ConfigVersion, DeadLetterRecord, Found, RunRecord, Suspensions};
use serde::Serialize;

use super::runs::{BEFORE_RUNS, Current};
use super::{Ledger, MOST_PAGES, from_items, text, to_item};
use crate::keys::{self, CONFIG, CURRENT, PK, SK, SUSPENSIONS, VERSION_PREFIX};
use crate::service_error;

/// The attributes of a version without its text.
const OF_VERSION: [&str; 10] = [
    PK,
    SK,
    "schema",
    "version",
    "applied_at",
    "origin",
    "of_version",
    "requester",
    "reason",
    "summary",
];

/// A version with its text, in one item.
#[derive(Serialize)]
struct ConfigItem<'a> {
    #[serde(flatten)]
    about: &'a ConfigVersion,
    text: &'a str,
}

impl Ledger {
    /// Stores a configuration as the version that follows `seen`, and makes it the current one. Fails with
    /// [`Kind::Conflict`] if another one was stored since `seen` was read.
    pub async fn put_config(
        &self,
        config: &str,
        about: &ConfigVersion,
        seen: Option<u64>,
    ) -> Result<u64> {
        let version = about.version;
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
            about,
            text: config,
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

    /// Reads up to `most` versions of the configuration without their texts, the newest first, and whether
    /// there are older ones.
    pub async fn config_versions(&self, most: u16) -> Result<(Found<ConfigVersion>, bool)> {
        let most = usize::from(most);
        let names = OF_VERSION.map(|name| (format!("#{name}"), name.to_owned()));
        let shown: Vec<_> = names.iter().map(|(alias, _)| alias.clone()).collect();
        let mut items = Vec::new();
        let mut start = None;
        // A page ends after 1 MB of texts, although they are not part of the answer.
        for _ in 0..MOST_PAGES {
            let left = i32::try_from((most + 1).saturating_sub(items.len())).unwrap_or(i32::MAX);
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :beginning)")
                .projection_expression(shown.join(", "))
                .set_expression_attribute_names(Some(names.iter().cloned().collect()))
                .expression_attribute_values(":pk", text(CONFIG))
                .expression_attribute_values(":beginning", text(VERSION_PREFIX))
                .scan_index_forward(false)
                .limit(left)
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| service_error("Query", "the configurations", &error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() > most {
                break;
            }
        }
        let older = items.len() > most || start.is_some();
        items.truncate(most);
        Ok((from_items("Query", items), older))
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

    /// Reads up to `most` runs after this one, the newest first.
    pub async fn newest_runs_after(&self, run: RunId, most: u16) -> Result<Found<RunRecord>> {
        let after = run.to_string();
        let newest = |query: QueryFluentBuilder| {
            query
                .key_condition_expression("pk = :pk AND sk > :after")
                .expression_attribute_values(":after", text(after.as_str()))
                .scan_index_forward(false)
        };
        self.runs(most, newest).await
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
