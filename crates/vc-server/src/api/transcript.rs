//! A whole conversation as plain text, streamed as it is read.

use std::fmt::Write;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use futures_util::stream::try_unfold;

use super::Problem;
use super::body::Named;
use crate::store::{Message, Store, StoreError, Window};

/// How many messages are read at a time.
const PAGE: u32 = 100;

/// Streams every message of a room, the oldest first, one paragraph each.
pub(crate) async fn transcript(
    State(store): State<Store>,
    Named(room): Named<String>,
) -> Result<impl IntoResponse, Problem> {
    let room = store.room(&room).await?;
    let room = room.ok_or_else(|| Problem::not_found("room"))?.id;
    let pages = try_unfold(0, move |after| {
        let (store, room) = (store.clone(), room.clone());
        async move {
            let page = store.messages(&room, Window::After(after), PAGE).await?;
            let last = page.last().map(|message| message.id);
            Ok::<_, StoreError>(last.map(|last| (paragraphs(&page), last)))
        }
    });
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, Body::from_stream(pages)))
}

fn paragraphs(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        // Writing into a string cannot fail.
        let _ = write!(text, "{}\n{}\n\n", message.author, message.text);
    }
    text
}
