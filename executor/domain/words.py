"""English by rule: plain words, singular and plural, and the words that carry no meaning of their own."""

from __future__ import annotations

import re
import unicodedata


def word_set(text: str) -> frozenset[str]:
    """The words of a text as a set, for lists that are read more easily than quoted ones."""
    return frozenset(text.split())


# Articles, pronouns, auxiliaries and polite fillers; a few of other languages, met in architects' sentences.
FILLERS = word_set(
    """
    a an the all any some each every this that these those my our your their its his her it i we you
    they me us please kindly fpai hey hi hello ok can could would should shall will must may might need
    needs want wants wanted like lets let is are be been being do does did done have has had get got
    give so just also very really one new simple small little basic tiny fast quick modern robust
    scalable secure reliable good great nice complete full fully minimal lightweight production ready
    rest restful http https json web python fastapi based un une le la les der die das ein eine einen el
    los las uno una mir bitte por favor moi something anything someone everyone people
    """
)
BUILD_VERBS = word_set(
    """
    build create make develop write implement design construct generate deploy launch provide code craft
    set up setup start add produce deliver cree creer crear crea construye haz erstelle baue bauen
    """
)
# What a service is called when the sentence names its form and not its subject.
FORM_NOUNS = word_set(
    """
    droplet droplets service services microservice microservices engine engines api apis app apps
    application applications system systems server servers backend backends tool tools platform
    platforms bot program software endpoint endpoints component module thing solution servicio dienst
    """
)
LINKS = word_set(
    """
    to for that which who whose where when while with without using via by from in on at of into onto
    over under through per as and or but nor if then than so because since until about after before
    between so within upon plus e g i ie eg etc de du des para pour fur fuer mit con avec und y et que
    """
)
_UNCOUNTED = word_set(
    """
    series species news weather feedback inventory equipment software stock music
    """
)
_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women", "mouse": "mice"}
_SINGULAR_OF = {many: one for one, many in _IRREGULAR.items()}
_S_BUT_SINGULAR = ("ss", "us", "is")
_ONE = word_set(
    "analytics physics mathematics economics politics logistics ethics statistics gas atlas canvas"
)


def fold(text: str) -> str:
    """Lower case, accents taken off, anything that is not ASCII dropped."""
    flat = unicodedata.normalize("NFKD", text)
    return "".join(c for c in flat if not unicodedata.combining(c)).lower().encode("ascii", "ignore").decode()


def words(text: str) -> list[str]:
    """The text's ASCII words in lower case; digits count, punctuation does not."""
    return re.findall(r"[a-z0-9]+", fold(text.replace("'", "").replace("’", "")))  # noqa: RUF001


def plural(word: str) -> str:
    """`book` is books, `category` is categories; a word without a plural gets none."""
    if word in _UNCOUNTED or word in _SINGULAR_OF:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    if re.search(r"(s|x|z|ch|sh)$", word):
        return word + "es"
    return word + "s"


def singular(word: str) -> str:
    """`categories` is category, `boxes` is box; what only looks like a plural stays (analytics, status)."""
    if word in _UNCOUNTED or word in _ONE or len(word) < 4:
        return word
    if word in _SINGULAR_OF:
        return _SINGULAR_OF[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(sses|xes|zzes|ches|shes|uses)$", word):
        return word[:-2]
    if word.endswith("s") and not word.endswith(_S_BUT_SINGULAR):
        return word[:-1]
    return word


def _forms(verb: str) -> set[str]:
    """A regular verb's forms: store, stores, stored, storing."""
    stem = verb[:-1] if verb.endswith("e") else verb
    third = plural(verb)
    past = verb[:-1] + "ied" if re.search(r"[^aeiou]y$", verb) else stem + "ed"
    return {verb, third, past, stem + "ing"}


def _all_forms(verbs: str) -> frozenset[str]:
    return frozenset(form for verb in verbs.split() for form in _forms(verb))


# Verbs whose object is a thing to keep; the second set only when the first finds nothing.
KEEP_VERBS = _all_forms(
    """
    store track manage record list keep log save collect organize organise monitor maintain register
    handle catalog catalogue archive review submit accept receive remember capture gather measure
    """
) | word_set("kept logging logged submitting submitted cataloging")
EDIT_VERBS = _all_forms(
    "create add update edit delete remove search browse read find show query publish share import reserve"
    " lend borrow rent sell buy assign"
) | word_set("booking posting planning scheduling rating getting lent sold bought")
_DETERMINERS = word_set("a an the my our your their its each every all new of")


def is_verb(tokens: list[str], at: int, verbs: frozenset[str]) -> bool:
    """True when this word is one of the verbs and does not stand where an object stands.

    In "manages records" and "a list" the second word is a thing; in "store and list books" it is not.
    """
    if tokens[at] not in verbs:
        return False
    before = tokens[at - 1] if at else ""
    return before not in _DETERMINERS and before not in KEEP_VERBS and before not in EDIT_VERBS
