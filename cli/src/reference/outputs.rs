//! What each command prints with `--json`: docs/schemas is generated from this list.

use pmp_sync_deploy::local::{Ended, State};
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::answers::plan::Preview;
use pmp_sync_domain::answers::why::WhyReport;
use pmp_sync_domain::product_list::Export;
use pmp_sync_domain::schema::tidy;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::client::approval::ApprovalAnswer;
use crate::client::approval::answer::ApprovalsAnswer;
use crate::client::configuration::effect::ConfigEffect;
use crate::client::experience::bootstrap::Bootstrapped;
use crate::client::experience::view::{ExperienceChange, ExperienceList};
use crate::client::product_list::change::ListChange;
use crate::client::products::Named;
use crate::client::removal::RemovalAnswer;
use crate::client::rollback::RollbackAnswer;
use crate::client::suspension::SuspendAnswer;
use crate::commands::config;
use crate::commands::deploy::DeployAnswer;
use crate::commands::dlq::DlqAnswer;
use crate::commands::doctor::Report;
use crate::commands::drift::DriftAnswer;
use crate::commands::history::{Event, HistoryAnswer};
use crate::commands::holds::HoldsAnswer;
use crate::commands::member::add::MemberChange;
use crate::commands::member::list::MemberList;
use crate::commands::notify::TestSent;
use crate::commands::product::list::ProductList;
use crate::commands::product::search::ProductSearch;
use crate::commands::requests::answer::{DecisionAnswer, RequestsAnswer};
use crate::commands::status::StatusAnswer;
use crate::commands::sync::SyncAnswer;
use crate::failure::ErrorAnswer;

/// One type of output.
pub(super) struct Output {
    /// The name of its file in docs/schemas, without `.json`.
    pub(super) file: &'static str,
    /// The commands that print it; with an option if it is printed only then.
    pub(super) commands: &'static [&'static str],
    /// Its JSON Schema, complete in itself.
    pub(super) schema: fn() -> Schema,
}

/// Every type of output, each command once.
pub(super) const ALL: &[Output] = &[
    // What any command prints when it fails.
    output::<ErrorAnswer>("error", &[]),
    output::<Bootstrapped>("member-bootstrap", &["member bootstrap"]),
    output::<SuspendAnswer<'static>>("suspension", &["resume", "suspend"]),
    output::<ApprovalsAnswer<'static>>("approval", &["approve", "reject"]),
    output::<ApprovalAnswer<'static>>("restore", &["restore"]),
    output::<RollbackAnswer<'static>>("rollback", &["revert"]),
    output::<Named<DeadLetterList>>("dlq-list", &["dlq list"]),
    output::<DeployAnswer>("deploy", &["deploy management", "deploy member"]),
    output::<Named<DlqAnswer<'static>>>("dlq-request", &["dlq discard", "dlq replay"]),
    output::<DriftAnswer>("drift", &["drift"]),
    output::<Ended>("local-down", &["local down"]),
    output::<ExperienceChange>(
        "experience-change",
        &[
            "experience archive",
            "experience associate",
            "experience disassociate",
            "experience create",
            "experience disable",
            "experience enable",
            "experience revive",
        ],
    ),
    output::<ExperienceList>("experience-list", &["experience list"]),
    // One for each line.
    output::<Event<'static>>("history-export", &["history --export"]),
    output::<HistoryAnswer<'static>>("history", &["history"]),
    output::<HoldsAnswer>("holds", &["holds"]),
    output::<Named<&'static ListedLetter>>("dlq-show", &["dlq show"]),
    output::<MemberChange>("member-change", &["member add", "member mode"]),
    output::<MemberList>("member-list", &["member list"]),
    output::<TestSent>("notify-test", &["notify test"]),
    output::<Export>("product-export", &["product export"]),
    output::<ListChange>(
        "product-change",
        &[
            "product allow",
            "product deny",
            "product diff",
            "product import",
        ],
    ),
    output::<ProductList>("product-list", &["product list"]),
    output::<ProductSearch>("product-search", &["product search"]),
    output::<Named<Preview>>("plan", &["plan"]),
    output::<RequestsAnswer>("requests", &["requests"]),
    output::<DecisionAnswer>("requests-answer", &["requests approve", "requests decline"]),
    output::<RemovalAnswer>("removal", &["destroy", "member remove"]),
    output::<Report>("doctor", &["doctor"]),
    output::<State>("local-up", &["local status", "local up"]),
    output::<StatusAnswer<'static>>("status", &["status"]),
    output::<SyncAnswer<'static>>("sync", &["sync"]),
    output::<Named<WhyReport>>("why", &["why"]),
    output::<pmp_sync_report::Model>("report", &["report"]),
    output::<config::store::Applied>("config-apply", &["config apply", "config rollback"]),
    output::<ConfigEffect>("config-diff", &["config diff"]),
    output::<config::history::ConfigHistory>("config-history", &["config history"]),
    output::<config::Shown>("config-show", &["config show"]),
    output::<config::Validated>("config-validate", &["config validate"]),
];

const fn output<T: JsonSchema>(file: &'static str, commands: &'static [&'static str]) -> Output {
    Output {
        file,
        commands,
        schema: schema_of::<T>,
    }
}

fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    tidy(&mut schema);
    schema
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;
    use crate::cli::Arguments;

    /// Commands whose output is no value of ours.
    const OTHERS: [&str; 3] = ["completions", "config schema", "scp"];

    fn commands(of: &Command, path: &str) -> Vec<String> {
        let shown = of
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        let names = shown.flat_map(|command| {
            let name = format!("{path} {}", command.get_name());
            let mut all = if command.has_subcommands() {
                commands(command, &name)
            } else {
                Vec::new()
            };
            if all.is_empty() || !command.is_subcommand_required_set() {
                all.push(name.trim_start().to_owned());
            }
            all
        });
        names.collect()
    }

    #[test]
    fn every_command_is_registered_once() {
        let mut commands = commands(&Arguments::command(), "");
        commands.sort_unstable();
        let registered = ALL.iter().flat_map(|output| output.commands);
        let mut registered: Vec<_> = registered
            .filter(|command| !command.contains(" --"))
            .chain(&OTHERS)
            .collect();
        registered.sort_unstable();
        assert_eq!(
            commands.iter().collect::<Vec<_>>(),
            registered,
            "a command is not in ALL, or is there twice, or is no more"
        );
    }
}
