//! `explain`: what an error code means and what to type.

use super::prelude::*;
use crate::codes::{self, CODES, Code, EXITS};
use crate::near;

/// `explain`.
pub struct Explain;

/// A code.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CodeOut {
    /// `E001`.
    pub code: String,
    /// A few words.
    pub title: String,
    /// What it means.
    pub meaning: String,
    /// Why it happens.
    pub cause: String,
    /// What to type.
    pub next: Vec<String>,
    /// The exit code.
    pub exit: u8,
}

/// The codes that were asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CodesOut {
    /// Each.
    pub codes: Vec<CodeOut>,
}

fn out_of(code: &Code) -> CodeOut {
    CodeOut {
        code: code.id.into(),
        title: code.title.into(),
        meaning: code.meaning.into(),
        cause: code.cause.into(),
        next: code.next.iter().map(|next| (*next).to_owned()).collect(),
        exit: code.exit,
    }
}

impl Op for Explain {
    const SPEC: &'static Spec = &Spec {
        path: "explain",
        about: "Say what an error code means.",
        help: "Without a code: the list of all, and of the exit codes.",
        examples: &["merkury explain E002", "merkury explain"],
        args: &[Arg::text("code", "The code, as errors print it.").optional()],
        place: Place::Anywhere,
        tier: Tier::Own,
        ..Spec::READ
    };
    type Item = CodesOut;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<CodesOut> {
        Box::pin(async move {
            let Some(id) = request.call.args.first() else {
                let mut codes: Vec<CodeOut> = CODES.iter().map(out_of).collect();
                codes.sort_by(|left, right| left.code.cmp(&right.code));
                return Ok(Reply::One(CodesOut { codes }));
            };
            match codes::find(id) {
                Some(code) => Ok(Reply::One(CodesOut { codes: vec![out_of(code)] })),
                None => {
                    let error = ApiError::not_found(format!("there is no error code {id:?}"));
                    let near = near::nearest(id, CODES.iter().map(|code| code.id));
                    let error = near.into_iter().fold(error, |error, id| error.hint(format!("merkury explain {id}")));
                    Err(error.hint("merkury explain lists all"))
                }
            }
        })
    }

    fn text(item: CodesOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if call.args.is_empty() {
            for code in &item.codes {
                out.line(format_args!("{}  {}", code.code, code.title))?;
            }
            out.put("\nExit codes of merkury (ipfs ends with 1, whatever failed):\n")?;
            return Ok(EXITS.iter().try_for_each(|(exit, meaning)| out.line(format_args!("{exit:>4}  {meaning}")))?);
        }
        for code in &item.codes {
            out.line(format_args!("{}: {}\n\n{}\n\nwhy:   {}", code.code, code.title, code.meaning, code.cause))?;
            code.next.iter().try_for_each(|next| out.line(format_args!("type:  {next}")))?;
            out.line(format_args!("exit:  {}", code.exit))?;
        }
        Ok(())
    }
}
