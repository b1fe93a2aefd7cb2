//! Output about experiences, and the text before one is enabled.

use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::experience::{Audience, Experience, Status};
use pmp_sync_domain::ids::ExperienceId;
use schemars::JsonSchema;
use serde::Serialize;

use super::named::read;
use crate::failure::Failure;
use crate::output;

/// The current state of an experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ExperienceView {
    /// Its id.
    pub(crate) experience: ExperienceId,
    /// Its name.
    pub(crate) name: String,
    /// `Enabled` or `Disabled`, in the words of the service.
    pub(crate) status: String,
    /// True when it is archived.
    pub(crate) archived: bool,
    /// Number of products that its policy allows. None without a policy.
    pub(crate) allowed: Option<usize>,
    /// Number of products that its policy denies. None without a policy.
    pub(crate) denied: Option<usize>,
    /// The principals in its audience.
    pub(crate) principals: Vec<String>,
}

/// The result of a command.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExperienceChange {
    /// False if everything was as wanted already.
    pub(crate) changed: bool,
    /// The experience after the command.
    #[serde(flatten)]
    pub(crate) now: ExperienceView,
}

/// The experiences of an account.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExperienceList {
    /// All experiences, ordered by id.
    pub(crate) experiences: Vec<ExperienceView>,
}

/// Reads an experience.
pub(crate) async fn look(
    catalog: &CatalogAdmin,
    id: &ExperienceId,
    audiences: &[Audience],
) -> Result<ExperienceView, Failure> {
    let experience = read(catalog, id).await?;
    let policy = match &experience.policy {
        Some(policy) => Some(catalog.policy(policy).await?),
        None => None,
    };
    let own = audiences.iter().filter(|one| one.experience == *id);
    let principals = own.flat_map(|audience| audience.principals.iter().cloned());
    Ok(ExperienceView {
        status: status(&experience).to_owned(),
        experience: experience.id,
        name: experience.name,
        archived: experience.archived,
        allowed: policy.as_ref().map(|policy| policy.allowed().len()),
        denied: policy.as_ref().map(|policy| policy.denied().len()),
        principals: principals.collect(),
    })
}

fn status(experience: &Experience) -> &str {
    match &experience.status {
        Status::Enabled => "Enabled",
        Status::Disabled => "Disabled",
        Status::Other(other) => other,
    }
}

impl ExperienceView {
    pub(crate) fn row(&self) -> Vec<String> {
        let number = |count: Option<usize>| {
            count.map_or_else(|| "no policy".to_owned(), |count| count.to_string())
        };
        let state = if self.archived {
            "archived"
        } else {
            &self.status
        };
        vec![
            self.experience.to_string(),
            self.name.clone(),
            state.to_lowercase(),
            number(self.allowed),
            number(self.denied),
            match self.principals.as_slice() {
                [] => "nobody".to_owned(),
                some => some.join(", "),
            },
        ]
    }

    /// What it means for its audience if it is enabled.
    pub(crate) fn consequences(&self) -> String {
        let id = &self.experience;
        let whom = match self.principals.as_slice() {
            [] => "nobody yet: its audience is empty, and everybody who comes into it".to_owned(),
            some => format!("every account in {}", some.join(", ")),
        };
        let what = match self.allowed {
            None => "WARNING: IT HAS NO PROCUREMENT POLICY. Everything stays procurable; the first policy that it gets while it is enabled takes away everything that is not on it at once.".to_owned(),
            Some(0) => "WARNING: ITS LIST IS EMPTY. From then on NOBODY in its audience can subscribe to ANY product of AWS Marketplace, until products are allowed.".to_owned(),
            Some(allowed) => format!(
                "From then on only the {} on its list can be subscribed to; nobody in its audience can subscribe to anything else.",
                output::count(allowed, "product")
            ),
        };
        format!(
            "{id} ({}) will govern {whom}.\n{what}\nWhat is subscribed to already keeps running, but a new or changed subscription needs a product that is allowed.",
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(allowed: Option<usize>, principals: &[&str]) -> ExperienceView {
        ExperienceView {
            experience: "exp-1".parse().unwrap(),
            name: "Ours".to_owned(),
            status: "Disabled".to_owned(),
            archived: false,
            allowed,
            denied: allowed,
            principals: principals.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn enabling_is_told_by_what_it_takes_away() {
        for (allowed, part) in [
            (None, "NO PROCUREMENT POLICY"),
            (Some(0), "LIST IS EMPTY"),
            (Some(1), "only the 1 product on its list"),
            (Some(7), "only the 7 products on its list"),
        ] {
            let told = view(allowed, &["o-1", "222222222222"]).consequences();
            assert!(told.contains(part), "{told}");
            assert!(
                told.contains("every account in o-1, 222222222222"),
                "{told}"
            );
        }
        let told = view(Some(1), &[]).consequences();
        assert!(told.contains("nobody yet"), "{told}");
    }
}
