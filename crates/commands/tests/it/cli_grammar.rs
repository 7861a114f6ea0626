//! The grammar of the command line, as Kubo has it.

use merkury_commands::parse::{Sorted, StdinFor, parse, sort_inputs};
use merkury_commands::tree;

/// Path, inputs and given options of a command line, or the message.
fn read(line: &str) -> Result<String, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let parsed = parse(&words).map_err(|error| error.message)?;
    let options: Vec<String> =
        parsed.options.given().iter().map(|(name, value)| format!("{name}={}", value.to_query().join(","))).collect();
    Ok(format!("{} | {} | {}", parsed.path.join(" "), parsed.inputs.join(" "), options.join(" ")))
}

#[test]
fn command_lines() {
    for (line, wanted) in [
        ("add -r dir", "add | dir | recursive=true"),
        ("add dir -r", "add | dir | recursive=true"),
        ("add -rq dir", "add | dir | quiet=true recursive=true"),
        ("add -r=false --pin=false x", "add | x | pin=false recursive=false"),
        ("add -ssize-1024 x", "add | x | chunker=size-1024"),
        ("add -rs size-1024 x", "add | x | chunker=size-1024 recursive=true"),
        ("add --chunker size-1024 x", "add | x | chunker=size-1024"),
        ("add --ignore a --ignore b x", "add | x | ignore=a,b"),
        ("add -- -r", "add | -r | "),
        ("add -", "add | - | "),
        ("--offline --timeout=1s pin ls -t all", "pin ls |  | offline=true timeout=1s type=all"),
        ("files -f=false mkdir /a", "files mkdir | /a | flush=false"),
        ("--enc json id", "id |  | encoding=json"),
        ("cat a add", "cat | a add | "),
        ("refs local", "refs local |  | "),
        ("refs QmX", "refs | QmX | "),
        ("resolve --dhtrc 5 x", "resolve | x | dht-record-count=5"),
        ("", " |  | "),
    ] {
        assert_eq!(read(line), Ok(wanted.to_owned()), "{line}");
    }
}

#[test]
fn command_lines_that_make_no_sense() {
    for (line, wanted) in [
        ("add --nope x", "unknown option \"nope\""),
        ("add -Z x", "unknown option \"Z\""),
        ("add -rZ x", "unknown option \"rZ\""),
        ("add -q -q x", "multiple values for option \"quiet\""),
        ("add --quiet -q x", "multiple values for option \"quiet\""),
        ("add --chunker", "missing argument for option \"chunker\""),
        ("add -s", "missing argument for option \"s\""),
        ("add --cid-version=x y", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("add --pin=maybe y", "strconv.ParseBool: parsing \"maybe\": invalid syntax"),
        ("nonsense", "Unknown Command \"nonsense\"\n"),
        ("pinn ls", "Unknown Command \"pinn\"\n\nDid you mean this?\n\n\tpin"),
    ] {
        assert_eq!(read(line), Err(wanted.to_owned()), "{line}");
    }
}

#[test]
fn inputs_go_to_their_arguments() {
    let sort = |path: &str, words: &[&str], stdin: bool| {
        let node = tree::find(path.split('/')).expect("a known path");
        sort_inputs(node.spec, words.iter().map(|word| (*word).to_owned()).collect(), stdin)
    };
    let texts =
        |words: &[&str]| Sorted { texts: words.iter().map(|word| (*word).to_owned()).collect(), ..Sorted::default() };
    assert_eq!(sort("cat", &["a", "b"], true), Ok(texts(&["a", "b"])));
    assert_eq!(sort("cat", &[], true), Ok(Sorted { from_stdin: Some(StdinFor::Texts), ..Sorted::default() }));
    assert_eq!(sort("cat", &[], false), Err("argument \"ipfs-path\" is required".into()));
    assert_eq!(sort("add", &[], true), Ok(Sorted { from_stdin: Some(StdinFor::File), ..Sorted::default() }));
    assert_eq!(sort("config", &["k"], false), Ok(texts(&["k"])));
    assert_eq!(sort("config", &["k", "v", "w"], false), Err("expected 2 argument(s), got 3".into()));
    assert_eq!(sort("id", &[], true), Ok(Sorted::default()));
    assert_eq!(sort("block/stat", &["a", "b"], true), Err("expected 1 argument(s), got 2".into()));
    let write = Sorted { texts: vec!["/f".into()], files: vec!["data".into()], from_stdin: None };
    assert_eq!(sort("files/write", &["/f", "data"], true), Ok(write));
    let piped = Sorted { texts: vec!["/f".into()], files: vec![], from_stdin: Some(StdinFor::File) };
    assert_eq!(sort("files/write", &["/f"], true), Ok(piped));
}
