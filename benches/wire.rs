//! What the way in and the way out cost: memory of the guard's own process while much passes through
//! it and while many connections rest. `cargo bench --bench wire`; Linux only, for its `/proc`.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use quota_guard::front::{Limits, Listener, serve};
use quota_guard::upstream::{Base, Body, Exchanges, Pool, SendLimits, Trust, full};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const GIB: usize = 1 << 30;
const IDLE: usize = 1000;
const PIECE: usize = 64 * 1024;
const LONG: Duration = Duration::from_mins(10);
/// Tells the program to be the guard, in front of the upstream that it names.
const UPSTREAM: &str = "WIRE_BENCH_UPSTREAM";

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    match std::env::var(UPSTREAM) {
        Ok(upstream) => guard(&upstream).await,
        Err(_) => measure().await,
    }
}

async fn measure() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = format!("http://{}", listener.local_addr()?);
    tokio::spawn(answer_all(listener));
    let (mut guard, address) = start_guard(&upstream)?;
    transfer(address, "GET /down", GIB / 64, 0).await?; // warms up
    let before = memory_kib(&guard, "VmHWM")?;
    for (what, down, up) in [("download", GIB, 0), ("upload", 0, GIB)] {
        let method = if up > 0 { "PUT /up" } else { "GET /down" };
        let started = now();
        transfer(address, method, down, up).await?;
        let seconds = started.elapsed().as_secs_f64();
        let growth = memory_kib(&guard, "VmHWM")? - before;
        println!("{what} of 1 GiB: {seconds:.2} s, peak memory {growth} KiB above {before} KiB");
    }
    let before = memory_kib(&guard, "VmRSS")?;
    let mut resting = Vec::new();
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(address).await?;
        exchange(&mut stream, "GET /down", 2, 0).await?;
        resting.push(stream);
    }
    let growth = memory_kib(&guard, "VmRSS")? - before;
    println!(
        "{IDLE} idle connections: {growth} KiB, {} bytes each",
        growth * 1024 / 1000
    );
    guard.kill()?;
    guard.wait()?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement outside the guard")]
fn now() -> Instant {
    Instant::now()
}

fn start_guard(upstream: &str) -> Result<(Child, SocketAddr), Box<dyn std::error::Error>> {
    let mut guard = Command::new(std::env::current_exe()?)
        .env(UPSTREAM, upstream)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let said = guard.stdout.take().ok_or("the guard says nothing")?;
    io::BufRead::read_line(&mut io::BufReader::new(said), &mut line)?;
    Ok((guard, line.trim().parse()?))
}

fn memory_kib(process: &Child, figure: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    Ok(number.ok_or("no such figure")?.parse()?)
}

async fn transfer(address: SocketAddr, method: &str, down: usize, up: usize) -> io::Result<()> {
    exchange(&mut TcpStream::connect(address).await?, method, down, up).await
}

/// One exchange on a connection that stays open.
async fn exchange(stream: &mut TcpStream, method: &str, down: usize, up: usize) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let length = if up > 0 {
        format!("Content-Length: {up}\r\n")
    } else {
        String::new()
    };
    let head = format!("{method}/{down} HTTP/1.1\r\nHost: guard\r\n{length}\r\n");
    writing.write_all(head.as_bytes()).await?;
    write_bytes(&mut writing, up).await?;
    let mut reading = BufReader::with_capacity(PIECE, reading);
    read_head(&mut reading).await?;
    read_bytes(&mut reading, down).await
}

/// The upstream: `…/N` is answered with N bytes, after whatever was sent.
async fn answer_all(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let (reading, mut writing) = stream.into_split();
            let mut reading = BufReader::with_capacity(PIECE, reading);
            while let Ok(head) = read_head(&mut reading).await {
                let target = head.split_whitespace().nth(1).unwrap_or_default();
                let down = target
                    .rsplit('/')
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0);
                let announced = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let up = announced.and_then(|n| n.parse().ok()).unwrap_or(0);
                read_bytes(&mut reading, up).await?;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {down}\r\n\r\n");
                writing.write_all(head.as_bytes()).await?;
                write_bytes(&mut writing, down).await?;
            }
            io::Result::Ok(())
        });
    }
}

async fn read_head(reading: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reading.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

async fn read_bytes(reading: &mut (impl AsyncReadExt + Unpin), mut left: usize) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let room = left.min(PIECE);
        left -= reading.read_exact(&mut piece[..room]).await?;
    }
    Ok(())
}

async fn write_bytes(
    writing: &mut (impl AsyncWriteExt + Unpin),
    mut left: usize,
) -> io::Result<()> {
    let piece = vec![7; PIECE];
    while left > 0 {
        let room = left.min(PIECE);
        writing.write_all(&piece[..room]).await?;
        left -= room;
    }
    Ok(())
}

/// A guard that decides nothing and forwards, until it is killed.
async fn guard(upstream: &str) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let limits = Limits {
        max_connections: 10_000,
        header_timeout: LONG,
        max_header_bytes: 64 * 1024,
        idle_timeout: LONG,
        stall_timeout: LONG,
        drain_timeout: LONG,
    };
    let exchanges = Exchanges::default();
    let (pool, base) = (
        Pool::new(Trust::Only(Vec::new()))?,
        upstream.parse::<Base>()?,
    );
    let tracked = exchanges.clone();
    let handler = move |request: Request<Body>| {
        let answer = tracked.detach(forward(pool.clone(), base.clone(), request));
        async move { answer.await.unwrap_or_else(|error| failure(&*error)) }
    };
    let never = std::future::pending();
    _ = serve(Listener::plain(listener), handler, limits, exchanges, never).await;
    Ok(())
}

async fn forward(
    pool: Pool,
    base: Base,
    request: Request<Body>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let limits = SendLimits {
        connect: LONG,
        answer: LONG,
        idle: LONG,
    };
    let (mut parts, body) = request.into_parts();
    parts.uri = base.join(parts.uri.path())?;
    Ok(pool.send(Request::from_parts(parts, body), limits).await?)
}

fn failure(error: &dyn std::error::Error) -> Response<Body> {
    let mut response = Response::new(full(error.to_string()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
