"""The one exception that users are meant to read."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(Exception):
    """Something that the user gave is wrong and only the user can mend it.

    ``InputError(sentence, ...)``: each sentence says what is wrong, where (file, row, key), and
    what to do. Scripts print them without a traceback; anything else that is raised is a defect of
    the workflow and keeps its traceback.
    """

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is wrong, one sentence each."""
        return self.args

    def __str__(self) -> str:
        """The sentence, or all of them as a list."""
        if len(self.args) == 1:
            return str(self.args[0])
        return "\n".join([f"{len(self.args)} mistakes:", *(f"- {each}" for each in self.args)])


class Mistakes:
    """Collects mistakes, so that a user sees all of a kind at once."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Note one mistake."""
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the mistakes of an :class:`InputError` raised inside, and go on behind."""
        try:
            yield
        except InputError as error:
            for each in error.sentences:
                self.add(each)

    def refuse(self) -> None:
        """Raise :class:`InputError` with all mistakes noted so far, if there are any."""
        if self.sentences:
            raise InputError(*self.sentences)
