//! docs/events.md: every event on the bus, field by field.

use std::fmt::Write as _;

use pmp_sync_domain::wire::catalogue::{By, EventKind};
use serde_json::Value;

/// The text that no type contains.
const WORDS: &str = include_str!("events.md");

/// The page.
pub(super) fn page(kinds: &[EventKind]) -> String {
    let mut page = WORDS.to_owned();
    let parts = [
        (
            By::Producer,
            "Announcements",
            "The producer puts these on the bus; nobody here waits for them.",
        ),
        (
            By::Operator,
            "Requests",
            "These reach the producer's inbox. The command puts them there; by hand, `schema` and whatever is not required may be left out.",
        ),
        (
            By::Worker,
            "Hints",
            "A member's worker may put nothing else on the bus.",
        ),
    ];
    for (by, title, words) in parts {
        let _ = write!(page, "\n## {title}\n\n{words}\n");
        for kind in kinds.iter().filter(|kind| kind.by == by) {
            let _ = write!(
                page,
                "\n### {}\n\n[Schema](schemas/events/{}.json). When: {}.\n\n| field | type | what |\n|---|---|---|\n",
                kind.detail_type,
                kind.file(),
                kind.when
            );
            for row in rows(kind.schema.as_value()) {
                page.push_str(&row);
            }
        }
    }
    page
}

/// One row for each field of the detail, in the order of its type.
fn rows(schema: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let fields = properties.unwrap_or(&empty).iter();
    fields
        .map(|(name, field)| {
            let optional = if is_required(name) { "" } else { ", optional" };
            let words = described(schema, field);
            format!(
                "| `{name}` | {}{optional} | {words} |\n",
                kind_of(schema, field)
            )
        })
        .collect()
}

/// The description of a field, or of its type.
fn described(root: &Value, field: &Value) -> String {
    let own = field.get("description").and_then(Value::as_str);
    let of_type = || {
        resolved(root, field)
            .get("description")
            .and_then(Value::as_str)
    };
    let words = own.or_else(of_type).unwrap_or_default();
    words.replace('\n', " ").replace('|', "\\|")
}

/// Resolves a reference of a field.
fn resolved<'a>(root: &'a Value, field: &'a Value) -> &'a Value {
    let path = field.get("$ref").and_then(Value::as_str);
    let found = path.and_then(|path| root.pointer(path.trim_start_matches('#')));
    found.unwrap_or(field)
}

fn kind_of(root: &Value, field: &Value) -> String {
    let field = resolved(root, field);
    let alternatives = ["anyOf", "oneOf"];
    let mut alternatives = alternatives
        .iter()
        .filter_map(|name| field.get(name)?.as_array());
    if let Some(all) = alternatives.next() {
        let values: Vec<_> = all.iter().filter_map(|one| one.get("const")).collect();
        if values.len() == all.len() {
            return list_of(values);
        }
        let some = all
            .iter()
            .find(|one| one.get("type").is_none_or(|kind| kind != "null"));
        return some.map_or_else(String::new, |one| format!("{} or null", kind_of(root, one)));
    }
    if let Some(values) = field.get("enum").and_then(Value::as_array) {
        return list_of(values.iter().collect());
    }
    match field.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            let items = field.get("items").map(|items| kind_of(root, items));
            format!("list of {}", items.unwrap_or_default())
        }
        Some(Value::String(kind)) if kind == "object" => {
            let fields = field.get("properties").and_then(Value::as_object);
            let names = fields.into_iter().flatten();
            let names: Vec<_> = names.map(|(name, _)| format!("`{name}`")).collect();
            format!("object: {}", names.join(", "))
        }
        Some(Value::String(kind)) => {
            let format = field.get("format").and_then(Value::as_str);
            if format == Some("date-time") {
                "time".to_owned()
            } else {
                kind.clone()
            }
        }
        Some(Value::Array(kinds)) => {
            let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => String::new(),
    }
}

fn list_of(values: Vec<&Value>) -> String {
    let words: Vec<_> = values
        .into_iter()
        .filter_map(Value::as_str)
        .map(|value| format!("`{value}`"))
        .collect();
    words.join(", ")
}
