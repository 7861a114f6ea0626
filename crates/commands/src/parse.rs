//! The grammar of the command line: Kubo's (go-ipfs-cmds), which is another one than clap's, hence our own parser.
//!
//! - Options may stand anywhere before `--`, also before the words of the command.
//! - `--name value`, `--name=value`; flags take a value only behind `=` (`--pin=false`, `-r=false`).
//! - Short options combine (`-rq`), and the last one may carry its value (`-ssize-1024`, `-s size-1024`).
//! - An option given twice is an error, unless it is a list.
//! - A word that is no subcommand is an argument; before any command it is an unknown command.

use std::collections::BTreeMap;

use crate::near;
use crate::options::Options;
use crate::spec::{Arg, Kind, Opt, Spec};
use crate::tree::{self, Node};
use crate::value::Value;

/// A command line, taken apart.
pub struct Parsed {
    /// What it names; the root when it names nothing.
    pub node: &'static Node,
    /// The words that name it.
    pub path: Vec<&'static str>,
    /// Words that are no options, as given: text arguments and file paths.
    pub inputs: Vec<String>,
    /// The options.
    pub options: Options,
}

/// Why a command line makes no sense, with what was understood before that.
pub struct ParseError {
    /// Kubo's words.
    pub message: String,
    /// What the understood part names; `None` when not even that is known.
    pub node: Option<&'static Node>,
    /// The words that name it.
    pub path: Vec<&'static str>,
    /// Options understood so far: `--help` counts even when something else is wrong.
    pub options: Options,
}

/// Inputs sorted to arguments.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Text arguments.
    pub texts: Vec<String>,
    /// Paths of files; `-` is standard input.
    pub files: Vec<String>,
    /// Standard input takes the place of the argument that is missing.
    pub from_stdin: Option<StdinFor>,
}

/// What standard input stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinFor {
    /// Text arguments, one a line.
    Texts,
    /// A file's content.
    File,
}

struct Parser<'a> {
    words: &'a [String],
    own: bool,
    at: usize,
    node: &'static Node,
    path: Vec<&'static str>,
    known: Vec<&'static Opt>,
    given: BTreeMap<&'static str, Value>,
    inputs: Vec<String>,
}

/// Takes a command line apart (without the program's name).
pub fn parse(words: &[String]) -> Result<Parsed, ParseError> {
    parse_for(words, true)
}

/// The same; without `own` the commands that Kubo does not have are unknown.
pub fn parse_for(words: &[String], own: bool) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        words,
        own,
        at: 0,
        node: tree::root(),
        path: Vec::new(),
        known: tree::options_of(&[]),
        given: BTreeMap::new(),
        inputs: Vec::new(),
    };
    let outcome = parser.run();
    let options = Options::from_given(parser.node.spec, parser.given);
    match outcome {
        Ok(()) => Ok(Parsed { node: parser.node, path: parser.path, inputs: parser.inputs, options }),
        // Like Kubo: a word that names nothing leaves no command to show the usage of.
        Err(Failure::UnknownCommand(message)) => Err(ParseError { message, node: None, path: Vec::new(), options }),
        Err(Failure::Other(message)) => {
            Err(ParseError { message, node: Some(parser.node), path: parser.path, options })
        }
    }
}

enum Failure {
    UnknownCommand(String),
    Other(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Other(message)
    }
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        while let Some(word) = self.words.get(self.at) {
            if word == "--" {
                self.inputs.extend(self.words[self.at + 1..].iter().cloned());
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                self.long(long)?;
            } else if word.len() > 1 && word.starts_with('-') {
                self.short(&word[1..])?;
            } else {
                self.word(word)?;
            }
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Failure> {
        if let Some(child) = self.node.child(word).filter(|child| self.own || !child.is_own()) {
            self.node = child;
            self.path.push(child_word(child, word));
            self.known = tree::options_of(&self.path);
            return Ok(());
        }
        self.inputs.push(word.to_owned());
        if self.path.is_empty() {
            return Err(Failure::UnknownCommand(suggest(word, self.own)));
        }
        Ok(())
    }

    fn option(&self, name: &str) -> Option<&'static Opt> {
        self.known.iter().copied().find(|option| option.names.contains(&name))
    }

    fn long(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let option = self.option(name).ok_or_else(|| format!("unknown option {name:?}"))?;
        let value = match value {
            Some(value) => Value::parse(option.kind, value)?,
            None if option.kind == Kind::Bool => Value::Bool(true),
            None => Value::parse(option.kind, &self.next_word(name)?)?,
        };
        self.give(option, value)
    }

    fn next_word(&mut self, name: &str) -> Result<String, String> {
        let word = self.words.get(self.at + 1).ok_or_else(|| format!("missing argument for option {name:?}"))?;
        self.at += 1;
        Ok(word.clone())
    }

    fn short(&mut self, text: &str) -> Result<(), String> {
        if let Some((name, value)) = text.split_once('=') {
            let option = self.option(name).ok_or_else(|| format!("unknown option {name:?}"))?;
            let value = Value::parse(option.kind, value)?;
            return self.give(option, value);
        }
        for (at, letter) in text.char_indices() {
            let rest = &text[at + letter.len_utf8()..];
            let name = &text[at..at + letter.len_utf8()];
            let option = self.option(name).ok_or_else(|| format!("unknown option {text:?}"))?;
            if option.kind == Kind::Bool {
                self.give(option, Value::Bool(true))?;
                continue;
            }
            let value = if rest.is_empty() { self.next_word(text)? } else { rest.to_owned() };
            return self.give(option, Value::parse(option.kind, &value)?);
        }
        Ok(())
    }

    fn give(&mut self, option: &'static Opt, value: Value) -> Result<(), String> {
        match (self.given.get_mut(option.name()), value) {
            (Some(Value::List(have)), Value::List(more)) => have.extend(more),
            (Some(_), _) => return Err(format!("multiple values for option {:?}", option.name())),
            (None, value) => {
                self.given.insert(option.name(), value);
            }
        }
        Ok(())
    }
}

/// The static spelling of a word that was found in the tree.
fn child_word(child: &'static Node, word: &str) -> &'static str {
    debug_assert_eq!(child.spec.name(), word);
    child.spec.name()
}

fn suggest(word: &str, own: bool) -> String {
    let known = tree::root().children.iter().filter(move |(_, child)| own || !child.is_own());
    let names = known.map(|(name, _)| *name);
    // A command inside the word (`pinls`) is meant for certain; else what a few typed letters more would give.
    let mut near: Vec<(usize, &str)> = names.clone().filter(|name| word.contains(name)).map(|name| (0, name)).collect();
    if near.is_empty() {
        near = names.map(|name| (near::distance(word, name), name)).filter(|(distance, _)| *distance <= 3).collect();
        near.sort();
    }
    let unknown = format!("Unknown Command \"{word}\"");
    match near.as_slice() {
        [] => format!("{unknown}\n"),
        [(_, only)] => format!("{unknown}\n\nDid you mean this?\n\n\t{only}"),
        several => {
            let names: Vec<&str> = several.iter().map(|(_, name)| *name).collect();
            format!("{unknown}\n\nDid you mean any of these?\n\n\t{}", names.join("\n\t"))
        }
    }
}

/// Sorts inputs to the declared arguments. `stdin` says whether standard input can stand for a missing one.
pub fn sort_inputs(spec: &Spec, inputs: Vec<String>, stdin: bool) -> Result<Sorted, String> {
    let args = spec.args;
    let variadic = args.last().is_some_and(|arg| arg.variadic);
    if !variadic && inputs.len() > args.len() {
        return Err(format!("expected {} argument(s), got {}", args.len(), inputs.len()));
    }
    let mut required_left = args.iter().filter(|arg| arg.required).count();
    let mut inputs = inputs.into_iter();
    let mut sorted = Sorted::default();
    let last = args.len().saturating_sub(1);
    for (index, arg) in args.iter().enumerate() {
        let takes_stdin = stdin && index == last && arg.stdin && sorted.from_stdin.is_none();
        let enough = inputs.len() > required_left || arg.required;
        required_left -= usize::from(arg.required);
        if !enough && !takes_stdin {
            continue;
        }
        take(arg, &mut inputs, &mut sorted, takes_stdin)?;
    }
    Ok(sorted)
}

fn take(
    arg: &Arg,
    inputs: &mut std::vec::IntoIter<String>,
    sorted: &mut Sorted,
    takes_stdin: bool,
) -> Result<(), String> {
    let wanted = if arg.variadic { usize::MAX } else { 1 };
    let into = if arg.is_file() { &mut sorted.files } else { &mut sorted.texts };
    let before = into.len();
    into.extend(inputs.take(wanted));
    if into.len() > before {
        return Ok(());
    }
    if takes_stdin && (arg.required || !arg.is_file()) {
        sorted.from_stdin = Some(if arg.is_file() { StdinFor::File } else { StdinFor::Texts });
        return Ok(());
    }
    if arg.required { Err(format!("argument {:?} is required", arg.name)) } else { Ok(()) }
}
