"""Downloads from real servers: sizes, redirects, DNS rebinding, expired links, and no files left behind."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.core.errors import ImageError, ProviderBusy
from bot.media.addresses import AddressRules, HostNotListed, host_of
from bot.media.fetch import Credential, Fetcher, LinkExpired, TooManyBytes
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, ReportState, Submission
from sandbox import images
from tests.env.providers import KLEIN_4B

SECRET = "signature=s3cret"


class FakeResolver(AbstractResolver):
    """Resolves every name to the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET6 if ":" in address else family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def size(request: web.Request) -> web.Response:
    return web.Response(body=b"x" * int(request.match_info["n"]))


async def chunked(request: web.Request) -> web.StreamResponse:
    """`n` bytes without a Content-Length."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(int(request.match_info["n"]) // 1000):
        await response.write(b"x" * 1000)
    return response


async def redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.match_info["url"]})


async def hops(request: web.Request) -> web.Response:
    left = int(request.match_info["n"])
    return web.Response(status=307, headers={"Location": f"/hops/{left - 1}"}) if left else web.Response(body=b"there")


async def status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["n"]), headers={"Retry-After": "3"})


async def seen(request: web.Request) -> web.Response:
    return web.json_response(dict(request.headers))


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x" * 10)
    assert request.transport is not None
    request.transport.close()
    return response


async def raw_path(request: web.Request) -> web.Response:
    return web.Response(text=request.raw_path)


async def encoded(request: web.Request) -> web.Response:
    """200 000 bytes in an encoding, of which half is sent with `?cut`."""
    content = b"fox" * 66_000 + b"x" * 2_000
    name = request.match_info["name"]
    body = ENCODERS[name](content)
    body = body[: len(body) // 2] if "cut" in request.query else body
    return web.Response(body=body, headers={"Content-Encoding": name.partition("-")[0]})


def members(content: bytes) -> bytes:
    return gzip.compress(content[:1000]) + gzip.compress(content[1000:])


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip-members": members,
    "deflate": zlib.compress,
    "deflate-bare": lambda content: zlib.compress(content)[2:-4],
    "identity": bytes,
}


async def locked(request: web.Request) -> web.Response:
    return web.Response(status=200 if request.headers.get("Authorization") == "Bearer k3y" else 401, body=b"fox")


PATHS = {
    "/raw/{path:.*}": raw_path,
    "/encoded/{name}": encoded,
    "/locked": locked,
    "/size/{n}": size,
    "/chunked/{n}": chunked,
    "/to/{url:.*}": redirect,
    "/hops/{n}": hops,
    "/status/{n}": status,
    "/seen": seen,
    "/cut": cut,
}


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
async def env() -> AsyncIterator[str]:
    """The address of a server with the routes in `PATHS`."""
    app = web.Application()
    app.add_routes([web.get(path, handler) for path, handler in PATHS.items()])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def fetcher(env: str) -> AsyncIterator[Fetcher]:
    async with Fetcher(rules=AddressRules(trusted_hosts=(host_of(env),))) as fetcher:
        yield fetcher


@pytest.mark.parametrize("path", ["size/2500000", "chunked/2500000"])
async def test_an_image_is_written_to_a_new_file(fetcher: Fetcher, env: str, tmp_path: Path, path: str) -> None:
    file = await fetcher.fetch_to_file(f"{env}/{path}", max_bytes=2_500_000, folder=tmp_path / "new")
    assert file.stat().st_size == 2_500_000
    assert file.parent == tmp_path / "new"


@pytest.mark.parametrize("path", ["size/1001", "chunked/2000", "cut", "status/500", "status/404", "to/http://10.0.0.1/"])
async def test_nothing_is_left_behind_on_an_error(fetcher: Fetcher, env: str, tmp_path: Path, path: str) -> None:
    with pytest.raises((ImageError, ProviderBusy)):
        await fetcher.fetch_to_file(f"{env}/{path}", max_bytes=1000, folder=tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("path", ["size/1001", "chunked/100000000"])
async def test_a_large_image_is_refused_by_announced_and_actual_size(fetcher: Fetcher, env: str, path: str) -> None:
    with pytest.raises(ImageError, match=r"larger than 0\.001 MB"):
        await fetcher.fetch_bytes(f"{env}/{path}", max_bytes=1000)


ODD_PATHS = (
    "raw/a%27b%28final%29.png?response-content-type=image%2Fpng&user=me%40host&Signature=q%2Bw%2F%3D",
    "raw/a'b(final).png?user=me@host&x=a+b&y=%7E~&z=%zz",
    "raw/%2e%2e/%2F/a?x=[1]&y={2}|3",
)


@pytest.mark.parametrize("path", ODD_PATHS)
@pytest.mark.parametrize("through", ["", "to/{env}/"])
async def test_exactly_the_given_link_is_asked_for(fetcher: Fetcher, env: str, path: str, through: str) -> None:
    link = f"{env}/{through.format(env=env)}{quote(path, safe='') if through else path}"
    assert (await fetcher.fetch_bytes(link, max_bytes=1000)).decode() == f"/{path}"


async def test_what_a_link_may_not_contain_is_encoded(fetcher: Fetcher, env: str) -> None:
    assert await fetcher.fetch_bytes(f" {env}/raw/ä b\t#x", max_bytes=1000) == b"/raw/%C3%A4%20b%09"


@pytest.mark.parametrize("name", ENCODERS)
async def test_a_compressed_image_is_decompressed(fetcher: Fetcher, env: str, name: str) -> None:
    assert len(await fetcher.fetch_bytes(f"{env}/encoded/{name}", max_bytes=200_000)) == 200_000


@pytest.mark.parametrize("name", ["gzip", "gzip-members", "deflate", "deflate-bare"])
async def test_what_is_decompressed_has_the_same_limit(fetcher: Fetcher, env: str, name: str) -> None:
    with pytest.raises(TooManyBytes):
        await fetcher.fetch_bytes(f"{env}/encoded/{name}", max_bytes=199_999)


@pytest.mark.parametrize("name", ["gzip", "deflate", "deflate-bare"])
async def test_a_compressed_image_that_is_cut_short_is_tried_again(fetcher: Fetcher, env: str, name: str) -> None:
    with pytest.raises(ProviderBusy):
        await fetcher.fetch_bytes(f"{env}/encoded/{name}?cut", max_bytes=200_000)


@pytest.mark.parametrize("path", ["locked", "to/{env}/locked"])
async def test_a_locked_link_of_the_image_api_is_opened_with_its_key(env: str, path: str) -> None:
    rules, credential = AddressRules(trusted_hosts=(host_of(env),)), Credential(base_url=f"{env}/v1", key="k3y")
    async with Fetcher(rules=rules, credential=credential) as fetcher:
        assert await fetcher.fetch_bytes(f"{env}/{path.format(env=env)}", max_bytes=10) == b"fox"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "https://127.0.0.1", "http://localhost:{port}", "https://127.0.0.1:{port}"])
async def test_the_key_is_sent_to_no_other_origin(env: str, base_url: str) -> None:
    credential = Credential(base_url=base_url.format(port=env.rpartition(":")[2]), key="k3y")
    async with Fetcher(rules=AddressRules(trusted_hosts=(host_of(env),)), credential=credential) as fetcher:
        with pytest.raises(LinkExpired):
            await fetcher.fetch_bytes(f"{env}/to/{env}/locked", max_bytes=10)


async def test_a_redirect_to_a_host_that_nothing_lists_is_not_followed(fetcher: Fetcher, env: str) -> None:
    with pytest.raises(HostNotListed):
        await fetcher.fetch_bytes(f"{env}/to/https://elsewhere.invalid/fox.png", max_bytes=10)


async def test_three_redirects_are_followed_and_no_more(fetcher: Fetcher, env: str) -> None:
    assert await fetcher.fetch_bytes(f"{env}/hops/3", max_bytes=10) == b"there"
    with pytest.raises(ImageError, match="redirects too often"):
        await fetcher.fetch_bytes(f"{env}/hops/4", max_bytes=10)


INSIDE = ("http://10.255.255.1/a.png", "http://127.0.0.1:1/", "file:///etc/passwd", "https://127.0.0.1/", "https://[::1/", "//[::1]/")


@pytest.mark.parametrize("target", INSIDE)
async def test_a_redirect_to_a_private_address_is_not_followed(fetcher: Fetcher, env: str, target: str) -> None:
    with pytest.raises(ImageError):
        await fetcher.fetch_bytes(f"{env}/to/{target}", max_bytes=10)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"])
async def test_a_public_name_with_a_private_address_is_not_connected_to(address: str) -> None:
    rules = AddressRules(allowed_hosts=("*.images.test",), public_hosts=("images.test",))
    async with Fetcher(rules=rules, resolver=lambda: FakeResolver(address)) as fetcher:
        with pytest.raises(ImageError, match=r"can't be loaded from images\.test") as refused:
            await fetcher.fetch_bytes(f"https://images.test/?{SECRET}", max_bytes=10)
    assert not isinstance(refused.value, HostNotListed)


async def test_a_named_host_may_have_a_private_address_and_use_http(env: str) -> None:
    port = env.rpartition(":")[2]
    rules = AddressRules(allowed_hosts=(f"minio.internal:{port}",))
    async with Fetcher(
        rules=rules, resolver=lambda: FakeResolver("8.8.8.8", "127.0.0.1")
    ) as fetcher:  # plain http is only used for the private address
        assert await fetcher.fetch_bytes(f"http://minio.internal:{port}/size/3", max_bytes=10) == b"xxx"


async def test_plain_http_to_a_named_public_host_is_refused() -> None:
    async with Fetcher(rules=AddressRules(allowed_hosts=("cdn.test",)), resolver=lambda: FakeResolver("8.8.8.8")) as fetcher:
        with pytest.raises(ImageError):
            await fetcher.fetch_bytes("http://cdn.test/a.png", max_bytes=10)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_expired_link_has_its_own_error(fetcher: Fetcher, env: str, status: int) -> None:
    with pytest.raises(LinkExpired) as caught:
        await fetcher.fetch_bytes(f"{env}/status/{status}?{SECRET}", max_bytes=10)
    assert "s3cret" not in caught.value.sentence


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_host_raises_provider_busy(fetcher: Fetcher, env: str, status: int) -> None:
    with pytest.raises(ProviderBusy) as caught:
        await fetcher.fetch_bytes(f"{env}/status/{status}", max_bytes=10)
    assert caught.value.retry_after_s == 3


@pytest.mark.parametrize("path", ["cut", "status/204", "status/206", "status/418"])
async def test_other_responses_are_refused(fetcher: Fetcher, env: str, path: str) -> None:
    with pytest.raises((ImageError, ProviderBusy)):
        await fetcher.fetch_bytes(f"{env}/{path}", max_bytes=10_000)


async def test_an_unreachable_host_raises_provider_busy() -> None:
    async with Fetcher(rules=AddressRules(trusted_hosts=("127.0.0.1:1",))) as fetcher:
        with pytest.raises(ProviderBusy) as caught:
            await fetcher.fetch_bytes(f"http://127.0.0.1:1/?{SECRET}", max_bytes=10)
    assert caught.value.sentence == "The image couldn't be loaded from 127.0.0.1. Easel will try again."


async def test_no_credentials_and_no_cookies_are_sent(fetcher: Fetcher, env: str) -> None:
    seen = await fetcher.fetch_bytes(f"{env}/seen", max_bytes=10_000)
    assert b"Authorization" not in seen
    assert b"Cookie" not in seen
    assert b"identity" in seen


async def test_downloads_beyond_the_limit_wait_for_others(env: str, tmp_path: Path) -> None:
    rules = AddressRules(trusted_hosts=(host_of(env),))
    async with Fetcher(rules=rules, concurrency=2) as fetcher, asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetcher.fetch_to_file(f"{env}/size/{n}", max_bytes=100, folder=tmp_path)) for n in range(20)]
    assert [task.result().stat().st_size for task in tasks] == list(range(20))


async def result_of(oxen: Oxen, server: images.ImageServer, folder: Path) -> Path:
    accepted = await oxen.submit(Submission(model=KLEIN_4B, prompt="an ox", seed=1))
    assert isinstance(accepted, Accepted)
    async with asyncio.timeout(5):
        while (report := await oxen.read(accepted.provider_id)) is None or report.state is not ReportState.SUCCEEDED:
            pass
    async with Fetcher(rules=AddressRules(trusted_hosts=(host_of(server.url),))) as fetcher:
        return await fetcher.fetch_to_file(report.result_url or "", max_bytes=10_000_000, folder=folder)


async def test_a_result_of_the_image_api_is_fetched(oxen: Oxen, server: images.ImageServer, tmp_path: Path) -> None:
    assert (await result_of(oxen, server, tmp_path)).stat().st_size > 100


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param("result-cut", ProviderBusy, marks=pytest.mark.faults("result-cut")),
        pytest.param("result-huge", ImageError, marks=pytest.mark.faults("result-huge")),
        pytest.param("result-elsewhere", ImageError, marks=pytest.mark.faults("result-elsewhere")),
    ],
)
async def test_a_bad_result_is_an_error(oxen: Oxen, server: images.ImageServer, tmp_path: Path, fault: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await result_of(oxen, server, tmp_path)


# --- links for members -----------------------------------------------------------------------------------------------


async def test_a_link_for_members_opens_without_the_key(env: str) -> None:
    rules, credential = AddressRules(trusted_hosts=(host_of(env),)), Credential(base_url=f"{env}/v1", key="k3y")
    async with Fetcher(rules=rules, credential=credential) as fetcher:
        assert await fetcher.opens(f"{env}/hops/2", private=True)
        for path in ("/locked", "/status/404"):
            with pytest.raises(LinkExpired):
                await fetcher.opens(f"{env}{path}", private=True)


async def test_a_link_for_members_has_a_public_address(env: str) -> None:
    async with Fetcher(rules=AddressRules(trusted_hosts=(host_of(env), "10.0.0.1"))) as fetcher:
        for link in (f"{env}/seen", "https://10.0.0.1/a.png"):
            assert not await fetcher.opens(link, private=False)
