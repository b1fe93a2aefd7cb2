//! What AWS Marketplace says of a product in words: its name, who makes it, what it is for. It is text of
//! others, so it is cleaned and cut where it arrives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ProductId;
use crate::text::{beginning, one_line};

/// The longest name and manufacturer that are kept, in bytes.
pub const LONGEST_NAME: usize = 200;
/// The longest short description that is kept, in bytes.
pub const LONGEST_DESCRIPTION: usize = 400;
/// The longest category that is kept, in bytes.
const LONGEST_CATEGORY: usize = 60;
/// The most categories that are kept.
pub const MOST_CATEGORIES: usize = 5;
/// The longest listing id that is kept, in bytes: the API's own bound.
const LONGEST_LISTING: usize = 255;

/// The words of a product, with bounded lengths and without control characters. A field that AWS
/// Marketplace leaves empty is empty here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductDetails {
    /// The name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manufacturer: String,
    /// Its categories, five at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// One to three sentences about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The id of its public page (`prodview-…`), which is not the id of the product.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub listing: String,
}

impl ProductDetails {
    /// The details as they are kept: one line each, cut to their bounds.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let categories = self.categories.into_iter();
        Self {
            name: clean(&self.name, LONGEST_NAME),
            manufacturer: clean(&self.manufacturer, LONGEST_NAME),
            categories: categories
                .map(|category| clean(&category, LONGEST_CATEGORY))
                .filter(|category| !category.is_empty())
                .take(MOST_CATEGORIES)
                .collect(),
            description: clean(&self.description, LONGEST_DESCRIPTION),
            listing: clean(&self.listing, LONGEST_LISTING),
        }
    }
}

/// A text in one line, without white space at its ends or twice in a row, and cut.
fn clean(text: &str, most: usize) -> String {
    // The cut is first, so that a text of any length costs little.
    let words = one_line(beginning(text, most * 4));
    let words: Vec<_> = words.split_whitespace().collect();
    beginning(&words.join(" "), most).trim_end().to_owned()
}

/// The names of products, by id. A product whose name is not known is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Names(BTreeMap<ProductId, String>);

impl Names {
    /// The name of a product, if it is known.
    pub fn of(&self, product: &ProductId) -> Option<&str> {
        self.0.get(product).map(String::as_str)
    }

    /// Adds the names of products that have none yet.
    pub fn complete(&mut self, names: impl IntoIterator<Item = (ProductId, String)>) {
        for (product, name) in names {
            self.0.entry(product).or_insert(name);
        }
    }

    /// A product with its name after it, or alone.
    pub fn label(&self, product: &ProductId) -> String {
        match self.of(product) {
            Some(name) => format!("{product} ({name})"),
            None => product.to_string(),
        }
    }

    /// The names of some of the products.
    #[must_use]
    pub fn only<'a>(&self, products: impl IntoIterator<Item = &'a ProductId>) -> Self {
        let products = products.into_iter();
        let named = products.filter_map(|of| Some((of.clone(), self.0.get(of)?.clone())));
        named.collect()
    }

    /// The product ids with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&ProductId, &str)> {
        self.0
            .iter()
            .map(|(product, name)| (product, name.as_str()))
    }

    /// True if no name is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ProductId, String)> for Names {
    fn from_iter<I: IntoIterator<Item = (ProductId, String)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.filter(|(_, name)| !name.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_cleaned_and_cut_where_it_arrives() {
        let raw = ProductDetails {
            name: "  Mongo\u{1b}[2JDB\n Atlas\u{202e} ".to_owned(),
            manufacturer: "é".repeat(5_000),
            categories: ["", "\u{7}", "Databases"]
                .into_iter()
                .chain(["more"; 40])
                .map(ToOwned::to_owned)
                .collect(),
            description: "word ".repeat(100_000),
            listing: "prodview-abc".to_owned(),
        };
        let kept = raw.cleaned();
        assert_eq!(kept.name, "Mongo [2JDB Atlas");
        assert_eq!(kept.manufacturer, "é".repeat(LONGEST_NAME / 2));
        assert_eq!(kept.categories.len(), MOST_CATEGORIES);
        assert_eq!(kept.categories[0], "Databases");
        assert!(kept.description.len() <= LONGEST_DESCRIPTION);
        assert!(kept.description.ends_with("word"));
        assert_eq!(kept.listing, "prodview-abc");
        assert_eq!(kept.clone().cleaned(), kept);
        // White space is taken out before the text is cut to its bound.
        let wide = ProductDetails {
            name: format!("a{}b", " ".repeat(3 * LONGEST_NAME)),
            ..ProductDetails::default()
        };
        assert_eq!(wide.cleaned().name, "a b");
    }

    #[test]
    fn a_label_has_the_name_if_it_is_known() {
        let id = |text: &str| ProductId::new(text).unwrap();
        let names: Names = [
            (id("prod-a"), "MongoDB Atlas".to_owned()),
            (id("prod-b"), String::new()),
        ]
        .into_iter()
        .collect();
        assert_eq!(names.label(&id("prod-a")), "prod-a (MongoDB Atlas)");
        assert_eq!(names.label(&id("prod-b")), "prod-b");
        assert_eq!(names.label(&id("prod-c")), "prod-c");
    }

    #[test]
    fn names_are_completed_and_chosen_and_the_first_of_a_product_stays() {
        let id = |text: &str| ProductId::new(text).unwrap();
        let names = |of: &[(&str, &str)]| -> Names {
            let pairs = of.iter();
            pairs
                .map(|(product, name)| (id(product), (*name).to_owned()))
                .collect()
        };
        let mut all = Names::default();
        assert!(all.is_empty());
        all.complete([(id("prod-a"), "Atlas".to_owned())]);
        assert!(!all.is_empty());
        all.complete([
            (id("prod-a"), "another".to_owned()),
            (id("prod-b"), "Base".to_owned()),
        ]);
        assert_eq!(all, names(&[("prod-a", "Atlas"), ("prod-b", "Base")]));
        let some = all.only(&[id("prod-b"), id("prod-c")]);
        assert_eq!(some, names(&[("prod-b", "Base")]));
    }
}
