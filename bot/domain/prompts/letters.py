"""Letters that resemble Latin ones, and what counts as part of a word.

Sources: Unicode Technical Standard 39 (confusables; only those that resemble Latin letters), and the letters in circles and squares that
Unicode does not decompose.
"""

from __future__ import annotations

import string
import unicodedata
from typing import Final


def _pairs(text: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in text.split()}


def _alphabets(*firsts: int) -> dict[int, str]:
    """Alphabets of symbols, each from this code point on."""
    return {first + place: letter for first in firsts for place, letter in enumerate(string.ascii_lowercase)}


# Each look-alike and its Latin letter, in lower case.
ALIKE: Final = {
    **_pairs("аa вb еe кk мm нh оo рp сc тt уy хx іi јj ѕs ԁd һh ӏl ԛq ԝw гr пn ьb ѵv ԍg ѡw ҽe єe эe яr ғf қk ҝk үy ұy ɡg"),  # Cyrillic
    **_pairs("αa βb εe ιi κk νv οo ρp τt υu χx ωw γy ηn μu σo ςc ζz ϲc ϳj ϱp ϵe"),  # Greek
    **_pairs("օo ոn սu հh յj զq ցg ռn լl աw քp րr"),  # Armenian
    **_pairs("øo łl đd ħh ŧt ŋn ƀb ɍr ɏy ɇe ɉj ðd ĸk ƃb ɋq ⱥa ⱦt ȼc ꞡg ꞧr ƶz ıi ȷj"),  # Latin letters with a stroke or without a dot
    **_pairs("ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ꞯq ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz"),  # small capitals
    **_pairs(
        "ɑa ɐa ɓb ƈc ɖd ɗd ɛe əe ɘe ǝe ƒf ɠg ɦh ɨi ɩi ʝj ƙk ɭl ɫl ɱm ɲn ɳn ɵo ɔo ƥp ʠq ɹr ɾr ɽr ʂs ƭt ʈt ʉu ʋv ʌv ʍw ƴy ʐz"
    ),  # phonetic
    **_pairs("ꓐb ꓑp ꓓd ꓔt ꓖg ꓗk ꓙj ꓚc ꓜz ꓝf ꓟm ꓠn ꓡl ꓢs ꓣr ꓦv ꓧh ꓪw ꓫx ꓬy ꓮa ꓰe ꓲi ꓳo ꓴu"),  # Lisu
    **_pairs("Ꭺa Ᏼb Ꮯc Ꭰd Ꭼe Ᏻg Ꮐg Ꮋh Ꭵi Ꭻj Ꮶk Ꮮl Ꮇm Ꮲp Ꭱr Ꮪs Ꭲt Ꮩv Ꮃw Ꮓz Ꮎo Ꮢr Ꮥs"),  # Cherokee
    **_alphabets(0x1F130, 0x1F150, 0x1F170, 0x1F1E6),  # squares, filled circles and squares, flags
}
# Letters whose capitals resemble another Latin letter.
ALIKE_AS_CAPITALS: Final = {**ALIKE, **_pairs("ηh νn μm υy σe гr пn")}

# Digits and signs used as letters; some stand for two.
SUBSTITUTES: Final = _pairs("0o 1i 3e 4a 5s 7t 8b 6g 9g 2z @a $s €e !i |i +t ¢c £l ¥y §s")
OTHER_SUBSTITUTES: Final = {**SUBSTITUTES, **_pairs("1l |l !l 6b 9q £e")}


def is_word_character(character: str) -> bool:
    """Whether this is a letter, a digit, a combining mark or an underscore."""
    return character == "_" or unicodedata.category(character)[0] in "LNM"
