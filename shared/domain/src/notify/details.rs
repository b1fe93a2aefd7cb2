//! The details of notices, from what was observed of a link.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approval::Hold;
use crate::error::FaultRecord;
use crate::guard::reason::HoldReason;
use crate::hint::{Advice, Hint, Place};
use crate::ids::ProductId;
use crate::lane;
use crate::lane::{Block, OtherInstallation};
use crate::product::Names;
use crate::records::RunRecord;
use crate::run::RunStatus;
use crate::text::{count as counted, one_or};
use crate::time::elapsed;
use crate::wire::events::{
    About, Blocked, Cause, Condition, Contested, EditedOutside, EditedProduct, Ended, EndedBy,
    Held, MOST_LISTED, MemberStale, Notice, Quarantined, QuarantinedProduct, SyncCompleted,
};

/// The reason code of a quarantine.
pub(super) const QUARANTINED: &str = "PMS-6001";

/// The reason code of outside edits.
pub(super) const EDITED: &str = "PMS-6003";

/// Limit for the service's message on one product, in characters.
const MOST_WORDS: usize = 300;

pub(super) fn held(about: About, hold: &Hold) -> Held {
    let cause = |reason: &HoldReason| Cause {
        code: reason.code().to_owned(),
        message: reason.to_string(),
        what_to_do: reason.remedy().to_owned(),
    };
    let reasons: Vec<_> = hold.reasons.iter().map(cause).collect();
    let words: Vec<_> = reasons.iter().map(|cause| cause.message.as_str()).collect();
    let rejected = hold.rejected.as_ref().map_or_else(String::new, |rejected| {
        let by = rejected.ask.by.as_deref();
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        let were = one_or(rejected.changes, "was", "were");
        format!(" {} of these {were} rejected before{by}.", rejected.changes)
    });
    let message = format!(
        "Of the plan for {}, {} and {} are held: {}.{rejected}",
        about.link(),
        counted(hold.allow, "allow"),
        counted(hold.deny, "deny"),
        words.join("; ")
    );
    let remedy = hold.reasons.first().map_or("", HoldReason::remedy);
    let what_to_do = Advice::by("look at it", Hint::Holds)
        .or_by(
            "if it is right, release it",
            hold.approve(&about.experience),
        )
        .or(format!("if it is a mistake, {remedy}"));
    Held {
        about: about.says(message, &what_to_do),
        since: hold.since,
        reason: hold
            .reasons
            .first()
            .map_or_else(String::new, |reason| reason.code().to_owned()),
        reasons,
        run: Some(hold.run),
        plan_hash: Some(hold.plan_hash.clone()),
        allow: hold.allow,
        deny: hold.deny,
        removals: hold.removals,
        rejected: hold.rejected.clone(),
    }
}

pub(super) fn held_by_fault(about: About, fault: &FaultRecord, now: Timestamp) -> Held {
    let message = format!(
        "Nothing is planned for {}: {}.",
        about.link(),
        fault.message
    );
    let what_to_do = fault.advice().or_by("then start a run", about.sync());
    Held {
        about: about.says(message, &what_to_do),
        since: now,
        reason: fault.code.clone(),
        reasons: vec![Cause {
            code: fault.code.clone(),
            message: fault.message.clone(),
            what_to_do: fault.remedy.clone(),
        }],
        run: None,
        plan_hash: None,
        allow: 0,
        deny: 0,
        removals: 0,
        rejected: None,
    }
}

pub(super) fn blocked(about: About, block: &Block) -> Blocked {
    let message = format!(
        "The lane of {} is blocked ({}): {}.",
        about.link(),
        block.reason,
        block.detail
    );
    let what_to_do = Advice::new(block.reason.remedy()).or_by("to try at once", about.sync());
    Blocked {
        about: about.says(message, &what_to_do),
        since: block.since,
        reason: block.reason,
        detail: block.detail.clone(),
    }
}

pub(super) fn quarantined(
    about: About,
    quarantined: &[&lane::Quarantined],
    (new, count): (usize, usize),
    since: Timestamp,
) -> Quarantined {
    let product = |quarantined: &&lane::Quarantined| QuarantinedProduct {
        product: quarantined.product.clone(),
        // They are added where the notice is put on the bus.
        name: None,
        action: quarantined.action,
        run: quarantined.run,
        change_set: quarantined.change_set.clone(),
        error_code: quarantined.error_code.clone(),
        error_message: quarantined.error_message.chars().take(MOST_WORDS).collect(),
    };
    let products: Vec<_> = quarantined.iter().take(MOST_LISTED).map(product).collect();
    let message = quarantine_message(&about, (new, count), products.first());
    let what_to_do = Advice::by(
        "look at them",
        Hint::DeadLettersList(Place::member(&about.member)),
    )
    .or_by(
        "once the cause is fixed, replay them",
        Hint::DeadLettersReplay {
            member: Some(about.member.clone()),
            product: None,
        },
    );
    Quarantined {
        about: about.says(message, &what_to_do),
        since,
        reason: QUARANTINED.to_owned(),
        new,
        count,
        products,
    }
}

/// A name behind the id of its product.
fn in_brackets(name: Option<&String>) -> String {
    name.map_or_else(String::new, |name| format!(" ({name})"))
}

fn edit_message(
    about: &About,
    (new, count): (usize, usize),
    first: Option<&EditedProduct>,
) -> String {
    let first = first.map_or_else(String::new, |first| {
        let how = if first.allowed {
            "allowed"
        } else {
            "not allowed any more"
        };
        let name = in_brackets(first.name.as_ref());
        format!("; the first is {}{name}, which is {how}", first.product)
    });
    format!(
        "Somebody else has changed {} of {}, {count} {} for that reason{first}.",
        counted(new, "product"),
        about.link(),
        one_or(count, "differs", "differ")
    )
}

fn quarantine_message(
    about: &About,
    (new, count): (usize, usize),
    first: Option<&QuarantinedProduct>,
) -> String {
    let first = first.map_or_else(String::new, |first| {
        let name = in_brackets(first.name.as_ref());
        format!(
            "; the first is {} {}{name}: {}: {}",
            first.action, first.product, first.error_code, first.error_message
        )
    });
    format!(
        "{} on {} {} rejected individually and quarantined, {count} {} in quarantine{first}.",
        counted(new, "change"),
        about.link(),
        one_or(new, "was", "were"),
        one_or(count, "is", "are")
    )
}

impl Notice {
    /// The products that it is about.
    pub fn products(&self) -> BTreeSet<ProductId> {
        match self {
            Self::Quarantined(detail) => {
                let products = detail.products.iter();
                products.map(|one| one.product.clone()).collect()
            }
            Self::EditedOutside(detail) => {
                let products = detail.products.iter();
                products.map(|one| one.product.clone()).collect()
            }
            Self::Held(_)
            | Self::Blocked(_)
            | Self::Contested(_)
            | Self::MemberStale(_)
            | Self::Recovered(_) => BTreeSet::new(),
        }
    }

    /// The notice with the names of its products.
    #[must_use]
    pub fn named(mut self, names: &Names) -> Self {
        let name = |product: &ProductId| names.of(product).map(ToOwned::to_owned);
        match &mut self {
            Self::Quarantined(detail) => {
                for one in &mut detail.products {
                    one.name = name(&one.product);
                }
                let counts = (detail.new, detail.count);
                detail.about.message =
                    quarantine_message(&detail.about, counts, detail.products.first());
            }
            Self::EditedOutside(detail) => {
                for one in &mut detail.products {
                    one.name = name(&one.product);
                }
                let counts = (detail.new, detail.count);
                detail.about.message = edit_message(&detail.about, counts, detail.products.first());
            }
            Self::Held(_)
            | Self::Blocked(_)
            | Self::Contested(_)
            | Self::MemberStale(_)
            | Self::Recovered(_) => {}
        }
        self
    }
}

pub(super) fn contested(about: About, other: &OtherInstallation) -> Contested {
    let message = format!("{} is contested: {other}.", about.link());
    let what_to_do = Advice::new(OtherInstallation::REMEDY)
        .or_by("until then, stop the changes of this one", about.suspend());
    Contested {
        about: about.says(message, &what_to_do),
        since: other.seen,
        reason: OtherInstallation::CODE.to_owned(),
        installation: other.installation.clone(),
        change_set: other.change_set.clone(),
    }
}

pub(super) fn edited(
    about: About,
    mut products: Vec<EditedProduct>,
    (new, count): (usize, usize),
    since: Timestamp,
) -> EditedOutside {
    products.truncate(MOST_LISTED);
    let message = edit_message(&about, (new, count), products.first());
    let link = Place::link(&about.member, &about.experience);
    let what_to_do = Advice::by("see who it was", Hint::Drift(link.clone()))
        .or_by("see what becomes of it", Hint::Plan(link))
        .or_by("keep others from changing what is governed", Hint::Scp);
    EditedOutside {
        about: about.says(message, &what_to_do),
        since,
        reason: EDITED.to_owned(),
        new,
        count,
        products,
    }
}

pub(super) fn stale(
    about: About,
    reason: String,
    since: Timestamp,
    stale_after_hours: u32,
    fault: Option<&FaultRecord>,
) -> MemberStale {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "hours, and never less than none"
    )]
    let hours = (elapsed(since, about.at) / 3600.0) as u64;
    let why = fault.map_or_else(
        || format!(" ({reason})"),
        |fault| format!(": {}", fault.message),
    );
    let message = format!(
        "{} was last known in sync {} ago{why}.",
        about.link(),
        counted(usize::try_from(hours).unwrap_or(usize::MAX), "hour")
    );
    let what_to_do = match fault {
        Some(fault) => fault.advice(),
        None => Advice::by(
            "see what differs and why",
            Hint::Plan(Place::link(&about.member, &about.experience)),
        )
        .or_by("see where its lane stands", Hint::Status { run: None }),
    };
    MemberStale {
        about: about.says(message, &what_to_do),
        since,
        reason,
        hours,
        stale_after_hours,
        fault: fault.cloned(),
    }
}

pub(super) fn recovered_about(about: About, ended: &[Ended], standing: &[Condition]) -> About {
    let mut words: Vec<_> = ended.iter().map(|ended| ended.condition.as_str()).collect();
    words.dedup();
    let how = match ended.first().map(|ended| ended.ended_by) {
        Some(EndedBy::Removed) => ": it has left the configuration",
        Some(EndedBy::NotExpected) => ": it is not expected to be in sync for now",
        _ => "",
    };
    let still: Vec<_> = standing
        .iter()
        .map(|condition| condition.as_str())
        .collect();
    let (rest, what_to_do) = if still.is_empty() {
        (String::new(), Advice::new("nothing"))
    } else {
        let rest = format!("; it is still {}", still.join(" and "));
        let status = Hint::Status { run: None };
        (rest, Advice::by("see what still stands", status))
    };
    let message = format!(
        "{} is no longer {}{how}{rest}.",
        about.link(),
        words.join(" or ")
    );
    about.says(message, &what_to_do)
}

impl About {
    fn says(self, message: String, what_to_do: &Advice) -> Self {
        Self {
            message,
            what_to_do: what_to_do.to_string(),
            hints: what_to_do.hints(),
            ..self
        }
    }

    fn link(&self) -> String {
        format!("{} of member {}", self.experience, self.member)
    }

    fn suspend(&self) -> Hint {
        Hint::Suspend(Place::link(&self.member, &self.experience))
    }

    fn sync(&self) -> Hint {
        Hint::Sync(Place::link(&self.member, &self.experience))
    }
}

impl SyncCompleted {
    /// The notice about the end of a run. None if it has not ended, or sent nothing.
    pub fn of(record: &RunRecord) -> Option<Self> {
        if !record.has_news() {
            return None;
        }
        let totals = record.totals;
        let message = format!(
            "Run {} has ended as {}: it sent {}, of {} and {} that were planned on {}.",
            record.run,
            record.status.as_str(),
            counted(totals.messages, "change"),
            counted(totals.allow, "allow"),
            counted(totals.deny, "deny"),
            counted(totals.links, "link")
        );
        let what_to_do = match record.status {
            RunStatus::Completed | RunStatus::Superseded => Advice::new("nothing"),
            RunStatus::Planning
            | RunStatus::Applying
            | RunStatus::Partial
            | RunStatus::Held
            | RunStatus::Failed => Advice::by(
                "see what is left",
                Hint::Status {
                    run: Some(record.run),
                },
            ),
        };
        Some(Self {
            schema: crate::SCHEMA,
            id: record.run,
            at: record.completed_at.unwrap_or(record.started_at),
            run: record.run,
            status: record.status,
            since: record.started_at,
            totals,
            message,
            what_to_do: what_to_do.to_string(),
            hints: what_to_do.hints(),
        })
    }
}
