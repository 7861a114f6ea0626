//! `id`: who this node is, or what is known of another.

use merkury_api::Identity;
use merkury_core::PeerId;

use super::prelude::*;
use crate::json;
use crate::version::{RPC_AGENT, USER_AGENT};

/// `id`.
pub struct Id;

/// An identity; also inside `swarm peers`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IdOut {
    /// The peer id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Public key in base 64.
    pub public_key: String,
    /// Addresses with the peer id; `null` when there are none.
    pub addresses: Option<Vec<String>>,
    /// What the peer says it is.
    pub agent_version: String,
    /// Protocols; `null` when there are none.
    pub protocols: Option<Vec<String>>,
}

impl Op for Id {
    const SPEC: &'static Spec = &Spec {
        path: "id",
        about: "Print the identity of this node or of a peer.",
        help: "--format takes the words <id>, <aver>, <pubkey>, <addrs> and <protocols>, and \\n and \\t.",
        examples: &["ipfs id -f '<id>\\n'"],
        args: &[Arg::text("peerid", "A peer.").optional()],
        options: &[
            Opt::text(&["format", "f"], "Form of the output."),
            Opt::text(&["peerid-base"], "Form of the peer id: b58mh, or a multibase such as base36.").or("b58mh"),
        ],
        ..Spec::READ
    };
    type Item = IdOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<IdOut> {
        Box::pin(async move {
            let call = request.call;
            let form = PeerText::of(&call, "peerid-base")?;
            let api = cx.api(&call)?;
            let own = api.peers.identity().await?;
            let Some(text) = call.args.first() else { return Ok(Reply::One(own_out(own, form))) };
            let peer = PeerId::parse(text).map_err(|_| ApiError::invalid("invalid peer id"))?;
            if peer == own.id {
                return Ok(Reply::One(own_out(own, form)));
            }
            if call.options.is_offline() {
                return Ok(Reply::One(IdOut { id: form.text(&peer), ..IdOut::default() }));
            }
            if !cx.node()?.is_online() {
                return Err(ApiError::invalid(
                    "'ipfs id' cannot query information on remote peers without a running daemon; if you only want to \
                     convert --peerid-base, pass --offline option",
                ));
            }
            Ok(Reply::One(out_of(api.peers.identify(&peer).await?, form)))
        })
    }

    fn text(item: IdOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let Some(format) = call.options.text("format") else {
            let mut text = json::pretty(&item, "\t")?;
            text.extend_from_slice(b"\n\n");
            return Ok(out.raw(&text)?);
        };
        let lines = |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect::<Vec<_>>().join("\n");
        let text = format
            .replace("<id>", &item.id)
            .replace("<aver>", &item.agent_version)
            .replace("<pubkey>", &item.public_key)
            .replace("<addrs>", &lines(&item.addresses))
            .replace("<protocols>", &lines(&item.protocols))
            .replace("\\n", "\n")
            .replace("\\t", "\t");
        Ok(out.put(text)?)
    }
}

/// How peer ids are written.
#[derive(Clone, Copy)]
pub(crate) enum PeerText {
    /// Base 58 of the multihash.
    Multihash,
    /// A CID in a base.
    Cid(multibase::Base),
}

impl PeerText {
    /// By an option of the call.
    pub(crate) fn of(call: &Call, option: &str) -> Result<Self, ApiError> {
        let name = call.options.text(option).unwrap_or_default();
        if matches!(name.as_str(), "b58mh" | "v0") {
            return Ok(Self::Multihash);
        }
        Ok(Self::Cid(crate::cids::base_by_name(&name)?))
    }

    /// A peer id as text.
    pub(crate) fn text(self, peer: &PeerId) -> String {
        match self {
            Self::Multihash => peer.to_string(),
            Self::Cid(base) => peer.to_cid().to_string_of_base(base),
        }
    }
}

/// This node tells RPC clients the version they decide features by, and peers its own name; words behind it
/// (`Version.AgentSuffix`) are told to both.
fn own_out(own: Identity, form: PeerText) -> IdOut {
    let suffix = own.agent.strip_prefix(USER_AGENT).map(clean).unwrap_or_default();
    IdOut { agent_version: format!("{RPC_AGENT}{suffix}"), ..out_of(own, form) }
}

fn out_of(identity: Identity, form: PeerText) -> IdOut {
    IdOut {
        id: form.text(&identity.id),
        public_key: data_encoding::BASE64.encode(&identity.public_key),
        addresses: some_unless_empty(identity.addresses),
        agent_version: clean(&identity.agent),
        protocols: some_unless_empty(identity.protocols.iter().map(|name| clean(name)).collect()),
    }
}

/// Go writes an empty list that was never filled as `null`.
pub(crate) fn some_unless_empty(list: Vec<String>) -> Option<Vec<String>> {
    Some(list).filter(|list| !list.is_empty())
}

/// Foreign text without control characters, at most 128 of them.
pub(crate) fn clean(text: &str) -> String {
    crate::text::harmless(text).chars().filter(|c| !c.is_control()).take(128).collect()
}
