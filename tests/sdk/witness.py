"""Who was called, and what it was said to cost: the proof that no method of an SDK was left out.

The stories call the SDK's objects through `Witness.watch`. A public method of a class counts as exercised
once a story itself called it and it returned; what it calls inside does not count. Every answer that comes
along is read for its price: a call of which nobody said `costs(…)` must have cost nothing.
"""

import inspect
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
from requests.adapters import HTTPAdapter


def public_methods(classes):
    """`Class.method` of all that a class offers and a name without underscore calls."""
    return {f"{one.__name__}.{name}" for one in classes
            for name, member in inspect.getmembers(one, callable) if not name.startswith("_")}


def egress(*files):
    """What downloading these files costs: 200 PU for every 10^9 bytes, each rounded up to a millionth."""
    return sum(-(-Path(file).stat().st_size // 5) for file in files) * Decimal("0.000001")


def amounts(header):
    """`pu=26.5, aum=3` as amounts by their units; what is zero is left out."""
    parts = (part.strip().split("=") for part in (header or "").split(",") if part.strip())
    return {unit: Decimal(amount) for unit, amount in parts if Decimal(amount)}


class Witness:
    def __init__(self):
        self.exercised = set()
        self.answers = []  # what came back since the call began: its path and its price
        self.expected = None

    def watch(self, thing, run=lambda result: result):
        return Watched(self, thing, run)

    def listen(self):
        """Looks at every answer that `httpx` and `requests` bring, whoever asked for it."""
        send, send_async = HTTPAdapter.send, httpx.AsyncClient.send

        def sent(adapter, request, **more):
            answer = send(adapter, request, **more)
            self._note(request.path_url, answer.headers)
            return answer

        async def sent_async(client, request, **more):
            answer = await send_async(client, request, **more)
            self._note(request.url.raw_path.decode(), answer.headers)
            return answer

        HTTPAdapter.send, httpx.AsyncClient.send = sent, sent_async
        return self

    @contextmanager
    def costs(self, **units):
        """What is called here is predicted to cost so much of each unit in all, or from one amount to another,
        and nothing of any other. Figures that are known only afterwards can be put in until the block ends."""
        self.answers, self.expected = [], units
        yield units
        self._compare("this")
        self.expected = None

    def called(self, name, call):
        """Makes a call, and compares what it was said to cost with what was expected."""
        if self.expected is None:
            self.answers = []
        result = call()
        if self.expected is None:
            self.expected = {}
            self._compare(name)
            self.expected = None
        self.exercised.add(name)
        return result

    def _note(self, path, headers):
        self.answers.append((path, amounts(headers.get("Quota-Guard-Estimate"))))

    def _compare(self, name):
        said = {}
        for _, estimate in self.answers:
            for unit, amount in estimate.items():
                said[unit] = said.get(unit, 0) + amount
        bounds = {unit: amount if isinstance(amount, tuple) else (amount, amount)
                  for unit, amount in self.expected.items()}
        fits = said.keys() == bounds.keys() and all(
            Decimal(bounds[unit][0]) <= amount <= Decimal(bounds[unit][1]) for unit, amount in said.items())
        plain = {unit: str(amount) for unit, amount in said.items()}
        assert fits, f"{name} was to cost {self.expected}, and the guard said {plain}: {self.answers}"


class Watched:
    """An SDK's object whose calls a witness sees. `run` brings a result to its end, page after page."""

    def __init__(self, witness, thing, run):
        self._witness, self._thing, self._run = witness, thing, run

    def __getattr__(self, name):
        member = getattr(self._thing, name)
        if name.startswith("_") or not callable(member):
            return member
        owner = self._thing if inspect.isclass(self._thing) else type(self._thing)

        def call(*args, **more):
            return self._witness.called(f"{owner.__name__}.{name}", lambda: self._run(member(*args, **more)))

        return call
