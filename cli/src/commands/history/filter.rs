//! What of the history is asked for.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{ExperienceId, MemberName, ProductId};
use pmp_sync_domain::wire::Scope;

use super::told::Told;

/// What of the history is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) product: Option<ProductId>,
    pub(super) scope: Scope,
    /// The member experiences of the scope that were ever planned for. Empty if the scope is everything.
    pub(super) lanes: Vec<(MemberName, ExperienceId)>,
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

    /// Leaves of the products of an event the one that is asked for.
    pub(super) fn narrow(&self, told: &mut Told) {
        if let Some(product) = &self.product {
            told.products.retain(|of| of.product == *product);
            told.unnamed = (0, 0);
        }
    }

    /// An edit of a management list concerns every member.
    fn is_in_scope(&self, told: &Told) -> bool {
        if self.scope.is_everything() {
            return true;
        }
        match (&told.member, &told.experience, &told.scope) {
            (Some(member), Some(experience), _) => self.scope.covers(member, experience),
            (Some(member), None, _) => self.is_about(member),
            (None, _, Some(scope)) => self.is_touched_by(scope),
            (None, _, None) => false,
        }
    }

    /// True if the member, or an experience of it, is asked for.
    pub(super) fn is_about(&self, member: &MemberName) -> bool {
        self.scope.is_about(member) || self.lanes.iter().any(|(of, _)| of == member)
    }

    /// A suspension is of members with all their experiences, and of experiences whatever member they are of.
    fn is_touched_by(&self, scope: &Scope) -> bool {
        let mut lanes = self.lanes.iter();
        let is_named = |(member, experience): &(MemberName, ExperienceId)| {
            scope.members.contains(member) || scope.experiences.contains(experience)
        };
        // What was never planned for has no lane.
        let mut members = scope.members.iter();
        let mut experiences = scope.experiences.iter();
        scope.is_everything()
            || lanes.any(is_named)
            || members.any(|member| self.scope.is_about(member))
            || self.scope.members.is_empty()
                && experiences.any(|experience| self.scope.experiences.contains(experience))
    }
}
