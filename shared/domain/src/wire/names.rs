//! `source` and `detail-type` of the events.

/// `source` of the events that pmp-sync puts on its bus.
pub const SOURCE: &str = "pmp-sync";

/// `source` in the schedule's input.
pub const SCHEDULE_SOURCE: &str = "pmp-sync.schedule";

/// `source` of the catalog's events (EventBridge reference of marketplacecatalog).
pub const CATALOG_SOURCE: &str = "aws.marketplacecatalog";

/// `source` of the events of procurement requests (EventBridge reference of private-marketplace).
pub const PRIVATE_MARKETPLACE_SOURCE: &str = "aws.private-marketplace";

/// `detail-type` of a worker's hint that a procurement request has arrived.
pub const PRODUCT_REQUEST_RECEIVED: &str = "Product Request Received";

/// `detail-type` of the announcement that a user of a member organization requests a product.
pub const PRODUCT_REQUESTED: &str = "Product Requested";

/// `detail-type` of a request for a run.
pub const SYNC_REQUESTED: &str = "Sync Requested";

/// `detail-type` of a worker's hint.
pub const LANE_SETTLED: &str = "Lane Settled";

/// `detail-type` of a worker's hint that somebody else has changed an experience.
pub const LANE_EDITED: &str = "Lane Edited";

/// `detail-type` of the end of a run that sent changes.
pub const SYNC_COMPLETED: &str = "Sync Completed";

/// `detail-type` of the operator's question what a run would change. It invokes the producer
/// directly.
pub const PLAN_REQUESTED: &str = "Plan Requested";

/// `detail-type` of a request to replay dead letters.
pub const REPLAY_REQUESTED: &str = "Replay Requested";

/// `detail-type` of a request to delete dead letters.
pub const DISCARD_REQUESTED: &str = "Discard Requested";

/// `detail-type` of a request to execute a held plan.
pub const APPROVAL_REQUESTED: &str = "Approval Requested";

/// `detail-type` of a request to leave a held plan.
pub const REJECTION_REQUESTED: &str = "Rejection Requested";

/// `detail-type` of a request for a rollback.
pub const RESTORE_REQUESTED: &str = "Restore Requested";

/// `detail-type` of a request to take back what a run changed.
pub const REVERT_REQUESTED: &str = "Revert Requested";

/// `detail-type` of the announcement of a hold.
pub const HELD: &str = "Held";

/// `detail-type` of the announcement that a lane is blocked.
pub const BLOCKED: &str = "Blocked";

/// `detail-type` of the announcement that changes were quarantined.
pub const QUARANTINED: &str = "Quarantined";

/// `detail-type` of the announcement that another installation changes the same experience.
pub const CONTESTED: &str = "Contested";

/// `detail-type` of the announcement that somebody else has changed products of a member experience.
pub const EDITED_OUTSIDE: &str = "Edited Outside";

/// `detail-type` of the announcement that a link was last in sync too long ago.
pub const MEMBER_STALE: &str = "Member Stale";

/// `detail-type` of the announcement that an announced state has ended.
pub const RECOVERED: &str = "Recovered";

/// `detail-type` of several announcements in one.
pub const DIGEST: &str = "Digest";

/// `detail-type` of an operator's test whether announcements arrive.
pub const NOTIFICATION_TEST: &str = "Notification Test";

/// `detail-type` of the operator's question about the state of products. It invokes the producer
/// directly.
pub const WHY_REQUESTED: &str = "Why Requested";

/// `detail-type` of the operator's report. It invokes the producer directly.
pub const REPORT_REQUESTED: &str = "Report Requested";

/// `detail-type` of the operator's question whether the producer reaches everything. It invokes the
/// producer directly.
pub const DOCTOR_REQUESTED: &str = "Doctor Requested";

/// `detail-type` of the operator's question about dead letters. It invokes the producer directly.
pub const DEAD_LETTERS_REQUESTED: &str = "Dead Letters Requested";

pub(super) const RUN_CONTINUED: &str = "Run Continued";

pub(super) const RETRY_SCHEDULED: &str = "Retry Scheduled";

pub(super) const RETRY_DUE: &str = "Retry Due";

pub(super) const SCHEDULED_SYNC: &str = "Scheduled Sync";
