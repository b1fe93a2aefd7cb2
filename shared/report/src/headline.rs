//! The headline: how much is in sync, in one line.

use std::collections::BTreeSet;

use pmp_sync_domain::answers::report::{Differing, ManagementLists};

use crate::code::wanted;
use crate::html::{age, count, number};
use crate::model::{Headline, Kind, Link, Model, Reason, State};

impl Headline {
    /// True if nothing is known of any member experience.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// That of these member experiences.
    pub fn of(links: &[Link], reasons: &[Reason], management: &[ManagementLists]) -> Self {
        let mut of = Self::default();
        let mut compared = 0;
        for link in links {
            if link.state == State::Unreachable {
                of.unknown += 1;
                continue;
            }
            of.observed += 1;
            let is_alone = |cell: &&Differing| {
                let reason = reasons.get(cell.why);
                reason.is_some_and(|reason| reason.kind == Kind::LeftAlone)
            };
            let (alone, differing): (Vec<_>, Vec<_>) = link.differing.iter().partition(is_alone);
            let lists = wanted(management, &link.sources, link.conflict);
            let listed = lists
                .iter()
                .flat_map(|lists| lists.iter().map(|(product, _)| product));
            let all = listed.chain(link.differing.iter().map(|cell| &cell.product));
            let all: BTreeSet<_> = all.collect();
            compared += all.len() - alone.len().min(all.len());
            of.differing += differing.len();
            let is_done = matches!(link.state, State::InSync | State::LeftAlone);
            of.in_sync += usize::from(is_done);
            let since = differing.iter().filter_map(|cell| {
                let reason = reasons.get(cell.why).and_then(|reason| reason.since);
                cell.edited_since.or(reason).or(link.last_in_sync)
            });
            of.oldest = of.oldest.into_iter().chain(since).min();
        }
        of.percent = (of.observed > 0).then(|| percent(of.differing, compared));
        of
    }
}

/// Rounded down, so that 100 is everything.
fn percent(differing: usize, compared: usize) -> u8 {
    let same = compared.saturating_sub(differing).saturating_mul(100);
    let percent = same.checked_div(compared).unwrap_or(100);
    u8::try_from(percent).unwrap_or(100)
}

/// The line below the title.
pub(crate) fn line(model: &Model) -> String {
    let of = &model.headline;
    let Some(percent) = of.percent else {
        return if of.unknown == 0 {
            "<p class=\"headline\"><b>No member experience yet</b></p>\n".to_owned()
        } else {
            format!(
                "<p class=\"headline\"><b>Not known</b> <span>none of {} can be looked at</span></p>\n",
                count(of.unknown, "member experience")
            )
        };
    };
    let experiences = if of.in_sync == of.observed {
        format!("all of {}", count(of.observed, "member experience"))
    } else {
        format!(
            "{} of {} in sync",
            number(of.in_sync),
            count(of.observed, "member experience")
        )
    };
    let oldest = match of.oldest {
        Some(since) => format!(
            "<span>oldest difference {}</span>",
            age(since, model.made_at)
        ),
        None if of.differing > 0 => "<span>age of the differences not known</span>".to_owned(),
        None => String::new(),
    };
    let unknown = match of.unknown {
        0 => String::new(),
        unknown => format!(
            "<span class=\"s-unreachable\">{} more not known</span>",
            number(unknown)
        ),
    };
    format!(
        "<p class=\"headline\"><b>{percent}% in sync</b> <span>{experiences}</span> {oldest} {unknown}</p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_hundred_percent_is_everything_and_nothing_less() {
        for (differing, compared, expected) in [
            (0, 0, 100),
            (0, 7, 100),
            (1, 100_000, 99),
            (2, 100, 98),
            (7, 7, 0),
            (9, 7, 0),
        ] {
            assert_eq!(percent(differing, compared), expected);
        }
    }
}
