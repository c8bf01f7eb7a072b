"""One call of your own code, traced in this process: the record, the terminal's view and a text for models."""

from shop import total

from tracegen import trace

run = trace(total, {"tea": 250, "milk": 99}, {"tea": 10})

print(run)  # what `tracegen trace shop.py "total({'tea': 250, 'milk': 99}, {'tea': 10})"` shows
print(run.text("compact"))

print("value:", run.value)
for event in run.record.events:
    if "paid" in event.set:
        code = run.record.code_of(event)
        print(f"{code.name}, line {event.line}: paid = {event.set['paid']}")
