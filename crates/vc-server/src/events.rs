//! Every event that this server tells, said once: name, domain, level, fields.

use campanile::semconv::attribute;

campanile::events! {
    /// All of them; `docs/signals.md` lists them.
    pub const EVENTS;

    /// The server listens.
    pub(crate) event ServerStarted: "chat.server.started" in "server" at INFO {}

    /// The server stops, as it was asked to.
    pub(crate) event ServerStopped: "chat.server.stopped" in "server" at INFO {}

    /// Requests were still under way when the server stopped, and were ended.
    pub(crate) event RequestsCut: "chat.requests.cut" in "server" at WARN {}

    /// An audit record was not taken everywhere.
    pub(crate) event AuditLost: "chat.audit.lost" in "server" at ERROR {
        error: String = attribute::EXCEPTION_MESSAGE,
    }

    /// A room was opened.
    pub(crate) event RoomOpened<'a>: "chat.room.created" in "chat" at INFO {
        room: &'a str = attribute::CHAT_ROOM_ID,
    }

    /// A message was stored and handed to the live connections.
    pub(crate) event MessageStored<'a>: "chat.message.stored" in "chat" at INFO {
        room: &'a str = attribute::CHAT_ROOM_ID,
        recipients: i64 = attribute::CHAT_RECIPIENT_COUNT,
    }

    /// The database did not do what was asked.
    pub(crate) event StoreFailed: "chat.store.failed" in "chat" at ERROR {
        class: &'static str = attribute::ERROR_TYPE,
    }

    /// A request asked for something to go wrong (`--fault-routes`), and it did, in a task of its
    /// own.
    pub(crate) event FaultTask: "chat.fault.task" in "fault" at ERROR {}

    /// How a live connection came about.
    pub(crate) outcome Arrival { Admitted = "admitted", Refused = "refused" }

    /// Someone came, or was turned away.
    pub(crate) event LiveArrival: "chat.live.arrival" in "ws" at DEBUG -> Arrival {}
}
