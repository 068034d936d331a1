// Reads the file named on the command line by its index, with every checksum, and
// prints what is in it as JSON: each message with its log time, sequence and the
// SHA-256 of its data, the chunk index, and the metadata.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";

const { McapIndexedReader, McapStreamReader } = createRequire(import.meta.url)("@mcap/core");

const file = await open(process.argv[2]);
const { size } = await file.stat();
const readable = {
  size: async () => BigInt(size),
  read: async (offset, length) => {
    const buffer = new Uint8Array(Number(length));
    let have = 0;
    while (have < buffer.length) {
      const { bytesRead } = await file.read(buffer, have, buffer.length - have, Number(offset) + have);
      if (bytesRead === 0) throw new Error("the file ends early");
      have += bytesRead;
    }
    return buffer;
  },
};
const digest = (data) => createHash("sha256").update(data).digest("hex");

const reader = await McapIndexedReader.Initialize({ readable });
const messages = [];
for await (const m of reader.readMessages({ validateCrcs: true })) {
  messages.push({ logTime: String(m.logTime), sequence: m.sequence, channel: reader.channelsById.get(m.channelId).topic, sha256: digest(m.data) });
}
const metadata = [];
for await (const m of reader.readMetadata()) {
  metadata.push({ name: m.name, entries: m.metadata.size });
}

// The same once more without the index, record by record.
const stream = new McapStreamReader({ validateCrcs: true });
stream.append(await readable.read(0n, BigInt(size)));
let streamed = 0;
for (let record; (record = stream.nextRecord()); ) {
  if (record.type === "Message") streamed++;
}
if (!stream.done()) throw new Error("the file does not end with its footer");
await file.close();

console.log(JSON.stringify({
  library: reader.header.library,
  messages,
  metadata,
  streamed,
  chunks: reader.chunkIndexes.map((c) => ({ start: String(c.messageStartTime), end: String(c.messageEndTime), offset: String(c.chunkStartOffset), length: String(c.chunkLength) })),
  messageCount: String(reader.statistics.messageCount),
}));
