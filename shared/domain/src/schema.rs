//! Parts of JSON Schemas that no derive can generate.

use std::borrow::Cow;

use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The schema of a text with a pattern.
pub(crate) fn text(description: &str, pattern: &str) -> Schema {
    json_schema!({ "type": "string", "description": description, "pattern": pattern })
}

/// Removes what only concerns Rust: widths of numbers, and defaults that mean "absent".
pub fn tidy(schema: &mut Schema) {
    let is_number = schema.get("format").and_then(|format| format.as_str());
    if is_number.is_some_and(|format| {
        format.trim_start_matches('u').starts_with("int") || format == "double"
    }) {
        schema.remove("format");
    }
    if schema
        .get("default")
        .is_some_and(serde_json::Value::is_null)
    {
        schema.remove("default");
    }
    transform_subschemas(&mut tidy, schema);
}

/// A point in time, written as RFC 3339 in UTC. For `#[schemars(with = "...")]`.
#[derive(Debug)]
pub enum Time {}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}
