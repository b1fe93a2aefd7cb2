//! Buckets of the operator's own: nothing of them is configured, the next deployment takes the same, and
//! at the end only our objects go, in all their versions.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumMode, CreateBucketConfiguration,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};
use pmp_sync_local::embedded::Clients;
use tokio::runtime::Runtime;

use crate::setup::{Answer, Local};

const LATAM: &str = "444444444444";
const EMEA: &str = "222222222222";
const OWN: &str = "a-bucket-of-latam";
const FOREIGN: &str = "a-bucket-of-emea";
const FAR: &str = "a-bucket-in-ireland";

struct Buckets {
    runtime: Runtime,
    latam: Client,
}

impl Buckets {
    /// A versioned bucket with settings and an object of its own, one of another account, and one
    /// in another region.
    fn new(local: &Local) -> Self {
        let runtime = Runtime::new().unwrap();
        let clients = Clients::new(local.text("endpoint"));
        let latam = Client::new(&clients.config(LATAM));
        let emea = Client::new(&clients.config(EMEA));
        let config = clients.config(LATAM);
        let ireland = config
            .to_builder()
            .region(aws_sdk_s3::config::Region::new("eu-west-1"));
        let ireland = Client::new(&ireland.build());
        runtime.block_on(async {
            latam.create_bucket().bucket(OWN).send().await.unwrap();
            emea.create_bucket().bucket(FOREIGN).send().await.unwrap();
            let there = CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::EuWest1)
                .build();
            let far = ireland.create_bucket().bucket(FAR);
            far.create_bucket_configuration(there).send().await.unwrap();
            let versions = VersioningConfiguration::builder()
                .status(BucketVersioningStatus::Enabled)
                .build();
            let call = latam.put_bucket_versioning().bucket(OWN);
            call.versioning_configuration(versions)
                .send()
                .await
                .unwrap();
            let rule = OwnershipControlsRule::builder()
                .object_ownership(ObjectOwnership::ObjectWriter)
                .build()
                .unwrap();
            let ownership = OwnershipControls::builder().rules(rule).build().unwrap();
            let call = latam.put_bucket_ownership_controls().bucket(OWN);
            call.ownership_controls(ownership).send().await.unwrap();
            let default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::AwsKms)
                .build()
                .unwrap();
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(default)
                .build();
            let encryption = ServerSideEncryptionConfiguration::builder()
                .rules(rule)
                .build()
                .unwrap();
            let call = latam.put_bucket_encryption().bucket(OWN);
            let call = call.server_side_encryption_configuration(encryption);
            call.send().await.unwrap();
            latam
                .delete_public_access_block()
                .bucket(OWN)
                .send()
                .await
                .unwrap();
            let call = latam.put_object().bucket(OWN).key("something-else.txt");
            call.body(b"mine".to_vec().into()).send().await.unwrap();
        });
        Self { runtime, latam }
    }

    /// How the bucket is configured.
    fn settings(&self) -> (bool, String, String) {
        self.runtime.block_on(async {
            let call = self.latam.get_public_access_block().bucket(OWN);
            let blocks = call.send().await.is_ok();
            let call = self.latam.get_bucket_encryption().bucket(OWN);
            let answer = call.send().await.unwrap();
            let rules = answer.server_side_encryption_configuration.unwrap().rules;
            let algorithm = rules[0].apply_server_side_encryption_by_default();
            let algorithm = algorithm.unwrap().sse_algorithm().as_str().to_owned();
            let call = self.latam.get_bucket_ownership_controls().bucket(OWN);
            let controls = call.send().await.unwrap().ownership_controls.unwrap();
            let owner = controls.rules()[0].object_ownership().as_str().to_owned();
            (blocks, algorithm, owner)
        })
    }

    /// Its versions and delete markers by key.
    fn versions(&self) -> Vec<String> {
        let call = self.latam.list_object_versions().bucket(OWN);
        let page = self.runtime.block_on(call.send()).unwrap();
        let versions = page.versions().iter().filter_map(|one| one.key());
        let markers = page.delete_markers().iter().filter_map(|one| one.key());
        versions.chain(markers).map(str::to_owned).collect()
    }

    fn overwrite(&self, key: &str) {
        let call = self.latam.put_object().bucket(OWN).key(key);
        let call = call.body(b"something else".to_vec().into());
        self.runtime.block_on(call.send()).unwrap();
    }

    fn delete(&self, key: &str) {
        let call = self.latam.delete_object().bucket(OWN).key(key);
        self.runtime.block_on(call.send()).unwrap();
    }

    fn checksum(&self, key: &str) -> Option<String> {
        let call = self.latam.head_object().bucket(OWN).key(key);
        let call = call.checksum_mode(ChecksumMode::Enabled);
        let head = self.runtime.block_on(call.send()).unwrap();
        head.checksum_sha256().map(str::to_owned)
    }
}

fn deploy(local: &Local, code: &str, more: &[&str]) -> Answer {
    let command = [
        "deploy",
        "member",
        "--account",
        LATAM,
        "--profile",
        "latam",
        "--json",
        "--code",
        code,
    ];
    local.run(&[&command, more].concat())
}

#[test]
fn a_bucket_of_the_operators_own_is_used_as_it_is_and_given_back() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let buckets = Buckets::new(&local);
    let code = local.folder("code");
    std::fs::copy(Path::new("/bin/true"), code.join("pmp-sync-worker")).unwrap();
    let code = code.to_str().unwrap();
    let settings = buckets.settings();
    let expected = (false, "aws:kms".to_owned(), "ObjectWriter".to_owned());
    assert_eq!(settings, expected);

    // Whose it is, and where, is checked before anything is shown or created.
    let foreign = deploy(&local, code, &["--bucket", FOREIGN, "--yes"]).ended_with(1);
    foreign.tells(&[FOREIGN, "not of account 444444444444", "--bucket"]);
    assert!(!foreign.stderr.contains("is created"), "{foreign:?}");
    let far = deploy(&local, code, &["--bucket", FAR, "--yes"]).ended_with(1);
    far.tells(&[FAR, "eu-west-1", "--bucket"]);
    // Nothing is stored before the question.
    deploy(&local, code, &["--bucket", OWN]).ended_with(5);
    assert_eq!(buckets.versions(), ["something-else.txt"]);

    let made = deploy(&local, code, &["--bucket", OWN, "--yes"]).ended_with(0);
    let made = made.json();
    assert_eq!(made["code"]["bucket"], OWN);
    let key = made["code"]["key"].as_str().unwrap();
    assert!(key.starts_with("pmp-sync/worker-"), "{key}");
    assert_eq!(buckets.settings(), settings);
    // Without the option it is still that bucket.
    let again = deploy(&local, code, &["--yes"]).ended_with(0).json();
    assert_eq!(again["code"], made["code"]);
    assert_eq!(again["stacks"][1]["outcome"], "unchanged");

    // What is there under the same name with another content is replaced.
    let checksum = buckets.checksum(key);
    assert!(checksum.is_some());
    buckets.overwrite(key);
    let other = ["--yes", "--parameter", "LogRetentionDays=30"];
    deploy(&local, code, &other).ended_with(0);
    assert_eq!(buckets.checksum(key), checksum);
    let stored = buckets.versions().len();
    let other = ["--yes", "--parameter", "LogRetentionDays=60"];
    deploy(&local, code, &other).ended_with(0);
    assert_eq!(buckets.versions().len(), stored, "it is not sent again");
    buckets.delete(key);

    let remove = [
        "member",
        "remove",
        LATAM,
        "--experience",
        "leave",
        "--profile",
        "latam",
        "--yes",
        "--json",
    ];
    let removed = local.run(&remove).ended_with(0).json();
    assert!(removed["left"].to_string().contains(OWN), "{removed:#}");
    assert_eq!(buckets.versions(), ["something-else.txt"]);
    assert_eq!(buckets.settings(), settings);
}

#[test]
fn a_bucket_by_the_default_name_keeps_what_is_not_ours() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let code = local.folder("code");
    std::fs::copy(Path::new("/bin/true"), code.join("pmp-sync-worker")).unwrap();
    deploy(&local, code.to_str().unwrap(), &["--yes"]).ended_with(0);
    let runtime = Runtime::new().unwrap();
    let clients = Clients::new(local.text("endpoint"));
    let client = Client::new(&clients.config(LATAM));
    let bucket = format!("pmp-sync-code-{LATAM}");
    let call = client
        .put_object()
        .bucket(&bucket)
        .key("something-else.txt");
    runtime
        .block_on(call.body(b"mine".to_vec().into()).send())
        .unwrap();
    let remove = || {
        let command = [
            "member",
            "remove",
            LATAM,
            "--experience",
            "leave",
            "--profile",
            "latam",
            "--yes",
            "--json",
        ];
        local.run(&command).ended_with(0).json()
    };
    let removed = remove();
    let left = removed["left"].to_string();
    assert!(left.contains("other objects"), "{removed:#}");
    let listed = runtime.block_on(client.list_objects_v2().bucket(&bucket).send());
    let listed = listed.unwrap();
    let keys: Vec<_> = listed
        .contents()
        .iter()
        .filter_map(|one| one.key())
        .collect();
    assert_eq!(keys, ["something-else.txt"]);
}
