"""What keeps people from using the page: axe-core's findings, and controls whose edges are too pale, in light and dark.

The script of axe-core is in the package axe-playwright-python, so nothing is downloaded. All its rules are on.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from playwright.async_api import Page

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_RUN = """async () => {
  const {violations} = await axe.run(document, {resultTypes: ["violations"]});
  const told = (id, {target, failureSummary}) => `${id}: ${target.join(" ")}: ${failureSummary.replace(/\\s+/g, " ")}`;
  return violations.flatMap(({id, nodes}) => nodes.map((node) => told(id, node)));
}"""
# axe-core does not check edges. Those of controls need a contrast of 3:1 with what is painted around them. A canvas mixes the colours.
_PALE_EDGES = """() => {
  const paint = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const linear = (part) => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = (...colours) => {
    for (paint.fillStyle of colours) paint.fillRect(0, 0, 1, 1);
    const [red, green, blue] = paint.getImageData(0, 0, 1, 1).data;
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const pale = (control) => {
    const around = [];
    for (let each = control.parentElement; each; each = each.parentElement) around.unshift(getComputedStyle(each).backgroundColor);
    const edge = getComputedStyle(control).borderTopColor;
    const [dark, light] = [luminance("#fff", ...around), luminance("#fff", ...around, edge)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05) < 3;
  };
  const drawn = ({borderTopWidth: width, borderTopColor: colour}) => width !== "0px" && !/, 0\\)$/.test(colour);
  const controls = "button:enabled, input[type=text], textarea, a.button, .draft-line";
  return [...document.querySelectorAll(controls)]
    .filter((one) => one.checkVisibility({opacityProperty: true, visibilityProperty: true}) && drawn(getComputedStyle(one)) && pale(one))
    .map((one) => `edge: ${one.className || one.id}: ${getComputedStyle(one).borderTopColor}`);
}"""


async def findings(page: Page) -> list[str]:
    """What is wrong on the page as it is: the rule, the element, and what to do about it."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_script())  # a script element would be refused by the page's policy
    found: list[str] = []
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for question in (_RUN, _PALE_EDGES):
            found += [f"{scheme}: {each}" for each in await page.evaluate(question)]
    return found


@cache
def _script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
