//! What each command prints with `--json`, as JSON Schema: docs/schemas is generated from this list.
//! Readers are to take fields that they do not know, so that newer releases may add some.

use pmp_sync_deploy::local::{Ended, State};
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::answers::plan::Preview;
use pmp_sync_domain::answers::why::WhyReport;
use pmp_sync_domain::schema::tidy;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::client::approval::ApprovalAnswer;
use crate::client::experience::bootstrap::Bootstrapped;
use crate::client::experience::view::{ExperienceChange, ExperienceList};
use crate::client::removal::RemovalAnswer;
use crate::client::suspension::SuspendAnswer;
use crate::commands::config;
use crate::commands::deploy::DeployAnswer;
use crate::commands::dlq::DlqAnswer;
use crate::commands::doctor::Report;
use crate::commands::history::{Event, HistoryAnswer};
use crate::commands::holds::HoldsAnswer;
use crate::commands::member::add::MemberChange;
use crate::commands::member::list::MemberList;
use crate::commands::status::StatusAnswer;
use crate::commands::sync::SyncAnswer;
use crate::failure::ErrorAnswer;

/// What is printed by one command.
pub(crate) struct Printed {
    /// The command, such as `config show`; `error` is what any of them prints when it fails.
    pub(crate) command: &'static str,
    /// Its JSON Schema.
    pub(crate) schema: fn() -> Schema,
}

/// Every command that prints JSON.
pub(crate) const ALL: &[Printed] = &[
    printed::<Bootstrapped>("member bootstrap"),
    printed::<SuspendAnswer<'static>>("resume"),
    printed::<SuspendAnswer<'static>>("suspend"),
    printed::<ApprovalAnswer<'static>>("approve"),
    printed::<ApprovalAnswer<'static>>("reject"),
    printed::<ApprovalAnswer<'static>>("restore"),
    printed::<DeadLetterList>("dlq list"),
    printed::<DeployAnswer>("deploy management"),
    printed::<DeployAnswer>("deploy member"),
    printed::<DlqAnswer<'static>>("dlq discard"),
    printed::<DlqAnswer<'static>>("dlq replay"),
    printed::<Ended>("local down"),
    printed::<ErrorAnswer>("error"),
    printed::<ExperienceChange>("experience archive"),
    printed::<ExperienceChange>("experience associate"),
    printed::<ExperienceChange>("experience create"),
    printed::<ExperienceChange>("experience disable"),
    printed::<ExperienceChange>("experience enable"),
    printed::<ExperienceChange>("experience revive"),
    printed::<ExperienceList>("experience list"),
    // One for each line.
    printed::<Event<'static>>("history --export"),
    printed::<HistoryAnswer<'static>>("history"),
    printed::<HoldsAnswer>("holds"),
    printed::<ListedLetter>("dlq show"),
    printed::<MemberChange>("member add"),
    printed::<MemberChange>("member mode"),
    printed::<MemberList>("member list"),
    printed::<Preview>("plan"),
    printed::<RemovalAnswer>("destroy"),
    printed::<Report>("doctor"),
    printed::<RemovalAnswer>("member remove"),
    printed::<Report>("doctor"),
    printed::<State>("local status"),
    printed::<State>("local up"),
    printed::<StatusAnswer<'static>>("status"),
    printed::<SyncAnswer<'static>>("sync"),
    printed::<WhyReport>("why"),
    printed::<pmp_sync_report::Model>("report"),
    printed::<config::Applied>("config apply"),
    printed::<config::Shown>("config show"),
    printed::<config::Validated>("config validate"),
];

const fn printed<T: JsonSchema>(command: &'static str) -> Printed {
    Printed {
        command,
        schema: schema_of::<T>,
    }
}

fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    tidy(&mut schema);
    schema
}

impl Printed {
    /// The name of its file: `config-show.json`, `history-export.json`.
    pub(crate) fn file(&self) -> String {
        format!("{}.json", self.command.replace("--", "").replace(' ', "-"))
    }
}
