//! Listing rooms, opening one.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use campanile::audit::{Entry, Outcome};
use serde::{Deserialize, Serialize};

use super::Problem;
use super::body::{Body, Named};
use crate::answerable::Answerable;
use crate::events::RoomOpened;
use crate::hub::Hub;
use crate::store::{Room, Store};
use crate::words::RoomName;

/// A room, and how many look at it now.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    room: Room,
    here: usize,
}

impl Listed {
    fn new(room: Room, hub: &Hub) -> Self {
        Self {
            here: hub.here(&room.id),
            room,
        }
    }
}

/// Every room.
#[derive(Debug, Serialize)]
pub(crate) struct Rooms {
    rooms: Vec<Listed>,
}

/// A room to open.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    name: String,
}

/// Lists every room.
pub(crate) async fn list(
    State(store): State<Store>,
    State(hub): State<Hub>,
) -> Result<Json<Rooms>, Problem> {
    let rooms = store.rooms().await?;
    let rooms = rooms.into_iter().map(|room| Listed::new(room, &hub));
    Ok(Json(Rooms {
        rooms: rooms.collect(),
    }))
}

/// Returns one room.
pub(crate) async fn one(
    State(store): State<Store>,
    State(hub): State<Hub>,
    Named(id): Named<String>,
) -> Result<Json<Listed>, Problem> {
    let room = store.room(&id).await?;
    let room = room.ok_or_else(|| Problem::not_found("room"))?;
    Ok(Json(Listed::new(room, &hub)))
}

/// Opens a room.
pub(crate) async fn open(
    State(store): State<Store>,
    State(hub): State<Hub>,
    State(answerable): State<Answerable>,
    Body(wanted): Body<Wanted>,
) -> Result<impl IntoResponse, Problem> {
    let room = store.open_room(&RoomName::new(&wanted.name)?).await??;
    hub.add_room(&room);
    RoomOpened { room: &room.id }.emit("room opened");
    answerable.record(Entry::new("room.open", Outcome::Done).target(format!("room {}", room.id)));
    let address = [(header::LOCATION, format!("/rooms/{}", room.id))];
    Ok((StatusCode::CREATED, address, Json(Listed::new(room, &hub))))
}
