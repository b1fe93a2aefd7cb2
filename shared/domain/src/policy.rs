//! The product lists of a procurement policy.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::closed_list::closed_list;
use crate::ids::ProductId;

/// What a change does to one product. The service has no third verb: there is no un-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Make the product procurable.
    Allow,
    /// Make the product unprocurable.
    Deny,
}

closed_list!(Action, "action", {
    Allow => "allow",
    Deny => "deny",
});

impl Action {
    /// The standing of a product after this change.
    pub fn outcome(self) -> Standing {
        match self {
            Self::Allow => Standing::Allowed,
            Self::Deny => Standing::Denied,
        }
    }

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Allow => Self::Deny,
            Self::Deny => Self::Allow,
        }
    }
}

/// The standing of a product in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is on the Allow list and not on the Deny list.
    Allowed,
    /// It is on the Deny list.
    Denied,
    /// It is on neither list: not procurable while the experience is Enabled.
    Unlisted,
}

closed_list!(Standing, "standing", {
    Allowed => "allowed",
    Denied => "denied",
    Unlisted => "unlisted",
});

/// What applies to a product that one management experience of a link allows and another denies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Conflict {
    /// The product is denied.
    #[default]
    Deny,
    /// The product is allowed.
    Allow,
}

closed_list!(Conflict, "conflict rule", {
    Deny => "deny",
    Allow => "allow",
});

impl Conflict {
    /// The standing that applies.
    pub fn outcome(self) -> Standing {
        match self {
            Self::Deny => Standing::Denied,
            Self::Allow => Standing::Allowed,
        }
    }

    /// True for the rule of a link that sets none.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Allow or deny of one product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProductChange {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Allow or deny.
    pub action: Action,
}

/// The lists of a procurement policy. Every product is on one list only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySnapshot {
    allowed: BTreeSet<ProductId>,
    denied: BTreeSet<ProductId>,
    contradictory: BTreeSet<ProductId>,
    /// Listed texts that are no valid product ids. They are counted, and never changed.
    invalid: BTreeMap<String, Standing>,
}

/// A policy document cannot be understood. Nothing is planned from it.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not JSON in the documented shape.
    #[error("the policy document is not of the documented shape: {0}")]
    Shape(#[from] serde_json::Error),
    /// A statement has an effect that is neither Allow nor Deny.
    #[error("the policy document has a statement with the effect {0:?}; Allow and Deny are known")]
    Effect(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    #[serde(default)]
    ids: Vec<Value>,
    /// Of any type, because nothing depends on it.
    #[serde(default)]
    notes: Value,
}

/// The notes of products in the details of a `ProcurementPolicy@1.0` entity. Of several the last one
/// counts. None if the details cannot be understood.
pub fn notes(details: &str) -> BTreeMap<ProductId, String> {
    let Ok(document) = serde_json::from_str::<Document>(details) else {
        return BTreeMap::new();
    };
    let statements = document.statements.into_iter();
    let resources = statements.flat_map(|statement| statement.resources);
    let noted = resources.filter_map(|resource| {
        let notes = resource.notes.as_str().map(str::to_owned)?;
        (resource.r#type == "Product" && !notes.is_empty()).then_some((resource.ids, notes))
    });
    noted
        .flat_map(|(ids, notes)| {
            let ids = ids.into_iter();
            let products = ids.filter_map(|id| ProductId::new(id.as_str()?).ok());
            products
                .map(move |product| (product, notes.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}

impl PolicySnapshot {
    /// Creates a snapshot of two lists. A product on both lists counts as denied.
    pub fn new(
        allowed: impl IntoIterator<Item = ProductId>,
        denied: impl IntoIterator<Item = ProductId>,
    ) -> Self {
        let mut allowed: BTreeSet<_> = allowed.into_iter().collect();
        let denied: BTreeSet<_> = denied.into_iter().collect();
        let contradictory: BTreeSet<_> = allowed.intersection(&denied).cloned().collect();
        allowed.retain(|product| !contradictory.contains(product));
        Self {
            allowed,
            denied,
            contradictory,
            invalid: BTreeMap::new(),
        }
    }

    /// The lists of several policies as one: each product that any of them lists is listed. What one
    /// allows and another denies stands as `conflict` says. The order makes no difference.
    pub fn union<'a>(policies: impl IntoIterator<Item = &'a Self>, conflict: Conflict) -> Self {
        let mut all = Self::default();
        let Self {
            allowed,
            denied,
            contradictory,
            invalid,
        } = &mut all;
        for policy in policies {
            allowed.extend(policy.allowed.iter().cloned());
            denied.extend(policy.denied.iter().cloned());
            contradictory.extend(policy.contradictory.iter().cloned());
            for (text, standing) in &policy.invalid {
                let known = invalid.entry(text.clone()).or_insert(*standing);
                if *standing == conflict.outcome() {
                    *known = *standing;
                }
            }
        }
        match conflict {
            Conflict::Deny => allowed.retain(|product| !denied.contains(product)),
            Conflict::Allow => denied.retain(|product| !allowed.contains(product)),
        }
        contradictory.retain(|product| denied.contains(product));
        all
    }

    /// Parses the details of a `ProcurementPolicy@1.0` entity: statements in any order, each with
    /// any number of resources with any number of ids. Resources of other types than `Product` are
    /// ignored. Ids that are not valid are kept apart.
    pub fn from_details(details: &str) -> Result<Self, PolicyError> {
        let document: Document = serde_json::from_str(details)?;
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        let mut invalid = BTreeMap::new();
        for statement in document.statements {
            let (list, standing) = match statement.effect.as_str() {
                "Allow" => (&mut allowed, Standing::Allowed),
                "Deny" => (&mut denied, Standing::Denied),
                _ => return Err(PolicyError::Effect(statement.effect)),
            };
            let products = statement.resources.into_iter();
            let products = products.filter(|resource| resource.r#type == "Product");
            for id in products.flat_map(|resource| resource.ids) {
                let text = match id {
                    Value::String(text) => match ProductId::new(text.as_str()) {
                        Ok(product) => {
                            list.push(product);
                            continue;
                        }
                        Err(_) => text,
                    },
                    other => other.to_string(),
                };
                // As for every product, the denial counts.
                let known = invalid.entry(text).or_insert(standing);
                if standing == Standing::Denied {
                    *known = standing;
                }
            }
        }
        Ok(Self {
            invalid,
            ..Self::new(allowed, denied)
        })
    }

    /// Listed texts that are no valid product ids, with their standings.
    pub fn invalid(&self) -> &BTreeMap<String, Standing> {
        &self.invalid
    }

    /// The standing of a text that is no valid product id.
    pub fn invalid_standing(&self, text: &str) -> Standing {
        let standing = self.invalid.get(text).copied();
        standing.unwrap_or(Standing::Unlisted)
    }

    /// Number of products that it allows, including those whose ids are not valid.
    pub fn allowed_count(&self) -> usize {
        let allowed = |standing: &&Standing| **standing == Standing::Allowed;
        self.allowed.len() + self.invalid.values().filter(allowed).count()
    }

    /// The procurable products.
    pub fn allowed(&self) -> &BTreeSet<ProductId> {
        &self.allowed
    }

    /// The denied products, including those on both lists.
    pub fn denied(&self) -> &BTreeSet<ProductId> {
        &self.denied
    }

    /// The products that the document both allows and denies.
    pub fn contradictory(&self) -> &BTreeSet<ProductId> {
        &self.contradictory
    }

    /// True if no product is listed.
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty() && self.invalid.is_empty()
    }

    /// The standing of a product.
    pub fn standing(&self, product: &ProductId) -> Standing {
        if self.denied.contains(product) {
            Standing::Denied
        } else if self.allowed.contains(product) {
            Standing::Allowed
        } else {
            Standing::Unlisted
        }
    }

    /// The policy after `changes` are applied.
    #[must_use]
    pub fn overlaid<'a>(&self, changes: impl IntoIterator<Item = (&'a ProductId, Action)>) -> Self {
        let mut after = self.clone();
        for (product, action) in changes {
            let (to, from) = match action {
                Action::Allow => (&mut after.allowed, &mut after.denied),
                Action::Deny => (&mut after.denied, &mut after.allowed),
            };
            from.remove(product);
            to.insert(product.clone());
            after.contradictory.remove(product);
        }
        after
    }

    /// Every listed product with its standing, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (&ProductId, Standing)> {
        let all: BTreeMap<_, _> = self
            .allowed
            .iter()
            .map(|product| (product, Standing::Allowed))
            .chain(
                self.denied
                    .iter()
                    .map(|product| (product, Standing::Denied)),
            )
            .collect();
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> ProductId {
        ProductId::new(text).unwrap()
    }

    #[test]
    fn statements_in_any_order_with_any_number_of_resources_are_flattened() {
        let snapshot = PolicySnapshot::from_details(
            r#"{"Name":"n","Statements":[
                {"Effect":"Deny","Resources":[{"Type":"Product","Ids":["d1"]},{"Type":"Product","Ids":["d2","d3"],"Notes":"x"}]},
                {"Effect":"Allow","Resources":[{"Type":"Product","Ids":["a1","a2"]}]},
                {"Effect":"Allow","Resources":[{"Type":"Product","Ids":["a3"]},{"Type":"Vendor","Ids":["v"]}]},
                {"Effect":"Deny","Resources":[]}],
               "Configuration":{"PolicyResourceRequests":"Allow"}}"#,
        )
        .unwrap();
        assert_eq!(
            snapshot,
            PolicySnapshot::new([p("a1"), p("a2"), p("a3")], [p("d1"), p("d2"), p("d3")])
        );
    }

    #[test]
    fn the_notes_of_products_are_read_from_their_resources() {
        let found = notes(
            r#"{"Statements":[
                {"Effect":"Deny","Resources":[{"Type":"Product","Ids":["d1","d2"],"Notes":"dear"},{"Type":"Vendor","Ids":["v"],"Notes":"x"}]},
                {"Effect":"Allow","Resources":[{"Type":"Product","Ids":["a1", 7],"Notes":"ours"},{"Type":"Product","Ids":["a2"]},{"Type":"Product","Ids":["a3"],"Notes":null}]}]}"#,
        );
        let expected = [("a1", "ours"), ("d1", "dear"), ("d2", "dear")];
        let expected = expected.map(|(product, note)| (p(product), note.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
        assert!(notes("{").is_empty());
    }

    #[test]
    fn a_product_on_both_lists_is_denied_and_reported() {
        let snapshot = PolicySnapshot::new([p("a"), p("x")], [p("x")]);
        assert_eq!(snapshot.standing(&p("x")), Standing::Denied);
        assert!(!snapshot.allowed().contains(&p("x")));
        assert_eq!(
            snapshot.contradictory().iter().collect::<Vec<_>>(),
            [&p("x")]
        );
    }

    #[test]
    fn a_policy_is_empty_if_neither_list_has_a_product() {
        assert!(PolicySnapshot::new([], []).is_empty());
        assert!(!PolicySnapshot::new([p("a")], []).is_empty());
        assert!(!PolicySnapshot::new([], [p("a")]).is_empty());
    }

    #[test]
    fn a_document_that_is_cut_off_or_has_another_effect_is_an_error() {
        assert!(matches!(
            PolicySnapshot::from_details(
                r#"{"Statements":[{"Effect":"Allow","Resources":[{"Type":"Prod"#
            ),
            Err(PolicyError::Shape(_))
        ));
        assert!(matches!(
            PolicySnapshot::from_details(r#"{"Statements":[{"Effect":"Maybe","Resources":[]}]}"#),
            Err(PolicyError::Effect(_))
        ));
    }

    #[test]
    fn ids_that_are_not_valid_are_kept_apart_and_counted() {
        let long = "x".repeat(51);
        let details = format!(
            r#"{{"Statements":[
                {{"Effect":"Allow","Resources":[{{"Type":"Product","Ids":["a", "", "a b", "a#b", "a\"b", "ü", "{long}", 7, null, "both"]}}]}},
                {{"Effect":"Deny","Resources":[{{"Type":"Product","Ids":["d", "d d", "a#b"]}}]}}]}}"#
        );
        let snapshot = PolicySnapshot::from_details(&details).unwrap();
        assert_eq!(snapshot.allowed().len(), 2);
        assert_eq!(snapshot.denied().len(), 1);
        assert_eq!(snapshot.invalid().len(), 9);
        assert_eq!(snapshot.allowed_count(), 2 + 7);
        assert!(!snapshot.is_empty());
        for (text, standing) in [
            ("a b", Standing::Allowed),
            ("7", Standing::Allowed),
            ("a#b", Standing::Denied),
            ("d d", Standing::Denied),
            ("a", Standing::Unlisted),
        ] {
            assert_eq!(snapshot.invalid_standing(text), standing, "{text}");
        }
    }

    #[test]
    fn an_overlay_moves_products_between_the_lists() {
        let after = PolicySnapshot::new([p("a"), p("b")], [p("c")]).overlaid([
            (&p("a"), Action::Deny),
            (&p("c"), Action::Allow),
            (&p("n"), Action::Allow),
        ]);
        assert_eq!(
            after,
            PolicySnapshot::new([p("b"), p("c"), p("n")], [p("a")])
        );
    }

    #[test]
    fn only_the_rule_of_a_link_that_sets_none_is_left_out() {
        let rules = Conflict::ALL.map(|rule| (rule, rule.is_default()));
        assert_eq!(rules, [(Conflict::Deny, true), (Conflict::Allow, false)]);
    }
}
