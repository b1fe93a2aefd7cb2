//! One bad product among fifty; a message that cannot be understood among others.

use pmp_sync_domain::ports::{Bus as _, Lanes as _};
use pmp_sync_domain::records::DeadLetterOutcome;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::wire::{
    DeadLetterAction, DeadLetterFilter, DeadLetterRequest, dead_letters_requested,
};
use pmp_sync_local::marketplace::{BadProduct, Faults};

use crate::setup::{
    PATIENCE, alone, assert_serial, beside_others, change_sets, embedded, emulator, ids, install,
    lane, lists, mirror, until_equal,
};

#[test]
fn the_other_forty_nine_are_allowed_and_a_replay_brings_the_bad_one_in() {
    let installation = install(41, 1);
    alone(async {
        let allow = ids("a", 50);
        let bad = "prod-a00017".to_owned();
        let nothing = lists(&ids("", 0), &ids("", 0));
        let (_, experiences) = mirror(&installation, lists(&allow, &ids("", 0)), &nothing).await;
        let faults = Faults {
            bad_products: [(bad.clone(), BadProduct::new("INVALID_PRODUCT"))].into(),
            ..Faults::default()
        };
        emulator().set_faults(faults).unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(
            (run.status, run.totals.quarantined),
            (RunStatus::Partial, 1)
        );
        let mut good = allow.clone();
        good.remove(&bad);
        assert_eq!(installation.lists(&experiences[0]).allow, good);
        assert_serial(&experiences[0]);
        let sets = change_sets(&experiences[0]).len();
        assert!(sets - 1 <= 12, "{sets} change sets, the fewest is one");
        let lane = lane(&installation, 0, &experiences[0]);
        let quarantined = installation.ledger.quarantined(&lane).await.unwrap().items;
        assert_eq!(
            (quarantined.len(), quarantined[0].error_code.as_str()),
            (1, "INVALID_PRODUCT")
        );

        let again = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(
            (
                again.status,
                again.totals.messages,
                again.totals.quarantined
            ),
            (RunStatus::Partial, 0, 1)
        );
        assert_eq!(
            change_sets(&experiences[0]).len(),
            sets,
            "it is not tried again"
        );

        emulator().set_faults(Faults::default()).unwrap();
        let request = DeadLetterRequest {
            action: DeadLetterAction::Replay,
            filter: DeadLetterFilter::default(),
            request_id: Some("replay-1".to_owned()),
            requester: None,
        };
        let bus = pmp_sync_aws::bus::EventBus::new(
            &embedded().config(&installation.management.account),
            "pmp-chaos-41",
        );
        bus.put(dead_letters_requested(request)).await.unwrap();
        let replay = installation.wait("replay-1", PATIENCE).await.unwrap();
        let letters = installation
            .ledger
            .dead_letters(replay.run)
            .await
            .unwrap()
            .items;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].outcome, DeadLetterOutcome::Reissued);
        assert_eq!(letters[0].attributes["error_code"], "INVALID_PRODUCT");
        assert!(letters[0].attributes.contains_key("change_set"));
        until_equal(&installation, &experiences, &lists(&allow, &ids("", 0))).await;
        let dead = aws_sdk_sqs::Client::new(&embedded().config(&installation.members[0].account))
            .receive_message()
            .queue_url(&installation.stacks.members[0].outputs["DeadLettersUrl"])
            .wait_time_seconds(2)
            .send()
            .await
            .unwrap();
        assert!(dead.messages().is_empty(), "{:?}", dead.messages());
    });
}

#[test]
fn a_message_that_cannot_be_understood_is_dead_lettered_at_once_and_the_rest_is_applied() {
    let installation = install(42, 1);
    beside_others(async {
        let allow = ids("a", 9);
        let nothing = lists(&ids("", 0), &ids("", 0));
        let (_, experiences) = mirror(&installation, lists(&allow, &ids("", 0)), &nothing).await;
        let outputs = &installation.stacks.members[0].outputs;
        let client = aws_sdk_sqs::Client::new(&embedded().config(&installation.members[0].account));
        for _ in 0..3 {
            client
                .send_message()
                .queue_url(&outputs["ChangesUrl"])
                .message_body("this is no message")
                .send()
                .await
                .unwrap();
        }
        installation.sync(PATIENCE).await.unwrap();
        until_equal(&installation, &experiences, &lists(&allow, &ids("", 0))).await;
        let dead = client
            .receive_message()
            .queue_url(&outputs["DeadLettersUrl"])
            .max_number_of_messages(10)
            .message_attribute_names("All")
            .message_system_attribute_names(
                aws_sdk_sqs::types::MessageSystemAttributeName::ApproximateReceiveCount,
            )
            .wait_time_seconds(5)
            .send()
            .await
            .unwrap();
        assert_eq!(dead.messages().len(), 3);
        for message in dead.messages() {
            assert_eq!(message.body(), Some("this is no message"));
            let attributes = message.message_attributes().unwrap();
            assert_eq!(attributes["reason"].string_value(), Some("unreadable"));
        }
    });
}
