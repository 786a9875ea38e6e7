//! The load generator: keep-alive connections that speak just enough HTTP/1.1 to cost little.
//!
//! First as fast as the connections go, for the rate; then open-loop at 70 % of that rate: requests
//! leave on schedule whether or not earlier ones were answered, and latency counts from the
//! schedule, so that a stall is not hidden by waiting for it.

use super::limits::{Machine, Needs, Rates, Work};
use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a measurement found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Operations a second, as fast as it goes.
    pub rate: f64,
    /// Of the open-loop run.
    pub p50: Duration,
    pub p99: Duration,
    /// Processor seconds that the generator itself spent on an operation.
    pub generator_seconds: f64,
    /// What the machine managed of what an operation needs, in the same seconds.
    pub rates: Rates,
}

/// One operation on a connection.
pub trait Operation: Clone + Send + 'static {
    fn run(&self, connection: &mut Connection) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Where a load goes, and what it is.
#[derive(Clone)]
pub struct Load<O> {
    pub addresses: Vec<SocketAddr>,
    pub connections: usize,
    pub operation: O,
}

/// A load lasts this long before what it is compared with has its turn.
const SLICE: Duration = Duration::from_millis(500);

impl<O: Operation> Load<O> {
    /// As fast as it goes, in turn with what the operation needs of the machine; then open-loop.
    pub async fn measure(
        &self,
        machine: &Machine,
        needs: &Needs,
        duration: Duration,
    ) -> anyhow::Result<Measured> {
        // Warm up: connections, caches, prepared statements.
        self.closed_loop(duration / 8).await?;
        let (mut done, mut processor) = (Work::default(), 0.0);
        let mut rates = Rates::default();
        while done.seconds < duration.as_secs_f64() {
            let before = processor_seconds()?;
            done.add(self.closed_loop(SLICE).await?);
            processor += processor_seconds()? - before;
            tokio::task::block_in_place(|| machine.sample(needs, SLICE / 2, &mut rates))?;
        }
        let latencies = self.open_latencies(duration / 2, done.rate() * 0.7).await?;
        Ok(Measured {
            rate: done.rate(),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            generator_seconds: processor / done.count,
            rates,
        })
    }
}

impl<O: Operation> Load<O> {
    /// Operations a second, as fast as it goes.
    pub async fn closed_rate(&self, duration: Duration) -> anyhow::Result<f64> {
        Ok(self.closed_loop(duration).await?.rate())
    }

    /// How long operations take that leave on schedule, so many a second; sorted.
    pub async fn open_latencies(
        &self,
        duration: Duration,
        rate: f64,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = self.open_loop(duration, rate).await?;
        latencies.sort_unstable();
        Ok(latencies)
    }
}

/// The value below which so many of a hundred sorted ones are.
pub fn percentile(sorted: &[Duration], share: usize) -> Duration {
    let at = sorted.len() * share / 100;
    sorted.get(at).copied().unwrap_or_default()
}

/// The rates of two loads that are run in turn, so that what else the machine does falls on both.
pub async fn in_turn<O: Operation>(
    loads: [&Load<O>; 2],
    duration: Duration,
) -> anyhow::Result<[f64; 2]> {
    let [mut first, mut second] = [Work::default(); 2];
    for load in loads {
        load.closed_loop(duration / 8).await?;
    }
    while second.seconds < duration.as_secs_f64() {
        first.add(loads[0].closed_loop(SLICE).await?);
        second.add(loads[1].closed_loop(SLICE).await?);
    }
    Ok([first.rate(), second.rate()])
}

impl<O: Operation> Load<O> {
    async fn closed_loop(&self, duration: Duration) -> anyhow::Result<Work> {
        let mut tasks = tokio::task::JoinSet::new();
        let began = Instant::now();
        for address in self
            .addresses
            .iter()
            .copied()
            .cycle()
            .take(self.connections)
        {
            let operation = self.operation.clone();
            tasks.spawn(async move {
                let mut connection = Connection::open(address).await?;
                let mut count = 0.0;
                while began.elapsed() < duration {
                    operation.run(&mut connection).await?;
                    count += 1.0;
                }
                anyhow::Ok(count)
            });
        }
        let mut count = 0.0;
        while let Some(done) = tasks.join_next().await {
            count += done??;
        }
        Ok(Work {
            count,
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    async fn open_loop(&self, duration: Duration, rate: f64) -> anyhow::Result<Vec<Duration>> {
        let began = Instant::now();
        let next = Arc::new(Mutex::new(0_u32));
        let mut tasks = tokio::task::JoinSet::new();
        let connections = self.connections * 4;
        for address in self.addresses.iter().copied().cycle().take(connections) {
            let (operation, next) = (self.operation.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                let mut connection = Connection::open(address).await?;
                let mut latencies = Vec::new();
                loop {
                    let number = {
                        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                        *next += 1;
                        *next
                    };
                    let due = Duration::from_secs_f64(f64::from(number) / rate);
                    if due > duration {
                        return anyhow::Ok(latencies);
                    }
                    tokio::time::sleep_until((began + due).into()).await;
                    operation.run(&mut connection).await?;
                    latencies.push(began.elapsed().saturating_sub(due));
                }
            });
        }
        let mut all = Vec::new();
        while let Some(done) = tasks.join_next().await {
            all.extend(done??);
        }
        Ok(all)
    }
}

/// User and system time of this process.
pub fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(") ").context("reading /proc/self/stat")?.1;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    Ok((ticks(11) + ticks(12)) / 100.0)
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// The server's port, by which its cookie is named.
    pub fn port(&self) -> anyhow::Result<u16> {
        Ok(self.stream.peer_addr()?.port())
    }

    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and answers status line, headers and body as one text.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&str> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(head) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default())
                    .to_ascii_lowercase();
                let length = text
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.lines().next());
                let length: usize = length.context("no content-length")?.trim().parse()?;
                while self.buffer.len() < head + 4 + length {
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        bail!("the server closed the connection");
                    }
                }
                return Ok(std::str::from_utf8(&self.buffer)?);
            }
        }
    }
}
