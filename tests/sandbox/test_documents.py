"""The documents' own cURL and Python examples run against the sandbox; only the base URL and the key are changed.

documents/README.md says where the texts come from and which spaces of the Klein 9B page had to be mended.
The examples wait 5 or 10 seconds between two requests: the shims of `sleep` and `time.sleep` shorten that without changing the examples.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from sandbox import images
from sandbox.faults import Switchboard
from sandbox.painter import Brief, paint
from tests.sandbox.wire import Client, until

DOCUMENTS = Path(__file__).parent / "documents"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/results/[^\s\"']+")
SOURCE = paint(Brief(prompt="a source image", seed=4, output_format="jpg")).data  # what an example may read from its folder
AT_ONCE = 4  # examples that run side by side
# mawk reads a pipe in blocks of 4 KiB: keep-alive comments must fill one soon.
CHATTY = images.ApiTiming(queue_s=0.01, image_min_s=0.05, image_max_s=0.05, keep_alive_s=0.005)

SLEEP = "#!/bin/sh\nexec /bin/sleep 0.05\n"
SITECUSTOMIZE = """
import builtins, time
builtins.false = False  # three examples write JSON's word
wait = time.sleep
time.sleep = lambda seconds: wait(min(seconds, 0.05))
"""
# Only the expressions that the examples use, for a machine without jq.
JQ = """#!{python}
import json, sys
found = json.load(sys.stdin)
expression = sys.argv[-1]
for step in expression.replace("[0]", ".0").split("."):
    found = found[int(step) if step.isdigit() else step] if step else found
print(found if "-r" in sys.argv else json.dumps(found, indent=2))
"""


def examples(pattern: str) -> list[Path]:
    found = sorted(DOCUMENTS.glob(f"{pattern}.txt"))
    assert found
    return found


@pytest.fixture
def shims(tmp_path: Path) -> Path:
    """A directory for PATH and PYTHONPATH whose `sleep` is short."""
    folder = tmp_path / "shims"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    programs = {"sleep": SLEEP} | ({} if shutil.which("jq") else {"jq": JQ.format(python=sys.executable)})
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    return folder


def command(example: Path, server: images.ImageServer) -> list[str]:
    """The command line of an example, with the sandbox's address."""
    text = example.read_text("utf-8")
    for path in ("/api/ai/", "/api/events"):  # not the addresses of reference images
        text = text.replace(f"https://hub.oxen.ai{path}", f"{server.url}{path}")
    text = text.replace("https://api.oxlo.ai/v1", server.openai_url).replace("<YOUR_API_KEY>", server.openai_key)
    return [sys.executable, "-c", text] if ".py" in example.name else ["bash", "-c", text]


async def run(example: Path, server: images.ImageServer, shims: Path) -> str:
    """What the example printed. Its exit code must be 0."""
    code, printed, complaint = await attempt(example, server, shims)
    assert code == 0, f"{example.name}: {complaint}"
    return printed


async def attempt(example: Path, server: images.ImageServer, shims: Path) -> tuple[int | None, str, str]:
    """Exit code, output and error output of an example."""
    folder = shims / example.stem
    folder.mkdir()
    (folder / "source.jpg").write_bytes(SOURCE)
    environment = {"PATH": f"{shims}:{os.environ['PATH']}", "PYTHONPATH": str(shims), "OXEN_API_KEY": server.key, "NO_PROXY": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        *command(example, server), cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, printed.decode(), complaint.decode()


async def run_all(paths: Sequence[Path], server: images.ImageServer, shims: Path, *, at_once: int = AT_ONCE) -> dict[str, str]:
    """What each example printed, by its name."""
    places = asyncio.Semaphore(at_once)

    async def placed(path: Path) -> str:
        async with places:
            return await run(path, server, shims)

    async with asyncio.timeout(45):
        return dict(zip([path.stem for path in paths], await asyncio.gather(*map(placed, paths)), strict=True))


async def assert_images(client: Client, printed: dict[str, str]) -> None:
    """Every example printed a link, and each link leads to an image."""
    for name, text in printed.items():
        link = LINK.search(text)
        assert link, f"{name} printed no link: {text}"
        assert (await client.get(link.group())).headers["Content-Type"].startswith("image/"), name


needs_programs = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("bash", "curl", "awk")), reason="the cURL examples need bash, curl and awk"
)


@pytest.mark.parametrize("kind", ["py", pytest.param("sh", marks=[needs_programs, pytest.mark.slow])])
async def test_the_synchronous_examples_print_a_link_to_an_image(
    client: Client, server: images.ImageServer, shims: Path, kind: str
) -> None:
    names = [f"generation.{kind}", f"*-sync-*.{kind}"] + (["quickstart-url.py"] if kind == "py" else [])
    printed = await run_all([path for name in names for path in examples(name)], server, shims)
    await assert_images(client, printed)
    assert all(request.status == 200 for request in server.requests)


@pytest.mark.parametrize("kind", ["py", pytest.param("sh", marks=[needs_programs, pytest.mark.slow])])
async def test_the_queue_examples_end_with_a_result(client: Client, server: images.ImageServer, shims: Path, kind: str) -> None:
    printed = await run_all(examples(f"*-*-queue-*.{kind}"), server, shims)
    await assert_images(client, printed)
    assert (await client.ledger())["paid"] == len(printed)


@pytest.mark.parametrize("timing", [CHATTY])
@pytest.mark.parametrize("kind", ["py", pytest.param("sh", marks=[needs_programs, pytest.mark.slow])])
@pytest.mark.faults("generation-stuck")
async def test_the_event_examples_receive_their_event(
    client: Client, server: images.ImageServer, switchboard: Switchboard, shims: Path, kind: str
) -> None:
    """The examples enqueue before they listen, so a quick event would be lost: generations are held until all are listening."""
    paths = examples(f"*-events-*.{kind}")
    running = asyncio.create_task(run_all(paths, server, shims, at_once=len(paths)))

    async def all_are_listening() -> bool:
        return running.done() or (await client.ledger())["listeners"] == len(paths)

    await until(all_are_listening)
    switchboard.turn_off("generation-stuck")
    await assert_images(client, await running)


async def test_the_quick_start_writes_an_image_from_base64(server: images.ImageServer, shims: Path) -> None:
    printed = await run_all(examples("quickstart-base64.py"), server, shims)
    assert printed == {"quickstart-base64.py": "Saved to output.png\n"}
    assert (shims / "quickstart-base64.py" / "output.png").read_bytes().startswith(b"\x89PNG")


async def test_the_quick_start_polls_the_queue_until_it_is_empty(client: Client, server: images.ImageServer, shims: Path) -> None:
    (printed,) = (await run_all(examples("quickstart-queue.py"), server, shims)).values()
    assert printed.startswith("Enqueued 1 generation(s)\n")
    assert printed.endswith("Done!\n")
    assert (await client.ledger())["paid"] == 1


@needs_programs
async def test_the_model_examples_print_the_model(server: images.ImageServer, shims: Path) -> None:
    printed = await run_all(examples("*-model.sh"), server, shims)
    assert '"id": "flux-2-dev"' in printed["flux-2-dev-model.sh"]
    assert '"json_request_schema": {' in printed["klein-9b-model.sh"]


@pytest.mark.parametrize(
    ("name", "says", "size"),
    [
        ("oxlo-generate.py", "Image saved to output.png\n", (1024, 1024)),
        ("oxlo-edit-http.py", "Transformed image saved!\n", (512, 512)),
    ],
)
async def test_the_oxlo_examples_write_an_image(
    client: Client, server: images.ImageServer, shims: Path, name: str, says: str, size: tuple[int, int]
) -> None:
    assert await run_all(examples(name), server, shims) == {name: says}
    with Image.open(shims / name / "output.png") as image:
        assert (image.format, image.size) == ("PNG", size)
    assert (await client.calls())[0]["paid"] == 1


async def test_the_oxlo_edit_example_is_refused_by_the_sdk(server: images.ImageServer, shims: Path) -> None:
    """The SDK takes files only: nothing is sent. So the documented call has to be plain JSON over HTTP."""
    (example,) = examples("oxlo-edit.py")
    code, _, complaint = await attempt(example, server, shims)
    assert code == 1
    assert "RuntimeError: Expected entry at `image` to be" in complaint
    assert list(server.requests) == []
