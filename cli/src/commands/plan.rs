//! `pmp-sync plan`: previews the next sync. The producer makes the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use pmp_sync_domain::answers::plan::{
    IfActing, PlanRequest, Preview, PreviewDecision, PreviewLink,
};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::plan::LeftAlone;
use pmp_sync_domain::sources::{Conflict, Origin};
use pmp_sync_domain::sync_state::Verdict;
use pmp_sync_domain::text::one_or;

use crate::client::configuration::effect::effect;
use crate::client::configuration::file::{self, ConfigFile};
use crate::client::context::Context;
use crate::client::holds::counts;
use crate::client::plan::preview;
use crate::client::products::{Mentions, Named, named};
use crate::client::scope;
use crate::failure::Failure;
use crate::options::{Common, Narrowing};
use crate::output::{self, column};

#[derive(Debug, Args)]
pub(crate) struct PlanOptions {
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// Plan with this configuration file instead of the configuration in force; - is stdin.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// List every product.
    #[arg(long)]
    pub(crate) products: bool,
}

pub(crate) async fn run(common: &Common, options: &PlanOptions) -> Result<(), Failure> {
    let file = options.config.as_deref();
    let file = file.map(|file| file::read(file, "")).transpose()?;
    let context = Context::new(common).await?;
    let scope = match &file {
        Some(file) => scope::named(options.narrowing.scope(), &file.config)?,
        None => scope::of(&options.narrowing, &context).await?,
    };
    let request = PlanRequest {
        scope,
        config: file.as_ref().map(|file| file.text.clone()),
        ..PlanRequest::default()
    };
    let preview = preview(&context, request, "the producer makes the plan").await?;
    let named = named(&context, preview).await;
    if common.json {
        output::json(&named)?;
    } else {
        match &file {
            Some(file) => tell_settings(&context, file).await?,
            None => output::note(&format!(
                "by version {} of the configuration",
                named.answer.config_version
            )),
        }
        show(&context, &named, options.products)?;
    }
    outcome(&named.answer.links)
}

/// Tells what the file changes of the configuration in force.
async fn tell_settings(context: &Context, file: &ConfigFile) -> Result<(), Failure> {
    output::note(&format!("by {}, which is not applied", file.name));
    let stored = context.ledger.current_config().await?;
    let effect = effect(context, stored.as_ref(), &file.text, &file.config, false).await?;
    let lines = effect.lines(output::Screen::stderr());
    lines.iter().for_each(output::note_shown);
    Ok(())
}

impl Mentions for Preview {
    fn products(&self) -> BTreeSet<ProductId> {
        let products = self.links.iter().flat_map(PreviewLink::products);
        products.cloned().collect()
    }
}

/// The exit code: that of the worst link.
fn outcome(links: &[PreviewLink]) -> Result<(), Failure> {
    let served: Vec<_> = links.iter().filter(|link| !link.is_warning()).collect();
    let count = |verdict: Verdict| {
        let links = served.iter();
        let of = links.filter(|link| link.sync_state().verdict() == verdict);
        of.count()
    };
    let all = output::count(served.len(), "link");
    let failing = count(Verdict::Fails);
    let unseen = served.iter().filter(|link| link.fault.is_some()).count();
    let held = count(Verdict::Held);
    let differing = count(Verdict::Differs);
    if failing > 0 && unseen > 0 {
        return Err(Failure::Partial(format!(
            "{unseen} of {all} cannot be planned"
        )));
    }
    if failing > 0 {
        return Err(Failure::Partial(format!(
            "{failing} of {all} {}",
            one_or(
                failing,
                "is blocked or has quarantined changes",
                "are blocked or have quarantined changes"
            )
        )));
    }
    if held > 0 {
        return Err(Failure::Held(format!(
            "a run would hold {held} of {all}; `pmp-sync holds` lists what is held already"
        )));
    }
    match differing {
        0 => Ok(()),
        _ => Err(Failure::Differs(format!(
            "{differing} of {all} {}",
            one_or(differing, "differs", "differ")
        ))),
    }
}

/// What becomes of a plan of which a part is held, in words.
fn rest(allow: usize, deny: usize) -> String {
    if allow + deny == 0 {
        String::new()
    } else {
        format!(", and make {}", counts(allow, deny))
    }
}

/// What a link that changes nothing would do if it acted, in words.
fn if_acting(name: &str, link: &PreviewLink, acting: &IfActing) -> String {
    let why = if link.mode.acts() {
        "the link is frozen".to_owned()
    } else {
        format!("the mode is {}", link.mode)
    };
    let would = match acting.decision {
        PreviewDecision::InSync => "it would change nothing".to_owned(),
        _ => format!(
            "it would make {} ({}, {})",
            counts(acting.allow.len(), acting.deny.len()),
            output::count(acting.removals, "removal"),
            output::count(acting.fewest_change_sets, "change set")
        ),
    };
    let held = if acting.held.is_empty() {
        String::new()
    } else {
        let held = counts(acting.held.allow.len(), acting.held.deny.len());
        format!(", and hold {held}")
    };
    let condition = if link.mode == acting.mode {
        "without the freeze".to_owned()
    } else {
        format!("in mode {}", acting.mode)
    };
    let mut text =
        format!("{name}: nothing is going to happen, because {why}. {condition}, {would}{held}");
    for reason in &acting.held_for {
        let _ = write!(
            text,
            "\n  a guard would hold it: {}: {reason}",
            reason.code()
        );
    }
    text
}

fn show(context: &Context, named: &Named<Preview>, products: bool) -> Result<(), Failure> {
    let (preview, names) = (&named.answer, &named.names);
    if preview.links.is_empty() {
        output::note("no link is in this scope");
        return Ok(());
    }
    let columns = [
        column("MEMBER"),
        column("EXPERIENCE"),
        column("STATE").state(),
        column("ALLOW").number(),
        column("DENY").number(),
        column("REMOVALS").number(),
        column("HELD").number(),
        column("CHANGE SETS").number().leaves(1),
        column("LEFT ALONE").folds().leaves(3),
        column("EDITED OUTSIDE").folds().leaves(2),
    ];
    let rows = preview.links.iter().map(|link| {
        vec![
            link.member.to_string(),
            experience(link),
            link.state_words().to_owned(),
            link.allow.len().to_string(),
            link.deny.len().to_string(),
            link.removals.to_string(),
            link.held.len().to_string(),
            link.fewest_change_sets.to_string(),
            reasons(&link.left_alone),
            output::edited(link.edited.len(), link.edited_since),
        ]
    });
    output::table(columns, rows)?;
    for link in &preview.links {
        let name = format!("{} {}", link.member, experience(link));
        if let Some(fault) = &link.fault {
            let told = output::fault(Some(&name), fault);
            if link.is_warning() {
                context.note(&format!("warning: {told}"));
            } else {
                context.note(&told);
            }
        }
        let acting = link.if_acting.as_ref();
        let acting = acting.filter(|acting| acting.decision != PreviewDecision::InSync);
        if let Some(acting) = acting {
            output::line(&if_acting(&name, link, acting))?;
        }
        if !link.held.is_empty() {
            let held = counts(link.held.allow.len(), link.held.deny.len());
            output::note(&format!(
                "{name}: a run would hold {held}{}",
                rest(link.allow.len(), link.deny.len())
            ));
        }
        for reason in &link.held_for {
            output::note(&format!(
                "{name}: {}: {reason}\nwhat to do: {}",
                reason.code(),
                reason.remedy()
            ));
        }
        if !link.contradictory.is_empty() {
            let list = link.contradictory.iter();
            let list: Vec<_> = list.map(|product| names.label(product)).collect();
            let list = list.join(", ");
            output::note(&format!(
                "{name}: allowed and denied at once in the management experience, so denied: {list}"
            ));
        }
        for origin in &link.conflicts {
            let label = |product: &ProductId| names.label(product);
            output::note(&conflict(&name, link.conflict, origin, label));
        }
        if let Some(told) = output::invalid(&name, &link.invalid) {
            output::note(&told);
        }
        if link.unchecked > 0 {
            output::note(&format!(
                "{name}: {} not known to be listed in AWS Marketplace; a run asks for them, and allows them unless live_check is \"require\"",
                output::count(link.unchecked, "product")
            ));
        }
        if link.origins_beyond > 0 {
            output::note(&format!(
                "{name}: {} in more combinations of management experiences than can be listed; `why` names those of a product",
                output::count(link.origins_beyond, "product")
            ));
        }
        if link.beyond > 0 {
            output::note(&format!(
                "{name}: {} more than can be listed",
                output::count(link.beyond, "product")
            ));
        }
        if products {
            let listed_by = listed_by(&link.origins);
            let from = |product| listed_by.get(product).map_or("", String::as_str);
            for product in &link.allow {
                let name_of = names.label(product);
                output::line(&format!("{name} allow {name_of}{}", from(product)))?;
            }
            for product in &link.deny {
                let name_of = names.label(product);
                output::line(&format!("{name} deny {name_of}{}", from(product)))?;
            }
            for (action, products) in [("deny", &link.held.deny), ("allow", &link.held.allow)] {
                for product in products {
                    let (name_of, from) = (names.label(product), from(product));
                    output::line(&format!("{name} {action} {name_of}: held{from}"))?;
                }
            }
            for left in &link.left_alone {
                output::line(&format!(
                    "{name} leave {} ({} is wanted, it is {}: {}){}",
                    names.label(&left.product),
                    left.wanted,
                    left.standing,
                    left.reason,
                    from(&left.product)
                ))?;
            }
            if let Some(acting) = acting {
                let held = &acting.held;
                for (action, products) in [
                    ("allow", acting.allow.iter().chain(&held.allow)),
                    ("deny", acting.deny.iter().chain(&held.deny)),
                ] {
                    for product in products {
                        let label = names.label(product);
                        output::line(&format!(
                            "{name} would {action} {label} (not going to happen)"
                        ))?;
                    }
                }
            }
            for product in &link.edited {
                output::line(&format!("{name} edited outside {}", names.label(product)))?;
            }
        }
    }
    Ok(())
}

/// Products on which management experiences of a link do not agree, and what applies.
fn conflict(
    name: &str,
    rule: Conflict,
    origin: &Origin,
    label: impl Fn(&ProductId) -> String,
) -> String {
    let products: Vec<_> = origin.products.iter().map(label).collect();
    format!(
        "{name}: {}, so {}: {}",
        origin.words(),
        rule.outcome(),
        products.join(", ")
    )
}

/// The management experiences that list a product, as they follow it in a line.
fn listed_by(origins: &[Origin]) -> BTreeMap<&ProductId, String> {
    let mut all = BTreeMap::new();
    for origin in origins {
        let words = format!(" ({})", origin.words());
        all.extend(
            origin
                .products
                .iter()
                .map(|product| (product, words.clone())),
        );
    }
    all
}

fn experience(link: &PreviewLink) -> String {
    output::or_star(link.experience.as_ref())
}

fn reasons(left: &[LeftAlone]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for left in left {
        *counts.entry(left.reason.to_string()).or_default() += 1;
    }
    if counts.is_empty() {
        return "0".to_owned();
    }
    counts
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect::<Vec<_>>()
        .join(", ")
}
