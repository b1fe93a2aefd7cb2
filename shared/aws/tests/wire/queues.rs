//! The queue of a member's changes, and its dead letters.

use pmp_sync_aws::dead_letters::DeadLetterQueue;
use pmp_sync_aws::queue::ChangesQueue;
use pmp_sync_domain::ports::{DeadLetterBox as _, ReadBounds, SendChanges as _};
use serde_json::json;

use crate::message;
use crate::script::Script;

#[tokio::test]
async fn entries_that_a_batch_did_not_take_are_sent_again_and_no_others() {
    let partly = json!({
        "Successful": [], "Failed": [{ "Id": "1", "Code": "InternalError", "SenderFault": false }],
    });
    let taken = json!({ "Successful": [], "Failed": [] });
    let (script, config) = Script::new([(200, None, partly), (200, None, taken)]).await;
    ChangesQueue::new(&config, "http://queue")
        .send(&[message(0), message(1), message(2)])
        .await
        .unwrap();
    let sizes: Vec<_> = script
        .seen()
        .iter()
        .map(|seen| seen.body["Entries"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [3, 1]);
    assert_eq!(
        script.seen()[1].body["Entries"][0]["MessageBody"],
        message(1).to_body()
    );
}

#[tokio::test]
async fn what_is_never_taken_is_counted() {
    let refused = json!({ "Successful": [], "Failed": [{ "Id": "0", "Code": "InternalError", "SenderFault": false }] });
    let (script, config) = Script::new(std::iter::repeat_n((200, None, refused), 3)).await;
    let not_sent = ChangesQueue::new(&config, "http://queue")
        .send(&[message(0)])
        .await
        .unwrap_err();
    assert_eq!((not_sent.count, script.seen().len()), (1, 3));
}

#[tokio::test]
async fn dead_letters_are_received_until_nothing_new_comes_and_deleted_by_their_receipt() {
    let message = |id: &str, receipt: &str| {
        json!({
            "MessageId": id, "ReceiptHandle": receipt, "Body": "{}",
            "MessageAttributes": { "reason": { "DataType": "String", "StringValue": "quarantined" } },
        })
    };
    let (script, config) = Script::new([
        (200, None, json!({ "Messages": [message("a", "r1")] })),
        (
            200,
            None,
            json!({ "Messages": [message("a", "r2"), message("b", "r3")] }),
        ),
        (200, None, json!({})),
        (200, None, json!({ "Messages": [] })),
        (200, None, json!({})),
        (200, None, json!({})),
    ])
    .await;
    let queue = DeadLetterQueue::new(&config, "http://queue-dlq");
    let bounds = ReadBounds {
        messages: 100,
        seconds: 30,
    };
    let received = queue.dead_letters(bounds).await.unwrap();
    assert!(!received.cut_off);
    let letters = received.letters;
    let ids: Vec<_> = letters.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(letters[0].attributes["reason"], "quarantined");
    queue.delete_dead_letter(&letters[0]).await.unwrap();
    queue.put_dead_letter_back(&letters[1]).await.unwrap();
    let seen = script.seen();
    assert_eq!(seen[0].body["VisibilityTimeout"], 180);
    assert_eq!(seen[4].body["ReceiptHandle"], "r1");
    assert_eq!(
        (
            &seen[5].body["ReceiptHandle"],
            &seen[5].body["VisibilityTimeout"]
        ),
        (&json!("r3"), &json!(0))
    );
}
