//! The checks of doctor: each with its id, its remedy, and the permissions that it needs.
//! docs/doctor.md is generated from this list.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// The area of a check, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Area {
    /// The credentials of the management account, and this machine.
    Account,
    /// The organization of the management account.
    Organization,
    /// Gathers what is deployed in the management account.
    Management,
    /// What is configured.
    Configuration,
    /// Runs and lanes.
    Runs,
    /// The members, as the producer reaches them.
    Members,
    /// The members' own accounts.
    MemberAccounts,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Account => "account",
            Self::Organization => "organization",
            Self::Management => "management",
            Self::Configuration => "configuration",
            Self::Runs => "runs",
            Self::Members => "members",
            Self::MemberAccounts => "member accounts",
        })
    }
}

macro_rules! checks {
    ($($check:ident $id:literal $area:ident $what:literal $fix:literal $reads:literal;)*) => {
        /// One check of doctor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
        pub(crate) enum Check {
            $(#[doc = $what] #[serde(rename = $id)] $check,)*
        }

        impl Check {
            /// Every check, in the order of the report.
            pub(crate) const ALL: &[Self] = &[$(Self::$check,)*];

            /// Its stable id.
            pub(crate) fn id(self) -> &'static str {
                match self { $(Self::$check => $id,)* }
            }

            /// The area of the check.
            pub(crate) fn area(self) -> Area {
                match self { $(Self::$check => Area::$area,)* }
            }

            /// What the check expects, as a clause.
            #[cfg(test)]
            pub(crate) fn what(self) -> &'static str {
                match self { $(Self::$check => $what,)* }
            }

            /// The remedy, if the finding has none of its own.
            pub(crate) fn fix(self) -> &'static str {
                match self { $(Self::$check => $fix,)* }
            }

            /// The actions that the credentials need.
            pub(crate) fn reads(self) -> &'static str {
                match self { $(Self::$check => $reads,)* }
            }
        }
    };
}

checks! {
    Credentials "credentials" Account
        "STS answers, and says whose credentials these are"
        "set credentials of the management account, or name their profile with --management-profile"
        "sts:GetCallerIdentity";
    Region "region" Account
        "the account is in the partition where Private Marketplace is"
        "use an account of the partition aws: Private Marketplace works in us-east-1 only"
        "";
    Endpoints "endpoints" Account
        "no variable or profile sends calls elsewhere than to AWS"
        "unset the variables if AWS is meant"
        "";
    Clock "clock" Account
        "this machine's time is that of AWS, which refuses signatures that are 5 minutes off"
        "set this machine's clock, for example by NTP"
        "";
    Administrator "delegated-administrator" Organization
        "this account is the organization's management account, or its delegated administrator of Private Marketplace"
        "register this account with the credentials of the organization's management account: `aws organizations register-delegated-administrator --service-principal private-marketplace.marketplace.amazonaws.com --account-id ACCOUNT`"
        "organizations:DescribeOrganization, organizations:ListDelegatedAdministrators";
    TrustedAccess "trusted-access" Organization
        "the organization trusts Private Marketplace"
        "with the credentials of the organization's management account: `aws organizations enable-aws-service-access --service-principal private-marketplace.marketplace.amazonaws.com`"
        "organizations:ListAWSServiceAccessForOrganization";
    ManagementStack "management-stack" Management
        "the management stack is in this account, and its last deployment went well"
        "deploy it with `pmp-sync deploy management`; check --name if the stack has another one"
        "cloudformation:DescribeStacks";
    ManagementRelease "management-release" Management
        "the management stack is of this command's release"
        "bring the stack to this release with `pmp-sync deploy management`, or use the command of the stack's release"
        "";
    AccessStack "access-stack" Management
        "the stack of each member's lane role is there, and of this release"
        "deploy it with `pmp-sync deploy member`"
        "cloudformation:DescribeStacks";
    ProducerFunction "producer-function" Management
        "the producer can be invoked, its last update went well, and it knows what it needs"
        "deploy the stack again with `pmp-sync deploy management`"
        "lambda:GetFunctionConfiguration";
    ProducerSource "producer-source" Management
        "the producer is given the requests of its inbox and its retries, and reports single failures"
        "enable it: `aws lambda update-event-source-mapping --enabled --uuid UUID`"
        "lambda:ListEventSourceMappings";
    ProducerAnswers "producer-answers" Management
        "the producer answers, and is of this command's release"
        "look at its log: `aws logs tail /aws/lambda/NAME-producer`"
        "lambda:InvokeFunction";
    Inbox "inbox" Management
        "the producer's inbox is there, and nothing piles up in it"
        "see what the producer says of its requests: `aws logs tail /aws/lambda/NAME-producer`"
        "sqs:GetQueueUrl, sqs:GetQueueAttributes";
    InboxDeadLetters "inbox-dead-letters" Management
        "no request was given up on"
        "look at what they say: `aws sqs receive-message --message-attribute-names All --queue-url URL`; ask again for what is still wanted, then delete them"
        "sqs:GetQueueUrl, sqs:GetQueueAttributes";
    Undelivered "undelivered" Management
        "every request, trigger and notice was delivered"
        "see why in the attributes: `aws sqs receive-message --message-attribute-names All --queue-url URL`; ask again for what is still wanted, then delete them"
        "sqs:GetQueueUrl, sqs:GetQueueAttributes";
    Schedule "schedule" Management
        "the schedule is enabled"
        "enable it with the parameter ScheduleState=ENABLED of the management stack"
        "scheduler:GetSchedule";
    Rules "rules" Management
        "the rules that bring requests and change sets to the inbox are enabled"
        "enable it: `aws events enable-rule --name RULE`"
        "events:DescribeRule";
    Ledger "ledger" Management
        "the ledger is active, protected from deletion, backed up, and forgets old runs"
        "deploy the stack again with `pmp-sync deploy management`"
        "dynamodb:DescribeTable, dynamodb:DescribeContinuousBackups, dynamodb:DescribeTimeToLive";
    Notifications "notifications" Management
        "every subscription of the stack's topic is confirmed"
        "confirm it by the link in the mail that AWS has sent, or subscribe again"
        "sns:ListSubscriptionsByTopic";
    Configuration "configuration" Configuration
        "a configuration is stored, and valid"
        "apply a valid one with `pmp-sync config apply FILE`"
        "dynamodb:GetItem";
    MemberLinks "member-links" Configuration
        "every member has a link"
        "add a link, or remove the member, and apply the configuration"
        "";
    Onboarding "onboarding" Configuration
        "every account that was taken in is configured"
        "go on with `pmp-sync member add`, or take it out with `pmp-sync member remove`"
        "dynamodb:Query";
    Suspensions "suspensions" Configuration
        "nothing is suspended"
        "resume with `pmp-sync resume`, by the name that `pmp-sync status` shows"
        "dynamodb:GetItem";
    LedgerItems "ledger-items" Runs
        "every item of the ledger that the doctor reads can be read"
        "bring every stack to the newest release that is in use (PMS-4004)"
        "dynamodb:GetItem and dynamodb:Query";
    LastRun "last-run" Runs
        "the last run is not older than two periods of the schedule, and did not fail"
        "see `pmp-sync status --run RUN`; ask for a run with `pmp-sync sync --wait`"
        "dynamodb:Query";
    UnfinishedRuns "unfinished-runs" Runs
        "no run is unfinished for more than an hour"
        "see `pmp-sync status --run RUN`: a lane may be blocked, suspended, or slow"
        "dynamodb:Query";
    Blocked "blocked-lanes" Runs
        "no lane is blocked"
        "see `pmp-sync status`; once the cause is gone, `pmp-sync sync` unblocks the lane"
        "dynamodb:GetItem";
    Quarantine "quarantine" Runs
        "no change is quarantined"
        "see `pmp-sync dlq list`; issue what is to be tried again with `pmp-sync dlq replay`"
        "dynamodb:Query";
    Holds "holds" Runs
        "no plan waits for approval"
        "see `pmp-sync holds`"
        "dynamodb:Query";
    Frozen "frozen-links" Runs
        "no link is frozen"
        "remove `frozen` from the link in the configuration and apply it"
        "dynamodb:Query";
    OutsideEdits "outside-edits" Runs
        "nobody else has changed what is governed"
        "see who it was with `pmp-sync drift`; reserve such changes with the policy of `pmp-sync scp`"
        "dynamodb:Query";
    ManagementExperience "management-experience" Members
        "each management experience can be read, is enabled and not archived"
        "enable or revive it, or name another one in the configuration"
        "";
    ManagementPolicy "management-policy" Members
        "each management experience has a procurement policy that allows something"
        "give the experience a procurement policy, and products that it allows"
        "";
    Discovery "discovery" Members
        "AWS Marketplace tells the producer about products"
        "deploy the stack again with `pmp-sync deploy management`; products are not checked before they are allowed otherwise"
        "";
    MemberRole "member-role" Members
        "the producer can assume the role of each member"
        "check account and external_id in the configuration against the member's stack; deploy it with `pmp-sync deploy member`"
        "";
    MemberCatalog "member-catalog" Members
        "the role may list the experiences of each member's organization"
        "register the member account as its organization's delegated administrator of Private Marketplace, and deploy its stack again with `pmp-sync deploy member`"
        "";
    MemberExperience "member-experience" Members
        "each member experience can be read, is enabled and not archived"
        "enable it with `pmp-sync experience enable`, revive it with `pmp-sync experience revive`, or correct the link"
        "";
    MemberPolicy "member-policy" Members
        "each member experience has a procurement policy"
        "make one with `pmp-sync member bootstrap`, or let the first run make it"
        "";
    MemberQueue "member-queue" Members
        "the role reaches the changes queue of each member, and nothing piles up in it"
        "deploy the member's stack again with `pmp-sync deploy member`"
        "";
    MemberSending "member-sending" Members
        "the role may send changes: shown by those that have arrived"
        "nothing: it cannot be tried without an effect; the first change set of a sync shows it"
        "dynamodb:GetItem";
    MemberDeadLetters "member-dead-letters" Members
        "the role can receive each member's dead letters, and there are none"
        "see `pmp-sync dlq list`; issue what is to be tried again with `pmp-sync dlq replay`"
        "";
    MemberQuarantine "member-quarantine" Members
        "each quarantined change of the ledger has a dead letter, and each letter of one is of the ledger"
        "nothing is lost: the ledger decides. `pmp-sync dlq list` shows both; `pmp-sync dlq replay` or `discard` removes them"
        "";
    MemberInstallations "member-installations" Members
        "no other installation of pmp-sync changes the member's experiences"
        "decide which of them is to change the experience, and remove the link in the other one: PMS-6002"
        "";
    MemberCredentials "member-credentials" MemberAccounts
        "the profile's credentials are the member account's"
        "name a profile of the member account: --profile NAME=PROFILE"
        "sts:GetCallerIdentity";
    MemberAdministrator "member-administrator" MemberAccounts
        "the member account is its organization's management account, or its delegated administrator of Private Marketplace"
        "register it with the credentials of its organization's management account: `aws organizations register-delegated-administrator --service-principal private-marketplace.marketplace.amazonaws.com --account-id ACCOUNT`"
        "organizations:DescribeOrganization, organizations:ListDelegatedAdministrators";
    MemberTrustedAccess "member-trusted-access" MemberAccounts
        "the member organization trusts Private Marketplace"
        "with the credentials of its management account: `aws organizations enable-aws-service-access --service-principal private-marketplace.marketplace.amazonaws.com`"
        "organizations:ListAWSServiceAccessForOrganization";
    MemberStack "member-stack" MemberAccounts
        "the member stack is there, and its last deployment went well"
        "deploy it with `pmp-sync deploy member`"
        "cloudformation:DescribeStacks";
    MemberRelease "member-release" MemberAccounts
        "the member stack is of this command's release"
        "bring it to this release with `pmp-sync deploy member`"
        "";
    WorkerFunction "worker-function" MemberAccounts
        "the worker can be invoked, its last update went well, and it knows what it needs"
        "deploy the stack again with `pmp-sync deploy member`"
        "lambda:GetFunctionConfiguration";
    WorkerSource "worker-source" MemberAccounts
        "the worker is given the messages of its queue, and reports single failures"
        "enable it: `aws lambda update-event-source-mapping --enabled --uuid UUID`"
        "lambda:ListEventSourceMappings";
    ChangesQueue "changes-queue" MemberAccounts
        "the changes queue is there, with its dead-letter queue, and hides messages for longer than the worker runs"
        "deploy the stack again with `pmp-sync deploy member`"
        "sqs:GetQueueUrl, sqs:GetQueueAttributes";
    ChangesDeadLetters "changes-dead-letters" MemberAccounts
        "the dead-letter queue is there, and empty"
        "see `pmp-sync dlq list`; issue what is to be tried again with `pmp-sync dlq replay`"
        "sqs:GetQueueUrl, sqs:GetQueueAttributes";
    MemberUndelivered "member-undelivered" MemberAccounts
        "every event of a change set or a procurement request was delivered to the worker"
        "see why in the attributes: `aws sqs receive-message --message-attribute-names All --queue-url URL`, then delete them"
        "sqs:GetQueueUrl, sqs:GetQueueAttributes";
    ChangeSetRule "change-set-rule" MemberAccounts
        "the rule that tells the worker of finished change sets is enabled"
        "enable it: `aws events enable-rule --name RULE`; the worker is only slower without it"
        "events:DescribeRule";
    ProductRequestRule "product-request-rule" MemberAccounts
        "the rule that tells the worker of users' requests for products is enabled"
        "enable it: `aws events enable-rule --name RULE`; without it `pmp-sync requests` knows of no request of this member"
        "events:DescribeRule";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_areas_stand_together() {
        let ids: BTreeSet<_> = Check::ALL.iter().map(|check| check.id()).collect();
        assert_eq!(ids.len(), Check::ALL.len());
        let areas: Vec<_> = Check::ALL.iter().map(|check| check.area()).collect();
        assert!(areas.is_sorted());
        for check in Check::ALL {
            assert_eq!(serde_json::to_value(check).unwrap(), check.id());
        }
    }
}
