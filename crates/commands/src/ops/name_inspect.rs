//! `name inspect`: what is in a signed record.

use merkury_core::PeerId;
use merkury_core::ipns::Record;
use merkury_core::keys::ipns_name;
use merkury_core::stamp::Stamp;

use super::common::whole_file;
use super::prelude::*;
use crate::stamp::go_duration;
use crate::text::Table;

/// `name inspect`.
pub struct NameInspect;

/// Most that is read: enough to say that a record is too large.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A record, taken apart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectOut {
    /// The signed part.
    pub entry: EntryOut,
    /// Bytes of the message.
    pub pb_size: usize,
    /// `V1+V2`, `V2` or `Unknown`.
    pub signature_type: String,
    /// The message, as hexadecimal lines.
    pub hex_dump: String,
    /// The verdict, when one was asked for.
    pub validation: Option<ValidationOut>,
}

/// The signed part; what cannot be read is left out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EntryOut {
    /// The path.
    pub value: String,
    /// 0: valid until a time.
    pub validity_type: Option<i64>,
    /// The time.
    pub validity: Option<String>,
    /// The number of the record.
    pub sequence: Option<u64>,
    /// How long it may be served from caches, in nanoseconds.
    #[serde(rename = "TTL")]
    pub ttl: Option<i64>,
}

/// A verdict.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ValidationOut {
    /// Whether the name's owner signed it and it has not expired.
    pub valid: bool,
    /// Why not.
    pub reason: String,
    /// The name.
    pub name: String,
}

fn verdict(record: &Record, text: &str) -> Result<ValidationOut, ApiError> {
    let name = PeerId::parse(text.strip_prefix("/ipns/").unwrap_or(text))
        .map_err(|error| ApiError::invalid(format!("failed to parse peer ID: {error}")))?;
    let judged = record.verify(&name, Stamp::of(std::time::SystemTime::now()));
    let reason = judged.as_ref().err().map(ToString::to_string).unwrap_or_default();
    Ok(ValidationOut { valid: judged.is_ok(), reason, name: ipns_name(&name, multibase::Base::Base36Lower) })
}

/// Bytes as Go's hex dump prints them: sixteen a line, with what can be printed behind them.
fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, line) in bytes.chunks(16).enumerate() {
        text.push_str(&format!("{:08x} ", index * 16));
        for at in 0..16 {
            text.push_str(if at % 8 == 0 { " " } else { "" });
            match line.get(at) {
                Some(byte) => text.push_str(&format!("{byte:02x} ")),
                None => text.push_str("   "),
            }
        }
        let shown = line.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' });
        text.push_str(&format!(" |{}|\n", shown.collect::<String>()));
    }
    text
}

impl Op for NameInspect {
    const SPEC: &'static Spec = &Spec {
        path: "name/inspect",
        about: "Show what is in a signed record.",
        help: "--verify checks it against a name: signature, agreement of its parts, and time.",
        examples: &[
            "ipfs name get k51… | ipfs name inspect --verify=k51…",
            "ipfs name inspect --dump=false record.bin",
        ],
        args: &[Arg::file("record", "File of the record.").or_stdin()],
        options: &[
            Opt::text(&["verify"], "Name to check it against."),
            Opt::flag(&["dump"], "Print the bytes too.").or("true"),
        ],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = InspectOut;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<InspectOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let data = whole_file(body, FILE_BYTES_MAX).await?;
            let record = Record::decode(&data).map_err(|error| ApiError::invalid(error.to_string()))?;
            let signature_type = if record.is_for_old_readers() { "V1+V2" } else { "V2" };
            Ok(Reply::One(InspectOut {
                entry: EntryOut {
                    value: record.value().unwrap_or_default(),
                    validity_type: record.validity_type().ok(),
                    validity: record.ends().ok().map(Stamp::rfc3339),
                    sequence: record.sequence().ok(),
                    ttl: record.ttl_nanos().ok(),
                },
                pb_size: data.len(),
                signature_type: signature_type.into(),
                hex_dump: if call.options.flag("dump") { hex_dump(&data) } else { String::new() },
                validation: call.options.text("verify").map(|name| verdict(&record, &name)).transpose()?,
            }))
        })
    }

    fn text(item: InspectOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let entry = &item.entry;
        let mut table = Table::new(0);
        if !entry.value.is_empty() {
            table.row(["Value:".to_owned(), format!("{:?}", entry.value)]);
        }
        if let Some(kind) = entry.validity_type {
            table.row(["Validity Type:".to_owned(), kind.to_string()]);
        }
        if let Some(ends) = &entry.validity {
            table.row(["Validity:".to_owned(), format!("{ends:?}")]);
        }
        if let Some(sequence) = entry.sequence {
            table.row(["Sequence:".to_owned(), sequence.to_string()]);
        }
        if let Some(nanos) = entry.ttl {
            let sign = if nanos < 0 { "-" } else { "" };
            let span = std::time::Duration::from_nanos(nanos.unsigned_abs());
            table.row(["TTL:".to_owned(), format!("{sign}{}", go_duration(span))]);
        }
        table.row(["Protobuf Size:".to_owned(), item.pb_size.to_string()]);
        table.row(["Signature Type:".to_owned(), item.signature_type.clone()]);
        out.put(table.render())?;
        match &item.validation {
            None => out.put("\nThis record was not verified. Pass '--verify k51...' to verify.\n")?,
            Some(verdict) => {
                out.put("\nValidation results:\n")?;
                let mut table = Table::new(0);
                table.row([String::new(), "Valid:".to_owned(), verdict.valid.to_string()]);
                if !verdict.reason.is_empty() {
                    table.row([String::new(), "Reason:".to_owned(), verdict.reason.clone()]);
                }
                table.row([String::new(), "Name:".to_owned(), verdict.name.clone()]);
                out.put(table.render())?;
            }
        }
        if !item.hex_dump.is_empty() {
            out.put(format_args!("\nHex Dump:\n{}", item.hex_dump))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_as_go_does() {
        assert_eq!(
            hex_dump(b"0123456789abcdef\x00~\x7f"),
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n\
             00000010  00 7e 7f                                          |.~.|\n"
        );
    }
}
