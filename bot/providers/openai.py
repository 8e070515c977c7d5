"""Client of OpenAI-compatible image APIs: Oxlo.ai, OpenAI, LocalAI, stable-diffusion.cpp's server.

`POST images/generations` and `POST images/edits` respond with the image. There is no queue and no event stream, so a request whose
response was lost cannot be looked up.
Source: https://platform.openai.com/docs/api-reference/images, and this project's contract for Oxlo.ai.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from bot.core.errors import ProviderBusy, ProviderRefused
from bot.core.i18n import N_, _
from bot.core.running import machine
from bot.core.settings.endpoints import EditEncoding
from bot.domain.catalog.models import Slots
from bot.media import masks
from bot.media.formats import SNIFFED_BYTES, Format, format_of
from bot.providers.http import Api
from bot.providers.provider import CompletedImage, Event, GenerationReport, Provider, Submission
from bot.providers.response_images import Fetch, absolute, decode, follow, limited

_DATA_URI: Final = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE)
_UNUSABLE: Final = N_("This image service can't use that reference image.")


class OpenAi(Provider):
    """A client for one account. Stateless."""

    has_queue = False
    queues = False
    streams = False
    takes_links = False

    def __init__(
        self,
        *,
        name: str,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str = "",
        models: Iterable[Mapping[str, Any]] = (),
        edit_encoding: EditEncoding = EditEncoding.JSON_BASE64,
        slots: Callable[[str], Slots] = lambda _model: Slots(),
        fetch: Fetch | None = None,
        max_result_bytes: int = 40 * 1024 * 1024,
        timeout_s: float = 180.0,
        params: Mapping[str, Any] | None = None,
        proxy: str | None = None,
    ) -> None:
        """`base_url`: without `/images/generations`. `models`: raw, with schemas, from `openai_models.models_of`.

        `slots`: the slots of a model, by the API's id. `fetch`: downloads an image that is returned as a link. After `timeout_s` without
        a byte, the response counts as lost. `params`: constants that are sent with every call. `proxy`: the proxy that leads to it.
        """
        self.name = name
        self._api = Api(session=session, base_url=base_url, api_key=api_key, name=name, proxy=proxy)
        self._params = dict(params or {})
        self._models = tuple(models)
        self._encoding = EditEncoding(edit_encoding)
        self._slots = slots
        self._base_url = base_url
        self._fetch = fetch
        self._max_result_bytes = max_result_bytes
        self._timeout_s = timeout_s

    async def submit(self, submission: Submission) -> CompletedImage:
        path = "/images/edits" if submission.references else "/images/generations"
        body = await self._edit(submission) if submission.references else self._values(submission)
        limit = self._max_result_bytes * 4 // 3 + 64 * 1024  # base64 is a third longer
        send = self._api.send(path, body, timeout_s=self._timeout_s, limit=limit, fresh=True, alive=True, prompt=submission.prompt)
        with limited(self.name):
            return await self._image(await send)

    async def find(self, submission: Submission, *, since: int) -> Sequence[GenerationReport]:  # noqa: ARG002  the protocol's
        return ()

    async def read(self, provider_id: str) -> GenerationReport | None:  # noqa: ARG002  the protocol's
        return None

    async def cancel(self, provider_id: str) -> None:
        """No effect: there is no queue."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Event]]:
        raise ProviderBusy(_("This image service has no event stream."))
        yield  # type: ignore[unreachable]  # makes this a generator

    async def ping(self) -> None:
        await self._api.probe("/models")  # servers without this path respond with 404, which is enough

    async def models(self) -> Sequence[Mapping[str, Any]]:
        """The models from the settings. The API is not called: its list has neither abilities nor prices."""
        return self._models

    def _values(self, submission: Submission) -> dict[str, Any]:
        seed = {} if submission.seed is None else {self._slots(submission.model).seed: submission.seed}
        return {**self._params, **submission.params, **seed, "model": submission.model, "prompt": submission.prompt, "n": 1}

    async def _edit(self, submission: Submission) -> dict[str, Any] | aiohttp.FormData:
        images = await machine.in_thread(lambda: [_read_reference(each) for each in submission.references])
        values = self._values(submission)
        mask_field = self._slots(submission.model).mask
        mask = None if submission.mask is None else await machine.in_thread(_read_mask, submission.mask)
        if self._encoding in {EditEncoding.MULTIPART, EditEncoding.MULTIPART_LIST}:
            is_list = len(images) > 1 or self._encoding is EditEncoding.MULTIPART_LIST
            files = [("image[]" if is_list else "image", image) for image in images]
            return _form(values, files if mask is None else [*files, (mask_field, mask)])
        is_uri = self._encoding is EditEncoding.JSON_DATA_URI
        texts = [image.data_uri if is_uri else image.base64 for image in (*images, *(() if mask is None else (mask,)))]
        masked = {} if mask is None else {mask_field: texts.pop()}
        return {**values, **masked, "image": texts if len(texts) > 1 else texts[0]}

    async def _image(self, answer: Mapping[str, Any]) -> CompletedImage:
        rows = answer.get("data")
        first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else {}
        content, url = first.get("b64_json"), first.get("url")
        if isinstance(content, str) and content:
            return CompletedImage(content=await decode(content, max_bytes=self._max_result_bytes))
        if isinstance(url, str) and url:
            return await follow(absolute(url, self._base_url), self._fetch, max_bytes=self._max_result_bytes)
        raise ProviderRefused(_("The image service answered without an image."))


@dataclass(frozen=True, kw_only=True)
class _OpenAiImage:
    """A reference image in every form that an encoding needs."""

    format: Format
    content: bytes = field(repr=False)
    base64: str = field(repr=False)

    @property
    def data_uri(self) -> str:
        return f"data:{self.format.content_type};base64,{self.base64}"


def _read_reference(uri: str) -> _OpenAiImage:
    """Read a data URI. The type is taken from the image's header, not from the URI."""
    head = _DATA_URI.match(uri)
    if head is None:
        raise ProviderRefused(_(_UNUSABLE))
    text = uri[head.end() :]
    try:
        content = base64.b64decode(text, validate=True)
        kind = format_of(content[:SNIFFED_BYTES])
    except ValueError as error:  # invalid base64, or ImageError, which is a ValueError
        raise ProviderRefused(_(_UNUSABLE)) from error
    return _OpenAiImage(format=kind, content=content, base64=text)


def _read_mask(uri: str) -> _OpenAiImage:
    """A mask in the form that this API expects."""
    content = masks.with_transparency(_read_reference(uri).content)
    return _OpenAiImage(format=Format.PNG, content=content, base64=base64.b64encode(content).decode())


def _form(values: Mapping[str, Any], files: Sequence[tuple[str, _OpenAiImage]]) -> aiohttp.FormData:
    """A form with these files, each with the name of its field."""
    form = aiohttp.FormData(quote_fields=False)  # otherwise image[] is sent as image%5B%5D
    for name, value in values.items():
        if value is not None:
            form.add_field(name, value if isinstance(value, str) else json.dumps(value))
    for number, (name, image) in enumerate(files, start=1):
        filename = f"picture-{number}.{image.format.extension}"
        form.add_field(name, io.BytesIO(image.content), filename=filename, content_type=image.format.content_type)
    return form
