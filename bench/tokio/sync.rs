//! Channels and locks: the Tokio side of bench/c/sync.c.

use crate::{measure, Shared};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

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

pub fn run(name: &str, rt: &Runtime) -> Option<f64> {
    Some(match name {
        "mpsc_unbounded" => unbounded(rt, 1, 10_000),
        "mpsc_bounded" => bounded(rt, 1000, 1, 10_000),
        "mpsc_5_unbounded" => unbounded(rt, 5, 1_000),
        "mpsc_5_bounded" => bounded(rt, 1_000_000, 5, 1_000),
        "mpsc_5_full" => bounded(rt, 100, 5, 1_000),
        "mpsc_alone_unbounded" => alone_unbounded(rt),
        "mpsc_alone_bounded" => alone_bounded(rt),
        _ => return None,
    })
}
