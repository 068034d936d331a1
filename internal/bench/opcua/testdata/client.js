// node-opcua's client, as the others: its arguments are what to do, the server's URL, the
// number of variables, and for how many milliseconds. It prints what it took as JSON.
"use strict";
const {
  OPCUAClient, MessageSecurityMode, SecurityPolicy, ClientSubscription, ClientMonitoredItemGroup,
  AttributeIds, TimestampsToReturn,
} = require("node-opcua");

const [what, endpoint, variables, each] = process.argv.slice(2);
const identifier = (i) => `ns=2;i=${1000 + i}`;
const warm = 1000;

const u = { Values: 0, Wall: 0, CPU: 0, Each: [] };
let first = 0, start = 0, cpu = null;

// add notes values, and says whether there are enough.
function add(values) {
  const now = performance.now();
  if (first === 0) {
    first = now;
  } else if (start === 0) {
    if (now - first >= warm) {
      start = now;
      cpu = process.cpuUsage();
    }
  } else {
    u.Values += values;
    if (now - start >= Number(each)) {
      const used = process.cpuUsage(cpu);
      u.Wall = (now - start) / 1e3;
      u.CPU = (used.user + used.system) / 1e6;
      console.log(JSON.stringify(u));
      process.exit(0);
    }
  }
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function main() {
  const client = OPCUAClient.create({
    securityMode: MessageSecurityMode.None, securityPolicy: SecurityPolicy.None, endpointMustExist: false,
  });
  await client.connect(endpoint);
  const session = await client.createSession();
  if (what === "read") {
    const nodes = [];
    for (let i = 0; i < 1000; i++) nodes.push({ nodeId: identifier(i), attributeId: AttributeIds.Value });
    for (;;) {
      const sent = performance.now();
      for (const v of await session.read(nodes)) {
        if (typeof v.value.value !== "number") fail(v.toString());
      }
      if (start > 0) u.Each.push((performance.now() - sent) / 1e3);
      add(nodes.length);
    }
  }
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 100, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 0,
  });
  const items = [];
  for (let i = 0; i < Number(variables); i++) items.push({ nodeId: identifier(i), attributeId: AttributeIds.Value });
  let count = 0;
  const group = await subscription.monitorItems(items, { samplingInterval: 10, queueSize: 20, discardOldest: true }, TimestampsToReturn.Both);
  group.on("changed", (item, v) => {
    if (typeof v.value.value !== "number" || !v.statusCode.isGood()) fail(v.toString());
    if (++count === 100) {
      count = 0;
      add(100);
    }
  });
}

main().catch(fail);
