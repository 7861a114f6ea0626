//! The project's own tool: `cargo xtask COMMAND`.
//!
//! Parts: `tidy` (rules about the source that no compiler checks), `ready` (what must be green before a change is
//! done), `peers` (programs of other people: how they are installed, how they are driven), `suites` (what is proved
//! against them), `torture` (what goes wrong on purpose) and `bench` (what is measured against them). Everything it starts runs in its own process group and is
//! gone when the tool is; servers listen on loopback only, inside a network namespace where the system allows one.
//!
//! Dependencies stay at a JSON parser and the C library's types: the tool has to build before everything else.

mod bench;
mod exec;
mod fuzz;
mod http;
mod inside;
mod os;
mod paths;
mod peer;
mod ready;
mod rng;
mod say;
mod suites;
mod tidy;
mod torture;

use std::process::ExitCode;

/// What goes wrong in the tool is read by a person, so it is a sentence.
type Res<T> = Result<T, String>;

const HELP: &str = "\
cargo xtask COMMAND

  test                 everything that needs no other program: tests of all crates, doc tests, tidy
  tidy                 rules about the source: arrows between crates, forbidden calls, forgotten test files
  ready                fmt --check, clippy -D warnings, tidy, test: green before a change is done
  peers [SUITE...]     install Kubo and Node with Helia, build the release binary, run the suites against them
    --install          install only
    --list             name the suites
    --quick            fewer rounds in the long suites
    --seed N           another seed for generated input (printed by every run)
  compat               run Kubo's own suites whole and write docs/internals/compatibility.md
    --from LIST LIST   write it from what the scripts of both suites left of an earlier run
  torture [KIND...]    kills, power cuts, failing system calls, flipped bits: nothing acknowledged is lost
    --list             name the kinds
    --tier T           quick, ci (default: under eight minutes on two cores) or full
    --rounds N         this many rounds of every kind, whatever the tier
    --record           add the counts to those in docs/internals/durability.md
    --from LOG...      add the counts of earlier runs, from what they printed
    --seed N           another seed
  fuzz [TARGET...]     broken bytes for every decoder, each target in turn; failing inputs land in its corpus
    --secs N           seconds for each target (default 60)
    --seed N           repeat a run
    --save             add small inputs with answers of a new shape to the corpora
    --list             name the targets
  bench [ROW...]       compare with Kubo in one run and write bench/RESULTS.md
  bench store          the store beside Kubo; writes bench/RESULTS-store.md
  bench million        our store with a million blocks and pins, and growth; writes bench/RESULTS-million.md
    --list             name the rows
    --quick            a tenth of the size, one round
    --rounds N         rounds of ours, Kubo, Kubo, ours (default 5)
    --pebble           Kubo with its pebble profile; writes another file

Environment: MERKURY_CACHE (default ~/.cache/merkury) holds what is installed; MERKURY_BIN replaces the binary under test.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match command {
        "test" => ready::test(rest),
        "tidy" => tidy::run(),
        "ready" => ready::ready(),
        "peers" => suites::command(rest),
        "fuzz" => fuzz::command(rest),
        "bench" => bench::command(rest),
        "compat" => suites::compat::command(rest),
        "torture" => torture::command(rest),
        "help" | "--help" | "-h" => {
            say::line(HELP.trim_end());
            Ok(())
        }
        other => Err(format!("there is no command {other:?}; `cargo xtask help` lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            say::error(&reason);
            ExitCode::FAILURE
        }
    }
}
