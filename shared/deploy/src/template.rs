//! The templates, compiled into the binary, and the parameters that an operator may set.

use crate::DeployError;

/// A template, with the parameters that the command sets.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// The name of its file in infra/.
    pub file: &'static str,
    /// The text of the template.
    pub body: &'static str,
    /// Parameters that the command derives. An operator may not set them.
    set_here: &'static [&'static str],
}

/// The management account's.
pub const MANAGEMENT: Template = Template {
    file: "management.yaml",
    body: include_str!("../../../infra/management.yaml"),
    set_here: &["Name", "CodeBucket", "ProducerCodeKey"],
};

/// A member's role in the management account.
pub const MEMBER_ACCESS: Template = Template {
    file: "member-access.yaml",
    body: include_str!("../../../infra/member-access.yaml"),
    set_here: &[
        "Name",
        "MemberAccountId",
        "ExternalId",
        "LedgerTableArn",
        "BusArn",
    ],
};

/// A member account's.
pub const MEMBER: Template = Template {
    file: "member.yaml",
    body: include_str!("../../../infra/member.yaml"),
    set_here: &[
        "Name",
        "ManagementAccountId",
        "LedgerTableArn",
        "BusArn",
        "LaneRoleArn",
        "ExternalId",
        "CodeBucket",
        "WorkerCodeKey",
    ],
};

impl Template {
    /// The names of its parameters. This relies on the layout of our templates.
    pub fn parameters(&self) -> Vec<&'static str> {
        let lines = self.body.lines();
        let section = lines.skip_while(|line| *line != "Parameters:").skip(1);
        let section = section.take_while(|line| line.is_empty() || line.starts_with(' '));
        let name = |line: &'static str| {
            let rest = line.strip_prefix("  ")?.strip_suffix(':')?;
            (!rest.starts_with(' ')).then_some(rest)
        };
        section.filter_map(name).collect()
    }

    /// Refuses unknown parameters, and those that an operator may not set.
    pub fn check(&self, chosen: &[(String, String)]) -> Result<(), DeployError> {
        let known = self.parameters();
        let free: Vec<_> = known
            .iter()
            .filter(|name| !self.set_here.contains(*name))
            .copied()
            .collect();
        let mut seen = Vec::new();
        for (name, _) in chosen {
            let message = if self.set_here.contains(&name.as_str()) {
                format!("the parameter {name} is set by this command")
            } else if !free.contains(&name.as_str()) {
                format!("{} has no parameter {name}", self.file)
            } else if seen.contains(&name) {
                format!("the parameter {name} is given twice")
            } else {
                seen.push(name);
                continue;
            };
            return Err(DeployError::Invalid {
                message,
                remedy: format!("parameters that can be given: {}", free.join(", ")),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Template; 3] = [MANAGEMENT, MEMBER_ACCESS, MEMBER];

    #[test]
    fn what_the_command_sets_are_parameters_and_those_without_a_default() {
        for template in ALL {
            let parameters = template.parameters();
            for name in template.set_here {
                assert!(parameters.contains(name), "{name}");
            }
            let section = template.body.split("\nResources:").next().unwrap();
            for name in &parameters {
                let own = section.split(&format!("\n  {name}:\n")).nth(1).unwrap();
                let own = own.split("\n  ").take_while(|line| line.starts_with("  "));
                let has_default = own.into_iter().any(|line| line.contains("Default:"));
                assert!(
                    has_default || template.set_here.contains(name),
                    "{name} of {} has to be given",
                    template.file
                );
            }
        }
        assert!(MEMBER.parameters().contains(&"MemberMode"));
    }

    #[test]
    fn a_template_is_small_enough_to_be_sent_as_it_is() {
        for template in ALL {
            assert!(template.body.len() <= 51_200, "{}", template.file);
        }
    }

    #[test]
    fn parameters_that_are_unknown_not_free_or_given_twice_are_refused() {
        let given = |names: &[&str]| {
            let pair = |name: &&str| ((*name).to_owned(), "x".to_owned());
            MEMBER.check(&names.iter().map(pair).collect::<Vec<_>>())
        };
        given(&["MemberMode", "LogRetentionDays"]).unwrap();
        for (names, words) in [
            (&["Mode"][..], "has no parameter Mode"),
            (&["ExternalId"], "is set by this command"),
            (&["MemberMode", "MemberMode"], "is given twice"),
        ] {
            let told = given(names).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}
