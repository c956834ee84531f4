//! The wish of the outside world that the process ends.

use std::sync::OnceLock;

use tokio::sync::watch;

/// Waits for the first SIGINT or SIGTERM. From the first call on, a second signal ends the
/// process at once, with the code that a shell expects.
pub(crate) async fn requested() {
    static STOP: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    let mut stop = STOP.get_or_init(listen).clone();
    let stopped = stop.wait_for(|stop| *stop).await.is_ok();
    if !stopped {
        // No thread or no signal handling to be had: never is the safe answer.
        std::future::pending::<()>().await;
    }
}

/// Listens on a thread of its own, so that the application's runtime does not matter.
fn listen() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let started = std::thread::Builder::new()
        .name("campanile-stop".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(watch_signals(&sender));
            }
        });
    if let Err(error) = started {
        eprintln!("campanile: cannot listen for signals: {error}");
    }
    receiver
}

#[cfg(unix)]
async fn watch_signals(stop: &watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        eprintln!("campanile: cannot listen for signals");
        return;
    };
    loop {
        let code = tokio::select! {
            _ = interrupt.recv() => 128 + 2,
            _ = terminate.recv() => 128 + 15,
        };
        if stop.send_replace(true) {
            std::process::exit(code);
        }
    }
}

#[cfg(not(unix))]
async fn watch_signals(stop: &watch::Sender<bool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if stop.send_replace(true) {
            std::process::exit(130);
        }
    }
}
