"""A Modbus server on pymodbus 3, for tests.

    pymodbus_server.py tcp|udp|rtu-over-tcp|ascii-over-tcp PORT
    pymodbus_server.py rtu|ascii DEVICE
    pymodbus_server.py tls|tls1.1 PORT DIRECTORY [ROLE]

It reads the same image from standard input as libmodbus_server.c: lines of
"UNIT TABLE ADDRESS VALUE...", closed by a line "serve". It then listens on
127.0.0.1, where PORT 0 lets the system choose, or on a serial line, prints the
port, 0 for a serial line, and serves until standard input ends.

DIRECTORY holds server.pem with the certificate and key of the server, and
ca.pem with the authority that clients must have theirs from. With a ROLE,
clients whose certificate does not name it get exception 1, as Modbus/TCP Security
asks. tls1.1 speaks nothing newer.
"""

import asyncio
import logging
import os
import ssl
import sys

from pymodbus.datastore import (
    ModbusSequentialDataBlock,
    ModbusServerContext,
    ModbusSlaveContext,
)
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.pdu import ModbusExceptions
from pymodbus.server.async_io import (
    ModbusConnectedRequestHandler,
    ModbusSerialServer,
    ModbusTcpServer,
    ModbusTlsServer,
    ModbusUdpServer,
)
from pymodbus.transaction import ModbusAsciiFramer, ModbusRtuFramer, ModbusSocketFramer

# The names that ModbusSlaveContext has for the tables.
TABLES = {"coils": "co", "discrete": "di", "holding": "hr", "input": "ir"}

FRAMERS = {"rtu": ModbusRtuFramer, "ascii": ModbusAsciiFramer}

# What the server says it is, as the servers on Node do.
IDENTITY = ModbusDeviceIdentification(
    info={
        0x00: "Fieldtap Works",
        0x01: "FT-1000",
        0x02: "1.2.3",
        0x03: "https://example.com/",
        0x04: "Line meter",
        0x05: "M1",
        0x06: "Pump house",
        0x80: "private",
    }
)

# The object identifier 1.3.6.1.4.1.50316.802.1 as it stands in a certificate.
ROLE_OID = bytes.fromhex("060b2b0601040183890c862201")


def read_image(lines):
    """Return {unit: {table: [value, ...]}}, each list reaching from address 0."""
    units = {}
    for line in lines:
        words = line.split()
        if words == ["serve"]:
            return units
        unit, table, address = int(words[0]), TABLES[words[1]], int(words[2])
        values = [int(word) for word in words[3:]]
        cells = units.setdefault(unit, {}).setdefault(table, [])
        end = address + len(values)
        cells.extend([0] * (end - len(cells)))
        cells[address:end] = values
    raise ValueError("image ends without serve")


def slave(tables):
    """Return the data store of one unit."""
    blocks = {}
    for name in TABLES.values():
        cells = tables.get(name, [])
        if name in ("co", "di"):
            cells = [cell != 0 for cell in cells]
        # The library wants at least one cell. Where a table is to be empty, it
        # lies at an address that no request can reach.
        blocks[name] = ModbusSequentialDataBlock(0, cells) if cells else ModbusSequentialDataBlock(1 << 17, [0])
    return ModbusSlaveContext(zero_mode=True, **blocks)


def security(version, directory):
    """Return the SSL context of a server that asks clients for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.pem"))
    context.load_verify_locations(os.path.join(directory, "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if version == "tls1.1":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def handler_for(role):
    """Return a handler of connections that serves one role only."""

    class Handler(ModbusConnectedRequestHandler):
        """Refuses the requests of others."""

        def execute(self, request, *addr):
            """Answer one request."""
            peer = self.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            _, _, extension = peer.partition(ROLE_OID)
            # An octet string with an UTF8String in it.
            text = extension[4 : 4 + extension[3]] if extension[:1] == b"\x04" else b""
            if text == role.encode():
                super().execute(request, *addr)
                return
            response = request.doException(ModbusExceptions.IllegalFunction)
            response.transaction_id = request.transaction_id
            response.unit_id = request.unit_id
            self.send(response, *addr)

    return Handler


async def start(context, transport, endpoint, *more):
    """Return the serving task and the port."""
    framing, _, lower = transport.partition("-over-")
    if framing in FRAMERS and not lower:
        server = ModbusSerialServer(
            context, FRAMERS[framing], IDENTITY, port=endpoint, baudrate=115200, parity="N"
        )
        await server.start()
        return asyncio.ensure_future(server.serve_forever()), 0
    address = ("127.0.0.1", int(endpoint))
    if transport == "udp":
        server = ModbusUdpServer(context, ModbusSocketFramer, IDENTITY, address)
    elif transport.startswith("tls"):
        directory, *role = more
        # The framer that pymodbus would take by default leaves out the header.
        server = ModbusTlsServer(
            context, ModbusSocketFramer, IDENTITY, address,
            sslctx=security(transport, directory),
            handler=handler_for(*role) if role else None,
            allow_reuse_address=True,
        )
    else:
        framer = FRAMERS[framing] if lower else ModbusSocketFramer
        server = ModbusTcpServer(context, framer, IDENTITY, address, allow_reuse_address=True)
    serving = asyncio.ensure_future(server.serve_forever())
    await asyncio.wait({serving, server.serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()  # which is why it cannot listen
    bound = server.protocol.get_extra_info("socket") if transport == "udp" else server.server.sockets[0]
    return serving, bound.getsockname()[1]


async def main():
    """Serve until standard input ends."""
    logging.disable(logging.CRITICAL)
    units = read_image(iter(sys.stdin.readline, ""))
    context = ModbusServerContext(
        slaves={unit: slave(tables) for unit, tables in units.items()}, single=False
    )
    serving, port = await start(context, *sys.argv[1:])
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def consume():
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ended.set_result(None)

    loop.add_reader(0, consume)
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    serving.cancel()


asyncio.run(main())
