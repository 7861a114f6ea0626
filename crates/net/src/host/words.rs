//! Dial errors in words for people, in the form Kubo prints them.

use std::error::Error;
use std::fmt::Write;

use libp2p::core::transport::TransportError;
use libp2p::swarm::DialError;

use crate::ids::split_peer;

/// At most this many failed addresses are listed.
const ADDRESSES_SHOWN_MAX: usize = 16;
/// Longest text of one cause; causes come from the network and may carry anything.
const CAUSE_CHARS_MAX: usize = 300;

/// What went wrong, without the peer's name: `all dials failed` with a line for each address.
pub(crate) fn dial_words(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "dial to self attempted".into(),
        DialError::NoAddresses => "no addresses".into(),
        DialError::DialPeerConditionFalse(_) => "another dial is in progress".into(),
        DialError::Aborted => "dial aborted".into(),
        DialError::WrongPeerId { obtained, address } => {
            let (address, expected) = split_peer(address.clone());
            let expected = expected.map(|peer| format!("expected {peer}, but ")).unwrap_or_default();
            format!(
                "all dials failed\n  * [{address}] failed to negotiate security protocol: peer id mismatch: {expected}remote \
                 key matches {obtained}"
            )
        }
        DialError::Denied { cause } => format!("refused here: {}", chain(cause)),
        DialError::Transport(failures) => {
            let mut words = String::from("all dials failed");
            for (address, failure) in failures.iter().take(ADDRESSES_SHOWN_MAX) {
                let (address, _) = split_peer(address.clone());
                let cause = match failure {
                    TransportError::MultiaddrNotSupported(_) => "no transport for this address".into(),
                    TransportError::Other(error) => chain(error),
                };
                // Writing to a String cannot fail.
                let _ = write!(words, "\n  * [{address}] {cause}");
            }
            if let Some(more) = failures.len().checked_sub(ADDRESSES_SHOWN_MAX).filter(|more| *more > 0) {
                let _ = write!(words, "\n  * and {more} more addresses");
            }
            words
        }
    }
}

/// The deepest cause says what happened; the layers above only say where.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let text = deepest.to_string();
    // The name resolver hides the kind of this error.
    if text.contains("Unsupported resolved address") {
        return "no transport for this address".into();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(CAUSE_CHARS_MAX).collect()
}
