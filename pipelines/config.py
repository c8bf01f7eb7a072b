"""A run is one reviewable value: a YAML recipe with single fields overridden by flags, saved beside the output."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from pipelines.atomic import write_text
from pipelines.shard_buffer import ShardThresholds
from sandboxes.backends import BACKENDS
from schemas.base import Model
from schemas.errors import UsageError
from schemas.job import Granularity, check_details
from schemas.limits import Limits
from tracegen.sources.base import PROGRAM_BYTES, PROGRAM_EVENTS, RowForm
from tracegen.sources.columns import Columns

RECIPE_NAME: Final = "recipe.yaml"
SHIPPED: Final = Path(__file__).parent / "recipes"

FREE_FIELDS: Final = frozenset({"executor", "workers", "output", "limit", "max_failures", "shards"})
"""May differ between runs into one directory: they decide how and how far, not what a row holds."""

_PROGRAM: Final = {"max_events": PROGRAM_EVENTS, "max_bytes": PROGRAM_BYTES}


class Resolved(Model):
    """What the recipe's choices came to on the machine that ran it."""

    image: str
    """Content digest."""
    python: str
    recorder_version: str


class RunConfig(Model):
    """Everything that decides a run of ``tracegen functions``. ``None`` means no limit, or: choose."""

    sources: tuple[str, ...] = Field(min_length=1)
    """Files, folders, tables, ``hf://`` paths, ``module:NAME``, ``package:NAME==VERSION``; calls after a file."""
    output: str
    """Directory of the run."""
    renderers: tuple[str, ...] = ("cwm", "compact")
    executor: Literal["local", "ray"] = "local"
    workers: PositiveInt | None = None
    """Of ``ray``; ``None``: one per CPU. ``local`` is one worker, whatever stands here."""
    sandbox: str = "docker"
    """A backend's name. ``process`` gives no isolation: for code that you trust."""
    sandbox_runtime: str = ""
    """OCI runtime such as ``runsc`` or ``kata``; empty for the engine's default."""
    sandbox_accepts: tuple[str, ...] = ()
    """Weaknesses of this machine's sandbox that are accepted, by the names that its refusal gives."""
    python: str | None = None
    """Minor version for the sandbox; ``None``: that of the image."""
    base: str | None = None
    """Image to start from; ``None``: the first that can be had."""
    check: Literal["full", "rerun", "none"] = "full"
    """Determinism: second and untraced run, second run only, neither."""
    pure: bool = False
    trace_packages: tuple[str, ...] = ()
    limits: Limits = Limits()
    program_limits: Limits = Limits(max_events=PROGRAM_EVENTS, max_bytes=PROGRAM_BYTES)
    """Of whole programs (contest rows); a field that only ``limits`` sets is taken from there."""
    form: RowForm | None = None
    """Of all rows; ``None``: told by their columns."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our name of a column -> where rows have it: ``code: files[].content``."""
    licence: str = "unknown"
    granularity: Granularity = "line"
    """``opcode``: an event before each instruction, too."""
    expressions: bool = False
    """Record the values of expressions between the lines; at granularity ``line`` only."""
    seed: int = 0
    limit: PositiveInt | None = None
    """Only the first so many inputs of the plan."""
    max_failures: float = Field(default=0.1, ge=0, le=1)
    """Share of failure rows above which the run ends with exit code 1."""
    shards: ShardThresholds = ShardThresholds()
    resolved: Resolved | None = None

    @model_validator(mode="before")
    @classmethod
    def _programs_follow(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or not isinstance(fields.get("limits"), dict):
            return fields
        own = fields.get("program_limits")
        return {**fields, "program_limits": {**_PROGRAM, **fields["limits"], **(own if isinstance(own, dict) else {})}}

    @model_validator(mode="after")
    def _one_of_both(self) -> "RunConfig":
        check_details(self.granularity, self.expressions)
        return self

    @field_validator("sandbox")
    @classmethod
    def _sandbox_is_known(cls, name: str) -> str:
        if name not in BACKENDS:
            raise ValueError(f"there are: {', '.join(BACKENDS)}")
        return name

    @field_validator("columns")
    @classmethod
    def _columns_are_paths(cls, columns: dict[str, str]) -> dict[str, str]:
        Columns(tuple(columns.items()))
        return columns


def load_recipe(name: str) -> dict[str, Any]:
    """Read a recipe file, or a shipped recipe by its bare name. Raises ``UsageError``.

    What an earlier run ``resolved`` on its machine is left out: it binds that run's directory only.
    """
    path = Path(name)
    if not path.exists() and (SHIPPED / f"{name}.yaml").is_file():
        path = SHIPPED / f"{name}.yaml"
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        shipped = ", ".join(sorted(one.stem for one in SHIPPED.glob("*.yaml")))
        reason = " ".join(str(error).split())
        raise UsageError(f"recipe {name} cannot be read: {reason}; give a YAML file or one of: {shipped}") from error
    if not isinstance(fields, dict):
        raise UsageError(f"recipe {path} must be a mapping of fields: {', '.join(RunConfig.model_fields)}")
    return {key: value for key, value in fields.items() if key != "resolved"}


def build_config(recipe: Mapping[str, Any], flags: Mapping[str, Any]) -> RunConfig:
    """Return the recipe with the flags' fields put over it (those of ``limits`` one by one). Raises ``UsageError``."""
    fields = {**recipe, **flags}
    for name in ("limits", "program_limits"):
        if isinstance(recipe.get(name), dict) and "limits" in flags:
            fields[name] = {**recipe[name], **flags["limits"]}
    try:
        return RunConfig.model_validate(fields)
    except ValidationError as error:
        raise UsageError(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            parts.append(f"{field}: no such field; fields are {', '.join(RunConfig.model_fields)}")
        elif problem["type"] == "missing":
            parts.append(f"{field}: is needed (a flag or a line of the recipe)")
        else:
            parts.append(f"{field}: {problem['msg']}, not {problem['input']!r}")
    return "; ".join(parts)


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Return the fields that would make rows of another kind, each with both values."""
    before, after = _flat(old), _flat(new)
    return [
        f"{name} was {before.get(name)!r}, is {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _flat(config: RunConfig) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.model_dump(mode="json", exclude=set(FREE_FIELDS)).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def save_recipe(run_dir: Path, config: RunConfig) -> None:
    """Save the recipe of a new run, or check that it continues the one that is there.

    Raises ``UsageError`` that names the differing fields, and ``StorageFailed``.
    """
    path = run_dir / RECIPE_NAME
    if path.exists():
        different = differences(saved_recipe(run_dir), config)
        if different:
            raise UsageError(
                f"{run_dir} holds a run of another recipe: {'; '.join(different)}. Choose another -o, or repeat the "
                f"recipe with --recipe {path}; other renderings of finished rows come from `tracegen render {run_dir}`"
            )
    header = "# Written by tracegen functions; run again with: tracegen functions --recipe THIS_FILE\n"
    write_text(path, header + yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def saved_recipe(run_dir: Path) -> RunConfig:
    """Return the recipe of a run's directory. Raises ``UsageError``."""
    path = run_dir / RECIPE_NAME
    try:
        return RunConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{path} cannot be read ({reason}); {run_dir} is no run of this version: choose another -o"
        ) from error
