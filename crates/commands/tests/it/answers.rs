//! Texts of answers: frozen items of a real Kubo 0.43.1, shown as it shows them.

use merkury_commands::parse;
use merkury_commands::text::{Out, Style};

/// Standard output and standard error of a command line whose answer has these items.
fn shown(line: &str, items: &[&str]) -> (String, String) {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let Ok(parsed) = parse::parse(&words) else { panic!("{line} makes sense") };
    let op = parsed.node.op.expect("an operation");
    let call = merkury_commands::Call { args: parsed.inputs, options: parsed.options };
    let mut renderer = op.renderer(&call);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut failure = String::new();
    {
        let mut out = Out::new(&mut stdout, &mut stderr, Style::default());
        for item in items {
            if let Err(error) = renderer.item(item.as_bytes(), &mut out) {
                failure = format!("Error: {error}");
                break;
            }
        }
        if failure.is_empty()
            && let Err(error) = renderer.finish(&mut out)
        {
            failure = format!("Error: {error}");
        }
    }
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(stdout), text(stderr) + &failure)
}

const A: &str = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN";
const D: &str = "QmdD8CPBUDhrQbLuDou8bVNhF4gStpaSmmpqAYWkN5GAgm";

#[test]
fn add() {
    let items = [
        r#"{"Name":"d/a.txt","Bytes":6}"#,
        r#"{"Name":"d/a.txt","Hash":"QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN","Size":"14"}"#,
        r#"{"Name":"d\u001b[2J","Hash":"QmdD8CPBUDhrQbLuDou8bVNhF4gStpaSmmpqAYWkN5GAgm","Size":"280"}"#,
    ];
    assert_eq!(shown("add x", &items).0, format!("added {A} d/a.txt\nadded {D} d\\x1b[2J\n"));
    assert_eq!(shown("add -q x", &items).0, format!("{A}\n{D}\n"));
    assert_eq!(shown("add -Q x", &items).0, format!("{D}\n"));
    // Of files nothing is sent; what is sent is shown, as Kubo does.
    assert_eq!(shown("add --silent x", &items[2..]).0, format!("added {D} d\\x1b[2J\n"));
}

#[test]
fn ls() {
    let item = r#"{"Objects":[{"Hash":"X","Links":[
        {"Name":"a.txt","Hash":"QmQquiB7g7YAopG6MgCTqXyJHoHjtokHN3DYDugupx9CXG","Size":6,"Type":2,"Target":"","Mode":420,"ModTime":"2003-11-14T22:13:20Z"},
        {"Name":"sub","Hash":"QmPKgpZYZYCPUHMVmcEKDWTSnSwUnSfgJicHLnmqw3ZhGV","Size":0,"Type":1,"Target":"","Mode":2147484141,"ModTime":"0001-01-01T00:00:00Z"}]}]}"#;
    assert_eq!(
        shown("ls X", &[item]).0,
        "QmQquiB7g7YAopG6MgCTqXyJHoHjtokHN3DYDugupx9CXG 6 a.txt\n\
         QmPKgpZYZYCPUHMVmcEKDWTSnSwUnSfgJicHLnmqw3ZhGV - sub/\n"
    );
    assert_eq!(
        shown("ls -v X", &[item]).0,
        "Hash                                           Size Name\n\
         QmQquiB7g7YAopG6MgCTqXyJHoHjtokHN3DYDugupx9CXG 6    a.txt\n\
         QmPKgpZYZYCPUHMVmcEKDWTSnSwUnSfgJicHLnmqw3ZhGV -    sub/\n"
    );
    assert_eq!(
        shown("ls -l X", &[item]).0,
        "-rw-r--r-- QmQquiB7g7YAopG6MgCTqXyJHoHjtokHN3DYDugupx9CXG 6 Nov 14  2003 a.txt\n\
         drwxr-xr-x QmPKgpZYZYCPUHMVmcEKDWTSnSwUnSfgJicHLnmqw3ZhGV - -            sub/\n"
    );
    let two = r#"{"Objects":[{"Hash":"X","Links":[]},{"Hash":"Y","Links":[]}]}"#;
    assert_eq!(shown("ls X Y", &[two]).0, "X:\n\nY:\n");
}

#[test]
fn pins() {
    let all = r#"{"Keys":{"QmB":{"Type":"recursive","Name":""},"QmA":{"Type":"indirect through QmB","Name":"n"}}}"#;
    assert_eq!(shown("pin ls", &[all]).0, "QmA indirect through QmB n\nQmB recursive\n");
    assert_eq!(shown("pin ls -q", &[all]).0, "QmA\nQmB\n");
    assert_eq!(shown("pin ls", &["{}"]).0, "");
    assert_eq!(shown("pin ls -s", &[r#"{"Cid":"QmA","Type":"direct"}"#]).0, "QmA direct\n");
    let progress = [r#"{"Progress":1,"Bytes":4}"#, r#"{"Pins":["QmA"]}"#];
    let (out, err) = shown("pin add --progress QmA", &progress);
    assert_eq!((out.as_str(), err.as_str()), ("pinned QmA recursively\n", "Fetched/Processed 1 nodes (4 B)\r"));
    assert_eq!(shown("pin add -r=false QmA", &progress[1..]).0, "pinned QmA directly\n");
    assert_eq!(shown("pin rm QmA", &progress[1..]).0, "unpinned QmA\n");
    assert_eq!(shown("pin update a b", &[r#"{"Pins":["QmA","QmB"]}"#]).0, "updated QmA to QmB\n");
}

#[test]
fn blocks_and_dags() {
    assert_eq!(shown("block stat x", &[r#"{"Key":"QmA","Size":4}"#]).0, "Key: QmA\nSize: 4\n");
    assert_eq!(shown("block put x", &[r#"{"Key":"QmA","Size":4}"#]).0, "QmA\n");
    let removed = [r#"{"Hash":"QmA"}"#, r#"{"Hash":"QmB","Error":"pinned: recursive"}"#];
    let (out, err) = shown("block rm QmA QmB", &removed);
    assert_eq!(out, "removed QmA\n");
    assert_eq!(err, "cannot remove QmB: pinned: recursive\nError: some blocks not removed");
    let root = format!(r#"{{"Root":{{"Cid":{{"/":"{D}"}},"PinErrorMsg":""}}}}"#);
    let stats = r#"{"Stats":{"BlockCount":6,"BlockBytesCount":280}}"#;
    assert_eq!(
        shown("dag import --stats x", &[&root, stats]).0,
        format!("Pinned root\t{D}\tsuccess\nImported 6 blocks (280 bytes)\n")
    );
    let failed = root.replace("\"PinErrorMsg\":\"\"", "\"PinErrorMsg\":\"gone\"");
    assert_eq!(shown("dag import x", &[&failed]).1, format!("Error: pinning root {D:?} FAILED: gone"));
    let resolved = format!(r#"{{"Cid":{{"/":"{D}"}},"RemPath":"/a/b"}}"#);
    assert_eq!(shown("dag resolve x", &[&resolved]).0, format!("{D}/a/b"));
    let running = format!(r#"{{"TotalSize":193,"DagStats":[{{"Cid":"{D}","Size":193,"NumBlocks":1}}]}}"#);
    let done = format!(
        r#"{{"UniqueBlocks":6,"TotalSize":280,"Ratio":1,"DagStats":[{{"Cid":"{D}","Size":280,"NumBlocks":6}}]}}"#
    );
    assert_eq!(
        shown("dag stat x", &[&running, &done]).0,
        format!(
            "\nCID                                           \tBlocks         \tSize\n{D}\t6              \t280\n\n\
             Summary\nTotal Size: 280 (280 B)\nUnique Blocks: 6\nShared Size: 0 (0 B)\nRatio: 1.000000\n\n\n"
        )
    );
    let (out, err) = shown("refs x", &[r#"{"Ref":"QmA","Err":""}"#, r#"{"Ref":"","Err":"merkledag: not found"}"#]);
    assert_eq!((out.as_str(), err.as_str()), ("QmA\n", "Error: merkledag: not found"));
}

#[test]
fn files() {
    let list =
        r#"{"Entries":[{"Name":"b","Type":0,"Size":6,"Hash":"QmB"},{"Name":"a","Type":1,"Size":0,"Hash":"QmA"}]}"#;
    assert_eq!(shown("files ls -l /", &[list]).0, "a/\tQmA\t0\nb\tQmB\t6\n");
    assert_eq!(shown("files ls -U /", &[list]).0, "b\na\n");
    assert_eq!(shown("files ls /", &[r#"{"Entries":null}"#]).0, "");
    let stat = r#"{"Hash":"QmA","Size":6,"CumulativeSize":25,"Blocks":0,"Type":"file","WithLocality":true,"Local":true,"SizeLocal":25,"Mtime":1700000000,"Mode":"0644"}"#;
    assert_eq!(
        shown("files stat /a", &[stat]).0,
        "QmA\nSize: 6\nCumulativeSize: 25\nChildBlocks: 0\nType: file\nMode: -rw-r--r-- (0644)\n\
         Mtime: 14 Nov 2023, 22:13:20 UTC\nLocal: 25 B of 25 B (100.00%)\n"
    );
    assert_eq!(shown("files stat --hash /a", &[&stat.replace("true", "false")]).0, "QmA\n");
    assert_eq!(shown("files flush", &[r#"{"Cid":"QmA"}"#]).0, "{\"Cid\":\"QmA\"}\n");
}

#[test]
fn keys_repo_and_configuration() {
    let keys = r#"{"Keys":[{"Name":"self","Id":"k51a"},{"Name":"k1","Id":"k51b"}]}"#;
    assert_eq!(shown("key ls", &[keys]).0, "self\nk1\n");
    assert_eq!(shown("key list -l", &[keys]).0, "k51a self \nk51b k1   \n");
    let renamed = r#"{"Was":"a","Now":"b","Id":"k51a","Overwrite":false}"#;
    assert_eq!(shown("key rename a b", &[renamed]).0, "Key k51a renamed to b\n");
    let stat = r#"{"RepoSize":479331,"StorageMax":10000000000,"NumObjects":27,"RepoPath":"/r","Version":"fs-repo@18"}"#;
    assert_eq!(
        shown("repo stat -H", &[stat]).0,
        "NumObjects: 27\nRepoSize:   479 kB\nStorageMax: 10 GB\nRepoPath:   /r\nVersion:    fs-repo@18\n"
    );
    assert_eq!(shown("repo version -q", &[r#"{"Version":"18"}"#]).0, "fs-repo@18\n");
    let gone = format!(r#"{{"Key":{{"/":"{D}"}}}}"#);
    assert_eq!(shown("repo gc", &[&gone]).0, format!("removed {D}\n"));
    assert_eq!(shown("repo gc --stream-errors", &[r#"{"Key":null,"Error":"e"}"#]).0, "Error: e\n");
    assert_eq!(shown("config K", &[r#"{"Key":"K","Value":"1h"}"#]).0, "1h\n");
    assert_eq!(
        shown("config K", &[r#"{"Key":"K","Value":{"a":[1,"x<"]}}"#]).0,
        "{\n  \"a\": [\n    1,\n    \"x\\u003c\"\n  ]\n}\n"
    );
    assert_eq!(shown("config K V", &[r#"{"Key":"K","Value":"V"}"#]).0, "");
    assert_eq!(shown("bootstrap add x", &[r#"{"Peers":["b","a"]}"#]).0, "added a\nadded b\n");
}

#[test]
fn identity_version_and_peers() {
    let id =
        r#"{"ID":"12D3","PublicKey":"CAES","Addresses":null,"AgentVersion":"kubo/0.43.1","Protocols":["/a","/b"]}"#;
    assert_eq!(
        shown("id", &[id]).0,
        "{\n\t\"ID\": \"12D3\",\n\t\"PublicKey\": \"CAES\",\n\t\"Addresses\": null,\n\t\"AgentVersion\": \"kubo/0.43.1\",\n\
         \t\"Protocols\": [\n\t\t\"/a\",\n\t\t\"/b\"\n\t]\n}\n\n"
    );
    assert_eq!(shown("id -f <id>\\t<protocols>\\n", &[id]).0, "12D3\t/a\n/b\n");
    let version = r#"{"Version":"0.43.1","Commit":"","Repo":"18","System":"amd64/linux","Golang":"go1.26.8"}"#;
    assert_eq!(shown("version", &[version]).0, "ipfs version 0.43.1\n");
    assert_eq!(shown("version -n", &[version]).0, "0.43.1\n");
    assert_eq!(
        shown("version --all", &[version]).0,
        "Kubo version: 0.43.1\nRepo version: 18\nSystem version: amd64/linux\nGolang version: go1.26.8\n"
    );
    let peers = r#"{"Peers":[{"Addr":"/ip4/1.2.3.4/tcp/1","Peer":"12D3","Latency":"n/a","Direction":2,"Streams":[{"Protocol":""},{"Protocol":"/x"}],"Identify":{"ID":"","PublicKey":"","Addresses":null,"AgentVersion":"","Protocols":null}}]}"#;
    assert_eq!(
        shown("swarm peers", &[peers]).0,
        "/ip4/1.2.3.4/tcp/1/p2p/12D3 n/a outbound\n  <no protocol name>\n  /x\n"
    );
    assert_eq!(shown("swarm peers", &[r#"{"Peers":null}"#]).0, "");
    assert_eq!(shown("swarm addrs", &[r#"{"Addrs":{"12D3":["/a"]}}"#]).0, "12D3 (1)\n\t/a\n");
    let event = r#"{"Extra":"","ID":"","Responses":[{"ID":"12D3","Addrs":["/a"]}],"Type":4}"#;
    assert_eq!(shown("routing findprovs x", &[event]).0, "12D3\n");
    assert_eq!(shown("routing findprovs -v x", &[event]).0, "provider: 12D3\n\t/a\n");
}
