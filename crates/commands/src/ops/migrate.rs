//! `migrate`: takes over what a Kubo has.

use std::time::Duration;

use merkury_api::{MigrateEvent, MigrateProgress, MigrateRequest, Migrated};

use super::prelude::*;
use crate::rpc::auth_header;
use crate::value::Value;

/// `migrate`.
pub struct Migrate;

/// One event, told apart by `Type`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "Type", rename_all = "kebab-case")]
pub enum MigrateOut {
    /// How far it is.
    #[serde(rename_all = "PascalCase")]
    Progress {
        /// Blocks looked at.
        blocks: u64,
        /// Bytes read.
        bytes: u64,
        /// Bytes there are, as far as is known.
        bytes_total: Option<u64>,
        /// Since the start.
        elapsed_ms: u64,
        /// Until the end at this rate.
        left_ms: Option<u64>,
    },
    /// Something could not be taken over.
    #[serde(rename_all = "PascalCase")]
    Problem {
        /// The block, pin, key, …
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// All is done.
    #[serde(rename_all = "PascalCase")]
    Done {
        /// What was read.
        source: String,
        /// Blocks copied.
        blocks_copied: u64,
        /// Their bytes.
        bytes_copied: u64,
        /// Blocks that were here.
        blocks_known: u64,
        /// Pins made.
        pins_made: u64,
        /// Pins that were here.
        pins_known: u64,
        /// Where the mutable file system is now.
        mfs: Option<String>,
        /// Keys copied.
        keys: u64,
        /// IPNS records copied.
        ipns_records: u64,
        /// The configuration was taken over.
        config: bool,
        /// The identity that was taken over.
        identity: Option<String>,
        /// How many problems there were.
        problems: u64,
    },
}

impl Op for Migrate {
    const SPEC: &'static Spec = &Spec {
        path: "migrate",
        about: "Take over what a Kubo has.",
        help: "Copies every block (each is checked against its hash), pins with their names, the mutable file system,\n\
               keys and IPNS records. Kubo's repository is only read and works as before. Interrupted, it is run again\n\
               and goes on; what is here is not copied twice.\n\
               \n\
               --from is the directory of a repository on which no Kubo runs, or the address of a running Kubo: its RPC\n\
               port, /ip4/127.0.0.1/tcp/5001 or http://127.0.0.1:5001. Repositories with pebble or badger can only be\n\
               read through a running Kubo. Keys come from the directory: a Kubo on another machine does not give them.\n\
               \n\
               The mutable file system becomes ours when ours is empty, else it is put at /from-kubo. Configuration and\n\
               identity are left alone unless asked for. Two nodes with one identity disturb each other: use\n\
               --with-identity only when that Kubo will not run again.",
        examples: &[
            "merkury migrate --from ~/.ipfs",
            "merkury migrate --from /ip4/127.0.0.1/tcp/5001 --json",
            "merkury migrate --from ~/.ipfs --with-config --with-identity",
        ],
        options: &[
            Opt::text(&["from"], "A Kubo repository's directory, or the RPC address of a running Kubo."),
            Opt::text(&["from-auth"], "Credential for that Kubo: bearer:token or basic:user:pass."),
            Opt::flag(&["with-config"], "Take the configuration too; it counts from the next start."),
            Opt::flag(&["with-identity"], "Become the same peer; it counts from the next start."),
        ],
        tier: Tier::Own,
        ..Spec::ADMIN
    };
    type Item = MigrateOut;
    type Text = ();

    /// A path is this process' before it is the daemon's.
    fn prepare(call: &mut Call, _live: bool) {
        let absolute = call.options.text("from").and_then(|from| std::fs::canonicalize(from).ok());
        if let Some(path) = absolute.as_ref().and_then(|path| path.to_str()) {
            call.options.set("from", Value::Text(path.to_owned()));
        }
    }

    fn run(cx: Cx, request: Request) -> Running<MigrateOut> {
        Box::pin(async move {
            let call = request.call;
            let from = call.options.text("from").filter(|from| !from.is_empty()).ok_or_else(|| {
                ApiError::invalid("--from is required: the directory or the RPC address of a Kubo")
                    .hint("merkury migrate --from ~/.ipfs")
            })?;
            let mut events = cx.api(&call)?.migrate.migrate(MigrateRequest {
                from,
                authorization: call.options.text("from-auth").map(|secret| auth_header(&secret)),
                config: call.options.flag("with-config"),
                identity: call.options.flag("with-identity"),
            });
            let items = async_stream::try_stream! {
                while let Some(event) = events.try_next().await? {
                    let problems = match &event {
                        MigrateEvent::Done(done) => done.problems,
                        _ => 0,
                    };
                    yield out_of(event);
                    if problems > 0 {
                        Err(ApiError::new(
                            merkury_core::ErrorKind::Corrupt,
                            format!("{problems} things could not be taken over; everything else was"),
                        ))?;
                    }
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: MigrateOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        match item {
            MigrateOut::Progress { blocks, bytes, bytes_total, elapsed_ms, left_ms } => {
                let rate = bytes.saturating_mul(1000).checked_div(elapsed_ms).unwrap_or_default();
                let of = bytes_total.map(|total| format!(" of {}", human_size(total))).unwrap_or_default();
                let left = left_ms.map(|left| format!(", {} left", time_text(left))).unwrap_or_default();
                let line = format!("{blocks} blocks, {}{of}, {}/s{left}", human_size(bytes), human_size(rate));
                out.progress(line)?;
            }
            MigrateOut::Problem { what, why } => {
                out.clear_progress()?;
                out.note(format_args!("not taken over: {what}: {why}\n"))?;
            }
            MigrateOut::Done {
                source,
                blocks_copied,
                bytes_copied,
                blocks_known,
                pins_made,
                pins_known,
                mfs,
                keys,
                ipns_records,
                config,
                identity,
                problems: _,
            } => {
                out.clear_progress()?;
                out.line(format_args!("from {source}"))?;
                let known = |count: u64| if count > 0 { format!(", {count} were here") } else { String::new() };
                out.line(format_args!(
                    "blocks: {blocks_copied} copied ({}){}",
                    human_size(bytes_copied),
                    known(blocks_known)
                ))?;
                out.line(format_args!("pins: {pins_made} made{}", known(pins_known)))?;
                if let Some(path) = mfs {
                    out.line(format_args!("files: now at {path}"))?;
                }
                out.line(format_args!("keys: {keys}, IPNS records: {ipns_records}"))?;
                if config {
                    out.line("configuration: taken over; it counts from the next start")?;
                }
                if let Some(peer) = identity {
                    out.line(format_args!("identity: {peer} from the next start; do not run that Kubo again"))?;
                }
            }
        }
        Ok(())
    }
}

fn out_of(event: MigrateEvent) -> MigrateOut {
    match event {
        MigrateEvent::Progress(MigrateProgress { blocks, bytes, bytes_total, elapsed_ms }) => {
            let left = bytes_total.map(|total| total.saturating_sub(bytes));
            let left_ms =
                left.and_then(|left| u128::from(left).checked_mul(elapsed_ms.into())?.checked_div(bytes.into()));
            let left_ms = left_ms.and_then(|left| u64::try_from(left).ok());
            MigrateOut::Progress { blocks, bytes, bytes_total, elapsed_ms, left_ms }
        }
        MigrateEvent::Problem { what, why } => MigrateOut::Problem { what, why },
        MigrateEvent::Done(done) => {
            let Migrated {
                source,
                blocks_copied,
                bytes_copied,
                blocks_known,
                pins_made,
                pins_known,
                mfs,
                keys,
                ipns_records,
                config,
                identity,
                problems,
            } = *done;
            MigrateOut::Done {
                source,
                blocks_copied,
                bytes_copied,
                blocks_known,
                pins_made,
                pins_known,
                mfs,
                keys,
                ipns_records,
                config,
                identity,
                problems,
            }
        }
    }
}

/// A time for people: `2 h 5 min`, `3 min 20 s`, `12 s`.
fn time_text(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_long_it_will_take() {
        let event = MigrateProgress { blocks: 10, bytes: 250, bytes_total: Some(1000), elapsed_ms: 2000 };
        let MigrateOut::Progress { left_ms, .. } = out_of(MigrateEvent::Progress(event)) else { unreachable!() };
        assert_eq!(left_ms, Some(6000));
        let event = MigrateProgress { bytes: 0, bytes_total: Some(1000), elapsed_ms: 2000, ..event };
        let MigrateOut::Progress { left_ms, .. } = out_of(MigrateEvent::Progress(event)) else { unreachable!() };
        assert_eq!(left_ms, None);
        assert_eq!([12_000, 200_000, 7_500_000].map(time_text), ["12 s", "3 min 20 s", "2 h 5 min"]);
    }
}
