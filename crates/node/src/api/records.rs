//! [`Records`]: names and values of `diag datastore`, in a table of their own.

use merkury_api::{Answer, ApiError, Records};
use merkury_store::Store;

use crate::inner::{Handle, blocking, store_error};

/// The table they are in.
const TABLE: &str = "diag";
/// Entries read at once while they are counted.
const PAGE: usize = 1024;
/// Longest name and longest value: the tables are kept in memory.
const NAME_BYTES_MAX: usize = 4096;
/// See [`NAME_BYTES_MAX`].
const VALUE_BYTES_MAX: usize = 1024 * 1024;

impl Records for Handle {
    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let (inner, name) = (self.inner.clone(), cleaned(name));
        Box::pin(blocking(move || inner.store()?.meta().get(TABLE, name.as_bytes()).map_err(store_error)))
    }

    fn put<'a>(&'a self, name: &'a str, value: Vec<u8>) -> Answer<'a, ()> {
        let (inner, name) = (self.inner.clone(), cleaned(name));
        Box::pin(blocking(move || {
            if name.len() > NAME_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
                let most = format!("a name has at most {NAME_BYTES_MAX} bytes, a value {VALUE_BYTES_MAX}");
                return Err(ApiError::invalid(most));
            }
            inner.store()?.meta().set(TABLE, name.as_bytes(), &value).map_err(store_error)
        }))
    }

    fn count<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        let (inner, prefix) = (self.inner.clone(), cleaned(prefix));
        Box::pin(blocking(move || {
            let store = inner.store()?;
            let within = |section: &str| section.starts_with(prefix.trim_end_matches('/'));
            let mut count = written(&store, &prefix)?;
            if within("/pins") {
                count += store.pins().count().map_err(store_error)? as u64;
            }
            if within("/blocks") {
                count += store.stat().blocks;
            }
            Ok(count)
        }))
    }
}

/// Names that were written here and start so.
fn written(store: &Store, prefix: &str) -> Result<u64, ApiError> {
    let below = if prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") };
    let (mut count, mut after) = (0, None::<Vec<u8>>);
    loop {
        let page = store.meta().page(TABLE, after.as_deref(), PAGE).map_err(store_error)?;
        let Some((last, _)) = page.last() else { return Ok(count) };
        after = Some(last.clone());
        count += page.iter().filter(|(name, _)| name.starts_with(below.as_bytes())).count() as u64;
    }
}

/// A path without empty names and without a slash at its end.
fn cleaned(name: &str) -> String {
    let names: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", names.join("/"))
}
