//! `cid format` and `cid base32`: CIDs written another way.

use merkury_core::bases::{self, Base};
use merkury_core::cid::codec_code;
use merkury_core::codec::name as codec_name;
use merkury_core::hash::name as hash_name;
use merkury_core::{Cid, Version};

use super::prelude::*;
use crate::cids::base_by_name;

/// `cid format`.
pub struct CidFormat;

/// `cid base32`.
pub struct CidBase32;

/// A CID and its new form, or why it has none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CidFormatOut {
    /// What was given.
    pub cid_str: String,
    /// The new form.
    pub formatted: String,
    /// Why there is none.
    pub error_msg: String,
}

/// Whether some CID could not be shown.
#[derive(Default)]
pub struct SomeFailed(bool);

const CIDS: &[Arg] = &[Arg::text("cid", "A CID.").many().or_stdin()];

impl Op for CidFormat {
    const SPEC: &'static Spec = &Spec {
        path: "cid/format",
        about: "Write CIDs in another form.",
        help: "The format is text with these verbs:\n\n   \
               %%  a percent sign\n   \
               %b  name of the multibase          %B  its prefix\n   \
               %v  version (cidv1)                %V  its number\n   \
               %c  name of the codec              %C  its number\n   \
               %h  name of the hash function      %H  its number\n   \
               %L  length of the digest in bytes\n   \
               %m  multihash in the base          %M  the same without prefix\n   \
               %d  digest in the base             %D  the same without prefix\n   \
               %s  the CID in the base            %S  the same without prefix\n   \
               %P  version, codec, hash and length: cidv1-dag-pb-sha2-256-32",
        examples: &[
            "ipfs cid format -v 1 -b base36 QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
            "ipfs cid format -f '%P' CID",
        ],
        args: CIDS,
        options: &[
            Opt::text(&["f"], "The format.").or("%s"),
            Opt::text(&["v"], "CID version to convert to."),
            Opt::text(&["mc"], "Codec to convert to."),
            Opt::text(&["b"], "Multibase to write in; implies version 1."),
        ],
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    const ALWAYS_TEXT: bool = true;
    type Item = CidFormatOut;
    type Text = SomeFailed;

    fn run(_: Cx, request: Request) -> Running<CidFormatOut> {
        Box::pin(async move {
            let form = Form::of(&request.call)?;
            Ok(Reply::Stream(stream::iter(request.call.args).map(move |text| form.write(text)).boxed()))
        })
    }

    fn text(item: CidFormatOut, _: &Call, state: &mut SomeFailed, out: &mut Out<'_>) -> TextResult {
        state.show(&item, out)
    }

    fn finish(_: &Call, state: &mut SomeFailed, _: &mut Out<'_>) -> TextResult {
        state.end()
    }
}

impl Op for CidBase32 {
    const SPEC: &'static Spec = &Spec {
        path: "cid/base32",
        about: "Write CIDs as version 1 in base 32.",
        help: "The form that survives places where large and small letters are the same, such as host names.",
        examples: &["ipfs cid base32 QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"],
        args: CIDS,
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    const ALWAYS_TEXT: bool = true;
    type Item = CidFormatOut;
    type Text = SomeFailed;

    fn run(_: Cx, request: Request) -> Running<CidFormatOut> {
        let form = Form { verbs: "%s".into(), version: Some(Version::V1), codec: None, base: Some(Base::Base32Lower) };
        let items = stream::iter(request.call.args).map(move |text| form.write(text));
        Box::pin(async move { Ok(Reply::Stream(items.boxed())) })
    }

    fn text(item: CidFormatOut, _: &Call, state: &mut SomeFailed, out: &mut Out<'_>) -> TextResult {
        state.show(&item, out)
    }

    fn finish(_: &Call, state: &mut SomeFailed, _: &mut Out<'_>) -> TextResult {
        state.end()
    }
}

impl SomeFailed {
    fn show(&mut self, item: &CidFormatOut, out: &mut Out<'_>) -> TextResult {
        if item.error_msg.is_empty() {
            return Ok(out.line(&item.formatted)?);
        }
        self.0 = true;
        Ok(out.note(format_args!("{}: {}\n", item.cid_str, item.error_msg))?)
    }

    fn end(&self) -> TextResult {
        if self.0 {
            return Err(ApiError::invalid("errors while displaying some entries").into());
        }
        Ok(())
    }
}

/// How CIDs are to be written.
struct Form {
    verbs: String,
    version: Option<Version>,
    codec: Option<u64>,
    base: Option<Base>,
}

/// What is wrong: with the format, which ends the command, or with one CID.
enum Wrong {
    Format(String),
    Cid(String),
}

impl Form {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let text = |name: &str| call.options.text(name).unwrap_or_default();
        let (verbs, base) = (text("f"), text("b"));
        if !verbs.contains('%') {
            return Err(ApiError::invalid(format!("invalid format string: {verbs:?}")));
        }
        let codec = Some(text("mc")).filter(|name| !name.is_empty()).map(|name| {
            codec_name::codec_of(&name)
                .filter(|codec| codec_name::name_of(*codec).is_some())
                .ok_or_else(|| ApiError::invalid(format!("unknown multicodec: {name:?}")))
        });
        let codec = codec.transpose()?;
        let version = match text("v").as_str() {
            "" => (!base.is_empty()).then_some(Version::V1),
            "0" if codec.is_some_and(|codec| codec != codec_code::DAG_PB) => {
                return Err(ApiError::invalid("cannot convert to CIDv0 with any codec other than dag-pb"));
            }
            "0" if !base.is_empty() && base != "base58btc" => {
                let message = "cannot convert to CIDv0 with any multibase other than the implicit base58btc";
                return Err(ApiError::invalid(message));
            }
            "0" => Some(Version::V0),
            "1" => Some(Version::V1),
            other => return Err(ApiError::invalid(format!("invalid cid version: {other:?}"))),
        };
        let base = Some(base).filter(|name| !name.is_empty()).map(|name| base_by_name(&name)).transpose()?;
        Ok(Self { verbs, version, codec, base })
    }

    fn write(&self, text: String) -> Result<CidFormatOut, ApiError> {
        let text = text.trim().to_owned();
        let (formatted, error_msg) = match self.formatted(&text) {
            Ok(formatted) => (formatted, String::new()),
            Err(Wrong::Cid(why)) => (String::new(), why),
            Err(Wrong::Format(why)) => return Err(ApiError::invalid(why)),
        };
        Ok(CidFormatOut { cid_str: text, formatted, error_msg })
    }

    fn formatted(&self, text: &str) -> Result<String, Wrong> {
        let cid = Cid::parse(text).map_err(|error| Wrong::Cid(format!("invalid cid: {error}")))?;
        let mut cid = match self.codec {
            Some(codec) if codec != cid.codec() => Cid::v1(codec, cid.hash().clone()),
            _ => cid,
        };
        match self.version {
            None => {}
            Some(Version::V1) => cid = cid.to_v1(),
            Some(Version::V0) if cid.codec() != codec_code::DAG_PB => {
                return Err(Wrong::Cid("can't convert non-dag-pb nodes to cidv0".into()));
            }
            Some(Version::V0) => {
                let hash = cid.hash().clone();
                let (code, length) = (hash.code(), hash.digest().len());
                cid = Cid::v0(hash).map_err(|_| Wrong::Cid(format!("invalid hash for cidv0 {code}-{length}")))?;
            }
        }
        let base = match self.base {
            Some(base) => base,
            None if cid.version() == Version::V0 => Base::Base58Btc,
            None => base_of(text)?,
        };
        format_cid(&self.verbs, base, &cid)
    }
}

/// The base a CID's text is in. Kubo looks at one byte, so it finds none for the base whose prefix is longer.
fn base_of(text: &str) -> Result<Base, Wrong> {
    if text.len() == 46 && text.starts_with("Qm") {
        return Ok(Base::Base58Btc);
    }
    let base = text.chars().next().filter(char::is_ascii).and_then(|code| Base::from_code(code).ok());
    base.ok_or_else(|| Wrong::Cid("unsupported multibase encoding: -1".into()))
}

fn format_cid(verbs: &str, base: Base, cid: &Cid) -> Result<String, Wrong> {
    let mut out = String::new();
    let mut letters = verbs.chars();
    let hash = cid.hash();
    let in_base = |bytes: &[u8], bare: bool| {
        let text = bases::encode(base, bytes);
        if bare { text.chars().skip(1).collect() } else { text }
    };
    let codec_name = codec_text(cid.codec());
    let hash_name = hash_name::any_name_of(hash.code()).unwrap_or_else(|| format!("hash?{}", hash.code()).into());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let verb = letters.next().ok_or_else(|| Wrong::Format("premature end of format string".into()))?;
        let number = u8::from(cid.version() == Version::V1);
        match verb {
            '%' => out.push('%'),
            'b' => out.push_str(bases::name_of(base).unwrap_or_default()),
            'B' => out.push(base.code()),
            'v' => out.push_str(&format!("cidv{number}")),
            'V' => out.push_str(&number.to_string()),
            'c' => out.push_str(&codec_name),
            'C' => out.push_str(&cid.codec().to_string()),
            'h' => out.push_str(&hash_name),
            'H' => out.push_str(&hash.code().to_string()),
            'L' => out.push_str(&hash.digest().len().to_string()),
            'm' | 'M' => out.push_str(&in_base(&hash.to_bytes(), verb == 'M')),
            'd' | 'D' => out.push_str(&in_base(hash.digest(), verb == 'D')),
            's' if cid.version() == Version::V0 && base.code() != Base::Base58Btc.code() => {
                return Err(Wrong::Cid("invalid base encoding".into()));
            }
            's' => out.push_str(&cid.to_string_of_base(base)),
            'S' => out.push_str(&in_base(&cid.to_bytes(), true)),
            'P' => out.push_str(&format!("cidv{number}-{codec_name}-{hash_name}-{}", hash.digest().len())),
            other => return Err(Wrong::Format(format!("unrecognized specifier in format string: %{other}"))),
        }
    }
    Ok(out)
}

/// The name of a codec, or `Code(123)` as Kubo writes one that it does not know.
fn codec_text(codec: u64) -> String {
    codec_name::name_of(codec).map_or_else(|| format!("Code({codec})"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V0: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

    fn formatted(verbs: &str, text: &str) -> Result<String, String> {
        let form = Form { verbs: verbs.into(), version: None, codec: None, base: None };
        form.formatted(text).map_err(|(Wrong::Format(why) | Wrong::Cid(why))| why)
    }

    #[test]
    fn every_verb_says_what_kubo_says() {
        for (verbs, text, wanted) in [
            ("%%%b%B%v%V", V0, "%base58btczcidv00"),
            ("%c %C %h %H %L", "bafkqaaa", "raw 85 identity 0 0"),
            ("%m %M", "bafkqaaa", "baaaa aaaa"),
            ("%d|%D", "bafkqabtimvwgy3yk", "bnbswy3dpbi|nbswy3dpbi"),
            ("%s %S", "bafkqaaa", "bafkqaaa afkqaaa"),
            ("%P", V0, "cidv0-dag-pb-sha2-256-32"),
            ("%S", V0, "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"),
        ] {
            assert_eq!(formatted(verbs, text).as_deref(), Ok(wanted), "{verbs} {text}");
        }
        for (verbs, wanted) in
            [("%z", "unrecognized specifier in format string: %z"), ("a%", "premature end of format string")]
        {
            assert_eq!(formatted(verbs, V0).as_ref().map_err(String::as_str), Err(wanted));
        }
    }
}
