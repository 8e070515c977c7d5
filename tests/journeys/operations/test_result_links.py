"""Images that an OpenAI-compatible API returns as links: fetched as given, with its key where needed, and for as long as it takes."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.env.scripted import scripted
from tests.journeys.operations.test_faults import finished

IMAGE = png(64, 48)
ODD = "/files/a%27b%28final%29.png?response-content-type=image%2Fpng&user=me%40host&Signature=q%2Bw%2F%3D"
Serve = Callable[[web.Request, int], web.Response]


def image(_request: web.Request, _n: int) -> web.Response:
    return web.Response(body=IMAGE, content_type="image/png")


def after(failures: int, failure: Callable[[], web.Response]) -> Serve:
    """The image, after a number of other answers."""
    return lambda request, n: failure() if n <= failures else image(request, n)


def locked(request: web.Request, n: int) -> web.Response:
    return image(request, n) if request.headers.get("Authorization") == "Bearer k3y" else web.Response(status=401)


def exactly(request: web.Request, n: int) -> web.Response:
    return image(request, n) if request.raw_path == ODD else web.Response(status=403)


def compressed(_request: web.Request, _n: int) -> web.Response:
    return web.Response(body=gzip.compress(IMAGE), headers={"Content-Encoding": "gzip"})


def with_long_header(_request: web.Request, _n: int) -> web.Response:
    return web.Response(body=IMAGE, headers={"Content-Security-Policy": "x" * 9600})


SERVED: dict[str, tuple[str, Serve]] = {
    "its own host with the key": ("{url}/generated/b64431.png", locked),
    "a relative link": ("/generated/b64431.png", locked),
    "valid only as written": (f"{{url}}{ODD}", exactly),
    "compressed": ("{url}/a.png", compressed),
    "a long header": ("{url}/a.png", with_long_header),
    **{f"status {status}": ("{url}/a.png", after(4, lambda status=status: web.Response(status=status))) for status in (403, 404, 410, 520)},  # type: ignore[misc]
    "a page": ("{url}/a.png", after(4, lambda: web.Response(text="<!doctype html>", content_type="text/html"))),
    "half of it": ("{url}/a.png", after(4, lambda: web.Response(body=IMAGE[:100], content_type="image/png"))),
    "nothing": ("{url}/a.png", after(4, web.Response)),
}


@pytest.mark.parametrize("rule", ["release", "retry"])
@pytest.mark.parametrize("name", SERVED)
async def test_a_linked_image_arrives_and_is_paid_once(env: Env, name: str, rule: str) -> None:
    link, serve = SERVED[name]
    asked: Counter[str] = Counter()
    async with scripted() as api:

        async def answer(request: web.Request) -> web.StreamResponse:
            asked[request.method] += 1
            if request.method == "POST":
                return web.json_response({"data": [{"url": link.format(url=api.url)}]})
            return serve(request, asked["GET"])

        api.answer = answer
        async with env.app(settings=endpoint(api.url), UNCERTAIN_CALLS=rule) as app, person_in(env, "Ada") as ada:
            await ada.slash("generate", prompt="a red fox")
            assert has_image(await ada.message(finished))
            statement = await statement_of(app, int(ada.id))
    assert (asked["POST"], statement.held, statement.spent) == (1, 0, 2_000_000)


def endpoint(url: str) -> dict[str, str]:
    """Settings with this API alone."""
    local = {"name": "local", "base_url": f"{url}/v1", "key": "k3y", "price_credits": 2, "models": [{"id": "sd"}]}
    return {"OPENAI_ENDPOINTS": json.dumps([local]), "OXEN_API_KEY": ""}


async def test_an_answer_above_the_limit_is_not_sent_again(env: Env) -> None:
    async with scripted() as api:
        api.says({"data": [{"b64_json": "A" * 3_000_000}]})
        settings = {**endpoint(api.url), "RESULT_MAX_MB": "1", "UNCERTAIN_CALLS": "retry"}
        async with env.app(settings=settings) as app, person_in(env, "Ada") as ada:
            await ada.slash("generate", prompt="a red fox")
            assert "larger than the bot's operator allows" in (await ada.message(finished)).content
            statement = await statement_of(app, int(ada.id))
        posts = [each for each in api.seen if each.method == "POST"]
    assert (len(posts), statement.held, statement.spent) == (1, 0, 0)
