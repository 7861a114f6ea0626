//! The files `api` and `gateway`: where other programs find the servers of a running daemon.

use merkury_api::ApiError;
use merkury_store::Repo;

use crate::inner::repo_error;

/// The address files of a running daemon; removed when this is dropped.
#[must_use = "the files are removed when this is dropped"]
pub struct AddressFiles {
    repo: Repo,
}

impl AddressFiles {
    /// Writes the multiaddr of the RPC and the URL of the gateway. Call it once the servers answer.
    pub(crate) fn write(repo: &Repo, api: Option<&str>, gateway: Option<&str>) -> Result<Self, ApiError> {
        let files = Self { repo: repo.clone() };
        if let Some(address) = api {
            repo.write_api_address(address).map_err(repo_error)?;
        }
        if let Some(url) = gateway {
            repo.write_gateway_address(url).map_err(repo_error)?;
        }
        Ok(files)
    }
}

impl Drop for AddressFiles {
    fn drop(&mut self) {
        for removed in [self.repo.remove_api_address(), self.repo.remove_gateway_address()] {
            if let Err(error) = removed {
                tracing::warn!(%error, "an address file of the daemon stays behind");
            }
        }
    }
}
