// A server of node-opcua on a port of its own choosing: every policy and mode, users,
// a certificate for users, variables of every kind, counters that move, units,
// history. Its arguments are a directory for its certificates and, maybe, a limit
// of nodes in one request. It prints its port, and ends with its input.
"use strict";
const net = require("net");
const path = require("path");
const {
  OPCUAServer, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, UserTokenType,
  DataType, VariantArrayType, Variant, StatusCodes, standardUnits, makeEUInformation,
} = require("node-opcua");

const [root, limit, fixed] = process.argv.slice(2);

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.listen(0, "127.0.0.1", () => {
      const port = probe.address().port;
      probe.close(() => resolve(port));
    });
  });
}

async function main() {
  const port = Number(fixed) || await freePort();
  const manager = (name) => new OPCUACertificateManager({
    rootFolder: path.join(root, name), automaticallyAcceptUnknownCertificate: true, name,
  });
  const nodes = Number(limit) || 0;
  const limits = nodes === 0 ? {} : {
    maxNodesPerRead: nodes, maxNodesPerBrowse: nodes, maxNodesPerTranslateBrowsePathsToNodeIds: nodes,
    maxMonitoredItemsPerCall: nodes, maxNodesPerRegisterNodes: nodes, maxNodesPerHistoryReadData: nodes,
  };
  const server = new OPCUAServer({
    port, hostname: "127.0.0.1", resourcePath: "/plant",
    allowAnonymous: true,
    userManager: { isValidUser: (name, password) => name === "operator" && password === "interop-secret" },
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    serverCertificateManager: manager("server"), userCertificateManager: manager("user"),
    serverInfo: { applicationUri: "urn:interop:plant" },
    serverCapabilities: { operationLimits: limits, maxSessions: 100 },
    maxConnectionsPerEndpoint: 100,
  });
  await server.initialize();
  const space = server.engine.addressSpace, own = space.getOwnNamespace();
  const plant = own.addFolder("ObjectsFolder", { browseName: "Plant", nodeId: "s=Plant" });

  // Values of every type, which never change.
  const T = DataType;
  const fixedValues = {
    Boolean: [T.Boolean, true], SByte: [T.SByte, -128], Byte: [T.Byte, 255], Int16: [T.Int16, -32768], UInt16: [T.UInt16, 65535],
    Int32: [T.Int32, -2147483648], UInt32: [T.UInt32, 4294967295], Int64: [T.Int64, [0x80000000, 0]], UInt64: [T.UInt64, [0xffffffff, 0xffffffff]],
    Float: [T.Float, 1.5], Double: [T.Double, -1e300], String: [T.String, "Stromz\u00e4hler"],
    DateTime: [T.DateTime, new Date("2026-11-23T12:00:00.123Z")], NaN: [T.Double, NaN],
  };
  for (const [name, [dataType, value]] of Object.entries(fixedValues)) {
    own.addVariable({
      organizedBy: plant, browseName: name, nodeId: `s=Types.${name}`, dataType,
      value: new Variant({ dataType, arrayType: VariantArrayType.Scalar, value }),
    });
  }
  own.addVariable({
    organizedBy: plant, browseName: "Array", nodeId: "s=Types.Array", dataType: T.Double, valueRank: 1, arrayDimensions: [3],
    value: new Variant({ dataType: T.Double, arrayType: VariantArrayType.Array, value: Float64Array.from([1, 2.5, -3]) }),
  });

  // Counters that go up by one each 20 ms, so that what is lost or doubled shows.
  const counters = [];
  for (let i = 0; i < 20; i++) {
    counters.push(own.addVariable({
      organizedBy: plant, browseName: `Seq${i}`, nodeId: `s=Seq.${i}`, dataType: T.UInt32, minimumSamplingInterval: 0,
      value: new Variant({ dataType: T.UInt32, value: 0 }),
    }));
  }
  let count = 0;
  const tick = setInterval(() => {
    count++;
    for (const c of counters) c.setValueFromSource(new Variant({ dataType: T.UInt32, value: count }), StatusCodes.Good, new Date());
    if (count % 5 === 0) historian.setValueFromSource(new Variant({ dataType: T.UInt32, value: count }), StatusCodes.Good, new Date());
  }, 20);

  // Items with units.
  const analog = {
    P: [standardUnits.kilowatt, 12.5], E: [makeEUInformation("KWH", "kW\u00b7h", "kilowatt hour"), 4321.5], U: [standardUnits.volt, 230.25],
    I: [standardUnits.ampere, 54.5], f: [standardUnits.hertz, 50.02], T: [standardUnits.degree_celsius, 21.5],
  };
  for (const [name, [engineeringUnits, value]] of Object.entries(analog)) {
    own.addAnalogDataItem({
      organizedBy: plant, browseName: name, nodeId: `s=Analog.${name}`, dataType: T.Double,
      engineeringUnitsRange: { low: -1000, high: 10000 }, engineeringUnits,
      value: new Variant({ dataType: T.Double, value }),
    });
  }
  // Many of them, for a server with limits.
  const many = own.addFolder(plant, { browseName: "Many", nodeId: "s=Many" });
  for (let i = 0; i < (nodes ? 2000 : 0); i++) {
    own.addAnalogDataItem({
      organizedBy: many, browseName: `M${i}`, nodeId: `s=Many.${i}`, dataType: T.Double,
      engineeringUnitsRange: { low: 0, high: 10000 }, engineeringUnits: standardUnits.watt,
      value: new Variant({ dataType: T.Double, value: i }),
    });
  }

  const historian = own.addVariable({
    organizedBy: plant, browseName: "Historian", nodeId: "s=Historian", dataType: T.UInt32,
    value: new Variant({ dataType: T.UInt32, value: 0 }),
  });
  space.installHistoricalDataNode(historian, { maxOnlineValues: 5000 });

  await server.start();
  console.log(port);
  process.stdin.on("end", async () => {
    clearInterval(tick);
    process.exit(0);
  });
  process.stdin.resume();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
