//! Sockets that do not behave.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::common::{DEADLINE, address, config, start};

/// The socket address of `/ip4/127.0.0.1/tcp/PORT/p2p/ID`.
fn socket(address: &str) -> String {
    format!("127.0.0.1:{}", address.split('/').nth(4).expect("a tcp address"))
}

#[tokio::test]
async fn silent_sockets_are_closed_and_honest_peers_get_through() {
    let host = start(config()).await;
    let there = address(&host).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(socket(&there)).await.unwrap());
    }
    start(config()).await.peers().connect(&there).await.expect("an honest peer gets through");
    for mut stream in silent {
        let closed = tokio::time::timeout(DEADLINE, async {
            let mut bytes = Vec::new();
            // The host may say its first line; then it closes.
            let _ = stream.read_to_end(&mut bytes).await;
            bytes.len()
        });
        assert!(closed.await.expect("a silent socket stayed open") < 1024);
    }
}

#[tokio::test]
async fn garbage_and_slow_handshakes_end() {
    let host = start(config()).await;
    let there = address(&host).await;
    let mut garbage = TcpStream::connect(socket(&there)).await.unwrap();
    let _ = garbage.write_all(&[0xff; 4096]).await;
    let mut slow = TcpStream::connect(socket(&there)).await.unwrap();
    let (mut reader, mut writer) = slow.split();
    let dripping = async {
        // Valid bytes of the first message, one at a time, for ever.
        for byte in b"\x13/multistream/1.0.0\n".iter().cycle() {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let reading = async {
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes).await;
    };
    tokio::time::timeout(DEADLINE, async {
        tokio::select! { () = dripping => {}, () = reading => {} }
        let mut bytes = Vec::new();
        let _ = garbage.read_to_end(&mut bytes).await;
    })
    .await
    .expect("a hostile socket stayed open");
    start(config()).await.peers().connect(&there).await.expect("the host still answers");
}
