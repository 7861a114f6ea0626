//! The identity of the node inside the configuration: peer id and private key.

use merkury_core::PeerId;
use merkury_core::keys::Keypair;
use serde_json::{Value, json};

use super::{ConfigError, document};

/// The key pair of a document; its peer id must be the one that stands beside it.
pub(crate) fn read(config: &Value) -> Result<Keypair, ConfigError> {
    let fail = |why: String| ConfigError::Identity(why);
    let text = document::get(config, "Identity.PrivKey")?.as_str().unwrap_or_default();
    let bytes = data_encoding::BASE64.decode(text.as_bytes()).map_err(|error| fail(format!("PrivKey: {error}")))?;
    let pair = Keypair::from_protobuf(&bytes).map_err(|error| fail(format!("PrivKey: {error}")))?;
    let claimed = peer_id(config)?;
    if pair.peer_id() != claimed {
        return Err(fail(format!("PeerID is {claimed}, but the private key belongs to {}", pair.peer_id())));
    }
    Ok(pair)
}

/// The peer id of a document, without touching the key.
pub(crate) fn peer_id(config: &Value) -> Result<PeerId, ConfigError> {
    let text = document::get(config, "Identity.PeerID")?.as_str().unwrap_or_default();
    PeerId::parse(text).map_err(|error| ConfigError::Identity(format!("PeerID: {error}")))
}

/// Puts an identity into a document.
pub(crate) fn write(config: &mut Value, pair: &Keypair) -> Result<(), ConfigError> {
    let identity = json!({
        "PeerID": pair.peer_id().to_string(),
        "PrivKey": data_encoding::BASE64.encode(&pair.to_protobuf()),
    });
    document::set(config, "Identity", identity)
}
