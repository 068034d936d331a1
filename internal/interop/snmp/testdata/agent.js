// An agent of npm's net-snmp on a port of its own choosing, with a user for every
// pair of protocols, "<auth>-<priv>", and one scalar of every type. It prints its
// port, and ends with its input.
"use strict";
const dgram = require("dgram");
const snmp = require("net-snmp");

const AUTH = "authentication", PRIV = "encryption";

// createAgent does not tell a port that the system chose: choose one for it.
const probe = dgram.createSocket("udp4");
probe.bind(0, "127.0.0.1", () => {
  const port = probe.address().port;
  probe.close(() => serve(port));
});

function serve(port) {
  const agent = snmp.createAgent({
    port, address: "127.0.0.1", accessControlModelType: snmp.AccessControlModelType.None,
  }, (error) => { if (error) console.error(error.message); });
  const authorizer = agent.getAuthorizer();
  authorizer.addCommunity("public");
  authorizer.addUser({ name: "none-none", level: snmp.SecurityLevel.noAuthNoPriv });
  for (const auth of ["md5", "sha", "sha224", "sha256", "sha384", "sha512"]) {
    authorizer.addUser({
      name: `${auth}-none`, level: snmp.SecurityLevel.authNoPriv,
      authProtocol: snmp.AuthProtocols[auth], authKey: AUTH,
    });
    for (const priv of ["des", "aes", "aes256b", "aes256r"]) {
      authorizer.addUser({
        name: `${auth}-${priv}`, level: snmp.SecurityLevel.authPriv,
        authProtocol: snmp.AuthProtocols[auth], authKey: AUTH,
        privProtocol: snmp.PrivProtocols[priv], privKey: PRIV,
      });
    }
  }
  const T = snmp.ObjectType;
  const scalars = [
    ["1.3.6.1.2.1.1.1", T.OctetString, "an agent on Node"],
    ["1.3.6.1.4.1.8072.9999.1", T.Integer, -2147483648],
    ["1.3.6.1.4.1.8072.9999.2", T.Counter, 4294967295],
    ["1.3.6.1.4.1.8072.9999.3", T.Gauge, 2147483648],
    ["1.3.6.1.4.1.8072.9999.4", T.TimeTicks, 4294967295],
    ["1.3.6.1.4.1.8072.9999.5", T.OctetString, "Stromz\u00e4hler"],
    ["1.3.6.1.4.1.8072.9999.6", T.OID, "1.3.6.1.4.1.4294967295.0"],
    ["1.3.6.1.4.1.8072.9999.7", T.IpAddress, "192.0.2.255"],
    ["1.3.6.1.4.1.8072.9999.8", T.Counter64, Buffer.from("ffffffffffffffff", "hex")],
  ];
  for (const [oid, scalarType, value] of scalars) {
    agent.registerProvider({ name: oid, type: snmp.MibProviderType.Scalar, oid, scalarType, maxAccess: snmp.MaxAccess["read-only"] });
    agent.getMib().setScalarValue(oid, value);
  }
  console.log(port);
}

process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
