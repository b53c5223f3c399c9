//! Channels and locks: the Tokio side of bench/c/sync.c.

use crate::{measure, Shared};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc, oneshot, Mutex, Notify, Semaphore};

/// 1 or more producers of `each` messages, and one receiver.
macro_rules! stream {
    ($rt:expr, $new:expr, $producers:expr, $each:expr, $tx:ident, $send:expr) => {{
        let s = Shared::new();
        measure($producers * $each, || {
            let ($tx, mut rx) = $new;
            $rt.spawn(async move {
                let mut sum: usize = 0;
                while let Some(n) = rx.recv().await {
                    sum += n;
                }
                assert_eq!(sum, $producers * $each);
                s.done.send(()).unwrap();
            });
            for _ in 0..$producers {
                let $tx = $tx.clone();
                $rt.spawn(async move {
                    for _ in 0..$each {
                        $send
                    }
                });
            }
            drop($tx);
            s.wait();
        })
    }};
}

fn bounded(rt: &Runtime, capacity: usize, producers: usize, each: usize) -> f64 {
    stream!(rt, mpsc::channel::<usize>(capacity), producers, each, tx, {
        tx.send(1).await.unwrap()
    })
}

fn unbounded(rt: &Runtime, producers: usize, each: usize) -> f64 {
    stream!(rt, mpsc::unbounded_channel::<usize>(), producers, each, tx, {
        tx.send(1).unwrap()
    })
}

/// Fills, then empties.
fn alone_bounded(rt: &Runtime) -> f64 {
    const N: usize = 5000;
    measure(N, || {
        rt.block_on(tokio::task::unconstrained(async {
            let (tx, mut rx) = mpsc::channel::<usize>(N);
            for _ in 0..N {
                tx.send(1).await.unwrap();
            }
            for _ in 0..N {
                rx.recv().await.unwrap();
            }
        }))
    })
}

fn alone_unbounded(rt: &Runtime) -> f64 {
    const N: usize = 5000;
    measure(N, || {
        rt.block_on(tokio::task::unconstrained(async {
            let (tx, mut rx) = mpsc::unbounded_channel::<usize>();
            for _ in 0..N {
                tx.send(1).unwrap();
            }
            for _ in 0..N {
                rx.recv().await.unwrap();
            }
        }))
    })
}

fn request_reply(rt: &Runtime) -> f64 {
    const N: usize = 1000;
    measure(N, || {
        let (tx, mut rx) = mpsc::channel::<oneshot::Sender<usize>>(10);
        rt.spawn(async move {
            while let Some(answer) = rx.recv().await {
                answer.send(1).unwrap();
            }
        });
        rt.block_on(async {
            for _ in 0..N {
                let (answer, answered) = oneshot::channel();
                tx.try_send(answer).unwrap();
                assert_eq!(answered.await.unwrap(), 1);
            }
        });
    })
}

fn semaphore_alone(rt: &Runtime) -> f64 {
    const N: usize = 10_000;
    measure(N, || {
        let s = Semaphore::new(10);
        rt.block_on(tokio::task::unconstrained(async {
            for _ in 0..N {
                drop(s.acquire().await.unwrap());
            }
        }))
    })
}

/// Each holds its permit over a yield.
fn semaphore_contended(rt: &Runtime) -> f64 {
    const N: usize = 1000;
    let s = Shared::new();
    measure(6 * N, || {
        let semaphore = Arc::new(Semaphore::new(2));
        s.start(6);
        for _ in 0..6 {
            let semaphore = semaphore.clone();
            rt.spawn(async move {
                for _ in 0..N {
                    let permit = semaphore.acquire().await.unwrap();
                    tokio::task::yield_now().await;
                    drop(permit);
                }
                s.finish_one();
            });
        }
        s.wait();
    })
}

fn mutex_contended(rt: &Runtime) -> f64 {
    const N: usize = 1000;
    let s = Shared::new();
    measure(6 * N, || {
        let sum = Arc::new(Mutex::new(0));
        s.start(6);
        for _ in 0..6 {
            let sum = sum.clone();
            rt.spawn(async move {
                for _ in 0..N {
                    *sum.lock().await += 1;
                }
                s.finish_one();
            });
        }
        s.wait();
    })
}

/// Two tasks that notify each other.
fn notify_one(rt: &Runtime) -> f64 {
    const N: usize = 1000;
    let s = Shared::new();
    measure(2 * N, || {
        let both = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        s.start(2);
        for side in 0..2 {
            let (mine, other) = (both[side].clone(), both[1 - side].clone());
            rt.spawn(async move {
                for _ in 0..N {
                    mine.notified().await;
                    other.notify_one();
                }
                s.finish_one();
            });
        }
        both[0].notify_one();
        s.wait();
    })
}

/// 50 tasks are woken together until all have been often enough.
fn notify_all(rt: &Runtime) -> f64 {
    const N: usize = 5000;
    let s = Shared::new();
    measure(N, || {
        let all = Arc::new((Notify::new(), AtomicUsize::new(0)));
        s.start(51);
        for _ in 0..50 {
            let all = all.clone();
            rt.spawn(async move {
                loop {
                    all.0.notified().await;
                    if all.1.fetch_add(1, Relaxed) + 1 >= N {
                        return s.finish_one();
                    }
                }
            });
        }
        rt.spawn(async move {
            loop {
                all.0.notify_waiters();
                if s.left.load(Relaxed) == 1 {
                    return s.finish_one();
                }
                tokio::task::yield_now().await;
            }
        });
        s.wait();
    })
}

fn broadcast_10(rt: &Runtime) -> f64 {
    const N: usize = 1000;
    let s = Shared::new();
    measure(10 * N, || {
        let (tx, _) = broadcast::channel::<usize>(1000);
        s.start(10);
        for _ in 0..10 {
            let mut rx = tx.subscribe();
            rt.spawn(async move {
                while rx.recv().await.is_ok() {}
                s.finish_one();
            });
        }
        for _ in 0..N {
            tx.send(1).unwrap();
        }
        drop(tx);
        s.wait();
    })
}

pub fn run(name: &str, rt: &Runtime) -> Option<f64> {
    Some(match name {
        "mpsc_unbounded" => unbounded(rt, 1, 10_000),
        "mpsc_bounded" => bounded(rt, 1000, 1, 10_000),
        "mpsc_5_unbounded" => unbounded(rt, 5, 1_000),
        "mpsc_5_bounded" => bounded(rt, 1_000_000, 5, 1_000),
        "mpsc_5_full" => bounded(rt, 100, 5, 1_000),
        "mpsc_alone_unbounded" => alone_unbounded(rt),
        "mpsc_alone_bounded" => alone_bounded(rt),
        "request_reply" | "current_request_reply" => request_reply(rt),
        "semaphore_alone" => semaphore_alone(rt),
        "semaphore_contended" => semaphore_contended(rt),
        "mutex_contended" => mutex_contended(rt),
        "notify_one" => notify_one(rt),
        "notify_all" => notify_all(rt),
        "broadcast_10" => broadcast_10(rt),
        _ => return None,
    })
}
