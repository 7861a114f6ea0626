//! An export as the bytes of a tar archive.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream::{Stream, unfold};
use merkury_core::{BlockGet, Cid};

use super::export::{Export, export};
use super::header::{RECORD_BYTES, encode};
use super::{Entry, EntryKind, Item, TarError};

static ZEROS: [u8; 2 * RECORD_BYTES] = [0; 2 * RECORD_BYTES];

struct Writer {
    export: Export,
    name: String,
    now: i64,
    /// Content of the current file so far, and as its header says.
    written: u64,
    declared: u64,
    /// An entry that waits for the padding of the file before it.
    waiting: Option<Entry>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Items,
    Trailer,
    End,
}

/// The archive of everything below `root`, which is called `name` in it, in Kubo's layout. Entries without a time get
/// the time of the call.
pub fn write(
    get: Arc<dyn BlockGet>,
    root: Cid,
    name: String,
) -> impl Stream<Item = Result<Bytes, TarError>> + Send + 'static {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let export = export(get, root);
    let writer = Writer { export, name, now, written: 0, declared: 0, waiting: None, state: State::Items };
    unfold(writer, |mut writer| async move {
        let part = writer.next().await.transpose()?;
        if part.is_err() {
            writer.state = State::End;
        }
        Some((part, writer))
    })
}

impl Writer {
    async fn next(&mut self) -> Result<Option<Bytes>, TarError> {
        match self.state {
            State::End => return Ok(None),
            State::Trailer => {
                self.state = State::End;
                return Ok(Some(Bytes::from_static(&ZEROS)));
            }
            State::Items => {}
        }
        if let Some(entry) = self.waiting.take() {
            return self.header(&entry).map(Some);
        }
        match self.export.next().await.transpose()? {
            Some(Item::Data(part)) => {
                self.written = self.written.saturating_add(part.len() as u64);
                Ok(Some(part))
            }
            Some(Item::Entry(entry)) => match self.end_file()? {
                None => self.header(&entry).map(Some),
                padding => {
                    self.waiting = Some(entry);
                    Ok(padding)
                }
            },
            None => {
                self.state = State::Trailer;
                Ok(Some(self.end_file()?.unwrap_or_default()))
            }
        }
    }

    fn header(&mut self, entry: &Entry) -> Result<Bytes, TarError> {
        self.written = 0;
        self.declared = if let EntryKind::File { bytes } = entry.kind { bytes } else { 0 };
        let mut name = self.name.clone().into_bytes();
        for part in &entry.path {
            name.push(b'/');
            name.extend_from_slice(part);
        }
        encode(&name, entry, self.now)
    }

    /// What fills up the last record of a file.
    fn end_file(&mut self) -> Result<Option<Bytes>, TarError> {
        if self.written != self.declared {
            return Err(TarError::Format("a file has another size than it says"));
        }
        let used = (self.written % RECORD_BYTES as u64) as usize;
        self.written = 0;
        self.declared = 0;
        Ok((used > 0).then(|| Bytes::from_static(&ZEROS[..RECORD_BYTES - used])))
    }
}
