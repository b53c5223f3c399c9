//! The Tokio side of the C suite: `bench-tokio NAME WORKERS` runs one
//! benchmark and prints `NAME value ns`, the median time of one operation.
//! bench/c/rt.c does the same work on rthandle, step for step.

mod sync;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// What the tasks of one benchmark share.  It lives for ever, so a task takes
/// a plain reference to it, as a C task takes a pointer.
struct Shared {
    left: AtomicUsize,
    done: SyncSender<()>,
    finished: Receiver<()>,
}
unsafe impl Sync for Shared {} // one thread alone receives

impl Shared {
    fn new() -> &'static Shared {
        let (done, finished) = sync_channel(1000);
        Box::leak(Box::new(Shared { left: AtomicUsize::new(0), done, finished }))
    }
    fn start(&self, n: usize) {
        self.left.store(n, Relaxed);
    }
    fn finish_one(&self) {
        if self.left.fetch_sub(1, Relaxed) == 1 {
            self.done.send(()).unwrap();
        }
    }
    fn wait(&self) {
        self.finished.recv().unwrap();
    }
}

const WARM_UP: Duration = Duration::from_millis(100);
const MEASURE: Duration = Duration::from_millis(400);

/// Median time of one operation, where one round does `ops` of them.
fn measure(ops: usize, mut round: impl FnMut()) -> f64 {
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        round();
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < MEASURE || times.len() < 5 {
        let one = Instant::now();
        round();
        times.push(one.elapsed());
    }
    times.sort();
    times[times.len() / 2].as_nanos() as f64 / ops as f64
}

fn spawn_many_local(rt: &Runtime) -> f64 {
    const N: usize = 10_000;
    let s = Shared::new();
    measure(N, || {
        s.start(N);
        rt.block_on(async {
            for _ in 0..N {
                tokio::spawn(async { s.finish_one() });
            }
            s.wait();
        });
    })
}

fn spawn_many_remote_idle(rt: &Runtime) -> f64 {
    spawn_and_join(rt, 10_000)
}

fn spawn_and_join(rt: &Runtime, n: usize) -> f64 {
    let mut handles = Vec::with_capacity(n);
    measure(n, || {
        for _ in 0..n {
            handles.push(rt.spawn(async {}));
        }
        rt.block_on(async {
            for handle in handles.drain(..) {
                handle.await.unwrap();
            }
        });
    })
}

/// As above while 2 tasks for each worker yield and compute in turn.
fn spawn_many_remote_busy(rt: &Runtime, workers: usize) -> f64 {
    for _ in 0..2 * workers {
        rt.spawn(async {
            loop {
                tokio::task::yield_now().await;
                let start = Instant::now();
                while start.elapsed() < Duration::from_micros(10) {}
            }
        });
    }
    spawn_and_join(rt, 1_000)
}

/// One task at a time, which yields once: how long a wake-up takes.
fn spawn_one(rt: &Runtime) -> f64 {
    measure(1, || {
        rt.block_on(async {
            tokio::spawn(tokio::task::yield_now()).await.unwrap();
        });
    })
}

fn chained_spawn(rt: &Runtime) -> f64 {
    const N: usize = 1_000;
    fn link(s: &'static Shared, n: usize) {
        if n == 0 {
            s.done.send(()).unwrap();
        } else {
            tokio::spawn(async move { link(s, n - 1) });
        }
    }
    let s = Shared::new();
    measure(N, || {
        rt.block_on(async {
            tokio::spawn(async { link(s, N) });
            s.wait();
        });
    })
}

fn ping_pong(rt: &Runtime) -> f64 {
    const N: usize = 1_000;
    let s = Shared::new();
    let ping = move || async move {
        let (tx1, rx1) = oneshot::channel();
        let (tx2, rx2) = oneshot::channel();
        tokio::spawn(async {
            rx1.await.unwrap();
            tx2.send(()).unwrap();
        });
        tx1.send(()).unwrap();
        rx2.await.unwrap();
        s.finish_one();
    };
    measure(N, || {
        s.start(N);
        rt.block_on(async {
            tokio::spawn(async move {
                for _ in 0..N {
                    tokio::spawn(ping());
                }
            });
            s.wait();
        });
    })
}

fn yield_many(rt: &Runtime) -> f64 {
    const TASKS: usize = 200;
    const YIELDS: usize = 1_000;
    let s = Shared::new();
    measure(TASKS * YIELDS, || {
        for _ in 0..TASKS {
            rt.spawn(async {
                for _ in 0..YIELDS {
                    tokio::task::yield_now().await;
                }
                s.done.send(()).unwrap();
            });
        }
        for _ in 0..TASKS {
            s.wait();
        }
    })
}

/// `tasks` tasks, each of which starts 100 batches of 16 empty functions.
fn spawn_blocking(rt: &Runtime, tasks: usize) -> f64 {
    const BATCHES: usize = 100;
    const BATCH: usize = 16;
    measure(tasks * BATCHES * BATCH, || {
        let all: Vec<_> = (0..tasks)
            .map(|_| {
                rt.spawn(async {
                    for _ in 0..BATCHES {
                        let batch: Vec<_> =
                            (0..BATCH).map(|_| tokio::task::spawn_blocking(|| {})).collect();
                        for handle in batch {
                            handle.await.unwrap();
                        }
                    }
                })
            })
            .collect();
        rt.block_on(async {
            for handle in all {
                handle.await.unwrap();
            }
        });
    })
}

fn spawn_blocking_one(rt: &Runtime) -> f64 {
    measure(1, || {
        rt.block_on(async {
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        });
    })
}

/// 10,000 tasks, each of which sleeps 10 ms: the time of all of them.
fn sleep_many(rt: &Runtime) -> f64 {
    const N: usize = 10_000;
    let s = Shared::new();
    measure(N, || {
        s.start(N);
        for _ in 0..N {
            rt.spawn(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                s.finish_one();
            });
        }
        s.wait();
    })
}

fn current_spawn_many_local(rt: &Runtime) -> f64 {
    const N: usize = 1_000;
    let mut handles = Vec::with_capacity(N);
    measure(N, || {
        rt.block_on(async {
            for _ in 0..N {
                handles.push(tokio::spawn(async {}));
            }
            for handle in handles.drain(..) {
                handle.await.unwrap();
            }
        });
    })
}

fn current_spawn_many_remote_idle(rt: &Runtime) -> f64 {
    spawn_and_join(rt, 1_000)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args[1].as_str();
    let workers: usize = args[2].parse().unwrap();
    let rt = if name.starts_with("current_") {
        Builder::new_current_thread().enable_all().build()
    } else {
        Builder::new_multi_thread().worker_threads(workers).enable_all().build()
    }
    .unwrap();
    let ns = match name {
        "spawn_many_local" => spawn_many_local(&rt),
        "spawn_many_remote_idle" => spawn_many_remote_idle(&rt),
        "spawn_many_remote_busy" => spawn_many_remote_busy(&rt, workers),
        "spawn_one" => spawn_one(&rt),
        "chained_spawn" => chained_spawn(&rt),
        "ping_pong" => ping_pong(&rt),
        "yield_many" => yield_many(&rt),
        "spawn_blocking_1" => spawn_blocking(&rt, 1),
        "spawn_blocking_2" => spawn_blocking(&rt, 2),
        "spawn_blocking_one" => spawn_blocking_one(&rt),
        "sleep_many" => sleep_many(&rt),
        "current_spawn_many_local" => current_spawn_many_local(&rt),
        "current_spawn_many_remote_idle" => current_spawn_many_remote_idle(&rt),
        _ => sync::run(name, &rt).unwrap_or_else(|| panic!("unknown benchmark {name}")),
    };
    println!("{name} {ns:.1} ns");
    rt.shutdown_background(); // the busy tasks never end
}
