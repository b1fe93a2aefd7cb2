//! The events of the history, as they are exported.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::{Approval, ApprovalAction, PeopleSoFar, RejectedPart};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{ChangeSetId, MemberName, PlanHash, ProductId, RunId};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::plan::LeftAlone;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{
    ConfigVersion, DeadLetterRecord, HeldPart, LinkRecord, ListEdit, OperatorAct, RequestAnswer,
    SetOutcome,
};
use pmp_sync_domain::run::{LinkStatus, RunStatus, Totals};
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::sources::Sources;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::holds::ReasonAnswer;

/// The word of an event that holds a plan.
pub(super) const HELD: &str = "held";
/// The word of an event about outside edits.
pub(super) const EDITED_OUTSIDE: &str = "edited-outside";

/// One event of a run, or of what an operator did apart from runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Event<'a> {
    /// The schema of the release that wrote it.
    pub(super) schema: u32,
    /// Time of the event.
    #[schemars(with = "Time")]
    pub(super) at: Timestamp,
    /// The run. Null for what is part of none.
    pub(super) run: Option<RunId>,
    /// The lane: account and experience, separated by a slash. Null if the event is not about one.
    pub(super) lane: Option<String>,
    /// The member. Null if the event is not about one.
    pub(super) member: Option<&'a MemberName>,
    /// The names of the products in the event, by id. A product whose name is not known is left out.
    pub(super) names: Names,
    #[serde(flatten)]
    pub(super) what: What<'a>,
    /// What is held of the link, for a hold, whose event names no products.
    #[serde(skip)]
    pub(super) held: (&'a [ProductId], &'a [ProductId]),
}

impl What<'_> {
    /// The word of the event.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Approved(_) => "approved",
            Self::ApprovedByOne(_) => "approved-by-one",
            Self::Rejected(_) => "rejected",
            Self::RestorePlanned(_) => "restore-planned",
            Self::NothingToRestore(_) => "nothing-to-restore",
            Self::RevertPlanned(_) => "revert-planned",
            Self::NothingToRevert(_) => "nothing-to-revert",
            Self::Refused(_) => "refused",
            Self::Planned { .. } => "planned",
            Self::Held { .. } => HELD,
            Self::ChangeSet { .. } => "change-set",
            Self::Committed(_) => "committed",
            Self::Underway(_) => "underway",
            Self::Suspended(_) => "suspended",
            Self::Removed => "removed",
            Self::Failed { .. } => "failed",
            Self::DeadLetter { .. } => "dead-letter",
            Self::EditedOutside { .. } => EDITED_OUTSIDE,
            Self::Ended { .. } => "ended",
            Self::ListEdited { .. } => "list-edited",
            Self::Acted { .. } => "acted",
            Self::ConfigStored { .. } => "config-stored",
            Self::RequestAnswered { .. } => "request-answered",
        }
    }

    /// The products that it mentions.
    pub(super) fn products(&self) -> Vec<&ProductId> {
        match self {
            Self::Planned {
                allow,
                deny,
                held,
                left_alone,
                contradictory,
                ..
            } => {
                let left_alone = left_alone.iter().map(|left| &left.product);
                let planned = allow.iter().chain(*deny).chain(held.products());
                planned.chain(*contradictory).chain(left_alone).collect()
            }
            Self::ChangeSet { allow, deny, .. } => allow.iter().chain(*deny).collect(),
            Self::DeadLetter { letter } => letter.product.iter().collect(),
            Self::EditedOutside { products, .. } => products.iter().collect(),
            Self::ListEdited { edit } => {
                let edited = edit.allow.iter().chain(&edit.deny);
                edited.chain(&edit.refused).collect()
            }
            Self::RequestAnswered { answer } => vec![&answer.product],
            Self::Acted { .. }
            | Self::ConfigStored { .. }
            | Self::Requested { .. }
            | Self::Approved(_)
            | Self::ApprovedByOne(_)
            | Self::Rejected(_)
            | Self::RestorePlanned(_)
            | Self::NothingToRestore(_)
            | Self::RevertPlanned(_)
            | Self::NothingToRevert(_)
            | Self::Refused(_)
            | Self::Held { .. }
            | Self::Committed(_)
            | Self::Underway(_)
            | Self::Suspended(_)
            | Self::Removed
            | Self::Failed { .. }
            | Self::Ended { .. } => Vec::new(),
        }
    }
}

/// What happened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum What<'a> {
    /// A person or a trigger requested the run.
    Requested {
        /// The kind of the request.
        kind: &'a str,
        /// Id of the request.
        request_id: Option<&'a str>,
        /// The requester, as the request says.
        requester: Option<&'a str>,
        /// The account whose credentials sent it, as the bus reports it.
        account: Option<&'a str>,
        /// Who started the change set, of one of the management organization: from the record of the edit, or from CloudTrail.
        author: Option<String>,
        /// The reason for planning frozen links as if they were not frozen.
        override_reason: Option<&'a str>,
        /// The scope of the override.
        override_scope: Option<&'a Scope>,
        /// The version of the configuration that the run used.
        config_version: u64,
    },
    /// A held plan was approved.
    Approved(ApprovalEvent<'a>),
    /// A held plan was approved by one person, and takes a second one. Nothing was executed.
    ApprovedByOne(ApprovalEvent<'a>),
    /// A held plan was rejected.
    Rejected(ApprovalEvent<'a>),
    /// A rollback was planned and held.
    RestorePlanned(ApprovalEvent<'a>),
    /// A rollback was requested, and the lists already are as they were.
    NothingToRestore(ApprovalEvent<'a>),
    /// The reversal of a run was planned and held.
    RevertPlanned(ApprovalEvent<'a>),
    /// The reversal of a run was requested, and nothing of what the run changed is left.
    NothingToRevert(ApprovalEvent<'a>),
    /// A request about a hold was refused.
    Refused(ApprovalEvent<'a>),
    /// What a plan would change.
    Planned {
        /// The management experiences that it follows.
        #[serde(flatten)]
        sources: &'a Sources,
        /// How far the link may go.
        mode: Mode,
        /// Its status in the run.
        status: LinkStatus,
        /// The same in words, also of what was left as it differs.
        #[serde(skip)]
        result: &'static str,
        /// Hash of the plan, without what is held.
        plan_hash: &'a PlanHash,
        /// Products to allow, without those that are held.
        allow: &'a [ProductId],
        /// Products to deny, without those that are held.
        deny: &'a [ProductId],
        /// The part of the plan that waits for approval.
        #[serde(skip_serializing_if = "HeldPart::is_empty")]
        held: &'a HeldPart,
        /// Number of these denies whose products were allowed at that time.
        removals: usize,
        /// Products that differ and are left alone.
        left_alone: &'a [LeftAlone],
        /// Products that the management policy both allows and denies.
        contradictory: &'a [ProductId],
    },
    /// A guard held a part of the plan, or everything that could be known of the link.
    Held {
        /// The run that made the plan.
        held_by: Option<RunId>,
        /// When the hold began.
        #[schemars(with = "Option<Time>")]
        since: Option<Timestamp>,
        /// Hash of what is held.
        plan_hash: Option<&'a PlanHash>,
        /// Number of allows that are held.
        allow: Option<usize>,
        /// Number of denies that are held.
        deny: Option<usize>,
        /// Number of denies of products that the member allows.
        removals: Option<usize>,
        /// The run before which the lists are wanted back, if it is a rollback.
        restores: Option<RunId>,
        /// The run whose changes are taken back, if it is the reversal of one.
        reverts: Option<RunId>,
        /// Why it is held.
        reasons: Option<Vec<ReasonAnswer>>,
        /// How many of these changes were rejected before, and by whom.
        #[serde(skip_serializing_if = "Option::is_none")]
        rejected: Option<&'a RejectedPart>,
        /// Why nothing is known of the plan.
        fault: Option<&'a FaultRecord>,
    },
    /// A change set has ended.
    ChangeSet {
        /// Number of its intent on the lane.
        seq: u64,
        /// The change set.
        change_set: &'a ChangeSetId,
        /// The result.
        outcome: SetOutcome,
        /// The service's message.
        detail: Option<&'a str>,
        /// Products to allow.
        allow: &'a [ProductId],
        /// Products to deny.
        deny: &'a [ProductId],
        /// When it was started, or last tried.
        #[schemars(with = "Time")]
        started_at: Timestamp,
    },
    /// A plan was committed.
    Committed(Counted<'a>),
    /// The lane already worked on the plan.
    Underway(Counted<'a>),
    /// The link is suspended.
    Suspended(Counted<'a>),
    /// The link was removed from the configuration, and open changes were closed.
    Removed,
    /// The link failed.
    Failed {
        /// The fault.
        fault: Option<&'a FaultRecord>,
    },
    /// The run handled a dead letter.
    DeadLetter {
        /// The record of the letter.
        letter: &'a DeadLetterRecord,
    },
    /// The run has seen products that somebody else has changed and that still differ.
    EditedOutside {
        /// The products.
        products: &'a [ProductId],
        /// When the first of these edits was first seen.
        #[schemars(with = "Option<Time>")]
        since: Option<Timestamp>,
    },
    /// An operator has changed a management list with `product` or `requests`.
    ListEdited {
        /// The record of the edit.
        edit: &'a ListEdit,
    },
    /// An operator has suspended or resumed links, or has deployed, bootstrapped or removed a member account.
    Acted {
        /// The record of it.
        act: &'a OperatorAct,
    },
    /// An operator has stored a version of the configuration: with `config`, or with `member`.
    ConfigStored {
        /// The version, with who stored it and why.
        config: &'a ConfigVersion,
    },
    /// An operator has answered a procurement request.
    RequestAnswered {
        /// The record of the answer.
        answer: &'a RequestAnswer,
    },
    /// The run has ended.
    Ended {
        /// The result.
        status: RunStatus,
        /// Counts of links, changes and messages.
        totals: Totals,
        /// Why no link could be observed.
        fault: Option<&'a FaultRecord>,
    },
}

/// The result of a request about a hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ApprovalEvent<'a> {
    /// Approve, reject, restore or revert.
    wanted: ApprovalAction,
    /// The run whose plan was shown, before which the lists are wanted back, or whose changes are to be taken back.
    pub(super) of: RunId,
    /// The hash of the plan that was shown.
    plan_hash: Option<&'a PlanHash>,
    /// The requester, as the request says.
    pub(super) requester: Option<&'a str>,
    /// The account whose credentials sent it, as the bus reports it.
    account: Option<&'a str>,
    /// Why it was refused.
    pub(super) why: Option<&'a str>,
    /// Why it was requested, in the requester's words.
    pub(super) reason: Option<&'a str>,
    /// Of an approval that executes nothing yet: how many people have approved, of those that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) people: Option<PeopleSoFar>,
    /// The plan that it is about, if the record of the link shows it.
    #[serde(skip)]
    pub(super) allow: &'a [ProductId],
    #[serde(skip)]
    pub(super) deny: &'a [ProductId],
}

impl<'a> ApprovalEvent<'a> {
    /// The run whose record shows the plan. None for a request to take something back.
    pub(super) fn plan(&self) -> Option<RunId> {
        self.wanted.undo(self.of).is_none().then_some(self.of)
    }

    pub(super) fn new(link: &'a LinkRecord, approval: &'a Approval) -> Self {
        // What was executed; or what waits for an approval, of a rollback that was planned and of the first of two approvals.
        let waits = approval.people.is_some() || approval.action.undo(approval.of).is_some();
        let (allow, deny) = if waits {
            (&link.held.allow, &link.held.deny)
        } else {
            (&link.allow, &link.deny)
        };
        Self {
            wanted: approval.action,
            of: approval.of,
            plan_hash: approval.plan_hash.as_ref(),
            requester: approval.ask.by.as_deref(),
            account: approval.ask.account.as_deref(),
            why: approval.refused.as_deref(),
            reason: approval.ask.reason.as_deref(),
            people: approval.people,
            allow,
            deny,
        }
    }
}

/// A plan with its hash and counts.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Counted<'a> {
    /// Hash of the plan.
    plan_hash: Option<&'a PlanHash>,
    /// Number of planned allows.
    allow: usize,
    /// Number of planned denies.
    deny: usize,
}

impl<'a> Counted<'a> {
    pub(super) fn new(link: &'a LinkRecord) -> Self {
        Self {
            plan_hash: link.plan_hash.as_ref(),
            allow: link.allow.len(),
            deny: link.deny.len(),
        }
    }
}
