"""Plausible answers for any JSON schema, drawn from the request itself: another scene gives another answer."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from typing import Any

Json = dict[str, Any]

_COLOURS = ("red", "ochre", "moss green", "slate blue", "plum", "cream", "rust", "teal")
_CLOTHES = ("coat", "scarf", "apron", "jacket", "shawl", "waistcoat")
_LIGHTS = ("low golden light", "cold morning light", "lantern light", "soft rain light", "hard noon light")
_VIEWS = ("wide shot", "low angle", "close view", "from above", "over the shoulder")
_NOT_NAMES = frozenset(
    "the and but then when she her his him they there this that with from into scene story write every each return"
    " json bible style character characters place places title english one image picture prompt you your".split()
)
_SOFTER = re.compile(r"\b(soften|harmless|content filter|content policy|rewrite|rephrase)", re.IGNORECASE)


def answer(
    schema: Json, *, user: str, system: str = "", forbidden: tuple[str, ...] = (), failing: tuple[str, ...] = ()
) -> Any:
    """A value that fits `schema`, the same for the same `user` text.

    An `ok` is true, but for the items of a check whose key begins with one of the `failing` words.

    Words of the text reach the prompts, so that a picture can be told by what its scene says. Where the `system`
    text asks for a softer wording, the `forbidden` words (those a content policy is watching for) are left out.
    """
    return _Writer(schema, user, forbidden if _SOFTER.search(system) else (), failing).value(schema, "")


class _Writer:
    def __init__(self, root: Json, user: str, avoid: tuple[str, ...], failing: tuple[str, ...]) -> None:
        self.root = root
        self.failing = failing
        self.mark = hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()[:10]
        self.random = random.Random(self.mark)
        self.words = _telling_words(user, avoid)
        self.names = _names(user)
        self.present = _present(user)

    def value(self, schema: Json, name: str) -> Any:
        if "$ref" in schema:
            return self.value(self._resolve(schema["$ref"]), name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "anyOf" in schema:
            return self.value(next(s for s in schema["anyOf"] if s.get("type") != "null"), name)
        declared = schema.get("type", "object")
        kind = next(t for t in declared if t != "null") if isinstance(declared, list) else declared
        return self._of_type(kind, schema, name)

    def _of_type(self, kind: str, schema: Json, name: str) -> Any:
        match kind:
            case "object" if "ok" in schema.get("properties", {}):
                ok = not name.startswith(self.failing) if self.failing else True
                return {"note": f"{name} is {'as ordered' if ok else 'wrong'} ({self.mark})", "ok": ok}
            case "object":
                return {key: self.value(child, key) for key, child in schema.get("properties", {}).items()}
            case "array":
                return self._array(schema, name)
            case "string":
                return _fit(self._text(name), schema)
            case "integer" | "number":
                return self._number(kind, schema)
            case "boolean":
                return False
            case _:
                return None

    def _array(self, schema: Json, name: str) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
        items: Json = schema.get("items", {"type": "string"})
        if name == "aliases":
            most = least
        if "character" in name or "name" in name or name == "people":
            return self._people(items, name, max(least, min(most, len(self.names))))
        return [self.value(items, name.removesuffix("s")) for _ in range(max(least, min(most, 2)))]

    def _people(self, items: Json, name: str, count: int) -> list[Any]:
        if items.get("type") == "string" and self.present is not None:
            return list(self.present)
        people: list[Any] = []
        for index in range(count):
            person = self.value(items, name.removesuffix("s"))
            called = self.names[index % len(self.names)] if self.names else f"Person {index}"
            if isinstance(person, dict) and "name" in person:
                person["name"] = called
            people.append(called if isinstance(person, str) else person)
        return people

    def _number(self, kind: str, schema: Json) -> float:
        least, most = schema.get("minimum", 0), schema.get("maximum", schema.get("minimum", 0) + 10)
        return self.random.randint(int(least), int(most)) if kind == "integer" else self.random.uniform(least, most)

    def _text(self, name: str) -> str:
        pick = self.random.choice
        match name:
            case "title":
                return " ".join(word.capitalize() for word in self.words[:3]) or f"Story {self.mark}"
            case "style":
                return "Soft gouache with paper grain, muted colours and long shadows."
            case "appearance":
                return (
                    f"a person of {self.random.randint(8, 80)}, {pick(_COLOURS)} {pick(_CLOTHES)}, {pick(_COLOURS)} hat"
                )
            case "image_prompt" | "prompt" | "positive_prompt" | "positivePrompt" | "rewritten_prompt":
                return (
                    f"{pick(_VIEWS)}, {' '.join(self.words[:18])}, {pick(_LIGHTS)}, {pick(_COLOURS)} tones, {self.mark}"
                )
            case "name" | "place" | "location":
                return " ".join(self.words[:2]) or f"place {self.mark}"
            case _:
                return f"{' '.join(self.words[:8])}, {pick(_LIGHTS)} ({self.mark})"

    def _resolve(self, reference: str) -> Json:
        node: Any = self.root
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        resolved: Json = node
        return resolved


def _telling_words(user: str, avoid: tuple[str, ...]) -> list[str]:
    """The last words of the text that say something: the scene stands at the end of a question."""
    unwanted = {word.lower() for word in avoid}
    words = [word for word in re.findall(r"[^\W\d_]{3,}", user[-600:]) if word.lower() not in unwanted]
    return words[-18:] if len(words) > 18 else words


def _names(user: str) -> list[str]:
    """Up to three words that look like names: capitalised in mid-sentence, the most frequent first."""
    found = Counter(re.findall(r"(?<=[a-z,;] )[A-Z][a-z]{2,14}\b", user))
    return [name for name, _ in found.most_common(8) if name.lower() not in _NOT_NAMES][:3]


def _present(user: str) -> list[str] | None:
    """The bible's characters whom a scene names; None where no scene is asked about."""
    asked = re.search(r"^Bible: (\{.*\})\nScene \d+ of \d+:\n(.*)", user, re.DOTALL | re.MULTILINE)
    if asked is None:
        return None
    names = [str(person["name"]) for person in json.loads(asked[1])["characters"]]
    return [name for name in names if re.search(rf"\b{re.escape(name)}\b", asked[2])]


def _fit(text: str, schema: Json) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    text = text.ljust(least, ".")
    return text if most is None else text[:most]
