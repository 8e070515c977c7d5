"""A TCP proxy in front of the tests' PostgreSQL, with the faults of a network, of a frozen server, and of PgBouncer."""

from __future__ import annotations

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from urllib.parse import parse_qs, urlsplit

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102  # codes in place of a protocol version
_PGBOUNCERS = {"user", "database", "client_encoding", "application_name", "datestyle", "timezone", "standard_conforming_strings"}
_CLOSED = (ConnectionError, asyncio.IncompleteReadError)


class Lost(Enum):
    """Where the next COMMIT is lost. The client's connection is cut; the server has not noticed."""

    BEFORE = auto()  # it never reaches the server, whose session stays in its transaction
    AFTER = auto()  # only the server's answer is lost


class PostgresProxy:
    """Its faults can be changed at any time."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._socket = f"{parse_qs(address.query)['host'][0]}/.s.PGSQL.5432"
        self._database = address.path
        self._port = 0
        self._listener: asyncio.Server | None = None
        self._flows = asyncio.Event()  # cleared while nothing is passed on, in either direction
        self._flows.set()
        self._clients: set[StreamWriter] = set()
        self._stranded: set[StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_commit: Lost | None = None
        self._awaited: tuple[bytes, Lost] | None = None
        self.refuses_parameters = False  # as PgBouncer does, unless it is told to ignore them
        self.accepts = True  # otherwise new connections are cut at once

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}{self._database}"

    @property
    def is_listening(self) -> bool:
        return self._listener is not None and self._listener.is_serving()

    async def listen(self) -> None:
        """Accept connections, at the same port as before."""
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """As if the server were stopped: cut all connections, and refuse new ones until `listen`."""
        assert self._listener is not None
        self._listener.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Cut all connections."""
        for client in self._clients:
            client.transport.abort()

    def lose_commit_of(self, sql: bytes, lost: Lost) -> None:
        """Lose the first COMMIT of a transaction with this SQL, and accept no connections from then on."""
        self._awaited = (sql, lost)

    def strand(self) -> None:
        """Cut the clients' connections; the server does not notice, so its sessions go on."""
        self._stranded |= self._clients
        self.cut()

    def freeze(self) -> None:
        """Accept connections and requests, and pass nothing on."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on everything that came meanwhile, also what clients sent that are gone."""
        self._flows.set()

    async def close(self) -> None:
        self.thaw()
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: StreamReader, client: StreamWriter) -> None:
        self._clients.add(client)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(*_CLOSED, asyncio.CancelledError):  # streams log a cancelled task as an error
                await self._serve(reader, client)
        finally:
            client.transport.abort()
            self._clients.discard(client)
            self._tasks.discard(task)

    async def _serve(self, reader: StreamReader, client: StreamWriter) -> None:
        if not self.accepts:
            return
        start, code = await _start_of(reader, client)
        await self._flows.wait()
        if self.refuses_parameters and code != _CANCEL and (unknown := _parameters(start) - _PGBOUNCERS):
            client.write(_error("08P01", f"unsupported startup parameter: {min(unknown)}"))
            await client.drain()
            return
        answers, server = await asyncio.open_unix_connection(self._socket)
        server.write(start)
        answering = asyncio.create_task(self._answer(answers, client))
        try:
            with suppress(*_CLOSED):
                await self._ask(reader, client, server)
            if client in self._stranded:
                await asyncio.Event().wait()
        finally:
            answering.cancel()
            server.transport.abort()

    async def _ask(self, reader: StreamReader, client: StreamWriter, server: StreamWriter) -> None:
        while True:
            head = await reader.readexactly(5)
            message = head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            is_commit = message.startswith(b"Q") and message[5:].startswith(b"COMMIT")
            await self._flows.wait()
            if self._awaited is not None and self._awaited[0] in message:
                (_sql, self.lose_commit), self._awaited, self.accepts = self._awaited, None, False
            if is_commit and self.lose_commit is not None:
                await self._lose(message, client, server)
            server.write(message)
            await server.drain()

    async def _lose(self, message: bytes, client: StreamWriter, server: StreamWriter) -> None:
        lost, self.lose_commit = self.lose_commit, None
        client.transport.abort()
        self._clients.discard(client)
        if lost is Lost.AFTER:
            server.write(message)
        await asyncio.Event().wait()  # the server's session goes on

    async def _answer(self, answers: StreamReader, client: StreamWriter) -> None:
        with suppress(*_CLOSED):
            while data := await answers.read(65536):
                await self._flows.wait()
                client.write(data)
                await client.drain()
        client.transport.abort()


@asynccontextmanager
async def postgres_proxy(upstream: str) -> AsyncIterator[PostgresProxy]:
    """A proxy in front of the server at this URL, which names a Unix socket."""
    proxy = PostgresProxy(upstream)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _start_of(reader: StreamReader, client: StreamWriter) -> tuple[bytes, int]:
    """The message that starts a session, and its code. Encryption is refused, as by a server on a Unix socket."""
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!II", head)
        start = head + await reader.readexactly(length - 8)
        if code not in (_SSL, _GSS):
            return start, code
        client.write(b"N")


def _parameters(start: bytes) -> set[str]:
    return {name.decode() for name in start[8:].rstrip(b"\0").split(b"\0")[::2]}


def _error(state: str, text: str) -> bytes:
    fields = (
        b"".join(key + value.encode() + b"\0" for key, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", state), (b"M", text))) + b"\0"
    )
    return b"E" + struct.pack("!I", len(fields) + 4) + fields
