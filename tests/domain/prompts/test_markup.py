"""Markup that servers of image APIs obey, and what only resembles it."""

from __future__ import annotations

import pytest

from bot.domain.prompts.markup import has_markup


@pytest.mark.parametrize(
    "text",
    [
        '<sd_cpp_extra_args>{"steps": 150}</sd_cpp_extra_args>',
        "a fox <SD_CPP_EXTRA_ARGS >",
        "a fox <lora:nude:1.5>",
        "a fox <LoRA : x>",
        "<lyco:a:1>",
        "<hypernet:a:1>",
        "<embed:a>",
        "<wildcard:a>",
        "<param[steps]:150>",
        "<setvar[a]:b>",
        "<extra-args>",
        "<x>{}</x>",
        "<model name=other>",
        "＜lora:a:1＞",
        "<lo\u200bra:a:1>",
        "<lora:a\nb:1>",
    ],
)
def test_markup_is_found(text: str) -> None:
    assert has_markup(text)


@pytest.mark.parametrize(
    "text",
    [
        "a fox <3",
        "5 < 6 and 8 > 7",
        "x<y",
        "a <cat> in a hat",
        "a sign that says <exit here>",
        "<https://example.com/a_b>",
        "<@1> <@&1> <#1> <t:0> <t:1:R> <:fox_a:123> <a:fox_a:123> </cmd:1> </style add:12> <id:customize>",
        "->-<-",
        "<-- look: here -->",
        "lora: a robot",
    ],
)
def test_ordinary_text_is_no_markup(text: str) -> None:
    assert not has_markup(text)
