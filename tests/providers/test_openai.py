"""The OpenAI-compatible client: its requests, and its handling of responses."""

from __future__ import annotations

import base64
import email
import email.policy
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from bot.core.errors import (
    AnswerLost,
    ContentRefused,
    ImageError,
    ModelLocked,
    ProviderAccount,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProxyRefused,
    RateLimited,
    ResultTooLarge,
)
from bot.core.settings.endpoints import EditEncoding
from bot.domain.catalog.models import Slots
from bot.media.addresses import HostNotListed
from bot.media.fetch import LinkExpired
from bot.providers.openai import OpenAi
from bot.providers.provider import CompletedImage, Submission
from tests.env.images import png
from tests.env.providers import refusal
from tests.env.scripted import Scripted, Seen, scripted

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PIXEL_URI = f"data:image/png;base64,{PIXEL}"
CONTENT = base64.b64decode(PIXEL)
INLINE = {"created": 1, "data": [{"b64_json": PIXEL}]}
LINK = "https://files.test/a.png"
OX = Submission(model="sd", prompt="an ox in the rain", seed=7, params={"size": "512x512"})
EDIT = replace(OX, params={"size": "512x512", "strength": 0.5}, references=(PIXEL_URI,))

WHITE = png(8, 8, colour="white")

Make = Callable[..., OpenAi]


@pytest.fixture
async def wire() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        server.says(INLINE)
        yield server


@pytest.fixture
def make(wire: Scripted, session: aiohttp.ClientSession) -> Make:
    def make_(**more: Any) -> OpenAi:
        return OpenAi(**{"name": "local", "session": session, "base_url": f"{wire.url}/v1/", "api_key": "the-key", **more})

    return make_


def parts(seen: Seen) -> list[tuple[str | None, str | None, str, bytes]]:
    """Name, filename, type and content of each part of a form, read by a library other than the one that wrote it."""
    head = f"Content-Type: {seen.headers['Content-Type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + seen.body, policy=email.policy.HTTP)
    return [_part(each) for each in form.iter_parts() if isinstance(each, EmailMessage)]


def _part(part: EmailMessage) -> tuple[str | None, str | None, str, bytes]:
    name = part.get_param("name", header="content-disposition")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return str(name), part.get_filename(), part.get_content_type(), content


# --- requests --------------------------------------------------------------------------------------------------------


async def test_a_generation_is_sent_as_json(make: Make, wire: Scripted) -> None:
    assert await make().submit(OX) == CompletedImage(content=CONTENT)
    (seen,) = wire.seen
    assert (seen.method, seen.path, seen.headers["Authorization"]) == ("POST", "/v1/images/generations", "Bearer the-key")
    assert seen.json == {"model": "sd", "prompt": "an ox in the rain", "n": 1, "size": "512x512", "seed": 7}


async def test_without_a_key_no_header_is_sent_and_the_seed_uses_the_model_s_name(make: Make, wire: Scripted) -> None:
    client = make(api_key="", slots=lambda _: Slots(seed="noise_seed"))
    await client.submit(OX)
    assert "Authorization" not in wire.seen[0].headers
    assert wire.seen[0].json["noise_seed"] == 7
    wire.says({"error": {"message": "no"}}, status=400)
    assert (await refusal(client, OX)).sentence == "The image service refused this request: no."


async def test_a_parameter_cannot_override_model_or_prompt(make: Make, wire: Scripted) -> None:
    await make().submit(replace(OX, params={"n": 4, "model": "dear", "prompt": "another"}))
    assert wire.seen[0].json == {"model": "sd", "prompt": "an ox in the rain", "n": 1, "seed": 7}


@pytest.mark.parametrize(("encoding", "image"), [(EditEncoding.JSON_BASE64, PIXEL), (EditEncoding.JSON_DATA_URI, PIXEL_URI)])
async def test_an_edit_in_json_contains_the_image_as_text(make: Make, wire: Scripted, encoding: EditEncoding, image: str) -> None:
    await make(edit_encoding=encoding).submit(EDIT)
    (seen,) = wire.seen
    assert (seen.path, seen.json["image"], seen.json["strength"]) == ("/v1/images/edits", image, 0.5)
    await make(edit_encoding=encoding).submit(replace(EDIT, references=(PIXEL_URI, PIXEL_URI)))
    assert wire.seen[1].json["image"] == [image, image]


async def test_an_edit_in_a_form_contains_the_image_as_a_file(make: Make, wire: Scripted) -> None:
    await make(edit_encoding=EditEncoding.MULTIPART).submit(replace(EDIT, params={"strength": 0.5, "hd": True, "tags": ["a"]}))
    (seen,) = wire.seen
    values = {name: content.decode() for name, filename, _, content in parts(seen) if filename is None}
    assert values == {"model": "sd", "prompt": OX.prompt, "n": "1", "seed": "7", "strength": "0.5", "hd": "true", "tags": '["a"]'}
    assert parts(seen)[-1] == ("image", "picture-1.png", "image/png", CONTENT)


async def test_a_mask_is_a_png_that_is_transparent_where_the_image_is_changed(make: Make, wire: Scripted) -> None:
    masked = replace(EDIT, mask=f"data:image/png;base64,{base64.b64encode(WHITE).decode()}")
    await make(edit_encoding=EditEncoding.MULTIPART).submit(masked)
    name, filename, content_type, content = parts(wire.seen[0])[-1]
    assert (name, filename, content_type) == ("mask", "picture-2.png", "image/png")
    for encoding, head in ((EditEncoding.JSON_BASE64, ""), (EditEncoding.JSON_DATA_URI, "data:image/png;base64,")):
        await make(edit_encoding=encoding).submit(masked)
        assert wire.seen[-1].json["mask"] == head + base64.b64encode(content).decode()
        assert isinstance(wire.seen[-1].json["image"], str)
    assert Image.open(io.BytesIO(content)).convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)


async def test_several_images_in_a_form_are_sent_as_a_list(make: Make, wire: Scripted) -> None:
    await make(edit_encoding=EditEncoding.MULTIPART).submit(replace(EDIT, references=(PIXEL_URI, PIXEL_URI)))
    assert [(name, filename) for name, filename, _, _ in parts(wire.seen[0]) if filename] == [
        ("image[]", "picture-1.png"),
        ("image[]", "picture-2.png"),
    ]


async def test_multipart_list_sends_a_single_image_as_a_list_too(make: Make, wire: Scripted) -> None:
    await make(edit_encoding=EditEncoding.MULTIPART_LIST).submit(EDIT)
    assert [(name, filename) for name, filename, _, _ in parts(wire.seen[0]) if filename] == [("image[]", "picture-1.png")]


async def test_an_image_s_type_is_read_from_its_header(make: Make, wire: Scripted) -> None:
    client = make(edit_encoding=EditEncoding.JSON_DATA_URI)
    await client.submit(replace(EDIT, references=(PIXEL_URI.replace("image/png", "image/jpeg"),)))
    assert wire.seen[0].json["image"] == PIXEL_URI


@pytest.mark.parametrize(
    "uri",
    ["https://x.test/a.png", "data:text/html;base64,AAAA", "data:image/png;base64,!", "data:image/png;base64,AAAA", "data:image/png,x"],
)
@pytest.mark.parametrize("encoding", EditEncoding)
async def test_an_invalid_image_is_never_sent(make: Make, wire: Scripted, encoding: EditEncoding, uri: str) -> None:
    assert isinstance(await refusal(make(edit_encoding=encoding), replace(EDIT, references=(uri,))), ProviderRefused)
    assert wire.seen == []


async def test_each_call_uses_a_new_connection(make: Make, wire: Scripted) -> None:
    client = make()
    await client.submit(OX)
    await client.submit(OX)
    assert [seen.headers["Connection"] for seen in wire.seen] == ["close", "close"]


async def test_the_key_is_sent_only_to_the_base_url(make: Make, wire: Scripted) -> None:
    async with scripted() as elsewhere:
        wire.says("", status=307, headers={"Location": f"{elsewhere.url}/v1/images/generations"})
        assert isinstance(await refusal(make(), OX), ProviderAccount)
        assert elsewhere.seen == []


# --- responses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [{"b64_json": PIXEL}, {"b64_json": PIXEL_URI}, {"url": PIXEL_URI}, {"b64_json": None, "url": LINK}])
async def test_an_image_is_read_in_every_form(make: Make, wire: Scripted, row: dict[str, str]) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return CONTENT

    wire.says({"data": [row]})
    assert await make(fetch=fetch).submit(OX) == CompletedImage(content=CONTENT, url=LINK if row.get("url") == LINK else None)
    assert asked == [url for url in row.values() if url == LINK]


async def test_a_link_whose_host_nothing_lists_is_kept(make: Make, wire: Scripted) -> None:
    """The image was paid for: it can be fetched once the operator allows the host."""

    async def fetch(_url: str) -> bytes:
        raise HostNotListed("Images can't be loaded from x.test.")

    wire.says({"data": [{"url": LINK}]})
    assert await make(fetch=fetch).submit(OX) == CompletedImage(url=LINK)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"data": []}, "without an image"),
        ({"data": [None]}, "without an image"),
        ({"data": {"b64_json": PIXEL}}, "without an image"),
        ({"data": [{"b64_json": "no base64!"}]}, "can't be read"),
        ({"data": [{"b64_json": "żółw"}]}, "can't be read"),
        ({"data": [{"b64_json": "A" * 4000}]}, "larger than the bot's operator allows"),
        ({"data": [{"url": "data:image/png,no!"}]}, "can't be read"),
        ({"error": {"message": "Bad luck."}}, "refused this request: Bad luck"),
    ],
)
async def test_a_response_without_a_usable_image_is_a_refusal(make: Make, wire: Scripted, body: object, sentence: str) -> None:
    wire.says(body)
    error = await refusal(make(max_result_bytes=2000), OX)
    assert isinstance(error, ProviderRefused)
    assert sentence in error.sentence


async def test_an_unreadable_response_is_lost(make: Make, wire: Scripted) -> None:
    wire.says("<html>welcome</html>")
    assert isinstance(await refusal(make(), OX), AnswerLost)


async def test_an_endless_response_is_not_lost(make: Make, wire: Scripted) -> None:
    """It contains the image, so the request must not be sent again."""
    wire.says({"data": [{"b64_json": "A" * 200_000}]})
    assert isinstance(await refusal(make(max_result_bytes=2000), OX), ResultTooLarge)


FORMS = {
    "lines": "\r\n".join(PIXEL[at : at + 76] for at in range(0, len(PIXEL), 76)),
    "unpadded": PIXEL.rstrip("="),
    "url-safe": PIXEL.translate(str.maketrans("+/", "-_")),
    "data": f"data:image/png;base64,{PIXEL}",
    "quoted": f"DATA:image/png;base64,{quote(PIXEL, safe='')}",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("field", ["b64_json", "url"])
async def test_base64_is_read_in_every_form(make: Make, wire: Scripted, text: str, field: str) -> None:
    if field == "url" and not text.casefold().startswith("data:"):
        text = f"data:image/png;base64,{text}"
    wire.says({"data": [{field: text}]})
    assert await make().submit(OX) == CompletedImage(content=base64.b64decode(PIXEL))


@pytest.mark.parametrize("link", ["/generated/a.png", "//{host}/generated/a.png", "{url}/generated/a.png"])
async def test_a_relative_link_belongs_to_the_endpoint(make: Make, wire: Scripted, link: str) -> None:
    given = link.format(url=wire.url, host=wire.url.removeprefix("http://"))
    wire.says({"data": [{"url": given}]})
    assert await make(fetch=None).submit(OX) == CompletedImage(url=f"{wire.url}/generated/a.png")


@pytest.mark.parametrize("trouble", [ProviderBusy("later."), LinkExpired("gone."), ImageError("not there."), b"<html>", b"", CONTENT[:-5]])
async def test_what_cannot_be_downloaded_at_once_stays_a_link(make: Make, wire: Scripted, trouble: Exception | bytes) -> None:
    async def fetch(_url: str) -> bytes:
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    wire.says({"data": [{"url": LINK}]})
    assert await make(fetch=fetch).submit(OX) == CompletedImage(url=LINK)
    assert len(wire.seen) == 1


# --- errors ----------------------------------------------------------------------------------------------------------

QUOTA = {"message": "You exceeded your current quota.", "type": "insufficient_quota", "code": "insufficient_quota"}


@pytest.mark.parametrize(
    ("status", "error", "kind", "words"),
    [
        (
            401,
            {"message": "Incorrect API key provided: the-key.", "code": "invalid_api_key"},
            ProviderAccount,
            "isn't available right now",
        ),
        (402, {"message": "Pay."}, ProviderAccount, "isn't available right now"),
        (403, {"message": "`sd` needs the Pro tier.", "code": "tier_too_low"}, ModelLocked, "can't use this model. Choose another one"),
        (403, None, ProxyRefused, "isn't available right now"),
        (404, {"message": "The model `sd` does not exist.", "code": "model_not_found"}, ProviderRefused, "`sd` does not exist"),
        (404, None, ProviderAccount, "isn't available right now"),
        (405, None, ProviderAccount, "isn't available right now"),
        (400, {"message": "Invalid size."}, ProviderRefused, "refused this request: Invalid size"),
        (400, {"message": "No.", "code": "content_policy_violation"}, ContentRefused, "content rules"),
        (400, {"message": "No.", "code": "moderation_blocked"}, ContentRefused, "content rules"),
        (400, {"message": "Your request was rejected by our safety system."}, ContentRefused, "content rules"),
        (400, {"message": "Limit.", "code": "billing_hard_limit_reached"}, ProviderAccount, "isn't available right now"),
        (413, None, ProviderRefused, "refused"),
        (422, {"message": "n is odd.", "code": 422}, ProviderRefused, "n is odd"),
        (429, {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}, RateLimited, "busy"),
        (429, QUOTA, ProviderAccount, "isn't available right now"),
        (500, {"message": "The model ran out of memory."}, AnswerLost, "had a problem"),
        (503, None, ProviderBusy, "busy"),
        (500, None, AnswerLost, "had a problem"),
        (502, None, AnswerLost, "had a problem"),
        (504, {"message": "Gateway timeout."}, AnswerLost, "had a problem"),
    ],
)
async def test_each_error_has_its_exception(
    make: Make, wire: Scripted, status: int, error: dict[str, Any] | None, kind: type[ProviderError], words: str
) -> None:
    wire.says("<html>sorry</html>" if error is None else {"error": error}, status=status)
    caught = await refusal(make(), OX)
    assert type(caught) is kind
    assert words in caught.sentence
    assert caught.sentence.endswith(".")
    assert "the-key" not in caught.sentence


async def test_retry_after_of_a_busy_endpoint_is_read(make: Make, wire: Scripted) -> None:
    wire.says({"error": {"message": "Slow down."}}, status=429, headers={"Retry-After": "17"})
    caught = await refusal(make(), OX)
    assert isinstance(caught, ProviderBusy)
    assert caught.retry_after_s == 17


async def test_a_call_is_never_repeated(make: Make, wire: Scripted) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    wire.answer = cut
    assert isinstance(await refusal(make(), OX), AnswerLost)
    assert isinstance(await refusal(make(edit_encoding=EditEncoding.MULTIPART), EDIT), AnswerLost)
    assert len(wire.seen) == 2


async def test_a_timeout_is_a_lost_response(make: Make, wire: Scripted) -> None:
    async def stay_silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"data": [')
        await request.content.wait_eof()
        return response

    wire.answer = stay_silent
    assert isinstance(await refusal(make(timeout_s=0.05), OX), AnswerLost)


async def test_a_failed_name_resolution_raises_provider_busy(session: aiohttp.ClientSession) -> None:
    client = OpenAi(name="local", session=session, base_url="http://nowhere.invalid/v1")
    assert isinstance(await refusal(client, OX), ProviderBusy)


async def test_nothing_can_be_looked_up(make: Make, wire: Scripted) -> None:
    client = make()
    await client.cancel("x")
    assert (await client.find(OX, since=0), await client.read("x"), await client.models()) == ((), None, ())
    with pytest.raises(ProviderBusy):
        async with client.listen():
            pytest.fail("nothing is connected")
    assert wire.seen == []
