//! When the products that a held plan would deny left the management list, by which change set, and who started it.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{ChangeSetId, EditId, ExperienceId, ProductId};
use pmp_sync_domain::records::ListEdit;
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::text::one_line;
use pmp_sync_domain::time::later;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::trail::{Started, Trail, look_up};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// The newest edits of management lists that are looked through.
const MOST_EDITS: u16 = 200;
/// The pages of CloudTrail that are read, of 50 change sets each.
const MOST_PAGES: u32 = 4;
/// How far back CloudTrail knows, in seconds.
const TRAIL: i64 = 90 * 24 * 3_600;
/// The most products that a line names.
const MOST_NAMED: usize = 5;

/// How a product left the management list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct LeftList {
    /// When the edit or the change set began.
    #[schemars(with = "Time")]
    at: Timestamp,
    /// The management experience.
    management_experience: ExperienceId,
    /// The change set. Null if it is one of several of an edit.
    change_set: Option<ChangeSetId>,
    /// The edit by `pmp-sync product` or `pmp-sync requests`. Null if somebody else has started the change set.
    edit: Option<EditId>,
    /// The principal. Null if it is not known.
    by: Option<String>,
    /// Why, if the edit has a reason.
    reason: Option<String>,
}

/// By product. Those of which nothing is on record are left out.
pub(crate) type AllLeft = BTreeMap<ProductId, LeftList>;

/// What is known of changes of the management lists.
pub(crate) struct ListChanges {
    edits: Vec<ListEdit>,
    trail: Trail,
}

impl ListChanges {
    /// Reads the edits, and the change sets that others have started before a hold began.
    pub(crate) async fn read(context: &Context, until: Timestamp) -> Result<Self, Failure> {
        let edits = context.readable(context.ledger.newest_edits(MOST_EDITS).await?);
        let progress = Progress::new();
        let range = (later(until, -TRAIL), Some(until));
        let found = look_up(&context.config, range, MOST_PAGES, &progress).await;
        progress.finish();
        let trail = found.unwrap_or_else(|failure| {
            output::note(&format!(
                "CloudTrail could not be asked who else has changed the management lists (cloudtrail:LookupEvents): {failure}"
            ));
            Trail::default()
        });
        Ok(Self { edits, trail })
    }

    /// How these products left the lists of these management experiences, before a hold began.
    pub(crate) fn of(
        &self,
        products: &BTreeSet<ProductId>,
        sources: &BTreeSet<&ExperienceId>,
        since: Timestamp,
    ) -> AllLeft {
        let found = products.iter().filter_map(|product| {
            let by_edit = self.edit_of(product, sources, since);
            let by_others = self.set_of(product, sources, since);
            Some((product.clone(), by_edit.max(by_others)?))
        });
        found.collect()
    }

    /// The newest edit that names the product, if it denies it.
    fn edit_of(
        &self,
        product: &ProductId,
        sources: &BTreeSet<&ExperienceId>,
        since: Timestamp,
    ) -> Option<LeftList> {
        let mut edits = self.edits.iter().filter(|edit| {
            edit.at <= since
                && sources.contains(&edit.management_experience)
                && !edit.refused.contains(product)
        });
        let names = |edit: &&ListEdit| edit.deny.contains(product) || edit.allow.contains(product);
        let edit = edits
            .find(names)
            .filter(|edit| edit.deny.contains(product))?;
        Some(LeftList {
            at: edit.at,
            management_experience: edit.management_experience.clone(),
            change_set: match edit.change_sets.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
            edit: Some(edit.edit.clone()),
            by: edit.requester.clone(),
            reason: edit.reason.as_deref().map(one_line),
        })
    }

    /// The newest change set of others that names the product.
    fn set_of(
        &self,
        product: &ProductId,
        sources: &BTreeSet<&ExperienceId>,
        since: Timestamp,
    ) -> Option<LeftList> {
        let ours = |set: &Started| {
            let mut of_edits = self.edits.iter().flat_map(|edit| &edit.change_sets);
            let id = set.change_set.as_ref();
            id.is_some_and(|id| of_edits.any(|ours| ours == id))
        };
        let mut sets = self.trail.started.iter();
        let set = sets.find(|set| {
            set.at <= since
                && set.products.contains(product)
                && !ours(set)
                && set
                    .experiences
                    .iter()
                    .any(|experience| sources.contains(experience))
        })?;
        let mut of_set = set.experiences.iter();
        let experience = of_set.find(|experience| sources.contains(experience))?;
        Some(LeftList {
            at: set.at,
            management_experience: experience.clone(),
            change_set: set.change_set.clone(),
            edit: None,
            by: Some(set.by.clone()),
            reason: None,
        })
    }
}

/// One line for each time that products left the list, and one for those of which nothing is on record.
pub(crate) fn words(denied: &BTreeSet<ProductId>, left: &AllLeft) -> Vec<String> {
    let mut times: BTreeMap<&LeftList, Vec<&ProductId>> = BTreeMap::new();
    for (product, how) in left {
        times.entry(how).or_default().push(product);
    }
    let unknown: Vec<_> = denied
        .iter()
        .filter(|product| !left.contains_key(*product))
        .collect();
    let is_one = times.len() == 1 && unknown.is_empty();
    let of = |products: &[&ProductId]| {
        if is_one {
            return String::new();
        }
        let named: Vec<_> = products
            .iter()
            .take(MOST_NAMED)
            .map(|id| id.as_str())
            .collect();
        let more = products.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}: ", named.join(", "))
    };
    let mut lines: Vec<_> = times
        .iter()
        .map(|(how, products)| format!("  left list   {}{}", of(products), how.words()))
        .collect();
    if !unknown.is_empty() && !left.is_empty() {
        lines.push(format!(
            "  left list   {}nothing is on record",
            of(&unknown)
        ));
    }
    lines
}

impl LeftList {
    fn words(&self) -> String {
        let by = self.by.as_deref().map(output::principal);
        let by = by.map_or_else(String::new, |by| format!(" of {by}"));
        let what = match (&self.change_set, &self.edit) {
            (Some(change_set), _) => format!("change set {change_set}"),
            (None, Some(edit)) => format!("edit {edit}"),
            (None, None) => "a change set".to_owned(),
        };
        let reason = self.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        format!("{}, by {what}{by}{reason}", output::time(Some(self.at)))
    }
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::plan::Plan;
    use pmp_sync_domain::records::ListEdit;

    use super::*;

    fn p(id: &str) -> ProductId {
        id.parse().unwrap()
    }

    fn edit(number: u8, at: &str, allow: &[&str], deny: &[&str]) -> ListEdit {
        let ids = |ids: &[&str]| ids.iter().map(|id| p(id)).collect();
        let id = format!("01ARZ3NDEKTSV4RRFFQ69G5FA{number}")
            .parse()
            .unwrap();
        let plan = Plan::new(ids(allow), ids(deny));
        let mut edit = ListEdit::new(
            id,
            "exp-m".parse().unwrap(),
            "deny",
            &plan,
            at.parse().unwrap(),
        )
        .asked(
            Some("arn:aws:iam::111111111111:user/dora"),
            Some("it ended"),
            None,
        );
        edit.started(&format!("cs-{number}").parse().unwrap());
        edit
    }

    fn set(at: &str, product: &str) -> Started {
        Started {
            at: at.parse().unwrap(),
            by: "arn:aws:iam::111111111111:user/kim".to_owned(),
            change_set: Some("cs-9".parse().unwrap()),
            experiences: ["exp-m".parse().unwrap()].into(),
            products: [p(product)].into(),
        }
    }

    fn of(changes: &ListChanges, product: &str, source: &str) -> Option<LeftList> {
        let source = source.parse().unwrap();
        let since = "2026-01-09T00:00:00Z".parse().unwrap();
        changes
            .of(&[p(product)].into(), &[&source].into(), since)
            .remove(&p(product))
    }

    #[test]
    fn a_product_left_the_list_by_the_newest_edit_that_denies_it() {
        let changes = ListChanges {
            // The newest first, as the ledger answers.
            edits: vec![
                edit(4, "2026-01-10T00:00:00Z", &[], &["a"]),
                edit(3, "2026-01-05T00:00:00Z", &["b"], &[]),
                edit(2, "2026-01-03T00:00:00Z", &[], &["a", "b"]),
                edit(1, "2026-01-01T00:00:00Z", &[], &["a"]),
            ],
            trail: Trail::default(),
        };
        let left = of(&changes, "a", "exp-m").unwrap();
        assert_eq!(left.change_set, Some("cs-2".parse().unwrap()));
        // It was allowed again, so the edit before that is not the reason.
        assert_eq!(of(&changes, "b", "exp-m"), None);
        assert_eq!(of(&changes, "c", "exp-m"), None);
        assert_eq!(of(&changes, "a", "exp-other"), None);
    }

    #[test]
    fn a_newer_change_set_of_others_is_the_reason() {
        let mut changes = ListChanges {
            edits: vec![edit(2, "2026-01-03T00:00:00Z", &[], &["a"])],
            trail: Trail {
                started: vec![set("2026-01-04T00:00:00Z", "a")],
                cut_off: false,
            },
        };
        let left = of(&changes, "a", "exp-m").unwrap();
        assert_eq!(
            (left.edit.as_ref(), left.at),
            (None, "2026-01-04T00:00:00Z".parse().unwrap())
        );
        changes.trail.started[0].at = "2026-01-02T00:00:00Z".parse().unwrap();
        assert!(of(&changes, "a", "exp-m").unwrap().edit.is_some());
        // A change set of an edit is told by the edit, which knows the reason.
        changes.trail.started[0].at = "2026-01-04T00:00:00Z".parse().unwrap();
        changes.trail.started[0].change_set = Some("cs-2".parse().unwrap());
        assert!(of(&changes, "a", "exp-m").unwrap().edit.is_some());
    }

    #[test]
    fn products_that_left_together_are_told_in_one_line() {
        let changes = ListChanges {
            edits: vec![edit(2, "2026-01-03T00:00:00Z", &[], &["a", "b"])],
            trail: Trail::default(),
        };
        let source = "exp-m".parse().unwrap();
        let since = "2026-01-09T00:00:00Z".parse().unwrap();
        let left = |products: &BTreeSet<ProductId>| {
            words(products, &changes.of(products, &[&source].into(), since))
        };
        let two = left(&[p("a"), p("b")].into());
        assert_eq!(two.len(), 1, "{two:?}");
        assert!(two[0].starts_with("  left list   2026-01-03"), "{two:?}");
        assert!(
            two[0].ends_with(", by change set cs-2 of user/dora: it ended"),
            "{two:?}"
        );
        let three = left(&[p("a"), p("b"), p("c")].into());
        assert!(
            three[0].starts_with("  left list   a, b: 2026-01-03"),
            "{three:?}"
        );
        assert_eq!(three[1], "  left list   c: nothing is on record");
        assert!(left(&[p("c")].into()).is_empty());
    }
}
