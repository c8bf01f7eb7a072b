"""What the recorder's benchmarks run: real functions, and small programs that each stress one thing."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CRUXEVAL = ROOT.parent / "shared/data/cruxeval-even.jsonl"
SAMPLE = ROOT / "tests/data/functions_sample.jsonl"

_LIST = """
def bubble(items):
    for i in range(len(items) - 1):
        if items[i] > items[i + 1]:
            items[i], items[i + 1] = items[i + 1], items[i]
    return items[-1]

def run():
    return bubble([(n * 7919) % 1000 for n in range(1000)])
"""

_OBJECTS = """
from dataclasses import dataclass, field

@dataclass
class Account:
    name: str
    balance: float = 0.0
    history: list = field(default_factory=list)

    def move(self, amount):
        self.balance += amount
        self.history.append(amount)
        return self.balance

def run():
    accounts = {}
    for n in range(60):
        name = "abcdef"[n % 6]
        if name not in accounts:
            accounts[name] = Account(name)
        account = accounts[name]
        account.move(n * 1.5)
        if len(account.history) > 5:
            account.history.clear()
        totals = {key: item.balance for key, item in accounts.items()}
    return totals
"""

_RECURSION = """
def fib(n):
    if n < 2:
        return n
    left = fib(n - 1)
    right = fib(n - 2)
    return left + right

def run():
    return fib(13)
"""

_STRING = """
def run():
    text = ""
    words = []
    for n in range(1200):
        text += chr(97 + n % 26)
        if n % 40 == 39:
            words.append(text[-40:].upper())
    return words
"""


@dataclass(slots=True, frozen=True)
class Program:
    """A source text that defines ``run()``."""

    name: str
    source: str


def workloads() -> dict[str, list[Program]]:
    """Return the programs of each workload."""
    made = {"list": _LIST, "objects": _OBJECTS, "recursion": _RECURSION, "string": _STRING}
    return {"cruxeval": real_functions()} | {name: [Program(f"<{name}>", text)] for name, text in made.items()}


def real_functions() -> list[Program]:
    """Return each row's function with its call; of the small sample in the tests where the full file is absent."""
    path = CRUXEVAL if CRUXEVAL.exists() else SAMPLE
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # Called once per row, as the data set has it; rows with an entry point or several inputs are other sources' tests.
    plain = [row for row in rows if isinstance(row.get("input"), str) and "def f(" in row["code"]]
    return [
        Program(f"<{path.stem}-{number}>", f"{row['code']}\n\ndef run():\n    return f({row['input']}\n    )\n")
        for number, row in enumerate(plain)
    ]
