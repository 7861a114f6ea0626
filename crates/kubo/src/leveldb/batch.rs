//! A record of a journal: changes that were made together.

use super::{Versioned, take_bytes};

/// Applies the changes of a record, in order, to `each`; `None` when the record is malformed.
pub(super) fn read(record: &[u8], each: &mut dyn FnMut(Versioned)) -> Option<()> {
    let (sequence, rest) = record.split_first_chunk::<8>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let first = u64::from_le_bytes(*sequence);
    for at in 0..u32::from_le_bytes(*count) {
        let (kind, after) = rest.split_first()?;
        rest = after;
        let key = take_bytes(&mut rest)?.to_vec();
        let value = match kind {
            0 => None,
            1 => Some(take_bytes(&mut rest)?.to_vec()),
            _ => return None,
        };
        each(Versioned { key, sequence: first.checked_add(at.into())?, value });
    }
    rest.is_empty().then_some(())
}
