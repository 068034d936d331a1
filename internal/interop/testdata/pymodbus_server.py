"""A Modbus/TCP server on pymodbus 3, for tests.

    pymodbus_server.py PORT

It reads the same image from standard input as libmodbus_server.c: lines of
"UNIT TABLE ADDRESS VALUE...", closed by a line "serve". It then listens on
127.0.0.1, where PORT 0 lets the system choose, prints the port, and serves
until standard input ends.
"""

import asyncio
import logging
import os
import sys

from pymodbus.datastore import (
    ModbusSequentialDataBlock,
    ModbusServerContext,
    ModbusSlaveContext,
)
from pymodbus.server.async_io import ModbusTcpServer

# The names that ModbusSlaveContext has for the tables.
TABLES = {"coils": "co", "discrete": "di", "holding": "hr", "input": "ir"}


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


async def announce(server):
    """Print the port as soon as there is one."""
    await server.serving
    print(server.server.sockets[0].getsockname()[1], flush=True)


async def main():
    """Serve until standard input ends."""
    logging.disable(logging.CRITICAL)
    units = read_image(iter(sys.stdin.readline, ""))
    context = ModbusServerContext(
        slaves={unit: slave(tables) for unit, tables in units.items()}, single=False
    )
    server = ModbusTcpServer(
        context, address=("127.0.0.1", int(sys.argv[1])), allow_reuse_address=True
    )
    serving = asyncio.ensure_future(server.serve_forever())
    announcing = asyncio.ensure_future(announce(server))
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def consume():
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ended.set_result(None)

    loop.add_reader(0, consume)
    # Whatever comes first: the end of the input, or a server that cannot listen.
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    if serving.done():
        serving.result()
    serving.cancel()


asyncio.run(main())
