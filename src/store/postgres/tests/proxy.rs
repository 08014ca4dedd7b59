//! A network that can be cut between a guard and its database.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[derive(Clone, Copy)]
pub(super) enum Network {
    Whole = 0,
    /// Once: what the server says to the next commit is lost, and the connection with it.
    LosesTheCommitsAnswer = 1,
    /// Once: the next commit is lost on its way there, and the connection with it.
    LosesTheCommit = 2,
    /// Nobody gets through.
    Down = 3,
}

#[derive(Clone)]
pub(super) struct Proxy {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Proxy {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
        };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !serving.is(Network::Down) {
                    tokio::spawn(serving.clone().pass(client));
                }
            }
        });
        proxy
    }

    pub(super) fn set(&self, network: Network) {
        self.state.store(network as u8, Ordering::SeqCst);
    }

    /// The way through it, in the clear so that it sees what passes.
    pub(super) fn to(&self, fresh: &Fresh) -> Fresh {
        fresh.by(|url| {
            url.set_port(Some(self.port)).unwrap();
            url.query_pairs_mut().append_pair("sslmode", "disable");
        })
    }

    fn is(&self, network: Network) -> bool {
        self.state.load(Ordering::SeqCst) == network as u8
    }

    async fn pass(self, mut client: TcpStream) {
        let to = server();
        let to = (to.host_str().unwrap(), to.port().unwrap_or(5432));
        let mut server = TcpStream::connect(to).await.unwrap();
        let (mut asked, mut said) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                Ok(length @ 1..) = client.read(&mut asked) => {
                    let commits = asked[..length].windows(7).any(|part| part == b"COMMIT\0");
                    if self.is(Network::Down) {
                        return;
                    }
                    if commits && self.is(Network::LosesTheCommit) {
                        self.set(Network::Whole);
                        return;
                    }
                    server.write_all(&asked[..length]).await.unwrap();
                    if commits && self.is(Network::LosesTheCommitsAnswer) {
                        let answered = server.read(&mut said).await.unwrap();
                        assert!(answered > 0, "the server committed");
                        self.set(Network::Whole);
                        return;
                    }
                }
                Ok(length @ 1..) = server.read(&mut said) => {
                    if self.is(Network::Down) || client.write_all(&said[..length]).await.is_err() {
                        return;
                    }
                }
                else => return,
            }
        }
    }
}
