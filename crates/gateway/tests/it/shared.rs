//! The requests of the public gateway-conformance suite (path, trustless and range groups) as a table over its data
//! files, which lie beside the project in `../shared/fixtures/gateway`.
//!
//! The table runs against a gateway in memory when the files are there, and against any gateway that has them imported
//! when `MERKURY_GATEWAY_URL` names one (`http://127.0.0.1:8080`): a daemon of ours, or Kubo to check the table itself.
//! Cases are named after the suite's files.

use std::path::PathBuf;

use merkury_gateway::GatewayConfig;

use crate::support::case::{Case, Is, get, is, run_all};
use crate::support::{Memory, start};

const FILES: &str = "bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy";
const ASCII: &str = "bafkreifkam6ns4aoolg3wedr4uzrs3kvq66p4pecirz6y2vlrngla62mxm";
const LISTED: &str = "bafybeig6ka5mlwkl4subqhaiatalkcleo4jgnr3hqwvpmsqfca27cijp3i";
const ROOTS: &str = "bafybeib3ffl2teiqdncv3mkz4r23b5ctrwkzrrhctdbne6iboayxuxk5ui";
const SYMLINKS: &str = "QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt";
const PERCENT: &str = "bafybeig675grnxcmshiuzdaz2xalm6ef4thxxds6o6ypakpghm5kghpc34";
const MISSING: &str = "QmYhmPjhFjYFyaoiuNzYv8WGavpSRDwdHWe5B4M5du5Rtk";
const SUBDIR: &str = "bafybeietjm63oynimmv5yyqay33nui4y4wx6u3peezwetxgiwvfmelutzu";
const HAMT: &str = "bafybeidbclfqleg2uojchspzd4bob56dqetqjsj27gy2cq3klkkgxtpn4i";
const IMMUTABLE: &str = "public, max-age=29030400, immutable";

fn path_cases() -> Vec<Case> {
    let roots = format!("/ipfs/{ROOTS}/root2/root3/root4");
    vec![
        get("path_gateway_unixfs: a directory without slash", format!("/ipfs/{LISTED}"), 301)
            .field("location", is(format!("/ipfs/{LISTED}/"))),
        get("path_gateway_unixfs: a listing", format!("/ipfs/{LISTED}/"), 200)
            .field("content-type", Is::Starts("text/html".into()))
            .field("etag", Is::Starts("\"DirIndex-".into()))
            .body(Is::Has("api")),
        get("path_gateway_unixfs: a listing links up", format!("/ipfs/{LISTED}/%C4%85/%C4%99/"), 200)
            .body(Is::Has("file-źł.txt")),
        get("path_gateway_unixfs: a unicode name", format!("/ipfs/{LISTED}/%C4%85/%C4%99/file-%C5%BA%C5%82.txt"), 200)
            .field("ipfs-uri", is(format!("ipfs://{LISTED}/%C4%85/%C4%99/file-%C5%BA%C5%82.txt")))
            .field("content-length", is("34")),
        get(
            "path_gateway_unixfs: a percent sign in a name",
            format!("/ipfs/{PERCENT}/Portugal%252C+Espa%C3%B1a=Peninsula%20Ib%C3%A9rica.txt"),
            200,
        ),
        get("path_gateway_unixfs: headers of a directory's index", format!("{roots}/"), 200)
            .field("cache-control", is(IMMUTABLE))
            .field("content-type", Is::Starts("text/html".into()))
            .field("etag", Is::Starts("\"bafybei".into()))
            .body(is("hello\n")),
        get("path_gateway_unixfs: headers of a listing", format!("/ipfs/{ROOTS}/root2/root3/"), 200)
            .field("cache-control", is("public, max-age=604800, stale-while-revalidate=2678400"))
            .field("etag", Is::Starts("\"DirIndex-".into()))
            .field("x-ipfs-roots", Is::Starts(format!("{ROOTS},"))),
        get("path_gateway_unixfs: headers of a file", format!("{roots}/index.html"), 200)
            .field("cache-control", is(IMMUTABLE))
            .field("content-type", Is::Starts("text/html".into()))
            .field("etag", is("\"bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am\""))
            .field("accept-ranges", is("bytes")),
        get("path_gateway_unixfs: if-none-match", format!("{roots}/index.html"), 304)
            .with("if-none-match", "\"bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am\"")
            .field("cache-control", is(IMMUTABLE))
            .body(Is::Empty),
        get("path_gateway_unixfs: weak if-none-match", format!("{roots}/index.html"), 304)
            .with("if-none-match", "W/\"bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am\""),
        get("path_gateway_unixfs: any if-none-match", format!("{roots}/index.html"), 304).with("if-none-match", "*"),
        get("path_gateway_unixfs: several if-none-match", format!("{roots}/index.html"), 304).with(
            "if-none-match",
            "\"fakeEtag1\", W/\"bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am\", \"fakeEtag2\"",
        ),
        get("path_gateway_unixfs: other if-none-match", format!("{roots}/index.html"), 200)
            .with("if-none-match", "\"x\""),
        get("path_gateway_unixfs: only-if-cached, here", format!("{roots}/index.html"), 200)
            .with("cache-control", "only-if-cached"),
        get("path_gateway_unixfs: only-if-cached, here, head", format!("{roots}/index.html"), 200)
            .head()
            .with("cache-control", "only-if-cached"),
        get(
            "path_gateway_unixfs: only-if-cached, not here",
            "/ipfs/bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6aa",
            412,
        )
        .with("cache-control", "only-if-cached"),
        get("path_gateway_unixfs: a symlink", format!("/ipfs/{SYMLINKS}/bar"), 200)
            .field("content-type", is("inode/symlink"))
            .body(is("foo")),
        get("path_gateway_unixfs: what it points to", format!("/ipfs/{SYMLINKS}/foo"), 200)
            .field("content-length", is("8")),
        get("path_gateway_unixfs: a file of several blocks", format!("/ipfs/{FILES}/multiblock.txt"), 200)
            .field("content-length", is("1026"))
            .field("content-type", Is::Starts("text/plain".into())),
        get("path_gateway_unixfs: ranges over blocks", format!("/ipfs/{FILES}/multiblock.txt"), 206)
            .with("range", "bytes=250-260")
            .field("content-range", is("bytes 250-260/1026"))
            .field("content-length", is("11")),
        get("path_gateway_unixfs: the start of a file that lacks a block", format!("/ipfs/{MISSING}"), 206)
            .with("range", "bytes=997-1000")
            .field("content-range", is("bytes 997-1000/3072")),
        get("path_gateway_unixfs: the end of a file that lacks a block", format!("/ipfs/{MISSING}"), 206)
            .with("range", "bytes=2200-")
            .field("content-range", is("bytes 2200-3071/3072")),
        get("path_gateway_unixfs: a name in a sharded directory", format!("/ipfs/{HAMT}/685.txt"), 200)
            .field("content-length", is("1026")),
        get("path_gateway_unixfs: a missing name in a sharded directory", format!("/ipfs/{HAMT}/nope.txt"), 404),
        get("path_gateway_unixfs: a missing name", format!("/ipfs/{FILES}/nope"), 404)
            .body(is(format!("failed to resolve /ipfs/{FILES}/nope: no link named \"nope\" under {FILES}\n"))),
        get("path_gateway_unixfs: no CID", "/ipfs/invalid", 400),
        get("path_gateway_ipns: a canonical name", "/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d", 302)
            .field("location", is("/ipns/k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam")),
        get(
            "path_gateway_tar: inside the root",
            "/ipfs/bafybeibfevfxlvxp5vxobr5oapczpf7resxnleb7tkqmdorc4gl5cdva3y?format=tar",
            200,
        )
        .field("content-type", is("application/x-tar"))
        .field("content-disposition", Is::Starts("attachment; filename=\"bafybeibfevfx".into()))
        .field("etag", is("W/\"bafybeibfevfxlvxp5vxobr5oapczpf7resxnleb7tkqmdorc4gl5cdva3y.x-tar\""))
        .field("x-content-type-options", is("nosniff")),
        get("path_gateway_tar: by Accept", format!("/ipfs/{LISTED}"), 200)
            .with("accept", "application/x-tar")
            .field("content-type", is("application/x-tar"))
            .field("content-location", is(format!("/ipfs/{LISTED}?format=tar"))),
    ]
}

fn range_cases() -> Vec<Case> {
    let ascii = format!("/ipfs/{ASCII}");
    let multi = format!("/ipfs/{FILES}/multiblock.txt");
    vec![
        get("path_gateway_range: the first bytes", &ascii, 206).with("range", "bytes=0-4").body(is("hello")),
        get("path_gateway_range: to the end", &ascii, 206)
            .with("range", "bytes=6-")
            .body(is("application/vnd.ipld.car\n")),
        get("path_gateway_range: the last bytes", &ascii, 206).with("range", "bytes=-4").body(is("car\n")),
        get("path_gateway_range: over the end", &ascii, 206)
            .with("range", "bytes=28-100")
            .field("content-range", is("bytes 28-30/31")),
        get("path_gateway_range: behind the end", &ascii, 416)
            .with("range", "bytes=100-")
            .field("content-range", is("bytes */31")),
        get("path_gateway_range: malformed", &ascii, 400).with("range", "bytes=9-3"),
        get("path_gateway_range: several", &ascii, 206).with("range", "bytes=1000-2000,0-4").statuses(200..=206),
        get("path_gateway_range: head", &multi, 206).head().with("range", "bytes=0-9").statuses(200..=206),
        get("path_gateway_range: of a block", format!("{ascii}?format=raw"), 206)
            .with("range", "bytes=6-16")
            .field("content-range", is("bytes 6-16/31"))
            .body(is("application")),
        get("path_gateway_range: far into a file", &multi, 206)
            .with("range", "bytes=1024-1025")
            .field("content-length", is("2")),
    ]
}

fn block_cases() -> Vec<Case> {
    let dir = "/ipfs/bafybeie72edlprgtlwwctzljf6gkn2wnlrddqjbkxo3jomh4n7omwblxly/dir";
    vec![
        get("trustless_gateway_raw_block: by format", format!("/ipfs/{ASCII}?format=raw"), 200)
            .field("content-type", is("application/vnd.ipld.raw"))
            .field("content-length", is("31"))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{ASCII}.bin\"")))
            .field("x-content-type-options", is("nosniff"))
            .field("etag", is(format!("\"{ASCII}.raw\"")))
            .field("cache-control", is(IMMUTABLE))
            .body(is("hello application/vnd.ipld.car\n")),
        get("trustless_gateway_raw_block: by Accept", format!("/ipfs/{ASCII}"), 200)
            .with("accept", "application/vnd.ipld.raw")
            .field("content-location", is(format!("/ipfs/{ASCII}?format=raw"))),
        get("trustless_gateway_raw_block: head", format!("/ipfs/{ASCII}?format=raw"), 200)
            .head()
            .field("content-length", is("31")),
        get("trustless_gateway_raw_block: a file name", format!("{dir}/ascii.txt?format=raw&filename=foobar.bin"), 200)
            .field("content-disposition", Is::Starts("attachment; filename=\"foobar.bin\"".into())),
        get("trustless_gateway_raw_block: a directory", format!("{dir}?format=raw"), 200)
            .field("content-type", is("application/vnd.ipld.raw")),
        get("trustless_gateway_raw_block: known", format!("/ipfs/{ASCII}?format=raw"), 304)
            .with("if-none-match", format!("\"{ASCII}.raw\"")),
        get("trustless_gateway_raw_block: an identity CID", "/ipfs/bafkqaaa?format=raw", 200).body(Is::Empty),
        get(
            "trustless_gateway_raw_block: missing",
            "/ipfs/bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6aa?format=raw",
            404,
        ),
        get("trustless_gateway_raw_block: format beats Accept", format!("/ipfs/{ASCII}?format=raw"), 200)
            .with("accept", "application/vnd.ipld.car")
            .field("content-type", is("application/vnd.ipld.raw")),
    ]
}

fn car_cases() -> Vec<Case> {
    let car = "application/vnd.ipld.car";
    let plain = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
    vec![
        get("trustless_gateway_car: by format", format!("/ipfs/{SUBDIR}/subdir/ascii.txt?format=car"), 200)
            .field("content-type", is(plain))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{SUBDIR}_ascii.txt.car\"")))
            .field("x-content-type-options", is("nosniff"))
            .field("accept-ranges", is("none"))
            .field("etag", Is::Starts(format!("W/\"{SUBDIR}.car.")))
            .field("cache-control", is(IMMUTABLE)),
        get("trustless_gateway_car: by Accept", format!("/ipfs/{SUBDIR}"), 200)
            .with("accept", car)
            .field("content-type", is(plain))
            .field("content-location", is(format!("/ipfs/{SUBDIR}?format=car"))),
        get("trustless_gateway_car: the block of a file", format!("/ipfs/{ASCII}?format=car&dag-scope=block"), 200)
            .car(&[ASCII], &[ASCII]),
        get("trustless_gateway_car: a whole file", format!("/ipfs/{ASCII}?format=car"), 200).car(&[ASCII], &[ASCII]),
        get("trustless_gateway_car: a missing name", format!("/ipfs/{FILES}/nope?format=car"), 200)
            .car(&["bafkqaaa"], &[FILES]),
        get("trustless_gateway_car: with duplicates", format!("/ipfs/{FILES}?format=car&car-dups=y"), 200)
            .field("content-type", is("application/vnd.ipld.car; version=1; order=dfs; dups=y")),
        get("trustless_gateway_car: another version", format!("/ipfs/{FILES}"), 400)
            .with("accept", format!("{car}; version=2")),
        get(
            "trustless_gateway_car: an entity with a range",
            format!("/ipfs/{MISSING}?format=car&dag-scope=entity&entity-bytes=0:1000"),
            200,
        )
        .needs_daemon()
        .car(&[MISSING], &[MISSING, "QmPKt7ptM2ZYSGPUc8PmPT2VBkLDK3iqpG9TBJY7PCE9rF"]),
        get(
            "trustless_gateway_car: in a sharded directory",
            format!("/ipfs/{HAMT}/685.txt?format=car&dag-scope=block"),
            200,
        )
        .field("content-type", is(plain)),
        get("trustless_gateway_car: known", format!("/ipfs/{FILES}?format=car"), 304).with("if-none-match", "*"),
    ]
}

fn document_cases() -> Vec<Case> {
    let cbor = "bafyreibs4utpgbn7uqegmd2goqz4bkyflre2ek2iwv743fhvylwi4zeeim";
    let json = "baguqeeram5ujjqrwheyaty3w5gdsmoz6vittchvhk723jjqxk7hakxkd47xq";
    let through = "bafyreig5alecq2l2akgajxywgnv22kuxh6xcagsnelepylqovt4t5jxt6u";
    vec![
        get("path_gateway_dag: dag-cbor", format!("/ipfs/{cbor}"), 200)
            .field("content-type", is("application/vnd.ipld.dag-cbor"))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{cbor}.cbor\"")))
            .field("etag", is(format!("\"{cbor}.dag-cbor\"")))
            .field("x-content-type-options", is("nosniff"))
            .field("cache-control", is(IMMUTABLE)),
        get("path_gateway_dag: dag-cbor as cbor", format!("/ipfs/{cbor}?format=cbor"), 200)
            .field("content-type", is("application/cbor")),
        get("path_gateway_dag: dag-cbor as dag-json", format!("/ipfs/{cbor}?format=dag-json"), 406),
        get("path_gateway_dag: dag-json", format!("/ipfs/{json}"), 200)
            .field("content-type", is("application/vnd.ipld.dag-json"))
            .field("content-disposition", Is::Starts(format!("inline; filename=\"{json}.json\""))),
        get("path_gateway_dag: a page for browsers", format!("/ipfs/{json}/"), 200)
            .with("accept", "text/html")
            .field("etag", Is::Starts("\"DagIndex-".into()))
            .needs_daemon(),
        get("path_gateway_dag: through links", format!("/ipfs/{cbor}/foo/link"), 200)
            .field("x-ipfs-roots", is(format!("{cbor},{cbor},{through}")))
            .field("etag", is(format!("\"{through}.dag-cbor\"")))
            .needs_daemon(),
        get("path_gateway_dag: inside a document", format!("/ipfs/{cbor}/foo"), 501)
            .body(Is::Has("reading IPLD Kinds other than Links"))
            .needs_daemon(),
        get("path_gateway_dag: a name that is not there", format!("/ipfs/{cbor}/nope"), 404).needs_daemon(),
        get("path_gateway_dag: a UnixFS directory as dag-json", format!("/ipfs/{FILES}?format=dag-json"), 406),
        get("path_gateway_dag: plain json", "/ipfs/bagaaierajjsnhsxqlgfrvknlt7z2heoljcgfv37cn45tu7mhmr23x3ekiboq", 200)
            .field("content-type", is("application/json")),
        get("path_gateway_dag: plain cbor", "/ipfs/bafireif3aymeikgfbofx533yf5vlx4kimzq6zmzmpra2mnzfsfnmv4hchm", 200)
            .field("content-type", is("application/cbor")),
        get(
            "path_gateway_dag: plain json as dag-json",
            "/ipfs/bagaaieraonzu3mlwidrcjnpqd2ibmjiiycnfucdzotvjq5ajubwnkmlzomrq?format=dag-json",
            406,
        ),
    ]
}

fn table() -> Vec<Case> {
    [path_cases(), range_cases(), block_cases(), car_cases(), document_cases()].concat()
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/gateway")
}

#[tokio::test]
#[allow(clippy::print_stderr)]
async fn the_shared_table_in_memory() {
    let memory = Memory::default();
    let mut files = 0;
    for entry in std::fs::read_dir(fixtures()).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "car") {
            memory.import(&std::fs::read(entry.path()).expect("a readable file").into());
            files += 1;
        }
    }
    if files == 0 {
        eprintln!("shared fixtures are missing: only our own table ran");
        return;
    }
    eprintln!("fixtures: {files} files");
    let cases: Vec<Case> = table().into_iter().filter(|case| !case.needs_daemon).collect();
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    run_all(&host, &cases).await;
    run_all(&host, &cases).await;
}

#[tokio::test]
#[allow(clippy::print_stderr)]
async fn the_shared_table_over_the_wire() {
    let Ok(url) = std::env::var("MERKURY_GATEWAY_URL") else {
        eprintln!("MERKURY_GATEWAY_URL is not set: no daemon was asked");
        return;
    };
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let cases = table();
    eprintln!("{} cases against {host}", cases.len());
    run_all(host, &cases).await;
    run_all(host, &cases).await;
}
