//! Answers that differ from Kubo's on purpose, each with its reason; `SHORTCOMINGS.md` says the same to users.
//!
//! A rule names the call it is for and what both have to answer; nothing else is let through.

use super::case::Case;
use crate::http::Answer;

/// A difference that is wanted.
pub(super) struct Purpose {
    /// Why.
    pub(super) reason: &'static str,
    covers: fn(&Case, &Both) -> bool,
}

/// What both have answered.
struct Both {
    want: Said,
    got: Said,
}

struct Said {
    status: u16,
    text: String,
    /// How a stream ended that had begun well.
    ended: Option<String>,
}

/// The list. It is to stay short.
pub(super) const PURPOSES: &[Purpose] = &[
    Purpose {
        reason: "JSON that ends early is an error; Kubo stores nothing and says that all is well",
        covers: |case, both| case.op == "dag/put" && both.want.is_silence() && both.got.fails_with(&["unexpected EOF"]),
    },
    Purpose {
        reason: "malformed values are told with their place; Kubo's decoders use words of their own",
        covers: |case, both| {
            let ours = ["malformed ", "unexpected EOF", "invalid cid"];
            case.op == "dag/put" && both.want.status == 500 && both.got.fails_with(&ours)
        },
    },
    Purpose {
        reason: "a hash function that may not name blocks is refused, even when every block is inlined",
        covers: |case, both| {
            let inlined = case.op == "add" && case.has("inline") && both.want.status == 200;
            inlined && both.got.fails_with(&["potentially insecure hash functions not allowed"])
        },
    },
    Purpose {
        reason: "a pin is not acknowledged while a block below it is missing",
        covers: |case, both| {
            let pins = case.op == "dag/put" && case.has("pin") && both.want.status == 200;
            pins && both.got.fails_with(&[" needs, is not here"])
        },
    },
    Purpose {
        reason: "a CID that has no version 0 is a line with an error; Kubo's answer breaks off",
        covers: |case, both| {
            let broken = both.want.ended.is_some() || both.want.text.contains("an error occurred");
            case.op == "cid/format" && case.has("v") && broken && both.got.text.contains("cidv0")
        },
    },
    Purpose {
        reason: "an emoji is cut off whole; Kubo leaves the last bytes of the letter that names the base",
        covers: |case, both| {
            let emoji = case.option_is("b", "base256emoji") && both.want.text.contains("\\ufffd");
            case.op == "cid/format" && emoji && both.got.text == both.want.text.replace("\\ufffd", "")
        },
    },
    Purpose {
        reason: "only UnixFS and other dag-pb nodes are compared link by link; Kubo takes the bytes of a raw block for a node",
        covers: |case, both| {
            case.op == "object/diff" && both.want.status == 500 && both.got.text.contains("\"Changes\"")
        },
    },
    Purpose {
        reason: "a name below a file is not there; Kubo speaks of the kind of a node",
        covers: |_, both| {
            let kind = both.want.fails_with(&["\\\"LookupBySegment\\\" called on a "]);
            kind && both.got.fails_with(&["no link named", "\\\"LookupBySegment\\\" called on a "])
        },
    },
    Purpose {
        reason: "nodes that are damaged are told with the place of the damage",
        covers: |case, both| case.op != "dag/put" && both.want.is_damaged() && both.got.is_damaged(),
    },
];

/// The rule that covers a difference.
pub(super) fn find(case: &Case, want: &Answer, got: &Answer) -> Option<&'static Purpose> {
    let both = Both { want: Said::of(want), got: Said::of(got) };
    PURPOSES.iter().find(|purpose| (purpose.covers)(case, &both))
}

impl Said {
    fn of(answer: &Answer) -> Self {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Self { status: answer.status, text, ended: answer.header("x-stream-error").map(str::to_owned) }
    }

    fn is_silence(&self) -> bool {
        self.status == 200 && self.text.is_empty() && self.ended.is_none()
    }

    fn fails_with(&self, words: &[&str]) -> bool {
        self.status == 500 && words.iter().any(|words| self.text.contains(words))
    }

    fn is_damaged(&self) -> bool {
        self.fails_with(&["\"proto: ", "\"protobuf: ", "\"cbor: ", "\"malformed ", "\"unexpected EOF\""])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_covers_its_own_call_alone() {
        let answer = |status, text: &str| Answer { status, headers: Vec::new(), body: text.as_bytes().to_vec() };
        let silence = answer(200, "");
        let early = answer(500, "{\"Message\":\"unexpected EOF\"}");
        assert!(find(&Case::new("dag/put"), &silence, &early).is_some());
        assert!(find(&Case::new("dag/get"), &silence, &early).is_none());
        assert!(find(&Case::new("dag/put"), &silence, &answer(500, "{\"Message\":\"busy\"}")).is_none());
        assert!(PURPOSES.iter().all(|purpose| !purpose.reason.is_empty()));
    }
}
