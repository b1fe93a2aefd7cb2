//! One event in the same form for all kinds: what the table, the filters and CSV work with.

use std::fmt::Write as _;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::PeopleSoFar;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, MemberName, ProductId, RunId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::records::{
    ActKind, Answered, ConfigOrigin, ConfigVersion, ListEdit, OperatorAct, RequestAnswer,
};
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::text::one_line;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use super::event::{Event, What};
use super::origin::{MANAGEMENT, OUTSIDE, Origin};

/// A product that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ToldProduct {
    /// Its id in AWS Marketplace.
    pub(super) product: ProductId,
    /// Allow or deny. Null if the event is no change of it.
    pub(super) action: Option<Action>,
}

/// What happened, in the same form for all kinds of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// Time of the event.
    #[schemars(with = "Time")]
    pub(super) at: Timestamp,
    /// What happened.
    pub(super) event: String,
    /// The run. Null for what is part of none.
    pub(super) run: Option<RunId>,
    /// The member. Null if the event is not about one.
    pub(super) member: Option<MemberName>,
    /// Its account.
    pub(super) account: Option<AccountId>,
    /// Its experience.
    pub(super) experience: Option<ExperienceId>,
    /// Who requested it: of what a run did, who requested the run, or who changed the management list.
    pub(super) by: Option<String>,
    /// Why, in the words of the one who requested it.
    pub(super) why: Option<String>,
    /// The change set: that of the member, or the one of the management list that has triggered the run.
    pub(super) change_set: Option<String>,
    /// More about it, in words.
    pub(super) detail: Option<String>,
    /// The products that it is about.
    pub(super) products: Vec<ToldProduct>,
    /// Number of allows and of denies beside these: a large edit names only the first of its products.
    #[serde(skip)]
    pub(super) unnamed: (usize, usize),
    /// The members and experiences that it is about, if it is part of no run.
    #[serde(skip)]
    pub(super) scope: Option<Scope>,
    /// The run whose plan it is about, of an answer to a hold.
    #[serde(skip)]
    pub(super) of: Option<RunId>,
}

pub(super) fn changes<'a>(
    allow: impl IntoIterator<Item = &'a ProductId>,
    deny: impl IntoIterator<Item = &'a ProductId>,
) -> Vec<ToldProduct> {
    let of = |action| {
        move |product: &ProductId| ToldProduct {
            product: product.clone(),
            action: Some(action),
        }
    };
    // What takes something away comes first.
    let denies = deny.into_iter().map(of(Action::Deny));
    denies
        .chain(allow.into_iter().map(of(Action::Allow)))
        .collect()
}

impl Told {
    /// Something that is part of no run.
    fn apart(at: Timestamp, event: &str, by: Option<&str>, why: Option<&str>) -> Self {
        Self {
            at,
            event: event.to_owned(),
            run: None,
            member: None,
            account: None,
            experience: None,
            by: by.map(ToOwned::to_owned),
            why: why.map(one_line),
            change_set: None,
            detail: None,
            products: Vec::new(),
            unnamed: (0, 0),
            scope: None,
            of: None,
        }
    }

    /// An event of a run.
    pub(super) fn of_run(event: &Event<'_>, origin: &Origin) -> Self {
        let lane: Option<LaneId> = event.lane.as_deref().and_then(|lane| lane.parse().ok());
        let mut told = Self {
            run: event.run,
            member: event.member.cloned(),
            account: lane.as_ref().map(|lane| lane.account.clone()),
            experience: lane.map(|lane| lane.experience),
            change_set: origin.change_set().map(ToOwned::to_owned),
            by: origin.by(),
            why: origin.why(),
            ..Self::apart(event.at, event.what.word(), None, None)
        };
        match &event.what {
            What::Requested {
                kind,
                request_id,
                requester,
                override_reason,
                ..
            } => {
                told.detail = Some((*kind).to_owned());
                let set = request_id.filter(|_| *kind == MANAGEMENT);
                let of_member = request_id.filter(|_| *kind == OUTSIDE);
                told.change_set = set.or(of_member).map(ToOwned::to_owned);
                if let Some(set) = set {
                    told.by = origin.author(set).map(ToOwned::to_owned);
                    told.why = origin.reason(set).map(ToOwned::to_owned);
                } else {
                    told.by = requester.map(ToOwned::to_owned);
                    told.why = override_reason.map(one_line);
                }
            }
            What::Approved(answer)
            | What::ApprovedByOne(answer)
            | What::Rejected(answer)
            | What::RestorePlanned(answer)
            | What::NothingToRestore(answer)
            | What::RevertPlanned(answer)
            | What::NothingToRevert(answer)
            | What::Refused(answer) => {
                told.by = answer.requester.map(ToOwned::to_owned);
                told.why = answer.reason.map(one_line);
                told.of = answer.plan();
                let mut of = format!("of run {}", answer.of);
                if let Some(PeopleSoFar { approved, needed }) = answer.people {
                    let _ = write!(of, ", {approved} of {needed} people");
                }
                let refused = answer.why.map(|why| format!("{of}: {}", one_line(why)));
                told.detail = Some(refused.unwrap_or(of));
                told.products = changes(answer.allow, answer.deny);
            }
            What::Planned {
                result,
                allow,
                deny,
                held,
                ..
            } => {
                told.detail = Some((*result).to_owned());
                let all = |one, other| <[_]>::iter(one).chain(<[_]>::iter(other));
                told.products = changes(all(*allow, &held.allow), all(*deny, &held.deny));
            }
            What::Held { reasons, fault, .. } => {
                let codes = reasons.iter().flatten().map(ToString::to_string);
                let fault = fault.map(|fault| format!("{}: {}", fault.code, fault.message));
                let all: Vec<_> = codes.chain(fault).collect();
                told.detail = Some(one_line(&all.join("; ")));
                told.products = changes(event.held.0, event.held.1);
            }
            What::ChangeSet {
                change_set,
                outcome,
                detail,
                allow,
                deny,
                ..
            } => {
                told.change_set = Some(change_set.to_string());
                let words = detail.map(|words| format!(": {}", one_line(words)));
                told.detail = Some(format!("{outcome}{}", words.unwrap_or_default()));
                told.products = changes(*allow, *deny);
            }
            What::Failed { fault } => {
                let fault = fault.map(|fault| format!("{}: {}", fault.code, fault.message));
                told.detail = fault.map(|words| one_line(&words));
            }
            What::DeadLetter { letter } => {
                let words = format!("{}: {}", crate::output::word(&letter.outcome), letter.why);
                told.detail = Some(one_line(&words));
                told.products = letter
                    .product
                    .iter()
                    .map(|product| ToldProduct {
                        product: product.clone(),
                        action: letter.action,
                    })
                    .collect();
            }
            What::Ended { status, .. } => told.detail = Some(status.as_str().to_owned()),
            What::EditedOutside { products, .. } => {
                (told.by, told.why, told.change_set) = (None, None, None);
                told.products = products
                    .iter()
                    .map(|product| ToldProduct {
                        product: (*product).clone(),
                        action: None,
                    })
                    .collect();
            }
            What::Committed(_) | What::Underway(_) | What::Suspended(_) | What::Removed => {}
            What::ListEdited { edit } => return Self::of_edit(edit),
            What::Acted { act } => {
                return Self {
                    member: event.member.cloned(),
                    ..Self::of_act(act)
                };
            }
            What::ConfigStored { config } => return Self::of_version(config),
            What::RequestAnswered { answer } => {
                return Self {
                    member: event.member.cloned(),
                    ..Self::of_answer(answer)
                };
            }
        }
        told
    }

    /// An edit of a management list. What AWS Marketplace rejected was not changed.
    fn of_edit(edit: &ListEdit) -> Self {
        let mut products = changes(&edit.allow, &edit.deny);
        for told in &mut products {
            if edit.refused.contains(&told.product) {
                told.action = None;
            }
        }
        Self {
            detail: Some(edit_in_words(edit)),
            change_set: edit.change_sets.first().map(ToString::to_string),
            products,
            unnamed: unnamed(edit),
            scope: Some(Scope::default()),
            ..Self::apart(
                edit.at,
                "list-edited",
                edit.requester.as_deref(),
                edit.reason.as_deref(),
            )
        }
    }

    fn of_act(act: &OperatorAct) -> Self {
        let members = act.scope.members.iter().map(ToString::to_string);
        let experiences = act.scope.experiences.iter().map(ToString::to_string);
        let account = act
            .account
            .iter()
            .map(|account| format!("account {account}"));
        let named: Vec<_> = members.chain(experiences).chain(account).collect();
        // What is of an account alone is of nobody else.
        let is_of_account = act.account.is_some() && act.scope.is_everything();
        let event = match act.kind {
            ActKind::Suspended => "links-suspended",
            ActKind::Resumed => "links-resumed",
            ActKind::Deployed => "member-deployed",
            ActKind::Bootstrapped => "member-bootstrapped",
            ActKind::Removed => "member-removed",
            other => other.as_str(),
        };
        Self {
            detail: Some(if named.is_empty() {
                "everything".to_owned()
            } else {
                named.join(", ")
            }),
            account: act.account.clone(),
            scope: (!is_of_account).then(|| act.scope.clone()),
            ..Self::apart(act.at, event, act.by.as_deref(), act.reason.as_deref())
        }
    }

    fn of_version(config: &ConfigVersion) -> Self {
        let origin = config.origin.map_or("stored", ConfigOrigin::as_str);
        let of = config.of_version.map(|of| format!(" of version {of}"));
        let of = of.unwrap_or_default();
        let summary = config.summary.as_deref().map(one_line);
        let summary = summary.map_or_else(String::new, |words| format!(": {words}"));
        Self {
            detail: Some(format!(
                "version {} by {origin}{of}{summary}",
                config.version
            )),
            scope: Some(Scope::default()),
            ..Self::apart(
                config.applied_at,
                "config-stored",
                config.requester.as_deref(),
                config.reason.as_deref(),
            )
        }
    }

    fn of_answer(answer: &RequestAnswer) -> Self {
        let event = match answer.answered {
            Answered::Approved => "request-approved",
            Answered::Declined => "request-declined",
        };
        let action = answer.denied.then_some(Action::Deny);
        Self {
            account: Some(answer.account.clone()),
            detail: Some(format!("request {}", answer.request)),
            products: vec![ToldProduct {
                product: answer.product.clone(),
                action,
            }],
            ..Self::apart(
                answer.at,
                event,
                answer.by.as_deref(),
                answer.reason.as_deref(),
            )
        }
    }

    /// The event in words, which a table may fold.
    pub(super) fn words(&self) -> String {
        self.event.replace('-', " ")
    }

    /// The requesters, without the beginnings of their ARNs.
    pub(super) fn short_by(&self) -> Option<String> {
        let all = self.by.as_deref()?.split(", ");
        let all: Vec<_> = all.map(crate::output::principal).collect();
        Some(all.join(", "))
    }

    /// The lane that it is about.
    pub(super) fn lane(&self) -> Option<LaneId> {
        Some(LaneId {
            account: self.account.clone()?,
            experience: self.experience.clone()?,
        })
    }

    /// Number of its changes with an action.
    pub(super) fn count(&self, action: Action) -> usize {
        let all = self.products.iter();
        let named = all.filter(|told| told.action == Some(action)).count();
        let unnamed = match action {
            Action::Allow => self.unnamed.0,
            Action::Deny => self.unnamed.1,
        };
        named + unnamed
    }

    /// Its products in words: their number, or what became of one of them.
    pub(super) fn changes(&self, product: Option<&ProductId>) -> String {
        if let Some(product) = product {
            let mut all = self.products.iter();
            let found = all.find(|told| told.product == *product);
            let action = found.and_then(|told| told.action);
            return action.map_or_else(String::new, |action| action.to_string());
        }
        let (allows, denies) = (self.count(Action::Allow), self.count(Action::Deny));
        let others = self.products.iter().filter(|told| told.action.is_none());
        match (allows, denies, others.count()) {
            (0, 0, 0) => String::new(),
            (0, 0, others) => crate::output::count(others, "product"),
            (allows, denies, _) => crate::client::holds::counts(allows, denies),
        }
    }
}

/// Number of allows and of denies of an edit whose products it does not name.
pub(super) fn unnamed(edit: &ListEdit) -> (usize, usize) {
    (
        edit.allowed.saturating_sub(edit.allow.len()),
        edit.denied.saturating_sub(edit.deny.len()),
    )
}

/// The command of an edit, and how far it came.
fn edit_in_words(edit: &ListEdit) -> String {
    let command = edit.command_line();
    let command = command.strip_prefix("pmp-sync ").unwrap_or(&command);
    let file = edit.file.as_deref().map(|file| format!(" of {file}"));
    let planned = edit.allowed + edit.denied;
    let applied = edit.applied.map(|applied| applied.allow + applied.deny);
    let applied = applied.filter(|applied| *applied != planned);
    let applied = applied.map(|applied| format!(", {applied} of {planned} applied"));
    let rejected = match edit.refused.len() {
        0 => String::new(),
        rejected => format!(", {rejected} rejected by AWS Marketplace"),
    };
    let words = format!(
        "{command}{} in {}: {}{}{rejected}",
        file.unwrap_or_default(),
        edit.management_experience,
        edit.status,
        applied.unwrap_or_default(),
    );
    one_line(&words)
}
