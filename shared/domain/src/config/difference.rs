//! What a configuration changes of another one: members and links that come and go, and each setting,
//! by link, member and key. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::guard::limits::{Guard, GuardName};
use crate::ids::{ExperienceId, MemberName, ProductId};
use crate::link::{Link, Member};
use crate::sources::Sources;

/// The most names of a list that a sentence contains.
const MOST_NAMED: usize = 5;
/// The most values of a list that a setting shows.
const MOST_VALUES: usize = 20;

/// A link, by what names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkName {
    /// The member's name.
    pub member: MemberName,
    /// The member experience, or `*`.
    pub experience: String,
}

impl LinkName {
    fn of(link: &Link) -> Self {
        Self {
            member: link.member.name.clone(),
            experience: link.target.to_string(),
        }
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.member, self.experience)
    }
}

/// A setting of a member or a link that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingChange {
    /// The member's name.
    pub member: MemberName,
    /// The member experience of the link, or `*`. Absent for a setting of the member itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience: Option<String>,
    /// The key, such as `mode` or `guard.removals`.
    pub key: String,
    /// Its value before. Of a list, what it loses.
    pub before: String,
    /// Its value after. Of a list, what it gains.
    pub after: String,
}

/// A setting of the file as a whole that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommonChange {
    /// The key, such as `approval.people`.
    pub key: String,
    /// Its value before.
    pub before: String,
    /// Its value after.
    pub after: String,
}

/// What a configuration changes of another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigDifference {
    /// Members that are new.
    pub members_added: Vec<MemberName>,
    /// Members that are gone.
    pub members_removed: Vec<MemberName>,
    /// Links that are new.
    pub links_added: Vec<LinkName>,
    /// Links that are gone. Their member experiences stay as they are and follow nothing any more.
    pub links_removed: Vec<LinkName>,
    /// Settings of members and links that change. A setting of all links is one of each.
    pub changed: Vec<SettingChange>,
    /// Settings that are of no link or member, and change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common: Vec<CommonChange>,
}

/// Compares two configurations, by what they mean rather than by their texts.
pub fn difference(before: &Config, after: &Config) -> ConfigDifference {
    let mut found = ConfigDifference::default();
    for (name, member) in &after.members {
        match before.members.get(name) {
            None => found.members_added.push(name.clone()),
            Some(old) => found.changed.extend(of_member(old, member)),
        }
    }
    let gone = before.members.keys();
    let gone = gone.filter(|name| !after.members.contains_key(*name));
    found.members_removed = gone.cloned().collect();
    let old = by_name(before);
    let new = by_name(after);
    for (name, link) in &new {
        match old.get(name) {
            None => found.links_added.push(name.clone()),
            Some(old) => found.changed.extend(of_link(name, old, link)),
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    found.links_removed = gone.cloned().collect();
    if before.people != after.people {
        found.common.push(CommonChange {
            key: "approval.people".to_owned(),
            before: before.people.count().to_string(),
            after: after.people.count().to_string(),
        });
    }
    found
}

fn by_name(config: &Config) -> BTreeMap<LinkName, &Link> {
    let links = config.links.iter();
    links.map(|link| (LinkName::of(link), link)).collect()
}

/// Collects the settings that change.
struct Settings {
    member: MemberName,
    experience: Option<String>,
    changed: Vec<SettingChange>,
}

impl Settings {
    fn value(&mut self, key: &str, before: &impl ToString, after: &impl ToString) {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            self.changed.push(SettingChange {
                member: self.member.clone(),
                experience: self.experience.clone(),
                key: key.to_owned(),
                before,
                after,
            });
        }
    }

    fn optional(&mut self, key: &str, before: Option<&String>, after: Option<&String>) {
        let shown = |value: Option<&String>| value.map_or_else(dash, Clone::clone);
        self.value(key, &shown(before), &shown(after));
    }

    fn list<T: Ord + fmt::Display>(
        &mut self,
        key: &str,
        before: &BTreeSet<T>,
        after: &BTreeSet<T>,
    ) {
        self.value(
            key,
            &values(before.difference(after)),
            &values(after.difference(before)),
        );
    }
}

fn dash() -> String {
    "-".to_owned()
}

/// The first values of a list; a dash if there is none.
fn values<T: fmt::Display>(all: impl Iterator<Item = T>) -> String {
    let all: Vec<_> = all.map(|value| value.to_string()).collect();
    if all.is_empty() {
        return dash();
    }
    enumerated(&all, MOST_VALUES)
}

/// The first texts, and how many more there are.
fn enumerated(all: &[String], most: usize) -> String {
    let shown = all.iter().take(most).cloned().collect::<Vec<_>>();
    let more = all.len().saturating_sub(most);
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}

fn of_member(before: &Member, after: &Member) -> Vec<SettingChange> {
    let mut settings = Settings {
        member: after.name.clone(),
        experience: None,
        changed: Vec::new(),
    };
    settings.value("account", &before.account, &after.account);
    if before.external_id != after.external_id {
        // Neither external id is shown.
        settings.value("external_id", &"one", &"another one");
    }
    settings.optional("role", before.role.as_ref(), after.role.as_ref());
    settings.optional("queue", before.queue.as_ref(), after.queue.as_ref());
    settings.changed
}

fn of_link(name: &LinkName, before: &Link, after: &Link) -> Vec<SettingChange> {
    let mut settings = Settings {
        member: name.member.clone(),
        experience: Some(name.experience.clone()),
        changed: Vec::new(),
    };
    let followed = |sources: &Sources| {
        let ids = sources.iter().map(ExperienceId::as_str);
        ids.collect::<Vec<_>>().join(", ")
    };
    settings.value(
        "management_experience",
        &followed(&before.sources),
        &followed(&after.sources),
    );
    settings.value(
        "conflict",
        &before.conflict.as_str(),
        &after.conflict.as_str(),
    );
    let (old, new) = (&before.policy, &after.policy);
    settings.value("mode", &old.mode, &new.mode);
    settings.value("freeze", &old.frozen, &new.frozen);
    settings.list::<ProductId>("protect", &old.protect, &new.protect);
    settings.list::<ProductId>("exclude", &old.exclude, &new.exclude);
    settings.value("live_check", &before.live_check, &after.live_check);
    settings.value(
        "notify.stale_after_hours",
        &before.stale_after_hours,
        &after.stale_after_hours,
    );
    of_guard(&mut settings, &before.guard, &after.guard);
    settings.changed
}

fn of_guard(settings: &mut Settings, before: &Guard, after: &Guard) {
    let (old, new) = (&before.limits, &after.limits);
    for (key, old, new) in [
        ("guard.removals", old.removals, new.removals),
        (
            "guard.removals_percent",
            old.removals_percent,
            new.removals_percent,
        ),
        (
            "guard.short_list_removals",
            old.short_list_removals,
            new.short_list_removals,
        ),
        (
            "guard.short_list_percent",
            old.short_list_percent,
            new.short_list_percent,
        ),
        ("guard.most_removals", old.most_removals, new.most_removals),
        (
            "guard.shrink_percent",
            old.shrink_percent,
            new.shrink_percent,
        ),
    ] {
        settings.value(key, &old, &new);
    }
    settings.list::<GuardName>("guard.exempt", &before.exempt, &after.exempt);
}

impl ConfigDifference {
    /// True if the configurations mean the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True if members or links are gone.
    pub fn drops_anything(&self) -> bool {
        !self.members_removed.is_empty() || !self.links_removed.is_empty()
    }

    /// What comes, goes and changes, one sentence each. The same change of several links is one.
    pub fn words(&self) -> Vec<String> {
        self.sentences(usize::MAX)
    }

    /// The same in one line, with the first names of each kind.
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return "nothing but the text".to_owned();
        }
        self.sentences(MOST_NAMED).join("; ")
    }

    fn sentences(&self, most: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut add = |noun: &str, what: &str, names: Vec<String>| {
            if !names.is_empty() {
                let plural = if names.len() == 1 { "" } else { "s" };
                let (count, names) = (names.len(), enumerated(&names, most));
                all.push(format!("{count} {noun}{plural} {what}: {names}"));
            }
        };
        add("member", "added", texts(&self.members_added));
        add("member", "removed", texts(&self.members_removed));
        add("link", "added", texts(&self.links_added));
        add("link", "removed", texts(&self.links_removed));
        for CommonChange { key, before, after } in &self.common {
            all.push(format!("{key}: {before} -> {after}"));
        }
        let mut folded: Vec<(&SettingChange, Vec<String>)> = Vec::new();
        for change in &self.changed {
            let of = match &change.experience {
                Some(experience) => format!("{} {experience}", change.member),
                None => change.member.to_string(),
            };
            let same = folded.iter_mut().find(|(known, _)| {
                (&known.key, &known.before, &known.after)
                    == (&change.key, &change.before, &change.after)
                    && known.experience.is_some() == change.experience.is_some()
            });
            match same {
                Some((_, links)) => links.push(of),
                None => folded.push((change, vec![of])),
            }
        }
        for (change, of) in folded {
            let (key, before, after) = (&change.key, &change.before, &change.after);
            all.push(format!(
                "{key}: {before} -> {after} ({})",
                enumerated(&of, most)
            ));
        }
        all
    }
}

fn texts(all: &[impl fmt::Display]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"schema = 1
[[member]]
name = "emea"
account = "222222222222"
external_id = "external-emea"
[[member]]
name = "apac"
account = "333333333333"
external_id = "external-apac"
[[link]]
management_experience = "exp-m"
member = "emea"
member_experience = "exp-1"
protect = ["prod-a", "prod-b"]
[[link]]
management_experience = "exp-m"
member = "apac"
member_experience = "*"
"#;

    fn between(before: &str, after: &str) -> ConfigDifference {
        let read = |text: &str| Config::parse(text).unwrap();
        difference(&read(before), &read(after))
    }

    #[test]
    fn the_same_meaning_in_another_text_is_no_difference() {
        let other = BEFORE.replace("[[member]]", "# a comment\n[[member]]");
        let found = between(BEFORE, &other);
        assert!(found.is_empty());
        assert_eq!(found.summary(), "nothing but the text");
        assert!(!found.drops_anything());
    }

    #[test]
    fn members_and_links_that_come_and_go_are_named() {
        let emea = BEFORE
            .replace("emea", "latam")
            .replace("222222222222", "4".repeat(12).as_str());
        let found = between(BEFORE, &emea);
        assert!(found.drops_anything() && !found.is_empty());
        assert_eq!(
            found.words(),
            [
                "1 member added: latam",
                "1 member removed: emea",
                "1 link added: latam exp-1",
                "1 link removed: emea exp-1",
            ]
        );
        assert_eq!(found.changed, []);
    }

    #[test]
    fn a_link_that_goes_alone_is_something_dropped_and_one_that_comes_is_not() {
        let (both, link) = (
            BEFORE,
            "[[link]]\nmanagement_experience = \"exp-m\"\nmember = \"apac\"\nmember_experience = \"*\"\n",
        );
        let one = both.replace(link, "");
        assert_ne!(one, both);
        let gone = between(both, &one);
        assert!(gone.drops_anything() && !gone.is_empty());
        assert_eq!(gone.summary(), "1 link removed: apac *");
        let come = between(&one, both);
        assert!(!come.drops_anything() && !come.is_empty());
    }

    #[test]
    fn a_setting_is_told_with_its_key_and_both_values_and_once_for_all_links() {
        let frozen = BEFORE.replace("schema = 1\n", "schema = 1\nfreeze = true\n");
        let found = between(BEFORE, &frozen);
        assert!(!found.drops_anything());
        assert_eq!(found.changed.len(), 2, "one for each link");
        assert_eq!(
            found.words(),
            ["freeze: false -> true (apac *, emea exp-1)"]
        );
        let text = BEFORE
            .replace("\"prod-a\", \"prod-b\"", "\"prod-b\", \"prod-c\"")
            .replace("member_experience = \"*\"", "member_experience = \"*\"\nmode = \"observe\"\n[link.guard]\nremovals = 7\nexempt = [\"shrink\"]")
            .replace("external-emea", "external-other");
        let found = between(BEFORE, &text);
        assert_eq!(
            found.words(),
            [
                "external_id: one -> another one (emea)",
                "mode: mirror -> observe (apac *)",
                "guard.removals: 10 -> 7 (apac *)",
                "guard.exempt: - -> shrink (apac *)",
                "protect: prod-a -> prod-c (emea exp-1)",
            ]
        );
        let told = serde_json::to_string(&found).unwrap();
        assert!(!told.contains("external-"), "external ids are not shown");
    }

    /// Every key of a link and a member is compared: a field that is forgotten here would be changed without
    /// a word.
    #[test]
    fn no_setting_changes_without_a_word() {
        for (key, from, to) in [
            ("account", "222222222222", "555555555555"),
            ("external_id", "external-emea", "external-new"),
            (
                "role",
                "external_id = \"external-emea\"",
                "external_id = \"external-emea\"\nrole = \"arn:aws:iam::2:role/x\"",
            ),
            (
                "queue",
                "external_id = \"external-emea\"",
                "external_id = \"external-emea\"\nqueue = \"https://q\"",
            ),
            (
                "management_experience",
                "\"exp-m\"\nmember = \"emea\"",
                "\"exp-n\"\nmember = \"emea\"",
            ),
            (
                "mode",
                "member_experience = \"exp-1\"",
                "member_experience = \"exp-1\"\nmode = \"additive\"",
            ),
            (
                "freeze",
                "member_experience = \"exp-1\"",
                "member_experience = \"exp-1\"\nfreeze = true",
            ),
            (
                "exclude",
                "member_experience = \"exp-1\"",
                "member_experience = \"exp-1\"\nexclude = [\"prod-z\"]",
            ),
            (
                "live_check",
                "member_experience = \"exp-1\"",
                "member_experience = \"exp-1\"\nlive_check = \"require\"",
            ),
            (
                "notify.stale_after_hours",
                "schema = 1\n",
                "schema = 1\n[notify]\nstale_after_hours = 5\n",
            ),
            (
                "guard.removals",
                "schema = 1\n",
                "schema = 1\n[guard]\nremovals = 5\n",
            ),
            (
                "guard.removals_percent",
                "schema = 1\n",
                "schema = 1\n[guard]\nremovals_percent = 6\n",
            ),
            (
                "guard.short_list_removals",
                "schema = 1\n",
                "schema = 1\n[guard]\nshort_list_removals = 5\n",
            ),
            (
                "guard.short_list_percent",
                "schema = 1\n",
                "schema = 1\n[guard]\nshort_list_percent = 6\n",
            ),
            (
                "guard.most_removals",
                "schema = 1\n",
                "schema = 1\n[guard]\nmost_removals = 5\n",
            ),
            (
                "guard.shrink_percent",
                "schema = 1\n",
                "schema = 1\n[guard]\nshrink_percent = 6\n",
            ),
        ] {
            let after = BEFORE.replacen(from, to, 1);
            assert_ne!(after, BEFORE, "{key}");
            let found = between(BEFORE, &after);
            let keys: BTreeSet<_> = found.changed.iter().map(|one| one.key.as_str()).collect();
            assert_eq!(keys, [key].into(), "{found:?}");
        }
        let several = BEFORE.replacen(
            "management_experience = \"exp-m\"",
            "management_experiences = [\"exp-m\", \"exp-n\"]\nconflict = \"allow\"",
            1,
        );
        let found = between(BEFORE, &several);
        let keys: Vec<_> = found.changed.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(keys, ["management_experience", "conflict"]);
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let products: Vec<_> = (0..30)
            .map(|number| format!("\"prod-{number:02}\""))
            .collect();
        let list = format!(
            "protect = [\"prod-a\", \"prod-b\", {}]",
            products.join(", ")
        );
        let found = between(
            BEFORE,
            &BEFORE.replace("protect = [\"prod-a\", \"prod-b\"]", &list),
        );
        assert!(found.changed[0].after.ends_with("prod-19 and 10 more"));
    }

    #[test]
    fn a_setting_of_the_whole_file_is_told_without_a_link() {
        let people = |count: usize| {
            let text = format!("{BEFORE}\n[approval]\npeople = {count}\n");
            Config::parse(&text).unwrap()
        };
        let change = difference(&people(2), &people(1));
        assert_eq!(change.summary(), "approval.people: 2 -> 1");
        assert!(!change.is_empty() && change.changed.is_empty());
        assert!(difference(&people(2), &people(2)).is_empty());
    }
}
