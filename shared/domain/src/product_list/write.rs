//! A product list that can be read again, one product on a line.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::words;
use crate::ids::{ExperienceId, ProductId};
use crate::policy::Standing;

/// The lists of a management experience, as they are exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Export {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// The management experience.
    pub management_experience: ExperienceId,
    /// Its products, ordered by id.
    pub products: Vec<ExportedProduct>,
}

/// A product of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExportedProduct {
    /// The product.
    pub product_id: ProductId,
    /// Allowed or denied.
    pub standing: Standing,
    /// Its name, if it is known. It is not read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The note with which it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// A cell that a spreadsheet and [`super::read`] take as it is.
fn cell(text: &str) -> String {
    let text = words::note(text);
    let guard = if words::is_formula(&text) { "'" } else { "" };
    if text.contains([',', ';', '\t', '"']) || text.starts_with('#') {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// CSV with a header.
pub fn to_csv(export: &Export) -> String {
    let mut text = "product_id,standing,name,notes\n".to_owned();
    for product in &export.products {
        let name = product.name.as_deref().unwrap_or_default();
        let notes = product.notes.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "{},{},{},{}",
            cell(product.product_id.as_str()),
            product.standing,
            cell(name),
            cell(notes)
        );
    }
    text
}

/// JSON with one product on a line, so that a version control system shows what has changed.
pub fn to_json(export: &Export) -> Result<String, serde_json::Error> {
    let products = export.products.iter().map(serde_json::to_string);
    let products: Vec<_> = products.collect::<Result<_, _>>()?;
    let experience = serde_json::to_string(&export.management_experience)?;
    let lines = if products.is_empty() {
        "[]".to_owned()
    } else {
        format!("[\n    {}\n  ]", products.join(",\n    "))
    };
    Ok(format!(
        "{{\n  \"schema\": {},\n  \"management_experience\": {experience},\n  \"products\": {lines}\n}}\n",
        export.schema
    ))
}
