"""Writes the story bible and the picture prompts by rule, for when there is no text model."""

from __future__ import annotations

import re
import zlib

from ai_services import SceneText, compose_prompt
from models import BibleCharacter, BiblePlace, GenerationSettings, MediaType, SceneFacts, ScriptAnalysis, StoryBible
from utils import Gender, read_genders

MAX_CHARACTERS = 8
MAX_PLACES = 8
TITLE_CHARS = 60
MAX_PRESENT = 4  # described in one prompt; image models mix up more
MOMENT_CHARS = 320  # how much of the scene's own words goes into a prompt
LOOK_CHARS = 20_000  # of the story are searched for looks: they are told where somebody first appears
FRAME = "Scene from a story:"  # the story may be in any language, the rest of a prompt is English

STYLES: dict[MediaType, str] = {
    "cinematic": "Cinematic film still, dramatic natural light, deep perspective, rich colour grading",
    "cartoon": "Hand-drawn cartoon, clean outlines, flat bright colours, friendly rounded shapes",
    "realistic": "Realistic photograph, natural light, true colours, fine detail",
    "artistic": "Painterly illustration, visible brush strokes, harmonious palette, textured paper",
}

# A recurring character needs something that stays: where the story gives us only a name, the rule picks a coat.
COLOURS = ("red", "blue", "green", "yellow", "violet", "orange", "teal", "brown")
GARMENTS = ("coat", "scarf", "cloak", "jacket")
CLOTHES = "apron boots cap cape cloak coat dress gloves gown hat hood jacket robe scarf shawl shirt suit uniform vest"
SHADES = "black blue brown gold golden gray green grey orange pink purple red scarlet silver teal violet white yellow"
PEOPLE = (
    "artist baby baker boy captain child cook daughter doctor farmer fisherman gardener giant girl gnome grandfather"
    " grandmother king knight lady man merchant miller nurse old-timer pirate prince princess queen sailor sister"
    " soldier teacher thief tailor wizard witch woman"
)
# What stands right before a name and stays in the picture, in the languages where it is one word.
AGES = {
    "old": "old elderly aged alt alte alter alten vieux vieille viejo vieja vecchio vecchia velho velha oude"
    " старый старая",
    "young": "young jung junge junger jungen jeune joven giovane jovem jonge молодой молодая",
    "little": "little small tiny klein kleine kleiner kleinen petit petite pequeño pequeña piccolo piccola"
    " pequeno pequena маленький маленькая",
    "tall": "tall lanky groß große großer großen grand grande alto alta lange высокий высокая",
    "blind": "blind blinde blinder blinden aveugle ciego ciega cieco cieca cego cega",
    "bearded": "bearded bärtige bärtiger barbu barbudo barbuto",
}
ANIMALS = frozenset(
    "badger bear beaver bird cat cow crow deer dog donkey dragon duck eagle elephant fox frog goat goose hare hawk hen"
    " horse lion mole monkey mouse otter owl ox pig pigeon pony rabbit rat raven robot rooster sheep snake sparrow"
    " spider squirrel swan tiger toad turtle whale wolf".split()
)

TIMES = {
    "dawn": "at dawn",
    "morning": "in the morning",
    "day": "by day",
    "evening": "in the evening",
    "night": "at night",
}
WEATHERS = {
    "cloudy": "under a clouded sky",
    "rain": "in the rain",
    "snow": "in falling snow",
    "fog": "in thick fog",
    "storm": "in a storm",
    "wind": "in the wind",
}

# One softer word for each that picture models refuse most often; used once, after a refusal.
SOFTER = {
    "blood": "red paint",
    "bloody": "stained",
    "bleeding": "tired",
    "corpse": "sleeping figure",
    "dead": "sleeping",
    "death": "stillness",
    "die": "rest",
    "died": "rested",
    "dies": "rests",
    "gun": "torch",
    "guns": "torches",
    "kill": "stop",
    "killed": "stopped",
    "killing": "stopping",
    "kills": "stops",
    "knife": "stick",
    "murder": "quarrel",
    "murdered": "vanished",
    "naked": "robed",
    "nude": "robed",
    "rifle": "staff",
    "shoot": "point at",
    "shot": "startled",
    "slaughter": "tumult",
    "stab": "push",
    "stabbed": "pushed",
    "sword": "staff",
    "torture": "trouble",
    "weapon": "tool",
    "weapons": "tools",
    "wound": "bandage",
    "wounded": "bandaged",
}
_SOFTER = re.compile(rf"\b(?:{'|'.join(SOFTER)})\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_SPEECH = re.compile('“[^”]*”|„[^“”]*[“”]|«[^»]*»|»[^«]*«|「[^」]*」|『[^』]*』|"[^"]*"')
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")
_SPOKEN = "\0"  # stands for speech that was taken out
_ENDS = tuple(".!?…。！？\"'”’»」』")

_ENGLISH_AGE = {word: english for english, words in AGES.items() for word in words.split()}
_CLOTHING = rf"(?:[a-z-]+ ){{0,2}}(?:{SHADES.replace(' ', '|')}) (?:[a-z-]+ ){{0,2}}(?:{CLOTHES.replace(' ', '|')})"
_KIND = re.compile(rf"\b(?:{(PEOPLE + ' ' + CLOTHES + ' ' + ' '.join(sorted(ANIMALS))).replace(' ', '|')})\b")
_KINDS = "|".join((*PEOPLE.split(), *sorted(ANIMALS)))
_ANIMAL = re.compile(rf"\b(?:{'|'.join(sorted(ANIMALS))})$")
_GROWN: dict[Gender, str] = {"he": "man", "she": "woman"}
_CHILD = {
    word: noun
    for noun, words in {
        "boy": "boy lad junge junge garçon niño chico bambino ragazzo menino мальчик 男孩 少年",
        "girl": "girl mädchen fille fillette niña chica bambina ragazza menina девочка 女孩 少女",
    }.items()
    for word in words.split()
}
_CHILDREN = "|".join(_CHILD)


class RuleWriter:
    """The offline stand-in for the text model; the same input gives the same words."""

    def bible(
        self, title: str, story: str, analysis: ScriptAnalysis, facts: list[SceneFacts], settings: GenerationSettings
    ) -> StoryBible:
        """Who recurs and where the story goes, by the analysis; looks as the story says, else by name and seed."""
        present = [name for scene in facts for name in scene.characters]
        opening = story[:LOOK_CHARS]
        names = sorted(set(present), key=lambda name: (-present.count(name), present.index(name)))[:MAX_CHARACTERS]
        places = [place for place in analysis.locations if place.name][:MAX_PLACES]
        return StoryBible(
            title=title.strip() or shorten(_SPACES.sub(" ", story).strip(), TITLE_CHARS),
            style=settings.style or STYLES[settings.media_type],
            characters=[
                BibleCharacter(name=name, appearance=appearance)
                for name, appearance in looks(names, settings.seed, opening, analysis.language).items()
            ],
            places=[BiblePlace(name=place.name, description=place.kind or place.name) for place in places],
            source="offline",
        )

    def scene(
        self, bible: StoryBible, text: str, facts: SceneFacts, settings: GenerationSettings, max_chars: int
    ) -> SceneText:
        """A scene's description (its own first words) and a prompt: what happens, who with which looks, where, style.

        The title is left to the caller, who has one in the scene's own words.
        """
        looks = {character.name: character.appearance for character in bible.characters}
        who = " ".join(f"{name}: {looks[name]}." for name in facts.characters[:MAX_PRESENT] if looks.get(name))
        prompt = compose_prompt(
            style=bible.style,
            who=who,
            action=f"{FRAME} {shorten(what_happens(text), MOMENT_CHARS)}",
            place=where_and_when(facts, described_place(bible, facts)),
            max_chars=max_chars,
        )
        return SceneText(
            title="",
            description=shorten(told(text), MOMENT_CHARS),
            image_prompt=prompt,
            characters=facts.characters,
            location=facts.location,
            time_of_day=facts.time_of_day,
        )

    def soften(self, prompt: str) -> str:
        """The prompt with the words that picture models refuse most often replaced."""
        return _SOFTER.sub(lambda match: SOFTER[match.group().lower()], prompt)


def looks(names: list[str], seed: int, story: str, language: str) -> dict[str, str]:
    """The fixed words for each of a story's characters; no two wear the same invented colour while others are free."""
    genders = read_genders(story, names, language)
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in names:
        found[name] = look(name, seed, story, gender=genders.get(name), taken=frozenset(taken))
        taken |= set(found[name].split()) & set(COLOURS)
    return found


def look(
    name: str, seed: int, story: str = "", *, gender: Gender | None = None, taken: frozenset[str] = frozenset()
) -> str:
    """The fixed words for a character: what the story says right beside the name, else clothes picked by the name."""
    for word in re.findall(r"[a-z]+", name.lower()):
        if word in ANIMALS:
            return f"a {word}"
    said = described(name, story)
    if said and _ANIMAL.search(said):
        return said
    if said and re.search(rf"\b(?:{CLOTHES.replace(' ', '|')})\b", said):
        return said
    worn = worn_by(name, story, gender)
    clothes = worn or f"always in the same {_clothes(name, seed, taken)}"
    hair = hair_of(name, story, gender)
    person = " ".join(filter(None, (said or person_of(name, story, gender), f"with {hair}" if hair else "")))
    return f"{person}, {clothes}" if person else clothes


def described(name: str, story: str) -> str | None:
    """`a girl in a red coat`, from `Mira, a girl in a red coat,`; `a dog`, from `his dog Button`."""
    who = _written(name)
    phrases = re.findall(rf"\b{who},? (?:who )?(?:is |was )?(an? [^,.;:!?“”\"()]{{3,60}})(?=[,.;:!?)])", story)
    phrases += re.findall(rf"\b([Aa]n? [^,.;:!?“”\"]{{3,60}}?),? (?:called|named) {who}\b", story)
    for phrase in phrases:
        if _KIND.search(phrase):
            return str(phrase[0].lower() + phrase[1:])
    kind = re.search(rf"\b({_KINDS}) {who}\b", story)
    return _with_article(kind.group(1)) if kind else None


def person_of(name: str, story: str, gender: Gender | None) -> str | None:
    """`an old man`, `a girl`: what the words around a name make of somebody; only `old` where no more is told."""
    age = age_of(name, story)
    noun = _child(name, story, gender) or (_GROWN[gender] if gender else None)
    return _with_article(f"{age} {noun}" if age else noun) if noun else age


def _child(name: str, story: str, gender: Gender | None) -> str | None:
    """`boy` or `girl` where the story says it of this name: `“I am Jorin,” said the boy`, `叫阿青的女孩`."""
    found = re.search(
        rf"\b{_written(name)}\b[”»«“\"」,. ]{{1,4}}(?:\w+ )?(?:the|der|das|le|la|el|il|lo|o|a|l['’]) ?({_CHILDREN})\b"
        rf"|\b({_CHILDREN}) {_written(name)}\b|叫{re.escape(name)}的(?:小)?({_CHILDREN})",
        story,
        re.IGNORECASE,
    )
    noun = _CHILD[next(filter(None, found.groups())).casefold()] if found else None
    return noun if noun and (gender is None or noun == {"he": "boy", "she": "girl"}[gender]) else None


def worn_by(name: str, story: str, gender: Gender | None = None) -> str | None:
    """`wearing a red coat`, from `Mira wore a red coat` or `Mira, in her red coat`; no other name in between.

    With a gender, what she wore in the sentence after counts too: `Mira laughed. She wore a red coat.`
    """
    return _first_told(
        name,
        story,
        gender,
        rf"\b(?:wore|wears|wearing|in|had|has|with)\b[^.!?;A-Z]{{0,40}}?\b(?:an?|her|his|the|its) ({_CLOTHING})\b",
        "wearing a ",
    )


def hair_of(name: str, story: str, gender: Gender | None = None) -> str | None:
    """`silver hair`, from `Ilse had silver hair`; `a long grey beard`."""
    return _first_told(
        name,
        story,
        gender,
        r"\b(?:had|has|with|her|his)\b[^.!?;A-Z]{0,24}?\b((?:a )?(?:[a-z-]+,? ){1,3}(?:hair|beard|braids|curls))\b",
    )


def _first_told(name: str, story: str, gender: Gender | None, told: str, before: str = "") -> str | None:
    """What a pattern finds after the name in its sentence, or after the pronoun that opens the next one."""
    subject = rf"\b{_written(name)}(?: [A-Z]\w+)?\b[^.!?;A-Z]{{0,40}}?"
    if gender:
        pronoun = gender.capitalize()
        subject = rf"(?:{subject}|\b{_written(name)}\b[^.!?;]{{0,120}}[.!?] {pronoun}\b[^.!?;A-Z]{{0,40}}?)"
    found = re.search(subject + told, story)
    return before + found.group(1) if found else None


def _written(name: str) -> str:
    """A name as a pattern; a speaker's name in capitals is found in small letters too."""
    return rf"(?i:{re.escape(name)})" if name.isupper() else re.escape(name)


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def age_of(name: str, story: str) -> str | None:
    """`old`, from `old Tomas`, `der alte Tomas` or `le vieux Tomas`."""
    before = re.findall(rf"\b(\w+) {_written(name)}\b", story)
    return next((_ENGLISH_AGE[word.lower()] for word in before if word.lower() in _ENGLISH_AGE), None)


def _clothes(name: str, seed: int, taken: frozenset[str]) -> str:
    number = zlib.crc32(f"{seed}:{name}".encode())
    turned = [COLOURS[(number + step) % len(COLOURS)] for step in range(len(COLOURS))]
    colour = next((colour for colour in turned if colour not in taken), turned[0])
    return f"{colour} {GARMENTS[number // 8 % len(GARMENTS)]}"


def told(text: str) -> str:
    """The scene on one line without its title and headings; all of it where there is nothing else."""
    paragraphs = [_SPACES.sub(" ", part).strip() for part in re.split(r"\n\s*\n", _heading_lines_apart(text))]
    return " ".join(part for part in paragraphs if part.endswith(_ENDS)) or " ".join(filter(None, paragraphs))


def _heading_lines_apart(text: str) -> str:
    """The text with a short first line that ends no sentence (`第一章`, `The Mill`) made a paragraph of its own."""
    first, newline, rest = text.lstrip().partition("\n")
    return f"{first}\n\n{rest}" if newline and len(first) <= 40 and not first.rstrip().endswith(_ENDS) else text


def what_happens(text: str) -> str:
    """The scene without headings and without speech, which a picture cannot show; all of it where nothing is left."""
    words = told(text)
    sentences = _SENTENCE.split(_SPEECH.sub(_SPOKEN, words))
    return " ".join(part for part in sentences if part and _SPOKEN not in part).strip() or words


def described_place(bible: StoryBible, facts: SceneFacts) -> str:
    """The bible's words for the scene's place, where it says more than its name or kind."""
    known = {place.name.casefold(): place.description for place in bible.places}
    said = known.get((facts.location or "").casefold(), "")
    return "" if said in (facts.location, facts.place_kind) else said


def where_and_when(facts: SceneFacts, described: str = "") -> str:
    """Place, time and weather in a few English words; empty when nothing is known. `described` wins for the place."""
    place = described or facts.place_kind or ""
    if not described and facts.location and facts.location.lower() != place:
        place = f"{facts.location} ({place})" if place else facts.location
    parts = [place, TIMES.get(facts.time_of_day, ""), WEATHERS.get(facts.weather, "")]
    mood = f"{facts.mood} mood" if facts.mood else ""
    return ", ".join(part for part in (*parts, mood) if part)


def shorten(text: str, chars: int) -> str:
    """The text, cut at a word where it is longer than `chars` characters."""
    if len(text) <= chars:
        return text
    return text[: chars - 1].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + "…"
