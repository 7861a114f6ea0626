//! What an operation takes and does, as data: the parser, the help, the RPC route, the command tree and the token
//! scopes all follow from it.

/// The declaration of one operation, or of a group that only holds others (see [`Spec::runs`]).
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Words joined by `/`: `block/stat` is `ipfs block stat` and `POST /api/v0/block/stat`.
    pub path: &'static str,
    /// One line: what it does.
    pub about: &'static str,
    /// The long description, plain text; may be empty.
    pub help: &'static str,
    /// Command lines with what they do, shown as they are.
    pub examples: &'static [&'static str],
    /// Positional arguments.
    pub args: &'static [Arg],
    /// Options beside the [`GLOBAL`] ones.
    pub options: &'static [Opt],
    /// What a caller must be allowed to do.
    pub effect: Effect,
    /// Who needs it.
    pub tier: Tier,
    /// Where it can run.
    pub place: Place,
}

/// What an operation changes; token scopes are granted by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing.
    Read,
    /// Adds content.
    Add,
    /// Changes what is kept.
    Pin,
    /// Everything else.
    Admin,
}

/// Who needs an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Nearly every user or client.
    Core,
    /// Many.
    Common,
    /// Few.
    Niche,
    /// Kept for old callers.
    Deprecated,
    /// A name that only says that the command is gone.
    Removed,
    /// Not Kubo's: only `merkury` has it, and `ipfs` does not know it.
    Own,
}

/// Where an operation can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On a node: the running daemon, or one opened in process.
    Node,
    /// On a running daemon alone.
    Daemon,
    /// In the terminal without any repository (`version`, `commands`); over RPC too.
    Anywhere,
    /// On a node opened in process, never on a daemon: it needs the repository for itself. No endpoint.
    Local,
    /// On a node opened in process, beside a daemon if one runs: it only reads files that stand there for everybody. No
    /// endpoint.
    Beside,
    /// In the terminal alone: the program itself carries it out (`init`, `daemon`). No endpoint.
    Terminal,
    /// Not at all: a name that holds others.
    Group,
}

/// A positional argument.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name in help and errors.
    pub name: &'static str,
    /// Must be given.
    pub required: bool,
    /// Takes all that remain; only the last one may.
    pub variadic: bool,
    /// Text, or the content of a file.
    pub kind: ArgKind,
    /// May come from standard input: a file's bytes, or one text argument a line.
    pub stdin: bool,
    /// What it is.
    pub about: &'static str,
}

/// What an argument carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Words.
    Text,
    /// A file's content: a path in the terminal, a part of the body over RPC.
    File {
        /// Directories too.
        recursive: bool,
    },
}

impl Arg {
    /// A required text argument.
    pub const fn text(name: &'static str, about: &'static str) -> Self {
        Self { name, required: true, variadic: false, kind: ArgKind::Text, stdin: false, about }
    }

    /// A required file argument.
    pub const fn file(name: &'static str, about: &'static str) -> Self {
        Self { kind: ArgKind::File { recursive: false }, ..Self::text(name, about) }
    }

    /// May be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Takes all that remain.
    #[must_use]
    pub const fn many(self) -> Self {
        Self { variadic: true, ..self }
    }

    /// May come from standard input.
    #[must_use]
    pub const fn or_stdin(self) -> Self {
        Self { stdin: true, ..self }
    }

    /// Whether it carries file content.
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, ArgKind::File { .. })
    }
}

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--flag`, `--flag=false`.
    Bool,
    /// Any text.
    Text,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 32 bits, not negative.
    Uint,
    /// A whole number of 64 bits.
    Int64,
    /// A whole number of 64 bits, not negative.
    Uint64,
    /// A number.
    Float,
    /// Text, may be given several times.
    List,
}

impl Kind {
    /// As help prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Int64 => "int64",
            Self::Uint64 => "uint64",
            Self::Float => "float",
            Self::List => "array",
        }
    }
}

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Its names; the first is the one programs use. Names of one letter are short options.
    pub names: &'static [&'static str],
    /// What its value is.
    pub kind: Kind,
    /// The value when it is not given, as text.
    pub default: Option<&'static str>,
    /// What it does.
    pub about: &'static str,
}

impl Opt {
    const fn new(kind: Kind, names: &'static [&'static str], about: &'static str) -> Self {
        Self { names, kind, default: None, about }
    }

    /// A flag.
    pub const fn flag(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::Bool, names, about)
    }

    /// A text option.
    pub const fn text(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::Text, names, about)
    }

    /// A 32-bit number.
    pub const fn int(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::Int, names, about)
    }

    /// A 32-bit number, not negative.
    pub const fn uint(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::Uint, names, about)
    }

    /// A 64-bit number.
    pub const fn int64(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::Int64, names, about)
    }

    /// A 64-bit number, not negative.
    pub const fn uint64(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::Uint64, names, about)
    }

    /// A list of texts.
    pub const fn list(names: &'static [&'static str], about: &'static str) -> Self {
        Self::new(Kind::List, names, about)
    }

    /// With this value when it is not given.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The name programs use.
    pub const fn name(&self) -> &'static str {
        self.names[0]
    }
}

impl Spec {
    /// An operation on a node that reads; `Spec { path, about, ..Spec::READ }` fills in the rest.
    pub const READ: Self = Self {
        path: "",
        about: "",
        help: "",
        examples: &[],
        args: &[],
        options: &[],
        effect: Effect::Read,
        tier: Tier::Core,
        place: Place::Node,
    };
    /// The same, for one that adds content.
    pub const ADD: Self = Self { effect: Effect::Add, ..Self::READ };
    /// The same, for one that changes what is kept.
    pub const PIN: Self = Self { effect: Effect::Pin, ..Self::READ };
    /// The same, for one that changes anything else.
    pub const ADMIN: Self = Self { effect: Effect::Admin, ..Self::READ };
    /// A name that only holds others.
    pub const GROUP: Self = Self { place: Place::Group, ..Self::READ };

    /// The words of its path.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter(|word| !word.is_empty())
    }

    /// The last word.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it can be run at all.
    pub const fn runs(&self) -> bool {
        !matches!(self.place, Place::Group)
    }

    /// The option of this operation, or the global one, that has this name.
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().chain(GLOBAL).find(|option| option.names.contains(&name))
    }

    /// Whether some argument carries file content.
    pub fn takes_files(&self) -> bool {
        self.args.iter().any(Arg::is_file)
    }
}

/// Options that every operation takes.
pub const GLOBAL: &[Opt] = &[
    Opt::text(&["repo-dir"], "Directory of the repository."),
    Opt::text(&["config-file"], "Configuration file to use instead of the one in the repository."),
    Opt::text(&["config", "c"], "Deprecated name of --repo-dir."),
    Opt::flag(&["debug", "D"], "Accepted for scripts; MERKURY_LOG=debug writes debug messages."),
    Opt::flag(&["help"], "Show everything about the command."),
    Opt::flag(&["h"], "Show a summary of the command."),
    Opt::flag(&["local", "L"], "Deprecated name of --offline."),
    Opt::flag(&["offline"], "Use only what is stored here; ask no peer."),
    Opt::text(&["api"], "Send the command to the daemon at this multiaddr."),
    Opt::text(&["api-auth"], "Credential for that daemon: bearer:token or basic:user:pass."),
    Opt::text(&["cid-base"], "Multibase of the CIDs printed; another base than base58btc turns version 0 into 1."),
    Opt::flag(&["upgrade-cidv0-in-output"], "Deprecated: print version 0 CIDs as version 1."),
    Opt::text(&["encoding", "enc"], "Form of the output: text or json.").or("text"),
    Opt::flag(&["stream-channels"], "Accepted for scripts: items are always printed as they come."),
    Opt::text(&["timeout"], "Give up after this long, for example 30s or 1m30s."),
];
