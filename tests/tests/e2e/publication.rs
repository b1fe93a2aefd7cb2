//! The report is published by the deployed producer, to the bucket of the stack's parameter.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_local::marketplace::Lists;

use crate::setup::{block_on, embedded, ids, install, lists, mirror};

/// The emulated schedule takes up to a minute to begin, and a run a few seconds.
const SCHEDULED: Duration = Duration::from_secs(150);

#[test]
fn the_scheduled_run_publishes_the_report_in_the_bucket() {
    block_on(async {
        let parameters = [
            ("ScheduleExpression", "rate(1 minute)"),
            ("ReportBucket", "reports-of-17"),
        ];
        let installation = install(17, 1, &parameters).await;
        let s3 = Client::new(&embedded().config(&installation.management.account));
        let wanted = ids("published", 2);
        let before = Lists::default();
        let (_, experience) = mirror(&installation, lists(&wanted, &BTreeSet::new()), before).await;
        let ends = Instant::now() + SCHEDULED;
        // There is no such bucket yet, and the runs are none the worse for it.
        let run = loop {
            let runs = installation.ledger.newest_runs(10).await.unwrap().items;
            let ended = runs
                .into_iter()
                .find(|run| run.status == RunStatus::Completed);
            if let Some(run) = ended {
                break run;
            }
            assert!(Instant::now() < ends, "no scheduled run ended");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(installation.lists(&experience).allow, wanted);
        s3.create_bucket()
            .bucket("reports-of-17")
            .send()
            .await
            .unwrap();
        let ends = Instant::now() + SCHEDULED;
        let key = format!("{}/report.html", installation.stacks.management.name);
        let object = loop {
            let got = s3
                .get_object()
                .bucket("reports-of-17")
                .key(&key)
                .send()
                .await;
            match got {
                Ok(object) => break object,
                Err(error) => assert!(Instant::now() < ends, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(object.content_type(), Some("text/html; charset=utf-8"));
        let page = object.body.collect().await.unwrap().into_bytes();
        let page = String::from_utf8(page.to_vec()).unwrap();
        for told in ["<!doctype html>", experience.as_str(), &run.run.to_string()] {
            assert!(page.contains(told), "{told}");
        }
    });
}
