//! `repo verify`: reads and checks stored blocks.

use std::time::Duration;

use merkury_api::{DamagedBlock, VerifyEvent, VerifyOptions};
use merkury_core::{Cid, cid::codec_code};

use super::prelude::*;
use crate::value::parse_duration;

/// `repo verify`.
pub struct RepoVerify;

/// A message, or how many blocks are checked.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RepoVerifyOut {
    /// What is wrong, or the summary.
    pub msg: String,
    /// Blocks checked so far.
    pub progress: u64,
}

impl Op for RepoVerify {
    const SPEC: &'static Spec = &Spec {
        path: "repo/verify",
        about: "Check every stored block.",
        help: "Reads each block and compares it with its hash. A block with one wrong bit is mended; other damaged ones are\n\
               never returned, and told by each run until they are dropped or here again. They make the command fail,\n\
               unless --drop or --heal got rid of all of them.\n\n\
               A large repository is checked in pieces: with --max-duration each run goes on where the last one stopped,\n\
               --subset=2/10 checks one part of ten. A daemon checks everything by itself, slowly.",
        examples: &["ipfs repo verify --heal", "ipfs repo verify --max-duration=10m"],
        options: &[
            Opt::flag(&["drop"], "Remove damaged blocks."),
            Opt::flag(&["heal"], "Remove damaged blocks and fetch them again."),
            Opt::text(&["heal-timeout"], "How long to try, each block.").or("30s"),
            Opt::text(&["max-duration"], "Stop after this long; the next such run goes on there."),
            Opt::text(&["subset"], "Check only this part of the blocks, such as 1/7."),
        ],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = RepoVerifyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoVerifyOut> {
        Box::pin(async move {
            let options = options(&request.call)?;
            let mut events = cx.api(&request.call)?.repo.verify(options.clone());
            let items = async_stream::try_stream! {
                let mut tally = Tally::default();
                while let Some(event) = events.try_next().await? {
                    if let VerifyEvent::Progress { blocks } = event {
                        yield RepoVerifyOut { msg: String::new(), progress: blocks };
                    } else if let Some(msg) = tally.count(event) {
                        yield RepoVerifyOut { msg, progress: 0 };
                    }
                }
                let summary = tally.summary(&options);
                if tally.is_bad() {
                    Err(ApiError::new(merkury_core::ErrorKind::Corrupt, summary.clone())
                        .hint("merkury repo verify --heal fetches damaged blocks again; --drop gives them up"))?;
                }
                yield RepoVerifyOut { msg: summary, progress: 0 };
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: RepoVerifyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if item.msg.is_empty() {
            return Ok(out.put(format_args!("{} blocks processed.\r", item.progress))?);
        }
        let padding = if item.msg.len() < 20 && !item.msg.contains("was corrupt") { "             " } else { "" };
        Ok(out.line(format_args!("{}{padding}", item.msg))?)
    }
}

fn options(call: &Call) -> Result<VerifyOptions, ApiError> {
    let duration = |name: &str| -> Result<Option<Duration>, ApiError> {
        let text = call.options.text(name).filter(|text| !text.is_empty());
        let parse =
            |text: String| parse_duration(&text).map_err(|why| ApiError::invalid(format!("invalid {name}: {why}")));
        text.map(parse).transpose()
    };
    let heal = call.options.flag("heal");
    let timeout = duration("heal-timeout")?.unwrap_or_default();
    let part = call.options.text("subset").filter(|text| !text.is_empty());
    let part = part.map(|text| {
        let numbers = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
        let part = numbers.filter(|(nth, of)| (1..=*of).contains(nth));
        part.ok_or_else(|| {
            ApiError::invalid(format!("invalid subset {text:?}")).hint("--subset=1/7 is the first of seven")
        })
    });
    Ok(VerifyOptions {
        drop: heal || call.options.flag("drop"),
        heal: heal.then_some(timeout),
        for_at_most: duration("max-duration")?,
        part: part.transpose()?,
    })
}

/// What was found.
#[derive(Default)]
struct Tally {
    corrupt: u64,
    removed: u64,
    healed: u64,
    not_healed: u64,
    mended: u64,
    checked: u64,
    is_complete: bool,
}

impl Tally {
    /// Counts an event; the line that tells it, if it is told.
    fn count(&mut self, event: VerifyEvent) -> Option<String> {
        let (cid, why, outcome) = match event {
            VerifyEvent::Damaged { cid, why, outcome } => (cid, why, outcome),
            VerifyEvent::Repaired(what) => return Some(what),
            VerifyEvent::Progress { .. } => return None,
            VerifyEvent::Done { blocks, is_complete, .. } => {
                (self.checked, self.is_complete) = (blocks, is_complete);
                return None;
            }
        };
        // Kubo names blocks by their multihash, as raw blocks.
        let raw = |cid: Cid| Cid::v1(codec_code::RAW, cid.hash().clone()).to_string();
        let cid = cid.map_or_else(|| "with an unreadable name".to_owned(), raw);
        let mut msg = format!("block {cid} was corrupt ({why})");
        match outcome {
            DamagedBlock::Mended => {
                self.mended += 1;
                return Some(format!("{msg}, mended"));
            }
            DamagedBlock::Quarantined => {}
            DamagedBlock::Removed => msg.push_str(", removed"),
            DamagedBlock::Healed => msg.push_str(", removed, healed"),
            DamagedBlock::NotHealed(ref why) => msg = format!("{msg}, removed, failed to heal ({why})"),
        }
        self.corrupt += 1;
        self.removed += u64::from(outcome != DamagedBlock::Quarantined);
        self.healed += u64::from(outcome == DamagedBlock::Healed);
        self.not_healed += u64::from(matches!(outcome, DamagedBlock::NotHealed(_)));
        Some(msg)
    }

    fn is_bad(&self) -> bool {
        self.removed < self.corrupt || self.not_healed > 0
    }

    fn summary(&self, options: &VerifyOptions) -> String {
        let mut text = match self.corrupt {
            0 if self.mended > 0 => format!("verify complete, {} blocks had one wrong bit and are mended", self.mended),
            0 => "verify complete, all blocks validated.".to_owned(),
            count => format!("verify complete, {count} blocks corrupt"),
        };
        if self.corrupt > 0 && options.drop {
            text.push_str(&format!(", {} removed", self.removed));
        }
        if self.corrupt > 0 && options.heal.is_some() {
            text.push_str(&format!(", {} healed", self.healed));
        }
        if self.not_healed > 0 {
            text.push_str(&format!(", {} failed to heal", self.not_healed));
        }
        if !self.is_complete {
            text = text.replacen("verify complete", &format!("verify stopped after {} blocks", self.checked), 1);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(outcome: DamagedBlock) -> VerifyEvent {
        let cid = Cid::parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").ok();
        VerifyEvent::Damaged { cid, why: "why".into(), outcome }
    }

    #[test]
    fn words_and_exit_are_kubos() {
        let (none, drop) = (VerifyOptions::default(), VerifyOptions { drop: true, ..VerifyOptions::default() });
        let heal = VerifyOptions { heal: Some(Duration::ZERO), ..drop.clone() };
        let done = VerifyEvent::Done { blocks: 4, bytes: 1, is_complete: true };
        let name = "block bafkreicztbcjsmpg2bvi3c7xt4g2fwcz25u67bv5cvy76tzxq2a6ja7zhe";
        let name = &name[..9];
        for (outcome, options, msg, summary, is_bad) in [
            (DamagedBlock::Quarantined, &none, "", "verify complete, 1 blocks corrupt", true),
            (DamagedBlock::Removed, &drop, ", removed", "verify complete, 1 blocks corrupt, 1 removed", false),
            (
                DamagedBlock::Healed,
                &heal,
                ", removed, healed",
                "verify complete, 1 blocks corrupt, 1 removed, 1 healed",
                false,
            ),
            (
                DamagedBlock::NotHealed("gone".into()),
                &heal,
                ", removed, failed to heal (gone)",
                "verify complete, 1 blocks corrupt, 1 removed, 0 healed, 1 failed to heal",
                true,
            ),
            (
                DamagedBlock::Mended,
                &none,
                ", mended",
                "verify complete, 1 blocks had one wrong bit and are mended",
                false,
            ),
        ] {
            let mut tally = Tally::default();
            let line = tally.count(damaged(outcome)).unwrap_or_default();
            assert!(line.starts_with(name) && line.ends_with(&format!("was corrupt (why){msg}")), "{line}");
            assert_eq!(tally.count(done.clone()), None);
            assert_eq!((tally.summary(options).as_str(), tally.is_bad()), (summary, is_bad));
        }
    }
}
