"""From words in a prompt to video filters: one readable table, in English, Japanese and Chinese.

A prompt may hold several wishes; they are applied in the table's order. A Latin word counts as a whole word, a CJK
word anywhere; a word that is negated right before it ("no snow", "不要雪") or right after it ("雪なし") does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from attrs import field, frozen

__all__ = ["DEFAULT_GRADE", "Plan", "WISHES", "Wish", "plan_for"]

Weather = Literal["snow", "rain"]


@frozen
class Wish:
    """One thing people ask for: its words, and filters as (name, arguments), or weather to draw over the frames."""

    name: str
    en: str
    ja: str
    zh: str
    filters: tuple[tuple[str, str], ...] = ()
    weather: Weather | None = None
    caption: bool = False
    pattern: re.Pattern[str] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile("|".join(map(_word, self.words))))

    @property
    def words(self) -> tuple[str, ...]:
        """All words, of all languages."""
        return tuple(f"{self.en}, {self.ja}, {self.zh}".split(", "))


@frozen
class Plan:
    """What is to be done to every frame of a clip."""

    wishes: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    weather: tuple[Weather, ...] = ()
    caption: str | None = None


_NO_LATIN = "".join(rf"(?<!\b{word} )" for word in ("no", "not", "without", "never"))
_NO_CJK = "(?<!不要)(?<!不要有)(?<!没有)(?<!不)"
_NO_AFTER = "(?!なし|は不要|を避け|しない|せず|にしない)"


def _word(word: str) -> str:
    if word.isascii():
        return rf"{_NO_LATIN}\b{re.escape(word)}\b"
    return f"{_NO_CJK}{re.escape(word)}{_NO_AFTER}"


def _luma(expression: str) -> tuple[str, str]:
    return ("lutyuv", f"y=clip({expression},16,235)")


WISHES: tuple[Wish, ...] = (
    # Geometry
    Wish(
        "mirror",
        en="mirror, mirrored, flip, flipped",
        ja="鏡, ミラー, 左右反転",
        zh="镜像, 左右翻转",
        filters=(("hflip", ""),),
    ),
    Wish(
        "upside down",
        en="upside down, upside-down",
        ja="上下反転, 逆さ",
        zh="上下翻转, 上下颠倒, 倒置",
        filters=(("vflip", ""),),
    ),
    # Light
    Wish(
        "brighter",
        en="bright, brighter, brighten, lighter, more light",
        ja="明る",
        zh="明亮, 更亮, 提亮, 调亮",
        filters=(_luma("val*1.2+14"),),
    ),
    Wish(
        "darker",
        en="dark, darker, darken, dim, dimmer, night",
        ja="暗く, 暗め, 夜",
        zh="更暗, 变暗, 调暗, 昏暗",
        filters=(_luma("val*0.62+4"),),
    ),
    Wish(
        "more contrast",
        en="more contrast, contrast, high contrast, contrasty",
        ja="コントラスト",
        zh="对比度, 對比",
        filters=(_luma("(val-126)*1.45+126"),),
    ),
    Wish(
        "fog",
        en="fog, foggy, mist, misty, haze, hazy",
        ja="霧, もや",
        zh="雾, 薄雾",
        filters=(_luma("val*0.5+100"), ("hue", "s=0.5")),
    ),
    # Colour
    Wish(
        "warmer",
        en="warm, warmer, warmth, golden hour, golden, sunset, cozy",
        ja="暖か, 温か, あたたか, 暖色, 夕焼け, 夕日",
        zh="温暖, 更暖, 暖一, 暖调, 日落",
        filters=(("colorchannelmixer", "rr=1.16:gg=1.02:bb=0.78"),),
    ),
    Wish(
        "colder",
        en="cold, colder, cool, cooler, icy, chilly, moonlight",
        ja="寒色, 寒く, 寒い, 冷た, 涼し, クール",
        zh="冷色, 更冷, 冷一, 冷调, 寒冷",
        filters=(("colorchannelmixer", "rr=0.78:gg=0.98:bb=1.18"),),
    ),
    Wish(
        "saturated",
        en="saturate, saturated, saturation, vivid, vibrant, colorful, colourful",
        ja="鮮やか, 彩度, カラフル",
        zh="鲜艳, 饱和, 鮮豔, 生动",
        filters=(("hue", "s=1.8"),),
    ),
    Wish(
        "muted",
        en="muted, faded, desaturate, desaturated, pastel",
        ja="淡い, くすん, パステル",
        zh="淡雅, 褪色",
        filters=(("hue", "s=0.4"),),
    ),
    Wish(
        "sepia",
        en="sepia, vintage, retro, old film, old photo",
        ja="セピア, レトロ, 懐かし",
        zh="复古, 怀旧, 復古",
        filters=(("colorchannelmixer", ".393:.769:.189:0:.349:.686:.168:0:.272:.534:.131"),),
    ),
    Wish(
        "inverted",
        en="invert, inverted, negative",
        ja="ネガ, 色反転, 色を反転",
        zh="反色, 负片, 反转颜色, 負片",
        filters=(("negate", ""),),
    ),
    Wish(
        "cinematic",
        en="cinematic, cinema, film look, movie look",
        ja="シネマ, 映画",
        zh="电影, 電影",
        filters=(
            ("colorbalance", "rs=-0.12:bs=0.14:rh=0.12:bh=-0.12"),
            _luma("(val-126)*1.15+122"),
            ("drawbox", "x=0:y=0:w=iw:h=ih*0.1:color=black:t=fill"),
            ("drawbox", "x=0:y=ih*0.9:w=iw:h=ih*0.1+1:color=black:t=fill"),
        ),
    ),
    Wish(
        "black and white",
        en="black and white, black-and-white, black & white, b&w, monochrome, grayscale, greyscale, noir",
        ja="白黒, モノクロ",
        zh="黑白, 单色, 灰度, 單色",
        filters=(("hue", "s=0"),),
    ),
    # Texture
    Wish(
        "blur",
        en="blur, blurry, blurred, soft focus, dreamy",
        ja="ぼか, ぼけ, ボケ",
        zh="模糊, 虚化, 柔焦",
        filters=(("gblur", "sigma=6"),),
    ),
    Wish(
        "sharper",
        en="sharp, sharper, sharpen, crisp",
        ja="シャープ, くっきり",
        zh="锐化, 清晰, 銳化",
        filters=(("unsharp", "5:5:2.0:5:5:0"),),
    ),
    Wish(
        "cartoon",
        en="cartoon, comic, anime, posterize",
        ja="アニメ, 漫画, マンガ",
        zh="动漫, 卡通, 動漫",
        filters=(
            ("gblur", "sigma=1.5"),
            ("lutrgb", "r=floor((val+25)/51)*51:g=floor((val+25)/51)*51:b=floor((val+25)/51)*51"),
        ),
    ),
    Wish(
        "sketch",
        en="sketch, pencil, line art, drawing",
        ja="線画, スケッチ, 鉛筆",
        zh="素描, 线稿, 铅笔",
        filters=(("edgedetect", "low=0.08:high=0.2"), ("negate", ""), ("hue", "s=0")),
    ),
    Wish(
        "pixelated",
        en="pixelate, pixelated, pixel art, 8-bit, mosaic",
        ja="モザイク, ドット絵",
        zh="马赛克, 像素",
        filters=(("pixelize", "w=12:h=12"),),
    ),
    Wish(
        "grain",
        en="grain, grainy, film grain, noise, noisy",
        ja="粒子, ノイズ",
        zh="颗粒, 噪点, 顆粒",
        filters=(("noise", "alls=28:allf=t"),),
    ),
    Wish(
        "vignette",
        en="vignette, dark corners",
        ja="ビネット, 周辺減光",
        zh="暗角, 晕影, 暈影",
        filters=(("vignette", "angle=PI/3.2"),),
    ),
    # Drawn over the frames
    Wish(
        "snow",
        en="snow, snowing, snowy, snowfall, snowflakes",
        ja="雪",
        zh="下雪, 飘雪",
        weather="snow",
    ),
    Wish(
        "rain",
        en="rain, raining, rainy, rainfall",
        ja="雨",
        zh="下雨, 雨天",
        weather="rain",
    ),
    Wish(
        "caption",
        en="caption, captions, subtitle, subtitles, add text, the text, title, the words",
        ja="字幕, テロップ, キャプション, テキスト",
        zh="标题, 文字, 標題",
        caption=True,
    ),
)

DEFAULT_GRADE: tuple[tuple[str, str], ...] = (
    ("hue", "h=35:s=1.3"),
    _luma("(val-126)*1.15+126"),
    ("vignette", "angle=PI/4"),
)
"""For a wish that is not in the table: something everybody sees."""

_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|『([^』]+)』|《([^》]+)》|(?<!\w)'([^']+)'(?!\w)")


def plan_for(prompt: str) -> Plan:
    """What the prompt asks for; quoted text is caption text and holds no wishes."""
    quoted = next((text for match in _QUOTED.finditer(prompt) for text in match.groups() if text), None)
    words = _QUOTED.sub(" ", prompt).casefold()
    wanted = [wish for wish in WISHES if wish.pattern.search(words)]
    caption = (quoted or "Caption") if any(wish.caption for wish in wanted) else None
    if not wanted:
        return Plan(wishes=("default grade",), filters=DEFAULT_GRADE)
    return Plan(
        wishes=tuple(wish.name for wish in wanted),
        filters=tuple(_chain(wanted)),
        weather=tuple(wish.weather for wish in wanted if wish.weather),
        caption=caption,
    )


def _chain(wanted: Iterable[Wish]) -> Iterable[tuple[str, str]]:
    return (step for wish in wanted for step in wish.filters)
