//! The Tokio side of bench/c/echo.c: 50 connections, each of which sends 64
//! bytes and waits until they come back, again and again.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const CONNECTIONS: usize = 50;
const SIZE: usize = 64;
const WARM_UP: usize = 200;
const ROUNDS: usize = 2000;

async fn serve(mut stream: TcpStream) {
    let mut data = [0u8; 8192];
    loop {
        match stream.read(&mut data).await {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                if stream.write_all(&data[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn start_server(rt: &Runtime) -> u16 {
    let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    rt.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream));
        }
    });
    port
}

async fn client(port: u16, rounds: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let data = [0u8; SIZE];
    let mut back = [0u8; SIZE];
    for _ in 0..rounds {
        stream.write_all(&data).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
    }
}

fn run(rt: &Runtime, port: u16, rounds: usize) -> f64 {
    let begin = Instant::now();
    rt.block_on(async {
        let all: Vec<_> = (0..CONNECTIONS)
            .map(|_| tokio::spawn(client(port, rounds)))
            .collect();
        for one in all {
            one.await.unwrap();
        }
    });
    begin.elapsed().as_secs_f64()
}

/// The server in a child; answers its port.  It ends with this process.
fn start_child(workers: &str) -> u16 {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["server", workers])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::mem::forget(child.stdin);
    let mut port = String::new();
    BufReader::new(child.stdout.unwrap()).read_line(&mut port).unwrap();
    port.trim().parse().unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let what = args[1].as_str();
    let rt = if what == "current" {
        Builder::new_current_thread().enable_all().build()
    } else {
        let workers = args[2].parse().unwrap();
        Builder::new_multi_thread().worker_threads(workers).enable_all().build()
    }
    .unwrap();
    if what == "server" {
        println!("{}", start_server(&rt));
        let _ = std::io::stdin().read(&mut [0u8; 1]);
        return;
    }
    let port = match what {
        "client" => args[3].parse().unwrap(),
        "two" => start_child(&args[2]),
        _ => start_server(&rt),
    };
    run(&rt, port, WARM_UP);
    let ns = run(&rt, port, ROUNDS) * 1e9 / (CONNECTIONS * ROUNDS) as f64;
    println!("echo_{what} {ns:.1} ns");
}
