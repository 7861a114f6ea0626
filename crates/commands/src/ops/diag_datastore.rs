//! `diag datastore get`, `put`, `count`: small values under names, for debugging.

use super::prelude::*;

/// `diag datastore get`.
pub struct DiagDatastoreGet;
/// `diag datastore put`.
pub struct DiagDatastorePut;
/// `diag datastore count`.
pub struct DiagDatastoreCount;

/// A name with its value.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordOut {
    /// The name.
    pub key: String,
    /// Its value in base 64.
    pub value: String,
    /// The value as a table of hexadecimal numbers, with `--hex`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex_dump: String,
}

/// How many names start so.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordCountOut {
    /// The start.
    pub prefix: String,
    /// How many.
    pub count: u64,
}

const HELP: &str = "For debugging: the daemon must not run. Values are those that 'diag datastore put' wrote; what the \
                    store keeps in a form of its own, /pins and /blocks, is only counted.";

impl Op for DiagDatastoreGet {
    const SPEC: &'static Spec = &Spec {
        path: "diag/datastore/get",
        about: "Print the value of a name.",
        help: HELP,
        examples: &["ipfs diag datastore get --hex /test/name"],
        args: &[Arg::text("key", "The name.")],
        options: &[Opt::flag(&["hex"], "Print hexadecimal numbers.")],
        effect: crate::spec::Effect::Admin,
        tier: Tier::Niche,
        place: Place::Local,
    };
    type Item = RecordOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RecordOut> {
        Box::pin(async move {
            let call = request.call;
            let key = call.arg(0)?;
            let value = cx.api(&call)?.records.get(key).await?;
            let value = value.ok_or_else(|| ApiError::not_found(format!("key not found: {key}")))?;
            let hex_dump = if call.options.flag("hex") { hex_dump(&value) } else { String::new() };
            let value = data_encoding::BASE64.encode(&value);
            Ok(Reply::One(RecordOut { key: key.to_owned(), value, hex_dump }))
        })
    }

    fn text(item: RecordOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if !item.hex_dump.is_empty() {
            return Ok(out.put(format_args!("Key: {}\nHex Dump:\n{}", item.key, item.hex_dump))?);
        }
        let bytes = data_encoding::BASE64.decode(item.value.as_bytes());
        let bytes = bytes.map_err(|error| ApiError::internal(format!("the value is not base 64: {error}")))?;
        Ok(out.raw(&bytes)?)
    }
}

impl Op for DiagDatastorePut {
    const SPEC: &'static Spec = &Spec {
        path: "diag/datastore/put",
        about: "Give a name a value.",
        help: HELP,
        examples: &["ipfs diag datastore put /test/name hello"],
        args: &[Arg::text("key", "The name."), Arg::text("value", "Its value.")],
        tier: Tier::Niche,
        place: Place::Local,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            cx.api(&call)?.records.put(call.arg(0)?, call.arg(1)?.as_bytes().to_vec()).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for DiagDatastoreCount {
    const SPEC: &'static Spec = &Spec {
        path: "diag/datastore/count",
        about: "Count the names that start so.",
        help: HELP,
        examples: &["ipfs diag datastore count /pins"],
        args: &[Arg::text("prefix", "The start.")],
        tier: Tier::Niche,
        place: Place::Local,
        ..Spec::READ
    };
    type Item = RecordCountOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RecordCountOut> {
        Box::pin(async move {
            let call = request.call;
            let prefix = call.arg(0)?.to_owned();
            let count = cx.api(&call)?.records.count(&prefix).await?;
            Ok(Reply::One(RecordCountOut { prefix, count }))
        })
    }

    fn text(item: RecordCountOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(item.count)?)
    }
}

/// Lines of sixteen bytes, as Go's `hex.Dump` prints them.
fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        text.push_str(&format!("{:08x}", line * 16));
        for at in 0..16 {
            let gap = if at % 8 == 0 { "  " } else { " " };
            match chunk.get(at) {
                Some(byte) => text.push_str(&format!("{gap}{byte:02x}")),
                None => text.push_str(&format!("{gap}  ")),
            }
        }
        let letters: String =
            chunk.iter().map(|byte| if (32..=126).contains(byte) { char::from(*byte) } else { '.' }).collect();
        text.push_str(&format!("  |{letters}|\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::hex_dump;

    #[test]
    fn bytes_are_dumped_as_go_does() {
        let bytes: Vec<u8> = (0x3c..0x4e).collect();
        assert_eq!(
            hex_dump(&bytes),
            "00000000  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  |<=>?@ABCDEFGHIJK|\n\
             00000010  4c 4d                                             |LM|\n"
        );
    }
}
