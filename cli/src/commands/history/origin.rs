//! Who and what a run goes back to: a person's request, or a change set of the management organization.

use std::collections::BTreeMap;

use pmp_sync_domain::records::{ListEdit, RunRecord};
use pmp_sync_domain::text::one_line;

/// The kind of a request that a change set of the management organization has made.
pub(super) const MANAGEMENT: &str = "management-change-set";
/// The kind of a request that a change set of somebody else on a member experience has made.
pub(super) const OUTSIDE: &str = "outside-edit";

/// Who and what a run goes back to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    asked: Vec<Asked>,
}

/// Who has asked for a run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    by: Option<String>,
    why: Option<String>,
    /// The change set of the management organization, if it is one.
    change_set: Option<String>,
}

impl Origin {
    /// What a run goes back to. `edits` are the edits of the management lists, by their change sets.
    pub(super) fn of(run: &RunRecord, edits: &BTreeMap<&str, &ListEdit>) -> Self {
        let asked = run.requests.iter().map(|request| {
            if request.kind != MANAGEMENT {
                return Asked {
                    by: request.requester.clone(),
                    why: request.override_reason.as_deref().map(one_line),
                    change_set: None,
                };
            }
            let edit = request.id.as_deref().and_then(|id| edits.get(id));
            Asked {
                by: edit.and_then(|edit| edit.requester.clone()),
                why: edit.and_then(|edit| edit.reason.as_deref().map(one_line)),
                change_set: request.id.clone(),
            }
        });
        Self {
            asked: asked.collect(),
        }
    }

    /// Everybody who has asked for the run.
    pub(super) fn by(&self) -> Option<String> {
        all(
            self.asked.iter().filter_map(|asked| asked.by.as_deref()),
            ", ",
        )
    }

    /// Every reason.
    pub(super) fn why(&self) -> Option<String> {
        all(
            self.asked.iter().filter_map(|asked| asked.why.as_deref()),
            "; ",
        )
    }

    /// The first change set of the management organization.
    pub(super) fn change_set(&self) -> Option<&str> {
        self.asked
            .iter()
            .find_map(|asked| asked.change_set.as_deref())
    }

    fn of_set(&self, change_set: &str) -> Option<&Asked> {
        let mut asked = self.asked.iter();
        asked.find(|asked| asked.change_set.as_deref() == Some(change_set))
    }

    /// Who started a change set of the management organization.
    pub(super) fn author(&self, change_set: &str) -> Option<&str> {
        self.of_set(change_set)?.by.as_deref()
    }

    /// Why it was started.
    pub(super) fn reason(&self, change_set: &str) -> Option<&str> {
        self.of_set(change_set)?.why.as_deref()
    }

    /// The change sets of the management organization whose authors are not known.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        let open = self.asked.iter().filter(|asked| asked.by.is_none());
        open.filter_map(|asked| asked.change_set.as_deref())
    }

    /// True if there is one whose author is not known.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown().next().is_some()
    }

    /// Names the author of a change set.
    pub(super) fn set_author(&mut self, change_set: &str, by: &str) {
        let of_set = |asked: &&mut Asked| asked.change_set.as_deref() == Some(change_set);
        for asked in self.asked.iter_mut().filter(of_set) {
            asked.by = Some(by.to_owned());
        }
    }
}

fn all<'a>(words: impl Iterator<Item = &'a str>, between: &str) -> Option<String> {
    let mut found: Vec<&str> = Vec::new();
    for word in words {
        if !found.contains(&word) {
            found.push(word);
        }
    }
    (!found.is_empty()).then(|| found.join(between))
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::records::Request;

    use super::*;

    fn request(kind: &str, id: &str, by: Option<&str>) -> Request {
        Request {
            kind: kind.to_owned(),
            id: Some(id.to_owned()),
            requester: by.map(str::to_owned),
            ..Request::default()
        }
    }

    #[test]
    fn nobody_is_named_for_what_somebody_else_has_started() {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let mut run = RunRecord::new(id, 1, Vec::new(), at);
        run.requests = vec![
            request("sync-requested", "r-1", Some("alice")),
            request(MANAGEMENT, "cs-edit", None),
            request(MANAGEMENT, "cs-other", None),
            request("sync-requested", "r-2", Some("alice")),
        ];
        let edit = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let plan = pmp_sync_domain::plan::Plan::default();
        let edit = ListEdit::new(edit, "exp-1".parse().unwrap(), "deny", &plan, at).asked(
            Some("dora"),
            Some("it ended"),
            None,
        );
        let origin = Origin::of(&run, &BTreeMap::from([("cs-edit", &edit)]));
        assert_eq!(origin.by().as_deref(), Some("alice, dora"));
        assert_eq!(origin.why().as_deref(), Some("it ended"));
        assert_eq!(origin.author("cs-edit"), Some("dora"));
        assert_eq!(origin.author("cs-other"), None);
        assert_eq!(origin.author("r-1"), None);
        assert_eq!(origin.unknown().collect::<Vec<_>>(), ["cs-other"]);
        assert_eq!(origin.change_set(), Some("cs-edit"));
    }
}
