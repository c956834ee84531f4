//! A handful of simulated people, so that a fresh server has something to show.
//!
//! They are clients like any other: HTTP requests and WebSockets over loopback. Nothing in the
//! server knows of them. What goes wrong is real as well: a [backup] that holds the
//! database's lock too long, a bad line, a mistyped address.

mod backup;
mod client;
mod lines;
mod person;

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::client::Client;
use self::person::Person;

/// The people of a running demo.
pub(crate) struct People(JoinSet<()>);

/// Lets people come to the server at `url`, whose database is at `path`, until `stop` is true.
pub(crate) fn start(url: &str, path: &Path, stop: watch::Receiver<bool>) -> People {
    let client = Client::new(url);
    let mut tasks = JoinSet::new();
    for name in lines::PEOPLE {
        let person = Person::new(name, client.clone());
        tasks.spawn(person.live(stop.clone()));
    }
    tasks.spawn(backup::run(path.to_owned(), stop));
    People(tasks)
}

impl People {
    /// Waits until everyone has gone; who takes longer is sent away.
    pub(crate) async fn leave(mut self, patience: Duration) {
        let gone = async { while self.0.join_next().await.is_some() {} };
        if timeout(patience, gone).await.is_err() {
            self.0.shutdown().await;
        }
    }
}

/// Runs `work` until it is done or the demo stops.
async fn until_stopped(stop: &mut watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        // An error means that the server is gone.
        _ = stop.wait_for(|stop| *stop) => {}
        () = work => {}
    }
}

/// Waits for a moment between `least` and `most` seconds.
async fn pause(least: f64, most: f64) {
    let seconds = least + (most - least) * fastrand::f64();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
