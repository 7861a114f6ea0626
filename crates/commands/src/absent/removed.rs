//! Names that Kubo keeps to say that the command is gone.

use super::{Absent, ROW};
use crate::spec::{Spec, Tier};

const ABOUT_DHT: &str = "Removed, use 'ipfs routing' instead.";
const DHT: &str = "removed, use 'ipfs routing' instead";
const ABOUT_OBJECT: &str = "Removed, use 'ipfs dag' or 'ipfs files' instead.";
const OBJECT: &str = "removed, use 'ipfs dag' or 'ipfs files' instead";
const GONE: Spec = Spec { tier: Tier::Removed, ..ROW };

pub(super) static ROWS: &[Absent] = &[
    Absent { spec: &Spec { path: "dht/findpeer", about: ABOUT_DHT, ..GONE }, why: DHT },
    Absent { spec: &Spec { path: "dht/findprovs", about: ABOUT_DHT, ..GONE }, why: DHT },
    Absent { spec: &Spec { path: "dht/get", about: ABOUT_DHT, ..GONE }, why: DHT },
    Absent { spec: &Spec { path: "dht/provide", about: ABOUT_DHT, ..GONE }, why: DHT },
    Absent { spec: &Spec { path: "dht/put", about: ABOUT_DHT, ..GONE }, why: DHT },
    Absent { spec: &Spec { path: "object/data", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/get", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/links", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/new", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/patch/append-data", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/patch/set-data", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/put", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
    Absent { spec: &Spec { path: "object/stat", about: ABOUT_OBJECT, ..GONE }, why: OBJECT },
];
