//! Products for tests and the demo: real ids first, then any number of made-up ones.

use sha2::{Digest as _, Sha256};

const REAL: &str = include_str!("../data/products.csv");

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// As AWS Marketplace assigns it, or made up.
    pub id: String,
    /// As shown in AWS Marketplace, or made up.
    pub title: String,
}

/// The products whose ids are real.
pub fn real() -> impl Iterator<Item = Product> {
    REAL.lines().skip(1).filter_map(|line| {
        let (id, title) = line.split_once(',')?;
        Some(Product {
            id: id.to_owned(),
            title: title.trim_matches('"').to_owned(),
        })
    })
}

/// The first `count` products, the same at every call.
pub fn some(count: usize) -> Vec<Product> {
    let made = (1_u32..).map(|number| {
        let hash = Sha256::digest(format!("pmp-sync product {number}"));
        let id: String = hash
            .iter()
            .take(13)
            .map(|byte| char::from_digit(u32::from(byte % 36), 36).unwrap_or('0'))
            .collect();
        Product {
            id: format!("prod-{id}"),
            title: format!("Example product {number}"),
        }
    });
    real().chain(made).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_as_many_as_asked_for_and_each_is_another() {
        let ids: BTreeSet<_> = some(700).into_iter().map(|product| product.id).collect();
        assert_eq!(ids.len(), 700);
        assert!(real().count() >= 30);
    }
}
