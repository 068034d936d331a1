"use strict";

// A server on the npm package jsmodbus, for tests.
//
//     jsmodbus_server.js tcp PORT
//
// Arguments, standard input and output as of libmodbus_server.c. The package
// keeps one image, whatever the unit, and answers of several requests that
// come together the last one first. What lies past the end of a table it leaves
// out of an answer.

const net = require("net");
const jsmodbus = require("jsmodbus");
const image = require("./image.js");

// registers and bits give the buffers that the package serves from.
function registers(cells) {
  const buffer = Buffer.alloc(2 * cells.length);
  cells.forEach((cell, i) => buffer.writeUInt16BE(cell, 2 * i));
  return buffer;
}

function bits(cells) {
  const buffer = Buffer.alloc(Math.ceil(cells.length / 8));
  cells.forEach((cell, i) => (buffer[i >> 3] |= (cell === 0 ? 0 : 1) << (i & 7)));
  return buffer;
}

// objects are the objects of the identity that a request asks for (V1.1b3,
// section 6.21).
function objects(request) {
  const { readDeviceIdCode: code, objectId } = request.body;
  const last = [0x02, 0x06, 0xff][code - 1];
  return Object.entries(image.identity)
    .map(([id, text]) => ({ id: Number(id), value: Buffer.from(text) }))
    .filter(({ id }) => (last === undefined ? id === objectId : id >= objectId && id <= last));
}

image.read(function (units) {
  const [tables] = Object.values(units);
  const listener = net.createServer();
  const server = new jsmodbus.server.TCP(listener, {
    coils: bits(tables.coils),
    discrete: bits(tables.discrete),
    holding: registers(tables.holding),
    input: registers(tables.input),
  });
  server.on("readDeviceIdentification", function (request, write) {
    const body = new jsmodbus.responses.ReadDeviceIdentificationResponseBody(
      request.body.readDeviceIdCode, 0x83, 0x00, 0x00, objects(request));
    write(jsmodbus.ModbusTCPResponse.fromRequest(request, body).createPayload());
  });
  listener.on("connection", function (socket) {
    socket.on("error", function () {}); // a client that is gone
  });
  listener.listen(Number(process.argv[3]), "127.0.0.1", function () {
    console.log(listener.address().port);
  });
});
