//! Blocks for one change of the file system: waiting for peers has an end, since others wait for their turn.

use std::sync::Arc;
use std::time::Duration;

use merkury_core::{Block, BlockGet, BoxFuture, Cid, GetError};
use tokio::sync::watch;

/// Longest wait for a block that only peers may have, while a change of the file system is under way. A reader that needs
/// no turn waits as long as its caller does.
const FETCH_WAIT_MAX: Duration = Duration::from_secs(60);

/// Gives a block up after [`FETCH_WAIT_MAX`], and at once when the caller has left.
pub(super) struct Bounded {
    pub(super) inner: Arc<dyn BlockGet>,
    /// Closed when the caller has left.
    pub(super) caller: watch::Receiver<()>,
    pub(super) wait_max: Duration,
}

impl Bounded {
    pub(super) fn new(inner: Arc<dyn BlockGet>, caller: watch::Receiver<()>) -> Self {
        Self { inner, caller, wait_max: FETCH_WAIT_MAX }
    }
}

impl BlockGet for Bounded {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        if let Ok(Some(block)) = self.inner.get_local(cid) {
            return Box::pin(std::future::ready(Ok(block)));
        }
        let gave_up = |why: String| Err(GetError::NotFound { cid: cid.clone(), why });
        let mut caller = self.caller.clone();
        Box::pin(async move {
            tokio::select! {
                got = self.inner.get(cid) => got,
                _ = caller.changed() => gave_up("the command was given up".to_owned()),
                () = tokio::time::sleep(self.wait_max) => gave_up(format!("waited {} s", self.wait_max.as_secs())),
            }
        })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        self.inner.get_local(cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peers that never answer.
    struct Silent;

    impl BlockGet for Silent {
        fn get<'a>(&'a self, _: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
            Box::pin(std::future::pending())
        }

        fn get_local(&self, _: &Cid) -> Result<Option<Block>, GetError> {
            Ok(None)
        }
    }

    fn cid() -> Cid {
        Cid::parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").expect("a cid")
    }

    #[tokio::test]
    async fn a_block_nobody_sends_is_given_up() {
        let (_stays, caller) = watch::channel(());
        let get = Bounded { wait_max: Duration::ZERO, ..Bounded::new(Arc::new(Silent), caller) };
        let error = get.get(&cid()).await.expect_err("nobody has it");
        assert!(matches!(error, GetError::NotFound { cid: missing, .. } if missing == cid()));
    }

    #[tokio::test]
    async fn a_caller_that_leaves_ends_the_wait() {
        let (leaves, caller) = watch::channel(());
        let get = Bounded::new(Arc::new(Silent), caller);
        let cid = cid();
        let wanted = get.get(&cid);
        drop(leaves);
        assert!(matches!(wanted.await, Err(GetError::NotFound { .. })));
    }
}
