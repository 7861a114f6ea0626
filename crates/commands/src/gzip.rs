//! Bytes compressed with gzip as they pass by.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use merkury_api::{ApiError, ByteStream};

/// Compresses a stream; `level` is 1 to 9. Memory is one chunk and the window of the compressor, whatever the length.
pub(crate) fn compress(bytes: ByteStream, level: u32) -> ByteStream {
    async_stream::try_stream! {
        let mut bytes = bytes;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            // A chunk keeps a core busy for milliseconds: not on a thread that serves others.
            let work = tokio::task::spawn_blocking(move || {
                encoder.write_all(&chunk).map(|()| encoder)
            });
            encoder = work.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
            let done = std::mem::take(encoder.get_mut());
            if !done.is_empty() {
                yield done.into();
            }
        }
        yield encoder.finish().map_err(|error| failed(&error))?.into();
    }
    .boxed()
}

fn failed(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::internal(format!("cannot compress: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use bytes::Bytes;
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn what_was_compressed_comes_back() {
        let chunks = [vec![7; 300_000], b"and more".to_vec()];
        let whole = chunks.concat();
        let stream = futures::stream::iter(chunks.map(Bytes::from).map(Ok)).boxed();
        let packed: Vec<Bytes> = compress(stream, 9).try_collect().await.expect("compressed");
        let packed = packed.concat();
        assert!(packed.len() < 10_000, "{}", packed.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, whole);
    }
}
