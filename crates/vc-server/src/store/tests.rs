use std::time::Instant;

use sqlx::Connection;

use super::*;
use crate::words::{PersonName, RoomName, Text};

fn ines() -> PersonName {
    PersonName::new("Ines").unwrap()
}

async fn said(store: &Store, room: &str, text: &str) -> Message {
    let text = Text::new(text).unwrap();
    let message = store.add_message(room, &ines(), &text).await.unwrap();
    message.unwrap()
}

fn ids(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.id).collect()
}

#[tokio::test]
async fn a_fresh_database_has_rooms_and_no_messages() {
    let store = Store::temporary().await.unwrap();
    let rooms = store.rooms().await.unwrap();
    assert_eq!(rooms[0].id, "general");
    let messages = store.messages("general", Window::Newest, 10).await;
    assert_eq!(messages.unwrap(), []);
}

#[tokio::test]
async fn a_message_is_read_as_it_was_stored() {
    let store = Store::temporary().await.unwrap();
    let text = "'; DROP TABLE messages; --\n<script>alert(1)</script> \u{202e}";
    let stored = said(&store, "general", text).await;
    assert_eq!(stored.text, text);
    let read = store.message("general", stored.id).await.unwrap();
    assert_eq!(read, Some(stored));
}

#[tokio::test]
async fn a_message_for_no_room_is_not_stored() {
    let store = Store::temporary().await.unwrap();
    let text = Text::new("hello").unwrap();
    let stored = store.add_message("nowhere", &ines(), &text).await;
    assert_eq!(stored.unwrap(), None);
}

#[tokio::test]
async fn a_message_is_not_found_through_another_room() {
    let store = Store::temporary().await.unwrap();
    let stored = said(&store, "general", "hello").await;
    assert_eq!(store.message("design", stored.id).await.unwrap(), None);
}

#[tokio::test]
async fn windows_count_from_the_newest_before_or_after_an_id() {
    let store = Store::temporary().await.unwrap();
    for text in ["1", "2", "3", "4", "5"] {
        said(&store, "general", text).await;
        said(&store, "design", text).await;
    }
    let all = store.messages("general", Window::Newest, 9).await.unwrap();
    let all = ids(&all);
    assert_eq!(all.len(), 5);
    for (window, expected) in [
        (Window::Newest, &all[3..]),
        (Window::Before(all[3]), &all[1..3]),
        (Window::After(all[0]), &all[1..3]),
        (Window::After(all[4]), &[]),
    ] {
        let messages = store.messages("general", window, 2).await.unwrap();
        assert_eq!(ids(&messages), expected, "{window:?}");
    }
}

#[tokio::test]
async fn a_rooms_name_is_given_once() {
    let store = Store::temporary().await.unwrap();
    let name = RoomName::new("Fjord").unwrap();
    let room = store.open_room(&name).await.unwrap().unwrap();
    assert_eq!(store.room(&room.id).await.unwrap(), Some(room));
    let again = store.open_room(&name).await.unwrap();
    assert_eq!(again, Err(NotOpened::NameTaken));
}

#[tokio::test]
async fn a_file_keeps_what_was_said_and_a_temporary_database_goes() {
    let keeper = Store::temporary().await.unwrap();
    let folder = keeper.path().parent().unwrap().to_owned();
    let file = folder.join("kept.sqlite");
    let store = Store::open(&file).await.unwrap();
    let stored = said(&store, "general", "remember").await;
    store.close().await;

    let store = Store::open(&file).await.unwrap();
    assert_eq!(
        store.message("general", stored.id).await.unwrap(),
        Some(stored)
    );
    store.close().await;
    keeper.close().await;
    drop(keeper);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_writer_that_meets_a_lock_gives_up_as_busy_and_readers_go_on() {
    let store = Store::temporary().await.unwrap();
    let mut other = SqliteConnectOptions::new()
        .filename(store.path())
        .connect()
        .await
        .unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let began = Instant::now();
    let text = Text::new("hello").unwrap();
    let error = store
        .add_message("general", &ines(), &text)
        .await
        .unwrap_err();
    assert!(error.is_busy() && error.class() == "busy", "{error:?}");
    assert!(began.elapsed() >= PATIENCE);
    assert!(store.rooms().await.is_ok());
    lock.rollback().await.unwrap();
    said(&store, "general", "hello").await;
}

#[tokio::test]
async fn a_path_that_cannot_be_a_database_is_an_error() {
    let keeper = Store::temporary().await.unwrap();
    let folder = keeper.path().parent().unwrap();
    assert!(Store::open(folder).await.is_err());
    let text = folder.join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but long enough to be mistaken for one",
    )
    .unwrap();
    assert!(Store::open(&text).await.is_err());
}
