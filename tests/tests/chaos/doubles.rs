//! Every message is delivered twice: the answer to every other send is lost, so the SDK sends again.

use pmp_sync_domain::wire::Scope;
use pmp_sync_local::proxy::{Filter, Times};

use crate::setup::{
    assert_serial, aws_proxy, beside_others, change_sets, ids, install, lists, mirror, until_equal,
};

#[test]
fn every_message_delivered_twice_changes_nothing() {
    let installation = install(11, 2);
    beside_others(async {
        let (allow, deny) = (ids("a", 70), ids("d", 20));
        let wanted = lists(&allow, &deny);
        let nothing = lists(&ids("", 0), &ids("", 0));
        let (_, experiences) = mirror(&installation, wanted.clone(), &nothing).await;
        // The queues stand in the body of each send: those of this installation only.
        let rules: Vec<_> = installation
            .members
            .iter()
            .flat_map(|member| {
                let queue = format!("{}/pmp-chaos-11-changes", member.account);
                let sends = ["SendMessageBatch", "SendMessage"];
                sends.map(|send| {
                    let filter = Filter::any()
                        .target(format!("AmazonSQS.{send}"))
                        .body(queue.clone());
                    aws_proxy().rules(|rules| rules.drop_answer(filter, Times::Every(2)))
                })
            })
            .collect();
        installation.request(Scope::default()).await.unwrap();
        until_equal(&installation, &experiences, &wanted).await;
        for experience in &experiences {
            assert_serial(experience);
            assert_eq!(change_sets(experience).len(), 2, "the fewest");
        }
        let dropped: u64 = rules
            .iter()
            .map(|rule| aws_proxy().rules(|all| all.hits(*rule)))
            .sum();
        assert!(dropped >= 18, "only {dropped} answers were dropped");
        aws_proxy().rules(|all| rules.into_iter().for_each(|rule| all.remove(rule)));
    });
}
