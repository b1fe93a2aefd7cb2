//! The bucket for the functions' code. A bucket that exists is used as it is: nothing of it is
//! configured. One that does not exist is created. At the end only objects of the installation are
//! deleted, in all their versions.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, ObjectOwnership};
use pmp_sync_aws::config::REGION;
use pmp_sync_aws::service_error;
use pmp_sync_domain::error::{Kind, ServiceError};

use crate::Account;
use crate::DeployError;
use crate::installation::Code;
use crate::package::Package;

/// How long an upload of some megabytes may take over a slow line.
const SENDING: Duration = Duration::from_mins(10);
/// The most pages of versions that are read, with up to 1,000 versions each.
const PAGES: usize = 100;

#[derive(Debug)]
/// A bucket for code.
pub struct Bucket<'a> {
    client: Client,
    name: String,
    installation: String,
    account: &'a Account,
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Number of versions of our objects that were deleted.
    pub versions: usize,
    /// True if the bucket was deleted.
    pub bucket: bool,
    /// Why something of ours, or the bucket, is still there.
    pub left: Option<String>,
}

/// The default name of the bucket.
pub fn default_name(name: &str, account: &Account) -> String {
    format!("{name}-code-{}", account.id)
}

impl<'a> Bucket<'a> {
    /// A bucket of an account, for an installation.
    pub fn new(account: &'a Account, name: String, installation: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(SENDING)
            .operation_timeout(SENDING)
            .build();
        let config = account.config.to_builder().timeout_config(timeouts).build();
        Self {
            client: Client::new(&config),
            name,
            installation: installation.to_owned(),
            account,
        }
    }

    /// The name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the code is, or will be.
    pub fn code(&self, package: &Package) -> Code {
        Code {
            bucket: self.name.clone(),
            key: format!("{}{}", self.prefix(), package.key),
        }
    }

    /// What the keys of the installation begin with. A bucket may have the code of several.
    fn prefix(&self) -> String {
        format!("{}/", self.installation)
    }

    fn thing(&self) -> String {
        format!("bucket {}", self.name)
    }

    fn owner(&self) -> &str {
        self.account.id.as_str()
    }

    /// True if the bucket exists. An error if it cannot be used: it is not of the account, or in
    /// another region. Changes nothing.
    pub async fn check(&self) -> Result<bool, DeployError> {
        let head = self
            .client
            .head_bucket()
            .bucket(&self.name)
            .expected_bucket_owner(self.owner())
            .send()
            .await;
        let region = match &head {
            Ok(answer) => answer.bucket_region().map(str::to_owned),
            Err(error) => region_of(error),
        };
        if let Some(region) = region.filter(|region| region != REGION) {
            return Err(DeployError::Failed {
                message: format!(
                    "the bucket {} is in {region}, and Lambda takes code from its own region only",
                    self.name
                ),
                remedy: format!("name a bucket in {REGION} with --bucket, or leave it out"),
            });
        }
        match head.map_err(|error| service_error("HeadBucket", self.thing(), &error)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind == Kind::NotFound => Ok(false),
            Err(error) => Err(self.not_ours(error)),
        }
    }

    /// Uploads code, unless the same content is there already. Creates the bucket if it does not
    /// exist.
    pub async fn store(&self, package: &Package) -> Result<Code, DeployError> {
        if !self.check().await? {
            self.create().await?;
        }
        let code = self.code(package);
        let checksum = package.checksum();
        if self.checksum_of(&code.key).await?.as_deref() == Some(checksum.as_str()) {
            return Ok(code);
        }
        // The service refuses a body with another checksum.
        self.client
            .put_object()
            .bucket(&self.name)
            .key(&code.key)
            .expected_bucket_owner(self.owner())
            .checksum_sha256(checksum)
            .body(ByteStream::from(package.zip.clone()))
            .send()
            .await
            .map_err(|error| service_error("PutObject", self.thing(), &error))?;
        Ok(code)
    }

    /// The stored checksum of an object. None if there is no object, or no such checksum of it.
    async fn checksum_of(&self, key: &str) -> Result<Option<String>, DeployError> {
        let head = self
            .client
            .head_object()
            .bucket(&self.name)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .expected_bucket_owner(self.owner())
            .send()
            .await
            .map_err(|error| service_error("HeadObject", self.thing(), &error));
        match head {
            Ok(answer) => Ok(answer.checksum_sha256().map(str::to_owned)),
            // Without permission to list, a missing object is answered as denied as well.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Denied) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the bucket. Encryption and the block of public access are as AWS gives them to every
    /// new bucket; nothing is configured afterwards, so that an interruption leaves nothing half
    /// done.
    async fn create(&self) -> Result<(), DeployError> {
        let made = self
            .client
            .create_bucket()
            .bucket(&self.name)
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .send()
            .await;
        match made {
            Ok(_) => Ok(()),
            // Another run of the command was faster.
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => {
                let error = service_error("CreateBucket", self.thing(), &error);
                Err(self.not_ours(error))
            }
        }
    }

    fn not_ours(&self, error: ServiceError) -> DeployError {
        let taken =
            error.kind == Kind::Denied || error.code.as_deref() == Some("BucketAlreadyExists");
        if !taken {
            return error.into();
        }
        DeployError::Failed {
            message: format!(
                "the bucket {} is not of account {}, or may not be used with these credentials: {error}",
                self.name, self.account.id
            ),
            remedy: "name another bucket with --bucket, or use credentials that may use this one"
                .to_owned(),
        }
    }

    /// Checks that the installation's objects can be listed, if the bucket exists. Changes nothing.
    pub async fn check_removal(&self) -> Result<(), DeployError> {
        if self.check().await? {
            self.versions().await?;
        }
        Ok(())
    }

    /// Up to a page of versions and delete markers of the installation's objects: key and version.
    async fn versions(&self) -> Result<Vec<(String, String)>, DeployError> {
        let page = self
            .client
            .list_object_versions()
            .bucket(&self.name)
            .prefix(self.prefix())
            .expected_bucket_owner(self.owner())
            .send()
            .await
            .map_err(|error| service_error("ListObjectVersions", self.thing(), &error))?;
        let versions = page.versions().iter();
        let versions = versions.map(|one| (one.key(), one.version_id()));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|one| (one.key(), one.version_id()));
        let all = versions.chain(markers);
        let own = all.filter_map(|(key, version)| Some((key?.to_owned(), version?.to_owned())));
        Ok(own.collect())
    }

    /// Deletes every version of the installation's objects, and nothing else. Does nothing if there
    /// is no bucket.
    pub async fn clear(&self) -> Result<Cleared, DeployError> {
        let mut cleared = Cleared::default();
        if !self.check().await? {
            return Ok(cleared);
        }
        for _ in 0..PAGES {
            let versions = self.versions().await?;
            if versions.is_empty() {
                return Ok(cleared);
            }
            for (key, version) in versions {
                let gone = self
                    .client
                    .delete_object()
                    .bucket(&self.name)
                    .key(&key)
                    .version_id(&version)
                    .expected_bucket_owner(self.owner())
                    .send()
                    .await
                    .map_err(|error| service_error("DeleteObject", self.thing(), &error));
                match gone {
                    Ok(_) => cleared.versions += 1,
                    // Such as by a lock, a retention or a policy of the bucket.
                    Err(error) if error.kind == Kind::Denied => {
                        cleared.left = Some(format!(
                            "the code {key} in the bucket {}, which may not be deleted: {}",
                            self.name, error.message
                        ));
                        return Ok(cleared);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        cleared.left = Some(format!("code in the bucket {}: run it again", self.name));
        Ok(cleared)
    }

    /// Deletes the installation's objects, and then the bucket, if nothing else is in it.
    pub async fn remove(&self) -> Result<Cleared, DeployError> {
        let mut cleared = self.clear().await?;
        if cleared.left.is_some() {
            return Ok(cleared);
        }
        let gone = self
            .client
            .delete_bucket()
            .bucket(&self.name)
            .expected_bucket_owner(self.owner())
            .send()
            .await;
        match gone {
            Ok(_) => cleared.bucket = true,
            Err(error) if error.code() == Some("BucketNotEmpty") => {
                cleared.left = Some(format!(
                    "the bucket {}, which has other objects as well",
                    self.name
                ));
            }
            Err(error) => {
                let error = service_error("DeleteBucket", self.thing(), &error);
                if error.kind != Kind::NotFound {
                    return Err(error.into());
                }
            }
        }
        Ok(cleared)
    }
}

/// The region of a bucket that another region answers for.
fn region_of(error: &SdkError<HeadBucketError>) -> Option<String> {
    let answer = error.raw_response()?;
    // A bucket of somebody else is answered with its region, too.
    (answer.status().as_u16() == 301 || answer.status().as_u16() == 400)
        .then(|| answer.headers().get("x-amz-bucket-region"))
        .flatten()
        .map(str::to_owned)
}
