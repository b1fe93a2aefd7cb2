//! Holds what the command prints against docs/schemas. Readers are to take fields that they do not know;
//! here a field that the schema does not know is a mistake.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::{Map, Value};

/// What the references from one file to another are relative to.
const BASE: &str = "https://schemas.invalid/";

/// The schemas, by their paths without `.json`: `config-show`, `events/held`. They allow no unknown fields.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let mut schemas = BTreeMap::new();
    for within in ["", "events/"] {
        for file in std::fs::read_dir(folder().join(within)).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let schema: Value =
                    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                let name = path.file_stem().unwrap().to_str().unwrap();
                schemas.insert(format!("{within}{name}"), schema);
            }
        }
    }
    let definitions = |schema: &Value| schema.get("$defs").and_then(Value::as_object).cloned();
    let shared = definitions(&schemas["common"]).unwrap();
    // Wherever one of them is taken in, it refers to the others.
    let shared = serde_json::to_string(&shared).unwrap();
    let shared = shared.replace("\"#/$defs/", &format!("\"{BASE}common.json#/$defs/"));
    let shared: Map<String, Value> = serde_json::from_str(&shared).unwrap();
    for schema in schemas.values_mut() {
        let mut known = shared.clone();
        known.extend(definitions(schema).into_iter().flatten());
        close(schema, &known, false);
    }
    schemas
});

static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let schemas = SCHEMAS.iter();
    let schemas = schemas.map(|(name, schema)| (format!("{BASE}{name}.json"), schema));
    Registry::new().extend(schemas).unwrap().prepare().unwrap()
});

static VALIDATORS: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
    let schemas = SCHEMAS.iter();
    let validators = schemas.map(|(name, schema)| {
        let options = jsonschema::options()
            .should_validate_formats(true)
            .with_registry(&REGISTRY)
            .with_base_uri(format!("{BASE}{name}.json"));
        (name.as_str(), options.build(schema).unwrap())
    });
    validators.collect()
});

/// The schema of each command, as the page of the folder tells it.
static COMMANDS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let (command, rest) = line.strip_prefix("| `")?.split_once("` | [")?;
        let (file, _) = rest.split_once(".json]")?;
        Some((command.to_owned(), file.to_owned()))
    });
    rows.collect()
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
    // Where the command begins among the arguments, if all of it is there.
    let begin = |command: &str| {
        let mut words = command.split(' ');
        let first = words.next().unwrap_or_default();
        let begin = arguments.iter().position(|argument| argument == first)?;
        let mut rest = arguments.iter().skip(begin + 1);
        words
            .all(|word| rest.any(|argument| argument == word))
            .then_some(begin)
    };
    let named = COMMANDS.iter();
    let named = named.filter_map(|(command, file)| Some((begin(command)?, command, file)));
    // `deploy member` before the `member bootstrap` of its option, `history --export` before `history`.
    match named.min_by_key(|(begin, command, _)| (*begin, Reverse(command.len()))) {
        Some((.., file)) => of(file, value),
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

/// Allows no property but those that are named. `is_part` is true of a part of an object that has others.
fn close(schema: &mut Value, definitions: &Map<String, Value>, is_part: bool) {
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
fn take_in(fields: &mut Map<String, Value>, definitions: &Map<String, Value>) {
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
            // A definition may require nothing.
            (_, Value::Null) => {}
            other => panic!("{key} of {name}: {other:?}"),
        }
    }
    fields.remove("$ref");
}
