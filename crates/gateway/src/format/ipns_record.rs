//! Signed records of names. The node keeps none yet, so that a request gets a sentence instead.

use http::StatusCode;
use merkury_core::PeerId;
use merkury_core::path::Root;

use crate::ask::Ask;
use crate::failure::Failure;
use crate::gateway::Reply;

pub(super) fn serve(ask: &Ask) -> Result<Reply, Failure> {
    let Root::Ipns(name) = ask.target.path.root() else {
        return Err(Failure::bad_request(format!("{} is not an IPNS link", ask.target.text)));
    };
    if !ask.target.path.segments().is_empty() {
        return Err(Failure::bad_request("cannot find ipns key for subpath"));
    }
    PeerId::parse(name).map_err(|error| Failure::bad_request(error.to_string()))?;
    Err(Failure::new(StatusCode::NOT_ACCEPTABLE, "this node does not keep IPNS records"))
}
