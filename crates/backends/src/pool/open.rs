//! From an address to an object store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::PoolOptions;
use crate::PoolError;

/// Longest wait for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
const RETRIES: usize = 4;
/// Largest credentials file.
const CREDENTIALS_BYTES_MAX: u64 = 64 * 1024;

/// `s3://bucket/prefix`, `file:///directory` or `memory:`.
pub(super) fn object_store(options: &PoolOptions) -> Result<Arc<dyn ObjectStore>, PoolError> {
    let wrong = |why: &str| PoolError::Url { url: options.url.clone(), why: why.to_owned() };
    if options.url == "memory:" {
        return Ok(Arc::new(InMemory::new()));
    }
    if let Some(path) = options.url.strip_prefix("file://") {
        std::fs::create_dir_all(path).map_err(|e| PoolError::io("create", Path::new(path), e))?;
        return Ok(Arc::new(LocalFileSystem::new_with_prefix(path)?.with_fsync(true)));
    }
    let rest = options.url.strip_prefix("s3://").ok_or_else(|| wrong("it begins with s3:// or file://"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(wrong("it has no bucket"));
    }
    let client = ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
    let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT };
    // What the settings do not say stands in the environment: AWS_ACCESS_KEY_ID and the others.
    let mut builder =
        AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).with_client_options(client);
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(path) = &options.credentials_file {
        let (key, secret) = credentials(path)?;
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
    }
    let store = builder.build()?;
    Ok(if prefix.is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, prefix)) })
}

/// The first `aws_access_key_id` and `aws_secret_access_key` of a file as the tools of AWS write it.
fn credentials(path: &Path) -> Result<(String, String), PoolError> {
    use std::io::Read;
    let fail = |e| PoolError::io("read", path, e);
    let mut text = String::new();
    std::fs::File::open(path).map_err(fail)?.take(CREDENTIALS_BYTES_MAX).read_to_string(&mut text).map_err(fail)?;
    let value = |wanted: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == wanted).then(|| value.trim().to_owned())
        })
    };
    value("aws_access_key_id").zip(value("aws_secret_access_key")).ok_or_else(|| PoolError::Url {
        url: path.display().to_string(),
        why: "it has no aws_access_key_id and aws_secret_access_key".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_pools() {
        let open = |url: &str| object_store(&PoolOptions { url: url.into(), ..PoolOptions::default() });
        assert!(open("memory:").is_ok());
        for wrong in ["", "s3://", "s3:///x", "ftp://x"] {
            assert!(matches!(open(wrong), Err(PoolError::Url { .. })), "{wrong}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        std::fs::write(&path, "[default]\naws_access_key_id = a\naws_secret_access_key=b\n").unwrap();
        assert_eq!(credentials(&path).unwrap(), ("a".to_owned(), "b".to_owned()));
        std::fs::write(&path, "nothing").unwrap();
        assert!(credentials(&path).is_err());
    }
}
