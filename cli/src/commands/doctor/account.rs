//! The credentials of the management account, and this machine.

use pmp_sync_aws::caller::Caller;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::Look;

use super::check::Check;
use super::finding::Finding;
use super::look::Timed;

/// A difference of this many seconds is a warning. AWS accepts signatures that are 300 s off.
const WARN: i64 = 60;
const MOST: i64 = 300;

/// What was seen.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) caller: Timed<Caller>,
    /// The time of AWS, and of this machine when AWS answered.
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// Endpoints that are set, with the variable or profile that sets each.
    pub(crate) endpoints: Vec<(String, String)>,
    /// The region of the environment.
    pub(crate) region: Option<String>,
}

/// Judges what was seen.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    vec![
        credentials(facts),
        region(facts),
        endpoints(&facts.endpoints),
        clock(facts),
    ]
}

fn credentials(facts: &Facts) -> Finding {
    let found = match &facts.caller.look {
        Look::Seen(caller) => Finding::ok(
            Check::Credentials,
            format!("{} of account {}", caller.arn, caller.account),
        ),
        Look::Failed(trouble) => Finding::fail(Check::Credentials, trouble.message.clone()),
        Look::Skipped(because) => Finding::because(Check::Credentials, because),
    };
    found.took(facts.caller.milliseconds)
}

fn region(facts: &Facts) -> Finding {
    Finding::of(Check::Region, &facts.caller.look, |caller| {
        let partition = caller.arn.split(':').nth(1).unwrap_or_default();
        if partition != "aws" {
            let seen = format!("the account is in the partition {partition:?}");
            return Finding::fail(Check::Region, seen);
        }
        let seen = match &facts.region {
            Some(region) if region != "us-east-1" => format!(
                "us-east-1, which pmp-sync always uses, whatever the environment says ({region})"
            ),
            _ => "us-east-1".to_owned(),
        };
        Finding::ok(Check::Region, seen)
    })
}

fn endpoints(endpoints: &[(String, String)]) -> Finding {
    if endpoints.is_empty() {
        return Finding::ok(Check::Endpoints, "those of AWS");
    }
    let told: Vec<_> = endpoints
        .iter()
        .map(|(by, url)| format!("{by} is {url}"))
        .collect();
    Finding::warn(
        Check::Endpoints,
        format!("calls do not go to AWS: {}", told.join(", ")),
    )
}

fn clock(facts: &Facts) -> Finding {
    let Some((theirs, ours)) = facts.times else {
        return Finding::because(Check::Clock, "no answer of AWS told the time");
    };
    let off = ours.as_second().saturating_sub(theirs.as_second());
    let way = if off < 0 { "behind" } else { "ahead of" };
    let seen = format!("this machine is {} s {way} AWS", off.unsigned_abs());
    let found = match off.abs() {
        ..WARN => Finding::ok(Check::Clock, seen),
        WARN..MOST => Finding::warn(Check::Clock, seen),
        _ => Finding::fail(Check::Clock, seen),
    };
    found.took(facts.caller.milliseconds)
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::error::Kind;

    use super::super::finding::Status;
    use super::super::finding::tests::{failed, tells};
    use super::*;

    fn facts(arn: &str) -> Facts {
        let caller = Caller {
            account: "111111111111".to_owned(),
            arn: arn.to_owned(),
        };
        Facts {
            caller: Timed {
                look: Look::Seen(caller),
                milliseconds: 7,
            },
            times: None,
            endpoints: Vec::new(),
            region: None,
        }
    }

    const ARN: &str = "arn:aws:iam::111111111111:role/Operator";

    #[test]
    fn credentials_that_do_not_work_fail_and_the_region_is_not_known() {
        let good = judge(&facts(ARN));
        tells(&good[0], Status::Ok, &[ARN, "111111111111"]);
        assert_eq!(good[0].milliseconds, 7);
        tells(&good[1], Status::Ok, &["us-east-1"]);
        let mut none = facts(ARN);
        none.caller.look = failed(Kind::Denied, "the token has expired");
        let none = judge(&none);
        tells(&none[0], Status::Fail, &["expired", "--management-profile"]);
        tells(&none[1], Status::Unknown, &["expired"]);
    }

    #[test]
    fn another_partition_fails_and_another_region_is_told() {
        let other = judge(&facts("arn:aws-cn:iam::111111111111:root"));
        tells(&other[1], Status::Fail, &["aws-cn"]);
        let mut elsewhere = facts(ARN);
        elsewhere.region = Some("eu-west-1".to_owned());
        tells(&judge(&elsewhere)[1], Status::Ok, &["eu-west-1"]);
    }

    #[test]
    fn endpoints_that_are_not_of_aws_are_told() {
        let mut elsewhere = facts(ARN);
        tells(&judge(&elsewhere)[2], Status::Ok, &[]);
        elsewhere
            .endpoints
            .push(("AWS_ENDPOINT_URL_SQS".to_owned(), "http://x".to_owned()));
        tells(
            &judge(&elsewhere)[2],
            Status::Warn,
            &["AWS_ENDPOINT_URL_SQS is http://x", "unset"],
        );
    }

    #[test]
    fn a_clock_may_be_a_minute_off_and_not_five() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        for (off, status) in [
            (0, Status::Ok),
            (-59, Status::Ok),
            (60, Status::Warn),
            (-60, Status::Warn),
            (299, Status::Warn),
            (300, Status::Fail),
            (-3_600, Status::Fail),
        ] {
            let mut facts = facts(ARN);
            facts.times = Some((at(0), at(off)));
            let way = if off < 0 { "behind" } else { "ahead of" };
            tells(&judge(&facts)[3], status, &[way]);
        }
        tells(&judge(&facts(ARN))[3], Status::Unknown, &["time"]);
    }
}
