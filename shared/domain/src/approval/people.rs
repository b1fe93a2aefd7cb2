//! How many people it takes to approve, and who counts as one.

use std::fmt;

use super::Ask;

/// How many people it takes to approve what is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum People {
    /// Anybody who may approve.
    #[default]
    One,
    /// Two different principals.
    Two,
}

impl People {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// Their number.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// As many as the number says. None if it is not allowed.
    pub fn of(count: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|people| people.count() == count)
    }
}

/// Why a request is refused that does not say who sent it, if it takes several people.
pub const NO_PRINCIPAL: &str =
    "it takes two people to approve, and the request does not say who sent it";

/// The roles of IAM Identity Center. Their session name is the user, and nobody can choose another.
const IDENTITY_CENTER: &str = "AWSReservedSSO_";

/// Who counts as one person. Anyone who may assume a role may choose the name of the session, so all sessions of
/// a role are one, except those of IAM Identity Center, whose name is that of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(String);

impl Principal {
    /// The principal of a request. None if the request does not say who sent it.
    pub fn of(ask: &Ask) -> Option<Self> {
        let by = ask.by.as_deref().map(str::trim);
        by.filter(|by| !by.is_empty()).map(Self::named)
    }

    fn named(by: &str) -> Self {
        let whole = || Self(by.to_owned());
        let Some((before, resource)) = by.rsplit_once(':') else {
            return whole();
        };
        let is_of_sts = before.starts_with("arn:") && before.split(':').nth(2) == Some("sts");
        let mut parts = resource.splitn(3, '/');
        match (is_of_sts, parts.next(), parts.next()) {
            (true, Some("assumed-role"), Some(role)) if !role.starts_with(IDENTITY_CENTER) => {
                Self(format!("{before}:assumed-role/{role}"))
            }
            // Its name is chosen by the user who asks for the session.
            (true, Some("federated-user"), Some(_)) => Self(format!("{before}:federated-user")),
            _ => whole(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True if the principal is among those who have approved.
pub fn has_approved(approvals: &[Ask], principal: &Principal) -> bool {
    let mut principals = approvals.iter().filter_map(Principal::of);
    principals.any(|known| known == *principal)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn ask(by: &str) -> Ask {
        Ask {
            by: Some(by.to_owned()),
            account: None,
            at: Timestamp::UNIX_EPOCH,
            reason: None,
        }
    }

    fn is_same(one: &str, other: &str) -> bool {
        Principal::of(&ask(one)) == Principal::of(&ask(other))
    }

    #[test]
    fn sessions_of_a_role_are_one_person_and_users_are_not() {
        let role = "arn:aws:sts::111111111111:assumed-role/operators/";
        let center = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_ops_0a1b/";
        let user = "arn:aws:iam::111111111111:user/team/";
        assert!(is_same(&format!("{role}ann"), &format!("{role}bob")));
        assert!(is_same(&format!("{role}ann"), &format!("{role}a/b")));
        assert!(!is_same(&format!("{center}ann"), &format!("{center}bob")));
        assert!(is_same(&format!("{center}ann"), &format!(" {center}ann ")));
        assert!(!is_same(&format!("{user}ann"), &format!("{user}bob")));
        assert!(!is_same(&format!("{role}ann"), &format!("{center}ann")));
        let federated = "arn:aws:sts::111111111111:federated-user/";
        assert!(is_same(
            &format!("{federated}ann"),
            &format!("{federated}bob")
        ));
        let elsewhere = "arn:aws:sts::222222222222:assumed-role/operators/ann";
        assert!(!is_same(&format!("{role}ann"), elsewhere));
        let china = "arn:aws-cn:sts::111111111111:assumed-role/operators/";
        assert!(is_same(&format!("{china}ann"), &format!("{china}bob")));
        assert!(!is_same("ann", "bob"));
    }

    #[test]
    fn a_request_of_nobody_has_no_principal() {
        assert_eq!(Principal::of(&ask(" ")), None);
        let nobody = Ask {
            by: None,
            ..ask("ann")
        };
        assert_eq!(Principal::of(&nobody), None);
        let ann = Principal::of(&ask("ann")).unwrap();
        assert!(!has_approved(&[nobody], &ann));
        assert!(has_approved(&[ask("bob"), ask("ann")], &ann));
        assert_eq!(ann.to_string(), "ann");
    }

    #[test]
    fn one_or_two_people_approve() {
        assert_eq!(People::of(0), None);
        assert_eq!(People::of(3), None);
        for people in People::ALL {
            assert_eq!(People::of(people.count()), Some(people));
        }
        assert_eq!(People::default(), People::One);
    }
}
