//! Which experience follows which. A member experience follows the management experiences of one link,
//! and none that is followed is a follower itself: in a chain or a circle one list would overwrite
//! another.

use std::fmt;

use crate::ids::{ExperienceId, MemberName};
use crate::link::{Link, Target};

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// An experience.
    Experience(ExperienceId),
    /// The experiences that `*` covers of a member.
    EveryLive(MemberName),
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Experience(experience) => experience.fmt(f),
            Self::EveryLive(member) => write!(f, "{member} *"),
        }
    }
}

/// A path along links, from a management experience to what follows it in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowPath(Vec<Hop>);

impl FollowPath {
    /// The path that begins with a link from `management` to `member`. It ends where nothing follows,
    /// or where it meets itself. Where several links follow, it takes the first.
    pub fn new(links: &[Link], management: &ExperienceId, member: &ExperienceId) -> Self {
        let mut seen = vec![management.clone()];
        let mut next = member.clone();
        loop {
            let is_circle = seen.contains(&next);
            seen.push(next.clone());
            if is_circle {
                return Self::of(seen, None);
            }
            let Some(link) = follower(links, &next) else {
                return Self::of(seen, None);
            };
            match &link.target {
                Target::One(experience) => next = experience.clone(),
                Target::EveryLive => return Self::of(seen, Some(link.member.name.clone())),
            }
        }
    }

    fn of(experiences: Vec<ExperienceId>, last: Option<MemberName>) -> Self {
        let experiences = experiences.into_iter().map(Hop::Experience);
        Self(experiences.chain(last.map(Hop::EveryLive)).collect())
    }

    /// The experiences of the path, without a `*` at its end.
    pub fn experiences(&self) -> impl Iterator<Item = &ExperienceId> {
        self.0.iter().filter_map(|hop| match hop {
            Hop::Experience(experience) => Some(experience),
            Hop::EveryLive(_) => None,
        })
    }

    /// True if it leads back to where it began.
    pub fn is_circle(&self) -> bool {
        self.0.len() > 1 && self.0.first() == self.0.last()
    }
}

impl fmt::Display for FollowPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, hop) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" -> ")?;
            }
            hop.fmt(f)?;
        }
        Ok(())
    }
}

/// The first link that follows the experience. One that leads further comes before `*`.
fn follower<'a>(links: &'a [Link], experience: &ExperienceId) -> Option<&'a Link> {
    let follows = |link: &&Link| link.sources.contains(experience);
    let named = links.iter().filter(follows);
    let mut named = named.filter(|link| matches!(link.target, Target::One(_)));
    named.next().or_else(|| links.iter().find(follows))
}

/// The links that make a chain or a circle, by their places, each with its path. A circle is told
/// once, at its first link.
pub(crate) fn chains(links: &[Link]) -> Vec<(usize, FollowPath)> {
    let mut chains = Vec::new();
    let mut told: Vec<&ExperienceId> = Vec::new();
    for (place, link) in links.iter().enumerate() {
        let (sources, Target::One(member)) = (&link.sources, &link.target) else {
            continue;
        };
        // An experience that follows itself is told as such.
        let is_told = sources.contains(member) || sources.iter().any(|of| told.contains(&of));
        if is_told || follower(links, member).is_none() {
            continue;
        }
        let mut paths = sources.iter().map(|of| FollowPath::new(links, of, member));
        let circle = paths.find(FollowPath::is_circle);
        let path = circle.unwrap_or_else(|| FollowPath::new(links, sources.first(), member));
        if path.is_circle() {
            let of_circle = links.iter().flat_map(|link| link.sources.iter());
            told.extend(of_circle.filter(|id| path.experiences().any(|hop| hop == *id)));
        }
        chains.push((place, path));
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// The problems of a configuration with these links: management experiences, member, target.
    fn problems(links: &[(&str, &str, &str)]) -> Vec<String> {
        let mut text = "schema = 1\n".to_owned();
        for (name, digit) in [("emea", 2), ("apac", 3)] {
            let account = digit.to_string().repeat(12);
            let member = format!(
                "[[member]]\nname = \"{name}\"\naccount = \"{account}\"\nexternal_id = \"id\"\n"
            );
            text.push_str(&member);
        }
        for (management, member, target) in links {
            let several: Vec<_> = management.split(' ').collect();
            let follows = match several.as_slice() {
                [one] => format!("management_experience = \"{one}\""),
                several => format!("management_experiences = {several:?}"),
            };
            let link = format!(
                "[[link]]\n{follows}\nmember = \"{member}\"\nmember_experience = \"{target}\"\n"
            );
            text.push_str(&link);
        }
        match Config::parse(&text) {
            Ok(_) => Vec::new(),
            Err(invalid) => invalid.problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn links_that_share_a_management_experience_or_follow_several_are_fine() {
        let star = [
            ("exp-a", "emea", "exp-1"),
            ("exp-a", "apac", "exp-2"),
            ("exp-b", "apac", "*"),
            ("exp-b", "emea", "exp-3"),
        ];
        assert_eq!(problems(&star), [] as [String; 0]);
    }

    #[test]
    fn a_chain_is_told_at_the_link_whose_follower_is_followed() {
        let found = problems(&[("exp-a", "emea", "exp-b"), ("exp-b", "apac", "exp-c")]);
        assert_eq!(
            found,
            [
                "13:21: exp-b cannot follow another experience and be followed: exp-a -> exp-b -> exp-c"
            ]
        );
        let found = problems(&[("exp-b", "apac", "*"), ("exp-a", "emea", "exp-b")]);
        assert_eq!(
            found,
            [
                "17:21: exp-b cannot follow another experience and be followed: exp-a -> exp-b -> apac *"
            ]
        );
        let found = problems(&[
            ("exp-c", "apac", "exp-d"),
            ("exp-b", "apac", "exp-c"),
            ("exp-a", "emea", "exp-b"),
        ]);
        let paths: Vec<_> = found
            .iter()
            .map(|told| told.rsplit(": ").next().unwrap())
            .collect();
        assert_eq!(
            paths,
            [
                "exp-b -> exp-c -> exp-d",
                "exp-a -> exp-b -> exp-c -> exp-d"
            ]
        );
    }

    #[test]
    fn a_circle_is_told_once_with_its_path() {
        let found = problems(&[("exp-a", "emea", "exp-b"), ("exp-b", "apac", "exp-a")]);
        assert_eq!(
            found,
            [
                "13:21: exp-b cannot follow another experience and be followed: exp-a -> exp-b -> exp-a"
            ]
        );
        let found = problems(&[
            ("exp-a", "emea", "exp-b"),
            ("exp-b", "apac", "exp-c"),
            ("exp-c", "apac", "exp-a"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("exp-a -> exp-b -> exp-c -> exp-a"));
        // What leads into a circle is told as well, and ends where the circle closes.
        let found = problems(&[
            ("exp-z", "emea", "exp-a"),
            ("exp-a", "emea", "exp-b"),
            ("exp-b", "apac", "exp-c"),
            ("exp-c", "apac", "exp-b"),
        ]);
        assert!(found[0].ends_with("exp-z -> exp-a -> exp-b -> exp-c -> exp-b"));
    }

    #[test]
    fn an_experience_that_follows_itself_is_told_as_such() {
        let found = problems(&[("exp-a", "emea", "exp-a")]);
        assert_eq!(found, ["13:21: exp-a cannot follow itself"]);
    }

    #[test]
    fn an_experience_that_two_members_claim_is_told_with_the_other() {
        let found = problems(&[("exp-a", "emea", "exp-1"), ("exp-b", "apac", "exp-1")]);
        assert_eq!(
            found,
            [
                "17:21: exp-1 is in another link already, exp-a -> exp-1 of emea; a member experience is in one link, which can list several management_experiences, and is of one member"
            ]
        );
        let found = problems(&[("exp-a", "emea", "*"), ("exp-b", "emea", "*")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("emea * is in another link already"));
    }

    #[test]
    fn only_a_path_that_leads_back_to_where_it_began_is_a_circle() {
        let text = r#"
            schema = 1
            member = [{ name = "emea", account = "222222222222", external_id = "id" }]
            link = [{ management_experience = "exp-a", member = "emea", member_experience = "exp-b" }]
        "#;
        let mut links = Config::parse(text).unwrap().links;
        let (a, b) = ("exp-a".parse().unwrap(), "exp-b".parse().unwrap());
        let path = FollowPath::new(&links, &a, &b);
        assert!(!path.is_circle());
        assert_eq!(path.experiences().collect::<Vec<_>>(), [&a, &b]);
        // Into a circle, and along it.
        let back = Link {
            sources: b.clone().into(),
            target: Target::One(a.clone()),
            ..links[0].clone()
        };
        links.push(back);
        assert!(FollowPath::new(&links, &a, &b).is_circle());
        let other = "exp-z".parse().unwrap();
        assert!(!FollowPath::new(&links, &other, &a).is_circle());
        assert!(!FollowPath::of(vec![a], None).is_circle());
    }

    #[test]
    fn a_chain_is_told_although_there_is_a_circle_elsewhere() {
        let found = problems(&[
            ("exp-a", "emea", "exp-b"),
            ("exp-b", "apac", "exp-a"),
            ("exp-c", "apac", "exp-d"),
            ("exp-d", "apac", "exp-e"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].ends_with("exp-c -> exp-d -> exp-e"), "{found:?}");
    }

    #[test]
    fn a_chain_and_a_circle_are_told_by_whichever_management_experience_makes_them() {
        let found = problems(&[("exp-x exp-b", "apac", "exp-c"), ("exp-a", "emea", "exp-b")]);
        assert_eq!(
            found,
            [
                "17:21: exp-b cannot follow another experience and be followed: exp-a -> exp-b -> exp-c"
            ]
        );
        let found = problems(&[("exp-x exp-a", "emea", "exp-b"), ("exp-b", "apac", "exp-a")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("exp-a -> exp-b -> exp-a"), "{found:?}");
        let found = problems(&[("exp-x exp-a", "emea", "exp-a")]);
        assert_eq!(found, ["13:21: exp-a cannot follow itself"]);
    }
}
