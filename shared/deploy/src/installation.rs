//! The stacks of an installation: their names, and the parameters that follow from what is deployed.

use std::collections::BTreeMap;

use pmp_sync_domain::ids::AccountId;
use serde::Serialize;

use crate::change::Wanted;
use crate::template::{MANAGEMENT, MEMBER, MEMBER_ACCESS, Template};

/// Outputs of a stack by name.
pub type Outputs = BTreeMap<String, String>;

/// The parameter of a stack that names the bucket of its code.
pub const CODE_BUCKET: &str = "CodeBucket";

/// The location of code.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Code {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// The name of the management account's stack, as in infra/README.md.
pub fn management_stack(name: &str) -> String {
    format!("{name}-management")
}

/// The name of the stack in the management account with the role of a member's worker.
pub fn access_stack(name: &str, account: &AccountId) -> String {
    format!("{name}-member-access-{account}")
}

/// The name of a member account's stack.
pub fn member_stack(name: &str) -> String {
    format!("{name}-member")
}

/// The management account's stack. `chosen` are parameters that the operator sets.
pub fn management(name: &str, code: &Code, chosen: &[(String, String)]) -> Wanted {
    let own = [
        ("Name", name),
        (CODE_BUCKET, &code.bucket),
        ("ProducerCodeKey", &code.key),
    ];
    wanted(management_stack(name), MANAGEMENT, name, own, chosen)
}

/// A member's role in the management account. `management` are the outputs of that account's stack.
pub fn member_access(
    name: &str,
    account: &AccountId,
    external_id: &str,
    management: &Outputs,
) -> Wanted {
    let own = [
        ("Name", name),
        ("MemberAccountId", account.as_str()),
        ("ExternalId", external_id),
        from(management, "LedgerTableArn"),
        from(management, "BusArn"),
    ];
    wanted(access_stack(name, account), MEMBER_ACCESS, name, own, &[])
}

/// A member account's stack. `access` are the outputs of its role's stack in the management account.
pub fn member(
    name: &str,
    external_id: &str,
    management: &Outputs,
    access: &Outputs,
    code: &Code,
    chosen: &[(String, String)],
) -> Wanted {
    let own = [
        ("Name", name),
        ("ExternalId", external_id),
        (CODE_BUCKET, &code.bucket),
        ("WorkerCodeKey", &code.key),
        from(access, "LaneRoleArn"),
        from(management, "ManagementAccountId"),
        from(management, "LedgerTableArn"),
        from(management, "BusArn"),
    ];
    wanted(member_stack(name), MEMBER, name, own, chosen)
}

fn from<'a>(outputs: &'a Outputs, name: &'static str) -> (&'static str, &'a str) {
    (name, outputs.get(name).map_or("", String::as_str))
}

fn wanted<const N: usize>(
    stack: String,
    template: Template,
    name: &str,
    own: [(&str, &str); N],
    chosen: &[(String, String)],
) -> Wanted {
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Wanted {
        stack,
        template,
        parameters: chosen.iter().cloned().chain(own).collect(),
        name: name.to_owned(),
    }
}
