//! Edits of the configuration's text: adds, changes and removes members and links, and keeps
//! comments and order. Pure. The result is valid as a whole, or an error.

use std::collections::BTreeSet;

use pmp_sync_domain::config::{Config, InvalidConfig};
use pmp_sync_domain::ids::{AccountId, ExperienceId, ExternalId, MemberName};
use pmp_sync_domain::link::{Link, Mode, Target};
use pmp_sync_domain::sources::{Conflict, Sources};
use pmp_sync_domain::suggest::did_you_mean;
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value,
};

const MEMBER: &str = "member";
const LINK: &str = "link";
const FIRST: &str = "schema = 1\n";

/// A member with its link, as wanted in the configuration. Values that are not given are taken from
/// the existing link, or from the defaults.
#[derive(Debug, Clone)]
pub(crate) struct NewMember {
    pub(crate) name: MemberName,
    pub(crate) account: AccountId,
    pub(crate) external_id: ExternalId,
    pub(crate) sources: Option<Sources>,
    pub(crate) target: Option<Target>,
    pub(crate) mode: Option<Mode>,
    /// The target if none is given and no link exists.
    pub(crate) default_target: Target,
}

/// The result of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// The text is already as wanted.
    Same,
    /// The new text.
    Changed(String),
}

/// An edit was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// The current text is not valid.
    #[error("{0}")]
    Before(InvalidConfig),
    /// The result would not be valid.
    #[error("it would not be valid any more: {}", words(.0))]
    After(InvalidConfig),
    /// The member exists, and differs from what is wanted.
    #[error("member {member} is in the configuration already, and differs: {}", .differences.join("; "))]
    Differs {
        member: MemberName,
        differences: Vec<String>,
    },
    /// It is not clear which management experience the member follows.
    #[error("{0}")]
    WhichManagementExperience(String),
    /// The member or the link does not exist.
    #[error("{0}")]
    Unknown(String),
}

fn words(invalid: &InvalidConfig) -> String {
    let messages = invalid.problems.iter().map(|one| one.message.as_str());
    messages.collect::<Vec<_>>().join("; ")
}

/// Adds a member with a link. `text` is the current configuration, if there is one.
pub(crate) fn add(text: Option<&str>, new: &NewMember) -> Result<Edit, EditError> {
    let text = text.unwrap_or(FIRST);
    let config = Config::parse(text).map_err(EditError::Before)?;
    let links = links_of(&config, &new.name);
    if let Some(standing) = config.members.get(&new.name) {
        let mut differences = Vec::new();
        let mut compare = |what: &str, stands: &str, wanted: &str| {
            if stands != wanted {
                differences.push(format!("{what} {stands}, not {wanted}"));
            }
        };
        compare("account", standing.account.as_str(), new.account.as_str());
        if standing.external_id != new.external_id {
            // Neither external id is shown.
            compare("external id", "of its own", "the one given or generated");
        }
        if !links.is_empty() {
            differences.extend(link_differences(&links, new));
        }
        if !differences.is_empty() {
            return Err(EditError::Differs {
                member: new.name.clone(),
                differences,
            });
        }
        if !links.is_empty() {
            return Ok(Edit::Same);
        }
    }
    let (sources, conflict) = sources(&config, new.sources.as_ref())?;
    let mut document = document(text)?;
    if !config.members.contains_key(&new.name) {
        let fields = [
            ("name", new.name.as_str().into()),
            ("account", new.account.as_str().into()),
            ("external_id", new.external_id.as_str().into()),
        ];
        push(&mut document, MEMBER, &fields);
    }
    let target = new.target.as_ref().unwrap_or(&new.default_target);
    let mut fields = vec![followed(&sources)];
    if sources.are_several() && !conflict.is_default() {
        fields.push(("conflict", conflict.as_str().into()));
    }
    fields.extend([
        ("member", new.name.as_str().into()),
        ("member_experience", target.to_string().into()),
        ("mode", new.mode.unwrap_or(Mode::Observe).as_str().into()),
    ]);
    push(&mut document, LINK, &fields);
    checked(&document)
}

/// Changes the mode of a member's links, or of the one with that target.
pub(crate) fn set_mode(
    text: &str,
    name: &MemberName,
    target: Option<&Target>,
    mode: Mode,
) -> Result<Edit, EditError> {
    let config = Config::parse(text).map_err(EditError::Before)?;
    let links = links_of(&config, name);
    let meant = |link: &&&Link| target.is_none_or(|target| link.target == *target);
    let meant: Vec<_> = links.iter().filter(meant).collect();
    if meant.is_empty() {
        let to = target.map_or_else(String::new, |target| format!(" to {target}"));
        let there = links.iter().map(|link| link.target.to_string());
        let there: Vec<_> = there.collect();
        let meant = match target {
            _ if !config.members.contains_key(name) => {
                let members = config.members.keys();
                did_you_mean(name.as_str(), members.map(MemberName::as_str))
            }
            Some(target) => {
                let others = config.links.iter().filter(|link| link.target == *target);
                let owners: BTreeSet<_> = others.map(|link| link.member.name.as_str()).collect();
                let owners: Vec<_> = owners.into_iter().collect();
                if owners.is_empty() || *target == Target::EveryLive {
                    did_you_mean(&target.to_string(), there.iter().map(String::as_str))
                } else {
                    format!("; it is an experience of {}", owners.join(" and "))
                }
            }
            None => String::new(),
        };
        return Err(EditError::Unknown(format!("{name} has no link{to}{meant}")));
    }
    if meant.iter().all(|link| link.policy.mode == mode) {
        return Ok(Edit::Same);
    }
    let mut document = document(text)?;
    let target = target.map(Target::to_string);
    let is_meant = |table: &dyn TableLike| {
        has(table, "member", name.as_str())
            && target
                .as_ref()
                .is_none_or(|target| has(table, "member_experience", target))
    };
    for_each(&mut document, LINK, |table| {
        if is_meant(table) {
            write(table, "mode", &mode.to_string());
        }
    });
    checked(&document)
}

/// Removes a member and its links. Succeeds if the member does not exist.
pub(crate) fn remove(text: &str, name: &MemberName) -> Result<Edit, EditError> {
    let config = Config::parse(text).map_err(EditError::Before)?;
    if !config.members.contains_key(name) {
        return Ok(Edit::Same);
    }
    let mut document = document(text)?;
    keep(&mut document, LINK, |link| {
        !has(link, "member", name.as_str())
    });
    keep(&mut document, MEMBER, |member| {
        !has(member, "name", name.as_str())
    });
    checked(&document)
}

/// The key of what a link follows.
fn followed(sources: &Sources) -> (&'static str, Value) {
    if sources.are_several() {
        let ids = sources.iter().map(ExperienceId::as_str);
        ("management_experiences", Value::Array(ids.collect()))
    } else {
        ("management_experience", sources.first().as_str().into())
    }
}

/// The given management experiences, or those that all links follow, with their rule for conflicts.
fn sources(config: &Config, given: Option<&Sources>) -> Result<(Sources, Conflict), EditError> {
    if let Some(given) = given {
        return Ok((given.clone(), Conflict::default()));
    }
    let links = config.links.iter();
    let mut all: Vec<_> = links.map(|link| (&link.sources, link.conflict)).collect();
    all.sort();
    all.dedup();
    match all.as_slice() {
        [(only, conflict)] => Ok(((*only).clone(), *conflict)),
        [] => Err(EditError::WhichManagementExperience(
            "no link says yet which management experience is followed".to_owned(),
        )),
        several => {
            let mut several: Vec<_> = several.iter().map(|(of, _)| of.to_string()).collect();
            several.dedup();
            Err(EditError::WhichManagementExperience(format!(
                "the links follow several management experiences: {}",
                several.join("; ")
            )))
        }
    }
}

fn links_of<'a>(config: &'a Config, name: &MemberName) -> Vec<&'a Link> {
    let links = config.links.iter();
    links.filter(|link| link.member.name == *name).collect()
}

/// How the existing links differ from the wanted one, if none of them is it.
fn link_differences(links: &[&Link], new: &NewMember) -> Vec<String> {
    let of = |link: &Link| {
        let mut differences = Vec::new();
        if let Some(wanted) = &new.sources
            && link.sources != *wanted
        {
            let stands = &link.sources;
            differences.push(format!("it follows {stands}, not {wanted}"));
        }
        if let Some(wanted) = &new.target
            && link.target != *wanted
        {
            differences.push(format!("its link is for {}, not {wanted}", link.target));
        }
        if let Some(wanted) = new.mode
            && link.policy.mode != wanted
        {
            differences.push(format!("mode {}, not {wanted}", link.policy.mode));
        }
        differences
    };
    let each = links.iter().map(|link| of(link));
    // The most similar link is the one that is meant.
    each.min_by_key(Vec::len).unwrap_or_default()
}

fn document(text: &str) -> Result<DocumentMut, EditError> {
    // The other parser has accepted the text, so an error here is a difference between the parsers.
    text.parse::<DocumentMut>().map_err(|error| {
        let problem = pmp_sync_domain::config::Problem {
            line: 1,
            column: 1,
            message: error.message().to_owned(),
        };
        EditError::Before(InvalidConfig::one(problem))
    })
}

fn checked(document: &DocumentMut) -> Result<Edit, EditError> {
    let text = document.to_string();
    Config::parse(&text).map_err(EditError::After)?;
    Ok(Edit::Changed(text))
}

fn has(table: &dyn TableLike, key: &str, wanted: &str) -> bool {
    table.get(key).and_then(Item::as_str) == Some(wanted)
}

/// Writes a value in place, so that the comment behind it stays.
fn write(table: &mut dyn TableLike, key: &str, text: &str) {
    if let Some(standing) = table.get_mut(key).and_then(Item::as_value_mut) {
        let decor = standing.decor().clone();
        *standing = Value::from(text);
        *standing.decor_mut() = decor;
    } else {
        table.insert(key, value(text));
    }
}

/// Appends to a list of tables, in the form that the text uses.
fn push(document: &mut DocumentMut, key: &str, fields: &[(&str, Value)]) {
    if let Some(array) = document.get_mut(key).and_then(Item::as_array_mut) {
        let mut table = InlineTable::new();
        for (key, value) in fields {
            table.insert(*key, value.clone());
        }
        array.push(table);
        return;
    }
    let mut table = Table::new();
    for (key, of) in fields {
        table.insert(key, value(of.clone()));
    }
    table.decor_mut().set_prefix("\n");
    let list = document
        .entry(key)
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if let Some(list) = list.as_array_of_tables_mut() {
        list.push(table);
    }
}

fn for_each(document: &mut DocumentMut, key: &str, mut work: impl FnMut(&mut dyn TableLike)) {
    match document.get_mut(key) {
        Some(Item::ArrayOfTables(list)) => list.iter_mut().for_each(|table| work(table)),
        Some(Item::Value(Value::Array(list))) => {
            let tables = list.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.for_each(|table| work(table));
        }
        _ => {}
    }
}

fn keep(document: &mut DocumentMut, key: &str, wanted: impl Fn(&dyn TableLike) -> bool) {
    let wants = |value: &Value| value.as_inline_table().is_none_or(|table| wanted(table));
    let is_empty = match document.get_mut(key) {
        Some(Item::ArrayOfTables(list)) => {
            list.retain(|table| wanted(table));
            list.is_empty()
        }
        Some(Item::Value(Value::Array(list))) => {
            Array::retain(list, wants);
            false
        }
        _ => false,
    };
    if is_empty {
        document.remove(key);
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
