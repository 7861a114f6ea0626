//! `doctor`: looks at everything that commonly goes wrong, and says what to type next.

use merkury_api::Health;
use merkury_core::ErrorKind;

use super::prelude::*;

/// `doctor`.
pub struct Doctor;

/// One thing that was looked at.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FindingOut {
    /// What was looked at.
    pub area: String,
    /// `good`, `warning` or `bad`.
    pub health: String,
    /// What was found.
    pub what: String,
    /// What to type next; empty when all is well.
    pub next: String,
}

impl Op for Doctor {
    const SPEC: &'static Spec = &Spec {
        path: "doctor",
        about: "Look for what commonly goes wrong.",
        help: "Looks at the configuration, rights of files, the disk, the clock, the store, open files, ports and the\n\
               network, from what is known on this machine: nobody outside is asked. Each finding has the command to\n\
               type next. Ends with code 9 when something is bad.",
        examples: &["merkury doctor", "merkury doctor --json"],
        tier: Tier::Own,
        ..Spec::READ
    };
    type Item = FindingOut;
    /// How many were bad.
    type Text = usize;

    fn run(cx: Cx, request: Request) -> Running<FindingOut> {
        Box::pin(async move {
            let findings = cx.api(&request.call)?.space.checkup().await?;
            let items = findings.into_iter().map(|finding| {
                let health = match finding.health {
                    Health::Good => "good",
                    Health::Warning => "warning",
                    Health::Bad => "bad",
                };
                let area = finding.area.to_owned();
                Ok(FindingOut {
                    area,
                    health: health.into(),
                    what: finding.what,
                    next: finding.next.unwrap_or_default(),
                })
            });
            Ok(Reply::Stream(stream::iter(items).boxed()))
        })
    }

    fn text(item: FindingOut, _: &Call, bad: &mut usize, out: &mut Out<'_>) -> TextResult {
        let mark = match item.health.as_str() {
            "good" => "ok",
            "warning" => "!",
            _ => {
                *bad += 1;
                "x"
            }
        };
        out.line(format_args!("{mark:<2} {:<8} {}", item.area, escape_name(&item.what)))?;
        if !item.next.is_empty() {
            out.line(format_args!("            next: {}", item.next))?;
        }
        Ok(())
    }

    fn finish(_: &Call, bad: &mut usize, _: &mut Out<'_>) -> TextResult {
        match *bad {
            0 => Ok(()),
            bad => Err(ApiError::new(ErrorKind::Corrupt, format!("some checks failed: {bad}")).into()),
        }
    }
}
