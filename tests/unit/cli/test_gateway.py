"""The gateway between real sockets: an upstream and clients in one loop, the proxy between them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from cli import gateway
from support.wait import outcome

LONGEST = 60.0


class World:
    """A gateway whose three services are one upstream, and a client."""

    def __init__(self, proxy: web.AppRunner, client: aiohttp.ClientSession) -> None:
        self.proxy = proxy
        self.origin = f"http://127.0.0.1:{proxy.addresses[0][1]}"
        self.client = client


@asynccontextmanager
async def world(*routes: web.RouteDef, dead: tuple[str, ...] = ()):
    app = web.Application(client_max_size=0)
    app.add_routes(routes)
    upstream = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await upstream.setup()
    site = web.TCPSite(upstream, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{upstream.addresses[0][1]}"
    upstreams = {name: "http://127.0.0.1:1" if name in dead else url for name in ("api", "metrics", "ui")}
    proxy = await gateway.serve(upstreams, "127.0.0.1", 0, stop_seconds=LONGEST)
    try:
        async with aiohttp.ClientSession() as client:
            yield World(proxy, client)
    finally:
        await proxy.cleanup()
        await upstream.cleanup()


def scenario(coroutine):
    return outcome(asyncio.wait_for(coroutine, LONGEST))


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "ui"),
        ("/jobs/abc", "ui"),
        ("/apiary", "ui"),
        ("/_dash-update-component", "ui"),
        ("/api", "api"),
        ("/api/datasets/", "api"),
        ("/api/training_jobs/", "api"),
        ("/api/training_jobs/j1/", "api"),
        ("/api/training_jobs/j1/logs/", "api"),
        ("/api/training_jobs/metrics/", "api"),
        ("/api/datasets/d/files/metrics/", "api"),
        ("/api/metrics/", "metrics"),
        ("/api/training_jobs/j1/metrics/", "metrics"),
        ("/api/training_jobs/j1/events/", "metrics"),
    ],
)
def test_paths_go_to_their_service(path, service):
    assert gateway.service_of(path) == service


def test_an_event_stream_passes_message_by_message():
    async def run():
        seen = asyncio.Event()

        async def events(request):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            await seen.wait()  # the second message is written only once the first has arrived
            await response.write(b"data: 2\n\n")
            return response

        async with world(web.get("/api/training_jobs/j/events/", events)) as there:
            answer = await there.client.get(there.origin + "/api/training_jobs/j/events/")
            assert await answer.content.readuntil(b"\n\n") == b"data: 1\n\n"
            seen.set()
            assert await answer.content.read() == b"data: 2\n\n"

    scenario(run())


def test_a_request_body_passes_while_it_is_being_sent():
    async def run():
        arrived = asyncio.Event()

        async def take(request):
            first = await request.content.readexactly(5)
            arrived.set()
            return web.Response(body=first + await request.content.read())

        async def body():
            yield b"first"
            await arrived.wait()  # the rest is sent only once the beginning is upstream
            yield b" rest"

        async with world(web.post("/api/x", take)) as there:
            answer = await there.client.post(there.origin + "/api/x", data=body())
            assert await answer.read() == b"first rest"

    scenario(run())


def test_a_client_that_leaves_ends_the_request_upstream():
    async def run():
        started, gone = asyncio.Event(), asyncio.Event()

        async def events(request):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b": hello\n\n")
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                gone.set()

        async with world(web.get("/api/metrics/", events)) as there:
            answer = await there.client.get(there.origin + "/api/metrics/")
            await started.wait()
            answer.close()
            await gone.wait()

    scenario(run())


def test_an_answer_that_breaks_off_upstream_breaks_off_here():
    async def run():
        async def half(request):
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b"half")
            request.transport.abort()
            return response

        async with world(web.get("/api/x", half)) as there:
            with pytest.raises(aiohttp.ClientError):
                await (await there.client.get(there.origin + "/api/x")).read()

    scenario(run())


def test_a_refusal_of_an_upload_reaches_the_client_before_its_end():
    async def run():
        async def refuse(request):
            return web.json_response({"detail": "too large"}, status=413)

        async def endless(told):
            while not told.is_set():
                yield b"x" * 65536

        async with world(web.post("/api/x", refuse)) as there:
            told = asyncio.Event()
            answer = await there.client.post(there.origin + "/api/x", data=endless(told))
            told.set()
            assert answer.status == 413
            assert (await answer.json())["detail"] == "too large"

    scenario(run())


def test_headers_of_one_hop_stay_and_the_origin_is_told():
    async def run():
        async def show(request):
            reply = web.json_response(dict(request.headers))
            reply.headers["Connection"] = "X-Internal"
            reply.headers["X-Internal"] = "1"
            reply.headers.add("Set-Cookie", "a=1")
            reply.headers.add("Set-Cookie", "b=2")
            return reply

        async with world(web.get("/api/x", show)) as there:
            headers = {"Connection": "X-Mine", "X-Mine": "1", "TE": "trailers", "X-Callback-Token": "t"}
            answer = await there.client.get(there.origin + "/api/x", headers=headers)
            received = await answer.json()
            assert received["X-Callback-Token"] == "t"
            assert received["X-Forwarded-For"] == "127.0.0.1"
            assert received["X-Forwarded-Proto"] == "http"
            assert received["X-Forwarded-Host"] == received["Host"] == there.origin.removeprefix("http://")
            assert not {"X-Mine", "TE"} & set(received)
            assert "X-Internal" not in answer.headers
            assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]

    scenario(run())


def test_paths_queries_redirects_and_compression_pass_unchanged():
    async def run():
        async def echo(request):
            return web.Response(
                status=307,
                headers={"Location": "http://elsewhere/", "Content-Encoding": "gzip"},
                body=request.raw_path.encode(),
            )

        async with world(web.get("/api/{path:.*}", echo)) as there:
            url = aiohttp.client.URL(
                there.origin + "/api/d/files/a%20b/%2F%C3%A9.png?x=%2B&y=a+b", encoded=True
            )
            async with aiohttp.ClientSession(auto_decompress=False) as client:
                answer = await client.get(url, allow_redirects=False)
                assert answer.status == 307
                assert answer.headers["Location"] == "http://elsewhere/"
                assert await answer.read() == b"/api/d/files/a%20b/%2F%C3%A9.png?x=%2B&y=a+b"

    scenario(run())


def test_an_answer_without_body_passes():
    async def run():
        async def nothing(request):
            return web.Response(status=204)

        async with world(web.delete("/api/x", nothing)) as there:
            assert (await there.client.delete(there.origin + "/api/x")).status == 204

    scenario(run())


def test_websockets_pass_both_ways():
    async def run():
        async def echo(request):
            socket = web.WebSocketResponse(protocols=["chat"])
            await socket.prepare(request)
            async for message in socket:
                if message.data == "bye":
                    await socket.close(code=4001)
                elif message.type is aiohttp.WSMsgType.TEXT:
                    await socket.send_str(message.data.upper())
                else:
                    await socket.send_bytes(message.data[::-1])
            return socket

        async with world(web.get("/live", echo)) as there:
            socket = await there.client.ws_connect(there.origin + "/live", protocols=["chat"])
            assert socket.protocol == "chat"
            await socket.send_str("hello")
            assert await socket.receive_str() == "HELLO"
            await socket.send_bytes(b"123")
            assert await socket.receive_bytes() == b"321"
            await socket.send_str("bye")
            assert (await socket.receive()).data == 4001

    scenario(run())


def test_a_service_that_is_down_is_named():
    async def run():
        async with world(dead=("metrics",)) as there:
            answer = await there.client.get(there.origin + "/api/metrics/?job=j")
            assert answer.status == 503
            assert answer.content_type == "application/problem+json"
            assert answer.headers["Retry-After"] == "2"
            problem = json.loads(await answer.text())
            assert problem["title"] == "Service Unavailable"
            assert problem["detail"].startswith("The metrics service does not answer.")

    scenario(run())


def test_a_service_that_breaks_off_is_a_bad_gateway():
    async def run():
        async def break_off(request):
            request.transport.abort()

        async with world(web.get("/api/x", break_off)) as there:
            answer = await there.client.get(there.origin + "/api/x")
            assert answer.status == 502
            assert (await answer.json())["detail"] == "The api service broke off before it answered."

    scenario(run())


def test_readiness_names_what_is_not_ready():
    async def run():
        async def ready(request):
            return web.Response()

        async with world(web.get("/readyz", ready), dead=("ui",)) as there:
            answer = await there.client.get(there.origin + "/readyz")
            assert answer.status == 503
            checks = (await answer.json())["checks"]
            assert checks["api"] == checks["metrics"] == "ok"
            assert "Cannot connect" in checks["ui"]
            assert (await there.client.get(there.origin + "/healthz")).status == 200

    scenario(run())


def test_a_stop_ends_event_streams_in_order_and_waits_for_other_requests():
    async def run():
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def events(request):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            await asyncio.Event().wait()

        async def slow(_request):
            begun.set()
            await go_on.wait()
            return web.Response(text="done")

        routes = (web.get("/api/training_jobs/j/events/", events), web.get("/api/slow", slow))
        async with world(*routes) as here:
            stream = await here.client.get(f"{here.origin}/api/training_jobs/j/events/")
            assert await stream.content.readline() == b"data: 1\n"
            waiting = asyncio.create_task(here.client.get(f"{here.origin}/api/slow"))
            await begun.wait()
            stopping = asyncio.create_task(here.proxy.cleanup())
            assert (
                await stream.content.read() == b"\n"
            )  # to an orderly end, though the upstream holds it open
            go_on.set()
            assert await (await waiting).text() == "done"
            await stopping

    scenario(run())
