//! A member's list of allowed products, as a run last saw it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::SCHEMA;
use crate::ids::ProductId;
use crate::policy::PolicySnapshot;

/// The most products of a list that is kept: an item has at most 400 KB (DynamoDB quotas), and a number of the list takes 7 bytes.
pub const MOST_SEEN: usize = 30_000;

/// The allowed products of a member experience, as a run last saw them: the ledger's item of it. Without it, a product that
/// pmp-sync never changed would say nothing about who changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenList {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// When the observation began that saw it.
    pub at: Timestamp,
    /// The first four bytes of the SHA-256 of each product id, in their order. Of 10,000 products, one in 400,000 others is taken
    /// for one of them.
    pub products: Vec<u32>,
}

impl SeenList {
    /// The list at that time. None if it is too long to be kept.
    pub fn of(actual: &PolicySnapshot, at: Timestamp) -> Option<Self> {
        let allowed = actual.allowed();
        if allowed.len() > MOST_SEEN {
            return None;
        }
        let mut products: Vec<_> = allowed.iter().map(mark).collect();
        products.sort_unstable();
        Some(Self {
            schema: SCHEMA,
            at,
            products,
        })
    }

    /// True if the product was on the list.
    pub fn allows(&self, product: &ProductId) -> bool {
        self.products.binary_search(&mark(product)).is_ok()
    }

    /// What tells one list from another, without reading either.
    pub fn hash_of(actual: &PolicySnapshot) -> String {
        let mut hasher = Sha256::new();
        for product in actual.allowed() {
            hasher.update(product.as_str());
            hasher.update("\n");
        }
        let digest = hasher.finalize();
        digest.iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn mark(product: &ProductId) -> u32 {
    let digest = Sha256::digest(product.as_str());
    let mut bytes = [0; 4];
    bytes
        .iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    u32::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> ProductId {
        ProductId::new(text).unwrap()
    }

    #[test]
    fn a_list_knows_its_products_and_no_others() {
        let policy =
            PolicySnapshot::new((0..10_000).map(|number| p(&format!("prod-{number}"))), []);
        let list = SeenList::of(&policy, Timestamp::UNIX_EPOCH).unwrap();
        assert!((0..10_000).all(|number| list.allows(&p(&format!("prod-{number}")))));
        let others = (10_000..20_000).filter(|number| list.allows(&p(&format!("prod-{number}"))));
        assert_eq!(others.count(), 0);
    }

    #[test]
    fn the_longest_list_fits_into_an_item_and_a_longer_one_is_not_kept() {
        let of = |count: usize| {
            let policy =
                PolicySnapshot::new((0..count).map(|number| p(&format!("prod-{number}"))), []);
            SeenList::of(&policy, Timestamp::UNIX_EPOCH)
        };
        assert!(of(MOST_SEEN + 1).is_none());
        let longest = of(MOST_SEEN).unwrap();
        // As DynamoDB counts a number: a byte for two digits, one more, and one as an entry of a list.
        let size = longest
            .products
            .iter()
            .map(|number| number.to_string().len().div_ceil(2) + 2);
        assert!(size.sum::<usize>() < 400_000);
    }

    #[test]
    fn a_hash_is_of_what_is_allowed() {
        let one = PolicySnapshot::new([p("a")], [p("b")]);
        let same = PolicySnapshot::new([p("a")], []);
        let other = PolicySnapshot::new([p("b")], []);
        assert_eq!(SeenList::hash_of(&one), SeenList::hash_of(&same));
        assert_ne!(SeenList::hash_of(&one), SeenList::hash_of(&other));
        assert_eq!(SeenList::hash_of(&one).len(), 16);
    }
}
