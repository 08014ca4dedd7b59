//! A PostgreSQL server of the story's own, which can be stopped and started; and a network in front of a
//! server, which drops and delays.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::block_in_place;
use url::Url;

/// How long a connection lives in bad weather.
const LIFE: Duration = Duration::from_millis(400);
/// How long bad weather holds back what passes.
const DELAY: Duration = Duration::from_millis(30);

pub(crate) struct Database {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Database {
    /// Makes a cluster in a folder of its own and starts it.
    pub(crate) fn start() -> Self {
        let database = Self {
            programs: programs(),
            folder: tempfile::tempdir().expect("a folder"),
            port: free_port(),
        };
        let folder = database.folder.path().display().to_string();
        if is_root() {
            // the server's programs refuse to run as root
            run(Command::new("chown").args(["postgres", &folder]));
        }
        let data = database.data();
        let mut initdb = database.command("initdb");
        run(initdb
            .args(["-D", &data, "-U", "postgres", "-A", "trust", "--no-sync"])
            .args(["-E", "UTF8", "--locale=C.UTF-8"]));
        database.go_on();
        database
    }

    pub(crate) fn url(&self) -> Url {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        url.parse().expect("a URL")
    }

    /// Ends the server as its own crash would: no goodbye to anybody, recovery at the next start.
    pub(crate) fn crash(&self) {
        let data = self.data();
        let mut stop = self.command("pg_ctl");
        run(stop.args(["-D", &data, "-m", "immediate", "-w", "stop"]));
    }

    pub(crate) fn go_on(&self) {
        let (data, port) = (self.data(), self.port);
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={}",
            self.folder.path().display()
        );
        let log = self.folder.path().join("log").display().to_string();
        let mut start = self.command("pg_ctl");
        run(start.args(["-D", &data, "-w", "-l", &log, "-o", &options, "start"]));
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let data = self.data();
        let mut stop = self.command("pg_ctl");
        // it may be down already
        _ = stop.args(["-D", &data, "-m", "immediate", "stop"]).output();
    }
}

/// The newest that is installed.
fn programs() -> PathBuf {
    let versions = Path::new("/usr/lib/postgresql").read_dir();
    let versions = versions.expect("PostgreSQL is installed; tests/run does it");
    let newest = versions
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .into_string()
                .ok()?
                .parse::<u32>()
                .ok()
        })
        .max();
    Path::new("/usr/lib/postgresql")
        .join(newest.expect("a version").to_string())
        .join("bin")
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

fn run(command: &mut Command) {
    // what the server inherits must not be a pipe that somebody waits for
    let command = command.stdin(std::process::Stdio::null());
    let command = command.stdout(std::process::Stdio::null());
    let status = block_in_place(|| command.status()).expect("a program");
    assert!(status.success(), "{command:?}: {status}");
}

/// A way to a server that is sometimes a bad one.
pub(crate) struct Network {
    to: Url,
    port: u16,
    storm: Arc<AtomicBool>,
}

impl Network {
    pub(crate) async fn before(server: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let network = Self {
            to: server.clone(),
            port: listener.local_addr().expect("its number").port(),
            storm: Arc::default(),
        };
        let host = server.host_str().expect("a host").to_owned();
        let place = (host, server.port().unwrap_or(5432));
        let storm = Arc::clone(&network.storm);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (place, storm) = (place.clone(), Arc::clone(&storm));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(place).await {
                        pass(client, server, &storm).await;
                    }
                });
            }
        });
        network
    }

    /// The server's URL by this way, in the clear.
    pub(crate) fn url(&self) -> Url {
        let mut url = self.to.clone();
        url.set_port(Some(self.port)).expect("a URL with a host");
        url.query_pairs_mut().append_pair("sslmode", "disable");
        url
    }

    pub(crate) fn storm(&self, storm: bool) {
        self.storm.store(storm, Ordering::SeqCst);
    }
}

/// Passes on what both say. In a storm everything is late, and a connection breaks before it is old,
/// wherever in a conversation that is.
async fn pass(mut client: TcpStream, mut server: TcpStream, storm: &AtomicBool) {
    let stormy = || storm.load(Ordering::SeqCst);
    let (mut asked, mut said) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut age = tokio::time::interval(LIFE);
    age.reset();
    loop {
        tokio::select! {
            Ok(length @ 1..) = client.read(&mut asked) => {
                if stormy() {
                    tokio::time::sleep(DELAY).await;
                }
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
            }
            Ok(length @ 1..) = server.read(&mut said) => {
                if stormy() {
                    tokio::time::sleep(DELAY).await;
                }
                if client.write_all(&said[..length]).await.is_err() {
                    return;
                }
            }
            _ = age.tick() => {
                if stormy() {
                    return;
                }
            }
            else => return,
        }
    }
}
