//! A running Kubo, asked over its RPC: the way to repositories whose databases are not read here.
//!
//! Parts: [`address`] (where it is), [`http`] (one connection, one request at a time), this file (the questions).
//!
//! Every question blocks its thread; for more than one at a time there is more than one [`Rpc`]. Only commands that read are
//! ever sent, `offline` wherever that works: moving a repository does not make Kubo fetch.

mod address;
mod http;

use data_encoding::BASE64;
use merkury_core::cid::codec_code;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;
use merkury_core::{Cid, Multihash};
use serde_json::Value;

use crate::{KuboError, KuboPin};
pub use address::Address;
use http::Connection;

/// Longest answer that is one JSON document: the configuration, a list of keys.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// How long a Kubo may look for a record.
const RECORD_TIMEOUT: &str = "10s";

/// A connection to a running Kubo.
pub struct Rpc {
    connection: Connection,
}

/// Size of a running Kubo's repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcRepo {
    /// Bytes on its disk.
    pub bytes: u64,
    /// Directory of its repository, on its machine.
    pub path: String,
}

impl Rpc {
    /// Connects. `authorization` is the whole value of the `Authorization` header, for a Kubo that asks for one.
    pub fn connect(address: &Address, authorization: Option<String>) -> Result<Self, KuboError> {
        Ok(Self { connection: Connection::open(address.clone(), authorization)? })
    }

    /// What it says it is: `kubo/0.43.1/…`.
    pub fn version(&mut self) -> Result<String, KuboError> {
        let answer = self.document("version")?;
        Ok(answer["Version"].as_str().unwrap_or("of unknown version").to_owned())
    }

    /// Its peer id, as text.
    pub fn peer_id(&mut self) -> Result<String, KuboError> {
        let answer = self.document("config?arg=Identity.PeerID")?;
        answer["Value"].as_str().map(str::to_owned).ok_or_else(|| self.malformed("config", "no peer id"))
    }

    /// How large it is and where.
    pub fn repo(&mut self) -> Result<RpcRepo, KuboError> {
        let answer = self.document("repo/stat")?;
        let path = answer["RepoPath"].as_str().unwrap_or_default().to_owned();
        Ok(RpcRepo { bytes: answer["RepoSize"].as_u64().unwrap_or_default(), path })
    }

    /// Its configuration, without secrets.
    pub fn config(&mut self) -> Result<Value, KuboError> {
        self.document("config/show")
    }

    /// The root of its mutable file system.
    pub fn mfs_root(&mut self) -> Result<Option<Cid>, KuboError> {
        let answer = self.document("files/stat?arg=/&hash=true&offline=true")?;
        match answer["Hash"].as_str() {
            Some(text) => Ok(Some(self.cid("files/stat", text)?)),
            None => Ok(None),
        }
    }

    /// Its keys: name and id, with `self`.
    pub fn keys(&mut self) -> Result<Vec<(String, String)>, KuboError> {
        let answer = self.document("key/list?ipns-base=b58mh")?;
        let keys = answer["Keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(keys.iter().map(|key| (text(&key["Name"]), text(&key["Id"]))).collect())
    }

    /// The IPNS record it has for a peer id; `None` when it has none, or runs offline, where it gives none.
    pub fn ipns_record(&mut self, peer_id: &str) -> Result<Option<Vec<u8>>, KuboError> {
        // The one question that may make it ask others; so it gets a limit.
        let query = format!("routing/get?arg=/ipns/{peer_id}&timeout={RECORD_TIMEOUT}");
        let mut lines = match self.connection.lines(&query) {
            // Having none is an error there, in many words.
            Err(KuboError::Refused { .. }) => return Ok(None),
            other => other?,
        };
        loop {
            match lines.next() {
                Some(Err(KuboError::Refused { .. })) | None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(line)) => {
                    if let Some(record) = line["Extra"].as_str().filter(|extra| !extra.is_empty()) {
                        return Ok(BASE64.decode(record.as_bytes()).ok());
                    }
                }
            }
        }
    }

    /// Calls `each` with every block's multihash. The answer of `each` says whether to go on.
    pub fn each_block(&mut self, each: &mut dyn FnMut(Multihash) -> bool) -> Result<(), KuboError> {
        let address = self.connection.address().to_string();
        for line in self.connection.lines("refs/local")? {
            let line = line?;
            if let Some(error) = line["Err"].as_str().filter(|error| !error.is_empty()) {
                return Err(refused(&address, "refs/local", error));
            }
            let Some(text) = line["Ref"].as_str() else { continue };
            let cid = Cid::parse(text).map_err(|error| refused(&address, "refs/local", &error.to_string()))?;
            if !each(cid.hash().clone()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The bytes under a multihash, unchecked; `None` when it does not have them.
    pub fn block(&mut self, hash: &Multihash) -> Result<Option<Vec<u8>>, KuboError> {
        let cid = Cid::v1(codec_code::RAW, hash.clone());
        match self.connection.bytes(&format!("block/get?arg={cid}&offline=true"), BIG_BLOCK_BYTES_MAX) {
            Err(KuboError::Refused { message, .. })
                if message.contains("not find") || message.contains("not found") =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Calls `each` with every pin of a kind. The answer of `each` says whether to go on.
    pub fn each_pin(&mut self, recursive: bool, each: &mut dyn FnMut(KuboPin) -> bool) -> Result<(), KuboError> {
        let kind = if recursive { "recursive" } else { "direct" };
        let address = self.connection.address().to_string();
        for line in self.connection.lines(&format!("pin/ls?type={kind}&names=true&stream=true&offline=true"))? {
            let line = line?;
            let Some(text) = line["Cid"].as_str() else { continue };
            let cid = Cid::parse(text).map_err(|error| refused(&address, "pin/ls", &error.to_string()))?;
            let name = line["Name"].as_str().unwrap_or_default().to_owned();
            if !each(KuboPin { cid, recursive, name }) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn document(&mut self, query: &str) -> Result<Value, KuboError> {
        let bytes = self.connection.bytes(query, DOCUMENT_BYTES_MAX)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.malformed(query, &format!("its answer is not JSON: {error}")))
    }

    fn cid(&self, command: &str, text: &str) -> Result<Cid, KuboError> {
        Cid::parse(text).map_err(|error| self.malformed(command, &error.to_string()))
    }

    fn malformed(&self, command: &str, why: &str) -> KuboError {
        refused(&self.connection.address().to_string(), command, why)
    }
}

fn refused(address: &str, command: &str, message: &str) -> KuboError {
    KuboError::Refused { address: address.into(), command: command.into(), message: message.into() }
}
