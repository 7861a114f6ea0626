//! The transport: TCP with TLS or Noise and Yamux, QUIC, and names resolved while dialling.

use std::io;
use std::time::Duration;

use futures::future::Either;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OptionalTransport, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, dns, quic, tcp};

use super::muxer::Yamux;
use super::security::Secure;
use crate::config::Transports;

/// How long a dial or an inbound handshake may take. A socket that says nothing, or one byte a second, is closed
/// then. Resolving names counts.
pub(crate) const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// Streams a peer may hold open on a QUIC connection, where only the remote's streams count.
const QUIC_STREAMS_MAX: u32 = 1024;
/// Kubo's QUIC idle timeout; the smaller one of both sides counts.
const QUIC_IDLE_TIMEOUT_MS: u32 = 30_000;
/// Comfortably under the idle timeout of both sides.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The boxed transport of the swarm.
pub(super) type HostTransport = Boxed<(PeerId, StreamMuxerBox)>;

/// Builds the transport. Never waits, never touches the network; a machine without a resolver gets a transport that
/// cannot dial names.
pub(super) fn build(key: &Keypair, config: &Transports) -> io::Result<HostTransport> {
    let tcp = if config.tcp && !config.security.is_empty() {
        OptionalTransport::some(
            tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
                .upgrade(Version::V1Lazy)
                .authenticate(Secure::new(key, &config.security)?)
                .multiplex(Yamux::new())
                .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
                .boxed(),
        )
    } else {
        OptionalTransport::none()
    };
    let quic = if config.quic {
        let mut quic = quic::Config::new(key);
        quic.max_concurrent_stream_limit = QUIC_STREAMS_MAX;
        quic.max_idle_timeout = QUIC_IDLE_TIMEOUT_MS;
        quic.keep_alive_interval = QUIC_KEEP_ALIVE;
        OptionalTransport::some(
            quic::tokio::Transport::new(quic).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed(),
        )
    } else {
        OptionalTransport::none()
    };
    let both = OrTransport::new(quic, tcp).map(|output, _| match output {
        Either::Left(output) | Either::Right(output) => output,
    });
    let timed = libp2p::core::transport::timeout::TransportTimeout::new(with_names(both.boxed()), HANDSHAKE_WAIT);
    Ok(timed.boxed())
}

fn with_names(inner: HostTransport) -> dns::tokio::Transport<HostTransport> {
    let (config, options) = match hickory_resolver::system_conf::read_system_conf() {
        Ok(system) => system,
        Err(error) => {
            tracing::warn!(%error, "no name resolver on this machine: peers given by name cannot be dialled");
            (dns::ResolverConfig::default(), dns::ResolverOpts::default())
        }
    };
    dns::tokio::Transport::custom(inner, config, options)
}
