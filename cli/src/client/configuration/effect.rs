//! What a configuration would change before it is stored: its settings, and what a run would then do in each
//! member, as the producer plans it.

use std::collections::BTreeMap;

use pmp_sync_domain::answers::plan::{PlanRequest, Preview, PreviewDecision, PreviewLink};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::config::difference::{ConfigDifference, difference};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::ports::StoredConfig;
use pmp_sync_domain::sync_state::SyncState;
use pmp_sync_domain::sync_state::Verdict;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::holds::ReasonAnswer;
use crate::client::plan::preview;
use crate::failure::Failure;
use crate::output::{self, Line, Screen, column};

/// What a configuration would change.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConfigEffect {
    /// The version of the configuration that it is compared with. 0 if none is stored.
    pub(crate) version: u64,
    /// The settings, members and links that change.
    pub(crate) difference: ConfigDifference,
    /// The member experiences in which a run would do something else than now. Absent if the producer was not
    /// asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) links: Option<Vec<LinkEffect>>,
}

/// What a run would do on one member experience with the configuration, and without it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LinkEffect {
    /// The member's name in the configuration.
    pub(crate) member: MemberName,
    /// The member account.
    pub(crate) account: AccountId,
    /// Its experience. None for a `*` link that failed as a whole.
    pub(crate) experience: Option<ExperienceId>,
    /// How far the link may go.
    pub(crate) mode: Mode,
    /// What a run would do with the configuration.
    pub(crate) after: Planned,
    /// What a run would do now. Absent for a link that is new.
    pub(crate) before: Option<Planned>,
    /// True if a guard would hold changes that are not held now.
    pub(crate) newly_held: bool,
    /// Why a guard would hold them.
    pub(crate) held_for: Vec<ReasonAnswer>,
    /// Why nothing can be planned.
    pub(crate) fault: Option<FaultRecord>,
}

/// A plan in numbers.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Planned {
    /// The state of the experience.
    pub(crate) state: SyncState,
    /// The state in words.
    #[serde(skip)]
    words: &'static str,
    /// What a run would do.
    pub(crate) decision: PreviewDecision,
    /// Number of products that would be allowed, without those that are held.
    pub(crate) allow: usize,
    /// Number of products that would be denied, without those that are held.
    pub(crate) deny: usize,
    /// Number of these denies whose products are allowed now.
    pub(crate) removals: usize,
    /// Number of changes that a guard would hold.
    pub(crate) held: usize,
    /// The fewest change sets that this takes.
    pub(crate) fewest_change_sets: usize,
    /// Number of products that differ and would be left alone.
    pub(crate) left_alone: usize,
}

impl Planned {
    fn of(link: &PreviewLink) -> Self {
        Self {
            state: link.sync_state(),
            words: link.state_words(),
            decision: link.decision,
            allow: link.allow.len(),
            deny: link.deny.len(),
            removals: link.removals,
            held: link.held.len(),
            fewest_change_sets: link.fewest_change_sets,
            left_alone: link.left_alone.len(),
        }
    }
}

/// Compares a configuration with the stored one. With `asks` the producer plans with both.
pub(crate) async fn effect(
    context: &Context,
    stored: Option<&StoredConfig>,
    text: &str,
    wanted: &Config,
    asks: bool,
) -> Result<ConfigEffect, Failure> {
    // One that this release cannot read means nothing to a run either.
    let before = stored.and_then(|stored| Config::parse(&stored.text).ok());
    let difference = difference(&before.clone().unwrap_or_default(), wanted);
    let links = if asks && !difference.is_empty() {
        Some(planned(context, before.is_some(), text).await?)
    } else {
        None
    };
    Ok(ConfigEffect {
        version: stored.map_or(0, |stored| stored.version),
        difference,
        links,
    })
}

async fn planned(
    context: &Context,
    has_before: bool,
    text: &str,
) -> Result<Vec<LinkEffect>, Failure> {
    let request = PlanRequest {
        config: Some(text.to_owned()),
        ..PlanRequest::default()
    };
    let step = "the producer plans with the new configuration";
    let after = preview(context, request, step)
        .await
        .map_err(|failure| unplanned(&failure))?;
    let step = "the producer plans with the configuration in force";
    let before = if has_before {
        let before = preview(context, PlanRequest::default(), step).await;
        before.map_err(|failure| unplanned(&failure))?.links
    } else {
        Vec::new()
    };
    Ok(changed(&before, &after))
}

/// The links in which a run would do something else.
fn changed(before: &[PreviewLink], after: &Preview) -> Vec<LinkEffect> {
    let key = |link: &PreviewLink| (link.account.clone(), link.experience.clone());
    let before: BTreeMap<_, _> = before.iter().map(|link| (key(link), link)).collect();
    let served = after.links.iter();
    let served = served.filter(|link| link.decision != PreviewDecision::LeftOut);
    let effects = served.filter_map(|link| {
        let old = before.get(&key(link)).copied();
        old.is_none_or(|old| is_other(old, link))
            .then(|| of_link(old, link))
    });
    effects.collect()
}

fn is_other(old: &PreviewLink, new: &PreviewLink) -> bool {
    let left = |link: &PreviewLink| link.left_alone.clone();
    (
        old.decision,
        &old.allow,
        &old.deny,
        &old.held,
        &old.held_for,
    ) != (
        new.decision,
        &new.allow,
        &new.deny,
        &new.held,
        &new.held_for,
    ) || left(old) != left(new)
        || old.fault != new.fault
}

fn of_link(old: Option<&PreviewLink>, new: &PreviewLink) -> LinkEffect {
    let is_held = |link: &PreviewLink| !link.held_for.is_empty();
    let was_held = old.is_some_and(|old| is_held(old) && old.held == new.held);
    LinkEffect {
        member: new.member.clone(),
        account: new.account.clone(),
        experience: new.experience.clone(),
        mode: new.mode,
        after: Planned::of(new),
        before: old.map(Planned::of),
        newly_held: is_held(new) && !was_held,
        held_for: ReasonAnswer::all(&new.held_for),
        fault: new.fault.clone(),
    }
}

/// A failure of the producer, with the way around it.
fn unplanned(failure: &Failure) -> Failure {
    let fault = failure.record("see the message");
    Failure::Fault(Box::new(FaultRecord {
        message: format!(
            "what the configuration means in each member is not known: {}",
            fault.message
        ),
        remedy: format!("{}; --no-preview goes on without it", fault.remedy),
        ..fault
    }))
}

impl LinkEffect {
    /// The link as text.
    pub(crate) fn name(&self) -> String {
        let experience = output::or_star(self.experience.as_ref());
        format!("{} {experience}", self.member)
    }

    /// True if the link cannot be planned, and not because its member is new. One whose management experience cannot be read
    /// is held.
    pub(crate) fn is_failing(&self) -> bool {
        self.after.state.verdict() >= Verdict::Held && self.fault.is_some()
    }
}

impl ConfigEffect {
    /// The links whose plans a guard would newly hold.
    pub(crate) fn newly_held(&self) -> impl Iterator<Item = &LinkEffect> {
        let links = self.links.iter().flatten();
        links.filter(|link| link.newly_held)
    }

    /// Why somebody has to agree to it. None if nobody has to.
    pub(crate) fn question(&self) -> Option<String> {
        let ConfigDifference {
            members_removed,
            links_removed,
            ..
        } = &self.difference;
        let mut reasons = Vec::new();
        if !members_removed.is_empty() {
            reasons.push(format!(
                "{} would be gone",
                output::count(members_removed.len(), "member")
            ));
        }
        if !links_removed.is_empty() {
            reasons.push(format!(
                "{} would be gone",
                output::count(links_removed.len(), "link")
            ));
        }
        let held = self.newly_held().count();
        if held > 0 {
            reasons.push(format!(
                "a guard would hold the plans of {}",
                output::count(held, "link")
            ));
        }
        // Those that cannot be planned now either are not listed unless something else of them changes.
        let failing = self.links.iter().flatten();
        let failing = failing.filter(|link| link.is_failing()).count();
        if failing > 0 {
            reasons.push(format!(
                "{} cannot be planned",
                output::count(failing, "link")
            ));
        }
        (!reasons.is_empty()).then(|| format!("{}.", reasons.join("; ")))
    }

    /// The lines that say what changes, for a screen.
    pub(crate) fn lines(&self, screen: Screen) -> Vec<Line> {
        if self.difference.is_empty() {
            let same = format!(
                "it means the same as version {} of the configuration",
                self.version
            );
            return vec![same.into()];
        }
        let against = match self.version {
            0 => "no configuration is stored yet; it has:".to_owned(),
            version => format!("compared with version {version} of the configuration:"),
        };
        let words = self.difference.words().into_iter();
        let mut lines: Vec<_> = std::iter::once(against)
            .chain(words.map(|words| format!("  {words}")))
            .map(Line::from)
            .collect();
        match self.links.as_deref() {
            None => {}
            Some([]) => lines.push("a run would do the same in each member".into()),
            Some(links) => {
                lines.push("what a run would then do:".into());
                lines.extend(table(links, screen));
            }
        }
        lines
    }

    /// Notes about single links.
    pub(crate) fn notes(&self, context: &Context) {
        for link in self.links.iter().flatten() {
            let name = link.name();
            if link.after.decision == PreviewDecision::NotYet {
                output::note(&format!(
                    "{name} is new, and the role of account {} cannot be assumed yet: nothing can be planned before its stacks are deployed",
                    link.account
                ));
            } else if let Some(fault) = &link.fault {
                context.note(&output::fault(Some(&name), fault));
            }
            for reason in &link.held_for {
                output::note(&format!("{name}: a guard would hold it: {reason}"));
            }
        }
        let gone = self.difference.links_removed.iter();
        for link in gone {
            output::note(&format!(
                "{link} follows nothing any more: its lists stay as they are"
            ));
        }
    }
}

fn table(links: &[LinkEffect], screen: Screen) -> Vec<Line> {
    let columns = [
        column("MEMBER"),
        column("EXPERIENCE"),
        column("MODE").leaves(3),
        column("STATE").folds().state(),
        column("ALLOW").folds().number(),
        column("DENY").folds().number(),
        column("REMOVALS").folds().number(),
        column("HELD").folds().number(),
        column("CHANGE SETS").folds().number().leaves(1),
        column("LEFT ALONE").folds().number().leaves(2),
    ];
    let rows = links.iter().map(|link| {
        let cell = |of: fn(&Planned) -> usize| {
            let after = of(&link.after);
            match link.before.as_ref().map(of) {
                Some(before) if before != after => format!("{after} (now {before})"),
                _ => after.to_string(),
            }
        };
        vec![
            link.member.to_string(),
            output::or_star(link.experience.as_ref()),
            link.mode.to_string(),
            link.after.words.to_owned(),
            cell(|planned| planned.allow),
            cell(|planned| planned.deny),
            cell(|planned| planned.removals),
            cell(|planned| planned.held),
            cell(|planned| planned.fewest_change_sets),
            cell(|planned| planned.left_alone),
        ]
    });
    output::table_on(screen, columns, rows)
}
