"use strict";

// read calls serve with {unit: {table: [value, ...]}} when standard input has
// given the image, in the form that libmodbus_server.c describes, and ends the
// process at the end of the input.
exports.read = function (serve) {
  const units = {};
  let text = "";
  let serving = false;
  process.stdin.setEncoding("latin1");
  process.stdin.on("data", function (part) {
    if (serving) return;
    text += part;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      if (line === "serve") {
        serving = true;
        serve(units);
        return;
      }
      const [unit, table, address, ...values] = line.split(" ");
      units[unit] ??= { coils: [], discrete: [], holding: [], input: [] };
      const cells = units[unit][table];
      for (let i = cells.length; i < Number(address); i++) cells[i] = 0;
      values.forEach(function (value, i) {
        cells[Number(address) + i] = Number(value);
      });
    }
  });
  process.stdin.on("end", function () {
    if (!serving) throw new Error("image ends without serve");
    process.exit(0);
  });
};

// identity is what the servers say they are.
exports.identity = {
  0x00: "Fieldtap Works",
  0x01: "FT-1000",
  0x02: "1.2.3",
  0x03: "https://example.com/",
  0x04: "Line meter",
  0x05: "M1",
  0x06: "Pump house",
  0x80: "private",
};
