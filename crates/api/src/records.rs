//! Small values under names, for looking into a repository and for tests of it.

use crate::Answer;

/// Names and values that `diag datastore` reads and writes.
///
/// Names are paths such as `/test/name`. What the store keeps in a form of its own (pins, blocks) is counted under the
/// names Kubo has for it, and cannot be read this way.
pub trait Records: Send + Sync {
    /// The value of a name.
    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>>;

    /// Gives a name a value; durable when it answers.
    fn put<'a>(&'a self, name: &'a str, value: Vec<u8>) -> Answer<'a, ()>;

    /// How many names start so.
    fn count<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64>;
}
