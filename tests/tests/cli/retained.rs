//! A stack that is created anew takes over what an earlier one has kept.

use pmp_sync_local::embedded::Clients;
use tokio::runtime::Runtime;

use crate::deploy::left;
use crate::removal::{Installation, code};
use crate::setup::Local;

#[test]
fn a_new_stack_takes_over_the_ledger_and_the_queues_of_the_one_before() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let code = code(&local);
    let one = Installation::new(&local, &code, '1', 1);
    let runtime = Runtime::new().unwrap();
    let clients = Clients::new(local.text("endpoint"));
    let [management, member] = one.accounts.each_ref().map(String::as_str);
    let configuration = || one.run(&["config", "show"], &[]).ended_with(0).stdout;
    let before = configuration();
    assert!(before.contains(member), "{before}");

    let deploy_management = ["deploy", "management", "--code", &code, "--json"];
    let deploy_member = [
        "deploy",
        "member",
        "--account",
        member,
        "--profile",
        "new",
        "--code",
        &code,
        "--json",
    ];
    for (account, part, command, kept) in [
        (
            management,
            "management",
            &deploy_management[..],
            &["table", "-ledger", "requests-dlq.fifo"][..],
        ),
        (member, "member", &deploy_member[..], &["changes-dlq"]),
    ] {
        let stack = format!("{}-{part}", one.name);
        let client = aws_sdk_cloudformation::Client::new(&clients.config(account));
        runtime.block_on(async {
            client
                .delete_stack()
                .stack_name(&stack)
                .send()
                .await
                .unwrap();
            loop {
                let found = client.describe_stacks().stack_name(&stack).send().await;
                let status = found.ok().and_then(|found| {
                    let status = found.stacks().first()?.stack_status()?;
                    Some(status.as_str().to_owned())
                });
                if status.is_none_or(|status| status == "DELETE_COMPLETE") {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        });
        let asked = one.run(command, &[]).ended_with(5);
        asked.tells(&[&[&stack, "an earlier one has kept", "--yes"], kept].concat());
        let yes = [command, &["--yes"]].concat();
        let deployed = one.run(&yes, &[]).ended_with(0).json();
        let stacks = deployed["stacks"].as_array().unwrap();
        let last = stacks.last().unwrap();
        assert_eq!(last["stack"], stack.as_str(), "{deployed:#}");
        assert_eq!(last["status"], "UPDATE_COMPLETE", "{deployed:#}");
        let again = one.run(&yes, &[]).ended_with(0).json();
        let stacks = again["stacks"].as_array().unwrap();
        assert_eq!(stacks.last().unwrap()["outcome"], "unchanged", "{again:#}");
        assert_eq!(configuration(), before);
    }

    one.remove(&[]).ended_with(0);
    one.run(&["destroy", "--yes"], &[]).ended_with(0);
    let left = runtime.block_on(left(local.text("endpoint"), &[management, member]));
    assert!(left.is_empty(), "{left:#?}");
}
