//! What every operation's file starts with.

pub(crate) use futures::{StreamExt, TryStreamExt, stream};
pub(crate) use merkury_api::ApiError;
pub(crate) use serde::{Deserialize, Serialize};

pub(crate) use crate::cids::{CidLink, CidText, resolve, resolve_cid};
pub(crate) use crate::json::is_zero;
pub(crate) use crate::op::{Body, BytesReply, Call, Cx, NoItem, Op, Reply, Request, Running, TextResult};
pub(crate) use crate::spec::{Arg, Opt, Place, Spec, Tier};
pub(crate) use crate::text::{Out, escape_name, human_size};
