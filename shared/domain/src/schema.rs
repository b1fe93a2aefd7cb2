//! Parts of the JSON Schemas of what is printed and configured that no derive can make.

use std::borrow::Cow;

use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Text of a form.
pub(crate) fn text(description: &str, pattern: &str) -> Schema {
    json_schema!({ "type": "string", "description": description, "pattern": pattern })
}

/// Takes out what only Rust knows: the widths of numbers, and defaults that stand for nothing.
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

/// A moment, as it is written: RFC 3339, in UTC. For `#[schemars(with = "...")]`.
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
