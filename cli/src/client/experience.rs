//! Experiences of one account: read them, and bring them to the wanted state.

pub(crate) mod administrator;
pub(crate) mod bootstrap;
mod decide;
pub(crate) mod named;
mod organization;
pub(crate) mod view;

use pmp_sync_domain::ids::ExperienceId;

use self::administrator::Administrator;
pub(crate) use self::decide::{Wanted, principals};
pub(crate) use self::organization::organization;
use self::view::look;
use super::confirm::confirm;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Default timeout for change sets, in seconds: three times the longest known duration.
pub(crate) const WAIT: u64 = 900;

pub(crate) fn name(text: &str) -> Result<String, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
    if (1..=50).contains(&text.len()) && text.chars().all(valid) {
        return Ok(text.to_owned());
    }
    Err("1 to 50 letters, digits, spaces, _ or - are expected".to_owned())
}

/// Says what it means to enable an experience, and asks, unless it is enabled already.
pub(crate) async fn agree(
    administrator: &Administrator<'_>,
    id: &ExperienceId,
    yes: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    let catalog = &administrator.catalog;
    if !matches!(
        decide::enabled(&named::read(catalog, id).await?, true),
        decide::Next::Start(..)
    ) {
        return Ok(());
    }
    let audiences = catalog.audiences().await?;
    let view = look(catalog, id, &audiences).await?;
    // A spinner would overwrite the question.
    progress.finish();
    output::note(&view.consequences());
    confirm(yes, "Enable it?")
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_is_one_that_the_service_takes() {
        for good in ["a", "Our products_2-x", &"x".repeat(50)] {
            assert_eq!(name(good), Ok(good.to_owned()));
        }
        for wrong in ["", "\u{e4}", "a.b", &"x".repeat(51)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
