"""Which part of the body an image shows, from the words of its header."""

import re
from collections.abc import Mapping, Sequence

WORDS = {
    "head": "head skull cranium cranial orbit* sinus* face facial maxillofacial mandible "
    "jaw* dental ear ears iac* sella pituitary kopf schaedel schädel crane crâne",
    "brain": "brain cerebr* neuro* cranio* hirn gehirn",
    "neck": "neck cervicothor* carotid* thyroid larynx pharynx hals cou",
    "chest": "chest* thora* lung* pulmon* rib ribs sternum clavicle mediastin* poumon*",
    "heart": "heart cardi* coronar* herz",
    "breast": "breast* mammo* mamma*",
    "abdomen": "abd abdom* liver hepat* pancrea* kidney* renal spleen stomach bowel colon urogr* "
    "uro* leber niere* mrcp kub foie",
    "pelvis": "pelv* prostat* bladder rectum rectal uter* becken bassin sacroiliac*",
    "spine": "spine spinal cspine tspine lspine sspine ctspine tlspine lsspine cervical "
    "lumbar lumbosacral sacrum coccyx vertebra* ws hws bws lws wirbels* rachis",
    "shoulder": "shoulder* scapula schulter* epaule épaule",
    "arm": "arm humerus forearm radius ulna upperarm oberarm unterarm",
    "elbow": "elbow* ellenbogen coude",
    "wrist": "wrist* handgelenk* poignet",
    "hand": "hand hands finger* thumb*",
    "hip": "hip hips huefte* hüft* hanche",
    "leg": "leg legs femur thigh tibia fibula calf lowerleg upperleg oberschenkel "
    "unterschenkel jambe",
    "knee": "knee* patella knie* genou",
    "ankle": "ankle* sprunggelenk* cheville",
    "foot": "foot feet toe toes calcaneus heel fuss fuß pied",
    "whole body": "wholebody polytrauma ganzkörper*",
}
"""Region -> words of English, German and French headers; ``*`` stands for any letters."""

_PHRASES = {
    re.compile(r"whole[ _-]*body"): "wholebody",
    re.compile(r"\b(cervical|thoracic|lumbar|[ctls])[ _-]+(spine|vertebra)"): "spine",
}
"""Words that belong together -> one word of :data:`WORDS`."""

_WORD = re.compile(r"[^\W\d_]+")


class Regions:
    """The words of headers and what region they name."""

    def __init__(self, own: Mapping[str, str]):
        """``own`` maps words of the user's to regions. They come before :data:`WORDS`."""
        known = {word: region for region, words in WORDS.items() for word in words.split()}
        mine = {word.strip().casefold(): region.strip() for word, region in own.items()}
        self._phrases = {word: name for word, name in mine.items() if not _simple(word)}
        self._mine, self._known = _Words(mine), _Words(known)
        self._found: dict[tuple[str, ...], str] = {}

    def of(self, body_part: str, texts: Sequence[str]) -> str:
        """The region of an image; blank where no word tells it.

        ``body_part`` is the body part that the header names. A word of it that is known decides, or
        else its own text. Without it the first known word of the ``texts`` decides, in their order.
        """
        key = (body_part, *texts)
        if key not in self._found:
            found = self._in(body_part) or " ".join(body_part.casefold().split())
            self._found[key] = found or next(filter(None, map(self._in, texts)), "")
        return self._found[key]

    def _in(self, text: str) -> str:
        text = text.casefold()
        for phrase, region in self._phrases.items():
            if phrase in text:
                return region
        for form, word in _PHRASES.items():
            text = form.sub(word, text)
        words = _WORD.findall(text)
        for known in (self._mine, self._known):
            region = next(filter(None, map(known.get, words)), "")
            if region:
                return region
        return ""


class _Words:
    def __init__(self, words: Mapping[str, str]):
        self.whole = {word: name for word, name in words.items() if "*" not in word}
        self.starts = [
            (re.compile(re.escape(word).replace(r"\*", r"\w*")), name)
            for word, name in words.items()
            if "*" in word
        ]

    def get(self, word: str) -> str:
        """The region of a word, or a blank."""
        if word in self.whole:
            return self.whole[word]
        return next((name for form, name in self.starts if form.fullmatch(word)), "")


def _simple(word: str) -> bool:
    return _WORD.fullmatch(word.replace("*", "")) is not None
