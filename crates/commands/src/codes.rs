//! The errors people meet, one entry each: a code that stays the same, what it means, why it happens, what to type.
//!
//! An error is told by its words, since over RPC words are all that arrives; what no entry claims is told by its kind.
//! A code is never used for something else, and never goes away.

use merkury_api::ApiError;
use merkury_core::ErrorKind;

/// Exit codes of `merkury`, with their meaning. `ipfs` ends with 1, whatever failed.
pub const EXITS: &[(u8, &str)] = &[
    (0, "done"),
    (1, "something else failed"),
    (2, "the command line makes no sense"),
    (3, "nobody has it, or it does not exist"),
    (4, "gave up waiting; it may work later"),
    (5, "no node runs, or it cannot be reached"),
    (6, "not allowed"),
    (7, "no space left, or a limit is reached"),
    (8, "it exists already, or is in use"),
    (9, "some items failed, others are done"),
    (10, "there is no repository"),
];

/// An error people meet.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `E001`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to type.
    pub next: &'static [&'static str],
    /// The exit code.
    pub exit: u8,
    /// Words that only this error has.
    says: &'static [&'static str],
    /// Kinds that are this error when no words decide.
    kinds: &'static [ErrorKind],
}

const NONE: Code = Code { id: "", title: "", meaning: "", cause: "", next: &[], exit: 1, says: &[], kinds: &[] };

/// All of them. Earlier ones are asked first.
pub static CODES: &[Code] = &[
    Code {
        id: "E010",
        title: "there is no repository",
        meaning: "The command needs a repository and there is none where it looked.",
        cause: "As ipfs a repository must be made first. As merkury it is made by itself, unless the command only looks.",
        next: &["merkury init", "IPFS_PATH=/path/to/repository merkury repo stat"],
        exit: 10,
        says: &["no ipfs repo found"],
        ..NONE
    },
    Code {
        id: "E002",
        title: "another node uses the repository",
        meaning: "Only one program at a time may work on a repository, and one does.",
        cause: "A daemon runs there, or another command that has not ended. A lock left by a crash is taken over by itself.",
        next: &[
            "merkury shutdown",
            "merkury --api /ip4/127.0.0.1/tcp/5001 id",
            "merkury --repo-dir /other/place daemon",
        ],
        exit: 8,
        says: &["someone else has the lock", "daemon is running. please stop it"],
        ..NONE
    },
    Code {
        id: "E001",
        title: "this needs the network, and no node runs",
        meaning: "The command asks or tells other peers, which only a running node can.",
        cause: "No daemon runs, or it was started with --offline, or routing is switched off.",
        next: &["merkury daemon", "merkury config Routing.Type auto"],
        exit: 5,
        says: &[
            "daemon not running",
            "must be run in online mode",
            "while offline",
            "without a running daemon",
            "routing is off",
            "pubsub subsystem is not enabled",
        ],
        ..NONE
    },
    Code {
        id: "E003",
        title: "a port is taken",
        meaning: "The daemon cannot listen where its configuration says.",
        cause: "Another program listens there: often a second node, or one that did not end.",
        next: &["merkury doctor", "merkury config Addresses.Gateway /ip4/127.0.0.1/tcp/8081"],
        exit: 8,
        says: &["address already in use", "address in use"],
        ..NONE
    },
    Code {
        id: "E009",
        title: "refused by the node",
        meaning: "The node that was asked does not allow this to this caller.",
        cause: "A browser page of another origin, a missing or wrong credential, or a path its token does not cover.",
        next: &["merkury --api-auth bearer:TOKEN id", "merkury config API.Authorizations"],
        exit: 6,
        says: &["403 - forbidden", "not allowed to control"],
        kinds: &[ErrorKind::Denied],
    },
    Code {
        id: "E006",
        title: "no space left",
        meaning: "Something could not be stored. What was acknowledged before is safe; nothing half-written counts.",
        cause: "The disk is full, or the repository has reached its limit.",
        next: &["merkury du", "merkury repo gc", "merkury config Datastore.StorageMax 50GB"],
        exit: 7,
        says: &["no space left", "storage limit", "quota"],
        kinds: &[ErrorKind::NoSpace],
    },
    Code {
        id: "E007",
        title: "the repository was written by a newer program",
        meaning: "Its version is higher than this program understands.",
        cause: "A newer merkury or Kubo used it before.",
        next: &["merkury version --all", "merkury --repo-dir /other/place init"],
        exit: 1,
        says: &["is lower than your repos", "newer version of the repository"],
        ..NONE
    },
    Code {
        id: "E015",
        title: "no such name in the directory",
        meaning: "A part of the path does not exist in the directory above it.",
        cause: "A typing error, or another version of the directory is meant.",
        next: &["merkury ls /ipfs/CID", "merkury files ls /"],
        exit: 3,
        says: &["no link named", "no link by that name", "file does not exist"],
        ..NONE
    },
    Code {
        id: "E008",
        title: "not a CID, a path or a peer id",
        meaning: "The text cannot be read as what the command takes.",
        cause: "It was cut off, has a letter too many, or letters that its encoding does not have.",
        next: &["merkury pin ls --names", "merkury cid format TEXT"],
        exit: 2,
        says: &[
            "invalid path",
            "invalid cid",
            "not a peer id",
            "failed to parse peer id",
            "invalid ipns name",
            "invalid peer id",
            "selected encoding not supported",
        ],
        ..NONE
    },
    Code {
        id: "E011",
        title: "not pinned, or kept by something else",
        meaning: "What should be let go is not pinned itself.",
        cause: "It lies below another pin, or in the mutable file system, or is only cached.",
        next: &["merkury why CID", "merkury pin ls --names", "merkury forget --dry-run CID"],
        exit: 8,
        says: &["not pinned", "is pinned recursively", "is kept because", "pinned indirectly", "pinned: "],
        ..NONE
    },
    Code {
        id: "E012",
        title: "a name does not resolve",
        meaning: "Nobody who was asked has a valid record of the name.",
        cause: "It was never published, or its record has expired: records are valid for 48 hours unless told otherwise.",
        next: &["merkury name inspect --verify=NAME record.bin", "merkury name publish /ipfs/CID"],
        exit: 3,
        says: &["could not resolve name", "dnslink"],
        ..NONE
    },
    Code {
        id: "E014",
        title: "no key of that name",
        meaning: "The key store has no such key.",
        cause: "A typing error, or the key was renamed or removed.",
        next: &["merkury key ls -l", "merkury key gen NAME"],
        exit: 3,
        says: &["no key named", "no key by the given name", "' doesn't exist", "is not a known key"],
        ..NONE
    },
    Code {
        id: "E004",
        title: "nobody has it",
        meaning: "A block is neither stored here nor given by any peer.",
        cause: "Its provider is offline or behind a router, nobody announces it, or --offline forbids to ask.",
        next: &["merkury routing findprovs CID", "merkury swarm peers", "merkury --timeout=5m get CID"],
        exit: 3,
        says: &[
            "was not found",
            "could not find",
            "block not found",
            "merkledag: not found",
            "failed to fetch all nodes",
        ],
        ..NONE
    },
    Code {
        id: "E013",
        title: "the command line makes no sense",
        meaning: "A command, an option or an argument is not known, missing or repeated.",
        cause: "A typing error, or an option of another command.",
        next: &["merkury --help", "merkury COMMAND --help"],
        exit: 2,
        says: &[
            "unknown command",
            "unknown option",
            "argument(s)",
            "is required",
            "missing argument",
            "multiple values for option",
            "strconv.",
            "invalid encoding",
        ],
        ..NONE
    },
    Code {
        id: "E028",
        title: "a directory where a file is wanted",
        meaning: "The path leads to a directory, and the command works on the bytes of a file.",
        cause: "A name at the end of the path is missing, or the whole directory is meant.",
        next: &["merkury ls PATH", "merkury get PATH"],
        exit: 1,
        says: &["this dag node is a directory"],
        ..NONE
    },
    Code {
        id: "E016",
        title: "a file of this machine cannot be used",
        meaning: "A file or directory that was named cannot be read or written.",
        cause: "It does not exist, or its rights forbid it, or it is a directory where a file is wanted.",
        next: &["ls -ld PATH", "merkury add -r DIRECTORY"],
        exit: 1,
        says: &["no such file or directory", "permission denied", "is a directory", "does not support directories"],
        ..NONE
    },
    Code {
        id: "E017",
        title: "gave up waiting",
        meaning: "The time that was given ended before the answer came. It may work later.",
        cause: "--timeout was too short, or peers are slow or gone.",
        next: &["merkury --timeout=5m COMMAND", "merkury swarm peers"],
        exit: 4,
        says: &["context deadline exceeded"],
        kinds: &[ErrorKind::Timeout],
    },
    Code {
        id: "E018",
        title: "the configuration is not usable",
        meaning: "A key does not exist, or its value is not what the key takes.",
        cause: "A typing error in a key, or a hand-edited file.",
        next: &["merkury config show", "merkury doctor"],
        exit: 1,
        says: &[
            "failure to decode config",
            "failed to get config value",
            "invalid configuration",
            "configuration key",
            "identity in the configuration",
        ],
        ..NONE
    },
    Code {
        id: "E019",
        title: "no daemon answers there",
        meaning: "The address of the daemon is known, and nobody answers at it.",
        cause: "It was killed and left its api file behind, or it listens elsewhere.",
        next: &["merkury daemon", "rm $IPFS_PATH/api"],
        exit: 5,
        says: &["cannot connect to the api"],
        ..NONE
    },
    Code {
        id: "E020",
        title: "stored bytes are damaged",
        meaning: "Something on the disk is not what was written.",
        cause: "A failing disk, or another program wrote there. A damaged block counts as missing and can be fetched again.",
        next: &["merkury repo verify", "merkury doctor"],
        exit: 1,
        says: &["was corrupt", "is damaged", "does not match its hash"],
        kinds: &[ErrorKind::Corrupt],
    },
    Code {
        id: "E021",
        title: "some items failed",
        meaning: "Some of what was asked for is done, and some is not; each line above says which.",
        cause: "Every failed item has its own reason.",
        next: &["run the same command again: what is done is not done twice"],
        exit: 9,
        says: &[
            "some blocks not removed",
            "encountered errors during gc run",
            "some checks failed",
            "can't remove some files",
        ],
        ..NONE
    },
    Code {
        id: "E022",
        title: "it exists already",
        meaning: "Something of that name is there, and is not replaced without being told to.",
        cause: "The command was run before, or the name is taken.",
        next: &["merkury COMMAND --help"],
        exit: 8,
        says: &["already exists", "already has entry", "refusing to overwrite"],
        kinds: &[ErrorKind::Conflict],
    },
    Code {
        id: "E023",
        title: "the command or option is not there yet",
        meaning: "Kubo has it and merkury does not do its work yet, so it is refused instead of ignored.",
        cause: "SHORTCOMINGS.md of the project names what is missing.",
        next: &["merkury COMMAND --help"],
        exit: 2,
        says: &["is not supported by this version", "not supported by merkury"],
        ..NONE
    },
    Code {
        id: "E024",
        title: "a limit is reached",
        meaning: "Too much is under way at once; nothing is wrong with what was asked.",
        cause: "Many commands or peers at the same time.",
        next: &["try again in a moment"],
        exit: 7,
        kinds: &[ErrorKind::Busy],
        ..NONE
    },
    Code {
        id: "E025",
        title: "it does not exist",
        meaning: "What was named is not here.",
        cause: "A typing error, or it was removed.",
        next: &["merkury COMMAND --help"],
        exit: 3,
        says: &["routing: not found"],
        kinds: &[ErrorKind::NotFound],
    },
    Code {
        id: "E026",
        title: "something outside is missing",
        meaning: "A part that the command needs is not available now.",
        cause: "No network, no peer, or a service that does not answer.",
        next: &["merkury doctor"],
        exit: 5,
        kinds: &[ErrorKind::Unavailable],
        ..NONE
    },
    Code {
        id: "E027",
        title: "what was given cannot be used",
        meaning: "A value or the content of a file is not what the command takes.",
        cause: "Another format, a value out of range, or options that exclude each other.",
        next: &["merkury COMMAND --help"],
        exit: 1,
        kinds: &[ErrorKind::Invalid],
        ..NONE
    },
    Code {
        id: "E099",
        title: "something else failed",
        meaning: "The system or the program failed in a way that has no entry here.",
        cause: "The words of the error say what is known.",
        next: &["merkury doctor", "MERKURY_LOG=debug merkury COMMAND"],
        exit: 1,
        kinds: &[ErrorKind::Internal],
        ..NONE
    },
];

/// The entry of a code, in any case.
pub fn find(id: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.id.eq_ignore_ascii_case(id))
}

/// Which error this is.
pub fn code_of(error: &ApiError) -> &'static Code {
    // An error may name its code in a hint.
    let named = |hint: &String| hint.strip_prefix("merkury explain ").and_then(find);
    if let Some(code) = error.hints.iter().find_map(named) {
        return code;
    }
    let words = error.message.to_lowercase();
    let by_words = CODES.iter().find(|code| code.says.iter().any(|says| words.contains(says)));
    let by_kind = || CODES.iter().find(|code| code.kinds.contains(&error.kind));
    by_words.or_else(by_kind).or_else(|| find("E099")).expect("the list has an entry for the rest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_say_everything() {
        for (at, code) in CODES.iter().enumerate() {
            assert!(CODES.iter().skip(at + 1).all(|other| other.id != code.id), "{} twice", code.id);
            assert!(code.id.len() == 4 && code.id.starts_with('E'), "{}", code.id);
            assert!(!code.title.is_empty() && !code.meaning.is_empty() && !code.cause.is_empty(), "{}", code.id);
            assert!(!code.next.is_empty(), "{}", code.id);
            assert!(EXITS.iter().any(|(exit, _)| *exit == code.exit), "{}", code.id);
            assert!(
                code.says.iter().all(|says| says.to_lowercase() == **says),
                "{}: words are compared in lower case",
                code.id
            );
        }
    }

    #[test]
    fn every_kind_has_a_code() {
        use ErrorKind::*;
        for kind in [NotFound, Invalid, Conflict, Denied, Busy, NoSpace, Unavailable, Timeout, Corrupt, Internal] {
            let code = code_of(&ApiError::new(kind, "words that nobody claims"));
            assert!(code.kinds.contains(&kind), "{kind:?} is {}", code.id);
        }
    }

    #[test]
    fn words_decide_before_kinds() {
        for (message, id) in [
            ("lock /r/repo.lock: someone else has the lock", "E002"),
            ("no IPFS repo found in /r.\nplease run: 'ipfs init'", "E010"),
            ("no link named \"x\" under QmA", "E015"),
            ("invalid path \"x\": path does not have enough components", "E008"),
            ("block QmA was not found locally (offline)", "E004"),
            ("Unknown Command \"x\"", "E013"),
            ("lstat /x: no such file or directory", "E016"),
            ("could not resolve name", "E012"),
        ] {
            assert_eq!(code_of(&ApiError::internal(message)).id, id, "{message}");
        }
    }
}
