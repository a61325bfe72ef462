"""Container names: the grammar, and a random adjective_surname for those who give none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from linkspan.model.errors import InvalidParameter

NAME_CHARACTERS = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_TRIES = 6


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    """
    able agile amazing amused awesome blissful bold brave busy calm charming cheerful clever competent
    cool cranky crazy dazzling determined distracted dreamy eager ecstatic elastic elated elegant
    eloquent epic exciting fervent festive flamboyant focused friendly funny gallant gifted gracious
    great happy hopeful hungry infallible inspiring intelligent jolly jovial keen kind laughing loving
    lucid magical modest mystifying naughty nervous nice nifty nostalgic objective optimistic peaceful
    pedantic pensive practical priceless quirky quizzical recursing relaxed reverent romantic serene
    sharp silly sleepy stoic strange suspicious sweet tender thirsty trusting unruffled upbeat vibrant
    vigilant vigorous wizardly wonderful xenodochial youthful zealous zen
    """
)
SURNAMES = _words(
    """
    abel agnesi albattani archimedes babbage banach bardeen bartik bassi bell bhabha black blackwell
    bohr boltzmann booth borg bose bouman brahmagupta brown burnell cannon carson cartwright cerf
    chandrasekhar chatterjee clarke colden cori cray curie curran darwin davinci dewdney dhawan diffie
    dijkstra dirac driscoll easley edison einstein elbakyan elgamal elion engelbart euclid euler feistel
    fermat fermi feynman franklin gagarin galileo galois gates gauss germain goldberg goldstine
    goldwasser golick goodall greider hamilton haslett hawking heisenberg hellman hermann herschel hertz
    heyrovsky hodgkin hofstadter hoover hopper hugle hypatia jackson jang jemison jepsen johnson joliot
    jones kalam kapitsa kare keldysh keller kepler khayyam khorana kilby kirch knuth kowalevski lalande
    lamarr lamport leakey leavitt lederberg lehmann lewin lichterman liskov lovelace lumiere margulis
    mayer mccarthy mcclintock mclaren mclean mcnulty meitner mendel mendeleev meninsky merkle mestorf
    mirzakhani montalcini moore morse moser murdock napier nash neumann newton nightingale nobel noether
    noyce panini pare pascal pasteur payne perlman pike poincare poitras proskuriakova ptolemy raman
    ramanujan rhodes ride riemann ritchie robinson roentgen rosalind rubin saha sammet sanderson satoshi
    shamir shannon shaw shirley shockley sinoussi snyder solomon spence stonebraker sutherland swanson
    swartz swirles taussig tesla tharp thompson torvalds turing varahamihira vaughan visvesvaraya
    volhard wescoff wilbur wiles williams williamson wilson wing wozniak wright wu yalow yonath
    zhukovsky
    """
)


def checked_name(name: str) -> str:
    """Return `name` without its leading slash; raises InvalidParameter with Docker's sentence."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(f"Invalid container name ({name}), only {NAME_CHARACTERS} are allowed")
    return name.removeprefix("/")


def random_name(taken: Callable[[str], bool], fallback: str) -> str:
    """Return a free adjective_surname; after six tries one with a digit; at last `fallback`."""
    for attempt in range(_TRIES * 2):
        name = f"{random.choice(ADJECTIVES)}_{random.choice(SURNAMES)}"
        if attempt >= _TRIES:
            name += str(random.randrange(10))
        if not taken(name):
            return name
    return fallback
