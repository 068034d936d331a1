// A server of node-opcua for the tests of faults. What it serves follows from the
// clock, whatever happens to the process: a counter is the number of steps since an
// epoch, and each of its values has the time of its step. So what a client lost,
// and what it was told twice, shows. Its arguments are a directory for its
// certificates, a port (0: of its own choosing), and the plant as JSON:
//
//   epoch    milliseconds since 1970
//   step     milliseconds from one value of a counter to the next
//   counters how many counters Seq.N, and as many Hist.N, which have a history
//            that reaches back before the process
//   load     how many variables Load.N, each with a new value in every second
//   without  nodes that are not there
//
// It prints {} when it has loaded what it needs, and then an answer of one line to each
// line that it is given:
//
//   serve          begins to serve; the answer is its port
//   sessions NAME  how many sessions of that name there are, with their subscriptions
//   expire NAME    ends these sessions as if they had timed out
//   close NAME     ends these sessions with their subscriptions
//   drop NAME      ends their subscriptions
//   hang MS        does nothing for so many milliseconds, like a process that is stopped
//   stop           shuts down in order
//
// It ends with its input.
"use strict";
const net = require("net");
const os = require("os");
const path = require("path");
const readline = require("readline");
const { once } = require("events");
// Loading waits for what another process serves meanwhile, where the way back from a
// lower priority is open.
const priority = os.getPriority(), may = process.getuid?.() === 0;
if (may) os.setPriority(Math.min(priority + 10, 19));

const {
  OPCUAServer, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy,
  DataType, DataValue, Variant, StatusCodes,
} = require("node-opcua");

const [root, fixed, text] = process.argv.slice(2);
const { epoch, step, counters, load, without } = JSON.parse(text);
const reach = 150_000; // milliseconds of history before the process

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
  const server = new OPCUAServer({
    port, hostname: "127.0.0.1", resourcePath: "/plant", allowAnonymous: true,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    serverCertificateManager: manager("server"), userCertificateManager: manager("user"),
    serverInfo: { applicationUri: "urn:interop:plant" },
    serverCapabilities: { maxSessions: 100, minSupportedSampleRate: 0 }, // each change is told
    maxConnectionsPerEndpoint: 200,
  });
  await server.initialize();
  const own = server.engine.addressSpace.getOwnNamespace();
  const plant = own.addFolder("ObjectsFolder", { browseName: "Plant", nodeId: "s=Plant" });
  const variable = (name, dataType) => without.includes(name) ? [] : [own.addVariable({
    organizedBy: plant, browseName: name, nodeId: `s=${name}`, dataType, minimumSamplingInterval: 0,
    value: new Variant({ dataType, value: 0 }),
  })];

  const value = (n) => new DataValue({
    value: { dataType: DataType.UInt32, value: n }, statusCode: StatusCodes.Good,
    sourceTimestamp: new Date(epoch + n * step), serverTimestamp: new Date(),
  });
  const now = () => Math.floor((Date.now() - epoch) / step);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("close", () => process.exit(0));
  console.log("{}");
  const [first] = await once(lines, "line");
  if (first !== "serve") throw new Error(first);
  if (may) os.setPriority(priority);

  const series = [], constant = variable("Constant", DataType.UInt32);
  for (const c of constant) c.setValueFromSource(new Variant({ dataType: DataType.UInt32, value: 4711 }), StatusCodes.Good, new Date(epoch));
  let written = now();
  for (let i = 0; i < counters; i++) {
    series.push(...variable(`Seq.${i}`, DataType.UInt32));
    for (const c of variable(`Hist.${i}`, DataType.UInt32)) {
      c.setValueFromSource(new Variant({ dataType: DataType.UInt32, value: 0 }), StatusCodes.Good, new Date(epoch));
      server.engine.addressSpace.installHistoricalDataNode(c, { maxOnlineValues: 30_000 });
      for (let n = Math.max(1, written - Math.floor(reach / step)); n <= written; n++) c.varHistorian.push(value(n));
      series.push(c);
    }
  }
  const loaded = [];
  for (let i = 0; i < load; i++) loaded.push(...variable(`Load.${i}`, DataType.Double));

  await server.start();
  const tick = setInterval(() => {
    const until = now();
    while (written < until) {
      written++;
      for (const c of series) c.setValueFromSource({ dataType: DataType.UInt32, value: written }, StatusCodes.Good, new Date(epoch + written * step));
    }
  }, step);
  const slices = 20;
  let slice = 0;
  const push = setInterval(() => {
    const at = new Date();
    for (let i = slice; i < loaded.length; i += slices) loaded[i].setValueFromSource({ dataType: DataType.Double, value: at.getTime() / 1000 }, StatusCodes.Good, at);
    slice = (slice + 1) % slices;
  }, 1000 / slices);

  console.log(port);
  const engine = server.engine;
  const of = (name) => engine.getSessions().filter((s) => s.sessionName === name);
  const answers = {
    sessions: (name) => ({ sessions: of(name).length, subscriptions: of(name).reduce((n, s) => n + s.currentSubscriptionCount, 0) }),
    expire: (name) => of(name).forEach((s) => engine.closeSession(s.authenticationToken, false, "Timeout")),
    close: (name) => of(name).forEach((s) => engine.closeSession(s.authenticationToken, true, "Terminated")),
    drop: (name) => of(name).forEach((s) => s.publishEngine.subscriptions.slice().forEach((x) => s.deleteSubscription(x.id))),
    hang: (ms) => setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms))),
    stop: async () => {
      clearInterval(tick);
      clearInterval(push);
      await server.shutdown(0);
    },
  };
  lines.on("line", async (line) => {
    const [what, name] = line.split(" ");
    const answer = await answers[what](name);
    console.log(JSON.stringify(answer?.sessions === undefined ? {} : answer));
    if (what === "stop") process.exit(0);
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
