//! What of the history is asked for.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::wire::Scope;

use super::told::Told;

/// What of the history is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) product: Option<ProductId>,
    pub(super) scope: Scope,
    pub(super) since: Option<Timestamp>,
    /// A part of the requester's name, in lower case.
    pub(super) by: Option<String>,
}

impl Filter {
    /// True if everything is asked for.
    pub(super) fn is_everything(&self) -> bool {
        self.product.is_none()
            && self.scope.is_everything()
            && self.since.is_none()
            && self.by.is_none()
    }

    /// True if the event is asked for.
    pub(super) fn takes(&self, told: &Told) -> bool {
        let is_by = self.by.as_ref().is_none_or(|wanted| {
            let by = told.by.as_ref().map(|by| by.to_lowercase());
            by.is_some_and(|by| by.contains(wanted))
        });
        is_by && self.takes_of_anybody(told)
    }

    /// True if the event is asked for, whoever it is by.
    pub(super) fn takes_of_anybody(&self, told: &Told) -> bool {
        let is_of_product = self
            .product
            .as_ref()
            .is_none_or(|product| told.products.iter().any(|of| of.product == *product));
        let is_since = self.since.is_none_or(|since| told.at >= since);
        is_of_product && is_since && self.is_in_scope(told)
    }

    /// An edit of a management list concerns every member.
    fn is_in_scope(&self, told: &Told) -> bool {
        if self.scope.is_everything() {
            return true;
        }
        match (&told.member, &told.experience, &told.scope) {
            (Some(member), Some(experience), _) => self.scope.covers(member, experience),
            (Some(member), None, _) => self.scope.is_about(member),
            (None, _, Some(scope)) => {
                scope.is_everything()
                    || scope
                        .members
                        .iter()
                        .any(|member| self.scope.is_about(member))
                    || scope
                        .experiences
                        .iter()
                        .any(|experience| self.scope.experiences.contains(experience))
            }
            (None, _, None) => false,
        }
    }
}
