//! `init`, `daemon`, `config edit`, `repo migrate`, `man`: commands that the program itself carries out.

use super::prelude::*;

/// `init`.
pub static INIT: Spec = Spec {
    path: "init",
    about: "Make the repository.",
    help: "Makes a key pair and a configuration in $IPFS_PATH (by default ~/.ipfs). An existing repository is not\n\
           touched.",
    examples: &["ipfs init --profile=server", "ipfs init --empty-repo"],
    args: &[Arg::file("default-config", "Configuration to start from.").optional().or_stdin()],
    options: &[
        Opt::text(&["algorithm", "a"], "Kind of the key: ed25519, rsa or secp256k1.").or("ed25519"),
        Opt::int(&["bits", "b"], "Bits of an RSA key."),
        Opt::flag(&["empty-repo", "e"], "Add nothing.").or("true"),
        Opt::text(&["profile", "p"], "Profiles to apply, separated by commas."),
    ],
    place: Place::Terminal,
    ..Spec::ADMIN
};

/// `daemon`.
pub static DAEMON: Spec = Spec {
    path: "daemon",
    about: "Run the node.",
    help: "Runs until it is told to stop (Ctrl-C, shutdown). Serves the RPC and the gateway where Addresses.API and\n\
           Addresses.Gateway say, by default on this machine alone.",
    examples: &["ipfs daemon --init", "ipfs daemon --offline"],
    options: &[
        Opt::flag(&["init"], "Make the repository when it is missing.").or("false"),
        Opt::text(&["init-config"], "Configuration to start from, with --init."),
        Opt::text(&["init-profile"], "Profiles to apply, with --init."),
        Opt::text(&["routing"], "Instead of Routing.Type: dht, dhtclient, dhtserver, none, auto, …").or("default"),
        Opt::flag(&["mount"], "Mount IPFS into the file system."),
        Opt::text(&["mount-ipfs"], "Where, with --mount."),
        Opt::text(&["mount-ipns"], "Where, with --mount."),
        Opt::text(&["mount-mfs"], "Where, with --mount."),
        Opt::flag(&["unrestricted-api"], "Serve every CID on the RPC port."),
        Opt::flag(&["disable-transport-encryption"], "For tests of networks."),
        Opt::flag(&["enable-gc"], "Collect garbage by itself."),
        Opt::flag(&["manage-fdlimit"], "Allow more open files and connections, as far as the system does.").or("true"),
        Opt::flag(&["migrate"], "Accepted for scripts: there is no older repository yet."),
        Opt::flag(&["enable-pubsub-experiment"], "Older switch; accepted, changes nothing here."),
        Opt::flag(&["enable-namesys-pubsub"], "Older switch; accepted, changes nothing here."),
        Opt::flag(&["enable-mplex-experiment"], "Older switch; accepted, changes nothing here."),
        Opt::text(&["agent-version-suffix"], "Words behind the agent version."),
    ],
    place: Place::Terminal,
    ..Spec::ADMIN
};

/// `config edit`.
pub static CONFIG_EDIT: Spec = Spec {
    path: "config/edit",
    about: "Open the configuration in an editor.",
    help: "The editor is that of the environment variable EDITOR; words behind its name are passed to it.",
    examples: &["EDITOR=nano ipfs config edit"],
    tier: Tier::Common,
    place: Place::Terminal,
    ..Spec::ADMIN
};

/// `repo migrate`.
pub static REPO_MIGRATE: Spec = Spec {
    path: "repo/migrate",
    about: "Bring the repository to another version of its format.",
    help: "This program reads and writes one version of the format and changes nothing else; it says so when the\n\
           repository has another.",
    examples: &["ipfs repo migrate"],
    options: &[Opt::int(&["to"], "The version.").or("18"), Opt::flag(&["allow-downgrade"], "Allow an older version.")],
    tier: Tier::Common,
    place: Place::Terminal,
    ..Spec::ADMIN
};

/// `man`.
pub static MAN: Spec = Spec {
    path: "man",
    about: "Write the manual pages.",
    help: "Writes a page for each command, and one for the error codes, into a directory; man -M reads them from there\n\
           when it is called man1. --markdown prints one page with everything instead.",
    examples: &["merkury man ~/.local/share/man/man1", "merkury man --markdown"],
    args: &[Arg::text("dir", "Directory for the pages; made when it is missing.").optional()],
    options: &[Opt::flag(&["markdown"], "Print the reference in Markdown.")],
    place: Place::Terminal,
    tier: Tier::Own,
    ..Spec::READ
};
