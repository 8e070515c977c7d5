"""`python -m sandbox [--port N] [--fast] [--watched]`: runs the local Discord and the local image APIs until interrupted.

Exit codes: 0 stopped, 1 it could not start, 2 a package is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys

try:
    from sandbox import discord, images
    from sandbox.faults import Switchboard
except ModuleNotFoundError as error:
    print(f"The sandbox needs the development packages; `make setup` installs them ({error.name} is missing).", file=sys.stderr)
    sys.exit(2)

_PRIVILEGED_INTENTS = frozenset({"message_content", "members"})  # enabled for this application; a bot need not request them


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Discord with its chat page, and a local image API.")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port of the chat page (default: a free one)")
    parser.add_argument("--or-free", action="store_true", help="use a free port if that one is taken")
    parser.add_argument("--fast", action="store_true", help="draw images at once instead of taking a few seconds")
    parser.add_argument("--watched", action="store_true", help="whoever started this kills the bot when a line of the output asks for it")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM. Prints one JSON line with all addresses and keys, then one for each request to kill the bot."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    switchboard = Switchboard()
    timing = images.FAST if arguments.fast else images.ApiTiming()
    async with (
        images.serve(switchboard=switchboard, timing=timing) as image_apis,
        discord.serve(
            switchboard=switchboard,
            port=arguments.port,
            or_free=arguments.or_free,
            privileged_intents=_PRIVILEGED_INTENTS,
            kill_bot=_ask_to_kill if arguments.watched else None,
            images_in_work=image_apis.images_in_work,
        ) as chat,
    ):
        addresses = {
            "page": chat.url,
            "discord_api_url": chat.api_url,
            "discord_gateway_url": chat.gateway_url,
            "discord_cdn_host": chat.cdn_host,
            "discord_token": chat.token,
            "images_url": image_apis.url,
            "images_key": image_apis.key,
            "openai_url": image_apis.openai_url,
            "openai_key": image_apis.openai_key,
            "moderation_url": image_apis.moderation_url,
        }
        print(json.dumps(addresses), flush=True)
        await stop.wait()


def _ask_to_kill() -> None:
    print(json.dumps({"do": "kill"}), flush=True)


def main() -> int:
    try:
        asyncio.run(_run(_arguments()))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        print(f"The local Discord could not start: {reason}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
