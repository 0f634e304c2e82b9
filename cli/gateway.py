"""One origin for the whole platform: a streaming reverse proxy in front of api, metrics and ui."""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import signal
import sys
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from cli.local_access import LocalAccess, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

_METRICS = re.compile(r"/api/(changes/?|metrics/?|metrics/curves/?|training_jobs/[^/]+/(metrics|events)/?)")
# RFC 9110 section 7.6.1: meant for the next hop only. Expect is answered here, by the server
_HOP_BY_HOP = frozenset(
    name.lower()
    for name in (
        *(
            "Connection",
            "Expect",
            "Keep-Alive",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "Proxy-Connection",
        ),
        *("TE", "Trailer", "Transfer-Encoding", "Upgrade"),
    )
)
_WEBSOCKET = frozenset({"host", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"})
_log = logging.getLogger("gateway")


def service_of(path: str) -> str:
    """Say which service answers a path: "api", "metrics" or "ui"."""
    if _METRICS.fullmatch(path):
        return "metrics"
    return "api" if path == "/api" or path.startswith("/api/") else "ui"


class Gateway:
    """Passes requests on to the services, bodies streamed in both directions, whatever their size or duration."""

    def __init__(
        self,
        upstreams: Mapping[str, str],
        session: aiohttp.ClientSession,
        local_access: LocalAccess | None = None,
    ) -> None:
        """Wire the gateway.

        Args:
            upstreams: Origin of each service by its name, e.g. {"api": "http://127.0.0.1:8000", …}.
            session: Client towards them; made by `client_session`.
            local_access: What lets the person at this machine in; None: everybody brings a key.
        """
        self._local_access = local_access
        self._upstreams = {name: origin.rstrip("/") for name, origin in upstreams.items()}
        self._session = session
        self._stopping = asyncio.Event()
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait for the requests at hand, at most so long; streams end now, and who reads them comes back."""
        self._stopping.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        self._busy += 1
        self._idle.clear()
        try:
            return await self._answer(request)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in {"/healthz", "/readyz"}:
            return (
                web.json_response({"status": "ok"}) if request.path == "/healthz" else await self._readiness()
            )
        name = service_of(request.path)
        url = URL(self._upstreams[name] + request.raw_path, encoded=True)
        try:
            proof = self._proof(request)
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await self._websocket(request, url, proof)
            return await self._forward(request, url, proof)
        except Refused as refused:
            return _problem(refused.status, str(refused))
        except aiohttp.ClientConnectorError:
            return _problem(
                503,
                f"The {name} service does not answer. It may be starting; try again in a moment.",
                {"Retry-After": "2"},
            )
        except aiohttp.ClientError as error:
            _log.warning("%s %s: %s: %r", request.method, request.path, name, error)
            return _problem(502, f"The {name} service broke off before it answered.")

    def _proof(self, request: web.Request) -> dict[str, str]:
        return self._local_access.headers(request.method, request.headers) if self._local_access else {}

    async def _forward(self, request: web.Request, url: URL, proof: Mapping[str, str]) -> web.StreamResponse:
        headers = _end_to_end(request.headers)
        headers.update(_forwarded(request))
        headers.update(proof)
        body = request.content if request.body_exists else None
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as upstream:
            response = web.StreamResponse(
                status=upstream.status, reason=upstream.reason, headers=_end_to_end(upstream.headers)
            )
            await response.prepare(request)
            try:
                if upstream.content_type == "text/event-stream":
                    await self._copy_events(upstream, response)
                else:
                    async for chunk in upstream.content.iter_any():
                        await response.write(chunk)
            except aiohttp.ClientError as error:
                _log.warning("%s %s: the answer broke off: %r", request.method, request.path, error)
                # An orderly end would pass half an answer off as a whole one
                if request.transport:
                    request.transport.abort()
                return response
            await response.write_eof()
            return response

    async def _copy_events(self, upstream: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not stopping.done():
                reading = asyncio.create_task(upstream.content.readany())
                try:
                    await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if not reading.done() or not (chunk := reading.result()):
                        return
                finally:
                    reading.cancel()
                await response.write(chunk)
        finally:
            stopping.cancel()

    async def _websocket(
        self, request: web.Request, url: URL, proof: Mapping[str, str]
    ) -> web.StreamResponse:
        headers = _end_to_end(request.headers)
        headers.update(_forwarded(request))
        headers.update(proof)
        for name in _WEBSOCKET:
            headers.popall(name, None)
        protocols = [part.strip() for part in headers.popall(hdrs.SEC_WEBSOCKET_PROTOCOL, [""])[0].split(",")]
        async with self._session.ws_connect(
            url, headers=headers, protocols=[part for part in protocols if part], max_msg_size=0
        ) as upstream:
            client = web.WebSocketResponse(
                protocols=[upstream.protocol] if upstream.protocol else (), max_msg_size=0
            )
            await client.prepare(request)
            pumps = [
                asyncio.create_task(_pump(client, upstream)),
                asyncio.create_task(_pump(upstream, client)),
                asyncio.create_task(self._stopping.wait()),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                await client.close(code=upstream.close_code or aiohttp.WSCloseCode.GOING_AWAY)
            return client

    async def _readiness(self) -> web.Response:
        async def ask(origin: str) -> str:
            try:
                async with self._session.get(
                    f"{origin}/readyz", timeout=aiohttp.ClientTimeout(total=5)
                ) as answer:
                    return "ok" if answer.ok else f"answers {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                return str(error) or type(error).__name__

        answers = await asyncio.gather(*map(ask, self._upstreams.values()))
        ready = all(answer == "ok" for answer in answers)
        return web.json_response(
            {
                "status": "ok" if ready else "unavailable",
                "checks": dict(zip(self._upstreams, answers, strict=True)),
            },
            status=200 if ready else 503,
        )


class _Runner(web.AppRunner):
    """Drains the gateway before aiohttp's own clean-up, which makes connections deaf to the rest of an upload at once."""

    def __init__(self, app: web.Application, stop_seconds: float) -> None:
        # handler_cancellation: a client that goes away ends its request here and, with it, the one upstream
        super().__init__(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        self._stop_seconds = stop_seconds
        self.gateway: Gateway | None = None

    async def cleanup(self) -> None:
        for site in self.sites:
            await site.stop()
        if self.gateway is not None:
            await self.gateway.drain(self._stop_seconds)
        await super().cleanup()


def client_session() -> aiohttp.ClientSession:
    """Make the client side: no limits, no timeouts but for connecting, nothing decoded, no cookies kept."""
    return aiohttp.ClientSession(
        # A kept connection may be closed by the service just as a POST goes out on it, which cannot be repeated
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        read_bufsize=256 * 1024,
    )


async def serve(
    upstreams: Mapping[str, str],
    host: str,
    port: int,
    *,
    stop_seconds: float = 1.0,
    local_access: LocalAccess | None = None,
) -> web.AppRunner:
    """Start listening.

    Args:
        upstreams: Origin of each service by its name.
        host: Address to listen on; "localhost" means IPv4 and IPv6 loopback.
        port: Port to listen on.
        stop_seconds: Time for requests at hand when the runner is cleaned up; event streams end at once.
        local_access: As `Gateway` takes it.

    Returns:
        The runner, for its `cleanup`.
    """
    app = web.Application()

    async def session(_app: web.Application) -> Any:
        async with client_session() as opened:
            runner.gateway = Gateway(upstreams, opened, local_access)
            app.router.add_route("*", "/{path:.*}", runner.gateway.handle)
            yield

    app.cleanup_ctx.append(session)
    runner = _Runner(app, stop_seconds)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def _pump(source: Any, sink: Any) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for name in headers.get(hdrs.CONNECTION, "").split(",")}
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP | named
    )


def _forwarded(request: web.Request) -> dict[str, str]:
    before = request.headers.get(hdrs.X_FORWARDED_FOR)
    peer = request.remote or "unknown"
    return {
        hdrs.X_FORWARDED_FOR: f"{before}, {peer}" if before else peer,
        hdrs.X_FORWARDED_HOST: request.headers.get(hdrs.X_FORWARDED_HOST, request.host),
        hdrs.X_FORWARDED_PROTO: request.headers.get(hdrs.X_FORWARDED_PROTO, request.scheme),
    }


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail},
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


async def _until_stopped(arguments: argparse.Namespace) -> None:
    upstreams = {"api": arguments.api, "metrics": arguments.metrics, "ui": arguments.ui}
    access = LocalAccess(arguments.key_file.read_text().strip()) if arguments.key_file else None
    runner = await serve(
        upstreams,
        arguments.host,
        arguments.port,
        stop_seconds=arguments.stop_seconds,
        local_access=access,
    )
    _log.info("gateway listens on %s:%s", arguments.host, arguments.port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Run the gateway until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m cli.gateway", description=__doc__)
    parser.add_argument("--host", default="localhost", help="address to listen on (0.0.0.0 for all)")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--stop-seconds", type=float, default=8, help="time for requests at hand after SIGTERM (%(default)s)"
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        help="requests from this machine's own pages and programs get the API key in this file; for loopback only",
    )
    for name in ("api", "metrics", "ui"):
        parser.add_argument(f"--{name}", required=True, metavar="URL", help=f"origin of the {name} service")
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    asyncio.run(_until_stopped(parser.parse_args()))


if __name__ == "__main__":
    main()
