//! TLS and Noise behind one upgrade, in the configured order.

use std::io;

use futures::future::{BoxFuture, Either};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise, tls};

use crate::config::Security;

const TLS: &str = "/tls/1.0.0";
const NOISE: &str = "/noise";

/// Secures a raw connection with what both sides speak; the dialler's order decides.
#[derive(Clone)]
pub(super) struct Secure {
    order: Vec<&'static str>,
    tls: tls::Config,
    noise: noise::Config,
}

/// A secured connection.
pub(super) type Secured<C> = Either<tls::TlsStream<C>, noise::Output<C>>;

impl Secure {
    pub(super) fn new(key: &Keypair, order: &[Security]) -> io::Result<Self> {
        let name = |security: &Security| match security {
            Security::Tls => TLS,
            Security::Noise => NOISE,
        };
        Ok(Self {
            order: order.iter().map(name).collect(),
            tls: tls::Config::new(key).map_err(io::Error::other)?,
            noise: noise::Config::new(key).map_err(io::Error::other)?,
        })
    }
}

impl UpgradeInfo for Secure {
    type Info = &'static str;
    type InfoIter = std::vec::IntoIter<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.order.clone().into_iter()
    }
}

/// A connection the upgrades accept.
pub(super) trait Raw: futures::AsyncRead + futures::AsyncWrite + Unpin + Send + 'static {}
impl<C: futures::AsyncRead + futures::AsyncWrite + Unpin + Send + 'static> Raw for C {}

impl<C: Raw> InboundConnectionUpgrade<C> for Secure {
    type Output = (PeerId, Secured<C>);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn upgrade_inbound(self, socket: C, info: &'static str) -> Self::Future {
        Box::pin(async move {
            if info == TLS {
                let (peer, stream) = self.tls.upgrade_inbound(socket, info).await.map_err(io::Error::other)?;
                Ok((peer, Either::Left(stream)))
            } else {
                let (peer, stream) = self.noise.upgrade_inbound(socket, info).await.map_err(io::Error::other)?;
                Ok((peer, Either::Right(stream)))
            }
        })
    }
}

impl<C: Raw> OutboundConnectionUpgrade<C> for Secure {
    type Output = (PeerId, Secured<C>);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn upgrade_outbound(self, socket: C, info: &'static str) -> Self::Future {
        Box::pin(async move {
            if info == TLS {
                let (peer, stream) = self.tls.upgrade_outbound(socket, info).await.map_err(io::Error::other)?;
                Ok((peer, Either::Left(stream)))
            } else {
                let (peer, stream) = self.noise.upgrade_outbound(socket, info).await.map_err(io::Error::other)?;
                Ok((peer, Either::Right(stream)))
            }
        })
    }
}
