"use strict";

// A server on the npm package modbus-serial, for tests.
//
//     modbus_serial_server.js tcp PORT
//
// Arguments, standard input and output as of libmodbus_server.c. The package
// asks for each bit and register alone.

const ServerTCP = require("modbus-serial/servers/servertcp");
const image = require("./image.js");

image.read(function (units) {
  // at answers from one table, and refuses as the library lets a server refuse.
  const at = (table) => function (address, unit) {
    if (!(unit in units)) throw { modbusErrorCode: 0x0b };
    const cells = units[unit][table];
    if (address >= cells.length) throw { modbusErrorCode: 0x02 };
    return cells[address];
  };
  const server = new ServerTCP(
    {
      getCoil: at("coils"),
      getDiscreteInput: at("discrete"),
      getHoldingRegister: at("holding"),
      getInputRegister: at("input"),
      readDeviceIdentification: () => image.identity,
    },
    // As text, since the package takes a port that is 0 for none.
    { host: "127.0.0.1", port: process.argv[3], unitID: 255 },
  );
  server.on("socketError", function () {}); // a client that is gone
  server.on("initialized", function () {
    console.log(server._server.address().port);
  });
});
