CREATE TABLE rooms (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE messages (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id TEXT NOT NULL REFERENCES rooms (id),
    author  TEXT NOT NULL,
    text    TEXT NOT NULL,
    sent_at BIGINT NOT NULL
);

CREATE INDEX messages_by_room ON messages (room_id, id);

INSERT INTO rooms (id, name, created_at) VALUES
    ('general', 'general', 0),
    ('releases', 'releases', 1),
    ('on-call', 'on-call', 2),
    ('design', 'design', 3);
