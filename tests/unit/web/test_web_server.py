"""The web role's listener."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

from dicomnode.web.listening import listen


def test_answers_do_not_wait_for_the_clients_acknowledgements() -> None:
    """Nagle's algorithm would hold each answer's body back until its head is acknowledged, 40 ms later on Linux."""

    async def nodelay_of_accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()
            await writer.wait_closed()

        with listen("127.0.0.1", 0, "test") as listener:
            port = listener.getsockname()[1]
            async with await asyncio.start_server(answer, sock=listener):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                told = await asyncio.wait_for(found, 20)
                writer.close()
                await writer.wait_closed()
        return told

    assert asyncio.run(nodelay_of_accepted()) != 0


def test_the_web_role_starts_without_what_only_documents_need() -> None:
    command = "import sys, dicomnode.web.server; sys.exit('highdicom' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], timeout=120, check=False).returncode == 0
