// An independent server: echoes on a free port, which it prints. Argument: node_modules.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.argv[2] + "/")("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket, request) => {
  console.log("traceparent", request.headers.traceparent);
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
