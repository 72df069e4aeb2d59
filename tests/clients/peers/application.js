// Node's server with the application of the differential test: what it has seen is in X-Seen.
"use strict";

const http = require("node:http");

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const content = Buffer.concat(pieces).toString("hex");
    response.setHeader("X-Seen", `${request.method} ${request.url} ${content}`);
    response.end("seen");
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
