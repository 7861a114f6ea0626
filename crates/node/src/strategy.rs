//! `Provide.Strategy`: which of the content here is announced.

use serde_json::Value;

use crate::config::View;

/// What a strategy takes. `all` is the default and takes everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strategy {
    /// Every block.
    pub(crate) all: bool,
    /// Pins, with everything below the recursive ones.
    pub(crate) pinned: bool,
    /// Roots of pins.
    pub(crate) roots: bool,
    /// The mutable file system.
    pub(crate) mfs: bool,
    /// Of files and directories their roots alone, not their parts.
    pub(crate) entities: bool,
}

impl Strategy {
    /// Reads `pinned+mfs`, with Kubo's words for what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut strategy = Self::default();
        let mut unique = false;
        for part in text.split('+') {
            match part {
                "all" | "flat" => strategy.all = true,
                "" if text.is_empty() => strategy.all = true,
                "" => return Err(format!("invalid provide strategy: empty token in {text:?}")),
                "pinned" => strategy.pinned = true,
                "roots" => strategy.roots = true,
                "mfs" => strategy.mfs = true,
                "unique" => unique = true,
                "entities" => (strategy.entities, unique) = (true, true),
                other => return Err(format!("unknown provide strategy token: {other:?} in {text:?}")),
            }
        }
        if strategy.all && (unique || strategy != (Self { all: true, ..Self::default() })) {
            return Err(format!("\"all\" strategy cannot be combined with other strategies in {text:?}"));
        }
        if unique && !(strategy.pinned || strategy.mfs) {
            return Err(format!("+unique/+entities must combine with pinned and/or mfs in {text:?}"));
        }
        if unique && strategy.roots {
            return Err(format!("+unique/+entities is incompatible with roots in {text:?}"));
        }
        Ok(strategy)
    }

    /// That of a configuration; `all`, the default, when it cannot be read.
    pub(crate) fn of(config: &Value) -> Self {
        let text = View(config).text("Provide.Strategy", "").unwrap_or_default();
        Self::parse(&text).unwrap_or(Self { all: true, ..Self::default() })
    }

    /// Whether a root is announced that is pinned or in the mutable file system.
    pub(crate) fn takes_root(self, pinned: bool, mfs: bool) -> bool {
        self.all || (pinned && (self.pinned || self.roots)) || (mfs && self.mfs)
    }
}

#[cfg(test)]
mod tests {
    use super::Strategy;

    #[test]
    fn strategies_are_read_as_kubo_reads_them() {
        let all = Strategy { all: true, ..Strategy::default() };
        for text in ["", "all", "flat"] {
            assert_eq!(Strategy::parse(text), Ok(all), "{text}");
        }
        let both = Strategy { pinned: true, mfs: true, ..Strategy::default() };
        assert_eq!(Strategy::parse("pinned+mfs"), Ok(both));
        assert_eq!(Strategy::parse("pinned+mfs+unique"), Ok(both));
        assert_eq!(Strategy::parse("pinned+mfs+entities"), Ok(Strategy { entities: true, ..both }));
        for (text, says) in [
            ("x", "unknown provide strategy token: \"x\" in \"x\""),
            ("pinned+", "empty token"),
            ("all+mfs", "cannot be combined"),
            ("all+unique", "cannot be combined"),
            ("unique", "must combine"),
            ("pinned+roots+unique", "incompatible"),
        ] {
            assert!(Strategy::parse(text).is_err_and(|error| error.contains(says)), "{text}");
        }
    }

    #[test]
    fn a_root_is_announced_for_what_it_is() {
        let takes = |text, pinned, mfs| Strategy::parse(text).expect("a strategy").takes_root(pinned, mfs);
        assert!(takes("all", false, false) && takes("roots", true, false) && takes("mfs", false, true));
        assert!(!takes("pinned", false, true) && !takes("mfs", true, false) && !takes("roots", false, false));
    }
}
