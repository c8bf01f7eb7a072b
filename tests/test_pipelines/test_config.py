"""A recipe and flags make one value, and a run's directory keeps to it."""

from pathlib import Path

import pytest

from pipelines.config import SHIPPED, Resolved, build_config, differences, load_recipe, save_recipe, saved_recipe
from schemas.errors import UsageError
from schemas.limits import Limits

BASE = {"sources": ["a.py"], "output": "out"}


def test_a_flag_overrides_one_field_and_one_limit() -> None:
    recipe = {**BASE, "python": "3.12", "limits": {"max_events": 7, "wall_seconds": 2}}
    config = build_config(recipe, {"python": "3.9", "limits": {"max_events": "9", "max_bytes": None}})
    assert config.python == "3.9"
    assert config.limits == Limits(max_events=9, max_bytes=None, wall_seconds=2)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid_and_found_by_its_name(path: Path) -> None:
    assert build_config(load_recipe(path.stem), {}).sources


def test_a_saved_recipe_is_read_back_and_free_fields_may_change(tmp_path: Path) -> None:
    resolved = Resolved(image="i", python="3.11.7", recorder_version="1")
    config = build_config(BASE, {}).model_copy(update={"resolved": resolved})
    save_recipe(tmp_path, config)
    assert saved_recipe(tmp_path) == config
    save_recipe(tmp_path, config.model_copy(update={"executor": "ray", "workers": 4, "limit": 3}))
    assert saved_recipe(tmp_path).workers == 4
    assert "resolved" not in load_recipe(str(tmp_path / "recipe.yaml"))


def test_another_image_in_the_same_directory_is_a_difference() -> None:
    first = build_config(BASE, {}).model_copy(
        update={"resolved": Resolved(image="i", python="3", recorder_version="1")}
    )
    other = first.model_copy(update={"resolved": Resolved(image="j", python="3", recorder_version="1")})
    assert differences(first, other) == ["resolved.image was 'i', is 'j'"]
    assert differences(first, first) == []


def test_a_damaged_recipe_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("sources: [")
    with pytest.raises(UsageError, match="another -o"):
        save_recipe(tmp_path, build_config(BASE, {}))
