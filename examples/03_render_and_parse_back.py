"""A text is a pure function of the record, and parses back to the same states at every event."""

from shop import total

from tracegen import trace
from tracegen.render import PARSERS, get_renderer
from tracegen.replay import replay

record = trace(total, {"tea": 250}, {"tea": 10}).record

# From the segments, never from the joined text: a user's string may look like a special token.
segments = get_renderer("compact").render(record)
parsed = PARSERS["compact"](segments)

for (event, state), read in zip(replay(record.events), parsed.events, strict=True):
    if (read.kind, read.line, read.state, read.value) != (event.kind, event.line, state, event.value):
        raise SystemExit(f"{read} is not {event}")

print("".join(segment.text for segment in segments))
print(f"\n{len(parsed.events)} events read back, outcome {parsed.outcome}")
