//! Routes that go wrong when asked (`--fault-routes`), so that one can see what is told of it.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use crate::api::Problem;
use crate::app::App;
use crate::events::FaultTask;

/// How long the slow one takes: longer than what the access event calls slow.
const DAWDLE: Duration = Duration::from_millis(1_100);

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/faults/panic", get(panics))
        .route("/faults/error", get(fails))
        .route("/faults/slow", get(dawdles))
        .route("/faults/task", get(leaves_a_task))
}

async fn panics() -> StatusCode {
    panic!("this request was asked to panic");
}

async fn fails() -> Problem {
    let detail = "this request was asked to fail: leave --fault-routes away";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
}

async fn dawdles() -> StatusCode {
    tokio::time::sleep(DAWDLE).await;
    StatusCode::NO_CONTENT
}

/// Answers at once; its task goes on, and panics.
async fn leaves_a_task() -> StatusCode {
    campanile::spawn(async {
        tokio::task::yield_now().await;
        FaultTask {}.emit("a task was asked to fail");
        panic!("this task was asked to panic");
    });
    StatusCode::ACCEPTED
}
