//! The wish of the outside world that the process ends.

use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use tokio::sync::watch;

/// Listens from now on, and waits for the first SIGINT or SIGTERM. A second signal ends the process
/// at once, with the code that a shell expects.
pub(crate) fn requested() -> impl Future<Output = ()> + Send + 'static {
    static STOP: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    let mut stop = STOP.get_or_init(listen).clone();
    async move {
        let stopped = stop.wait_for(|stop| *stop).await.is_ok();
        if !stopped {
            // No thread or no signal handling to be had: never is the safe answer.
            std::future::pending::<()>().await;
        }
    }
}

/// How long the listening thread may take to begin.
const BEGIN: Duration = Duration::from_secs(1);

/// Listens on a thread of its own, so that the application's runtime does not matter.
fn listen() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let (begun, begin) = mpsc::channel();
    let started = std::thread::Builder::new()
        .name("campanile-stop".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(watch_signals(&sender, &begun));
            }
        });
    if let Err(error) = started {
        eprintln!("campanile: cannot listen for signals: {error}");
    }
    // A signal that comes after this call is not missed.
    let _ = begin.recv_timeout(BEGIN);
    receiver
}

#[cfg(unix)]
async fn watch_signals(stop: &watch::Sender<bool>, begun: &mpsc::Sender<()>) {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        eprintln!("campanile: cannot listen for signals");
        return;
    };
    let _ = begun.send(());
    loop {
        let code = tokio::select! {
            _ = interrupt.recv() => 128 + 2,
            _ = terminate.recv() => 128 + 15,
        };
        if stop.send_replace(true) {
            campanile_logs::Sink::stderr().flush(crate::lifecycle::LAST_WORDS);
            std::process::exit(code);
        }
    }
}

#[cfg(not(unix))]
async fn watch_signals(stop: &watch::Sender<bool>, begun: &mpsc::Sender<()>) {
    let _ = begun.send(());
    while tokio::signal::ctrl_c().await.is_ok() {
        if stop.send_replace(true) {
            std::process::exit(130);
        }
    }
}
