//! Kubo's pins, as its pinner keeps them in the datastore: `/pins/pin/<id>`, each a small CBOR map.

use data_encoding::BASE64URL_NOPAD;
use merkury_core::Cid;
use merkury_core::codec::dag_cbor;
use merkury_core::codec::event::Event;

use crate::KuboError;
use crate::leveldb::Snapshot;

const PINS: &[u8] = b"/pins/pin/";
/// From a CID to the ids of its pins, both in multibase base64url (`u`).
const INDEXES: [&str; 2] = ["/pins/index/cidRindex/", "/pins/index/cidDindex/"];

/// A pin of Kubo's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KuboPin {
    /// The pinned block, or top of the pinned DAG.
    pub cid: Cid,
    /// Everything below too.
    pub recursive: bool,
    /// Its name; empty without one.
    pub name: String,
}

/// All pins, in no order that means anything. Read from the datastore as the iterator goes.
pub fn pins(snapshot: &Snapshot) -> impl Iterator<Item = Result<KuboPin, KuboError>> + '_ {
    snapshot.scan_prefix(PINS).map(|entry| {
        let (key, value) = entry?;
        decode(&value).ok_or_else(|| KuboError::Value {
            key: String::from_utf8_lossy(&key).into_owned(),
            why: "it is not a pin".into(),
        })
    })
}

/// The pin of a CID, found through the indexes that Kubo keeps; a recursive one before a direct one.
pub fn pin_of(snapshot: &Snapshot, cid: &Cid) -> Result<Option<KuboPin>, KuboError> {
    let name = BASE64URL_NOPAD.encode(&cid.to_bytes());
    for index in INDEXES {
        let prefix = format!("{index}u{name}/");
        for entry in snapshot.scan_prefix(prefix.as_bytes()) {
            let (key, _) = entry?;
            let id = key.get(prefix.len() + 1..).and_then(|id| BASE64URL_NOPAD.decode(id).ok()).unwrap_or_default();
            let Some(value) = snapshot.get(&[PINS, id.as_slice()].concat())? else { continue };
            if let Some(pin) = decode(&value).filter(|pin| pin.cid == *cid) {
                return Ok(Some(pin));
            }
        }
    }
    Ok(None)
}

/// `{cid: bytes or link, mode: 0 recursive or 1 direct, name: text, metadata: map}`; the last two may be missing.
fn decode(value: &[u8]) -> Option<KuboPin> {
    let mut events = dag_cbor::events(value);
    let mut next = || events.next()?.ok();
    if next()? != Event::Map {
        return None;
    }
    let (mut cid, mut mode, mut name) = (None, None, String::new());
    loop {
        let key = match next()? {
            Event::End => break,
            Event::Key(key) => key.into_owned(),
            _ => return None,
        };
        match (key.as_str(), next()?) {
            ("cid", Event::Bytes(bytes)) => cid = Some(Cid::from_bytes(&bytes).ok()?),
            ("cid", Event::Link(link)) => cid = Some(link),
            ("mode", Event::Int(number)) => mode = Some(number),
            ("name", Event::Text(text)) => name = text.into_owned(),
            (_, Event::Map | Event::List) => {
                let mut depth = 1usize;
                while depth > 0 {
                    match next()? {
                        Event::Map | Event::List => depth += 1,
                        Event::End => depth -= 1,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let recursive = match mode? {
        0 => true,
        1 => false,
        _ => return None,
    };
    Some(KuboPin { cid: cid?, recursive, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Kubo 0.43.1 wrote it: the pin of a tree, with the name "tree".
    const NAMED: &[u8] = b"\xa3ccidX\"\x12 \xd7Uw\xdcG\xb6\xf7\xe6\xe4+\xadk\x81\x08h.\x1dz\x91\xd0\xa8-\xf4\xf0\x00C\xd8=w\xd05\x0edmode\x00dnamedtree";

    #[test]
    fn a_pin_of_kubo() {
        let pin = decode(NAMED).unwrap();
        assert_eq!((pin.recursive, pin.name.as_str()), (true, "tree"));
        assert_eq!(pin.cid.to_string(), "QmcqDxEP5zTT5h145ZavFtR2acgxHxtakjev3du9Y6tNGD");
        for cut in 0..NAMED.len() {
            assert_eq!(decode(&NAMED[..cut]), None, "{cut}");
        }
        for at in 0..NAMED.len() {
            let mut bytes = NAMED.to_vec();
            bytes[at] ^= 0x21;
            // No panic; a flip in the name or in the digest is a pin still.
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn metadata_is_passed_over() {
        let mut value = Vec::new();
        dag_cbor::put_map(3, &mut value);
        dag_cbor::put_text("cid", &mut value);
        dag_cbor::put_link(&decode(NAMED).unwrap().cid, &mut value);
        dag_cbor::put_text("mode", &mut value);
        assert!(dag_cbor::put_int(1, &mut value));
        dag_cbor::put_text("metadata", &mut value);
        dag_cbor::put_map(1, &mut value);
        dag_cbor::put_text("k", &mut value);
        dag_cbor::put_list(1, &mut value);
        dag_cbor::put_null(&mut value);
        let pin = decode(&value).unwrap();
        assert!(!pin.recursive && pin.name.is_empty());
    }
}
