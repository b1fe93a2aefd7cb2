//! Holds what the command prints against docs/schemas. Readers are to take fields that they do not know;
//! here a field that the schema does not know is a mistake.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

/// The validators, by the names of their files: `config-show`.
static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let files = std::fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    // Those of the events are in a folder of their own.
    let read = files.filter(|path| path.is_file()).map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, validator(&schema))
    });
    read.collect()
});

/// Where the schemas are.
pub(crate) fn folder() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap().join("docs/schemas")
}

/// Why a value is not what a command with these arguments prints, if it is not.
pub(crate) fn complaint(arguments: &[String], value: &Value) -> Option<String> {
    if value.get("error").is_some() {
        return of("error", value);
    }
    let is_word = |argument: &String, word: &str| argument.trim_start_matches("--") == word;
    // Where the name begins among the arguments, if all of it is there.
    let begin = |name: &str| {
        let mut words = name.split('-');
        let first = words.next().unwrap_or_default();
        let begin = arguments.iter().position(|one| is_word(one, first))?;
        let mut rest = arguments.iter().skip(begin + 1);
        words
            .all(|word| rest.any(|argument| is_word(argument, word)))
            .then_some(begin)
    };
    let named = VALIDATORS
        .keys()
        .filter_map(|name| Some((begin(name)?, name)));
    // `deploy member` before the `member bootstrap` of its option, `history --export` before `history`.
    match named.min_by_key(|(begin, name)| (*begin, Reverse(name.len()))) {
        Some((_, name)) => of(name, value),
        None => Some(format!("{arguments:?} has no schema in docs/schemas")),
    }
}

/// Why a value is not valid by the schema of that name.
pub(crate) fn of(name: &str, value: &Value) -> Option<String> {
    let Some(validator) = VALIDATORS.get(name) else {
        return Some(format!("there is no docs/schemas/{name}.json"));
    };
    let told = validator.iter_errors(value).map(|error| {
        let place = error.instance_path().to_string();
        format!("{place}: {error}")
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| format!("by docs/schemas/{name}.json: {}", told.join("; ")))
}

fn validator(schema: &Value) -> Validator {
    let mut closed = schema.clone();
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    close(&mut closed, &definitions, false);
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&closed).unwrap()
}

/// Allows no property but those that are named. `is_part` is true of a part of an object that has others.
fn close(schema: &mut Value, definitions: &Value, is_part: bool) {
    let Value::Object(fields) = schema else {
        return;
    };
    take_in(fields, definitions);
    let is_object = fields.contains_key("properties");
    let has_parts = ["oneOf", "anyOf", "allOf"]
        .iter()
        .any(|key| fields.contains_key(*key));
    if is_object && !is_part {
        let key = if has_parts {
            "unevaluatedProperties"
        } else {
            "additionalProperties"
        };
        fields.entry(key).or_insert(false.into());
    }
    for (key, value) in fields.iter_mut() {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => {
                for value in named.values_mut() {
                    close(value, definitions, false);
                }
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(parts)) => {
                for part in parts {
                    close(part, definitions, is_object || is_part);
                }
            }
            ("prefixItems", Value::Array(parts)) => {
                for part in parts {
                    close(part, definitions, false);
                }
            }
            ("items" | "additionalProperties", value) => close(value, definitions, false),
            _ => {}
        }
    }
}

/// Takes the properties of a definition in of which this is more than a reference to it.
fn take_in(fields: &mut Map<String, Value>, definitions: &Value) {
    let Some(reference) = fields.get("$ref").and_then(Value::as_str) else {
        return;
    };
    if !fields.contains_key("properties") {
        return;
    }
    let name = reference.rsplit('/').next().unwrap().to_owned();
    let definition = definitions[&name].clone();
    for key in ["properties", "required"] {
        match (fields.get_mut(key), definition[key].clone()) {
            (Some(Value::Object(all)), Value::Object(more)) => all.extend(more),
            (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
            other => panic!("{key} of {name}: {other:?}"),
        }
    }
    fields.remove("$ref");
}
