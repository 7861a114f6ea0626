//! Commands of Kubo that this program does not carry out: each stands in the tree with its whole declaration, so that
//! help, `commands` and the RPC know it, and answers with one sentence that says why and what to use instead.
//!
//! Parts: one file a subject, and [`list`]. A command that comes to life is a file in `ops` and a line in the list of
//! operations; its row here goes (a test says so).

mod network;
mod p2p;
mod profile;
mod pubsub;
mod remote_pins;
mod removed;
mod update;

use merkury_api::{ApiError, BoxFuture};
use merkury_core::ErrorKind;

use crate::op::{AnyOp, Call, Cx, NothingToShow, Render, Request, WireReply};
use crate::spec::{Place, Spec};

/// A declared command that answers with a sentence.
pub struct Absent {
    /// The declaration.
    spec: &'static Spec,
    /// The whole answer.
    why: &'static str,
}

/// What the declarations here share: they need neither node nor repository to say their sentence.
const ROW: Spec = Spec { place: Place::Anywhere, ..Spec::READ };

/// All rows.
pub fn list() -> impl Iterator<Item = &'static Absent> {
    let subjects =
        [network::ROWS, p2p::ROWS, profile::ROWS, pubsub::ROWS, remote_pins::ROWS, removed::ROWS, update::ROWS];
    subjects.into_iter().flatten()
}

impl AnyOp for Absent {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn prepare(&self, _: &mut Call, _: bool) {}

    fn run(&self, _: Cx, _: Request) -> BoxFuture<'static, Result<WireReply, ApiError>> {
        Box::pin(std::future::ready(Err(ApiError::new(ErrorKind::Unavailable, self.why).hint("merkury explain E023"))))
    }

    fn renderer(&self, _: &Call) -> Box<dyn Render> {
        Box::new(NothingToShow)
    }
}
