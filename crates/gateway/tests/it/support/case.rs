//! A request and what its answer must be, as data: the same table runs against our gateway, a daemon, or Kubo.

use super::client::{self, Answer};

/// What a header or a body must be.
#[derive(Clone, Debug)]
pub(crate) enum Is {
    Equal(String),
    Has(&'static str),
    Starts(String),
    Absent,
    Empty,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Allowed statuses.
    pub(crate) status: std::ops::RangeInclusive<u16>,
    pub(crate) answer: Vec<(&'static str, Is)>,
    pub(crate) body: Option<Is>,
    /// The CAR's roots and blocks, by CID in order.
    pub(crate) car: Option<(Vec<String>, Vec<String>)>,
    /// Needs codecs or names that the node in memory does not have.
    pub(crate) needs_daemon: bool,
}

pub(crate) fn get(name: &'static str, path: impl Into<String>, status: u16) -> Case {
    Case {
        name,
        method: "GET",
        path: path.into(),
        fields: Vec::new(),
        status: status..=status,
        answer: Vec::new(),
        body: None,
        car: None,
        needs_daemon: false,
    }
}

pub(crate) fn is(text: impl Into<String>) -> Is {
    Is::Equal(text.into())
}

impl Case {
    pub(crate) fn head(mut self) -> Self {
        self.method = "HEAD";
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(crate) fn field(mut self, name: &'static str, what: Is) -> Self {
        self.answer.push((name, what));
        self
    }

    pub(crate) fn body(mut self, what: Is) -> Self {
        self.body = Some(what);
        self
    }

    pub(crate) fn statuses(mut self, statuses: std::ops::RangeInclusive<u16>) -> Self {
        self.status = statuses;
        self
    }

    pub(crate) fn car(mut self, roots: &[&str], blocks: &[&str]) -> Self {
        let texts = |cids: &[&str]| cids.iter().map(|cid| (*cid).to_owned()).collect();
        self.car = Some((texts(roots), texts(blocks)));
        self
    }

    pub(crate) fn needs_daemon(mut self) -> Self {
        self.needs_daemon = true;
        self
    }

    /// Runs the case; the differences, if any.
    pub(crate) async fn run(&self, host: &str) -> Vec<String> {
        let fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = client::ask(host, self.method, &self.path, &fields).await;
        let mut wrong = self.differences(&answer);
        if self.method == "HEAD" && !answer.body.is_empty() {
            wrong.push("HEAD has a body".into());
        }
        wrong.iter().map(|what| format!("{}: {} {}: {what}", self.name, self.method, self.path)).collect()
    }

    fn differences(&self, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.status.contains(&answer.status) {
            wrong.push(format!("status {}, not {:?}: {}", answer.status, self.status, answer.text()));
        }
        for (name, what) in &self.answer {
            let value = answer.field(name);
            if !matches_value(what, value.as_deref()) {
                wrong.push(format!("{name} is {value:?}, not {what:?}"));
            }
        }
        if let Some(what) = &self.body {
            let text = answer.text();
            if !matches_value(what, Some(&text)) {
                wrong.push(format!("body is {:?}, not {what:?}", text.chars().take(300).collect::<String>()));
            }
        }
        if let Some((roots, blocks)) = &self.car {
            let (found_roots, found_blocks) = read_car(&answer.body);
            if found_roots != *roots {
                wrong.push(format!("roots {found_roots:?}, not {roots:?}"));
            }
            if found_blocks != *blocks {
                wrong.push(format!("blocks {found_blocks:?}, not {blocks:?}"));
            }
        }
        wrong
    }
}

fn matches_value(what: &Is, value: Option<&str>) -> bool {
    match (what, value) {
        (Is::Absent, value) => value.is_none(),
        (Is::Equal(text), Some(value)) => value == text,
        (Is::Has(text), Some(value)) => value.contains(text),
        (Is::Starts(text), Some(value)) => value.starts_with(text.as_str()),
        (Is::Empty, Some(value)) => value.is_empty(),
        (_, None) => false,
    }
}

/// Roots and blocks of a CARv1; every block is verified.
fn read_car(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    use merkury_core::{Block, Cid, varint};
    let (mut roots, mut blocks) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    let mut is_header = true;
    while !rest.is_empty() {
        let Ok((length, after)) = varint::decode(rest) else { break };
        let Some((section, after)) = after.split_at_checked(length as usize) else { break };
        rest = after;
        if std::mem::take(&mut is_header) {
            // Links are tag 42, a byte string, and a zero byte before the CID.
            let starts = section.windows(2).enumerate().filter(|(_, window)| *window == [0xd8, 0x2a]).map(|(at, _)| at);
            for at in starts {
                let short = usize::from(section[at + 2]);
                let (from, length) = match short {
                    0x58 => (at + 5, usize::from(section[at + 3]) - 1),
                    _ => (at + 4, (short & 0x1f) - 1),
                };
                roots.push(Cid::from_bytes(&section[from..from + length]).expect("a root").to_string());
            }
            continue;
        }
        let (cid, data) = Cid::decode(section).expect("a cid");
        let block = Block::verify(cid, bytes::Bytes::copy_from_slice(data)).expect("a good block");
        blocks.push(block.cid().to_string());
    }
    (roots, blocks)
}

/// Runs a table; panics with every difference.
pub(crate) async fn run_all(host: &str, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        wrong.extend(case.run(host).await);
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
