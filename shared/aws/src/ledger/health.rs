//! The setup of the table itself, for the operator's command.

use aws_sdk_dynamodb::types::{
    PointInTimeRecoveryStatus, TableStatus, TimeToLiveStatus as TimeToLive,
};
use pmp_sync_domain::ports::Result;

use super::Ledger;
use crate::service_error;

/// The setup of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableHealth {
    /// `TableStatus`, as the service reports it.
    pub status: String,
    /// True if the table can be read and written.
    pub active: bool,
    /// True if deletion protection is on.
    pub protected: bool,
    /// True if point-in-time recovery is on.
    pub recoverable: Result<bool>,
    /// True if expired items are removed.
    pub forgets: Result<bool>,
}

impl Ledger {
    /// Reads the setup of the table. Backup and expiry are separate calls, made concurrently, and
    /// each may be refused.
    pub async fn health(&self) -> Result<TableHealth> {
        let table = async {
            let sent = self.client.describe_table().table_name(&self.table).send();
            let sent = sent.await;
            sent.map_err(|error| service_error("DescribeTable", &self.table, &error))
        };
        let (table, recoverable, forgets) =
            futures::join!(table, self.is_recoverable(), self.does_forget());
        let table = table?.table;
        let status = table.as_ref().and_then(|table| table.table_status());
        let status = status.cloned();
        Ok(TableHealth {
            active: matches!(status, Some(TableStatus::Active | TableStatus::Updating)),
            status: status.map_or_else(String::new, |status| status.as_str().to_owned()),
            protected: table.and_then(|table| table.deletion_protection_enabled) == Some(true),
            recoverable,
            forgets,
        })
    }

    async fn is_recoverable(&self) -> Result<bool> {
        let call = self.client.describe_continuous_backups();
        let answer = call.table_name(&self.table).send().await;
        let answer = answer
            .map_err(|error| service_error("DescribeContinuousBackups", &self.table, &error))?;
        let backups = answer.continuous_backups_description();
        let backups = backups.and_then(|backups| backups.point_in_time_recovery_description());
        let status = backups.and_then(|backups| backups.point_in_time_recovery_status());
        Ok(status == Some(&PointInTimeRecoveryStatus::Enabled))
    }

    async fn does_forget(&self) -> Result<bool> {
        let call = self.client.describe_time_to_live();
        let answer = call.table_name(&self.table).send().await;
        let answer =
            answer.map_err(|error| service_error("DescribeTimeToLive", &self.table, &error))?;
        let described = answer.time_to_live_description();
        let status = described.and_then(|described| described.time_to_live_status());
        Ok(matches!(
            status,
            Some(TimeToLive::Enabled | TimeToLive::Enabling)
        ))
    }
}
