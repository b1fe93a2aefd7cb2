//! Experiences by what people know of them: an id, a name, or a part of a name.

use std::fmt;
use std::str::FromStr;

use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::find_product::{is_part, is_same_name};
use pmp_sync_domain::ids::ExperienceId;
use pmp_sync_domain::suggest::{MOST, nearest};

use crate::failure::Failure;
use crate::output;

/// The longest text, in bytes: a name has at most 50 characters, and an id has at most 255.
const LONGEST: usize = 255;
/// The beginning of every id.
const ID: &str = "exp-";
/// The most experiences that a message lists.
const MOST_LISTED: usize = 20;
const REMEDY: &str = "`pmp-sync experience list` lists those of the account, with their names";

/// An experience as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExperienceName {
    /// The one with this id.
    Id(ExperienceId),
    /// The only one with this name, or with this part of a name.
    Words(String),
}

impl FromStr for ExperienceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !(1..=LONGEST).contains(&text.len()) || text.chars().any(char::is_control) {
            return Err(format!(
                "the id of an experience ({ID}...) or its name is expected, of 1 to {LONGEST} bytes"
            ));
        }
        if !text.starts_with(ID) {
            return Ok(Self::Words(text.to_owned()));
        }
        let id = ExperienceId::new(text);
        id.map(Self::Id).map_err(|error| error.to_string())
    }
}

/// An experience in words: its id, with its name.
pub(crate) struct Called<'a>(pub(crate) &'a ExperienceId, pub(crate) &'a str);

impl fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            "" => self.0.fmt(f),
            name => write!(f, "{} ({name})", self.0),
        }
    }
}

/// The experience that is meant. Whether there is one with an id is for [`read`] to find out.
pub(crate) async fn find(
    catalog: &CatalogAdmin,
    name: &ExperienceName,
) -> Result<ExperienceId, Failure> {
    let text = match name {
        ExperienceName::Id(id) => return Ok(id.clone()),
        ExperienceName::Words(text) => text,
    };
    let known = catalog.names().await?;
    let (id, name) = one(text, &known)?;
    output::note(&format!("{text:?} is {}", Called(id, name)));
    Ok(id.clone())
}

/// The only one of that name, or else the only one with that part of a name.
fn one<'a>(
    text: &str,
    known: &'a [(ExperienceId, String)],
) -> Result<&'a (ExperienceId, String), Failure> {
    let wanted = text.to_lowercase();
    let with = |is: &dyn Fn(&str) -> bool| -> Vec<_> {
        known.iter().filter(|(_, name)| is(name)).collect()
    };
    let levels = [
        with(&|name| is_same_name(name, text)),
        with(&|name| is_part(text) && name.to_lowercase().contains(&wanted)),
    ];
    let found = levels.into_iter().find(|found| !found.is_empty());
    let found = found.unwrap_or_default();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::Unknown {
            message: format!(
                "no experience of this account is named {text:?}{}",
                meant(text, known)
            ),
            remedy: REMEDY.to_owned(),
        }),
        several => Err(Failure::Unknown {
            message: format!("several experiences can be {text:?}: {}", listed(several)),
            remedy: "give the whole name, or the id of one of them".to_owned(),
        }),
    }
}

fn listed(experiences: &[&(ExperienceId, String)]) -> String {
    let shown = experiences.iter().take(MOST_LISTED);
    let mut shown: Vec<_> = shown
        .map(|(id, name)| Called(id, name).to_string())
        .collect();
    if let Some(more @ 1..) = experiences.len().checked_sub(MOST_LISTED) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// Experiences in words, with their names if these can be read.
pub(crate) async fn called<'a>(
    catalog: &CatalogAdmin,
    ids: impl IntoIterator<Item = &'a ExperienceId>,
) -> String {
    // The names only help to choose: what is said is true without them.
    let known = catalog.names().await.unwrap_or_default();
    let named: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let known = known.iter().find(|(known, _)| known == id);
            (
                id.clone(),
                known.map_or_else(String::new, |(_, name)| name.clone()),
            )
        })
        .collect();
    listed(&named.iter().collect::<Vec<_>>())
}

/// Reads an experience. The failure of an id that the account does not have is a question.
pub(crate) async fn read(catalog: &CatalogAdmin, id: &ExperienceId) -> Result<Experience, Failure> {
    match catalog.experience(id).await {
        Err(error) if error.kind == Kind::NotFound => {
            // Without the names there is no suggestion, and the experience is missing all the same.
            let known = catalog.names().await.unwrap_or_default();
            Err(missing(id, &known))
        }
        read => Ok(read?),
    }
}

fn missing(id: &ExperienceId, known: &[(ExperienceId, String)]) -> Failure {
    let question = meant(id.as_str(), known);
    Failure::Unknown {
        message: format!("this account has no experience {id}{question}"),
        remedy: REMEDY.to_owned(),
    }
}

/// The question behind a text that means nothing: experiences with a similar id or name.
fn meant(text: &str, known: &[(ExperienceId, String)]) -> String {
    let ids = known.iter().map(|(id, _)| id.as_str());
    let names = known.iter().map(|(_, name)| name.as_str());
    let near = nearest(text, ids.chain(names));
    let is_near = |(id, name): &&(ExperienceId, String)| {
        near.contains(&id.as_str()) || near.contains(&name.as_str())
    };
    let similar = known.iter().filter(is_near).take(MOST);
    let similar: Vec<_> = similar
        .map(|(id, name)| Called(id, name).to_string())
        .collect();
    match similar.as_slice() {
        [] => String::new(),
        similar => format!("; did you mean {}?", similar.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<(ExperienceId, String)> {
        let of = |id: &str, name: &str| (id.parse().unwrap(), name.to_owned());
        vec![
            of("exp-4s8kd0qmw1x2y", "Headquarters"),
            of("exp-7zzzzzzzzzzzz", "Headquarters Lab"),
            of("exp-9regional9999", "Regional"),
        ]
    }

    #[test]
    fn an_experience_is_named_by_its_id_its_name_or_a_part_of_it() {
        let known = known();
        for (text, id) in [
            ("headquarters", "exp-4s8kd0qmw1x2y"),
            ("Headquarters Lab", "exp-7zzzzzzzzzzzz"),
            ("region", "exp-9regional9999"),
        ] {
            assert_eq!(one(text, &known).unwrap().0.as_str(), id, "{text}");
        }
        for (text, told) in [
            (
                "quarters",
                "several experiences can be \"quarters\": exp-4s8kd0qmw1x2y (Headquarters), exp-7",
            ),
            ("Regoinal", "did you mean exp-9regional9999 (Regional)?"),
            ("re", "no experience of this account is named \"re\""),
        ] {
            let failure = one(text, &known).unwrap_err();
            assert_eq!(failure.exit_code(), 5);
            assert!(failure.to_string().contains(told), "{failure}");
        }
    }

    #[test]
    fn an_id_that_the_account_does_not_have_is_a_question() {
        let failure = missing(&"exp-9regional9998".parse().unwrap(), &known());
        assert_eq!(failure.exit_code(), 5);
        assert!(
            failure.to_string().contains(
                "no experience exp-9regional9998; did you mean exp-9regional9999 (Regional)?"
            ),
            "{failure}"
        );
        let failure = missing(&"exp-nope".parse().unwrap(), &known());
        assert!(!failure.to_string().contains("did you mean"), "{failure}");
    }

    #[test]
    fn a_text_that_begins_like_an_id_is_one() {
        assert!(matches!("exp-1".parse(), Ok(ExperienceName::Id(_))));
        assert!(matches!(" Ours ".parse(), Ok(ExperienceName::Words(name)) if name == "Ours"));
        for wrong in ["", " ", "exp-", "a\0b", &"x".repeat(256)] {
            assert!(wrong.parse::<ExperienceName>().is_err(), "{wrong:?}");
        }
    }
}
